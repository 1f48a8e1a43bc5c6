//! Settings of rules: TOML, builder, and what the standard set promises.

use std::collections::BTreeSet;

use convscope::rules::{Persistence, Rule, RuleSet, Setting, VanishingGradient};
use proptest::prelude::*;

fn error(text: &str) -> String {
    RuleSet::from_toml(text).unwrap_err().to_string()
}

#[test]
fn all_defaults_are_written_and_read_back() {
    let text = RuleSet::standard().to_toml();
    assert_eq!(RuleSet::from_toml(&text).unwrap().to_toml(), text);
    let table: toml::Table = text.parse().unwrap();
    let names: BTreeSet<&str> = table.keys().map(String::as_str).collect();
    assert_eq!(names, RuleSet::standard().names().into_iter().collect());
    for (name, settings) in &table {
        let settings = settings.as_table().unwrap();
        for field in ["enabled", "warm_up", "raise", "of", "clear"] {
            assert!(settings.contains_key(field), "{name} has no {field}");
        }
    }
    assert!(text.contains("\nratio_critical = 1e-6 # the same: critical below; 0 to 1\n"), "{text}");
    assert!(text.contains("# Gradients shrink on their way to the first layers"), "{text}");
}

#[test]
fn every_standard_rule_explains_only_known_rules_behind_it_and_says_what_it_is_about() {
    let mut all: Vec<String> = Vec::new();
    let set = RuleSet::standard();
    let names: Vec<String> = set.names().into_iter().map(str::to_owned).collect();
    for name in &names {
        assert!(!set.about(name).unwrap().is_empty(), "{name}");
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{name}");
        all.push(name.clone());
        for explained in set.explains(name).unwrap() {
            let place = names.iter().position(|name| name == explained);
            assert!(place.is_some(), "{name} explains `{explained}`, which there is not");
            assert!(
                !all.iter().any(|before| before == explained),
                "{name} explains `{explained}`, which stands before it"
            );
        }
    }
}

#[test]
fn settings_change_what_they_name_and_nothing_else() {
    let text = "[vanishing_gradient]\nwarm_up = 100\nratio_warning = 0.001\nmin_layers = 0x10\n\n[dead_relu]\nenabled = false";
    let set = RuleSet::from_toml(text).unwrap();
    assert_eq!(set.persistence("vanishing_gradient").unwrap(), Persistence::default().warm_up(100));
    assert!(!set.is_enabled("dead_relu") && set.is_enabled("vanishing_gradient"));
    let (before, after) = (RuleSet::standard().to_toml(), set.to_toml());
    let changed: Vec<(&str, &str)> = before.lines().zip(after.lines()).filter(|(a, b)| a != b).collect();
    let changed: Vec<&str> =
        changed.into_iter().map(|(_, after)| after.split(" #").next().unwrap()).collect();
    let mut changed_sorted = changed.clone();
    changed_sorted.sort_unstable();
    assert_eq!(
        changed_sorted,
        ["enabled = false", "min_layers = 16", "ratio_warning = 0.001", "warm_up = 100"]
    );
}

#[test]
fn a_whole_number_will_do_where_any_number_may_be() {
    let set = RuleSet::from_toml("exploding_gradient = { norm = 100 }").unwrap();
    assert!(set.to_toml().contains("\nnorm = 100.0 #"));
}

