//! The parts of a verdict, in Markdown and for the terminal.

use super::{
    Finding, Recent, Severity, Verdict, catalogue,
    verdict::{name, place, words},
};
use crate::{
    render::{number, wrap},
    summary::Step,
};

/// Lines of what was done: the last ones.
const MOST_ACTIONS: usize = 20;
/// Findings of one rule with a line of their own.
const MOST_ALIKE: usize = 8;

/// Rules whose findings come from one step to the next: the steps before them are told.
const SUDDEN: [&str; 4] = ["exploding_gradient", "non_finite", "loss_divergence", "loss_spike"];

/// One part below the other.
pub(super) struct Page {
    parts: Vec<Part>,
}

enum Part {
    Headline(String),
    Heading(String),
    Text(String),
    Item(String),
    Steps(Vec<Recent>),
}

impl Page {
    pub(super) fn of(verdict: &Verdict) -> Page {
        let mut page = Page { parts: vec![Part::Headline(verdict.headline())] };
        page.text(summary(verdict));
        if verdict.is_healthy() {
            verdict.reasons.iter().for_each(|reason| page.item(reason.clone()));
        }
        let groups = groups(verdict);
        for (place, group) in groups.iter().enumerate() {
            page.add_group(place + 1, group);
        }
        let is_sudden =
            |finding: &&Finding| SUDDEN.contains(&finding.rule.as_str()) && !finding.recent.is_empty();
        if let Some(worst) = verdict.findings.iter().find(is_sudden) {
            page.heading(format!("The last steps before this was found: {}", title(worst)));
            page.parts.push(Part::Steps(worst.recent.clone()));
        }
        page.add_actions(&verdict.actions);
        page.add_past(verdict);
        page.add_looks(verdict);
        page
    }

    fn heading(&mut self, text: String) {
        self.parts.push(Part::Heading(text));
    }

    fn text(&mut self, text: String) {
        if !text.is_empty() {
            self.parts.push(Part::Text(text));
        }
    }

    fn item(&mut self, text: String) {
        self.parts.push(Part::Item(text));
    }

    fn add_group(&mut self, place: usize, group: &Group<'_>) {
        let Some((first, alike)) = group.findings.split_first() else { return };
        self.heading(format!(
            "{place}. {}{} - {}",
            capitalized(&title(first)),
            super::verdict::place(first),
            severity(first.severity)
        ));
        self.text(said(first));
        self.text(format!("What to do: {}", first.advice.trim()));
        if !alike.is_empty() {
            self.text("The same in:".to_owned());
            for finding in alike.iter().take(MOST_ALIKE) {
                self.item(format!(
                    "{} ({}){}",
                    sentence(finding),
                    severity(finding.severity),
                    duration(finding)
                ));
            }
            if alike.len() > MOST_ALIKE {
                self.item(format!("and {} more", alike.len() - MOST_ALIKE));
            }
        }
        if !group.consequences.is_empty() {
            self.text("This explains the following, which will most likely go with it:".to_owned());
            for finding in &group.consequences {
                let (title, said, since) = (title(finding), sentence(finding), duration(finding));
                self.item(format!("{title} ({}): {said}{since}", severity(finding.severity)));
            }
        }
    }

    fn add_actions(&mut self, actions: &[(Step, String)]) {
        if !actions.is_empty() {
            self.heading("What was done".to_owned());
        }
        if actions.len() > MOST_ACTIONS {
            self.text(format!("The last {MOST_ACTIONS} of {}:", actions.len()));
        }
        for (step, action) in &actions[actions.len().saturating_sub(MOST_ACTIONS)..] {
            self.item(format!("step {step}: {action}"));
        }
    }

    fn add_past(&mut self, verdict: &Verdict) {
        let past = &verdict.past;
        if past.is_empty() {
            return;
        }
        self.heading("Earlier troubles that are over".to_owned());
        if past.len() < verdict.past_total {
            self.text(format!("The last {} of {}:", past.len(), verdict.past_total));
        }
        for finding in past {
            let to = finding.cleared.map_or_else(String::new, |step| format!(" to {step}"));
            let (title, severity) = (title(finding), severity(finding.severity));
            self.item(format!(
                "{title} ({severity}), from step {}{to}: {}",
                finding.since,
                sentence(finding)
            ));
        }
    }

    fn add_looks(&mut self, verdict: &Verdict) {
        if verdict.looks.is_empty() {
            return;
        }
        self.heading("What was looked at".to_owned());
        let (looked, idle): (Vec<_>, Vec<_>) = verdict.looks.iter().partition(|looks| looks.count > 0);
        if !looked.is_empty() {
            let looks = looked.iter().map(|looks| format!("{} {}", rule_title(&looks.rule), looks.count));
            let looks = looks.collect::<Vec<_>>().join(", ");
            self.text(format!("Rules, and how many observations each of them looked at: {looks}."));
        }
        if !idle.is_empty() {
            let rules: Vec<String> = idle.iter().map(|looks| rule_title(&looks.rule)).collect();
            self.text(format!(
                "Rules that had nothing to look at, because it was not measured or too few steps were seen: {}.",
                rules.join(", ")
            ));
        }
    }

    pub(super) fn to_markdown(&self) -> String {
        let mut text = String::new();
        let mut in_list = false;
        for part in &self.parts {
            let is_item = matches!(part, Part::Item(_));
            if !(text.is_empty() || in_list && is_item) {
                text.push('\n');
            }
            in_list = is_item;
            match part {
                Part::Headline(line) => text.push_str(&format!("## {line}\n")),
                Part::Heading(line) => text.push_str(&format!("### {line}\n")),
                Part::Text(line) => text.push_str(&format!("{line}\n")),
                Part::Item(line) => text.push_str(&format!("- {line}\n")),
                Part::Steps(steps) => text.push_str(&Recent::to_markdown(steps)),
            }
        }
        text
    }

