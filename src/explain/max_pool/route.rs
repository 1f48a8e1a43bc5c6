//! The way of a gradient through max pooling.

use tch::{Device, Kind, TchError, Tensor};

use super::counts::RoutingCounts;
use crate::{
    arch::{Layer, MaxPool2d, ModelSpec, Pair, ResolvedLayer, Source, Window},
    error::{Error, Result},
    explain::{Classifier, Trace},
    network::{MaxPooled, max_pool_with_indices},
    render::{RoutedChannel, Switch, WindowKind},
    tch_context::TchContext as _,
};

/// Kinds of windows by the numbers that stand for them in [`MaxPoolRouting::kinds`].
const KINDS: [WindowKind; 5] =
    [WindowKind::Single, WindowKind::Tie, WindowKind::AllZero, WindowKind::Nan, WindowKind::Empty];

/// What one max pooling does with one image, forward and backward. All tensors lie on the model's device, without a graph.
#[derive(Debug)]
pub struct MaxPoolRouting {
    /// The pooling layer.
    pub pool: String,
    /// The layer whose output it pools; `input` for the image.
    pub source: String,
    /// Its window.
    pub window: Window,
    /// What it pools, `[C, H, W]`.
    pub input: Tensor,
    /// For each output, `[C, H', W']`, the winner's place in its channel of the input, row by row; -1 for a window that lies
    /// in the padding.
    pub winners: Tensor,
    /// For each output the winner's place in the kernel, row by row from 0.
    pub places: Tensor,
    /// For each output what the window holds: 0 one maximum, 1 a tie, 2 zeros alone, 3 NaN, 4 padding alone.
    pub kinds: Tensor,
    /// The gradient of the logit by each output, `[C, H', W']`.
    pub gradient_after: Tensor,
    /// What the pooling hands on of it to each input, `[C, H, W]`. The gradient of the logit by the input is more where other
    /// layers read it too.
    pub gradient_before: Tensor,
    /// Its counts.
    pub counts: RoutingCounts,
}

/// How the gradient of the logit of `class` goes through each max pooling of a network, in the order of the layers: the
/// largest value of each window gets the window's whole gradient, the others get none, and where windows overlap gradients
/// add up.
///
/// The winners are those of the model's own pooling on its own device. libtorch on the CPU takes the first of several
/// equal maxima, row by row, and the last NaN (`aten/src/ATen/native/cpu/MaxPoolKernel.cpp`); other devices may break ties
/// in another way. A window of zeros, as ReLU leaves them, so sends its gradient to its upper left input, where it is lost in
/// ReLU's slope of 0: such windows are counted and left out of the entropy.
///
/// Kernel, stride, padding, dilation and ceil mode come from `spec`. `image` is `[1, C, H, W]`. One forward and one backward
/// pass.
///
/// ```
/// use convscope::{Network, arch::ModelSpec, explain::{Classifier, max_pool_routing}};
/// use tch::{Device, Kind, Tensor, nn};
///
/// let spec = ModelSpec::default_model(10)?;
/// let store = nn::VarStore::new(Device::Cpu);
/// let network = Network::new(&store.root(), &spec)?;
/// let image = Tensor::rand([1, 1, 28, 28], (Kind::Float, Device::Cpu));
///
/// let pools = max_pool_routing(&Classifier::of_network(&network), &spec, &image, 7)?;
/// let names: Vec<&str> = pools.iter().map(|pool| pool.pool.as_str()).collect();
/// assert_eq!(names, ["pool1", "pool2", "pool3"]);
/// assert_eq!(pools[0].gradient_before.size(), [16, 28, 28]);
/// assert_eq!(pools[0].counts.winner_share(), Some(0.25)); // 2x2 windows side by side
/// # Ok::<(), convscope::Error>(())
/// ```
///
/// # Errors
/// What the model refuses, a class that it does not have; layers of `spec` that the classifier's tap does not see.
pub fn max_pool_routing(
    classifier: &Classifier<'_>,
    spec: &ModelSpec,
    image: &Tensor,
    class: i64,
) -> Result<Vec<MaxPoolRouting>> {
    let model = spec.resolve()?;
    let reached = model.feeds_output();
    let mut pools = Vec::new();
    for (layer, _) in model.layers.iter().zip(reached).filter(|(_, feeds)| *feeds) {
        if let Layer::MaxPool2d(pool) = layer.layer {
            pools.push((layer, pool, layer.inputs.first().copied().unwrap_or(Source::Image)));
        }
    }
    if pools.is_empty() {
        return Ok(Vec::new());
    }
    let trace = classifier.trace(image)?;
    let score = trace.scores(class)?;
    let outputs: Vec<&Tensor> =
        pools.iter().map(|(layer, ..)| output_of(&trace, &layer.name)).collect::<Result<_>>()?;
    let gradients = trace.gradients_by(&score, &outputs)?;
    let routed = |((layer, pool, source), gradient): ((&ResolvedLayer, MaxPool2d, Source), Tensor)| {
        let name = model.source_name(source);
        let input = match source {
            Source::Image => &trace.images,
            Source::Layer(_) => output_of(&trace, name)?,
        };
        let routing = tch::no_grad(|| route(layer, &pool, name, input, &gradient));
        routing.context(|| format!("max pooling `{}` on {:?}", layer.name, input.size()))
    };
    pools.into_iter().zip(gradients).map(routed).collect()
}

