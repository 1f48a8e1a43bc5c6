//! The first convolution of a network as a matrix.

use serde_json::json;
use tch::{Device, Kind, TchError, Tensor};

use super::{
    report::Report,
    sample::Case,
    study::{Study, Subject},
    values::scalar,
};
use crate::{
    arch::{Conv2d, ConvolutionMatrix, Layer, ModelSpec, ResolvedLayer, Source, Window, lecture, panels},
    error::{Error, Result},
    render::number,
    summary::layer_tag,
    tch_context::TchContext as _,
};

const EXAMPLE: &str = "Small convolutions as matrices: M x is the convolution of the pixels x, row by row. Each weight stands in \
     several rows, moved by one place; zeros are pixels that a kernel does not reach. Dropout in front of it hides columns: M diag(r) x.";
const PICTURE: &str = "A convolution is a matrix multiplication. Above: a kernel of the network's first convolution, the part of \
     the image where it answers most, and what it makes of it (without its bias). Below: the matrix M that does the same; \
     each colour is one weight of the kernel, which stands in each row again, moved by one place: this is what sharing \
     weights means, and why a weight still learns when some of its inputs are dropped.";

/// Cases with pictures.
const PICTURES: usize = 3;

/// A part of an image under a kernel, as the network computed it.
#[derive(Debug, Clone, PartialEq)]
pub struct ConvolutionPart {
    /// The layer.
    pub layer: String,
    /// The output channel whose answer is largest in magnitude.
    pub channel: usize,
    /// The input channels that the part holds: all, or the first alone where more do not fit.
    pub channels: [usize; 2],
    /// Row and column of the upper left output, and of the upper left input.
    pub output_at: [usize; 2],
    /// The same in the input.
    pub input_at: [usize; 2],
    /// The convolution of the part as a matrix.
    pub matrix: ConvolutionMatrix,
    /// The kernel's weights for the channels of the part.
    pub kernel: Vec<f64>,
    /// The part, channel by channel, row by row, and its columns.
    pub part: Vec<f64>,
    /// Columns of the part.
    pub columns: usize,
    /// Columns of the kernel.
    pub kernel_columns: usize,
    /// The largest difference between the matrix with the bias and the network's own output, where the part holds all input
    /// channels.
    pub largest_difference: Option<f64>,
}

/// The part of `image`, `[1, C, H, W]`, where the network's first convolution answers most, at most 3x3 outputs of one channel,
/// with the matrix that computes them; `Err` with the reason where none is small enough.
///
/// `variables` are the model's, by name; one forward pass.
///
/// # Errors
/// What the model refuses; layers of `spec` that the classifier's tap does not see, or whose weights are not there.
pub fn convolution_part(
    classifier: &super::Classifier<'_>,
    spec: &ModelSpec,
    variables: &[(String, Tensor)],
    image: &Tensor,
) -> Result<Result<ConvolutionPart, String>> {
    let model = spec.resolve()?;
    let mut reads_image =
        model.layers.iter().filter_map(|layer| match (layer.layer, layer.inputs.as_slice()) {
            (Layer::Conv2d(conv), [Source::Image]) => Some((layer, conv)),
            _ => None,
        });
    let Some((layer, conv)) = reads_image.next() else {
        return Ok(Err("no convolution reads the image itself".to_owned()));
    };
    let Some(window) = layer.window else { return Ok(Err("the convolution has no window".to_owned())) };
    let seen = classifier.activations(image)?;
    let missing = |what: String, why: &str| Error::invalid(what, why);
    let output = seen.get(&layer.name).ok_or_else(|| {
        missing(format!("layer `{}`", layer.name), "the model's tap does not see it; give no spec")
    })?;
    let variable = |name: &str| {
        let name = format!("{}.{name}", layer.name);
        variables.iter().find(|(known, _)| *known == name).map(|(_, tensor)| tensor)
    };
    let weight = variable("weight")
        .ok_or_else(|| missing(format!("`{}.weight`", layer.name), "it is not among the variables"))?;
    let bias = if conv.bias { variable("bias") } else { None };
    let Some(cut) = Cut::best(layer, &conv, &window, image) else {
        return Ok(Err(format!(
            "one window of `{}` has more than {} inputs: too many for a matrix that can be looked at",
            layer.name,
            ConvolutionMatrix::MOST
        )));
    };
    let take = || take(&cut, layer, &window, image, &output.tensor, weight, bias);
    let Some(taken) = tch::no_grad(take).context(|| format!("convolution `{}`", layer.name))? else {
        return Ok(Err(format!("no window of `{}` lies within the image", layer.name)));
    };
    let (matrix, kernel_columns) = (cut.matrix, window.kernel.w.unsigned_abs() as usize);
    let expected = matrix.apply(&taken.kernel, &taken.part)?;
    let difference = |(found, expected): (&f64, &f64)| (found - expected - taken.bias).abs();
    let largest = taken.output.iter().zip(&expected).map(difference).fold(0.0, f64::max);
    Ok(Ok(ConvolutionPart {
        layer: layer.name.clone(),
        channel: taken.channel,
        channels: [cut.channels, cut.all_channels].map(|count| count.unsigned_abs() as usize),
        output_at: taken.output_at,
        input_at: taken.input_at,
        matrix,
        kernel: taken.kernel,
        part: taken.part,
        columns: cut.side[1].unsigned_abs() as usize,
        kernel_columns,
        largest_difference: (cut.channels == cut.all_channels).then_some(largest),
    }))
}

