//! An own model and an own training loop, with all that needs no architecture as data: `cargo run --example custom_loop`,
//! then `cargo xtask tensorboard`. Arguments: log folder (default `logs`) and number of epochs (default 3).
//!
//! What was added to a plain tch program is marked with `(+)`.

use convscope::{
    CallbackList, Session, SummaryWriter, TensorBoard,
    callback::ProbeImages,
    capture::{Probe, Role, Tap},
    data::{self, Batches, Normalization},
    diagnostics::{ClassificationReport, Diagnosis},
    evaluate_batches,
};
use tch::{Device, Tensor, nn, nn::Module as _, nn::OptimizerConfig as _};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// A hand-written model; the probes say where it may be looked at.
#[derive(Debug)]
struct Model {
    conv1: nn::Conv2D,
    conv2: nn::Conv2D,
    fc: nn::Linear,
    probes: [Probe; 3], // (+)
}

impl Model {
    fn new(path: &nn::Path<'_>, tap: &Tap) -> Result<Model> {
        let same = nn::ConvConfig { padding: 1, ..Default::default() };
        Ok(Model {
            conv1: nn::conv2d(path / "conv1", 1, 16, 3, same),
            conv2: nn::conv2d(path / "conv2", 16, 32, 3, same),
            fc: nn::linear(path / "fc", 32 * 7 * 7, 10, nn::LinearConfig::default()),
            probes: [tap.probe_as("conv1", Role::Convolution)?, tap.probe("relu1")?, tap.probe("relu2")?], // (+)
        })
    }
}

impl nn::Module for Model {
    fn forward(&self, images: &Tensor) -> Tensor {
        let [conv1, relu1, relu2] = &self.probes;
        let x = conv1.forward(&images.apply(&self.conv1)); // (+) the probe around it
        let x = relu1.forward(&x.relu()).max_pool2d_default(2);
        let x = relu2.forward(&x.apply(&self.conv2).relu()).max_pool2d_default(2);
        x.flat_view().apply(&self.fc)
    }
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let logdir = arguments.next().unwrap_or_else(|| "logs".to_owned());
    let epochs: u64 = arguments.next().map_or(Ok(3), |n| n.parse())?;

    tch::manual_seed(0);
    let data = data::bundled()?;
    let normalization = Normalization::of(&data.train)?;
    let device = Device::cuda_if_available();
    let store = nn::VarStore::new(device);
    let tap = Tap::new(); // (+)
    let model = Model::new(&store.root(), &tap)?;
    let mut optimizer = nn::Adam::default().build(&store, 1e-3)?;

    let images = ProbeImages::of(&data.validation, 4, &normalization, device)?; // (+) their feature maps are drawn
    let writer = SummaryWriter::create(&logdir)?;
    let diagnosis = Diagnosis::new(); // (+)
    let verdict = diagnosis.verdict();
    let report = ClassificationReport::new(data.validation.classes()).normalization(normalization.clone()); // (+)
    let board = TensorBoard::new().probe_images(images); // (+)
    let callbacks = CallbackList::new().with(diagnosis).with(board).with(report); // (+)
    let mut session = Session::new(&store, callbacks, writer.clone()) // (+)
        .tap(&tap)
        .model(|images| model.forward(images));
    session.set_learning_rate(1e-3);

    for epoch in 1..=epochs {
        for batch in
            Batches::new(&data.train, 64, device, &normalization)?.shuffled(data::epoch_seed(0, epoch))
        {
            let batch = batch?;
            let mut step = session.begin_step()?.images(batch.labels.size()[0] as usize); // (+)
            let logits = model.forward(&batch.images);
            step.batch(&batch.images, &batch.labels, &logits)?; // (+) for what goes in and comes out
            let loss = logits.cross_entropy_for_logits(&batch.labels);
            step.before_backward(&loss)?; // (+) these two moments show NaN and gradients before they reach the weights
            optimizer.zero_grad();
            loss.backward();
            step.after_backward()?; // (+)
            optimizer.step();
            // (+)
            if step.end(&loss)?.is_break() {
                break;
            }
        }
        let validation = evaluate_batches(
            |images| Ok(model.forward(images)),
            Batches::new(&data.validation, 64, device, &normalization)?,
            |batch, logits| session.validation_batch(&batch.images, &batch.labels, logits).map(drop), // (+)
        )?;
        println!("epoch {epoch}: training {}; validation {validation}", session.epoch_metrics()?);
        let stop = session.end_validation(&validation)?.is_break(); // (+)
        // (+)
        if session.end_epoch()?.is_break() || stop {
            break;
        }
    }
    session.finish()?; // (+)
    println!("{}", verdict.get().to_text(100));
    println!("run folder: {}", writer.path().display());
    Ok(())
}
