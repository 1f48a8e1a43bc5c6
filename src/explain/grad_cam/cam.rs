//! What both methods share: a weighted sum of a layer's maps.

use tch::{TchError, Tensor};

use super::layer::{self, Looked, Place};
use crate::{
    error::{Error, Result},
    explain::{
        attribution::{Attribution, Sign},
        classifier::Classifier,
        values,
    },
    tch_context::TchContext as _,
};

/// What a reader must know where the ReLU leaves nothing.
const ALL_NEGATIVE: &str = "All values <= 0 before the ReLU: no place of this layer speaks for the class. The map is empty, not missing.";

/// What a value is measured in: it has the layer's unit times that of a gradient.
const UNIT: &str = "weighted sum of the layer's maps";

/// Settings of a class activation map.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Cam {
    pub layer: Option<String>,
    pub signed: bool,
}

impl Cam {
    /// The sum of the layer's maps with these weights, `[1, C, 1, 1]`.
    pub fn attribute(
        &self,
        method: &'static str,
        classifier: &Classifier<'_>,
        image: &Tensor,
        class: i64,
        weights: impl Fn(Looked<'_>) -> Result<Tensor, TchError>,
    ) -> Result<Attribution> {
        values::check_one(image)?;
        let trace = classifier.trace(image)?;
        let score = trace.scores(class)?;
        if !score.requires_grad() {
            return Err(Error::invalid(
                "model",
                "its output has no graph back to the images: it works under `no_grad` or detaches something",
            ));
        }
        let carries_all = |layer: &str| layer::carries_all(classifier, image, class, layer);
        let (layer, looked, place) =
            layer::look(&trace.activations, &score, self.layer.as_deref(), method, carries_all)?;
        tch::no_grad(|| {
            let maps = looked.activation;
            let (name, size) = (layer.name.clone(), maps.size());
            let raw = weights(looked)
                .and_then(|weights| weights.f_mul(maps)?.f_sum_dim_intlist([1i64].as_slice(), true, None));
            let raw = raw.context(|| format!("map of layer `{name}`"))?;
            let (least, most) = bounds(&raw).context(|| format!("map of layer `{name}`"))?;
            let mut found = if self.signed {
                values::attribution(method, class, &raw, Sign::Signed, UNIT)?
            } else {
                let positive = raw.f_relu().context(|| format!("map of layer `{name}`"))?;
                values::attribution(method, class, &positive, Sign::Magnitude, UNIT)?
            };
            found.settings = vec![
                format!("layer {name}, {}x{}", size[2], size[3]),
                if self.signed { "signed" } else { "ReLU" }.to_owned(),
            ];
            if place == Place::Branch {
                found.settings.push("one of several branches".to_owned());
            }
            found.measures = vec![("raw_min", least), ("raw_max", most)];
            if most <= 0.0 && !self.signed {
                found.warning = Some(ALL_NEGATIVE.to_owned());
            }
            Ok(found)
        })
    }
}

/// Smallest and largest value; NaN where there is one.
fn bounds(map: &Tensor) -> Result<(f64, f64), TchError> {
    Ok((values::scalar(&map.f_min()?)?, values::scalar(&map.f_max()?)?))
}
