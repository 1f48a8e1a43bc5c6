//! What an image shows where something was taken away.

use std::str::FromStr;

use tch::{Device, Kind, TchError, Tensor};

use crate::{
    data::Normalization,
    error::{Error, Result},
    render::number,
    tch_context::TchContext as _,
};

/// A Gaussian is cut off here: 0.3 % of its mass lie beyond.
const WIDTH_IN_SIGMAS: f64 = 3.0;

/// Standard deviation of a blur where none is given: Petsiuk et al. (2018) take 5 px for images of 224 px.
pub(super) const SIGMA: f64 = 5.0;

/// What stands in the place of pixels that are taken away. Values are those that the model sees, after normalisation.
///
/// ```
/// use convscope::explain::Fill;
/// use tch::Tensor;
///
/// let image = Tensor::from_slice(&[0.0f32, 1.0, 2.0, 5.0]).reshape([1, 2, 1, 2]);
/// let mean = Fill::ChannelMean.image(&image)?;
/// assert_eq!(Vec::<f32>::try_from(mean.reshape([-1])).unwrap(), [0.5, 0.5, 3.5, 3.5]);
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Fill {
    /// The same value in all channels: 0 is the data's mean where inputs are standardised.
    Value(f64),
    /// A value for each channel, such as those of a [brightness](Fill::brightness).
    Channels(Vec<f64>),
    /// The mean of the image in each channel: the lecture's grey.
    #[default]
    ChannelMean,
    /// The image itself, blurred by a Gaussian of this standard deviation in pixels; beyond the border it goes on with the
    /// values at the border. Takes away what is fine and keeps what is coarse.
    Blur {
        /// Above 0, and at most the image's longer side, or 5 in smaller images.
        sigma: f64,
    },
}

impl Fill {
    /// A brightness from 0 (black) to 1 (white), in all channels, of images that were normalised so.
    ///
    /// ```
    /// use convscope::{data::Normalization, explain::Fill};
    ///
    /// let normalization = Normalization { mean: vec![0.5, 0.25], std: vec![0.5, 0.25] };
    /// assert_eq!(Fill::brightness(0.0, &normalization), Fill::Channels(vec![-1.0, -1.0]));
    /// ```
    pub fn brightness(brightness: f64, normalization: &Normalization) -> Fill {
        let channels = normalization.mean.iter().zip(&normalization.std);
        Fill::Channels(channels.map(|(mean, std)| (brightness - mean) / std).collect())
    }

    /// The image `[1, C, H, W]` where all of it is taken away.
    ///
    /// # Errors
    /// A value that is not finite; another number of values than the image has channels; a standard deviation that is not
    /// above 0 or beyond the image; an image of another shape.
    pub fn image(&self, image: &Tensor) -> Result<Tensor> {
        if image.dim() != 4 {
            let why = format!("shape {:?} found; [1, C, H, W] expected", image.size());
            return Err(Error::invalid("image to fill", why));
        }
        let size = image.size();
        if let Fill::Channels(values) = self
            && usize::try_from(size[1]) != Ok(values.len())
        {
            let why = format!("{} values found; the image has {} channels", values.len(), size[1]);
            return Err(Error::invalid("fill", why));
        }
        // A wider one shows nothing but the border, and takes more memory than the image.
        let widest = SIGMA.max(size[2].max(size[3]) as f64);
        let filled = match self {
            Fill::Value(value) if !value.is_finite() => {
                return Err(refuse("value", *value, "a finite number"));
            }
            Fill::Channels(values) if values.iter().any(|value| !value.is_finite()) => {
                return Err(Error::invalid(
                    "fill",
                    format!("values {values:?} found; finite numbers expected"),
                ));
            }
            Fill::Blur { sigma } if !(*sigma > 0.0 && *sigma <= widest) => {
                let expected = format!("a number above 0, at most {widest} in an image of this size,");
                return Err(refuse("standard deviation", *sigma, &expected));
            }
            Fill::Value(value) => tch::no_grad(|| image.f_full_like(*value)),
            Fill::Channels(values) => tch::no_grad(|| {
                let values =
                    Tensor::f_from_slice(values)?.f_to_kind(image.kind())?.f_to_device(image.device())?;
                values.f_reshape([1, -1, 1, 1])?.f_expand_as(image)
            }),
            Fill::ChannelMean => tch::no_grad(|| {
                image.f_mean_dim([2i64, 3].as_slice(), true, image.kind())?.f_expand_as(image)
            }),
            Fill::Blur { sigma } => tch::no_grad(|| blur(image, *sigma)),
        };
        filled.context(|| "what stands in for pixels".to_owned())
    }

