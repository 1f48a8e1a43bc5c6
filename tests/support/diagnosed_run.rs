//! A short training that does not work, with a diagnosis attached.

use std::path::Path;

use convscope::{
    Network, Schedule, SummaryWriter, Trainer,
    arch::ModelSpec,
    data::{self, Split},
    diagnostics::Diagnosis,
    rules::Verdict,
    summary::{Category, Chart, Layout},
};
use tch::{Device, nn, nn::OptimizerConfig as _};

/// Name of the run's folder.
pub const RUN: &str = "sick";
/// Batches of an epoch.
#[allow(dead_code, reason = "the pages are not asked for all steps")]
pub const BATCHES: i64 = 5;
/// Epochs.
pub const EPOCHS: i64 = 8;
/// Layers with sigmoids behind them.
const DEPTH: usize = 8;

/// Hardly any gradient passes so many sigmoids.
fn spec() -> ModelSpec {
    let mut toml = "name = \"sigmoids\"\ninput = [1, 28, 28]\n".to_owned();
    let mut layer =
        |name: &str, rest: &str| toml.push_str(&format!("[[layer]]\nname = \"{name}\"\n{rest}\n"));
    layer("pool", "type = \"avg_pool2d\"\nkernel_size = 4");
    for number in 1..=DEPTH {
        layer(&format!("conv{number}"), "type = \"conv2d\"\nout_channels = 4\nkernel_size = 3\npadding = 1");
        layer(&format!("sigmoid{number}"), "type = \"sigmoid\"");
    }
    layer("flatten", "type = \"flatten\"");
    layer("fc", "type = \"linear\"\nout_features = 10");
    ModelSpec::from_toml(&toml).unwrap()
}

/// Trains into the new run `logdir/sick`, beside a layout of the user's own. The diagnosis' last word.
pub fn train(logdir: &Path) -> Verdict {
    tch::manual_seed(5);
    let spec = spec();
    let store = nn::VarStore::new(Device::Cpu);
    let network = Network::new(&store.root(), &spec).unwrap();
    let mut optimizer = nn::Sgd::default().build(&store, 0.05).unwrap();
    let diagnosis = Diagnosis::new().spec(&spec).schedule(Schedule::batch());
    let verdict = diagnosis.verdict();
    let writer = SummaryWriter::open(logdir.join(RUN)).unwrap();
    let own = Category::new("My own", vec![Chart::multiline("gradients", ["layers/gradient_rms"])]);
    writer.add_custom_scalars(&Layout::new(vec![own]).unwrap()).unwrap();
    let all = data::bundled().unwrap();
    let data = Split::new(all.train.probe(160).unwrap(), all.validation.probe(40).unwrap()).unwrap();
    Trainer::of_network(&network, &store, &mut optimizer)
        .callbacks(diagnosis)
        .batch_size(32)
        .sink(writer.clone())
        .fit(&data.train, &data.validation, EPOCHS as u64)
        .unwrap();
    writer.close().unwrap();
    verdict.get()
}
