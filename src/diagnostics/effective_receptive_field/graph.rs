//! From a forward pass to the gradient of a unit by the pixels.

use std::fmt;

use tch::{Device, Kind, TchError, Tensor};

use super::field::EffectiveField;
use crate::{
    arch::did_you_mean,
    capture::{Activation, Activations, Tap},
    error::{Error, Result},
    tch_context::TchContext as _,
};

/// Which unit of a layer is looked at: a place on its maps and all channels there, or one of them.
///
/// All channels of one place see the same pixels, so their sum y is taken: one backward pass instead of one for each
/// channel. Channels that pull a pixel in opposite directions weaken one another in the sum. Behind a softmax the sum is
/// 1 whatever the image, so choose one output there.
///
/// ```
/// use convscope::diagnostics::Unit;
///
/// assert_eq!(Unit::center().to_string(), "centre unit");
/// assert_eq!(Unit::at(0, 5).channel(3).to_string(), "unit (0, 5), channel 3");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Unit {
    place: Option<(i64, i64)>,
    channel: Option<i64>,
}

impl Unit {
    /// The unit in row ⌊H/2⌋ and column ⌊W/2⌋ of the maps, counted from 0; the whole output of a layer without maps, such
    /// as a linear one.
    pub const fn center() -> Unit {
        Unit { place: None, channel: None }
    }

    /// The unit in this row and column of the maps, counted from 0.
    pub const fn at(row: i64, column: i64) -> Unit {
        Unit { place: Some((row, column)), channel: None }
    }

    /// This channel alone, counted from 0; of a layer without maps, this output.
    #[must_use]
    pub const fn channel(self, channel: i64) -> Unit {
        Unit { channel: Some(channel), ..self }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            None => write!(f, "centre unit")?,
            Some((row, column)) => write!(f, "unit ({row}, {column})")?,
        }
        self.channel.map_or(Ok(()), |channel| write!(f, ", channel {channel}"))
    }
}

/// The effective receptive field of a unit: the mean over `images` of |∂y/∂x|, summed over the image's channels, where y
/// is the output of `unit` in `layer` and x a pixel (Luo et al. 2016, *Understanding the Effective Receptive Field in
/// Deep Convolutional Neural Networks*).
///
/// `forward` runs the model on images **with `train = false`**; `tap` is that of its probes or of the
/// [`Network`](crate::Network). `images` are `[N, C, H, W]`, normalised as in training; several make it unlikely that a
/// dead ReLU or the choices of a max pooling hide pixels. One forward and one backward pass; no `.grad`, parameter or
/// running statistic is touched, and libtorch's random generator is not used. Only the map comes to the host.
///
/// ```
/// use convscope::{Network, arch::ModelSpec, diagnostics::{Unit, effective_receptive_field}};
/// use tch::{Device, Kind, Tensor, nn};
///
/// let store = nn::VarStore::new(Device::Cpu);
/// let network = Network::new(&store.root(), &ModelSpec::default_model(10)?)?;
/// let images = Tensor::rand([4, 1, 28, 28], (Kind::Float, Device::Cpu));
///
/// let forward = |images: &Tensor| network.f_forward_t(images, false);
/// let field = effective_receptive_field(forward, network.tap(), &images, "conv1", Unit::center())?;
/// assert_eq!(field.size(), [28, 28]);
/// assert_eq!(field.extent(1.0), [5, 5]); // conv1 has a kernel of 5x5 pixels
/// assert_eq!(field.support(), Some([(12, 16), (12, 16)])); // first and last row, first and last column
/// # Ok::<(), convscope::Error>(())
/// ```
///
/// # Errors
/// Images of another shape or of whole numbers; a layer that was not observed; a unit outside its maps; a model that
/// works under `no_grad`; what the model refuses.
pub fn effective_receptive_field(
    forward: impl FnOnce(&Tensor) -> Result<Tensor>,
    tap: &Tap,
    images: &Tensor,
    layer: &str,
    unit: Unit,
) -> Result<EffectiveField> {
    ForwardGraph::run(forward, tap, images)?.field(layer, unit)
}

