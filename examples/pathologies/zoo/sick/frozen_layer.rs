//! The first convolution does not ask for a gradient, as if it had been pretrained; but it starts at random and stays
//! there.

use convscope::{Network, arch::Layer, rules::Severity};
use tch::{nn, nn::OptimizerConfig as _};

use super::super::{Case, Finds, Result, Run, models};

pub const CASE: Case = Case {
    name: "frozen_layer",
    about: "the first convolution does not train",
    finds: Some(Finds {
        rule: "unchanged_parameter",
        severity: Severity::Info,
        subjects: &["frozen parameters"],
        by: 60,
    }),
    train,
};

fn train(run: &Run) -> Result<()> {
    let data = run.data(1000, 100)?;
    let store = run.store();
    let network = Network::new(&store.root(), &models::plain_cnn(Layer::Relu)?)?;
    for name in ["conv1.weight", "conv1.bias"] {
        let parameter = store.variables().remove(name).ok_or("conv1 has weight and bias")?;
        let _ = parameter.set_requires_grad(false);
    }
    let mut optimizer = nn::Adam::default().build(&store, 1e-3)?;
    run.trainer(&network, &store, &mut optimizer).batch_size(32).fit(&data.train, &data.validation, 2)?;
    Ok(())
}
