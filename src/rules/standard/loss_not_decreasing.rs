//! The loss does not fall, or far too slowly.

use super::{Observation, Persistence, Rule, Setting, Severity, Symptom, losses::Losses, words::number};

/// The training loss does not fall from where it began, or far too slowly: a learning rate that is far too small or too
/// large, labels that do not belong to their images, gradients that do not arrive.
///
/// AWS SageMaker Debugger's `LossNotDecreasing` asks for a fall of 0.1 % within 10 steps. Over 10 steps the noise of
/// the batches is greater than that, so this rule compares where the training began with the mean of the last `window`
/// batches, asks for 0.1 % per 10 batches between the two, at most for `most`, and raises only where the fall is too
/// small by more than twice its standard error. Where the number of classes is known, a training that begins above ln C
/// begins at ln C: coming down to guessing is not learning. It does not raise while the loss falls as asked for from
/// one window to the next, and says nothing while the learning rate is being raised (warm-up). Once the loss has fallen
/// by `most`, the rule is done; what comes later is a plateau.
///
/// It is silent about resumed trainings, and about those whose weights were trained before: that begin below half of ln C
/// with answers that are not mostly wrong. Losses that are negative have
/// no relative fall: of those any fall will do that is more than noise. Subject: `training`.
///
/// A warning: the loss tells that something is wrong, not what. The causes are critical where other rules find them.
#[derive(Debug, Clone, PartialEq)]
pub struct LossNotDecreasing {
    /// By which share of the first losses the loss has to fall per 10 batches. Default 0.001 (AWS).
    pub fall: f64,
    /// No greater fall is asked for, however long the training. Default 0.05, which 500 batches at 0.001 amount to.
    pub most: f64,
    /// Batches over which the present loss is averaged. Default 50.
    pub window: u64,
    /// Batches before the first judgement. Default 100.
    pub patience: u64,
    state: State,
}

#[derive(Debug, Clone, PartialEq, Default)]
struct State {
    losses: Losses,
    learning_rate: Option<f64>,
    learned: bool,
}

impl Default for LossNotDecreasing {
    fn default() -> LossNotDecreasing {
        LossNotDecreasing { fall: 0.001, most: 0.05, window: 50, patience: 100, state: State::default() }
    }
}

impl Rule for LossNotDecreasing {
    fn name(&self) -> &str {
        "loss_not_decreasing"
    }

    fn examine(&mut self, observation: &Observation) -> Option<Vec<Symptom>> {
        let rising = match (self.state.learning_rate, observation.learning_rate) {
            (Some(before), Some(now)) => now > before,
            _ => false,
        };
        self.state.learning_rate = observation.learning_rate.or(self.state.learning_rate);
        if self.state.losses.add(observation, self.window.saturating_mul(2)) == 0 {
            return None;
        }
        let course = self.course().filter(|_| !rising)?;
        self.state.learned |= course.fall - 2.0 * course.error > course.most;
        if self.state.learned || course.falling {
            return Some(Vec::new());
        }
        let raises = course.fall + 2.0 * course.error < course.wanted;
        let keeps = course.fall < 1.5 * course.wanted;
        Some(if raises || keeps { vec![self.symptom(&course, raises)] } else { Vec::new() })
    }

    fn about(&self) -> &str {
        "The training loss does not fall from where it began, or far too slowly."
    }

    fn persistence(&self) -> Persistence {
        Persistence::new(3, 3).warm_up(0).clear(3)
    }

    fn explains(&self) -> &[&str] {
        &["prediction_collapse"]
    }

    fn settings(&mut self) -> Vec<Setting<'_>> {
        vec![
            Setting::number(
                "fall",
                &mut self.fall,
                0.0..=1.0,
                "share of the first losses by which the loss has to fall per 10 batches",
            ),
            Setting::number("most", &mut self.most, 0.0..=1.0, "no greater fall is asked for"),
            Setting::whole(
                "window",
                &mut self.window,
                2..=100_000,
                "batches over which the present loss is averaged",
            ),
            Setting::whole(
                "patience",
                &mut self.patience,
                2..=1_000_000_000,
                "batches before the first judgement",
            ),
        ]
    }
}

