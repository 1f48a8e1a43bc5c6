//! All weights and biases start at 0. All units of a layer are then the same and stay so: nothing breaks the symmetry,
//! and no gradient reaches any weight.

use convscope::{Network, arch::Layer, rules::Severity};
use tch::{nn, nn::OptimizerConfig as _};

use super::super::{Case, Finds, Result, Run, models};

pub const CASE: Case = Case {
    name: "zero_weights",
    about: "all weights and biases start at 0",
    finds: Some(Finds {
        rule: "poor_initialization",
        severity: Severity::Critical,
        subjects: &["training"],
        by: 20,
    }),
    train,
};

fn train(run: &Run) -> Result<()> {
    let data = run.data(1000, 100)?;
    let store = run.store();
    let network = Network::new(&store.root(), &models::plain_cnn(Layer::Relu)?)?;
    for mut parameter in store.trainable_variables() {
        let _ = tch::no_grad(|| parameter.f_zero_())?;
    }
    let mut optimizer = nn::Sgd::default().build(&store, 0.05)?;
    run.trainer(&network, &store, &mut optimizer).batch_size(32).fit(&data.train, &data.validation, 2)?;
    Ok(())
}