/// One forward pass with its graph, for the fields of several layers and units: each costs one backward pass more.
///
/// It keeps the outputs of all layers alive.
///
/// ```
/// use convscope::{Network, arch::ModelSpec, diagnostics::{ForwardGraph, Unit}};
/// use tch::{Device, Kind, Tensor, nn};
///
/// let store = nn::VarStore::new(Device::Cpu);
/// let network = Network::new(&store.root(), &ModelSpec::default_model(10)?)?;
/// let images = Tensor::rand([4, 1, 28, 28], (Kind::Float, Device::Cpu));
///
/// let graph = ForwardGraph::run(|images| network.f_forward_t(images, false), network.tap(), &images)?;
/// let extents: Vec<[usize; 2]> = ["conv1", "conv2", "conv3"]
///     .into_iter()
///     .map(|layer| Ok(graph.field(layer, Unit::center())?.extent(0.95)))
///     .collect::<convscope::Result<_>>()?;
/// assert!(extents.is_sorted()); // deeper layers see more
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Debug)]
pub struct ForwardGraph {
    images: Tensor,
    activations: Activations,
}

impl ForwardGraph {
    /// Runs `forward` on `images` and keeps what passes `tap`. See [`effective_receptive_field`] for the arguments.
    ///
    /// # Errors
    /// Images of another shape or of whole numbers; what the model refuses; a layer's output that was changed in place.
    pub fn run(
        forward: impl FnOnce(&Tensor) -> Result<Tensor>,
        tap: &Tap,
        images: &Tensor,
    ) -> Result<ForwardGraph> {
        ForwardGraph::with(images, |images| {
            tch::with_grad(|| {
                let capture = tap.capture();
                drop(forward(images)?);
                capture.finish()
            })
        })
    }

    /// As [`run`](ForwardGraph::run), where `observe` runs the model and gives the outputs.
    pub(crate) fn with(
        images: &Tensor,
        observe: impl FnOnce(&Tensor) -> Result<Activations>,
    ) -> Result<ForwardGraph> {
        check_images(images)?;
        // A tensor of its own that shares the pixels: the caller's one keeps its graph and its flags.
        let leaf = images.f_detach().and_then(|images| images.f_set_requires_grad(true));
        let images = leaf.context(|| "effective receptive field: preparing the images".to_owned())?;
        let activations = observe(&images)?;
        Ok(ForwardGraph { images, activations })
    }

    /// What was observed, in the order of the forward pass.
    pub fn activations(&self) -> &Activations {
        &self.activations
    }

    /// The effective receptive field of a unit: see [`effective_receptive_field`]. A layer whose output does not depend
    /// on the images has an [empty](EffectiveField::is_empty) one.
    ///
    /// # Errors
    /// A layer that was not observed; a unit outside its maps; a layer whose output has no graph.
    pub fn field(&self, layer: &str, unit: Unit) -> Result<EffectiveField> {
        let activation = self.activation(layer)?;
        let output = output_of(activation, unit)?;
        let context = || format!("effective receptive field of layer `{layer}`");
        let gradients = Tensor::f_run_backward(&[&output], &[&self.images], true, false).context(context)?;
        let size = self.images.size();
        let size = [size[2] as usize, size[3] as usize];
        match gradients.first().filter(|gradient| gradient.defined()) {
            Some(gradient) => {
                let (map, silent_images) = tch::no_grad(|| magnitude(gradient)).context(context)?;
                Ok(EffectiveField::new(map, size)?.with_silent_images(silent_images))
            }
            None => {
                let images = self.images.size()[0] as usize;
                Ok(EffectiveField::new(vec![0.0; size[0] * size[1]], size)?.with_silent_images(images))
            }
        }
    }

