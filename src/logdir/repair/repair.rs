//! A file, or all below a folder.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use prost::Message as _;

use super::{
    NewFile,
    mend::{Mended, Mender},
    salvage::{Damage, Piece, Salvage},
};
use crate::{
    error::{Error, Result},
    logdir::lint::{MAX_RECORD_BYTES, event_files},
    proto::{self, event::What},
    record::{Limits, RecordEncoder},
};

/// Most damaged places of a file that are listed.
pub const MAX_LISTED: usize = 1000;

/// What became of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Repaired {
    /// The file that was read.
    pub source: PathBuf,
    /// The file that was written.
    pub target: PathBuf,
    /// Events that were saved.
    pub events: u64,
    /// Of these, events whose wall time was not finite: they have that of the event before now.
    pub mended_times: u64,
    /// Tags whose metadata stood in a damaged record: it is with their first value that was saved now.
    pub rescued_tags: u64,
    /// Whether a file version was put first, because there was none.
    pub added_version: bool,
    /// Of the events, those with a damaged length: the checksum of their data proved them.
    pub mended_lengths: u64,
    /// What was left out, in the order of its place: the first [`MAX_LISTED`].
    pub damage: Vec<Damage>,
    /// How many places were left out.
    pub places: u64,
    /// Bytes that were left out.
    pub lost_bytes: u64,
}

impl Repaired {
    /// Whether the new file is the same as the old.
    pub fn is_unchanged(&self) -> bool {
        self.places == 0 && self.mended_times == 0 && self.mended_lengths == 0 && !self.added_version
    }

    fn left_out(&mut self, damage: Damage) {
        self.places += 1;
        self.lost_bytes += damage.bytes;
        if self.damage.len() < MAX_LISTED {
            self.damage.push(damage);
        }
    }
}

/// Saves what is whole of an event file, or of all event files below a folder, into new files.
///
/// `target` must not be there: a file for a file, a folder with the same sub-folders and names for a folder. The source
/// is not touched. Other files, such as those of the projector, are not copied.
///
/// * Records are copied as they are, byte by byte, except that a wall time which is not finite is replaced by that of
///   the event before (the data server would stop there), and that a file version is put first where there is none.
/// * A record with damaged data is left out. After a damaged length, or where records were overwritten or torn and
///   others appended, the next place with two right checksums is looked for, byte by byte. Should the damaged part hold
///   another event file as data, events of that could be taken for the file's own.
/// * A record of which only the length is damaged is saved, if the checksum of its data proves it.
/// * Metadata that can still be read in a damaged record goes with the tag's next value: without it no page would show
///   the tag.
/// * Records that hold no event are left out, and so are those of more than 256 MiB.
///
/// ```
/// use convscope::{SummaryWriter, event::EventFileReader, logdir::repair::repair};
///
/// # let dir = tempfile::tempdir()?;
/// # let run = dir.path().join("run");
/// let writer = SummaryWriter::open(&run)?;
/// writer.add_scalar("loss", 0.5, 1)?;
/// writer.add_scalar("loss", 0.25, 2)?;
/// writer.close()?;
/// let file = std::fs::read_dir(&run)?.next().unwrap()?.path();
/// let mut bytes = std::fs::read(&file)?;
/// let length = bytes.len();
/// bytes.truncate(length - 1);
/// std::fs::write(&file, bytes)?; // the last record is torn
///
/// let target = dir.path().join("repaired.tfevents");
/// let repaired = repair(&file, &target)?;
/// assert_eq!((repaired[0].events, repaired[0].damage.len()), (3, 1)); // version, start, the first loss
/// assert!(EventFileReader::open(&target)?.all(|event| event.is_ok()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// A source that is not there or has no event files, a target that is there or lies in the source, and what the
/// operating system refuses. Files that were written before are left.
pub fn repair(source: impl AsRef<Path>, target: impl AsRef<Path>) -> Result<Vec<Repaired>> {
    let limits = Limits { max_record_bytes: MAX_RECORD_BYTES };
    repair_with(source, target, limits, &mut |_| Ok(()))
}

