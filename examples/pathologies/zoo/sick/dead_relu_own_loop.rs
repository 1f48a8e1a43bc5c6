//! The same as `dead_relu` in a hand-written model and a plain loop. The loop has the three lines that it needs, marked
//! with (+): it announces nothing before or after the backward pass, shows no batches, and no spec tells what is
//! connected to what. What passes the probes is enough.

use convscope::{
    capture::{Role, Tap},
    data::{Batches, Normalization, epoch_seed},
    rules::Severity,
};
use tch::{Device, nn, nn::Module as _, nn::OptimizerConfig as _};

use super::super::{Case, Finds, Result, Run};

pub const CASE: Case = Case {
    name: "dead_relu_own_loop",
    about: "the same in an own loop, without a spec",
    finds: Some(Finds { rule: "dead_relu", severity: Severity::Critical, subjects: &["relu2"], by: 60 }),
    train,
};

fn train(run: &Run) -> Result<()> {
    let data = run.data(1000, 100)?;
    let store = run.store();
    let tap = Tap::new();
    let model = model(&store.root(), &tap)?;
    let mut bias = store.variables().remove("conv2.bias").ok_or("conv2 has a bias")?;
    let _ = tch::no_grad(|| bias.f_fill_(-20.0))?;
    let mut optimizer = nn::Adam::default().build(&store, 1e-3)?;

    let normalization = Normalization::of(&data.train)?;
    let mut session = run.session(&store).tap(&tap); // (+)
    for epoch in 1..=2 {
        let batches = Batches::new(&data.train, 32, Device::Cpu, &normalization)?;
        for batch in batches.shuffled(epoch_seed(run.seed, epoch)) {
            let batch = batch?;
            let step = session.begin_step()?; // (+)
            let loss = model.forward(&batch.images).cross_entropy_for_logits(&batch.labels);
            optimizer.backward_step(&loss);
            let _ = step.end(&loss)?; // (+)
        }
    }
    session.finish()?;
    Ok(())
}

fn model(path: &nn::Path<'_>, tap: &Tap) -> Result<nn::Sequential> {
    let conv = |padding| nn::ConvConfig { padding, ..Default::default() };
    Ok(nn::seq()
        .add(nn::conv2d(path / "conv1", 1, 8, 5, conv(2)))
        .add_fn(tch::Tensor::relu)
        .add(tap.probe_as("relu1", Role::Relu)?)
        .add_fn(|x| x.max_pool2d_default(2))
        .add(nn::conv2d(path / "conv2", 8, 16, 3, conv(1)))
        .add_fn(tch::Tensor::relu)
        .add(tap.probe_as("relu2", Role::Relu)?)
        .add_fn(|x| x.max_pool2d_default(2).flat_view())
        .add(nn::linear(path / "fc1", 16 * 7 * 7, 32, nn::LinearConfig::default()))
        .add_fn(tch::Tensor::relu)
        .add(tap.probe_as("relu3", Role::Relu)?)
        .add(nn::linear(path / "fc2", 32, 10, nn::LinearConfig::default())))
}
