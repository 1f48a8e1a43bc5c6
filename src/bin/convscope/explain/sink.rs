//! Where the studies write: PNG files, and a run of TensorBoard.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
    rc::Rc,
};

use convscope::{Entry, Error, Result, SummarySink, SummaryWriter};

/// Characters of a part of a file's name at most; with an end that tells two long ones apart.
const LONGEST: usize = 100;

/// A picture that was written.
pub struct Written {
    /// Its file, relative to the folder.
    pub file: String,
    pub tag: String,
    pub description: String,
    /// Pixels: columns and rows.
    pub size: [u32; 2],
}

/// What went through a [`Tee`].
#[derive(Default)]
pub struct Record {
    pub pictures: Vec<Written>,
    pub scalars: BTreeMap<String, f64>,
    pub texts: BTreeMap<String, String>,
    /// Whether the operating system refused something: then it will go on doing so.
    pub broken: bool,
}

/// Writes every picture as a file, keeps numbers and words, and passes everything on.
pub struct Tee {
    folder: PathBuf,
    run: SummaryWriter,
    names: BTreeSet<String>,
    /// To be looked at while a report has the sink.
    record: Rc<RefCell<Record>>,
}

impl Tee {
    pub fn new(folder: &Path, run: SummaryWriter) -> Tee {
        Tee { folder: folder.to_owned(), run, names: BTreeSet::new(), record: Rc::default() }
    }

    /// What was written so far, and will be.
    pub fn record(&self) -> Rc<RefCell<Record>> {
        Rc::clone(&self.record)
    }

    fn take(&mut self, entry: Entry) -> Result<()> {
        let Entry { tag, summary, .. } = &entry;
        let images = summary.pictures();
        for (number, image) in images.iter().enumerate() {
            let stem = if images.len() == 1 { tag.to_string() } else { format!("{tag}/{number}") };
            let file = self.free_name(&file_name(&stem));
            write_whole(&self.folder.join(&file), &image.to_png()?)?;
            let (tag, description) = (tag.to_string(), summary.description().to_owned());
            let size = [image.width(), image.height()];
            self.record.borrow_mut().pictures.push(Written { file, tag, description, size });
        }
        let mut record = self.record.borrow_mut();
        if let Some(number) = summary.number() {
            record.scalars.insert(tag.to_string(), number);
        }
        if let Some(markdown) = summary.markdown() {
            record.texts.insert(tag.to_string(), markdown.to_owned());
        }
        drop(record);
        self.run.write(entry)
    }

    /// The name, or one like it where it is taken: some file systems do not tell `a` from `A`.
    fn free_name(&mut self, name: &str) -> String {
        let candidate =
            |number: usize| if number == 1 { format!("{name}.png") } else { format!("{name}_{number}.png") };
        let mut number = 1;
        while !self.names.insert(candidate(number).to_lowercase()) {
            number += 1;
        }
        candidate(number)
    }
}

impl SummarySink for Tee {
    fn write(&mut self, entry: Entry) -> Result<()> {
        let taken = self.take(entry);
        self.record.borrow_mut().broken |= taken.as_ref().is_err_and(Error::is_io);
        taken
    }

    fn flush(&mut self) -> Result<()> {
        self.run.flush()
    }
}

/// The path of a tag's file without its end: `explain/occlusion/12 Coat` becomes `occlusion/12_Coat`.
pub fn file_name(tag: &str) -> String {
    let tag = tag.strip_prefix("explain/").unwrap_or(tag);
    tag.split('/').map(part).collect::<Vec<_>>().join("/")
}

/// A part of a path that is one on every system.
fn part(text: &str) -> String {
    let keeps = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
    let plain: String = text.chars().map(|c| if keeps(c) { c } else { '_' }).take(LONGEST).collect();
    if plain.chars().all(|c| c == '.') { plain.replace('.', "_") + "_" } else { plain }
}

/// Writes a file under its name when it is complete.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".unfinished");
    let unfinished = PathBuf::from(unfinished);
    let write = || -> io::Result<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&unfinished, bytes)?;
        fs::rename(&unfinished, path)
    };
    write().map_err(|error| {
        fs::remove_file(&unfinished).ok(); // the error says more than a failure to tidy up
        Error::io("write", path, error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_become_names_of_files_everywhere() {
        for (tag, name) in [
            ("explain/occlusion/12_Coat", "occlusion/12_Coat"),
            ("explain/x/layer1/0/conv1", "x/layer1/0/conv1"),
            ("explain/x/../../etc/a:b*c", "x/___/___/etc/a_b_c"),
            ("other/Größe 1", "other/Größe_1"),
            ("a//b", "a/_/b"),
        ] {
            assert_eq!(file_name(tag), name, "{tag}");
        }
        assert_eq!(file_name(&"x".repeat(500)).len(), LONGEST);
    }
}
