//! What a verdict says, word by word.

use convscope::{
    Step,
    rules::{Examiner, Finding, Looks, Observation, Recent, RuleSet, Severity, Verdict},
};

fn finding(rule: &str, subject: &str, severity: Severity) -> Finding {
    Finding {
        rule: rule.to_owned(),
        subject: subject.to_owned(),
        severity,
        since: Step::new(40),
        last: Step::new(470),
        cleared: None,
        value: 3.1234e-10,
        threshold: 1e-7,
        message: "the gradient of its weights has an RMS of 3.1e-10 (limit 1e-7)".to_owned(),
        advice: "Put batch normalisation behind each convolution.".to_owned(),
        explained_by: None,
        recent: Vec::new(),
    }
}

fn looks(rules: &[(&str, u64)]) -> Vec<Looks> {
    rules.iter().map(|&(rule, count)| Looks { rule: rule.to_owned(), count }).collect()
}

fn sick() -> Verdict {
    let said = |message: &str, finding: Finding| Finding { message: message.to_owned(), ..finding };
    let effect = Finding {
        explained_by: Some("vanishing_gradient".to_owned()),
        ..said(
            "the loss is 2.31, as at the beginning",
            finding("loss_not_decreasing", "training", Severity::Critical),
        )
    };
    let effect_of_effect = Finding {
        explained_by: Some("loss_not_decreasing".to_owned()),
        ..said(
            "99 % of the answers are class 3",
            finding("prediction_collapse", "training", Severity::Warning),
        )
    };
    let over = Finding {
        cleared: Some(Step::new(30)),
        since: Step::new(10),
        ..said("the loss jumped to 9", finding("loss_spike", "training", Severity::Warning))
    };
    Verdict {
        step: Some(Step::new(470)),
        findings: vec![
            finding("vanishing_gradient", "conv1", Severity::Critical),
            effect,
            finding("vanishing_gradient", "conv2", Severity::Warning),
            said("much is silent", finding("my_rule", "relu7", Severity::Warning)),
            effect_of_effect,
        ],
        past: vec![over],
        past_total: 1,
        looks: looks(&[("vanishing_gradient", 47), ("my_rule", 12), ("overfitting", 0)]),
        actions: vec![(Step::new(50), "the learning rate was lowered from 0.1 to 0.01".to_owned())],
        reasons: vec!["Not of interest here.".to_owned()],
    }
}

const SICK: &str = "\
## Training does not work: hardly any gradient reaches some layers, so that they do not learn (`conv1`).

At step 470: 2 critical findings, 3 warnings.

### 1. Vanishing gradient (`conv1`) - critical

`conv1`: the gradient of its weights has an RMS of 3.1e-10 (limit 1e-7). Seen from step 40 to 470.

What to do: Put batch normalisation behind each convolution.

The same in:

- `conv2`: the gradient of its weights has an RMS of 3.1e-10 (limit 1e-7) (warning); since step 40

This explains the following, which will most likely go with it:

- loss not decreasing (critical): The loss is 2.31, as at the beginning; since step 40
- prediction collapse (warning): 99 % of the answers are class 3; since step 40

### 2. My rule (`relu7`) - warning

`relu7`: much is silent. Seen from step 40 to 470; measured 3.12e-10, threshold 1e-7.

What to do: Put batch normalisation behind each convolution.

### What was done

- step 50: the learning rate was lowered from 0.1 to 0.01

### Earlier troubles that are over

- loss spike (warning), from step 10 to 30: The loss jumped to 9

### What was looked at

Rules, and how many observations each of them looked at: vanishing gradient 47, my rule 12.

Rules that had nothing to look at, because it was not measured or too few steps were seen: overfitting.
";

const SICK_TEXT: &str = "\
Training does not work: hardly any gradient reaches some
layers, so that they do not learn (`conv1`).
  At step 470: 2 critical findings, 3 warnings.

1. Vanishing gradient (`conv1`) - critical
  `conv1`: the gradient of its weights has an RMS of 3.1e-10
  (limit 1e-7). Seen from step 40 to 470.
  What to do: Put batch normalisation behind each
  convolution.
  The same in:
  - `conv2`: the gradient of its weights has an RMS of
    3.1e-10 (limit 1e-7) (warning); since step 40
  This explains the following, which will most likely go
  with it:
  - loss not decreasing (critical): The loss is 2.31, as at
    the beginning; since step 40
  - prediction collapse (warning): 99 % of the answers are
    class 3; since step 40