/// How large a part is shown.
struct Cut {
    matrix: ConvolutionMatrix,
    /// Outputs along each axis.
    outputs: [i64; 2],
    /// Rows and columns of the part.
    side: [i64; 2],
    /// Input channels that are shown, and those that a kernel reads.
    channels: i64,
    all_channels: i64,
}

impl Cut {
    /// As many outputs as fit, first with all input channels of the kernel, then with one.
    fn best(layer: &ResolvedLayer, conv: &Conv2d, window: &Window, image: &Tensor) -> Option<Cut> {
        let all_channels = layer.input_shapes.first()?.channels() / conv.groups;
        let (_, _, height, width) = image.size4().ok()?;
        for channels in [all_channels, 1] {
            for outputs in (1..=3).rev() {
                let axis = |kernel: i64, stride: i64, dilation: i64| {
                    (outputs - 1) * stride + (kernel - 1) * dilation + 1
                };
                let side = [
                    axis(window.kernel.h, window.stride.h, window.dilation.h),
                    axis(window.kernel.w, window.stride.w, window.dilation.w),
                ];
                let alone = Conv2d::new(1, window.kernel).stride(window.stride).dilation(window.dilation);
                let matrix = ConvolutionMatrix::new(&alone, [channels, side[0], side[1]]);
                if let (Ok(matrix), true) = (matrix, side[0] <= height && side[1] <= width) {
                    return Some(Cut { matrix, outputs: [outputs; 2], side, channels, all_channels });
                }
            }
        }
        None
    }
}

struct Taken {
    channel: usize,
    output_at: [usize; 2],
    input_at: [usize; 2],
    kernel: Vec<f64>,
    part: Vec<f64>,
    output: Vec<f64>,
    bias: f64,
}

/// Numbers of the strongest place whose windows lie within the image; `None` where there is no such place.
fn take(
    cut: &Cut,
    layer: &ResolvedLayer,
    window: &Window,
    image: &Tensor,
    output: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
) -> Result<Option<Taken>, TchError> {
    let output = output.f_select(0, 0)?;
    let (kernels, rows, columns) = output.size3()?;
    let (_, _, height, width) = image.size4()?;
    // The first and the last upper left output whose part lies within the image.
    let places = |padding: i64, stride: i64, side: i64, size: i64, count: i64, outputs: i64| {
        let first = (padding + stride - 1) / stride;
        let last = (size - side + padding).div_euclid(stride).min(count - outputs);
        (first <= last).then_some((first, last))
    };
    let down = places(window.padding.top, window.stride.h, cut.side[0], height, rows, cut.outputs[0]);
    let across = places(window.padding.left, window.stride.w, cut.side[1], width, columns, cut.outputs[1]);
    let (Some(down), Some(across)) = (down, across) else { return Ok(None) };
    let middle = [cut.outputs[0] / 2, cut.outputs[1] / 2];
    let (tall, wide) = (down.1 - down.0 + 1, across.1 - across.0 + 1);
    let inner = output.f_narrow(1, down.0 + middle[0], tall)?.f_narrow(2, across.0 + middle[1], wide)?;
    let strength = inner.f_abs()?.f_nan_to_num(0.0, None, None)?.f_reshape([-1])?;
    let strongest = i64::try_from(&strength.f_argmax(0, false)?)?;
    let channel = strongest / (tall * wide);
    let at = [down.0 + strongest % (tall * wide) / wide, across.0 + strongest % wide];
    let corner =
        [at[0] * window.stride.h - window.padding.top, at[1] * window.stride.w - window.padding.left];
    let numbers = |tensor: &Tensor| -> Result<Vec<f64>, TchError> {
        let tensor = tensor.f_detach()?.f_to_device(Device::Cpu)?.f_to_kind(Kind::Double)?;
        Vec::try_from(&tensor.f_contiguous()?.f_reshape([-1])?)
    };
    let part = |tensor: &Tensor, at: [i64; 2], side: [i64; 2]| {
        let axes = tensor.dim() as i64;
        tensor.f_narrow(axes - 2, at[0], side[0])?.f_narrow(axes - 1, at[1], side[1])
    };
    // The channels of the image that this kernel reads.
    let groups = layer.input_shapes.first().map_or(1, |shape| shape.channels()) / cut.all_channels;
    let group = channel / (kernels / groups.max(1)).max(1);
    let read = image.f_select(0, 0)?.f_narrow(0, group * cut.all_channels, cut.channels)?;
    Ok(Some(Taken {
        channel: channel.unsigned_abs() as usize,
        output_at: at.map(|place| place.unsigned_abs() as usize),
        input_at: corner.map(|place| place.unsigned_abs() as usize),
        kernel: numbers(&weight.f_select(0, channel)?.f_narrow(0, 0, cut.channels)?)?,
        part: numbers(&part(&read, corner, cut.side)?)?,
        output: numbers(&part(&output.f_select(0, channel)?, at, cut.outputs)?)?,
        bias: match bias {
            Some(bias) => scalar(&bias.f_detach()?.f_select(0, channel)?)?,
            None => 0.0,
        },
    }))
}