#[test]
fn errors_have_line_name_and_what_was_meant() {
    let cases = [
        (
            "\n[vanishing_gradent]\n",
            "rules:2: rule `vanishing_gradent`: is unknown; did you mean `vanishing_gradient`?",
        ),
        (
            "[dead_relu]\nwarning = 0.1\ncritcal = 0.5",
            "rules:3: rule `dead_relu`: field `critcal`: is unknown; did you mean `critical`?",
        ),
        (
            "[dead_relu]\nwarning = 1.5",
            "rules:2: rule `dead_relu`: field `warning`: found 1.5, expected 0 to 1",
        ),
        (
            "[dead_relu]\nwarning = nan",
            "rules:2: rule `dead_relu`: field `warning`: found NaN, expected 0 to 1",
        ),
        (
            "[dead_relu]\nwarning = inf",
            "rules:2: rule `dead_relu`: field `warning`: found inf, expected 0 to 1",
        ),
        (
            "[dead_relu]\nwarning = true",
            "rules:2: rule `dead_relu`: field `warning`: found true, expected 0 to 1",
        ),
        ("[dead_relu]\nwarning = 'much'", "rules:2: rule `dead_relu`: field `warning`: expected 0 to 1"),
        (
            "[dead_relu]\nenabled = 1",
            "rules:2: rule `dead_relu`: field `enabled`: found 1.0, expected true or false",
        ),
        (
            "[dead_relu]\nraise = 2.5",
            "rules:2: rule `dead_relu`: field `raise`: found 2.5, expected a whole number from 1 to 10000",
        ),
        (
            "[dead_relu]\nclear = 0",
            "rules:2: rule `dead_relu`: field `clear`: found 0.0, expected a whole number from 1 to 10000",
        ),
        (
            "[dead_relu]\nof = 2\nraise = 3",
            "rules:3: rule `dead_relu`: `raise` is 3 and `of` is 2: 3 of 2 can never be; expected `raise` at most `of`",
        ),
        (
            "dead_relu = false",
            "rules:1: rule `dead_relu`: expected a table: `[dead_relu]` and its settings on the lines behind it",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(error(text), expected);
    }
    assert!(error("[dead_relu\n").starts_with("rules:1: not TOML: "), "{}", error("[dead_relu\n"));
    assert!(
        error("[zebra]").starts_with("rules:1: rule `zebra`: is unknown; known are `batch_norm_drift`, ")
    );
    assert!(error(&" ".repeat(1 << 21)).contains("too long"));
}

#[test]
fn files_are_named_in_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rules.toml");
    let missing = RuleSet::load(&path).unwrap_err();
    assert!(missing.is_io() && missing.to_string().contains("rules.toml"));
    std::fs::write(&path, "[dead_relu]\nwarning = 2").unwrap();
    let wrong = RuleSet::load(&path).unwrap_err().to_string();
    assert!(
        wrong.ends_with("rules.toml:2: rule `dead_relu`: field `warning`: found 2.0, expected 0 to 1"),
        "{wrong}"
    );
    std::fs::write(&path, "[dead_relu]\nwarning = 0.2").unwrap();
    assert!(RuleSet::load(&path).unwrap().to_toml().contains("\nwarning = 0.2 #"));
}

#[test]
fn rules_are_added_replaced_and_taken_out() {
    let mut rule = VanishingGradient::default();
    rule.min_layers = 12;
    let set = RuleSet::standard().with(rule, Persistence::new(9, 9));
    assert_eq!(set.names(), RuleSet::standard().names());
    assert!(set.to_toml().contains("\nmin_layers = 12 #") && set.to_toml().contains("\nraise = 9\nof = 9\n"));
    let set = set.without("vanishing_gradient").unwrap();
    assert!(!set.names().contains(&"vanishing_gradient"));
    let again = set.without("vanishing_gradiant").unwrap_err().to_string();
    assert!(again.starts_with("rule `vanishing_gradiant`: is unknown"), "{again}");
}

#[test]
fn own_rules_have_a_table_too() {
    struct Own(f64);
    impl Rule for Own {
        fn name(&self) -> &str {
            "own rule"
        }
        fn examine(&mut self, _: &convscope::rules::Observation) -> Option<Vec<convscope::rules::Symptom>> {
            None
        }
        fn settings(&mut self) -> Vec<Setting<'_>> {
            vec![Setting::number("limit", &mut self.0, -1.0..=1.0, "own limit")]
        }
    }
    let set =
        RuleSet::new().with_rule(Own(0.5)).configure("[\"own rule\"]\nlimit = -0.25\nraise = 1").unwrap();
    let text = set.to_toml();
    assert!(text.contains("limit = -0.25 # own limit; -1 to 1\n"), "{text}");
    assert_eq!(RuleSet::new().with_rule(Own(0.5)).configure(&text).unwrap().to_toml(), text);
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in ".{0,200}") {
        let _ = RuleSet::from_toml(&text);
    }

    #[test]
    fn numbers_in_range_come_back_as_they_are(value in 0.0f64..=1.0, steps in 0u64..1_000_000) {
        let text = format!("[dead_relu]\nwarning = {value:?}\nwarm_up = {steps}");
        let set = RuleSet::from_toml(&text).unwrap();
        let table: toml::Table = set.to_toml().parse().unwrap();
        prop_assert_eq!(table["dead_relu"]["warning"].as_float(), Some(value));
        prop_assert_eq!(set.persistence("dead_relu").unwrap().warm_up, steps);
    }
}
