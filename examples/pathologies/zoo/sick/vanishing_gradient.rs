//! Thirty fully connected layers with sigmoids. The derivative of a sigmoid is at most 1/4, so every layer on the way
//! back makes the gradient several times smaller: the first layers hear nothing of the loss.

use convscope::{
    Network,
    arch::{Layer, Linear, ModelSpec},
    rules::Severity,
};
use tch::{nn, nn::OptimizerConfig as _};

use super::super::{Case, Finds, Result, Run};

pub const CASE: Case = Case {
    name: "vanishing_gradient",
    about: "thirty layers of sigmoids",
    finds: Some(Finds {
        rule: "vanishing_gradient",
        severity: Severity::Critical,
        subjects: &["fc1"],
        by: 60,
    }),
    train,
};

fn train(run: &Run) -> Result<()> {
    let data = run.data(1000, 100)?;
    let store = run.store();
    let network = Network::new(&store.root(), &model()?)?;
    let mut optimizer = nn::Sgd::default().build(&store, 0.1)?;
    run.trainer(&network, &store, &mut optimizer).batch_size(32).fit(&data.train, &data.validation, 2)?;
    Ok(())
}

fn model() -> Result<ModelSpec> {
    let mut model = ModelSpec::builder("sigmoids", [1, 28, 28]).layer("flatten", Layer::Flatten);
    for depth in 1..=30 {
        model = model
            .layer(format!("fc{depth}"), Linear::new(64))
            .layer(format!("sigmoid{depth}"), Layer::Sigmoid);
    }
    Ok(model.layer("out", Linear::new(10)).build()?)
}
