//! Keeping the model's variables in files.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use tch::{Device, Tensor, nn};

use super::{
    CONTINUE, Callback, Context, Flow, Metrics, Mode,
    monitor::{Monitor, Source},
};
use crate::{
    error::{Error, Result},
    summary::Step,
    tch_context::TchContext as _,
    writer::SummarySink,
};

/// Keeps the model's variables (parameters and BatchNorm's running statistics) in two safetensors files of a folder:
/// `best.safetensors`, from where a monitored value was best, and `last.safetensors`, from the end of the last epoch or
/// the end of training, early or not.
///
/// A file is written beside its final name and renamed when it is complete and on the disk, so under its final name there
/// is always a whole one. Saving reads the variables and changes nothing.
///
/// ```
/// use convscope::{Checkpoint, MemorySink, Metrics, Session};
/// use tch::{Device, Kind, Tensor, nn};
///
/// let folder = tempfile::tempdir()?;
/// let store = nn::VarStore::new(Device::Cpu);
/// let mut weight = store.root().ones("weight", &[3]);
///
/// let mut session = Session::new(&store, Checkpoint::new(folder.path()), MemorySink::default());
/// session.end_validation(&Metrics::from([("loss", 0.5)]))?;
/// session.end_epoch()?;
/// session.finish()?;
///
/// tch::no_grad(|| weight.zero_());
/// Checkpoint::load(&store, &folder.path().join("best.safetensors"))?;
/// assert_eq!(weight, Tensor::ones([3], (Kind::Float, Device::Cpu)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Checkpoint {
    folder: PathBuf,
    monitor: Monitor,
    /// Whether the caller said anything about the best.
    monitor_is_set: bool,
    last_only: bool,
    last: Option<Step>,
}

impl Checkpoint {
    /// Name of the file with the variables from where the monitored value was best.
    pub const BEST: &'static str = "best.safetensors";
    /// Name of the file with the newest variables.
    pub const LAST: &'static str = "last.safetensors";

    /// Writes to `folder`, which is made where it is missing; files of the same names are replaced. The best is told by
    /// `validation/loss`.
    pub fn new(folder: impl Into<PathBuf>) -> Checkpoint {
        Checkpoint {
            folder: folder.into(),
            monitor: Monitor::new("validation/loss"),
            monitor_is_set: false,
            last_only: false,
            last: None,
        }
    }

    /// Tells the best by `validation/<metric>` or `train/<metric>`; whether smaller or greater is better follows from
    /// the name ([`Mode::for_name`]). A name that is not there by the end of the first epoch is an error that lists the
    /// names that are.
    #[must_use]
    pub fn monitor(mut self, monitor: impl Into<String>) -> Checkpoint {
        self.monitor.name = monitor.into();
        self.monitor_is_set = true;
        self
    }

    /// Says which way is better, where the monitor's name does not tell.
    #[must_use]
    pub fn mode(mut self, mode: Mode) -> Checkpoint {
        self.monitor.mode = Some(mode);
        self.monitor_is_set = true;
        self
    }

    /// Looks for the best from this epoch on; by its end the monitored value must have been there. Default 1.
    #[must_use]
    pub fn start_from_epoch(mut self, epoch: u64) -> Checkpoint {
        self.monitor.due = epoch;
        self.monitor_is_set = true;
        self
    }

    /// Keeps only `last.safetensors`: for a loop that measures nothing. Together with a setting of the best, in any order,
    /// it is an error when training starts.
    #[must_use]
    pub fn last_only(mut self) -> Checkpoint {
        self.last_only = true;
        self
    }

    /// Writes all variables of `store` to `path`, a `.safetensors` file: a whole new file, or none.
    ///
    /// # Errors
    /// A file that cannot be written (the one there before stays as it was), a variable that cannot be copied.
    pub fn save(store: &nn::VarStore, path: &Path) -> Result<()> {
        let mut variables: Vec<(String, Tensor)> = store.variables().into_iter().collect();
        variables.sort_by(|a, b| a.0.cmp(&b.0));
        for (name, tensor) in &mut variables {
            *tensor = tensor
                .f_detach()
                .and_then(|tensor| tensor.f_to_device(Device::Cpu)?.f_contiguous())
                .context(|| format!("copying `{name}` for {}", path.display()))?;
        }
        let unfinished = unfinished(path);
        let written = Tensor::write_safetensors(&variables, &unfinished)
            .context(|| format!("cannot write {}", unfinished.display()))
            .and_then(|()| publish(&unfinished, path));
        if written.is_err() {
            fs::remove_file(&unfinished).ok(); // the error says more than a failure to tidy up
        }
        written
    }