fn output_of<'t>(trace: &'t Trace, name: &str) -> Result<&'t Tensor> {
    trace.activations.get(name).map(|activation| &activation.tensor).ok_or_else(|| {
        let why = "the model's tap does not see it: let its output pass the tap, or give no spec";
        Error::invalid(format!("layer `{name}`"), why)
    })
}

fn route(
    layer: &ResolvedLayer,
    pool: &MaxPool2d,
    source: &str,
    input: &Tensor,
    gradient: &Tensor,
) -> Result<MaxPoolRouting, TchError> {
    let window = layer.window.ok_or_else(|| TchError::Torch("the layer has no window".to_owned()))?;
    let input = input.f_detach()?;
    let pooled = max_pool_with_indices(layer, pool, &input)?;
    let Winners { winners, places } = Winners::new(&pooled, &window, &input)?;
    let kinds = kinds(&pooled, &window, &input, &winners)?;
    let [input, winners, places, kinds, gradient_after] =
        [&input, &winners, &places, &kinds, gradient].map(|tensor| tensor.f_squeeze_dim(0));
    let (input, winners, places, kinds, gradient_after) =
        (input?, winners?, places?, kinds?, gradient_after?);
    let (gradient_before, hits) = scatter(&input, &winners, &gradient_after)?;
    let counts = counts(&window, &hits, &places, &kinds, &gradient_before)?;
    Ok(MaxPoolRouting {
        pool: layer.name.clone(),
        source: source.to_owned(),
        window,
        input,
        winners,
        places,
        kinds,
        gradient_after,
        gradient_before,
        counts,
    })
}

struct Winners {
    winners: Tensor,
    places: Tensor,
}

impl Winners {
    /// From places in the padded input to places in the input and in the kernel.
    fn new(pooled: &MaxPooled, window: &Window, input: &Tensor) -> Result<Winners, TchError> {
        let (_, _, height, width) = input.size4()?;
        let (_, _, rows, columns) = pooled.indices.size4()?;
        let across = width + pooled.added.left + pooled.added.right;
        let row = pooled.indices.f_div_scalar_mode(across, "floor")?.f_sub_scalar(pooled.added.top)?;
        let column = pooled.indices.f_remainder(across)?.f_sub_scalar(pooled.added.left)?;
        let outside = row
            .f_lt(0)?
            .f_logical_or(&row.f_ge(height)?)?
            .f_logical_or(&column.f_lt(0)?)?
            .f_logical_or(&column.f_ge(width)?)?;
        // Where window v begins: v · stride - padding.
        let start = |windows: i64, stride: i64, padding: i64| {
            let numbers = Tensor::f_arange(windows, (Kind::Int64, input.device()))?;
            numbers.f_mul_scalar(stride)?.f_sub_scalar(padding)
        };
        let top = start(rows, window.stride.h, window.padding.top)?.f_reshape([rows, 1])?;
        let left = start(columns, window.stride.w, window.padding.left)?;
        let i = row.f_sub(&top)?.f_div_scalar_mode(window.dilation.h, "floor")?;
        let j = column.f_sub(&left)?.f_div_scalar_mode(window.dilation.w, "floor")?;
        Ok(Winners {
            winners: row.f_mul_scalar(width)?.f_add(&column)?.f_masked_fill(&outside, -1)?,
            places: i.f_mul_scalar(window.kernel.w)?.f_add(&j)?.f_masked_fill(&outside, 0)?,
        })
    }
}

