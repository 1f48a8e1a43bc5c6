//! Whether a spec says of a model what is true: no unit may be moved by a pixel outside of its theoretical field.

use std::fmt;

use tch::Tensor;

use super::effective_receptive_field::{EffectiveField, ForwardGraph, Unit};
use crate::{
    arch::{ModelSpec, PixelBox, ReceptiveFields, ResolvedLayer, did_you_mean, nearby::quoted},
    capture::Tap,
    error::{Error, Result},
};

/// Compares a model with a spec that was written for it: every layer that has a probe of the spec's name. It tests the
/// shape of the output, and that the units in the middle and at the corners are moved by no pixel outside of their
/// [theoretical field](ReceptiveFields), not even a little. A tool for the tests of hand-written models.
///
/// `forward`, `tap` and `images` are those of [`effective_receptive_field`](super::effective_receptive_field); the images
/// have the size that the spec states. Fast convolutions of single-precision accelerators may round a 0 to something
/// else: compare on the CPU or in double precision. It costs a forward pass and five backward passes for each layer.
///
/// ```
/// use convscope::{arch::{Conv2d, ModelSpec}, capture::{Role, Tap}, diagnostics::check_receptive_field};
/// use tch::{Device, Kind, Tensor, nn, nn::Module as _};
///
/// let store = nn::VarStore::new(Device::Cpu);
/// let config = nn::ConvConfig { padding: 2, dilation: 2, ..Default::default() };
/// let conv = nn::conv2d(store.root() / "conv", 1, 4, 3, config);
/// let tap = Tap::new();
/// let forward = |images: &Tensor| {
///     let output = conv.forward(images);
///     tap.observe("conv", Role::Convolution, &output);
///     Ok(output)
/// };
///
/// let images = Tensor::ones([1, 1, 12, 12], (Kind::Float, Device::Cpu));
/// let right = ModelSpec::builder("right", [1, 12, 12]).layer("conv", Conv2d::new(4, 3).padding(2).dilation(2));
/// assert!(check_receptive_field(forward, &tap, &right.build()?, &images)?.is_contained());
///
/// let wrong = ModelSpec::builder("wrong", [1, 12, 12]).layer("conv", Conv2d::new(4, 3).padding(1));
/// let check = check_receptive_field(forward, &tap, &wrong.build()?, &images)?;
/// assert!(!check.is_contained());
/// assert!(check.to_string().starts_with("layer `conv`: unit (6, 6) is moved by pixel ("), "{check}");
/// # Ok::<(), convscope::Error>(())
/// ```
///
/// # Errors
/// A spec that is not valid or whose receptive fields contradict one another; images of another size; no layer in
/// common; those of [`effective_receptive_field`](super::effective_receptive_field).
pub fn check_receptive_field(
    forward: impl FnOnce(&Tensor) -> Result<Tensor>,
    tap: &Tap,
    spec: &ModelSpec,
    images: &Tensor,
) -> Result<FieldCheck> {
    let model = spec.resolve()?;
    let fields = ReceptiveFields::of(&model)?;
    // Before the forward pass, whose own error would be that of some convolution.
    if images.size().get(1..) != Some(spec.input.as_slice()) {
        let why = format!(
            "found shape {:?}, the spec `{}` is for batches of {:?}",
            images.size(),
            spec.name,
            spec.input
        );
        return Err(Error::invalid("images", why));
    }
    let graph = ForwardGraph::run(forward, tap, images)?;
    let (mut layers, mut unknown) = (Vec::new(), Vec::new());
    for activation in graph.activations() {
        match model.layers.iter().find(|layer| layer.name == activation.name) {
            Some(layer) => {
                let outcome = check_layer(&graph, &fields, layer, &activation.tensor.size())?;
                layers.push(LayerCheck { layer: layer.name.clone(), outcome });
            }
            None => unknown.push(activation.name.clone()),
        }
    }
    if layers.is_empty() {
        let names = |names: Vec<&str>| names.into_iter().take(10).collect::<Vec<_>>().join(", ");
        let observed = names(graph.activations().iter().map(|a| a.name.as_str()).collect());
        let known = names(model.layers.iter().map(|layer| layer.name.as_str()).collect());
        let why = format!(
            "it has no layer of the model: observed are [{observed}], the spec has [{known}]; name the \
                           probes as the spec's layers"
        );
        return Err(Error::invalid(format!("spec `{}`", spec.name), why));
    }
    let is_observed = |name: &str| layers.iter().any(|check| check.layer == name);
    let names = model.layers.iter().map(|layer| &layer.name);
    let unobserved = names.filter(|name| !is_observed(name)).cloned().collect();
    Ok(FieldCheck { layers, unobserved, unknown })
}

