//! The model that is trained.

use anyhow::{Context as _, bail, ensure};
use convscope::{
    arch::{Layer, ModelSpec},
    data::Split,
};

use super::values::shape;
use crate::model::ModelSource;

/// A model for the images and classes of a data set.
pub struct TrainedModel {
    pub spec: ModelSpec,
    /// Names of the layers that were left out because they feed auxiliary outputs alone.
    pub left_out: Vec<String>,
}

/// The model that `source` names. One of the zoo adapts itself to the data; a file must fit.
pub fn load(source: &ModelSource, data: &Split) -> anyhow::Result<TrainedModel> {
    let image = data.train.image_shape();
    let classes = data.train.classes().len() as i64;
    let stated = match source {
        ModelSource::Zoo(name) => source
            .load(Some(image), Some(classes))
            .with_context(|| format!("model `{name}` for the data's images of {}", shape(&image)))?,
        ModelSource::File(_) => source.load(None, None)?,
    };
    let spec = stated.without_auxiliary();
    fits(&spec, image, classes).with_context(|| source.to_string())?;
    let stays = |name: &String| spec.layers.iter().any(|layer| layer.name == *name);
    let left_out = stated.layers.into_iter().map(|layer| layer.name).filter(|name| !stays(name)).collect();
    Ok(TrainedModel { spec, left_out })
}

fn fits(spec: &ModelSpec, image: [i64; 3], classes: i64) -> anyhow::Result<()> {
    ensure!(
        spec.input == image,
        "the model takes images of {} (channels, height, width) and those of the data are {}: set `input = {image:?}`",
        shape(&spec.input),
        shape(&image),
    );
    let output = spec.resolve()?.output_shape().dims();
    ensure!(
        output == [classes],
        "the model puts out {} for an image and the data has {classes} classes: end with a `linear` layer of \
         `out_features = {classes}`",
        shape(&output),
    );
    if let Some(last) = spec.layers.last()
        && matches!(last.layer, Layer::Softmax)
    {
        bail!("layer `{}`: the loss applies softmax itself: end with the layer before it", last.name);
    }
    Ok(())
}
