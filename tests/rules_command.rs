//! `convscope rules` as its user meets it, run as a process.
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
#[path = "support/program.rs"]
mod program;

use std::fs;

use convscope::rules::RuleSet;
use program::Program;

#[test]
fn the_table_has_every_rule() {
    let text = Program::new("rules").good("");
    let rules = RuleSet::standard();
    for name in rules.names() {
        let line = text.lines().find(|line| line.trim_start().starts_with(name)).unwrap();
        assert!(line.ends_with(rules.about(name).unwrap()), "{line}");
    }
}

#[test]
fn the_file_that_it_writes_is_one_that_it_reads() {
    let program = Program::new("rules");
    let defaults = program.good("--toml");
    assert_eq!(defaults, RuleSet::standard().to_toml());

    let changed =
        defaults.replacen("[vanishing_gradient]\nenabled = true", "[vanishing_gradient]\nenabled = false", 1);
    assert_ne!(changed, defaults);
    fs::write(program.path("rules.toml"), &changed).unwrap();
    assert_eq!(program.good("rules.toml --toml"), changed);
    let table = program.good("rules.toml");
    let line = table.lines().find(|line| line.contains("vanishing_gradient")).unwrap();
    assert!(line.contains(" off "), "{line}");
}

#[test]
fn wrong_settings_are_told_with_file_and_line() {
    let program = Program::new("rules");
    fs::write(program.path("rules.toml"), "[non_finite]\nraise = 1\n[vanishing_gradients]\n").unwrap();
    let (code, complaint) = program.bad("rules.toml");
    assert_eq!(code, Some(1));
    assert!(complaint.contains("rules.toml:3"), "{complaint}");
    assert!(
        complaint.contains("`vanishing_gradients`") && complaint.contains("`vanishing_gradient`?"),
        "{complaint}"
    );

    let (code, complaint) = program.bad("missing.toml");
    assert_eq!(code, Some(1));
    assert!(complaint.contains("missing.toml"), "{complaint}");
}
