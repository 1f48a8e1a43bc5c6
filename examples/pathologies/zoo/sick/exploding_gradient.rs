//! A learning rate a hundred times as large as the one that works: every step overshoots, so the weights and with them
//! the gradients grow, until they are infinite after a few steps. Leaky ReLU, because ReLU sometimes dies before that.

use convscope::{Network, arch::LeakyRelu, rules::Severity};
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
    let network = Network::new(&store.root(), &models::plain_cnn(LeakyRelu::new().into())?)?;
    let mut optimizer = nn::Sgd::default().build(&store, 0.05)?;
    run.trainer(&network, &store, &mut optimizer).learning_rate(100.0 * 0.05).batch_size(32).fit(
        &data.train,
        &data.validation,
        2,
    )?;
    Ok(())
}
