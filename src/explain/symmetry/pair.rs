//! Two layers between which channels can be permuted and scaled without a change of the function.

use std::fmt;

use tch::{Kind, TchError, Tensor};

use crate::{
    arch::{Layer, ResolvedLayer, ResolvedModel, Shape, Source},
    error::{Error, Result},
    tch_context::TchContext as _,
};

/// A layer that makes channels and the only one that reads them. Permuting the channels of the first (its kernels, its
/// biases, the batch normalisations behind it) and the inputs of the second gives other weights and the same function:
/// what lies between works on each channel alone. Where that is also homogeneous, `f(a x) = a f(x)` for `a > 0` as ReLU is,
/// a channel can be multiplied by `a` before it and its weights in the second layer divided by `a` (Neyshabur et al. 2015,
/// *Path-SGD*, section 2).
///
/// ```
/// use convscope::{arch::ModelSpec, explain::SymmetricPair};
///
/// let model = ModelSpec::default_model(10)?.resolve()?;
/// let (pairs, refused) = SymmetricPair::find(&model);
/// let words: Vec<String> = pairs.iter().map(ToString::to_string).collect();
/// assert_eq!(words[0], "conv1 -> bn1 -> relu1 -> pool1 -> conv2");
/// assert_eq!(pairs[0].scaled.as_deref(), Some("bn1"));
/// assert_eq!(refused[0], ("fc2".to_owned(), "it is the last layer".to_owned()));
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SymmetricPair {
    /// The convolution or linear layer whose outputs are the channels.
    pub first: String,
    /// What lies between, in the order in which it works.
    pub between: Vec<String>,
    /// The convolution or linear layer that reads the channels.
    pub second: String,
    /// How many channels.
    pub channels: i64,
    /// Values of a channel that are inputs of their own to the second layer: rows times columns behind a flattening, else
    /// 1.
    pub positions: i64,
    /// The layer whose weight and bias are multiplied where channels are scaled: the last one that has some with nothing
    /// but homogeneous functions between it and the second; `None` where there is none.
    pub scaled: Option<String>,
    /// Layers whose tensors are permuted: the first, and normalisations and depthwise convolutions between.
    permuted: Vec<String>,
}

impl SymmetricPair {
    /// All pairs of a model, and why the other layers with weights begin none.
    pub fn find(model: &ResolvedModel) -> (Vec<SymmetricPair>, Vec<(String, String)>) {
        let (mut pairs, mut refused) = (Vec::new(), Vec::new());
        for (place, layer) in model.layers.iter().enumerate() {
            let found = match layer.layer {
                Layer::Conv2d(conv) if conv.groups == 1 => from(model, place),
                Layer::Conv2d(_) => Err("it is a grouped convolution".to_owned()),
                Layer::Linear(_) => from(model, place),
                _ => continue,
            };
            match found {
                Ok(pair) => pairs.push(pair),
                Err(why) => refused.push((layer.name.clone(), why)),
            }
        }
        (pairs, refused)
    }

    /// The variables of a network that computes the same: channel `i` is what channel `permutation[i]` was, times
    /// `scales[i]`. Tensors that do not change are shared.
    ///
    /// # Errors
    /// Another number of places or scales than there are channels, places that are no permutation, a scale that is not
    /// above 0, scales other than 1 where nothing can be scaled; a variable that is missing.
    pub fn apply(
        &self,
        variables: &[(String, Tensor)],
        permutation: &[i64],
        scales: &[f64],
    ) -> Result<Vec<(String, Tensor)>> {
        self.check(permutation, scales)?;
        self.change(variables, permutation, scales, true)
    }

    /// As [`apply`](SymmetricPair::apply), without the second layer's part: weights as far away, and another function. The
    /// control of the demonstration.
    ///
    /// # Errors
    /// As [`apply`](SymmetricPair::apply).
    pub fn apply_to_first(
        &self,
        variables: &[(String, Tensor)],
        permutation: &[i64],
        scales: &[f64],
    ) -> Result<Vec<(String, Tensor)>> {
        self.check(permutation, scales)?;
        self.change(variables, permutation, scales, false)
    }

