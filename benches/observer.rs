//! What one full observation costs, as a multiple of a training step in the same run, and what the guard costs on every
//! step.
//!
//! `cargo bench --bench observer`

use std::{hint::black_box, time::Instant};

use convscope::{
    Callback, Context, MemorySink, ModelSpec, Needs, Network, Schedule, Session,
    callback::{CONTINUE, Flow, Position},
    diagnostics::Observer,
    writer::SummarySink,
};
use tch::{Device, Kind, Tensor, nn, nn::OptimizerConfig as _};

/// Hands the calls on and drops what comes back.
struct Observing(Observer);

impl Callback for Observing {
    fn needs(&self, position: &Position) -> Needs {
        self.0.needs(position)
    }
    fn on_after_backward(&mut self, cx: &Context<'_>, _: &mut dyn SummarySink) -> Flow {
        black_box(self.0.after_backward(cx)?);
        CONTINUE
    }
    fn on_batch_end(&mut self, cx: &Context<'_>, _: &mut dyn SummarySink) -> Flow {
        black_box(self.0.batch_end(cx)?);
        CONTINUE
    }
}

/// Seconds of each of `steps` steps, the first ones left out.
fn train(spec: &ModelSpec, observer: Observer, steps: usize) -> Result<Vec<f64>, Box<dyn std::error::Error>> {
    tch::manual_seed(1);
    let device = Device::cuda_if_available();
    let store = nn::VarStore::new(device);
    let network = Network::new(&store.root(), spec)?;
    let mut optimizer = nn::Adam::default().build(&store, 1e-3)?;
    let [channels, height, width] = spec.input;
    let images = Tensor::rand([64, channels, height, width], (Kind::Float, device));
    let labels = Tensor::arange(64, (Kind::Int64, device)).remainder(10);
    let mut session = Session::new(&store, Observing(observer), MemorySink::default())
        .tap(network.tap())
        .max_overhead(f64::INFINITY);
    let mut seconds = Vec::new();
    for _ in 0..steps + 3 {
        let start = Instant::now();
        let mut scope = session.begin_step()?.images(64);
        let logits = network.f_forward_t(&images, true)?;
        let loss = logits.cross_entropy_for_logits(&labels);
        scope.batch(&images, &labels, &logits)?;
        scope.before_backward(&loss)?;
        optimizer.zero_grad();
        loss.backward();
        scope.after_backward()?;
        optimizer.step();
        if scope.end(&loss)?.is_break() {
            break;
        }
        if let Device::Cuda(index) = device {
            tch::Cuda::synchronize(index as i64);
        }
        seconds.push(start.elapsed().as_secs_f64());
    }
    Ok(seconds.split_off(3))
}

/// The fastest step, which other work of the computer disturbs least.
fn fastest(seconds: &[f64]) -> f64 {
    seconds.iter().copied().fold(f64::INFINITY, f64::min)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    if std::env::args().any(|argument| argument == "--test") {
        return Ok(()); // `cargo test --benches` has nothing to measure
    }
    println!(
        "{:<14}{:>10}{:>9}{:>9}{:>11}{:>11}{:>11}{:>12}",
        "64 images", "step, ms", "guard", "params", "+ layers", "+ quant.", "+ grads", "+ spectra"
    );
    let resnet = convscope::arch::zoo::model("resnet18", Some([3, 32, 32]), Some(10))?;
    for (name, spec, steps) in [("default", ModelSpec::default_model(10)?, 30), ("resnet18/32", resnet, 8)] {
        let off = || Observer::new().schedule(Schedule::never()).guard(Schedule::never());
        let every = || {
            Observer::new()
                .spec(&spec)
                .schedule(Schedule::batch())
                .guard(Schedule::never())
                .quantiles(Schedule::never())
                .spectrum(Schedule::never())
        };
        let step = fastest(&train(&spec, off(), steps)?);
        let cost = |observer: Observer| -> Result<f64, Box<dyn std::error::Error>> {
            Ok(fastest(&train(&spec, observer, steps)?) / step - 1.0)
        };
        println!(
            "{name:<14}{:>10.1}{:>9.3}{:>9.2}{:>11.2}{:>11.2}{:>11.2}{:>12.2}",
            step * 1e3,
            cost(Observer::new().schedule(Schedule::never()))?,
            cost(every().activations(false))?,
            cost(every())?,
            cost(every().quantiles(Schedule::batch()))?,
            cost(every().gradients_of_activations(true))?,
            cost(every().spectrum(Schedule::batch()))?,
        );
    }
    println!("costs in steps: 0.25 means that an observation takes a quarter of a training step");
    Ok(())
}
