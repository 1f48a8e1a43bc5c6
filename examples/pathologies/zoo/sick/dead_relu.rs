//! The biases of the second convolution are all negative and outweigh anything that its weights bring: its ReLU is
//! silent for every image, and since no gradient passes a silent ReLU, it stays so.

use convscope::{Network, arch::Layer, rules::Severity};
use tch::{nn, nn::OptimizerConfig as _};

use super::super::{Case, Finds, Result, Run, models};

pub const CASE: Case = Case {
    name: "dead_relu",
    about: "all biases of the second convolution at -5",
    finds: Some(Finds { rule: "dead_relu", severity: Severity::Critical, subjects: &["act2"], by: 60 }),
    train,
};

fn train(run: &Run) -> Result<()> {
    let data = run.data(1000, 100)?;
    let store = run.store();
    let network = Network::new(&store.root(), &models::plain_cnn(Layer::Relu)?)?;
    let mut bias = store.variables().remove("conv2.bias").ok_or("conv2 has a bias")?;
    let _ = tch::no_grad(|| bias.f_fill_(-5.0))?;
    let mut optimizer = nn::Sgd::default().build(&store, 0.05)?;
    run.trainer(&network, &store, &mut optimizer).batch_size(32).fit(&data.train, &data.validation, 2)?;
    Ok(())
}
