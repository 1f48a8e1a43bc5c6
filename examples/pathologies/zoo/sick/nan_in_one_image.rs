//! Every image is shifted and scaled by its own mean and deviation. One image is blank: its deviation is 0, and 0 / 0 is
//! NaN. From the batch on that holds it, everything is NaN.

use convscope::{
    data::{Dataset, Split},
    rules::Severity,
};
use tch::{Tensor, nn, nn::OptimizerConfig as _};

use super::super::{Case, Finds, Result, Run, own_loop};

pub const CASE: Case = Case {
    name: "nan_in_one_image",
    about: "one blank image, divided by its deviation",
    finds: Some(Finds { rule: "non_finite", severity: Severity::Critical, subjects: &["input"], by: 32 }),
    train,
};

fn train(run: &Run) -> Result<()> {
    let data = run.data(1000, 100)?;
    let data = Split::new(with_blank_image(&data.train)?, data.validation)?;
    let store = run.store();
    let model = own_loop::Model::new(&store.root())?;
    let mut optimizer = nn::Adam::default().build(&store, 1e-3)?;
    own_loop::train(run, &store, &model, &mut optimizer, &data, standardized, 2)
}

fn with_blank_image(data: &Dataset) -> Result<Dataset> {
    let images = data.images().copy();
    let _ = images.get(500).f_zero_()?;
    Ok(Dataset::new(&images, &Tensor::from_slice(data.labels()), data.classes().to_vec())?)
}

/// Each image with mean 0 and deviation 1.
fn standardized(images: &Tensor) -> Tensor {
    let each = [1, 2, 3].as_slice();
    let mean = images.mean_dim(each, true, tch::Kind::Float);
    let deviation = images.std_dim(each, false, true);
    (images - mean) / deviation
}
