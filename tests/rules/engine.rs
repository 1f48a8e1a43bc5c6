//! From symptoms to findings: persistence, hysteresis, warm-up, severity, causes.

use std::collections::BTreeMap;

use convscope::{
    Step,
    rules::{
        Changes, Examiner, Finding, Observation, Persistence, Recent, Rule, RuleSet, Severity, Symptom,
        Threshold,
    },
};
use proptest::prelude::*;

/// What a scripted rule sees at one step: nothing measured, fine, or a symptom.
#[derive(Debug, Clone, Copy, PartialEq)]
enum See {
    Nothing,
    Fine,
    /// Between the thresholds.
    Keeps,
    Warning,
    Critical,
}
use See::{Critical, Fine, Keeps, Nothing, Warning};

fn symptom(subject: &str, severity: Severity, raises: bool, value: f64) -> Symptom {
    Symptom {
        subject: subject.to_owned(),
        severity,
        raises,
        value,
        threshold: 0.5,
        message: format!("value {value}"),
        advice: "Mend it.".to_owned(),
    }
}

/// A rule that sees `script` at steps 1, 2, ...
fn scripted(script: &[See]) -> impl FnMut(&Observation) -> Option<Vec<Symptom>> + 'static {
    let script = script.to_vec();
    move |observation| {
        let step = observation.step.get();
        let see = script.get(usize::try_from(step - 1).unwrap()).copied().unwrap_or(Fine);
        let one = |severity, raises| Some(vec![symptom("conv1", severity, raises, step as f64)]);
        match see {
            Nothing => None,
            Fine => Some(Vec::new()),
            Keeps => one(Severity::Warning, false),
            Warning => one(Severity::Warning, true),
            Critical => one(Severity::Critical, true),
        }
    }
}

fn at(step: i64) -> Observation {
    Observation { step: step.into(), losses: vec![(step.into(), 1.0)], ..Observation::default() }
}

/// Step and kind of every change: `3+` raised or worse, `9-` cleared.
fn run(persistence: Persistence, script: &[See]) -> (Examiner, Vec<String>) {
    let mut examiner = Examiner::new(RuleSet::new().with_fn("scripted", persistence, scripted(script)));
    let mut changes = Vec::new();
    for step in 1..=script.len() as i64 {
        let Changes { raised, cleared } = examiner.examine(&at(step));
        changes.extend(raised.iter().map(|finding| format!("{step}+{:?}", finding.severity)));
        changes.extend(cleared.iter().map(|_| format!("{step}-")));
    }
    (examiner, changes)
}

fn quick(raise: u64, of: u64, clear: u64) -> Persistence {
    Persistence::new(raise, of).warm_up(0).clear(clear)
}

#[test]
fn k_of_n_raise_and_m_clean_ones_clear() {
    let script =
        [Warning, Fine, Warning, Fine, Fine, Warning, Warning, Warning, Fine, Warning, Fine, Fine, Fine];
    let (examiner, changes) = run(quick(3, 4, 3), &script);
    assert_eq!(changes, ["8+Warning", "13-"]);
    let history = examiner.history();
    let finding = history[0];
    assert_eq!(
        (finding.since, finding.last, finding.cleared),
        (Step::new(6), Step::new(10), Some(Step::new(13)))
    );
    assert!(examiner.findings().is_empty() && examiner.status("scripted").is_none());
    assert_eq!(examiner.examined("scripted"), 13);
}

#[test]
fn one_alarm_until_it_is_cleared_then_another() {
    let script = [Warning, Warning, Warning, Fine, Warning, Fine, Fine, Warning];
    let (examiner, changes) = run(quick(1, 1, 2), &script);
    assert_eq!(changes, ["1+Warning", "7-", "8+Warning"]);
    assert_eq!(examiner.history().len(), 2);
    assert_eq!((examiner.findings()[0].since, examiner.findings()[0].value), (Step::new(8), 8.0));
}

#[test]
fn what_is_not_measured_counts_neither_way() {
    let (_, changes) = run(quick(2, 2, 2), &[Warning, Nothing, Nothing, Warning, Fine, Nothing, Fine]);
    assert_eq!(changes, ["4+Warning", "7-"]);
}

#[test]
fn between_the_thresholds_an_alarm_stays_but_none_is_raised() {
    let (_, changes) = run(quick(1, 1, 1), &[Keeps, Keeps, Warning, Keeps, Keeps, Fine, Keeps]);
    assert_eq!(changes, ["3+Warning", "6-"]);
}