/// What [`check_receptive_field`] found, in the order of the forward pass.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldCheck {
    /// The layers that model and spec have in common.
    pub layers: Vec<LayerCheck>,
    /// Layers of the spec that have no probe in the model, in the spec's order: not compared. Normal where a model is
    /// written by hand and has few probes.
    pub unobserved: Vec<String>,
    /// Probes of the model that are no layer of the spec, in the order of the forward pass: not compared. Usually a
    /// misspelt name.
    pub unknown: Vec<String>,
}

/// What was found of one layer.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerCheck {
    /// Its name.
    pub layer: String,
    /// Whether model and spec agree.
    pub outcome: Containment,
}

/// Whether a layer of a model is what the spec says.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Containment {
    /// The shape is right, and the pixels that move the units reach to the edges of their fields and not beyond.
    Inside,
    /// As `Inside`, but the unit in the middle is moved by less than the spec says. No proof of an error: max pooling,
    /// dead units and underflow do the same.
    Smaller {
        /// Row and column of the unit.
        unit: (i64, i64),
        /// The pixels that move it.
        found: PixelBox,
        /// What it sees by the spec, within the image.
        expected: PixelBox,
    },
    /// A pixel outside of the theoretical field, or in one of its holes, moves a unit: the spec is wrong, here or in a
    /// layer above.
    Outside {
        /// Row and column of the unit.
        unit: (i64, i64),
        /// Row and column of the pixel, of all outside the one that moves it most.
        pixel: (i64, i64),
        /// How much, as part of the pixel that moves it most. Something like 1e-7 is rounding.
        part: f64,
        /// All pixels that move it.
        found: PixelBox,
        /// What it sees by the spec, within the image. `None`: padding alone.
        expected: Option<PixelBox>,
    },
    /// The output has another shape than the spec says. Fields were not compared.
    Shape {
        /// Without the batch dimension.
        found: Vec<i64>,
        /// Without the batch dimension.
        expected: Vec<i64>,
    },
    /// Nothing can be said. Try other images or weights.
    Indeterminate {
        /// How many pixels of a unit have a gradient that is NaN or infinite. 0: no pixel moves any of the units.
        non_finite: usize,
    },
}

impl FieldCheck {
    /// Whether the comparison holds what it promises: no layer is [`Outside`](Containment::Outside) or of another
    /// [`Shape`](Containment::Shape), something could be said of at least one, and the spec knows every probe. Layers of
    /// the spec without a probe do not count. Where probes beyond the spec are meant, ask
    /// [`first_mismatch`](FieldCheck::first_mismatch).
    pub fn is_contained(&self) -> bool {
        self.first_mismatch().is_none() && self.unknown.is_empty() && self.has_compared()
    }

    fn has_compared(&self) -> bool {
        self.layers.iter().any(|check| !matches!(check.outcome, Containment::Indeterminate { .. }))
    }

    /// The first layer that contradicts the spec. Those behind it may do so because of it.
    pub fn first_mismatch(&self) -> Option<&LayerCheck> {
        let wrong = |check: &&LayerCheck| {
            matches!(check.outcome, Containment::Outside { .. } | Containment::Shape { .. })
        };
        self.layers.iter().find(wrong)
    }

    /// What was found of a layer.
    pub fn get(&self, layer: &str) -> Option<&Containment> {
        self.layers.iter().find(|check| check.layer == layer).map(|check| &check.outcome)
    }
}

