//! Ten images to train on: they are learnt by heart within some dozen steps, and the loss on all others grows.

use convscope::{Network, arch::Layer, rules::Severity};
use tch::{nn, nn::OptimizerConfig as _};

use super::super::{Case, Finds, Result, Run, models};

pub const CASE: Case = Case {
    name: "ten_images",
    about: "ten training images",
    finds: Some(Finds {
        rule: "overfitting",
        severity: Severity::Critical,
        subjects: &["validation"],
        by: 80,
    }),
    train,
};

fn train(run: &Run) -> Result<()> {
    let data = run.data(10, 200)?;
    let store = run.store();
    let network = Network::new(&store.root(), &models::plain_cnn(Layer::Relu)?)?;
    let mut optimizer = nn::Adam::default().build(&store, 3e-3)?;
    run.trainer(&network, &store, &mut optimizer).batch_size(10).fit(&data.train, &data.validation, 80)?;
    Ok(())
}
