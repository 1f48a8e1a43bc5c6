//! The rules beside a training loop of any framework, here plain Rust: `cargo run --no-default-features --example
//! rules_without_libtorch [LOGDIR [LEARNING_RATE]]`, then the pages Text and Time Series of `tensorboard --logdir LOGDIR`.
//!
//! The learning rate is far too small unless another is given, such as 0.1: so there is something to find.

#![allow(missing_docs)]

use std::env;

use convscope::{
    Result, Step, SummaryWriter,
    rules::{
        BatchObservation, Examiner, LabelStats, Moment, Observation, Persistence, RuleSet, Score, Severity,
        Symptom, Verdict,
    },
};

const CLASSES: usize = 3;
const EPOCHS: u64 = 4;
const BATCHES: u64 = 100;
const BATCH: usize = 32;

fn main() -> Result<()> {
    let logdir = env::args().nth(1).unwrap_or_else(|| "logs".to_owned());
    let rate = env::args().nth(2).and_then(|rate| rate.parse().ok()).unwrap_or(1e-6);
    let writer = SummaryWriter::create(&logdir)?;
    let train = writer.sub_run("train")?;

    // The standard rules with one setting changed, and a rule of our own.
    let rules = RuleSet::from_toml("[loss_not_decreasing]\nwindow = 40\n")?.with_fn(
        "loss_goal",
        Persistence::at_once(),
        loss_goal,
    );
    let mut examiner = Examiner::new(rules);

    let mut model = Softmax::default();
    let mut points = Points { seed: 1 };
    let mut losses = Vec::new();
    for epoch in 1..=EPOCHS {
        let (mut sum, mut right) = (0.0, 0);
        for batch in 1..=BATCHES {
            let step = Step::from((epoch - 1) * BATCHES + batch);
            let (inputs, labels) = points.batch();
            let (loss, hits) = model.learn(&inputs, &labels, rate);
            sum += loss;
            right += hits;
            losses.push((step, loss)); // of every batch, also of those that are not observed
            if batch % 10 == 0 {
                train.add_scalar("loss", loss, step)?;
                let observation = Observation {
                    step,
                    epoch,
                    batches_per_epoch: Some(BATCHES),
                    losses: std::mem::take(&mut losses),
                    learning_rate: Some(rate),
                    batch: Some(observe(&labels)),
                    ..Observation::default() // what we do not measure, no rule speaks of
                };
                tell(&mut examiner, &observation, &writer)?;
            }
        }
        let accuracy = right as f64 / (BATCHES as usize * BATCH) as f64;
        let end = Observation {
            step: Step::from(epoch * BATCHES),
            epoch,
            moment: Moment::Epoch,
            training: Some(Score {
                loss: Some(sum / BATCHES as f64),
                accuracy: Some(accuracy),
                images: Some(BATCHES * BATCH as u64),
            }),
            ..Observation::default()
        };
        tell(&mut examiner, &end, &writer)?;
        train.add_scalar("accuracy", accuracy, end.step)?;
    }

    println!("{}", Verdict::of(&examiner).to_text(100));
    println!("wrote {}\nshow it: tensorboard --logdir {logdir}", writer.path().display());
    writer.close()
}

/// A rule of our own: after two epochs, the loss should be below 0.5.
fn loss_goal(observation: &Observation) -> Option<Vec<Symptom>> {
    let loss = observation.training?.loss?; // `None`: nothing to say about this observation
    if observation.epoch < 2 {
        return None;
    }
    let symptom = Symptom {
        subject: "training".to_owned(),
        severity: Severity::Warning,
        raises: true,
        value: loss,
        threshold: 0.5,
        message: format!("the mean loss of epoch {} is {loss:.3}", observation.epoch),
        advice: "Look at what the other rules say first.".to_owned(),
    };
    Some(if loss > 0.5 { vec![symptom] } else { Vec::new() })
}

/// Shows the rules what was measured, and TensorBoard what they say.
fn tell(examiner: &mut Examiner, observation: &Observation, writer: &SummaryWriter) -> Result<()> {
    let changes = examiner.examine(observation);
    for finding in &changes.raised {
        println!("batch {}: {}: {}", observation.step.get(), finding.rule, finding.message);
    }
    if !changes.is_empty() {
        writer.add_text("diagnosis", &Verdict::of(examiner).to_markdown(), observation.step)?;
        for rule in ["loss_not_decreasing", "loss_goal"] {
            let severity = match examiner.status(rule) {
                None | Some(Severity::Info) => 0.0,
                Some(Severity::Warning) => 1.0,
                Some(Severity::Critical) => 2.0,
            };
            writer.add_scalar(&format!("diagnosis/{rule}"), severity, observation.step)?;
        }
    }
    Ok(())
}

/// What the rules about labels want to know of a batch.
fn observe(labels: &[usize]) -> BatchObservation {
    let count = |class: usize| labels.iter().filter(|&&label| label == class).count() as u64;
    let counts = (0..CLASSES).map(|class| (class as i64, count(class))).collect();
    BatchObservation {
        images: labels.len() as u64,
        labels: Some(LabelStats { counts, classes: Some(CLASSES as u64) }),
        ..BatchObservation::default()
    }
}

/// Softmax regression on two inputs and a constant.
#[derive(Default)]
struct Softmax {
    weights: [[f64; 3]; CLASSES],
}

impl Softmax {
    /// One step of gradient descent. The mean cross-entropy, and how many were right.
    fn learn(&mut self, inputs: &[[f64; 3]], labels: &[usize], rate: f64) -> (f64, usize) {
        let (mut loss, mut right, mut gradient) = (0.0, 0, [[0.0; 3]; CLASSES]);
        for (input, &label) in inputs.iter().zip(labels) {
            let logits = self.weights.map(|row| row.iter().zip(input).map(|(w, x)| w * x).sum::<f64>());
            let greatest = logits.iter().copied().fold(f64::MIN, f64::max);
            let sum: f64 = logits.iter().map(|logit| (logit - greatest).exp()).sum();
            loss += greatest + sum.ln() - logits[label];
            right += usize::from(logits[label] == greatest);
            for class in 0..CLASSES {
                let error = (logits[class] - greatest).exp() / sum - f64::from(u8::from(class == label));
                for (slot, x) in gradient[class].iter_mut().zip(input) {
                    *slot += error * x / inputs.len() as f64;
                }
            }
        }
        for (row, gradient) in self.weights.iter_mut().zip(&gradient) {
            for (weight, slope) in row.iter_mut().zip(gradient) {
                *weight -= rate * slope;
            }
        }
        (loss / inputs.len() as f64, right)
    }
}

/// Points about three centres.
struct Points {
    seed: u64,
}

impl Points {
    fn batch(&mut self) -> (Vec<[f64; 3]>, Vec<usize>) {
        let labels: Vec<usize> = (0..BATCH).map(|_| (self.uniform() * CLASSES as f64) as usize).collect();
        let mut point = |&label: &usize| {
            let angle = std::f64::consts::TAU * label as f64 / CLASSES as f64;
            // The sum of four uniform numbers is nearly normal.
            let mut noise = || (0..4).map(|_| self.uniform() - 0.5).sum::<f64>();
            [2.0 * angle.cos() + noise(), 2.0 * angle.sin() + noise(), 1.0]
        };
        let inputs = labels.iter().map(&mut point).collect();
        (inputs, labels)
    }

    fn uniform(&mut self) -> f64 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.seed >> 11) as f64 / (1u64 << 53) as f64
    }
}