/// The first contradiction with its usual cause; without one a line for each layer that was compared. Then a line for
/// each probe that the spec does not know, and one with the layers of the spec that have no probe.
impl fmt::Display for FieldCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.first_mismatch() {
            Some(wrong) => {
                write!(f, "{wrong}. Layers behind it were not looked at in words: mend this one first")?;
            }
            None => {
                let lines: Vec<String> = self.layers.iter().map(LayerCheck::to_string).collect();
                write!(f, "{}", lines.join("\n"))?;
            }
        }
        for probe in &self.unknown {
            write!(f, "\nprobe `{probe}`: the spec has no such layer, so it was not compared")?;
            if self.unobserved.is_empty() {
                write!(f, "; every layer of the spec has a probe already")?;
            } else {
                write!(f, "{}", did_you_mean(probe, self.unobserved.iter().map(String::as_str)))?;
            }
        }
        if !self.unobserved.is_empty() {
            let names: Vec<&str> = self.unobserved.iter().map(String::as_str).collect();
            write!(f, "\nnot compared, having no probe: {}", quoted(&names))?;
        }
        Ok(())
    }
}

impl fmt::Display for LayerCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "layer `{}`: ", self.layer)?;
        match &self.outcome {
            Containment::Inside => write!(f, "as the spec says"),
            Containment::Smaller { unit, found, expected } => write!(
                f,
                "unit {unit:?} is moved by {found}, less than the {expected} of the spec. Max pooling and dead units do \
                 that; else a kernel_size or dilation of the spec is too large, or it has a layer too many"
            ),
            Containment::Outside { unit, pixel, part, found, expected } => {
                write!(f, "unit {unit:?} is moved by pixel {pixel:?} ({part:.1e} of its strongest one), ")?;
                match expected {
                    Some(expected) => write!(
                        f,
                        "which it cannot see by the spec: found {found}, expected {expected}. {}",
                        cause(found, expected, *part)
                    ),
                    None => write!(
                        f,
                        "but by the spec it sees padding only: found {found}. The padding is too large"
                    ),
                }
            }
            Containment::Shape { found, expected } => {
                write!(f, "found output {found:?}, expected {expected:?}. {}", shape_cause(found, expected))
            }
            Containment::Indeterminate { non_finite: 0 } => {
                write!(f, "no pixel moves its units, so nothing can be said: try other images or weights")
            }
            Containment::Indeterminate { non_finite } => write!(
                f,
                "{non_finite} pixels have a gradient that is NaN or infinite, so nothing can be said: look for a division \
                 by 0 or the root of 0 in the model, or try other images or weights"
            ),
        }
    }
}

/// The argument that is usually wrong where a unit sees other pixels than it should.
fn cause(found: &PixelBox, expected: &PixelBox, part: f64) -> &'static str {
    if part < 1e-6 {
        "That is little enough to be rounding: compare in double precision"
    } else if found.height() > expected.height() || found.width() > expected.width() {
        "The spec sees too little: a kernel_size, dilation or stride in or above this layer is too small in the spec, or \
         it lacks a layer"
    } else if found == expected {
        "The pixel lies in a hole between the taps: a dilation is too large in the spec, or a stride larger than its \
         kernel"
    } else {
        "The field is shifted: a padding in or above this layer differs, or its sides are swapped"
    }
}

/// The argument that is usually wrong where an output has another shape.
fn shape_cause(found: &[i64], expected: &[i64]) -> &'static str {
    match (found, expected) {
        ([_, found @ ..], [_, expected @ ..]) if found == expected => {
            "Channels or features differ: out_channels or out_features is wrong, or it is another layer"
        }
        ([_, height, width], [_, expected_height, expected_width]) => {
            let doubled = |a: &i64, b: &i64| a.max(b) - 2 * a.min(b) >= -2;
            if doubled(height, expected_height) || doubled(width, expected_width) {
                "One is about twice the other: a stride in or above this layer differs, or a pooling is missing"
            } else {
                "They differ by a few pixels: kernel_size, padding or dilation in or above this layer differs, or a layer \
                 is missing"
            }
        }
        _ => "One has maps and the other a vector: a flatten or global pooling is missing",
    }
}