/// What each window holds. The taps of the kernel are looked at one after the other, so that no window is ever copied.
fn kinds(pooled: &MaxPooled, window: &Window, input: &Tensor, winners: &Tensor) -> Result<Tensor, TchError> {
    let (_, _, height, width) = input.size4()?;
    let (_, _, rows, columns) = pooled.output.size4()?;
    let sides = pooled.reached;
    // NaN equals nothing, so padding never counts.
    let around = [sides.left, sides.right, sides.top, sides.bottom];
    let padded = input.f_pad(around, "constant", f64::NAN)?;
    let Window { kernel, stride, dilation, .. } = *window;
    let mut equal = pooled.indices.f_zeros_like()?;
    for (i, j) in (0..kernel.h).flat_map(|i| (0..kernel.w).map(move |j| (i, j))) {
        let taken = |start: i64, windows: i64, stride: i64| (start, start + (windows - 1) * stride + 1);
        let (top, bottom) = taken(i * dilation.h, rows, stride.h);
        let (left, right) = taken(j * dilation.w, columns, stride.w);
        let tap = padded.f_slice(2, top, bottom, stride.h)?.f_slice(3, left, right, stride.w)?;
        equal = equal.f_add(&tap.f_eq_tensor(&pooled.output)?)?;
    }
    let held = |windows: i64, stride: i64, padding: i64, dilation: i64, kernel: i64, side: i64| {
        let of_window = |window: i64| {
            (0..kernel)
                .filter(|tap| (0..side).contains(&(window * stride - padding + tap * dilation)))
                .count()
        };
        (0..windows).map(|window| of_window(window) as i64).collect::<Vec<i64>>()
    };
    let Pair { h, w } = kernel;
    let down = held(rows, stride.h, window.padding.top, dilation.h, h, height);
    let across = held(columns, stride.w, window.padding.left, dilation.w, w, width);
    let on_device = |counts: &[i64]| Tensor::from_slice(counts).f_to_device(input.device());
    let held = on_device(&down)?.f_reshape([rows, 1])?.f_mul(&on_device(&across)?)?;
    let all_zero = pooled.output.f_eq(0)?.f_logical_and(&equal.f_eq_tensor(&held)?)?;
    let kinds = equal.f_gt(1)?.f_to_kind(Kind::Int64)?;
    kinds
        .f_masked_fill(&all_zero, 2)?
        .f_masked_fill(&pooled.output.f_isnan()?, 3)?
        .f_masked_fill(&winners.f_lt(0)?, 4)
}

/// The gradient by each input, and whether an input wins.
fn scatter(input: &Tensor, winners: &Tensor, gradient: &Tensor) -> Result<(Tensor, Tensor), TchError> {
    let (channels, height, width) = input.size3()?;
    let inputs = height * width;
    // What no input won goes to one more place, which is cut off.
    let flat = winners.f_reshape([channels, -1])?;
    let to = flat.f_masked_fill(&flat.f_lt(0)?, inputs)?;
    let room = |kind: Kind| Tensor::f_zeros([channels, inputs + 1], (kind, input.device()));
    let back = |full: &Tensor| full.f_narrow(1, 0, inputs)?.f_reshape([channels, height, width]);
    let routed = room(gradient.kind())?.f_scatter_add(1, &to, &gradient.f_reshape([channels, -1])?)?;
    let hits = room(Kind::Int64)?.f_scatter_value(1, &to, 1)?;
    Ok((back(&routed)?, back(&hits)?))
}

/// All counts with one copy to the host.
fn counts(
    window: &Window,
    hits: &Tensor,
    places: &Tensor,
    kinds: &Tensor,
    gradient: &Tensor,
) -> Result<RoutingCounts, TchError> {
    let of_kernel = window.kernel.h * window.kernel.w;
    let count = |tensor: &Tensor| tensor.f_sum(Kind::Int64)?.f_reshape([1]);
    let mut parts = vec![count(hits)?, count(&gradient.f_ne(0)?)?];
    for kind in 1..KINDS.len() as i64 {
        parts.push(count(&kinds.f_eq(kind)?)?);
    }
    let counted = places.f_masked_select(&kinds.f_le(1)?)?;
    parts.push(counted.f_bincount::<&Tensor>(None, of_kernel)?);
    let all: Vec<i64> = Vec::try_from(&Tensor::f_cat(&parts, 0)?.f_to_device(Device::Cpu)?)?;
    let all: Vec<u64> = all.into_iter().map(i64::unsigned_abs).collect();
    let (head, places) = all.split_at(6.min(all.len()));
    let &[winners, with_gradient, ties, all_zero, nan, empty] = head else {
        return Err(TchError::Torch("counts of another length than asked for".to_owned()));
    };
    let (inputs, windows) = (gradient.numel() as u64, kinds.numel() as u64);
    let places = places.to_vec();
    Ok(RoutingCounts { inputs, winners, with_gradient, windows, all_zero, ties, nan, empty, places })
}

