//! The labels have nothing to do with the images: the network can learn them by heart and no more. The training loss
//! falls, and what it learns is worth nothing on other images.

use convscope::{Network, arch::Layer, rules::Severity};
use tch::{nn, nn::OptimizerConfig as _};

use super::super::{Case, Finds, Result, Run, models, run::relabelled};

pub const CASE: Case = Case {
    name: "shuffled_labels",
    about: "labels drawn by lot",
    finds: Some(Finds {
        rule: "no_generalization",
        severity: Severity::Critical,
        subjects: &["validation"],
        by: 320,
    }),
    train,
};

fn train(run: &Run) -> Result<()> {
    let data = run.data(500, 200)?;
    let mut lots = fastrand::Rng::with_seed(run.seed);
    let labels: Vec<i64> = data.train.labels().iter().map(|_| lots.i64(0..10)).collect();
    let shuffled = relabelled(&data.train, &labels)?;

    let store = run.store();
    let network = Network::new(&store.root(), &models::plain_cnn(Layer::Relu)?)?;
    let mut optimizer = nn::Adam::default().build(&store, 3e-3)?;
    run.trainer(&network, &store, &mut optimizer).batch_size(32).fit(&shuffled, &data.validation, 20)?;
    Ok(())
}