2. My rule (`relu7`) - warning
  `relu7`: much is silent. Seen from step 40 to 470;
  measured 3.12e-10, threshold 1e-7.
  What to do: Put batch normalisation behind each
  convolution.

What was done
  - step 50: the learning rate was lowered from 0.1 to 0.01

Earlier troubles that are over
  - loss spike (warning), from step 10 to 30: The loss
    jumped to 9

What was looked at
  Rules, and how many observations each of them looked at:
  vanishing gradient 47, my rule 12.
  Rules that had nothing to look at, because it was not
  measured or too few steps were seen: overfitting.
";

#[test]
fn a_sick_training_in_markdown() {
    assert_eq!(sick().to_markdown(), SICK);
}

#[test]
fn the_same_words_in_a_terminal() {
    assert_eq!(sick().to_text(60), SICK_TEXT);
    // All words of the one are in the other, in their order, whatever the width.
    let words = |text: &str| -> Vec<String> {
        let plain = text.replace(['#', '|', '\\'], " ").replace("\n- ", "\n");
        plain
            .split_whitespace()
            .filter(|word| !word.starts_with("--") && *word != "-")
            .map(str::to_owned)
            .collect()
    };
    for width in [40, 60, 133] {
        assert_eq!(words(&sick().to_text(width)), words(SICK), "{width}");
    }
}

#[test]
fn healthy_says_so_and_why() {
    let healthy = Verdict {
        step: Some(Step::new(1875)),
        looks: looks(&[("dead_relu", 180), ("loss_spike", 1875), ("overfitting", 0)]),
        reasons: vec!["The loss fell from 2.3 to 0.1.".to_owned(), "No unit is silent.".to_owned()],
        ..Verdict::default()
    };
    assert!(healthy.is_healthy());
    assert_eq!(
        healthy.to_markdown(),
        "\
## Training looks healthy: 2 rules looked up to step 1875 and found nothing wrong.

- The loss fell from 2.3 to 0.1.
- No unit is silent.

### What was looked at

Rules, and how many observations each of them looked at: dead ReLU 180, loss spike 1875.

Rules that had nothing to look at, because it was not measured or too few steps were seen: overfitting.
"
    );
}

#[test]
fn one_sentence_for_every_state() {
    let state = |findings: Vec<Finding>, past: Vec<Finding>, count: u64| {
        let verdict = Verdict {
            step: Some(9.into()),
            findings,
            past,
            looks: looks(&[("a", count)]),
            ..Verdict::default()
        };
        (verdict.headline(), verdict.is_healthy())
    };
    let at = |severity| finding("dead_relu", "relu3", severity);
    let meaning = "units are silent for every image, so that they neither help nor learn (`relu3`).";
    let cases = [
        (
            state(Vec::new(), Vec::new(), 0),
            "Nothing is known yet: no rule has had enough to look at.".to_owned(),
            false,
        ),
        (
            state(Vec::new(), Vec::new(), 3),
            "Training looks healthy: 1 rule looked up to step 9 and found nothing wrong.".to_owned(),
            true,
        ),
        (
            state(Vec::new(), vec![at(Severity::Critical)], 3),
            "Training looks healthy again: 1 rule looked up to step 9, and what was found is over."
                .to_owned(),
            true,
        ),
        (
            state(vec![at(Severity::Info)], Vec::new(), 3),
            format!("Training looks healthy, with a remark: {meaning}"),
            true,
        ),
        (
            state(vec![at(Severity::Warning)], Vec::new(), 3),
            format!("Training goes on, but worse than it could: {meaning}"),
            false,
        ),
        (
            state(vec![at(Severity::Critical)], Vec::new(), 3),
            format!("Training does not work: {meaning}"),
            false,
        ),
    ];
    for ((headline, healthy), expected, is_healthy) in cases {
        assert_eq!((headline, healthy), (expected, is_healthy));
    }
    assert_eq!(
        Verdict::default().to_markdown(),
        "## Nothing is known yet: no rule has had enough to look at.\n"
    );
}

#[test]
fn names_from_outside_do_not_break_the_page() {
    let mut nasty = finding("a`b\n# c", "conv`\n|<script>", Severity::Critical);
    nasty.recent = vec![Recent { step: 3.into(), loss: Some(f64::NAN), ..Recent::default() }];
    let verdict = Verdict { step: Some(1.into()), findings: vec![nasty], ..Verdict::default() };
    let markdown = verdict.to_markdown();
    assert!(!markdown.contains("\n# c") && !markdown.contains("\n|<script>"), "{markdown}");
    assert!(!markdown.contains("| 3 | NaN |"), "{markdown}");
    let mut sudden = verdict;
    sudden.findings[0].rule = "non_finite".to_owned();
    assert!(sudden.to_markdown().contains("| 3 | NaN |"), "{}", sudden.to_markdown());
}

