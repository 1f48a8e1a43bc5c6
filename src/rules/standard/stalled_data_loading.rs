//! The training waits for its data.

use super::{
    Observation, Persistence, Rule, Setting, Severity, Symptom, Threshold, Timing,
    words::{number, percent},
};

/// More time goes into waiting for the next batch than into training on it.
///
/// The share is data / (data + training); what diagnostics take is in neither. It is judged whenever `seconds` of both
/// were measured, so that clocks and single hiccups do not decide. The first measurement is left out: the first batch
/// opens files and fills queues. The thresholds are our own; AWS SageMaker Debugger's `StalledTraining` waits for 1800
/// seconds of silence, which a rule that is asked after each batch cannot see. Half of the time means that training
/// could be twice as fast. A warning. Subject: `data`.
#[derive(Debug, Clone, PartialEq)]
pub struct StalledDataLoading {
    /// Share of the time above which there is a warning. Default 0.5.
    pub share: f64,
    /// Down to this share a finding is kept. Default 0.4.
    pub keep: f64,
    /// Measured time for a judgement, in seconds. Default 2.
    pub seconds: f64,
    state: State,
}

#[derive(Debug, Clone, PartialEq, Default)]
struct State {
    begun: bool,
    data: f64,
    training: f64,
}

impl Default for StalledDataLoading {
    fn default() -> StalledDataLoading {
        StalledDataLoading { share: 0.5, keep: 0.4, seconds: 2.0, state: State::default() }
    }
}

impl Rule for StalledDataLoading {
    fn name(&self) -> &str {
        "stalled_data_loading"
    }

    fn examine(&mut self, observation: &Observation) -> Option<Vec<Symptom>> {
        let Timing { data, training, .. } = observation.timing?;
        if !std::mem::replace(&mut self.state.begun, true) || !data.is_finite() || !training.is_finite() {
            return None;
        }
        self.state.data += data.max(0.0);
        self.state.training += training.max(0.0);
        let (data, training) = (self.state.data, self.state.training);
        if data + training < self.seconds || data + training <= 0.0 {
            return None;
        }
        (self.state.data, self.state.training) = (0.0, 0.0);
        let share = data / (data + training);
        let Some(grade) = Threshold::above(Severity::Warning, self.share).clear_at(self.keep).grade(share)
        else {
            return Some(Vec::new());
        };
        Some(vec![Symptom {
            subject: "data".to_owned(),
            severity: grade.severity,
            raises: grade.raises,
            value: share,
            threshold: grade.threshold,
            message: format!(
                "{} of the time goes into waiting for the next batch ({} of {} seconds)",
                percent(share),
                number(data),
                number(data + training)
            ),
            advice: "Read and decode the next batches in threads beside the training, and keep small data sets in memory \
                     in the form that the network reads. Whatever the loop does between two steps counts here too."
                .to_owned(),
        }])
    }

    fn about(&self) -> &str {
        "More time goes into waiting for the next batch than into training on it."
    }

    fn persistence(&self) -> Persistence {
        Persistence::new(2, 3).warm_up(0).clear(2)
    }

    fn settings(&mut self) -> Vec<Setting<'_>> {
        vec![
            Setting::number(
                "share",
                &mut self.share,
                0.0..=1.0,
                "share of the time above which there is a warning",
            ),
            Setting::number("keep", &mut self.keep, 0.0..=1.0, "down to this share a finding is kept"),
            Setting::number("seconds", &mut self.seconds, 0.0..=1e6, "measured time for a judgement"),
        ]
    }
}
