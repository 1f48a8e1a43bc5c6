//! Stopping when a value does not improve any more.

use std::ops::ControlFlow;

use tch::Tensor;

use super::{
    CONTINUE, Callback, Context, Flow, Metrics, Mode, StopReason,
    monitor::{Best, Monitor, Source},
};
use crate::{error::Result, tch_context::TchContext as _, writer::SummarySink};

/// Stops training when a value has not improved for some checks in a row, or is not a finite number.
///
/// The rules are those of PyTorch Lightning and Keras: a value is an improvement where it is better than the best so far
/// by more than `min_delta`; training stops at the `patience`-th check in a row without one. A check is a validation pass
/// for `validation/...` and the end of an epoch for `train/...`, so a loop that validates several times an epoch is
/// checked several times.
///
/// Every check logs two scalars, below the name of what is watched: `early_stopping/validation/loss/wait` (checks in a row
/// without an improvement) and `early_stopping/validation/loss/best`.
/// The reason of a stop is logged by the [`Session`](crate::Session) as the text `stop_reason`.
///
/// ```
/// use convscope::{EarlyStopping, MemorySink, Metrics, Session, StopReason};
/// use tch::{Device, nn};
///
/// let store = nn::VarStore::new(Device::Cpu);
/// let mut session = Session::new(&store, EarlyStopping::new("validation/loss").patience(2), MemorySink::default());
/// let mut seen = Vec::new();
/// for loss in [0.9, 0.5, 0.6, 0.5, 0.4] {
///     seen.push(loss);
///     if session.end_validation(&Metrics::from([("loss", loss)]))?.is_break() {
///         break;
///     }
/// }
/// assert_eq!(seen, [0.9, 0.5, 0.6, 0.5]);
/// assert!(matches!(session.finish()?, Some(StopReason::NoImprovement { best: 0.5, .. })));
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Debug)]
pub struct EarlyStopping {
    monitor: Monitor,
    patience: u64,
    check_finite: bool,
    restore_best: bool,
    wait: u64,
    best_variables: Vec<(String, Tensor)>,
}

impl EarlyStopping {
    /// Watches `monitor`: `validation/<metric>` or `train/<metric>`, such as `validation/loss`.
    ///
    /// Patience is 3, `min_delta` 0. Whether smaller or greater is better follows from the name
    /// ([`Mode::for_name`]). A name that is not there by the end of the first epoch is an error that lists the names
    /// that are.
    pub fn new(monitor: impl Into<String>) -> EarlyStopping {
        EarlyStopping {
            monitor: Monitor::new(monitor),
            patience: 3,
            check_finite: true,
            restore_best: false,
            wait: 0,
            best_variables: Vec::new(),
        }
    }

    /// Stops at this many checks in a row without an improvement. Default 3; 0 means the same as 1.
    #[must_use]
    pub fn patience(mut self, checks: u64) -> EarlyStopping {
        self.patience = checks;
        self
    }

    /// By how much a value must be better than the best to count, in the units of the value. Default 0.
    #[must_use]
    pub fn min_delta(mut self, min_delta: f64) -> EarlyStopping {
        self.monitor.min_delta = min_delta;
        self
    }

    /// Says which way is better, where the name does not tell.
    #[must_use]
    pub fn mode(mut self, mode: Mode) -> EarlyStopping {
        self.monitor.mode = Some(mode);
        self
    }

    /// Checks from this epoch on; by its end the monitored value must have been there. Default 1. A loop that validates
    /// in every fifth epoch starts from epoch 5.
    #[must_use]
    pub fn start_from_epoch(mut self, epoch: u64) -> EarlyStopping {
        self.monitor.due = epoch;
        self
    }

    /// Whether a value that is NaN or infinite stops training at once. Default true; else it counts as no improvement.
    #[must_use]
    pub fn check_finite(mut self, check: bool) -> EarlyStopping {
        self.check_finite = check;
        self
    }

    /// Whether the end of training, early or not, brings all variables (parameters and BatchNorm's running statistics)
    /// back to where the value was best. Default false. Costs one copy of the model.
    ///
    /// A [`Checkpoint`](super::Checkpoint) whose `last.safetensors` shall hold the last state, not the best, comes before
    /// this one in the list.
    #[must_use]
    pub fn restore_best(mut self, restore: bool) -> EarlyStopping {
        self.restore_best = restore;
        self
    }

    fn check(
        &mut self,
        source: Source,
        cx: &Context<'_>,
        metrics: &Metrics,
        out: &mut dyn SummarySink,
    ) -> Flow {
        let Some(check) = self.monitor.check(source, metrics, cx.position()) else { return CONTINUE };
        if check.improved {
            self.wait = 0;
            self.keep_variables(cx)?;
        } else {
            self.wait += 1;
        }
        let tag = |what: &str| format!("early_stopping/{}/{what}", self.monitor.name);
        out.add_scalar(&tag("wait"), self.wait as f64, cx.step())?;
        let best = self.monitor.best;
        if let Some(best) = best {
            out.add_scalar(&tag("best"), best.value, cx.step())?;
        }
        if self.check_finite && !check.value.is_finite() {
            let reason = StopReason::NonFinite { monitor: self.monitor.name.clone(), value: check.value };
            return Ok(ControlFlow::Break(reason));
        }
        if self.wait == 0 || self.wait < self.patience {
            return CONTINUE;
        }
        Ok(ControlFlow::Break(self.no_improvement(best)))
    }

    fn no_improvement(&self, best: Option<Best>) -> StopReason {
        let (best, best_epoch) = best.map_or((f64::NAN, 0), |best| (best.value, best.epoch));
        StopReason::NoImprovement { monitor: self.monitor.name.clone(), best, best_epoch, checks: self.wait }
    }

    fn keep_variables(&mut self, cx: &Context<'_>) -> Result<()> {
        if !self.restore_best {
            return Ok(());
        }
        let mut variables: Vec<(String, Tensor)> = cx.var_store().variables().into_iter().collect();
        variables.sort_by(|a, b| a.0.cmp(&b.0));
        tch::no_grad(|| {
            for (name, tensor) in &mut variables {
                *tensor = tensor.f_detach_copy().context(|| format!("copying the best `{name}`"))?;
            }
            self.best_variables = variables;
            Ok(())
        })
    }

    fn restore_variables(&mut self, cx: &Context<'_>) -> Result<()> {
        let mut variables = cx.var_store().variables();
        tch::no_grad(|| {
            for (name, best) in self.best_variables.drain(..) {
                if let Some(tensor) = variables.get_mut(&name) {
                    tensor.f_copy_(&best).context(|| format!("restoring the best `{name}`"))?;
                }
            }
            Ok(())
        })
    }
}

impl Callback for EarlyStopping {
    fn on_train_start(&mut self, _: &Context<'_>, _: &mut dyn SummarySink) -> Flow {
        self.monitor.validate()?;
        CONTINUE
    }

    fn on_validation_end(&mut self, cx: &Context<'_>, metrics: &Metrics, out: &mut dyn SummarySink) -> Flow {
        self.check(Source::Validation, cx, metrics, out)
    }

    fn on_epoch_end(&mut self, cx: &Context<'_>, metrics: &Metrics, out: &mut dyn SummarySink) -> Flow {
        let flow = self.check(Source::Train, cx, metrics, out)?;
        self.monitor.require(metrics, cx.position())?;
        Ok(flow)
    }

    fn on_train_end(&mut self, cx: &Context<'_>, _: &mut dyn SummarySink) -> Flow {
        self.restore_variables(cx)?;
        CONTINUE
    }
}