impl MaxPoolRouting {
    /// The `most` channels with the largest sum of gradient magnitudes behind the pooling, for a
    /// [picture](crate::render::max_pool_routing), strongest first.
    ///
    /// # Errors
    /// Too little memory.
    pub fn strongest(&self, most: usize) -> Result<Vec<RoutedChannel>> {
        let fetch = || -> Result<Vec<RoutedChannel>, TchError> {
            let strength = self.gradient_after.f_abs()?.f_nan_to_num(0.0, None, None)?;
            let strength = strength.f_sum_dim_intlist([1i64, 2].as_slice(), false, Kind::Float)?;
            let count = (most as i64).min(strength.size1()?);
            let (_, channels) = strength.f_topk(count, 0, true, true)?;
            let channels: Vec<i64> = Vec::try_from(&channels)?;
            channels.into_iter().map(|channel| self.channel(channel)).collect()
        };
        tch::no_grad(fetch).context(|| format!("max pooling `{}`", self.pool))
    }

    fn channel(&self, channel: i64) -> Result<RoutedChannel, TchError> {
        let flat = |tensor: &Tensor, kind: Kind| {
            tensor.f_select(0, channel)?.f_to_kind(kind)?.f_to_device(Device::Cpu)?.f_reshape([-1])
        };
        let numbers = |tensor: &Tensor| Vec::<f32>::try_from(&flat(tensor, Kind::Float)?);
        let counts = |tensor: &Tensor| Vec::<i64>::try_from(&flat(tensor, Kind::Int64)?);
        let switch = |((winner, place), kind): ((i64, i64), i64)| Switch {
            input: usize::try_from(winner).ok(),
            place: place.unsigned_abs() as usize,
            kind: KINDS.get(kind.unsigned_abs() as usize).copied().unwrap_or(WindowKind::Empty),
        };
        let winners = counts(&self.winners)?.into_iter().zip(counts(&self.places)?);
        Ok(RoutedChannel {
            channel: channel.unsigned_abs() as usize,
            input: numbers(&self.input)?,
            switches: winners.zip(counts(&self.kinds)?).map(switch).collect(),
            gradient_after: numbers(&self.gradient_after)?,
            gradient_before: numbers(&self.gradient_before)?,
        })
    }

    /// For each output the winner's place in the kernel where it says something, -1 where the window holds zeros, NaN or
    /// padding: what [`stability`](MaxPoolRouting::stability) compares.
    ///
    /// # Errors
    /// Too little memory.
    pub fn switches(&self) -> Result<Tensor> {
        let switches = || self.places.f_masked_fill(&self.kinds.f_ge(2)?, -1)?.f_to_kind(Kind::Int16);
        tch::no_grad(switches).context(|| format!("switches of `{}`", self.pool))
    }

    /// The share of windows whose winner lies where it lay in `before`, the [`switches`](MaxPoolRouting::switches) of an
    /// earlier pass over the same image: 0 to 1, of the windows that say something both times. `None` where there is none, or
    /// where `before` is of another shape.
    ///
    /// # Errors
    /// Too little memory.
    pub fn stability(&self, before: &Tensor) -> Result<Option<f64>> {
        let now = self.switches()?;
        if now.size() != before.size() {
            return Ok(None);
        }
        let compare = || -> Result<(i64, i64), TchError> {
            let before = before.f_to_device(now.device())?;
            let both = now.f_ge(0)?.f_logical_and(&before.f_ge(0)?)?;
            let same = now.f_eq_tensor(&before)?.f_logical_and(&both)?;
            let count = |tensor: &Tensor| i64::try_from(&tensor.f_sum(Kind::Int64)?);
            Ok((count(&same)?, count(&both)?))
        };
        let (same, both) = tch::no_grad(compare).context(|| format!("switches of `{}`", self.pool))?;
        Ok((both > 0).then(|| same as f64 / both as f64))
    }
}
