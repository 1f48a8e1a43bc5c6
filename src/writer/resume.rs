//! Makes a run ready to go on from an earlier step.

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use crate::{
    error::{Error, Result},
    event::{Disk, Filter, ForgottenEmbeddings, Rewrite, is_event_file, remove_unfinished},
    summary::Step,
};

/// A folder of the run, and the names in it.
struct Folder {
    path: PathBuf,
    names: Vec<OsString>,
}

/// Removes what the event files of a run and its sub-runs say of `step` and later ones, and torn ends. First all files
/// are read, so that nothing is changed where one of them is damaged.
pub(super) fn forget_from(disk: &dyn Disk, run: &Path, step: Step) -> Result<()> {
    let mut folders = Vec::new();
    walk(run, &mut folders)?;
    check_is_run(run, &folders)?;
    let mut rewrites = Vec::new();
    for folder in &folders {
        let mut filter = Filter::new(step);
        for name in folder.names.iter().filter(|name| is_event_file(name)) {
            rewrites.push(Rewrite::plan(&folder.path.join(name), &mut filter)?);
        }
    }
    let embeddings: Vec<ForgottenEmbeddings> = folders
        .iter()
        .map(|folder| ForgottenEmbeddings::plan(disk, &folder.path, step))
        .collect::<Result<_>>()?;
    for folder in &folders {
        remove_unfinished(disk, &folder.path, &folder.names)?;
    }
    let dropped: u64 = rewrites.iter().map(|rewrite| rewrite.dropped).sum();
    // The last first: metadata that leaves a file is in a later one before it is gone here, also where this is stopped
    // in between.
    for rewrite in rewrites.into_iter().rev() {
        rewrite.apply(disk)?;
    }
    for embeddings in embeddings {
        embeddings.apply(disk)?;
    }
    if dropped > 0 {
        tracing::info!("{}: {dropped} events of step {step} and later ones were removed", run.display());
    }
    Ok(())
}

/// The folders that hold event files, sorted, with the names of the files in them, sorted too. A folder that does not
/// exist holds none.
fn walk(dir: &Path, folders: &mut Vec<Folder>) -> Result<()> {
    let entries = match fs::read_dir(dir).and_then(Iterator::collect::<io::Result<Vec<_>>>) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::io("read the folder", dir, error)),
    };
    let (mut names, mut below) = (Vec::new(), Vec::new());
    for entry in entries {
        // A link to a folder may lead to another run.
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => below.push(entry.path()),
            Ok(kind) if kind.is_file() || entry.path().is_file() => names.push(entry.file_name()),
            Ok(_) => {}
            Err(error) => return Err(Error::io("read", entry.path(), error)),
        }
    }
    names.sort();
    below.sort();
    if names.iter().any(|name| is_event_file(name)) {
        folders.push(Folder { path: dir.to_owned(), names });
    }
    below.iter().try_for_each(|dir| walk(dir, folders))
}

/// Refuses a log folder with many runs in it: all of them would be cut.
fn check_is_run(run: &Path, folders: &[Folder]) -> Result<()> {
    match folders.first() {
        Some(first) if first.path != run => {
            let why = format!(
                "{} has no event file of its own, only {} and perhaps others have; give the folder of the run to resume",
                run.display(),
                first.path.display()
            );
            Err(Error::invalid("run to resume", why))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use prost::Message as _;

    use super::*;
    use crate::{
        SummaryWriter,
        event::{EventFileReader, testing::FaultyDisk},
        proto::{self, event::What},
        record::RecordEncoder,
        summary::Embedding,
    };

    fn file(run: &Path, number: u32, events: &[(i64, Option<&str>)]) {
        let mut encoder = RecordEncoder::new();
        for (step, name) in events {
            let metadata = name
                .map(|name| proto::SummaryMetadata { display_name: name.to_owned(), ..Default::default() });
            let value =
                proto::summary::Value { tag: "loss".to_owned(), metadata, value: None, ..Default::default() };
            let what = Some(What::Summary(proto::Summary { value: vec![value] }));
            encoder.push(&proto::Event { step: *step, what, ..Default::default() }.encode_to_vec());
        }
        fs::write(run.join(format!("events.out.tfevents.{number}")), encoder.as_bytes()).unwrap();
    }

    /// Steps and names in a file.
    fn read(run: &Path, number: u32) -> Vec<(i64, String)> {
        let events = EventFileReader::open(run.join(format!("events.out.tfevents.{number}"))).unwrap();
        let value = |event: Result<proto::Event>| {
            let event = event.unwrap();
            let Some(What::Summary(mut summary)) = event.what else { return None };
            Some((event.step, summary.value.remove(0).metadata.unwrap_or_default().display_name))
        };
        events.filter_map(value).collect()
    }

    #[test]
    fn metadata_is_never_gone_while_it_moves_to_another_file() {
        let none = |step: i64| (step, String::new());
        for renames in 0..3 {
            let dir = tempfile::tempdir().unwrap();
            let run = dir.path();
            file(run, 1, &[(8, Some("Loss"))]);
            file(run, 2, &[(2, None), (9, None)]);
            let disk = FaultyDisk::default();
            disk.set(|faults| faults.renames = Some(renames));
            let result = forget_from(&disk, run, Step::new(5));
            assert_eq!(result.is_ok(), renames == 2);
            let named = |step: i64| (step, "Loss".to_owned());
            let first = if renames == 2 { vec![] } else { vec![named(8)] };
            let second = if renames == 0 { vec![none(2), none(9)] } else { vec![named(2)] };
            assert_eq!((read(run, 1), read(run, 2)), (first, second), "{renames} renames");
            disk.set(|faults| faults.renames = None);
            forget_from(&disk, run, Step::new(5)).unwrap();
            assert_eq!((read(run, 1), read(run, 2)), (vec![], vec![named(2)]));
        }
    }

    #[test]
    fn names_are_on_the_device_as_well() {
        let dir = tempfile::tempdir().unwrap();
        let run = dir.path().join("logs/run");
        let disk = FaultyDisk::default();
        let points = Embedding::new(vec![0.5; 6], 3).unwrap();
        let add = |writer: &SummaryWriter, step: i64| {
            let train = writer.sub_run("fold/train").unwrap();
            writer.add_scalar("loss", 1.0, step).unwrap();
            writer.add_embedding("points", &points, step).unwrap();
            train.add_scalar("loss", 1.0, step).unwrap();
        };
        let writer = SummaryWriter::builder().open_on(Arc::new(disk.clone()), &run).unwrap();
        (0..10).for_each(|step| add(&writer, step));
        assert_ne!(disk.unsynced(), [].into());
        writer.close().unwrap();
        assert_eq!(disk.unsynced(), [].into());
        let writer = SummaryWriter::builder().resume_on(Arc::new(disk.clone()), &run, Step::new(5)).unwrap();
        assert_eq!(disk.unsynced(), [run.clone()].into(), "the new file");
        writer.close().unwrap();
        assert_eq!(disk.unsynced(), [].into());
        super::super::run_folder::new_run(&disk, &dir.path().join("other/logs")).unwrap();
        assert_eq!(disk.unsynced(), [].into());
    }
}
