//! A hand-written model with probes and a loop of its own, which shows its batches. No spec tells what is connected to
//! what. What convscope needs is marked with (+).

use convscope::{
    capture::{Probe, Role, Tap},
    data::{Batches, Normalization, Split, epoch_seed},
    evaluate,
};
use tch::{Device, Tensor, nn, nn::Module as _};

use super::{Result, Run};

/// Two convolutions and two fully connected layers with ReLU.
#[derive(Debug)]
pub struct Model {
    conv1: nn::Conv2D,
    conv2: nn::Conv2D,
    fc1: nn::Linear,
    fc2: nn::Linear,
    pub tap: Tap,
    probes: [Probe; 3],
}

impl Model {
    pub fn new(path: &nn::Path<'_>) -> Result<Model> {
        let tap = Tap::new();
        let conv = |padding| nn::ConvConfig { padding, ..Default::default() };
        Ok(Model {
            conv1: nn::conv2d(path / "conv1", 1, 8, 5, conv(2)),
            conv2: nn::conv2d(path / "conv2", 8, 16, 3, conv(1)),
            fc1: nn::linear(path / "fc1", 16 * 7 * 7, 32, nn::LinearConfig::default()),
            fc2: nn::linear(path / "fc2", 32, 10, nn::LinearConfig::default()),
            probes: [
                tap.probe_as("relu1", Role::Relu)?,
                tap.probe_as("relu2", Role::Relu)?,
                tap.probe_as("relu3", Role::Relu)?,
            ],
            tap,
        })
    }
}

impl nn::Module for Model {
    fn forward(&self, images: &Tensor) -> Tensor {
        let [relu1, relu2, relu3] = &self.probes;
        let x = relu1.forward(&images.apply(&self.conv1).relu()).max_pool2d_default(2);
        let x = relu2.forward(&x.apply(&self.conv2).relu()).max_pool2d_default(2);
        relu3.forward(&x.flat_view().apply(&self.fc1).relu()).apply(&self.fc2)
    }
}

/// Trains `model` for some epochs on what `prepare` makes of the normalised images.
pub fn train(
    run: &Run,
    store: &nn::VarStore,
    model: &Model,
    optimizer: &mut nn::Optimizer,
    data: &Split,
    prepare: impl Fn(&Tensor) -> Tensor,
    epochs: u64,
) -> Result<()> {
    let normalization = Normalization::of(&data.train)?;
    let mut session = run.session(store).tap(&model.tap); // (+)
    for epoch in 1..=epochs {
        let batches = Batches::new(&data.train, 32, Device::Cpu, &normalization)?;
        for batch in batches.shuffled(epoch_seed(run.seed, epoch)) {
            let batch = batch?;
            let mut step = session.begin_step()?; // (+)
            let images = prepare(&batch.images);
            let logits = model.forward(&images);
            let loss = logits.cross_entropy_for_logits(&batch.labels);
            step.batch(&images, &batch.labels, &logits)?; // (+) optional: images, labels and answers are looked at too
            optimizer.backward_step(&loss);
            // (+)
            if step.end(&loss)?.is_break() {
                break;
            }
        }
        let forward = |images: &Tensor| Ok(model.forward(&prepare(images)));
        let validation = evaluate(forward, &data.validation, 100, Device::Cpu, &normalization)?;
        let stop = session.end_validation(&validation)?.is_break(); // (+)
        if session.end_epoch()?.is_break() || stop {
            break;
        }
    }
    session.finish()?;
    Ok(())
}