    fn check(&self, permutation: &[i64], scales: &[f64]) -> Result<()> {
        let refuse = |why: String| Err(Error::invalid(format!("symmetry of {self}"), why));
        let count = self.channels.unsigned_abs() as usize;
        if permutation.len() != count || scales.len() != count {
            let (places, scales) = (permutation.len(), scales.len());
            return refuse(format!("{places} places and {scales} scales found for {count} channels"));
        }
        let mut sorted = permutation.to_vec();
        sorted.sort_unstable();
        if !sorted.iter().copied().eq(0..self.channels) {
            return refuse(format!(
                "{permutation:?} found; each channel from 0 to {} once expected",
                count - 1
            ));
        }
        if let Some(scale) = scales.iter().find(|scale| !(scale.is_finite() && **scale > 0.0)) {
            return refuse(format!("a scale of {scale} found; finite ones above 0 expected"));
        }
        if self.scaled.is_none() && scales.iter().any(|scale| *scale != 1.0) {
            return refuse(
                "scales found; a function between the layers is not homogeneous, so all must be 1".to_owned(),
            );
        }
        Ok(())
    }

    fn change(
        &self,
        variables: &[(String, Tensor)],
        permutation: &[i64],
        scales: &[f64],
        second: bool,
    ) -> Result<Vec<(String, Tensor)>> {
        for needed in [&self.first, &self.second] {
            let name = format!("{needed}.weight");
            if !variables.iter().any(|(known, _)| *known == name) {
                return Err(Error::invalid(
                    format!("variable `{name}`"),
                    "it is not among those of the network",
                ));
            }
        }
        let changed = |(name, tensor): &(String, Tensor)| -> Result<(String, Tensor), TchError> {
            let (layer, part) = name.rsplit_once('.').unwrap_or(("", name));
            let is_of = |known: &String| known == layer;
            let mut tensor = tensor.f_detach()?;
            if self.permuted.iter().any(is_of) {
                tensor = tensor.f_index_select(0, &places(permutation, &tensor)?)?;
                if self.scaled.as_ref().is_some_and(is_of) && matches!(part, "weight" | "bias") {
                    let mut shape = vec![1; tensor.dim()];
                    shape[0] = -1;
                    tensor = tensor.f_mul(&factors(scales, &tensor)?.f_reshape(&shape)?)?;
                }
            } else if second && self.second == layer && part == "weight" {
                let size = tensor.size();
                let mut shape = vec![size[0], self.channels, self.positions];
                shape.extend(&size[2..]);
                let mut along = vec![1; shape.len()];
                along[1] = -1;
                let inputs = tensor.f_reshape(&shape)?.f_index_select(1, &places(permutation, &tensor)?)?;
                tensor = inputs.f_div(&factors(scales, &tensor)?.f_reshape(&along)?)?.f_reshape(&size)?;
            }
            Ok((name.clone(), tensor))
        };
        tch::no_grad(|| variables.iter().map(changed).collect::<Result<_, TchError>>())
            .context(|| format!("symmetry of {self}"))
    }
}

impl fmt::Display for SymmetricPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [&self.first].into_iter().chain(&self.between).chain([&self.second]);
        f.write_str(&names.map(String::as_str).collect::<Vec<_>>().join(" -> "))
    }
}

fn places(permutation: &[i64], like: &Tensor) -> Result<Tensor, TchError> {
    Tensor::f_from_slice(permutation)?.f_to_device(like.device())
}

fn factors(scales: &[f64], like: &Tensor) -> Result<Tensor, TchError> {
    let kind = if like.kind() == Kind::Double { Kind::Double } else { Kind::Float };
    Tensor::f_from_slice(scales)?.f_to_kind(kind)?.f_to_kind(like.kind())?.f_to_device(like.device())
}