    /// Reads the variables of `store` from `path`, a `.safetensors` file.
    ///
    /// # Errors
    /// A file that cannot be read; a file whose names and shapes are not exactly those of `store`: the error lists all
    /// differences, and no variable is changed.
    pub fn load(store: &nn::VarStore, path: &Path) -> Result<()> {
        drop(File::open(path).map_err(|source| Error::io("open", path, source))?);
        let mut found =
            Tensor::read_safetensors(path).context(|| format!("cannot read {}", path.display()))?;
        found.sort_by(|a, b| a.0.cmp(&b.0));
        let mut variables = store.variables();
        let mut differences = Vec::new();
        for (name, tensor) in &found {
            match variables.get(name) {
                None => differences.push(format!("`{name}` is in the file and not in the model")),
                Some(variable) if variable.size() != tensor.size() => differences.push(format!(
                    "`{name}` has shape {:?} in the file and {:?} in the model",
                    tensor.size(),
                    variable.size()
                )),
                Some(_) => {}
            }
        }
        let mut names: Vec<&String> = variables.keys().collect();
        names.sort();
        let missing = names.into_iter().filter(|name| found.iter().all(|(there, _)| there != *name));
        differences.extend(missing.map(|name| format!("`{name}` is in the model and not in the file")));
        if !differences.is_empty() {
            return Err(Error::invalid(
                path.display().to_string(),
                format!("not a checkpoint of this model: {}", differences.join("; ")),
            ));
        }
        tch::no_grad(|| {
            for (name, tensor) in &found {
                if let Some(variable) = variables.get_mut(name) {
                    variable
                        .f_copy_(tensor)
                        .context(|| format!("loading `{name}` from {}", path.display()))?;
                }
            }
            Ok(())
        })
    }

    fn save_if_best(&mut self, source: Source, cx: &Context<'_>, metrics: &Metrics) -> Result<()> {
        if self.last_only {
            return Ok(());
        }
        match self.monitor.check(source, metrics, cx.position()) {
            Some(check) if check.improved => {
                Checkpoint::save(cx.var_store(), &self.folder.join(Checkpoint::BEST))
            }
            _ => Ok(()),
        }
    }

    fn save_last(&mut self, cx: &Context<'_>) -> Result<()> {
        if self.last != Some(cx.step()) {
            Checkpoint::save(cx.var_store(), &self.folder.join(Checkpoint::LAST))?;
            self.last = Some(cx.step());
        }
        Ok(())
    }
}

impl Callback for Checkpoint {
    /// Makes the folder and tries to write there, so that a folder that cannot be used is known before hours of training.
    fn on_train_start(&mut self, _: &Context<'_>, _: &mut dyn SummarySink) -> Flow {
        if !self.last_only {
            self.monitor.validate()?;
        } else if self.monitor_is_set {
            return Err(Error::invalid(
                "checkpoint",
                "last_only found together with monitor, mode or start_from_epoch, which are about the best; leave out one \
                 or the other",
            ));
        }
        fs::create_dir_all(&self.folder)
            .map_err(|source| Error::io("create the folder", &self.folder, source))?;
        let trial = unfinished(&self.folder.join(Checkpoint::LAST));
        File::create(&trial)
            .and_then(|_| fs::remove_file(&trial))
            .map_err(|source| Error::io("write to", &trial, source))?;
        CONTINUE
    }

    fn on_validation_end(&mut self, cx: &Context<'_>, metrics: &Metrics, _: &mut dyn SummarySink) -> Flow {
        self.save_if_best(Source::Validation, cx, metrics)?;
        CONTINUE
    }

    fn on_epoch_end(&mut self, cx: &Context<'_>, metrics: &Metrics, _: &mut dyn SummarySink) -> Flow {
        self.save_if_best(Source::Train, cx, metrics)?;
        self.save_last(cx)?;
        if !self.last_only {
            self.monitor.require(metrics, cx.position())?;
        }
        CONTINUE
    }

    fn on_train_end(&mut self, cx: &Context<'_>, _: &mut dyn SummarySink) -> Flow {
        self.save_last(cx)?;
        CONTINUE
    }
}

/// The name under which a file is written until it is complete.
fn unfinished(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".unfinished");
    PathBuf::from(name)
}

/// Brings a complete file to the disk, then to its name.
fn publish(unfinished: &Path, path: &Path) -> Result<()> {
    let sync = |path: &Path| File::options().write(true).open(path).and_then(|file| file.sync_all());
    sync(unfinished).map_err(|source| Error::io("write", unfinished, source))?;
    fs::rename(unfinished, path).map_err(|source| Error::io("rename to", path, source))?;
    sync_folder(path).map_err(|source| Error::io("write the folder of", path, source))
}

/// Makes the new name last through a power cut. Windows needs and allows no such thing.
fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if cfg!(unix) => {
            let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            File::open(folder)?.sync_all()
        }
        _ => Ok(()),
    }
}