    pub(super) fn to_text(&self, width: usize) -> String {
        let mut text = String::new();
        for part in &self.parts {
            let (line, first, rest) = match part {
                Part::Headline(line) => (line, "", ""),
                Part::Heading(line) => {
                    text.push('\n');
                    (line, "", "")
                }
                Part::Text(line) => (line, "  ", "  "),
                Part::Item(line) => (line, "  - ", "    "),
                Part::Steps(steps) => {
                    text.push_str(&steps_in_text(steps, width));
                    continue;
                }
            };
            for (number, words) in wrap(line, width - first.len()).iter().enumerate() {
                text.push_str(&format!("{}{words}\n", if number == 0 { first } else { rest }));
            }
        }
        text
    }
}

/// Findings of one rule that nothing explains, and what follows from them.
struct Group<'a> {
    findings: Vec<&'a Finding>,
    consequences: Vec<&'a Finding>,
}

/// By rule, in the order of the worst of each.
fn groups(verdict: &Verdict) -> Vec<Group<'_>> {
    let is_there = |rule: &str| verdict.findings.iter().any(|finding| finding.rule == rule);
    let cause = |finding: &Finding| {
        finding.explained_by.clone().filter(|rule| *rule != finding.rule && is_there(rule))
    };
    let mut groups: Vec<Group<'_>> = Vec::new();
    let (causes, mut effects): (Vec<&Finding>, Vec<&Finding>) =
        verdict.findings.iter().partition(|finding| cause(finding).is_none());
    for finding in causes {
        match groups.iter_mut().find(|group| group.findings[0].rule == finding.rule) {
            Some(group) => group.findings.push(finding),
            None => groups.push(Group { findings: vec![finding], consequences: Vec::new() }),
        }
    }
    // Consequences of consequences stand with the first cause.
    for _ in 0..=effects.len() {
        effects.retain(|finding| {
            let explains = |group: &&mut Group<'_>| {
                let mut known = group.findings.iter().chain(&group.consequences);
                known.any(|known| Some(&known.rule) == finding.explained_by.as_ref())
            };
            let group = groups.iter_mut().find(explains);
            group.map(|group| group.consequences.push(finding)).is_none()
        });
    }
    groups.extend(
        effects.into_iter().map(|finding| Group { findings: vec![finding], consequences: Vec::new() }),
    );
    groups
}

/// Step, number of findings by severity.
fn summary(verdict: &Verdict) -> String {
    let Some(step) = verdict.step else { return String::new() };
    let count = |severity: Severity| {
        let count = verdict.findings.iter().filter(|finding| finding.severity == severity).count();
        (count > 0).then(|| format!("{count} {}", words(severity, count)))
    };
    let counts = [Severity::Critical, Severity::Warning, Severity::Info].map(count);
    let counts: Vec<String> = counts.into_iter().flatten().collect();
    if counts.is_empty() { String::new() } else { format!("At step {step}: {}.", counts.join(", ")) }
}

/// Message and steps; the numbers too, where the message has none.
fn said(finding: &Finding) -> String {
    let sentence = sentence(finding);
    let Finding { value, threshold, since, last, message, .. } = finding;
    let steps = if since == last {
        format!("Seen at step {since}")
    } else {
        format!("Seen from step {since} to {last}")
    };
    if message.contains(|c: char| c.is_ascii_digit()) {
        return format!("{sentence}. {steps}.");
    }
    format!("{sentence}. {steps}; measured {}, threshold {}.", number(*value), number(*threshold))
}

/// The rule's name as words.
fn title(finding: &Finding) -> String {
    rule_title(&finding.rule)
}

fn rule_title(rule: &str) -> String {
    name(&catalogue::title(rule))
}

/// A table of steps; where it is too wide, a line for each.
fn steps_in_text(steps: &[Recent], width: usize) -> String {
    let table = Recent::table(steps).to_text();
    if table.lines().all(|line| line.chars().count() <= width) {
        return table;
    }
    let line = |recent: &Recent| {
        let numbers = [
            ("loss", recent.loss),
            ("learning rate", recent.learning_rate),
            ("gradient norm", recent.gradient_norm),
            ("greatest update ratio", recent.update_ratio),
            ("greatest activation", recent.activation),
            ("NaN or infinite", recent.non_finite.map(|count| count as f64)),
        ];
        let known = numbers.iter().filter_map(|(what, value)| Some(format!("{what} {}", number((*value)?))));
        format!("step {}: {}", recent.step, known.collect::<Vec<_>>().join(", "))
    };
    let lines = steps.iter().flat_map(|recent| {
        let indent = |(place, words)| format!("{}{words}\n", if place == 0 { "  " } else { "    " });
        wrap(&line(recent), width - 4).into_iter().enumerate().map(indent).collect::<Vec<_>>()
    });
    lines.collect()
}

/// `` `conv1`: message ``, or the message alone where it is of the training.
fn sentence(finding: &Finding) -> String {
    let message = finding.message.trim().trim_end_matches('.');
    if place(finding).is_empty() {
        capitalized(message)
    } else {
        format!("`{}`: {message}", name(&finding.subject))
    }
}

fn duration(finding: &Finding) -> String {
    format!("; since step {}", finding.since)
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "remark",
        Severity::Warning => "warning",
        Severity::Critical => "critical",
    }
}

fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
