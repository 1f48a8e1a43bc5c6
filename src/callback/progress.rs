//! How far training is, on the terminal.

use std::{
    fmt::Write as _,
    io::{self, IsTerminal as _, Write},
    time::{Duration, Instant},
};

use super::{CONTINUE, Callback, Console, Context, Flow, Means, Metrics, Position};
use crate::writer::SummarySink;

/// How often a bar is drawn: each time the loss is fetched from its device, and training waits for that.
#[cfg(feature = "cli")]
const BAR_INTERVAL: Duration = Duration::from_millis(100);
/// How often a line is printed within an epoch.
const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// Shows epoch, loss, accuracy (means over the epoch so far), images/s, and the time that is left.
///
/// On a terminal this is a bar (with the feature `cli`); elsewhere a line at the end of each epoch, and in a long epoch
/// one every five seconds. Values are fetched from the device when they are shown, not at every batch.
pub struct Progress {
    view: View,
    epochs: Option<u64>,
    means: Means,
    validation: Option<Metrics>,
    clock: Clock,
    shown: Instant,
}

impl Progress {
    /// Shows progress on the standard error stream: a bar if that is a terminal, else lines.
    pub fn new() -> Progress {
        let stderr = io::stderr();
        Progress::with(if stderr.is_terminal() { View::on_terminal() } else { View::Lines(Box::new(stderr)) })
    }

    /// Prints lines to `out`.
    pub fn lines(out: impl Write + 'static) -> Progress {
        Progress::with(View::Lines(Box::new(out)))
    }

    fn with(view: View) -> Progress {
        Progress {
            view,
            epochs: None,
            means: Means::default(),
            validation: None,
            clock: Clock::new(),
            shown: Instant::now(),
        }
    }

    /// How many epochs training shall last; without it the time left is that of the epoch.
    #[must_use]
    pub fn epochs(mut self, epochs: u64) -> Progress {
        self.epochs = Some(epochs);
        self
    }

    /// The standard error stream for everything else that a program prints there while the bar is shown, such as warnings.
    pub fn console(&self) -> Console {
        match &self.view {
            View::Lines(_) => Console::default(),
            #[cfg(feature = "cli")]
            View::Bar(bar) => Console { bar: Some(bar.downgrade()) },
        }
    }

    fn epoch(&self, position: &Position) -> String {
        self.epochs.map_or_else(
            || format!("epoch {}", position.epoch),
            |epochs| format!("epoch {}/{epochs}", position.epoch),
        )
    }

    fn time_left(&self, position: &Position) -> Option<Duration> {
        let batches = position.batches?;
        let epochs_behind = self.epochs.map_or(0, |epochs| epochs.saturating_sub(position.epoch));
        let left =
            batches.saturating_sub(position.batch).saturating_add(batches.saturating_mul(epochs_behind));
        self.clock.time_of(left)
    }
}

impl Default for Progress {
    fn default() -> Progress {
        Progress::new()
    }
}

impl Callback for Progress {
    fn on_train_start(&mut self, _: &Context<'_>, _: &mut dyn SummarySink) -> Flow {
        self.clock = Clock::new();
        self.shown = Instant::now();
        CONTINUE
    }

    fn on_batch_end(&mut self, cx: &Context<'_>, _: &mut dyn SummarySink) -> Flow {
        self.means.add(cx.report)?;
        self.clock.batch(cx.images());
        if self.shown.elapsed() < self.view.interval() {
            return CONTINUE;
        }
        self.shown = Instant::now();
        let position = cx.position();
        let mut status = numbers("", &self.means.peek()?);
        push_speed(&mut status, &self.clock);
        if let Some(left) = self.time_left(position) {
            push(&mut status, &format!("{} left", clock_time(left)));
        }
        let epoch = self.epoch(position);
        self.view.batch(&epoch, position, &status);
        CONTINUE
    }

    fn on_validation_end(&mut self, _: &Context<'_>, metrics: &Metrics, _: &mut dyn SummarySink) -> Flow {
        self.validation = Some(metrics.clone());
        CONTINUE
    }

    fn on_epoch_end(&mut self, cx: &Context<'_>, metrics: &Metrics, _: &mut dyn SummarySink) -> Flow {
        let mut line = format!("{}: {}", self.epoch(cx.position()), numbers("", metrics));
        if let Some(validation) = self.validation.take() {
            push(&mut line, &numbers("validation ", &validation));
        }
        push_speed(&mut line, &self.clock);
        self.view.epoch(&line);
        self.means.take()?;
        self.clock = Clock::new();
        self.shown = Instant::now();
        CONTINUE
    }

    fn on_train_end(&mut self, _: &Context<'_>, _: &mut dyn SummarySink) -> Flow {
        self.view.clear();
        CONTINUE
    }
}

/// Time and images of an epoch's batches; what comes between the last batch and the epoch's end is not counted.
struct Clock {
    start: Instant,
    spent: Duration,
    batches: u64,
    images: u64,
}

impl Clock {
    fn new() -> Clock {
        Clock { start: Instant::now(), spent: Duration::ZERO, batches: 0, images: 0 }
    }

    fn batch(&mut self, images: Option<u64>) {
        self.spent = self.start.elapsed();
        self.batches += 1;
        self.images += images.unwrap_or(0);
    }

    /// How long so many batches take; `None` where that is unknown or longer than a `Duration` can be.
    fn time_of(&self, batches: u64) -> Option<Duration> {
        let seconds_of_one = self.spent.as_secs_f64() / self.batches as f64;
        Duration::try_from_secs_f64(seconds_of_one * batches as f64).ok()
    }

    fn images_per_second(&self) -> Option<f64> {
        let seconds = self.spent.as_secs_f64();
        (self.images > 0 && seconds > 0.0).then(|| self.images as f64 / seconds)
    }
}