/// [`repair`] with other limits for a record, telling `on_progress` how many bytes of all files were read so far. An
/// error that it returns ends the work; the file in work is removed.
///
/// # Errors
/// As [`repair`], and those of `on_progress`.
pub fn repair_with(
    source: impl AsRef<Path>,
    target: impl AsRef<Path>,
    limits: Limits,
    on_progress: &mut dyn FnMut(u64) -> Result<()>,
) -> Result<Vec<Repaired>> {
    let (source, target) = (source.as_ref(), target.as_ref());
    let files = event_files(source)?;
    if files.is_empty() {
        return Err(Error::invalid(source.display().to_string(), "no event file there or below"));
    }
    if source.is_dir() {
        check_new_folder(source, target)?;
    }
    let mut before = 0;
    let mut all = Vec::new();
    for file in files {
        let relative = file.path.strip_prefix(source).unwrap_or(Path::new(""));
        let target = if relative.as_os_str().is_empty() { target.to_owned() } else { target.join(relative) };
        all.push(repair_file(&file.path, &target, limits, &mut |bytes| on_progress(before + bytes))?);
        before += file.bytes;
        on_progress(before)?;
    }
    Ok(all)
}

/// Nothing may be in the folder, if it is there.
pub(crate) fn refuse_filled(folder: &Path) -> Result<()> {
    match fs::read_dir(folder).map(|mut entries| entries.next().is_none()) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Error::invalid(
            folder.display().to_string(),
            "there is something in it, and nothing is overwritten: give a new folder",
        )),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Error::io("look into", folder, error)),
    }
}

/// A folder that is new, and not below the one that is read.
pub(crate) fn check_new_folder(source: &Path, target: &Path) -> Result<()> {
    refuse_filled(target)?;
    let real = |path: &Path| path.canonicalize().map_err(|error| Error::io("look at", path, error));
    let source = real(source)?;
    let above = std::path::absolute(target).map_err(|error| Error::io("look at", target, error))?;
    let there = above.ancestors().find(|folder| folder.exists()).map_or(Ok(above.clone()), real)?;
    if there.starts_with(&source) {
        return Err(Error::invalid(
            target.display().to_string(),
            "it is inside the folder that is read: give one beside it",
        ));
    }
    Ok(())
}

fn repair_file(
    path: &Path,
    target: &Path,
    limits: Limits,
    on_bytes: &mut dyn FnMut(u64) -> Result<()>,
) -> Result<Repaired> {
    let mut salvage = Salvage::open(path, limits)?;
    let mut output = NewFile::create(target)?;
    let mut mender = Mender::new(modified(path));
    let mut encoder = RecordEncoder::new();
    let mut repaired = Repaired {
        source: path.to_owned(),
        target: target.to_owned(),
        events: 0,
        mended_times: 0,
        rescued_tags: 0,
        added_version: false,
        mended_lengths: 0,
        damage: Vec::new(),
        places: 0,
        lost_bytes: 0,
    };
    while let Some(piece) = salvage.next(on_bytes)? {
        let (offset, mut data) = match piece {
            Piece::Record { offset, data, has_damaged_length } => {
                repaired.mended_lengths += u64::from(has_damaged_length);
                (offset, data)
            }
            Piece::Damage { damage, data } => {
                mender.damaged(&data.unwrap_or_default());
                repaired.left_out(damage);
                continue;
            }
        };
        match mender.mend(&mut data) {
            Mended::NoEvent(reason) => {
                repaired.left_out(Damage { offset, bytes: salvage.offset() - offset, reason });
                continue;
            }
            Mended::WallTime => repaired.mended_times += 1,
            Mended::Metadata(tags) => repaired.rescued_tags += tags,
            Mended::Whole => {}
        }
        encoder.clear();
        if repaired.events == 0 {
            let first = proto::Event::decode(&data[..]).unwrap_or_default();
            if !matches!(first.what, Some(What::FileVersion(_))) {
                encoder.push(&mender.file_version(&first));
                repaired.added_version = true;
            }
        }
        encoder.push(&data);
        output.write(encoder.as_bytes())?;
        repaired.events += 1;
    }
    output.finish()?;
    Ok(repaired)
}

/// When a file was last written, in seconds since 1970: the time of events that have none, if no other is known.
fn modified(path: &Path) -> f64 {
    let modified = fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    let since = modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since.map_or(0.0, |since| since.as_secs_f64())
}
