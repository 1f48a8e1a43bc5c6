//! The table of detection steps and false alarms, as Markdown.

use std::collections::BTreeMap;

use convscope::rules::Severity;

use crate::zoo::{Case, Finds, HEALTHY, Result, SICK, Said};

/// Runs the whole zoo with each seed.
pub fn print(seeds: u64) -> Result<()> {
    println!(
        "| sick training | what is wrong | what must be found | by step | found at step | in time | beside it |"
    );
    println!("|---|---|---|---|---|---|---|");
    for case in SICK {
        if let Some(finds) = &case.finds {
            println!("{}", sick_row(case, finds, &runs(case, seeds)?));
        }
    }
    let mut false_alarms: BTreeMap<String, [u64; 3]> = BTreeMap::new();
    println!("\n| healthy training | what trains | steps | found |\n|---|---|---|---|");
    for case in HEALTHY {
        let all = runs(case, seeds)?;
        println!("{}", healthy_row(case, &all));
        for (rule, severity) in all.iter().flat_map(|said| said.alarms(Severity::Info)) {
            false_alarms.entry(rule.to_owned()).or_default()[severity as usize] += 1;
        }
    }
    println!("\nFalse alarms in {} healthy trainings:\n", HEALTHY.len() as u64 * seeds);
    println!("| rule | critical | warning | info |\n|---|---|---|---|");
    for (rule, [info, warning, critical]) in false_alarms {
        println!("| {rule} | {critical} | {warning} | {info} |");
    }
    Ok(())
}

fn runs(case: &Case, seeds: u64) -> Result<Vec<Said>> {
    (0..seeds).map(|seed| case.run(seed, None)).collect()
}

fn sick_row(case: &Case, finds: &Finds, all: &[Said]) -> String {
    let mut steps: Vec<i64> = all.iter().filter_map(|said| said.found(finds)).collect();
    steps.sort_unstable();
    let found = match (steps.first(), steps.get(steps.len() / 2), steps.last()) {
        (Some(first), Some(middle), Some(last)) => format!("{middle} ({first} to {last})"),
        _ => "never".to_owned(),
    };
    let in_time = steps.iter().filter(|&&step| step <= finds.by).count();
    let Case { name, about, .. } = case;
    let Finds { rule, severity, subjects, by } = finds;
    let what = format!("{} {rule} of {}", word(*severity), subjects.join(" or "));
    let beside = alarms(all, Some(rule));
    format!("| {name} | {about} | {what} | {by} | {found} | {in_time} of {} | {beside} |", all.len())
}

fn healthy_row(case: &Case, all: &[Said]) -> String {
    let steps = all.iter().map(|said| said.steps).max().unwrap_or_default();
    format!("| {} | {} | {steps} | {} |", case.name, case.about, alarms(all, None))
}

/// What was found, without the rule `but`, with the number of trainings.
fn alarms(all: &[Said], but: Option<&str>) -> String {
    let mut counts: BTreeMap<(&str, Severity), usize> = BTreeMap::new();
    for alarm in all.iter().flat_map(|said| said.alarms(Severity::Info)) {
        *counts.entry(alarm).or_default() += 1;
    }
    let others = counts.into_iter().filter(|((rule, _), _)| Some(*rule) != but);
    let texts: Vec<String> =
        others.map(|((rule, severity), count)| format!("{rule} ({} in {count})", word(severity))).collect();
    texts.join(", ")
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Critical => "critical",
    }
}