/// Where it is shown. What cannot be shown (a closed stream) is no reason to stop training.
enum View {
    Lines(Box<dyn Write>),
    #[cfg(feature = "cli")]
    Bar(indicatif::ProgressBar),
}

impl View {
    #[cfg(feature = "cli")]
    fn on_terminal() -> View {
        let template = "{prefix} {wide_bar:.cyan/dim} {pos}/{len} {msg}";
        // Hidden until there is something to show.
        let bar = indicatif::ProgressBar::with_draw_target(None, indicatif::ProgressDrawTarget::hidden());
        // The template is fixed and right; a bar in indicatif's own style would still be a bar.
        if let Ok(style) = indicatif::ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        View::Bar(bar)
    }

    #[cfg(not(feature = "cli"))]
    fn on_terminal() -> View {
        View::Lines(Box::new(io::stderr()))
    }

    fn interval(&self) -> Duration {
        match self {
            View::Lines(_) => LINE_INTERVAL,
            #[cfg(feature = "cli")]
            View::Bar(_) => BAR_INTERVAL,
        }
    }

    fn batch(&mut self, epoch: &str, position: &Position, status: &str) {
        match self {
            View::Lines(out) => {
                let of = position.batches.map_or_else(String::new, |batches| format!("/{batches}"));
                writeln!(out, "{epoch}, batch {}{of}: {status}", position.batch).ok();
            }
            #[cfg(feature = "cli")]
            View::Bar(bar) => {
                bar.set_prefix(epoch.to_owned());
                bar.set_message(status.to_owned());
                if bar.is_hidden() {
                    bar.set_draw_target(indicatif::ProgressDrawTarget::stderr());
                }
                bar.update(|state| {
                    state.set_len(position.batches.unwrap_or(position.batch));
                    state.set_pos(position.batch);
                });
            }
        }
    }

    fn epoch(&mut self, line: &str) {
        match self {
            View::Lines(out) => {
                writeln!(out, "{line}").ok();
            }
            #[cfg(feature = "cli")]
            View::Bar(bar) => bar.suspend(|| {
                writeln!(io::stderr(), "{line}").ok();
            }),
        }
    }

    fn clear(&mut self) {
        match self {
            View::Lines(out) => {
                out.flush().ok();
            }
            #[cfg(feature = "cli")]
            View::Bar(bar) => bar.finish_and_clear(),
        }
    }
}

/// `loss 0.4123, accuracy 0.8512`: the loss first, as it is what everything else follows from.
fn numbers(prefix: &str, metrics: &Metrics) -> String {
    let loss = metrics.iter().filter(|(name, _)| *name == "loss");
    let others = metrics.iter().filter(|(name, _)| *name != "loss");
    let mut text = String::new();
    for (name, value) in loss.chain(others) {
        push(&mut text, &format!("{prefix}{name} {value:.4}"));
    }
    text
}

fn push_speed(text: &mut String, clock: &Clock) {
    if let Some(speed) = clock.images_per_second() {
        push(text, &format!("{speed:.0} images/s"));
    }
}

fn push(text: &mut String, part: &str) {
    let comma = if text.is_empty() || text.ends_with(": ") { "" } else { ", " };
    write!(text, "{comma}{part}").ok();
}

/// `1:02:03`, or `2:03` below an hour.
fn clock_time(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, rc::Rc};

    use tch::{Device, Tensor, nn};

    use super::*;
    use crate::{MemorySink, Session};

    #[derive(Clone, Default)]
    struct Page(Rc<RefCell<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn an_epoch_is_one_line() {
        let page = Page::default();
        let store = nn::VarStore::new(Device::Cpu);
        let mut session =
            Session::new(&store, Progress::lines(page.clone()).epochs(2), MemorySink::default());
        for losses in [[3.0f32, 1.0], [1.0, 0.5]] {
            for loss in losses {
                assert!(
                    session.begin_step().unwrap().images(8).end(&Tensor::from(loss)).unwrap().is_continue()
                );
            }
            assert!(
                session
                    .end_validation(&Metrics::from([("accuracy", 0.5), ("loss", 1.25)]))
                    .unwrap()
                    .is_continue()
            );
            assert!(session.end_epoch().unwrap().is_continue());
        }
        session.finish().unwrap();

        let text = String::from_utf8(page.0.borrow().clone()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let start = "epoch 1/2: loss 2.0000, validation loss 1.2500, validation accuracy 0.5000, ";
        assert!(lines[0].starts_with(start) && lines[0].ends_with(" images/s"), "{text}");
        assert!(lines[1].starts_with("epoch 2/2: loss 0.7500, "), "the mean begins anew: {text}");
        assert_eq!(lines.len(), 2);
    }

    #[test]
    fn no_number_of_epochs_is_too_large_for_the_time_left() {
        let batches = |batches| Clock { spent: Duration::from_secs(6), batches, ..Clock::new() };
        assert_eq!(batches(3).time_of(10), Some(Duration::from_secs(20)));
        assert_eq!(batches(0).time_of(10), None);
        assert_eq!(batches(0).time_of(0), None);
        assert_eq!(batches(1).time_of(u64::MAX), None, "more seconds than there are");

        let mut progress = Progress::lines(io::sink()).epochs(u64::MAX);
        progress.clock = batches(1_000_000);
        let position = Position { batches: Some(u64::MAX), ..Position::default() };
        assert!(progress.time_left(&position).is_some());
    }

    #[test]
    fn times_are_read_like_a_clock() {
        let times = [0, 59, 61, 3600, 36_061].map(|seconds| clock_time(Duration::from_secs(seconds)));
        assert_eq!(times, ["0:00", "0:59", "1:01", "1:00:00", "10:01:01"]);
    }
}