#[test]
fn nothing_counts_during_the_warm_up() {
    let (examiner, changes) =
        run(quick(2, 3, 1).warm_up(3), &[Critical, Critical, Critical, Critical, Critical]);
    assert_eq!(changes, ["5+Critical"]);
    assert_eq!((examiner.findings()[0].since, examiner.examined("scripted")), (Step::new(4), 2));
}

#[test]
fn severity_rises_as_it_is_raised_and_falls_as_it_is_cleared() {
    let script = [Warning, Warning, Critical, Warning, Critical, Warning, Critical];
    let (examiner, changes) = run(quick(2, 3, 2), &script);
    assert_eq!(changes, ["2+Warning", "5+Critical"]);
    let finding = examiner.findings()[0];
    assert_eq!((finding.severity, finding.value, finding.last), (Severity::Critical, 7.0, Step::new(7)));

    let (examiner, changes) = run(quick(2, 3, 2), &[Critical, Critical, Warning, Fine, Keeps]);
    assert_eq!(changes, ["2+Critical"]);
    let finding = examiner.findings()[0];
    assert_eq!((finding.severity, finding.value, finding.last), (Severity::Warning, 5.0, Step::new(5)));
    assert_eq!(examiner.status("scripted"), Some(Severity::Warning));
}

#[test]
fn a_critical_finding_has_the_last_steps() {
    let (examiner, _) = run(quick(1, 1, 1), &[Fine, Fine, Critical, Critical]);
    let steps: Vec<i64> = examiner.findings()[0].recent.iter().map(|recent| recent.step.get()).collect();
    assert_eq!(steps, [1, 2, 3]);
    let (examiner, _) = run(quick(1, 1, 1), &[Warning]);
    assert!(examiner.findings()[0].recent.is_empty());
}

#[test]
fn the_ring_has_a_row_for_each_batch_and_keeps_the_last() {
    let mut examiner = Examiner::new(RuleSet::new());
    let losses = (1..=30).map(|step: i64| (step.into(), step as f64)).collect();
    let observation = Observation {
        step: 30.into(),
        losses,
        gradient_norm: Some(4.0),
        learning_rate: Some(0.1),
        ..Observation::default()
    };
    examiner.examine(&observation);
    let ring = examiner.ring();
    assert_eq!((ring.len(), ring[0].step, ring[0].loss), (24, Step::new(7), Some(7.0)));
    assert_eq!((ring[0].gradient_norm, ring[23].gradient_norm), (None, Some(4.0)));
    let table = Recent::to_markdown(&ring[22..]);
    assert_eq!(table.lines().nth(2), Some("| 29 | 29 |  |  |  |  |  |"));
    assert_eq!(table.lines().nth(3), Some("| 30 | 30 | 0.1 | 4 |  |  |  |"));
}

/// A rule that explains others.
struct Explains {
    name: &'static str,
    others: &'static [&'static str],
    severity: Severity,
    steps: std::ops::RangeInclusive<i64>,
}

impl Rule for Explains {
    fn name(&self) -> &str {
        self.name
    }
    fn examine(&mut self, observation: &Observation) -> Option<Vec<Symptom>> {
        let sick = self.steps.contains(&observation.step.get());
        Some(Vec::from_iter(sick.then(|| symptom("training", self.severity, true, 1.0))))
    }
    fn explains(&self) -> &[&str] {
        self.others
    }
}

fn explained(rules: Vec<Explains>, steps: i64) -> Vec<(String, Option<String>)> {
    let add = |set: RuleSet, rule| set.with(rule, Persistence::at_once());
    let mut examiner = Examiner::new(rules.into_iter().fold(RuleSet::new(), add));
    for step in 1..=steps {
        examiner.examine(&at(step));
    }
    let pair = |finding: &Finding| (finding.rule.clone(), finding.explained_by.clone());
    examiner.findings().into_iter().map(pair).collect()
}

