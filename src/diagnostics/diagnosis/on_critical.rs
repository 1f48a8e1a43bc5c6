//! What to do about a critical finding.

use std::{ops::ControlFlow, str::FromStr};

use crate::{
    callback::{Context, StopReason},
    error::{Error, Result},
    render::number,
    rules::{Finding, Severity},
};

/// What to do when a rule finds that training does not work. Findings that another one explains are left to that one.
///
/// ```
/// use convscope::diagnostics::OnCritical;
///
/// assert_eq!("stop".parse::<OnCritical>()?, OnCritical::Stop);
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum OnCritical {
    /// Only say it, in the log and in the text `diagnosis`.
    #[default]
    Warn,
    /// Stop the training with [`StopReason::Critical`].
    Stop,
    /// Multiply the learning rate by this number between 0 and 1, where the steps are what is wrong
    /// (`exploding_gradient`, `loss_divergence`, `loss_spike`, `update_ratio`) and the loop told its learning rate. Other
    /// findings are only said.
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
    ) -> Result<(ControlFlow<StopReason>, Option<String>)> {
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
                Ok((ControlFlow::Break(reason), Some(format!("training was stopped because of `{rule}`"))))
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

fn lower(cx: &Context<'_>, factor: f64, finding: &Finding) -> Result<String> {
    let rule = &finding.rule;
    let Some(now) = cx.learning_rate() else {
        return Ok(format!(
            "the learning rate was not lowered because of `{rule}`: the loop does not tell it; call \
             `Session::set_learning_rate`"
        ));
    };
    cx.set_learning_rate(now * factor)?;
    let (now, lower) = (number(now), number(now * factor));
    Ok(format!("because of `{rule}` the learning rate was lowered from {now} to {lower}"))
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

impl FromStr for OnCritical {
    type Err = Error;

    /// `warn` or `stop`.
    fn from_str(text: &str) -> Result<OnCritical> {
        match text {
            "warn" => Ok(OnCritical::Warn),
            "stop" => Ok(OnCritical::Stop),
            _ => {
                Err(Error::invalid("on critical findings", format!("`{text}` found; give `warn` or `stop`")))
            }
        }
    }
}
