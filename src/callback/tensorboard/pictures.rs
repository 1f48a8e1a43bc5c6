//! Filter images and feature maps.

use tch::{Device, Kind, Tensor};

use super::{super::Context, Chosen};
use crate::{
    capture::{Activation, Role},
    data::{Dataset, Normalization},
    error::{Error, Result},
    params::{Param, Params},
    render::{self, FeatureMapOptions, FilterOptions},
    summary::{Image, Summary, layer_tag},
    tch_context::TchContext as _,
    writer::SummarySink,
};

/// Fixed images whose feature maps are drawn at every `histogram_freq`, always the same, so that the steps compare.
/// A handful is enough: four by default in the program.
#[derive(Debug)]
pub struct ProbeImages {
    input: Tensor,
    pixels: Tensor,
    labels: Vec<String>,
}

impl ProbeImages {
    /// `input` is what the model takes, `[N, C, H, W]`, normalised as in training. `pixels` are the images as a person
    /// shall see them, `[N, C, H, W]` with 1 or 3 channels and values from 0 to 1. `labels` has a name for each image,
    /// or is empty.
    ///
    /// # Errors
    /// Other shapes, or another number of labels.
    pub fn new(input: Tensor, pixels: Tensor, labels: Vec<String>) -> Result<ProbeImages> {
        let refuse = |why: String| Err(Error::invalid("probe images", why));
        if input.dim() != 4 || pixels.dim() != 4 {
            return refuse(format!(
                "input of shape {:?} and pixels of shape {:?} found; [N, C, H, W] expected",
                input.size(),
                pixels.size()
            ));
        }
        if !matches!(pixels.size()[1], 1 | 3) {
            return refuse(format!(
                "pixels with {} channels found; 1 (grey) or 3 (RGB) expected",
                pixels.size()[1]
            ));
        }
        if input.size()[0] != pixels.size()[0] {
            return refuse(format!("{} inputs and {} pictures found", input.size()[0], pixels.size()[0]));
        }
        if !labels.is_empty() && labels.len() as i64 != input.size()[0] {
            return refuse(format!("{} labels found for {} images", labels.len(), input.size()[0]));
        }
        Ok(ProbeImages { input, pixels, labels })
    }

    /// `count` images of `data`, of different classes where there are enough ([`Dataset::probe`]), as the model sees
    /// them after `normalization`, on the device of the model.
    ///
    /// # Errors
    /// A `count` of 0, a normalisation for another number of channels, a device that is absent.
    pub fn of(
        data: &Dataset,
        count: usize,
        normalization: &Normalization,
        device: Device,
    ) -> Result<ProbeImages> {
        let data = data.probe(count)?;
        let input = normalization.apply(data.images(), device)?;
        ProbeImages::new(input, data.pixels()?, data.label_names().into_iter().map(str::to_owned).collect())
    }

    /// What the model takes, `[N, C, H, W]`.
    pub fn input(&self) -> &Tensor {
        &self.input
    }
}

/// What is drawn at every `histogram_freq`.
#[derive(Debug)]
pub(super) struct Pictures {
    pub enabled: bool,
    pub probe: Option<ProbeImages>,
}

impl Pictures {
    pub fn write_probe(&self, cx: &Context<'_>, out: &mut dyn SummarySink) -> Result<()> {
        if let (true, Some(probe)) = (self.enabled, &self.probe) {
            let (pixels, shape) = to_host(&probe.pixels)?;
            let caption = cx.caption("probe images");
            let picture = render::probe_images(&pixels, shape, &probe.labels, &caption)?;
            let summary =
                Summary::image(picture).with_description("The images whose `feature_maps` are drawn.");
            out.add("probe_images", summary, cx.step())?;
        }
        Ok(())
    }

    pub fn write(&self, cx: &Context<'_>, chosen: &Chosen, out: &mut dyn SummarySink) -> Result<()> {
        if !self.enabled {
            return Ok(());
        }
        let mut params = Params::all(cx.var_store()).matching(&chosen.params);
        params.retain(Param::is_conv_kernel);
        for param in chosen.tagged(&params, cx) {
            let summary = Summary::image(draw_filters(cx, param)?).with_description(FILTERS);
            out.add(&format!("filters/{}", kernel_tag(param)), summary, cx.step())?;
        }
        let Some(probe) = &self.probe else { return Ok(()) };
        let observed = cx.observe(&probe.input)?;
        for activation in chosen.activations(observed.iter().flatten(), has_maps) {
            let summary = Summary::image(draw_maps(cx, activation)?).with_description(FEATURE_MAPS);
            out.add(&format!("feature_maps/{}", layer_tag(&activation.name)), summary, cx.step())?;
        }
        Ok(())
    }
}

const FILTERS: &str = "Kernels of the layer.";
const FEATURE_MAPS: &str = "Outputs of the layer for the fixed `probe_images`.";

/// The layer's name for its only kernel, `conv1`; the parameter's for one of another name, which need not be the only one.
fn kernel_tag(param: &Param) -> String {
    let tag = param.tag();
    tag.strip_suffix("/weight").map_or(tag.clone(), str::to_owned)
}

fn has_maps(activation: &Activation) -> bool {
    (activation.role == Role::Convolution || activation.role.is_activation()) && activation.tensor.dim() == 4
}

fn draw_filters(cx: &Context<'_>, param: &Param) -> Result<Image> {
    let layer = kernel_tag(param);
    let (kernel, shape) = to_host(param.tensor())?;
    render::filters(&kernel, shape, &cx.caption(&layer), &FilterOptions::default())
}

fn draw_maps(cx: &Context<'_>, activation: &Activation) -> Result<Image> {
    let (maps, shape) = to_host(&activation.tensor)?;
    render::feature_maps(&maps, shape, &cx.caption(&activation.name), &FeatureMapOptions::default())
}

/// All values as `f32`, and the shape, of a tensor of four dimensions.
fn to_host(tensor: &Tensor) -> Result<(Vec<f32>, [usize; 4])> {
    let size = tensor.size();
    let shape = size.iter().map(|&n| n as usize).collect::<Vec<_>>().try_into().map_err(|_| {
        Error::invalid("picture", format!("a tensor of shape {size:?} found; four dimensions expected"))
    })?;
    let values = tch::no_grad(|| tensor.f_reshape([-1])?.f_to_kind(Kind::Float)?.f_to_device(Device::Cpu))
        .and_then(|values| Vec::try_from(&values))
        .context(|| format!("picture: copy of a tensor of shape {size:?} to the host"))?;
    Ok((values, shape))
}