/// Follows the outputs of the layer at `place` to the one that mixes them.
fn from(model: &ResolvedModel, place: usize) -> Result<SymmetricPair, String> {
    let first = &model.layers[place];
    let channels = first.output_shape.channels();
    if channels < 2 {
        return Err("it has a single channel".to_owned());
    }
    let mut pair = SymmetricPair {
        first: first.name.clone(),
        between: Vec::new(),
        second: String::new(),
        channels,
        positions: 1,
        scaled: Some(first.name.clone()),
        permuted: vec![first.name.clone()],
    };
    let mut at = place;
    loop {
        at = only_reader(model, at)?;
        let layer = &model.layers[at];
        if mixes(layer, channels)? {
            pair.second = layer.name.clone();
            return Ok(pair);
        }
        pass(&mut pair, layer)?;
        pair.between.push(layer.name.clone());
    }
}

/// The layer that reads the output of the one at `place`, where it is one and reads nothing else.
fn only_reader(model: &ResolvedModel, place: usize) -> Result<usize, String> {
    let name = &model.layers[place].name;
    let readers: Vec<usize> = (0..model.layers.len())
        .filter(|&reader| model.layers[reader].inputs.contains(&Source::Layer(place)))
        .collect();
    if model.auxiliary.contains(&place) {
        return Err(format!("`{name}` is an output of the network"));
    }
    match readers.as_slice() {
        &[reader] if model.layers[reader].inputs.len() == 1 => Ok(reader),
        [] if place + 1 == model.layers.len() => Err("it is the last layer".to_owned()),
        [reader] => Err(format!("`{}` joins it with other outputs", model.layers[*reader].name)),
        readers => Err(format!("{} layers read `{name}`", readers.len())),
    }
}

/// Whether a layer mixes the channels, so that its inputs can be permuted.
fn mixes(layer: &ResolvedLayer, channels: i64) -> Result<bool, String> {
    match layer.layer {
        Layer::Linear(_) => Ok(true),
        Layer::Conv2d(conv) if conv.groups == 1 => Ok(true),
        Layer::Conv2d(conv) if conv.groups == channels && conv.out_channels == channels => Ok(false),
        Layer::Conv2d(_) => Err(format!("`{}` is a grouped convolution", layer.name)),
        _ => Ok(false),
    }
}

/// Goes through a layer that works on each channel alone.
fn pass(pair: &mut SymmetricPair, layer: &ResolvedLayer) -> Result<(), String> {
    let name = || layer.name.clone();
    match layer.layer {
        // Depthwise: a kernel and a bias of its own for each channel.
        Layer::Conv2d(_) => {
            pair.permuted.push(name());
            pair.scaled = Some(name());
        }
        Layer::BatchNorm2d(norm) => {
            pair.permuted.push(name());
            // It divides by the deviation, so what was scaled before is not scaled behind.
            pair.scaled = norm.affine.then(name);
        }
        // f(a x) = a f(x) for a > 0.
        Layer::Relu
        | Layer::LeakyRelu(_)
        | Layer::MaxPool2d(_)
        | Layer::AvgPool2d(_)
        | Layer::AdaptiveAvgPool2d(_)
        | Layer::GlobalAvgPool
        | Layer::Dropout(_)
        | Layer::Dropout2d(_)
        | Layer::ZeroPad2d(_)
        | Layer::Identity => {}
        Layer::Flatten => {
            if let Some(Shape::Map { height, width, .. }) = layer.input_shapes.first() {
                pair.positions = height * width;
            }
        }
        Layer::Relu6 | Layer::Gelu(_) | Layer::Silu | Layer::Tanh | Layer::Sigmoid => pair.scaled = None,
        _ => return Err(format!("`{}` ({}) mixes channels", layer.name, layer.layer.type_name())),
    }
    Ok(())
}