fn rule(name: &'static str, others: &'static [&'static str], severity: Severity) -> Explains {
    Explains { name, others, severity, steps: 1..=100 }
}

fn pair(rule: &str, cause: Option<&str>) -> (String, Option<String>) {
    (rule.to_owned(), cause.map(str::to_owned))
}

#[test]
fn the_cause_comes_first_and_its_consequences_name_it() {
    let rules = vec![
        rule("loss_is_nan", &[], Severity::Critical),
        rule("layers_are_nan", &["loss_is_nan"], Severity::Critical),
        rule("input_is_nan", &["layers_are_nan", "loss_is_nan"], Severity::Critical),
        rule("unrelated", &[], Severity::Info),
    ];
    let expected = [
        pair("input_is_nan", None),
        pair("unrelated", None),
        pair("loss_is_nan", Some("layers_are_nan")),
        pair("layers_are_nan", Some("input_is_nan")),
    ];
    assert_eq!(explained(rules, 1), expected);
}

#[test]
fn a_warning_does_not_explain_what_is_critical() {
    let rules = vec![
        rule("mild", &["grave"], Severity::Warning),
        rule("grave", &["lesser"], Severity::Critical),
        rule("lesser", &[], Severity::Warning),
    ];
    let expected = [pair("grave", None), pair("mild", None), pair("lesser", Some("grave"))];
    assert_eq!(explained(rules, 1), expected);
}

#[test]
fn of_rules_that_explain_each_other_in_a_ring_the_first_is_the_cause() {
    let rules = vec![
        rule("a", &["b"], Severity::Critical),
        rule("b", &["c"], Severity::Critical),
        rule("c", &["a"], Severity::Critical),
    ];
    assert_eq!(explained(rules, 1), [pair("a", None), pair("b", Some("a")), pair("c", Some("b"))]);
    let both = vec![rule("a", &["b"], Severity::Critical), rule("b", &["a"], Severity::Critical)];
    assert_eq!(explained(both, 1), [pair("a", None), pair("b", Some("a"))]);
}

#[test]
fn what_outlasts_its_cause_stands_for_itself() {
    let rules = || {
        vec![
            Explains { steps: 1..=3, ..rule("cause", &["effect"], Severity::Critical) },
            rule("remark", &[], Severity::Info),
            Explains { steps: 3..=100, ..rule("effect", &[], Severity::Critical) },
        ]
    };
    let while_it_lasts = [pair("cause", None), pair("remark", None), pair("effect", Some("cause"))];
    assert_eq!(explained(rules(), 3), while_it_lasts);
    // It comes before what is only worth knowing.
    assert_eq!(explained(rules(), 10), [pair("effect", None), pair("remark", None)]);
}

#[test]
fn a_resumed_training_warms_up_again() {
    let first_raised = |begins: i64| {
        let set = RuleSet::new().with(
            Explains { steps: 0..=i64::MAX, ..rule("always", &[], Severity::Warning) },
            Persistence::at_once().warm_up(20),
        );
        let mut examiner = Examiner::new(set);
        (begins..begins + 100).find(|&step| !examiner.examine(&at(step)).raised.is_empty())
    };
    assert_eq!((first_raised(1), first_raised(5000)), (Some(21), Some(5020)));
}

#[test]
fn rules_that_are_not_enabled_do_not_look() {
    let set = RuleSet::new().with_fn("scripted", quick(1, 1, 1), scripted(&[Critical]));
    let set = set.configure("[scripted]\nenabled = false").unwrap();
    assert!(!set.is_enabled("scripted") && set.names() == ["scripted"]);
    let mut examiner = Examiner::new(set);
    assert!(examiner.examine(&at(1)).is_empty());
    assert!(examiner.rules().is_empty());
}

#[test]
fn thresholds_grade_from_both_sides() {
    let above = [
        Threshold::above(Severity::Warning, 10.0).clear_at(5.0),
        Threshold::above(Severity::Critical, 100.0),
    ];
    let grade = |value: f64| {
        Threshold::worst(&above, value).map(|grade| (grade.severity, grade.raises, grade.threshold))
    };
    assert_eq!(grade(5.0), None);
    assert_eq!(grade(5.1), Some((Severity::Warning, false, 10.0)));
    assert_eq!(grade(10.0), Some((Severity::Warning, false, 10.0)));
    assert_eq!(grade(10.1), Some((Severity::Warning, true, 10.0)));
    assert_eq!(grade(100.1), Some((Severity::Critical, true, 100.0)));
    assert_eq!(grade(f64::INFINITY), Some((Severity::Critical, true, 100.0)));
    assert_eq!(grade(f64::NAN), None);
    let below = Threshold::below(Severity::Warning, 0.1).clear_at(0.2);
    assert_eq!(below.grade(0.05).map(|grade| grade.raises), Some(true));
    assert_eq!(below.grade(0.15).map(|grade| grade.raises), Some(false));
    assert_eq!(below.grade(0.2), None);
    // A threshold for clearing on the wrong side does nothing.
    assert_eq!(below.clear_at(0.01).grade(0.05).map(|grade| grade.raises), Some(true));
}

fn sights() -> impl Strategy<Value = Vec<See>> {
    let see = prop_oneof![Just(Nothing), Just(Fine), Just(Keeps), Just(Warning), Just(Critical)];
    proptest::collection::vec(see, 0..60)
}

/// The definition, read word by word and slowly: looks at the whole history at every step.
fn slow(script: &[See], persistence: Persistence) -> Vec<String> {
    let badness = |see: See| match see {
        Nothing | Fine => 0,
        Keeps | Warning => 1,
        Critical => 2,
    };
    let mut changes = Vec::new();
    let mut counted: Vec<See> = Vec::new();
    let mut forgotten = 0; // examinations before this one do not raise any more
    let mut raised_at = 0; // the finding's severity was set there
    let mut now = 0;
    for (index, &see) in script.iter().enumerate() {
        let step = index + 1;
        if see == Nothing || step as u64 <= persistence.warm_up {
            continue;
        }
        counted.push(see);
        let first = counted.len().saturating_sub(persistence.of as usize).max(forgotten);
        let at_least = |bad: i32| {
            counted[first..].iter().filter(|&&see| see != Keeps && badness(see) >= bad).count() as u64
        };
        let level = (1..=2).rev().find(|&bad| at_least(bad) >= persistence.raise).unwrap_or(0);
        let before = now;
        if see != Fine && level > now {
            now = level;
            changes.push(format!("{step}+{:?}", [Warning, Critical][level as usize - 1]));
            if before == 0 {
                raised_at = counted.len() - 1;
            }
        }
        if now == 0 {
            continue;
        }
        let milder = counted[raised_at..].iter().rev().take_while(|&&see| badness(see) < now).count();
        if milder as u64 >= persistence.clear {
            now = counted[counted.len() - milder..].iter().map(|&see| badness(see)).max().unwrap_or(0);
            (forgotten, raised_at) = (counted.len(), counted.len());
            if now == 0 {
                changes.push(format!("{step}-"));
            }
        }
    }
    changes
}

proptest! {
    #[test]
    fn alarms_are_raised_and_cleared_as_defined(
        script in sights(), raise in 1u64..5, more in 0u64..4, clear in 1u64..5, warm_up in 0u64..10,
    ) {
        let persistence = Persistence::new(raise, raise + more).clear(clear).warm_up(warm_up);
        let (examiner, changes) = run(persistence, &script);
        prop_assert_eq!(changes, slow(&script, persistence));
        for finding in examiner.history() {
            prop_assert!(finding.since <= finding.last);
            prop_assert!(finding.cleared.is_none_or(|cleared| finding.last < cleared));
            prop_assert!(finding.since.get() > warm_up as i64);
        }
    }

    #[test]
    fn persistence_is_always_possible(raise in 0u64..20_000, of in 0u64..20_000, clear in 0u64..20_000) {
        let persistence = Persistence::new(raise, of).clear(clear);
        prop_assert!(1 <= persistence.raise && persistence.raise <= persistence.of);
        prop_assert!(persistence.of <= Persistence::MOST && (1..=Persistence::MOST).contains(&persistence.clear));
    }

    #[test]
    fn causes_never_go_in_a_ring(
        explains in proptest::collection::vec((proptest::sample::subsequence(vec!["a", "b", "c", "d", "e"], 0..=5), 0usize..3), 5),
    ) {
        let rules = ["a", "b", "c", "d", "e"].into_iter().zip(explains).map(|(name, (others, severity))| {
            let severity = [Severity::Info, Severity::Warning, Severity::Critical][severity];
            rule(name, Vec::leak(others), severity)
        });
        let causes: BTreeMap<String, Option<String>> = explained(rules.collect(), 1).into_iter().collect();
        for start in causes.keys() {
            let mut at = start.clone();
            for _ in 0..5 {
                match causes[&at].clone() {
                    Some(cause) => at = cause,
                    None => break,
                }
            }
            prop_assert!(causes[&at].is_none(), "{causes:?}");
        }
    }
}
