//! Log folders: reading, checking and repairing them.

use std::{fs, path::Path};

use convscope::{
    logdir::{
        LogDir, Run, SeriesKind,
        lint::{MAX_RECORD_BYTES, Rule, verify},
        repair::repair,
    },
    proto,
    record::{Limits, RecordReader},
};

use super::{stream, within};

/// How many bytes of memory a byte of the file may take: as for events, in every part of the work.
const GROWTH: usize = 4 * size_of::<proto::summary::Value>();
/// Buffers, and what a folder and a file take by themselves.
const FIXED: usize = 4 << 20;

/// The bytes are the one event file of a log folder.
///
/// - It can be opened, every time series can be read, and `verify` comes to an end.
/// - What `repair` writes has sound records only, and repairing it again changes nothing.
/// - Each of that takes memory in proportion to the bytes.
pub fn logdir(data: &[u8]) {
    let (_, bytes) = stream::of_script(data);
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let file = at("logs/run/events.out.tfevents.1");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, &bytes).unwrap();
    let most = bytes.len() * GROWTH + FIXED;

    within(most, || {
        let logs = LogDir::open(at("logs")).unwrap();
        logs.runs().iter().for_each(read);
    });
    within(most, || verify(at("logs")).unwrap());
    let repaired = within(most, || repair(at("logs"), at("saved")).unwrap());
    assert!(repaired[0].lost_bytes <= bytes.len() as u64);
    let saved = at("saved/run/events.out.tfevents.1");
    assert_eq!(records(&saved), repaired[0].events + u64::from(repaired[0].added_version));
    let report = verify(at("saved")).unwrap();
    let broken = report.findings.iter().find(|finding| is_framing(finding.rule));
    assert!(broken.is_none(), "{broken:?}");

    let again = repair(at("saved"), at("again")).unwrap();
    assert!(again[0].is_unchanged(), "{:?}", again[0]);
    assert_eq!(fs::read(at("again/run/events.out.tfevents.1")).unwrap(), fs::read(&saved).unwrap());
}

/// Reads everything, as what it says it is and as blobs.
fn read(run: &Run) {
    let (graph, model) = (run.graph(), run.conceptual_graph());
    drop((graph, model, run.layout(), run.hparams()));
    for tag in run.tags() {
        let tag_name = tag.tag.as_str();
        match tag.kind {
            SeriesKind::Scalar => drop(run.scalars(tag_name)),
            SeriesKind::Histogram => drop(run.histograms(tag_name).map(Iterator::count)),
            SeriesKind::Image => drop(run.images(tag_name).map(Iterator::count)),
            SeriesKind::Audio => drop(run.audio(tag_name).map(Iterator::count)),
            SeriesKind::Text => drop(run.texts(tag_name).map(Iterator::count)),
            SeriesKind::PrCurve => drop(run.pr_curves(tag_name).map(Iterator::count)),
            _ => drop(run.tensors(tag_name).map(Iterator::count)),
        }
        drop(run.blobs(tag_name).map(Iterator::count));
    }
}

/// Number of records of a file, all of which are whole.
fn records(path: &Path) -> u64 {
    let bytes = fs::read(path).unwrap();
    let limits = Limits { max_record_bytes: MAX_RECORD_BYTES };
    let mut reader = RecordReader::with_limits(&bytes[..], limits);
    let mut count = 0;
    while reader.read_record().unwrap().is_some() {
        count += 1;
    }
    count
}

fn is_framing(rule: Rule) -> bool {
    matches!(rule, Rule::TornTail | Rule::LengthChecksum | Rule::DataChecksum | Rule::OversizeRecord)
}
