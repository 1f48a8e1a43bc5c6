//! Of one class there are fifty times as many images as of each of the others.

use convscope::{Network, arch::Layer, rules::Severity};
use tch::{nn, nn::OptimizerConfig as _};

use super::super::{Case, Finds, Result, Run, models};

pub const CASE: Case = Case {
    name: "class_imbalance",
    about: "600 images of one class, 12 of each of the others",
    finds: Some(Finds {
        rule: "class_imbalance",
        severity: Severity::Critical,
        subjects: &["labels"],
        by: 100,
    }),
    train,
};

fn train(run: &Run) -> Result<()> {
    let data = run.data(6000, 100)?;
    let mut seen = [0; 10];
    let mut kept = Vec::new();
    for (index, &label) in data.train.labels().iter().enumerate() {
        seen[label as usize] += 1;
        if seen[label as usize] <= if label == 0 { 600 } else { 12 } {
            kept.push(index);
        }
    }
    let train = data.train.subset(&kept)?;

    let store = run.store();
    let network = Network::new(&store.root(), &models::plain_cnn(Layer::Relu)?)?;
    let mut optimizer = nn::Adam::default().build(&store, 1e-3)?;
    run.trainer(&network, &store, &mut optimizer).batch_size(64).fit(&train, &data.validation, 10)?;
    Ok(())
}