/// The network's first convolution as a matrix, at the place of an image where it answers most: see [`convolution_part`] and
/// [`ConvolutionMatrix`]. The first three cases are drawn, under `explain/convolution_matrix/<layer>/<image>`.
///
/// Before the first run it draws the lecture's [small cases](lecture::convolutions), once, under
/// `explain/convolution_matrix/example/`. A model without a spec is left out, and a kernel of more than 64 values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConvolutionMatrixStudy {
    /// Whether the small cases were drawn.
    drawn: bool,
}

impl ConvolutionMatrixStudy {
    /// The study.
    pub fn new() -> ConvolutionMatrixStudy {
        ConvolutionMatrixStudy::default()
    }
}

impl Study for ConvolutionMatrixStudy {
    fn name(&self) -> &'static str {
        "convolution_matrix"
    }

    fn run(&mut self, subject: &Subject<'_>, report: &mut Report<'_>) -> Result<()> {
        if !std::mem::replace(&mut self.drawn, true) {
            report.examples(lecture::convolutions(report.step())?, EXAMPLE)?;
        }
        let Some(spec) = subject.spec else {
            report.skip("the model has no spec: stride and padding of its convolutions are not known");
            return Ok(());
        };
        if subject.cases.is_empty() {
            report.skip("no images were given");
        }
        for case in subject.cases.iter().take(PICTURES) {
            match convolution_part(subject.classifier, spec, subject.variables, &case.sample.input)? {
                Ok(part) => draw(&part, case, report)?,
                Err(why) => {
                    report.skip(why);
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

fn draw(part: &ConvolutionPart, case: &Case<'_>, report: &mut Report<'_>) -> Result<()> {
    let ConvolutionPart { layer, channel, channels: [shown, all], output_at, input_at, .. } = part;
    let mut note = format!(
        "image {}: output channel {channel} at row {}, column {}, where it answers most; input from row {}, column {} on",
        case.sample.name, output_at[0], output_at[1], input_at[0], input_at[1]
    );
    if shown < all {
        note += &format!("; input channel 0 alone: the layer adds up {all}");
    }
    if let Some(difference) = part.largest_difference {
        note +=
            &format!("; with its bias it differs from the layer's output by {} at most", number(difference));
    }
    let title = format!("{layer} as a matrix");
    let kernel = (part.kernel.as_slice(), part.kernel_columns);
    let input = (part.part.as_slice(), part.columns);
    let image = panels::convolution(&part.matrix, kernel, input, &note, &report.caption(&title))?;
    report.values(&case.sample.name, || {
        json!({
            "layer": layer,
            "channel": channel,
            "output_at": output_at,
            "input_at": input_at,
            "kernel": part.kernel,
            "input": part.part,
            "matrix": part.matrix.symbols(),
            "largest_difference": part.largest_difference,
        })
    });
    report.picture(&format!("{}/{}", layer_tag(layer), case.sample.tag()), image, PICTURE)
}
