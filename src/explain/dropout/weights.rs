//! Which weights learn behind dropout.

use fastrand::Rng;
use tch::{Device, Kind, TchError, Tensor};

use super::mask::{DropoutUnit, dropout_mask, masked};
use crate::{
    arch::{Layer, ModelSpec, Source},
    error::Result,
    explain::Classifier,
    render::WeightState,
    tch_context::TchContext as _,
};

/// Rows and columns that are kept for a picture.
const SHOWN: (i64, i64) = (64, 96);

/// Which weights of one layer get a gradient from one image where values of the layer's input are dropped.
#[derive(Debug, Clone, PartialEq)]
pub struct SurvivingWeights {
    /// The layer.
    pub layer: String,
    /// Whether it is a convolution; else it is fully connected.
    pub convolution: bool,
    /// Outputs, and weights of each output.
    pub size: [usize; 2],
    /// Weights that get a gradient, with the mask as without it.
    pub learning: u64,
    /// Weights whose gradient the mask took away: their inputs are dropped, or their unit falls silent behind the mask.
    pub lost: u64,
    /// Weights that get a gradient only with the mask: their unit is silent without it.
    pub gained: u64,
    /// Rows and columns of `states`: the first 64 outputs and 96 weights at most.
    pub shown: [usize; 2],
    /// What becomes of the shown weights, row by row.
    pub states: Vec<WeightState>,
}

impl SurvivingWeights {
    /// The share of weights that lost their gradient to the mask, of those that have one without it. `None` where none has.
    pub fn lost_share(&self) -> Option<f64> {
        let with = self.learning + self.lost;
        (with > 0).then(|| self.lost as f64 / with as f64)
    }
}

/// A convolution and a fully connected layer of a network, and which of their weights get a gradient of -log P(`class`) where
/// each value of the layer's input is dropped with probability `p`: the first convolution that reads another layer, and the
/// first fully connected layer. Each is looked at alone, with dropout in front of it and nowhere else.
///
/// A weight of a fully connected layer belongs to one input and learns nothing where that is dropped. A weight of a kernel
/// is used at all places of its channel, and learns unless all of them are dropped.
///
/// `variables` are the model's, by name (`conv2.weight`). Nothing is written to them. A layer is left out where its weights are
/// not among them, or ask for no gradient. `image` is `[1, C, H, W]`. Four forward and backward passes.
///
/// # Errors
/// What the model refuses; a probability that is not at least 0 and below 1; a class that it does not have.
pub fn surviving_weights(
    classifier: &Classifier<'_>,
    spec: &ModelSpec,
    variables: &[(String, Tensor)],
    image: &Tensor,
    class: i64,
    p: f64,
    seed: u64,
) -> Result<Vec<SurvivingWeights>> {
    let model = spec.resolve()?;
    let mut rng = Rng::with_seed(seed);
    let mut found = Vec::new();
    for convolution in [true, false] {
        let chosen = (model.layers.iter().zip(model.feeds_output())).find(|(layer, feeds)| {
            let wanted = match layer.layer {
                Layer::Conv2d(_) => convolution,
                Layer::Linear(_) => !convolution,
                _ => false,
            };
            *feeds && wanted && matches!(layer.inputs.first(), Some(Source::Layer(_)))
        });
        let Some((layer, _)) = chosen else { continue };
        let source = layer.inputs.first().map_or("", |source| model.source_name(*source)).to_owned();
        let name = format!("{}.weight", layer.name);
        let weight = variables.iter().find(|(known, _)| *known == name).map(|(_, weight)| weight);
        let Some(weight) = weight.filter(|weight| weight.requires_grad()) else { continue };
        let clean = gradient(classifier, image, class, weight)?;
        let mut generator = rng.fork();
        let edit = classifier.observed().edit(move |layer, _, output| {
            if layer != source {
                return Ok(None);
            }
            let mask = dropout_mask(output, p, DropoutUnit::Element, &mut generator)?;
            masked(output, &mask).map(Some).context(|| format!("dropout at `{layer}`"))
        });
        let behind_dropout = gradient(classifier, image, class, weight);
        if edit.finish()? == 0 {
            continue;
        }
        let states =
            tch::no_grad(|| states(&layer.name, convolution, &clean, &behind_dropout?).context(|| name));
        found.push(states?);
    }
    Ok(found)
}

fn gradient(classifier: &Classifier<'_>, image: &Tensor, class: i64, weight: &Tensor) -> Result<Tensor> {
    let trace = classifier.trace(image)?;
    // Also says whether the class is there.
    let score = trace.scores(class)?;
    let loss = tch::with_grad(|| trace.logits.f_logsumexp([1i64].as_slice(), false)?.f_sub(&score))
        .context(|| "loss".to_owned())?;
    let mut gradients = trace.gradients_by(&loss, &[weight])?;
    Ok(gradients.pop().unwrap_or_else(|| weight.shallow_clone()))
}

fn states(
    layer: &str,
    convolution: bool,
    clean: &Tensor,
    masked: &Tensor,
) -> Result<SurvivingWeights, TchError> {
    let outputs = clean.size().first().copied().unwrap_or(1);
    let flat = |gradient: &Tensor| gradient.f_ne(0)?.f_reshape([outputs, -1]);
    let (clean, masked) = (flat(clean)?, flat(masked)?);
    let (_, columns) = clean.size2()?;
    let lost = clean.f_logical_and(&masked.f_logical_not()?)?;
    let gained = masked.f_logical_and(&clean.f_logical_not()?)?;
    let count = |tensor: &Tensor| i64::try_from(&tensor.f_sum(Kind::Int64)?).map(i64::unsigned_abs);
    let shown = [outputs.min(SHOWN.0), columns.min(SHOWN.1)];
    // 0 silent, 1 learning, 2 lost, 3 gained.
    let of = |part: &Tensor, code: i64| part.f_to_kind(Kind::Int64)?.f_mul_scalar(code);
    let codes = of(&masked, 1)?.f_add(&of(&lost, 2)?)?.f_add(&of(&gained, 2)?)?;
    let codes = codes.f_narrow(0, 0, shown[0])?.f_narrow(1, 0, shown[1])?.f_to_device(Device::Cpu)?;
    let codes: Vec<i64> = Vec::try_from(&codes.f_reshape([-1])?)?;
    let state = |code| match code {
        1 => WeightState::Learning,
        2 => WeightState::Lost,
        3 => WeightState::Gained,
        _ => WeightState::Silent,
    };
    let sides = |[rows, columns]: [i64; 2]| [rows.unsigned_abs() as usize, columns.unsigned_abs() as usize];
    Ok(SurvivingWeights {
        layer: layer.to_owned(),
        convolution,
        size: sides([outputs, columns]),
        learning: count(&clean.f_logical_and(&masked)?)?,
        lost: count(&lost)?,
        gained: count(&gained)?,
        shown: sides(shown),
        states: codes.into_iter().map(state).collect(),
    })
}
