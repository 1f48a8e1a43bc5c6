//! The pixels go in as they are stored, 0 to 255, where about -1 to 1 is expected.

use convscope::{Network, arch::Layer, data::Normalization, rules::Severity};
use tch::{nn, nn::OptimizerConfig as _};

use super::super::{Case, Finds, Result, Run, models};

pub const CASE: Case = Case {
    name: "inputs_times_255",
    about: "pixels of 0 to 255, not normalised",
    finds: Some(Finds {
        rule: "input_not_normalized",
        severity: Severity::Critical,
        subjects: &["input"],
        by: 40,
    }),
    train,
};

fn train(run: &Run) -> Result<()> {
    let data = run.data(1000, 100)?;
    let store = run.store();
    let network = Network::new(&store.root(), &models::plain_cnn(Layer::Relu)?)?;
    let mut optimizer = nn::Adam::default().build(&store, 1e-3)?;
    run.trainer(&network, &store, &mut optimizer)
        .normalization(Normalization { mean: vec![0.0], std: vec![1.0 / 255.0] })
        .batch_size(32)
        .fit(&data.train, &data.validation, 2)?;
    Ok(())
}
