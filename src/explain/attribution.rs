//! What every attribution method returns.

use serde_json::{Map, Value, json};

use crate::error::{Error, Result};

/// How much each value of an image has to do with a class: the result of one method for one image.
///
/// ```
/// use convscope::explain::{Attribution, Reduce, Sign};
///
/// let values = vec![1.0, -3.0, 0.5, 2.0]; // two channels of one row and two columns
/// let attribution = Attribution::new("saliency", 7, values, [2, 1, 2], Sign::Signed)?;
/// assert_eq!(attribution.per_pixel(Reduce::MaxAbs), [1.0, 3.0]);
/// assert_eq!(attribution.per_pixel(Reduce::Sum), [1.5, -1.0]);
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Attribution {
    /// The method, as in [`Study::name`](super::Study::name).
    pub method: &'static str,
    /// The class whose score is explained.
    pub class: i64,
    /// The map's values, channel by channel, row by row.
    pub values: Vec<f32>,
    /// Channels, rows and columns of the map. It may be coarser than the image: a map of Grad-CAM has the layer's size.
    pub shape: [usize; 3],
    /// Whether the sign says something.
    pub sign: Sign,
    /// What a value is, for the legend: `d logit / d pixel`.
    pub unit: String,
    /// Settings in words, for the picture: `patch 4x4`, `stride 2`.
    pub settings: Vec<String>,
    /// What was measured beside the map, by name, for the picture and as scalars: `completeness_error`.
    pub measures: Vec<(&'static str, f64)>,
    /// What a reader must know before believing the map.
    pub warning: Option<String>,
    /// What the raw values hold beside the map, by name: of occlusion the patches, and what each of them changes.
    pub details: Map<String, Value>,
}

/// Whether the sign of an attribution says something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// Positive speaks for the class, negative against it.
    Signed,
    /// As [`Signed`](Sign::Signed) the other way round: negative speaks for the class. The lecture's occlusion map.
    Reversed,
    /// Magnitudes from 0.
    Magnitude,
}

/// How the channels of a pixel become one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reduce {
    /// The largest magnitude (Simonyan et al. 2014, section 3.1).
    MaxAbs,
    /// The sum of magnitudes.
    SumAbs,
    /// The sum, with its sign: keeps completeness.
    Sum,
}

impl Attribution {
    /// An attribution without settings and measures.
    ///
    /// # Errors
    /// Another number of values than the shape has, or an empty side.
    pub fn new(
        method: &'static str,
        class: i64,
        values: Vec<f32>,
        shape: [usize; 3],
        sign: Sign,
    ) -> Result<Attribution> {
        if shape.contains(&0) || values.len() != shape.iter().product::<usize>() {
            return Err(Error::invalid(
                format!("attribution `{method}`"),
                format!("{} values found for shape {shape:?} (channels, rows, columns)", values.len()),
            ));
        }
        let (unit, settings, measures, warning) = (String::new(), Vec::new(), Vec::new(), None);
        let details = Map::new();
        Ok(Attribution { method, class, values, shape, sign, unit, settings, measures, warning, details })
    }

    /// One number a pixel, row by row.
    pub fn per_pixel(&self, reduce: Reduce) -> Vec<f32> {
        let [channels, height, width] = self.shape;
        let pixels = height * width;
        let of_channels =
            |pixel: usize| (0..channels).map(move |channel| self.values[channel * pixels + pixel]);
        let reduced = |pixel| match reduce {
            // NaN stays NaN: `f32::max` would hide it.
            Reduce::MaxAbs => of_channels(pixel)
                .map(f32::abs)
                .fold(0.0, |most: f32, value| if value > most || value.is_nan() { value } else { most }),
            Reduce::SumAbs => of_channels(pixel).map(|value| f64::from(value.abs())).sum::<f64>() as f32,
            Reduce::Sum => of_channels(pixel).map(f64::from).sum::<f64>() as f32,
        };
        (0..pixels).map(reduced).collect()
    }

    /// The map that is drawn and compared: signed ones summed over channels, magnitudes by their maximum.
    pub fn map(&self) -> Vec<f32> {
        self.per_pixel(match self.sign {
            Sign::Magnitude => Reduce::MaxAbs,
            Sign::Signed | Sign::Reversed => Reduce::Sum,
        })
    }

    /// How much each pixel speaks for the class, larger is more: the order in which pixels are deleted and inserted.
    pub fn importance(&self) -> Vec<f32> {
        let mut map = self.map();
        if self.sign == Sign::Reversed {
            map.iter_mut().for_each(|value| *value = -*value);
        }
        map
    }

    /// A measured number by its name.
    pub fn measure(&self, name: &str) -> Option<f64> {
        self.measures.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }

    /// Raw values and settings. Numbers that are not finite become strings, `"NaN"` and `"inf"`.
    pub fn to_json(&self) -> Value {
        let measures: Map<String, Value> =
            self.measures.iter().map(|(name, value)| ((*name).to_owned(), number(*value))).collect();
        let mut json = json!({
            "method": self.method,
            "class": self.class,
            "shape": self.shape,
            "values": numbers(&self.values),
            "unit": self.unit,
            "settings": self.settings,
            "measures": measures,
            "warning": self.warning,
        });
        if !self.details.is_empty() {
            json["details"] = Value::Object(self.details.clone());
        }
        json
    }
}

/// A number as JSON, which has no NaN: those become strings.
pub(super) fn number(value: f64) -> Value {
    if value.is_finite() { json!(value) } else { Value::String(value.to_string()) }
}

/// Single-precision numbers as JSON.
pub(super) fn numbers(values: &[f32]) -> Value {
    Value::Array(values.iter().map(|value| number(f64::from(*value))).collect())
}