    /// In words for a picture, with the values that were taken, after normalisation: `channel mean (0.286)`.
    ///
    /// # Errors
    /// As [`image`](Fill::image).
    pub fn words(&self, image: &Tensor) -> Result<String> {
        Ok(match self {
            Fill::Value(value) => format!("value {}", number(*value)),
            Fill::Channels(values) => format!("normalised value {}", few(values)),
            Fill::Blur { sigma } => format!("blur, sigma {} px", number(*sigma)),
            Fill::ChannelMean => {
                let filled = self.image(image)?;
                let first = || {
                    let corner = filled
                        .f_select(3, 0)?
                        .f_select(2, 0)?
                        .f_to_device(Device::Cpu)?
                        .f_to_kind(Kind::Double)?;
                    Vec::<f64>::try_from(&corner.f_reshape([-1])?)
                };
                let means = first().context(|| "means of the channels".to_owned())?;
                format!("channel mean ({})", few(&means))
            }
        })
    }
}

/// The values of the first channels.
fn few(values: &[f64]) -> String {
    let shown: Vec<String> = values.iter().take(4).map(|value| number(*value)).collect();
    let more = if values.len() > shown.len() { ", …" } else { "" };
    format!("{}{more}", shown.join(", "))
}

/// As a user writes it: `mean`, `blur` (5 px), `blur:2.5`, or a number that the model sees.
impl FromStr for Fill {
    type Err = Error;

    fn from_str(text: &str) -> Result<Fill> {
        let unknown = || {
            let why =
                format!("`{text}` found; `mean`, `blur`, `blur:SIGMA` (in pixels) or a number expected");
            Error::invalid("fill", why)
        };
        let number = |text: &str| text.parse().ok().filter(|value: &f64| value.is_finite());
        match text {
            "mean" => Ok(Fill::ChannelMean),
            "blur" => Ok(Fill::Blur { sigma: SIGMA }),
            _ => match text.strip_prefix("blur:") {
                Some(sigma) => {
                    let sigma = number(sigma).filter(|sigma| *sigma > 0.0);
                    sigma.map(|sigma| Fill::Blur { sigma }).ok_or_else(unknown)
                }
                None => number(text).map(Fill::Value).ok_or_else(unknown),
            },
        }
    }
}

fn refuse(what: &str, found: f64, expected: &str) -> Error {
    Error::invalid("fill", format!("{what} {found} found; {expected} expected"))
}

/// Along the rows, then along the columns: a Gaussian is the product of both.
fn blur(image: &Tensor, sigma: f64) -> Result<Tensor, TchError> {
    let radius = (WIDTH_IN_SIGMAS * sigma).ceil().max(1.0) as i64;
    let weights: Vec<f64> = (-radius..=radius).map(|x| (-0.5 * (x as f64 / sigma).powi(2)).exp()).collect();
    let sum: f64 = weights.iter().sum();
    let weights: Vec<f64> = weights.iter().map(|weight| weight / sum).collect();
    let kernel = Tensor::f_from_slice(&weights)?.f_to_kind(image.kind())?.f_to_device(image.device())?;
    let channels = image.size()[1];
    let along = |image: &Tensor, shape: [i64; 2], padding: [i64; 4]| {
        let kernel = kernel.f_reshape([1, 1, shape[0], shape[1]])?.f_repeat([channels, 1, 1, 1])?;
        image.f_replication_pad2d(padding)?.f_conv2d(&kernel, None::<&Tensor>, 1, 0, 1, channels)
    };
    let rows = along(image, [1, 2 * radius + 1], [radius, radius, 0, 0])?;
    along(&rows, [2 * radius + 1, 1], [0, 0, radius, radius])
}