#[test]
fn every_standard_rule_has_a_plain_sentence() {
    let rules = RuleSet::standard();
    let names = rules.names().into_iter().map(str::to_owned).collect::<Vec<_>>();
    assert!(names.len() >= 3);
    for name in names {
        let verdict =
            Verdict { findings: vec![finding(&name, "training", Severity::Warning)], ..Verdict::default() };
        assert!(!verdict.headline().contains(&name), "{}", verdict.headline());
    }
}

#[test]
fn a_verdict_of_an_examiner_counts_what_each_rule_looked_at() {
    let mut examiner = Examiner::new(RuleSet::standard());
    for step in 1..=50 {
        let losses = vec![(Step::new(step), f64::NAN)];
        examiner.examine(&Observation { step: Step::new(step), losses, ..Observation::default() });
    }
    let verdict = Verdict::of(&examiner);
    assert_eq!(verdict.severity(), Some(Severity::Critical));
    assert_eq!(verdict.headline(), "Training does not work: numbers became NaN or infinite (`loss`).");
    let count = |rule: &str| verdict.looks.iter().find(|looks| looks.rule == rule).map(|looks| looks.count);
    assert_eq!(
        (count("non_finite"), count("vanishing_gradient"), count("unknown")),
        (Some(50), Some(0), None)
    );
}

#[test]
fn the_headline_counts_what_is_as_bad() {
    let headline = |findings: Vec<Finding>| Verdict { findings, ..Verdict::default() }.headline();
    let critical = |rule: &str, subject: &str| finding(rule, subject, Severity::Critical);
    let effect = Finding {
        explained_by: Some("vanishing_gradient".to_owned()),
        ..critical("loss_not_decreasing", "training")
    };
    let mut findings = vec![critical("vanishing_gradient", "conv1"), effect];
    let meaning =
        "Training does not work: hardly any gradient reaches some layers, so that they do not learn";
    assert_eq!(headline(findings.clone()), format!("{meaning} (`conv1`)."));
    findings.push(critical("vanishing_gradient", "conv2"));
    findings.push(finding("vanishing_gradient", "conv3", Severity::Warning));
    assert_eq!(headline(findings.clone()), format!("{meaning} (`conv1` and 1 more)."));
    findings.push(critical("class_imbalance", "training"));
    assert_eq!(
        headline(findings.clone()),
        format!("{meaning} (`conv1` and 1 more); and 1 more critical finding.")
    );
    findings.push(critical("label_range", "labels"));
    assert!(headline(findings).ends_with("; and 2 more critical findings."));
}

/// A network that knows its training images by heart has learnt them: training works.
#[test]
fn the_opening_suits_what_was_found() {
    let headline = |rule: &str, severity| {
        Verdict { findings: vec![finding(rule, "training", severity)], ..Verdict::default() }.headline()
    };
    for (rule, severity, expected) in [
        ("overfitting", Severity::Critical, "Training works, but not for images that it has not seen: "),
        ("class_imbalance", Severity::Critical, "Training works, but not for all classes: "),
        (
            "label_range",
            Severity::Critical,
            "Training does not work: there are labels that the network has no class for.",
        ),
        (
            "label_range",
            Severity::Warning,
            "Training goes on, but worse than it could: there are classes without labels.",
        ),
    ] {
        let headline = headline(rule, severity);
        assert!(headline.starts_with(expected), "{headline}");
    }
}

#[test]
fn the_width_is_kept_by_every_part() {
    let mut verdict = sick();
    verdict.findings[0].rule = "non_finite".to_owned();
    let full = Recent {
        loss: Some(2.3456),
        learning_rate: Some(1e-3),
        gradient_norm: Some(1.5e7),
        update_ratio: Some(f64::INFINITY),
        activation: Some(12.25),
        non_finite: Some(1200),
        step: 123_456.into(),
    };
    verdict.findings[0].recent = vec![full; 3];
    verdict.past[0].message = "the loss jumped ".repeat(20);
    for width in [40, 60, 80, 120] {
        let text = verdict.to_text(width);
        let widest = text.lines().map(|line| line.chars().count()).max().unwrap();
        assert!(widest <= width, "{width}: {text}");
        let shown = text.split_once("The last steps").unwrap().1;
        for part in ["123456", "2.35", "1.5e7", "12.2", "1200"] {
            assert!(shown.contains(part), "{part} of {width}: {text}");
        }
    }
}

