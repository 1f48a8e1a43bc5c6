//! A learning rate so small that nothing happens.

use convscope::{Network, arch::Layer, rules::Severity};
use tch::{nn, nn::OptimizerConfig as _};

use super::super::{Case, Finds, Result, Run, models};

pub const CASE: Case = Case {
    name: "tiny_learning_rate",
    about: "a learning rate of 1e-6 where 0.05 works",
    finds: Some(Finds {
        rule: "loss_not_decreasing",
        severity: Severity::Warning,
        subjects: &["training"],
        by: 160,
    }),
    train,
};

fn train(run: &Run) -> Result<()> {
    let data = run.data(1000, 100)?;
    let store = run.store();
    let network = Network::new(&store.root(), &models::plain_cnn(Layer::Relu)?)?;
    let mut optimizer = nn::Sgd::default().build(&store, 0.05)?;
    run.trainer(&network, &store, &mut optimizer).learning_rate(1e-6).batch_size(32).fit(
        &data.train,
        &data.validation,
        4,
    )?;
    Ok(())
}