/// How far the loss has come.
struct Course {
    /// From where it has to fall.
    base: f64,
    now: f64,
    /// How far it fell, in the units of the loss.
    fall: f64,
    /// Standard error of `fall`.
    error: f64,
    /// How far it should have fallen by now.
    wanted: f64,
    /// From here on the loss counts as falling.
    most: f64,
    /// Whether it fell as asked for between the last two windows.
    falling: bool,
}

impl LossNotDecreasing {
    /// `None` as long as nothing can be said, and for trainings that the rule is not made for.
    fn course(&self) -> Option<Course> {
        let losses = &self.state.losses;
        if losses.seen() < self.patience.max(2) || !losses.saw_the_start() || losses.began_trained() {
            return None;
        }
        let (base, base_error, first) = match losses.guessing() {
            Some((_, guessing)) if losses.start() > guessing => (guessing, 0.0, 0),
            _ => losses.beginning(),
        };
        let ((now, now_error), before) = losses.levels(self.window);
        let error = base_error.hypot(now_error);
        // From the middle of the first losses to the middle of the last ones.
        let batches = losses.seen() as f64 - 0.5 * (first + self.window.min(losses.seen())) as f64;
        let asked = |batches: f64| (self.fall * batches / 10.0).clamp(0.0, self.most.max(0.0));
        let (wanted, most) =
            if base > 0.0 { (asked(batches) * base, self.most * base) } else { (4.0 * error, 4.0 * error) };
        let falling = before.is_some_and(|(before, before_error)| {
            before - now > asked(self.window as f64) * before.abs() + 2.0 * before_error.hypot(now_error)
        });
        Some(Course { base, now, fall: base - now, error, wanted, most, falling })
    }

    fn symptom(&self, course: &Course, raises: bool) -> Symptom {
        let share = |loss: f64| if course.base > 0.0 { loss / course.base } else { loss };
        Symptom {
            subject: "training".to_owned(),
            severity: Severity::Warning,
            raises,
            value: share(course.fall),
            threshold: share(course.wanted),
            message: self.message(course),
            advice: self.advice(course),
        }
    }

    fn message(&self, course: &Course) -> String {
        let batches = self.state.losses.seen();
        let levels =
            format!("{} at the start, {} now", precise(self.state.losses.start()), precise(course.now));
        if course.base <= 0.0 {
            return format!("the loss did not fall by more than its noise in {batches} batches: {levels}");
        }
        let percent = |loss: f64| number(100.0 * loss / course.base);
        let wanted = match self.state.losses.guessing() {
            Some((classes, guessing)) => {
                let below = if course.base == guessing { "below that" } else { "below the start" };
                format!(
                    "guessing among {classes} classes costs ln {classes} = {}, and at least {} % {below} were expected",
                    precise(guessing),
                    percent(course.wanted)
                )
            }
            None => format!("a fall of at least {} % was expected", percent(course.wanted)),
        };
        let what = if course.fall > 2.0 * course.error { "falls far too slowly" } else { "does not fall" };
        format!("the loss {what}: {levels}, after {batches} batches; {wanted}")
    }

    fn advice(&self, course: &Course) -> String {
        if self.state.learning_rate == Some(0.0) {
            return "The learning rate is 0: give the optimiser one, such as 0.001 for Adam.".to_owned();
        }
        let rate = self.state.learning_rate.map_or(String::new(), |rate| format!(" (now {})", number(rate)));
        if course.fall > 2.0 * course.error {
            return format!(
                "Raise the learning rate{rate} tenfold; repeat while the loss falls without jumps."
            );
        }
        format!(
            "Try a learning rate{rate} ten times greater, then ten times smaller. If neither helps, train on ten images \
             alone: a sound network learns them by heart. If it does, look whether the labels belong to their images; \
             if not, whether the optimiser has the parameters and gradients arrive."
        )
    }
}

/// A loss with so many digits that a small fall can be seen.
fn precise(loss: f64) -> String {
    if (0.01..1e5).contains(&loss.abs()) { format!("{loss:.4}") } else { number(loss) }
}