#[test]
fn of_what_is_over_the_last_is_told_and_the_rest_counted() {
    use convscope::rules::{Persistence, Symptom};
    // Every other step, a new subject.
    let rules = RuleSet::new().with_fn("loss_spike", Persistence::at_once(), |observation| {
        let step = observation.step.get();
        Some(Vec::from_iter((step % 2 == 1).then(|| Symptom {
            subject: format!("layer{step}"),
            severity: Severity::Critical,
            raises: true,
            value: 1.0,
            threshold: 0.0,
            message: "it jumps".to_owned(),
            advice: "Wait.".to_owned(),
        })))
    });
    let mut examiner = Examiner::new(rules);
    for step in 1..=400 {
        let losses = vec![(Step::new(step), 1.0)];
        examiner.examine(&Observation { step: Step::new(step), losses, ..Observation::default() });
    }
    let verdict = Verdict::of(&examiner);
    assert!(verdict.past_total > 100 && verdict.past.len() == 20, "{}", verdict.past_total);
    assert!(verdict.past.iter().all(|finding| finding.recent.is_empty()));
    let told = format!("The last 20 of {}:", verdict.past_total);
    let page = verdict.to_markdown();
    assert!(page.contains(&told), "{page}");
    let actions = (1..=33).map(|step| (Step::new(step), format!("action {step}"))).collect();
    let page = Verdict { actions, ..Verdict::default() }.to_markdown();
    assert!(page.contains("The last 20 of 33:") && page.contains("action 14") && !page.contains("action 13"));
}

/// Sentences with the numbers of a training that goes well.
#[test]
fn evidence_has_the_numbers_of_what_was_measured() {
    use convscope::{
        arch::Role,
        rules::{
            Evidence, LayerObservation, ParamObservation, ParamRole, Score, SilentUnit, TensorStats,
            UnitActivity,
        },
    };
    let stats = |rms: f64| TensorStats { count: 4, l2: 2.0 * rms, ..TensorStats::default() };
    let weight = |name: &str, gradient: f64, update: f64| ParamObservation {
        gradient: Some(stats(gradient)),
        update_ratio: Some(update),
        ..ParamObservation::new(name, ParamRole::Weight, stats(1.0))
    };
    let silent = SilentUnit { index: 3, last_active: None, cause: None };
    let units = UnitActivity { samples: 500, units: 16, silent: vec![silent], silent_positions: None };
    let relu =
        LayerObservation { units: Some(units), ..LayerObservation::new("relu", Role::Relu, stats(1.0)) };
    let mut evidence = Evidence::default();
    assert!(evidence.reasons().is_empty());
    evidence.add(&Observation {
        step: 30.into(),
        losses: (1..=30).map(|step| (Step::new(step), 3.0 / step as f64)).collect(),
        params: vec![
            weight("a.weight", 0.25, 1e-3),
            weight("b.weight", 0.125, 2e-3),
            weight("c.weight", 8.0, 9.0),
        ],
        layers: vec![relu],
        ..Observation::default()
    });
    evidence.add(&Observation {
        step: 31.into(),
        validation: Some(Score { loss: Some(0.5), accuracy: Some(0.975), ..Score::default() }),
        ..Observation::default()
    });
    let mean =
        |steps: std::ops::RangeInclusive<i32>| steps.map(|step| 3.0 / f64::from(step)).sum::<f64>() / 10.0;
    assert_eq!(
        (format!("{:.3}", mean(1..=10)), format!("{:.3}", mean(21..=30))),
        ("0.879".into(), "0.119".into())
    );
    assert_eq!(
        evidence.reasons(),
        [
            "The loss fell from 0.879 to 0.119 (means of the first and the last 10 of 30 steps).",
            "Of the validation images 97.5 % were answered right at step 31 (loss 0.5).",
            "Gradients reach all of 3 layers: the smallest RMS was 0.125 at step 30 (`b`).",
            "A step changes the weights by 0.002 of their size (median of 3 layers).",
            "Of 16 units 1 stayed silent for the last 500 images.",
        ]
    );
    // A layer that gets no gradient is not reached.
    let params = vec![weight("a.weight", 0.25, 1e-3), weight("b.weight", 0.0, 2e-3)];
    evidence.add(&Observation { params, ..Observation::default() });
    assert!(!evidence.reasons().iter().any(|reason| reason.contains("reach")));
}
