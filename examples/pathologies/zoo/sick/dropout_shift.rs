//! Dropout in front of batch normalisation. Dropout is noise on the values of a map: it makes their variance larger
//! while training, the running variance learns that, and in evaluation, without the noise, it is wrong (Li et al. 2019,
//! "Understanding the disharmony between dropout and batch normalization by variance shift").

use convscope::{
    Network,
    arch::{BatchNorm2d, Conv2d, Dropout, Layer, Linear, MaxPool2d, ModelSpec},
    rules::Severity,
};
use tch::{nn, nn::OptimizerConfig as _};

use super::super::{Case, Finds, Result, Run};

pub const CASE: Case = Case {
    name: "dropout_shift",
    about: "dropout of one half in front of batch normalisation",
    finds: Some(Finds { rule: "dropout_shift", severity: Severity::Warning, subjects: &["drop"], by: 60 }),
    train,
};

fn train(run: &Run) -> Result<()> {
    let data = run.data(1000, 100)?;
    let store = run.store();
    let network = Network::new(&store.root(), &model()?)?;
    let mut optimizer = nn::Adam::default().build(&store, 1e-3)?;
    run.trainer(&network, &store, &mut optimizer).batch_size(32).fit(&data.train, &data.validation, 2)?;
    Ok(())
}

fn model() -> Result<ModelSpec> {
    Ok(ModelSpec::builder("dropout_before_norm", [1, 28, 28])
        .layer("conv1", Conv2d::new(8, 5).padding(2))
        .layer("relu1", Layer::Relu)
        .layer("pool1", MaxPool2d::new(2))
        .layer("drop", Layer::Dropout(Dropout::new()))
        .layer("conv2", Conv2d::new(16, 3).padding(1).bias(false))
        .layer("bn2", BatchNorm2d::new())
        .layer("act2", Layer::Relu)
        .layer("pool2", MaxPool2d::new(2))
        .layer("flatten", Layer::Flatten)
        .layer("fc1", Linear::new(10))
        .build()?)
}
