//! A learning rate a hundred times as large as the one that works: every step overshoots, so the weights and with them
//! the gradients grow, until they are infinite after a few steps.

use convscope::{Network, arch::Layer, rules::Severity};
use tch::{nn, nn::OptimizerConfig as _};

use super::super::{Case, Finds, Result, Run, models};

pub const CASE: Case = Case {
    name: "exploding_gradient",
    about: "a learning rate of 5 where 0.05 works",
    finds: Some(Finds {
        rule: "exploding_gradient",
        severity: Severity::Critical,
        subjects: &["training"],
        by: 10,
    }),
    train,
};

fn train(run: &Run) -> Result<()> {
    let data = run.data(1000, 100)?;
    let store = run.store();
    let network = Network::new(&store.root(), &models::plain_cnn(Layer::Relu)?)?;
    let mut optimizer = nn::Sgd::default().build(&store, 0.05)?;
    run.trainer(&network, &store, &mut optimizer).learning_rate(100.0 * 0.05).batch_size(32).fit(
        &data.train,
        &data.validation,
        2,
    )?;
    Ok(())
}
