//! What to do about a critical finding.

use std::{fmt, ops::ControlFlow, str::FromStr};

use crate::{
    callback::{Context, StopReason},
    error::{Error, Result},
    render::number,
    rules::{Finding, Severity},
    summary::Step,
};

/// What to do when a rule finds that training does not work. Findings that another one explains are left to that one.
///
/// ```
/// use convscope::diagnostics::OnCritical;
///
/// assert_eq!("stop".parse::<OnCritical>()?, OnCritical::Stop);
/// assert_eq!("lower-lr".parse::<OnCritical>()?, OnCritical::LowerLearningRate(0.1));
/// assert_eq!(OnCritical::LowerLearningRate(0.5).to_string(), "lower-lr");
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum OnCritical {
    /// Only say it, in the log and in the text `diagnosis`.
    #[default]
    Warn,
    /// Stop the training with [`StopReason::Critical`].
    Stop,
    /// Ask the loop for the learning rate times this number between 0 and 1, where the steps are what is wrong
    /// (`exploding_gradient`, `loss_divergence`, `loss_spike`, `update_ratio`) and the loop told its learning rate. Other
    /// findings are only said. The verdict says whether the loop took it: the [`Trainer`](crate::Trainer) does, other loops
    /// by [`Session::requested_learning_rate`](crate::Session::requested_learning_rate).
    LowerLearningRate(f64),
}

/// Rules that say that steps are too large.
const LARGE_STEPS: [&str; 4] = ["exploding_gradient", "loss_divergence", "loss_spike", "update_ratio"];

impl OnCritical {
    pub(super) fn check(self) -> Result<()> {
        match self {
            OnCritical::LowerLearningRate(factor) if !(factor > 0.0 && factor < 1.0) => Err(Error::invalid(
                "diagnosis, on critical findings",
                format!("a factor of {factor} for the learning rate; give one between 0 and 1, such as 0.1"),
            )),
            _ => Ok(()),
        }
    }

    /// Acts on what one observation raised, the worst first. Answers whether training shall go on, and what was done.
    pub(super) fn act(
        self,
        cx: &Context<'_>,
        raised: &[Finding],
    ) -> Result<(ControlFlow<StopReason>, Option<Done>)> {
        let mut critical = raised.iter().filter(|finding| finding.is_critical_cause());
        let nothing = Ok((ControlFlow::Continue(()), None));
        match self {
            OnCritical::Warn => nothing,
            OnCritical::Stop => {
                let Some(Finding { rule, subject, message, .. }) = critical.next() else { return nothing };
                let reason = StopReason::Critical {
                    rule: rule.clone(),
                    subject: subject.clone(),
                    message: message.clone(),
                };
                let text = format!("training was stopped because of `{rule}`");
                Ok((ControlFlow::Break(reason), Some(Done { text, asked: None })))
            }
            OnCritical::LowerLearningRate(factor) => {
                let Some(finding) = critical.find(|finding| has_large_steps(finding)) else { return nothing };
                lower(cx, factor, finding).map(|done| (ControlFlow::Continue(()), Some(done)))
            }
        }
    }
}

fn has_large_steps(finding: &Finding) -> bool {
    LARGE_STEPS.contains(&finding.rule.as_str())
        && (finding.rule != "update_ratio" || finding.value > finding.threshold)
}

/// What was done.
#[derive(Debug)]
pub(super) struct Done {
    pub text: String,
    pub asked: Option<Asked>,
}

/// A learning rate that was asked for: whether the loop took it, the next step tells.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Asked {
    step: Step,
    rate: f64,
}

impl Asked {
    /// What to add to the action at a later step; `None` at the same.
    pub fn outcome(self, step: Step, rate: Option<f64>) -> Option<String> {
        if step <= self.step {
            return None;
        }
        // A schedule may have lowered it further.
        let is_taken = rate.is_some_and(|rate| rate <= self.rate * (1.0 + 1e-6));
        Some(match rate {
            _ if is_taken => format!("done at step {step}"),
            Some(rate) => format!(
                "at step {step} the loop still had {}: let it take `Session::requested_learning_rate`",
                number(rate)
            ),
            None => format!("at step {step} the loop did not tell its learning rate"),
        })
    }
}

fn lower(cx: &Context<'_>, factor: f64, finding: &Finding) -> Result<Done> {
    let rule = &finding.rule;
    let Some(now) = cx.learning_rate() else {
        let text = format!(
            "the learning rate was not lowered because of `{rule}`: the loop does not tell it; call \
             `Session::set_learning_rate`"
        );
        return Ok(Done { text, asked: None });
    };
    let rate = now * factor;
    cx.set_learning_rate(rate)?;
    let text = format!(
        "because of `{rule}` the loop was asked to lower the learning rate from {} to {}",
        number(now),
        number(rate)
    );
    Ok(Done { text, asked: Some(Asked { step: cx.step(), rate }) })
}

/// Says in the log what changed.
pub(super) fn log(raised: &[Finding], cleared: &[Finding]) {
    for Finding { rule, subject, severity, since, message, .. } in raised {
        match severity {
            Severity::Info => {
                tracing::info!("diagnosis, remark: {rule} ({subject}), since step {since}: {message}");
            }
            Severity::Warning => {
                tracing::warn!("diagnosis: {rule} ({subject}), since step {since}: {message}");
            }
            Severity::Critical => {
                tracing::warn!("diagnosis, critical: {rule} ({subject}), since step {since}: {message}");
            }
        }
    }
    for Finding { rule, subject, .. } in cleared {
        tracing::info!("diagnosis: {rule} ({subject}) is over");
    }
}

/// `warn`, `stop` or `lower-lr`, without the factor.
impl fmt::Display for OnCritical {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            OnCritical::Warn => "warn",
            OnCritical::Stop => "stop",
            OnCritical::LowerLearningRate(_) => "lower-lr",
        })
    }
}

impl FromStr for OnCritical {
    type Err = Error;

    /// `warn`, `stop`, or `lower-lr`: to a tenth.
    fn from_str(text: &str) -> Result<OnCritical> {
        match text {
            "warn" => Ok(OnCritical::Warn),
            "stop" => Ok(OnCritical::Stop),
            "lower-lr" => Ok(OnCritical::LowerLearningRate(0.1)),
            _ => {
                let why = format!("`{text}` found; give `warn`, `stop` or `lower-lr`");
                Err(Error::invalid("on critical findings", why))
            }
        }
    }
}
