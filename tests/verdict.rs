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
            said("much is 0", finding("my_rule", "relu7", Severity::Warning)),
            effect_of_effect,
        ],
        past: vec![over],
        looks: looks(&[("vanishing_gradient", 47), ("my_rule", 12), ("overfitting", 0)]),
        actions: vec![(Step::new(50), "the learning rate was lowered from 0.1 to 0.01".to_owned())],
    }
}

const SICK: &str = "\
## Training does not work: hardly any gradient reaches some layers, so that they do not learn (`conv1`).

At step 470: 2 critical findings, 3 warnings.

### 1. Vanishing gradient (`conv1`) - critical

`conv1`: the gradient of its weights has an RMS of 3.1e-10 (limit 1e-7). Seen from step 40 to 470; measured 3.12e-10, threshold 1e-7.

What to do: Put batch normalisation behind each convolution.

The same in:

- `conv2`: the gradient of its weights has an RMS of 3.1e-10 (limit 1e-7) (warning); since step 40

This explains the following, which will most likely go with it:

- loss not decreasing (critical): The loss is 2.31, as at the beginning; since step 40
- prediction collapse (warning): 99 % of the answers are class 3; since step 40

### 2. My rule (`relu7`) - warning

`relu7`: much is 0. Seen from step 40 to 470; measured 3.12e-10, threshold 1e-7.

What to do: Put batch normalisation behind each convolution.

### What was done

- step 50: the learning rate was lowered from 0.1 to 0.01

### What was, and is over

| rule | where | how bad | from step | to step | what |
|---|---|---|--:|--:|---|
| loss_spike | training | warning | 10 | 30 | the loss jumped to 9 |

### What was looked at

Rules, and how many observations each of them looked at: `vanishing_gradient` 47, `my_rule` 12.

Nothing to look at yet, because it was not measured or too few steps were seen: `overfitting`.
";

const SICK_TEXT: &str = "\
Training does not work: hardly any gradient reaches some
layers, so that they do not learn (`conv1`).
  At step 470: 2 critical findings, 3 warnings.

1. Vanishing gradient (`conv1`) - critical
  `conv1`: the gradient of its weights has an RMS of 3.1e-10
  (limit 1e-7). Seen from step 40 to 470; measured 3.12e-10,
  threshold 1e-7.
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
  `relu7`: much is 0. Seen from step 40 to 470; measured
  3.12e-10, threshold 1e-7.
  What to do: Put batch normalisation behind each
  convolution.

What was done
  - step 50: the learning rate was lowered from 0.1 to 0.01

What was, and is over
  rule        where     how bad  from step  to step  what
  loss_spike  training  warning         10       30  the loss jumped to 9

What was looked at
  Rules, and how many observations each of them looked at:
  `vanishing_gradient` 47, `my_rule` 12.
  Nothing to look at yet, because it was not measured or too
  few steps were seen: `overfitting`.
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
        ..Verdict::default()
    };
    assert!(healthy.is_healthy());
    assert_eq!(
        healthy.to_markdown(),
        "\
## Training looks healthy: 2 rules looked up to step 1875 and found nothing wrong.

### What was looked at

Rules, and how many observations each of them looked at: `dead_relu` 180, `loss_spike` 1875.

Nothing to look at yet, because it was not measured or too few steps were seen: `overfitting`.
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
            actions: Vec::new(),
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
