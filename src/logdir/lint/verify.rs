//! All files of all runs.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use super::{
    Report, Rule,
    decode::decode_event,
    finding::{Findings, Place},
    kept::Kept,
    projector,
    run::RunCheck,
    tree::{EventFile, Tree, walk},
};
use crate::{
    error::{Error, Result},
    logdir,
    record::{Limits, RecordError, RecordErrorKind, RecordReader},
};

/// Longest record that TensorBoard can show, and most that the tensors of a tag may take together: its data server sends
/// no message of more than 256 MiB.
pub const MAX_RECORD_BYTES: u64 = 256 << 20;

/// Looks for everything that keeps TensorBoard from showing what was logged in a log folder, a run, or an event file.
///
/// Reads every file once, record by record: it holds one record and, per tag of a run, a few hundred bytes. Tags over the
/// [`Limits`](logdir::Limits) are [not looked at](Rule::NotLookedAt); of many findings of one rule the first 100 of a file
/// are told one by one. A log that is being written can be looked at; its last record may be [torn](Rule::TornTail) then.
///
/// ```
/// use convscope::{SummaryWriter, logdir::lint::{Rule, verify}};
///
/// # let dir = tempfile::tempdir()?;
/// # let logs = dir.path();
/// let writer = SummaryWriter::builder().run_name("baseline").create(logs)?;
/// writer.add_scalar("loss", 0.5, 2)?;
/// writer.add_scalar("loss", 0.7, 1)?; // one step back
/// writer.close()?;
///
/// let report = verify(logs)?;
/// assert_eq!(report.findings.len(), 1);
/// assert_eq!(report.findings[0].rule, Rule::StepsOutOfOrder);
/// assert_eq!(report.findings[0].tag.as_deref(), Some("loss"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// A path that is not there or cannot be read, and a folder without any event file. What is wrong inside is a finding.
pub fn verify(path: impl AsRef<Path>) -> Result<Report> {
    let limits = Limits { max_record_bytes: MAX_RECORD_BYTES };
    verify_with(path, limits, &mut |_| Ok(()))
}

/// [`verify`] with other limits than [`MAX_RECORD_BYTES`] for a record, telling `on_progress` how many bytes of all
/// files were read so far. An error that it returns ends the work.
///
/// # Errors
/// As [`verify`], and those of `on_progress`.
pub fn verify_with(
    path: impl AsRef<Path>,
    limits: Limits,
    on_progress: &mut dyn FnMut(u64) -> Result<()>,
) -> Result<Report> {
    let path = path.as_ref();
    let mut findings = Findings::default();
    let Tree { files, projectors } = walk(path, &mut findings)?;
    if files.is_empty() && findings.is_empty() {
        return Err(Error::invalid(
            path.display().to_string(),
            "no event file there or below (a file with `tfevents` in its name)",
        ));
    }
    let mut runs: BTreeMap<&str, Vec<&EventFile>> = BTreeMap::new();
    for file in &files {
        runs.entry(&file.run).or_default().push(file);
    }

    let folders: BTreeSet<&Path> = files.iter().filter_map(|file| file.path.parent()).collect();
    for config in &projectors {
        projector::check(&mut findings, config);
        if !projector::is_found(config, |folder| folder == path || folders.contains(folder)) {
            findings
                .add(Rule::ProjectorWithoutRun, Place::file(config), || "no event file beside it".to_owned());
        }
    }

    let mut kept = Kept::default();
    let mut report = Report { runs: runs.len() as u64, ..Report::default() };
    let mut experiments = Vec::new();
    for (name, files) in runs {
        let mut run = RunCheck::new(&mut findings, logdir::Limits::default());
        for file in files {
            report.files += 1;
            let before = report.bytes;
            report.events += read_file(file, limits, &mut run, &mut |bytes| on_progress(before + bytes))?;
            report.bytes += file.bytes;
            on_progress(report.bytes)?;
        }
        if let Some(place) = run.finish(limits.max_record_bytes, &mut kept) {
            experiments.push((name, place));
        }
    }
    if experiments.len() > 1 {
        for (_, (file, offset)) in &experiments {
            findings.add(Rule::HparamsExperiment, Place::record(file, *offset), || {
                format!("one of {} runs with an `Experiment`", experiments.len())
            });
        }
    }
    kept.finish(&mut findings);
    report.findings = findings.into_sorted();
    Ok(report)
}

/// Looks at one file; how many events could be read.
fn read_file(
    file: &EventFile,
    limits: Limits,
    run: &mut RunCheck<'_>,
    on_bytes: &mut dyn FnMut(u64) -> Result<()>,
) -> Result<u64> {
    run.begin_file(&file.path);
    let mut records = match RecordReader::open(&file.path, limits) {
        Ok(records) => records,
        Err(error) => {
            run.findings().add(Rule::Unreadable, Place::file(&file.path), || error.kind.to_string());
            return Ok(0);
        }
    };
    let mut events = 0;
    loop {
        let offset = records.offset();
        on_bytes(offset)?;
        let event = match records.read_record() {
            Ok(Some(data)) => decode_event(data),
            Ok(None) => break,
            Err(error) => {
                let goes_on = goes_on(&error);
                note_record(run.findings(), &file.path, &error, file.bytes);
                if goes_on { continue } else { break }
            }
        };
        match event {
            Ok(event) => {
                run.event(offset, &event);
                events += 1;
            }
            Err(error) => run.findings().add(Rule::NotAnEvent, Place::record(&file.path, offset), || {
                format!("a sound record that is no event: {error}")
            }),
        }
    }
    run.end_file();
    Ok(events)
}

/// Whether there are records after this one that can be read.
fn goes_on(error: &RecordError) -> bool {
    matches!(error.kind, RecordErrorKind::DataChecksum { .. } | RecordErrorKind::OverLimit { .. })
}

fn note_record(findings: &mut Findings, path: &Path, error: &RecordError, bytes: u64) {
    let rule = match error.kind {
        RecordErrorKind::Truncated { .. } => Rule::TornTail,
        RecordErrorKind::LengthChecksum { .. } => Rule::LengthChecksum,
        RecordErrorKind::DataChecksum { .. } => Rule::DataChecksum,
        RecordErrorKind::OverLimit { .. } => Rule::OversizeRecord,
        _ => Rule::Unreadable,
    };
    findings.add(rule, Place::record(path, error.offset), || match rule {
        Rule::LengthChecksum => {
            format!("{} ({} bytes)", error.kind, bytes.saturating_sub(error.offset))
        }
        _ => error.kind.to_string(),
    });
}
