//! `convscope logs verify`.

use std::{io, path::PathBuf, process::ExitCode};

use convscope::{
    logdir::lint::{Finding, MAX_RECORD_BYTES, Report, Severity, verify_with},
    record::Limits,
};
use serde_json::json;

use super::{
    interrupt,
    progress::Progress,
    size::{bytes, count},
};
use crate::page::{Colour, Page};

/// Find everything that keeps TensorBoard from showing what was logged
///
/// Exit codes: 0 nothing wrong, 1 errors found (with --strict also warnings) or failure, 2 wrong usage, 130 after
/// Ctrl-C. Notes are harmless.
#[derive(clap::Args)]
pub struct Args {
    /// Log folders, run folders or event files
    #[arg(required = true)]
    paths: Vec<PathBuf>,

    /// Warnings lead to exit code 1, too
    #[arg(long)]
    strict: bool,

    /// Show errors and warnings, no notes
    #[arg(long)]
    no_notes: bool,

    /// Longest record, and most that the tensors of a tag may take together
    ///
    /// The default is what TensorBoard's data server can send.
    #[arg(long, value_name = "BYTES", default_value_t = MAX_RECORD_BYTES)]
    max_message: u64,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    interrupt::listen()?;
    let mut report = Report::default();
    for path in &args.paths {
        let progress = Progress::new("reading", super::bytes_below(path));
        let limits = Limits { max_record_bytes: args.max_message };
        let more =
            progress.end_with(|progress| verify_with(path, limits, &mut |bytes| progress.set(bytes)))?;
        report.findings.extend(more.findings);
        report.runs += more.runs;
        report.files += more.files;
        report.events += more.events;
        report.bytes += more.bytes;
    }
    if args.no_notes {
        report.findings.retain(|finding| finding.severity > Severity::Note);
    }
    let mut page = Page::new();
    if args.json {
        page.json(&to_json(&report))?;
    } else {
        show(&mut page, &report)?;
    }
    page.flush()?;
    let worst = if args.strict { Severity::Warning } else { Severity::Error };
    let failed = report.findings.iter().any(|finding| finding.severity >= worst);
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn show(page: &mut Page, report: &Report) -> io::Result<()> {
    let mut file = None;
    for finding in &report.findings {
        if file != Some(&finding.file) {
            page.line(&finding.file.display().to_string())?;
            file = Some(&finding.file);
        }
        show_finding(page, finding)?;
    }
    let severities = [(Severity::Error, "error"), (Severity::Warning, "warning"), (Severity::Note, "note")];
    let counts = severities.map(|(severity, what)| count(report.count(severity) as u64, what));
    page.line(&format!(
        "{}, {}, {}, {}: {}",
        count(report.runs, "run"),
        count(report.files, "file"),
        count(report.events, "event"),
        bytes(report.bytes),
        counts.join(", ")
    ))
}

fn show_finding(page: &mut Page, finding: &Finding) -> io::Result<()> {
    const INDENT: usize = 11;
    let colour = match finding.severity {
        Severity::Error => Colour::Red,
        Severity::Warning => Colour::Yellow,
        Severity::Note => Colour::Blue,
    };
    let mut place = Vec::new();
    place.extend(finding.offset.map(|offset| format!("byte {offset}")));
    place.extend(finding.tag.as_ref().map(|tag| format!("tag `{tag}`")));
    place.extend(finding.step.map(|step| format!("step {step}")));
    let times = if finding.count > 1 { format!(", {} times", finding.count) } else { String::new() };
    let place = if place.is_empty() { String::new() } else { format!(" ({}{times})", place.join(", ")) };
    let severity = format!("{:<7}", finding.severity.to_string());
    page.labelled(colour, &severity, &format!("{}{place}", finding.rule))?;
    let blank = " ".repeat(INDENT);
    page.paragraph(&blank, INDENT, &finding.message)?;
    page.paragraph(&format!("{blank}-> "), INDENT + 3, finding.rule.advice())
}

fn to_json(report: &Report) -> serde_json::Value {
    let findings: Vec<serde_json::Value> = report
        .findings
        .iter()
        .map(|finding| {
            json!({
                "rule": finding.rule.name(),
                "severity": finding.severity.to_string(),
                "file": finding.file.to_string_lossy(),
                "offset": finding.offset,
                "tag": finding.tag,
                "step": finding.step,
                "count": finding.count,
                "message": finding.message,
                "advice": finding.rule.advice(),
            })
        })
        .collect();
    json!({
        "runs": report.runs,
        "files": report.files,
        "events": report.events,
        "bytes": report.bytes,
        "errors": report.count(Severity::Error),
        "warnings": report.count(Severity::Warning),
        "notes": report.count(Severity::Note),
        "findings": findings,
    })
}
