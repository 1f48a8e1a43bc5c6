//! Keeping the model's variables in files.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use tch::{Tensor, nn};

use super::{
    CONTINUE, Callback, Context, Flow, Metrics, Mode,
    model_card::ModelCard,
    monitor::{Monitor, Source},
};
use crate::{
    error::{Error, Result},
    params::Filter,
    summary::Step,
    weights,
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
    card: Option<ModelCard>,
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
            card: None,
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

    /// Writes `card` into the files too, with the step and epoch of their values: then nothing else is needed to use
    /// them. The default is a file of values alone.
    #[must_use]
    pub fn card(mut self, card: ModelCard) -> Checkpoint {
        self.card = Some(card);
        self
    }

    /// Writes all variables of `store` to `path`, a `.safetensors` file: a whole new file, or none.
    ///
    /// # Errors
    /// A file that cannot be written (the one there before stays as it was), a variable that cannot be copied.
    pub fn save(store: &nn::VarStore, path: &Path) -> Result<()> {
        weights::save(store.variables().into_iter().collect(), None, path)
    }

    /// The same, with a card beside the values.
    ///
    /// # Errors
    /// As [`save`](Checkpoint::save).
    pub fn save_with(store: &nn::VarStore, card: &ModelCard, path: &Path) -> Result<()> {
        weights::save(store.variables().into_iter().collect(), card.metadata(), path)
    }

    /// Reads the variables of `store` from `path`, a `.safetensors` file.
    ///
    /// # Errors
    /// A file that cannot be read; a file whose names and shapes are not exactly those of `store`: the error lists all
    /// differences, and no variable is changed.
    pub fn load(store: &nn::VarStore, path: &Path) -> Result<()> {
        let mut variables: Vec<(String, Tensor)> = store.variables().into_iter().collect();
        variables.sort_by(|a, b| a.0.cmp(&b.0));
        weights::load("the model", &variables, path, &Filter::all())
    }

    fn save_if_best(&mut self, source: Source, cx: &Context<'_>, metrics: &Metrics) -> Result<()> {
        if self.last_only {
            return Ok(());
        }
        match self.monitor.check(source, metrics, cx.position()) {
            Some(check) if check.improved => self.save_now(cx, Checkpoint::BEST),
            _ => Ok(()),
        }
    }

    fn save_last(&mut self, cx: &Context<'_>) -> Result<()> {
        if self.last != Some(cx.step()) {
            self.save_now(cx, Checkpoint::LAST)?;
            self.last = Some(cx.step());
        }
        Ok(())
    }

    fn save_now(&self, cx: &Context<'_>, name: &str) -> Result<()> {
        let path = self.folder.join(name);
        let Some(card) = &self.card else { return Checkpoint::save(cx.var_store(), &path) };
        let (step, epoch) = (Some(cx.step().get()), Some(cx.position().epoch));
        Checkpoint::save_with(cx.var_store(), &ModelCard { step, epoch, ..card.clone() }, &path)
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
        let trial = weights::unfinished(&self.folder.join(Checkpoint::LAST));
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