fn check_layer(
    graph: &ForwardGraph,
    fields: &ReceptiveFields,
    layer: &ResolvedLayer,
    size: &[i64],
) -> Result<Containment> {
    let (found, expected) = (size.get(1..).unwrap_or_default(), layer.output_shape.dims());
    if found != expected {
        return Ok(Containment::Shape { found: found.to_vec(), expected });
    }
    let mut outcome = Containment::Indeterminate { non_finite: 0 };
    let mut unusable = None;
    for (number, (unit, place)) in units(found).into_iter().enumerate() {
        let field = graph.field(&layer.name, unit)?;
        match (check_unit(&field, fields, &layer.name, place)?, number) {
            (Containment::Indeterminate { non_finite: 0 }, _) => {}
            (indeterminate @ Containment::Indeterminate { .. }, _) => {
                unusable.get_or_insert(indeterminate);
            }
            (outside @ Containment::Outside { .. }, _) => return Ok(outside),
            (middle, 0) => outcome = middle,
            // At the border paths end in the padding: less than the spec's field says nothing there.
            _ if matches!(outcome, Containment::Indeterminate { .. }) => outcome = Containment::Inside,
            _ => {}
        }
    }
    Ok(unusable.unwrap_or(outcome))
}

/// The unit in the middle, then those at the corners, each with its row and column.
fn units(shape: &[i64]) -> Vec<(Unit, (i64, i64))> {
    let [_, height, width] = shape else { return vec![(Unit::center(), (0, 0))] };
    let (bottom, right) = (height - 1, width - 1);
    let mut places = vec![(height / 2, width / 2)];
    for corner in [(0, 0), (0, right), (bottom, 0), (bottom, right)] {
        if !places.contains(&corner) {
            places.push(corner);
        }
    }
    places.into_iter().map(|(row, column)| (Unit::at(row, column), (row, column))).collect()
}

fn check_unit(
    field: &EffectiveField,
    fields: &ReceptiveFields,
    layer: &str,
    unit: (i64, i64),
) -> Result<Containment> {
    // A NaN lies wherever the backward pass carried it, which says nothing of what the unit sees.
    let non_finite = field.non_finite();
    let Some([(top, bottom), (left, right)]) = field.support().filter(|_| non_finite == 0) else {
        return Ok(Containment::Indeterminate { non_finite });
    };
    let found =
        PixelBox { top: top as i64, left: left as i64, bottom: bottom as i64 + 1, right: right as i64 + 1 };
    let [height, width] = field.size();
    let whole = fields.unit_box(layer, unit.0, unit.1)?;
    let seen = fields.get(layer).map_or_else(
        || [vec![true; height], vec![true; width]],
        |field| {
            [
                axis(whole.top, whole.bottom, field.rows.support(), height),
                axis(whole.left, whole.right, field.columns.support(), width),
            ]
        },
    );
    let expected = whole.clip(height as i64, width as i64);
    let is_outside = |pixel: usize| !(seen[0][pixel / width] && seen[1][pixel % width]);
    let strongest = (field.map().iter().enumerate())
        .filter(|(pixel, value)| **value != 0.0 && is_outside(*pixel))
        .max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(&a.0)));
    Ok(match (strongest, expected) {
        (Some((pixel, value)), expected) => {
            let pixel = ((pixel / width) as i64, (pixel % width) as i64);
            Containment::Outside { unit, pixel, part: value / field.peak(), found, expected }
        }
        (None, Some(expected)) if found != expected => Containment::Smaller { unit, found, expected },
        _ => Containment::Inside,
    })
}

/// Which of `length` pixels of an axis are seen by a field from `start` to `end`, of which `support` are the offsets
/// without the holes.
fn axis(start: i64, end: i64, support: Option<impl Iterator<Item = i64>>, length: usize) -> Vec<bool> {
    let mut seen = vec![false; length];
    let mut see = |pixel: i64| {
        if let Some(seen) = usize::try_from(pixel).ok().and_then(|pixel| seen.get_mut(pixel)) {
            *seen = true;
        }
    };
    match support {
        Some(offsets) => offsets.for_each(|offset| see(start.saturating_add(offset))),
        None => (start.max(0)..end.min(length as i64)).for_each(see),
    }
    seen
}