    fn activation(&self, layer: &str) -> Result<&Activation> {
        self.activations.get(layer).ok_or_else(|| {
            let names = self.activations.iter().map(|activation| activation.name.as_str());
            let hint = if self.activations.is_empty() {
                "; nothing was observed: give the tap of the model's probes".to_owned()
            } else {
                did_you_mean(layer, names)
            };
            Error::invalid(format!("layer `{layer}`"), format!("there is no output of that name{hint}"))
        })
    }
}

fn check_images(images: &Tensor) -> Result<()> {
    let refuse = |why: String| Err(Error::invalid("images", why));
    // tch panics when asked for the size of an undefined tensor.
    let size = if images.defined() { images.size() } else { Vec::new() };
    if size.len() != 4 || size.contains(&0) {
        return refuse(format!("found shape {size:?}, expected [N, C, H, W] with no side of 0"));
    }
    if !matches!(images.kind(), Kind::Float | Kind::Double | Kind::Half | Kind::BFloat16) {
        return refuse(format!(
            "values of kind {:?} have no gradient: give floating-point numbers",
            images.kind()
        ));
    }
    Ok(())
}

/// The output y of the unit, summed over the images: in evaluation mode no image has a part in another's output.
fn output_of(activation: &Activation, unit: Unit) -> Result<Tensor> {
    let Activation { name, tensor, .. } = activation;
    let refuse = |why: String| Error::invalid(format!("layer `{name}`"), why);
    if !tensor.requires_grad() {
        return Err(refuse(
            "its output has no graph back to the images: the model computes it under `no_grad` or detaches it, or its \
             values are whole numbers"
                .to_owned(),
        ));
    }
    let size = tensor.size();
    let outside =
        |what: String| refuse(format!("{what} lies outside of its output {size:?}, counted from 0"));
    let Some(&channels) = size.get(1) else {
        return Err(refuse(format!("its output has shape {size:?}; [N, C, H, W] or [N, features] expected")));
    };
    let inside = |index: i64, side: i64| (0..side).contains(&index);
    let place = match (unit.place, &size[..]) {
        (None, [_, _, height, width]) => Some((height / 2, width / 2)),
        (None, _) => None,
        (Some((row, column)), [_, _, height, width]) if inside(row, *height) && inside(column, *width) => {
            Some((row, column))
        }
        (Some(_), _) => return Err(outside(unit.to_string())),
    };
    if let Some(channel) = unit.channel.filter(|&channel| !inside(channel, channels)) {
        return Err(outside(format!("channel {channel}")));
    }
    let select = || -> Result<Tensor, TchError> {
        let mut output = tensor.shallow_clone();
        if let Some((row, column)) = place {
            output = output.f_select(3, column)?.f_select(2, row)?;
        }
        if let Some(channel) = unit.channel {
            output = output.f_select(1, channel)?;
        }
        output.f_sum(output.kind())
    };
    tch::with_grad(select).context(|| format!("layer `{name}`, {unit}"))
}

/// |∂y/∂x| summed over channels, mean over images, row by row; and how many images have none.
fn magnitude(gradient: &Tensor) -> Result<(Vec<f64>, usize), TchError> {
    // Sums of half-precision numbers would overflow. Some devices have no double precision, so it stays what it is.
    let kind = if gradient.kind() == Kind::Double { Kind::Double } else { Kind::Float };
    let of_images = gradient.f_abs()?.f_sum_dim_intlist([1i64].as_slice(), false, kind)?;
    let moved = of_images.f_ne(0.0)?.f_any_dims([1i64, 2].as_slice(), false)?.f_sum(Kind::Int64)?;
    let map = of_images.f_mean_dim([0i64].as_slice(), false, kind)?;
    let map = map.f_reshape([-1])?.f_to_device(Device::Cpu)?.f_to_kind(Kind::Double)?;
    let images = gradient.size()[0] - i64::try_from(&moved)?;
    Ok((Vec::try_from(&map)?, images as usize))
}
