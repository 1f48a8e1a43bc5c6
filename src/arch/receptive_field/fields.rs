//! The receptive fields of a model.

use std::collections::HashMap;

use super::{field::ReceptiveField, pixel_box::PixelBox, solve::solve};
use crate::{
    arch::{error::ModelError, nearby::did_you_mean, resolve::ResolvedModel, spec::ModelSpec},
    error::{Error, Result},
};

/// The theoretical receptive field of every layer: which pixels of the image can change the value of a unit.
///
/// Rows and columns do not depend on each other. Along one of them, unit u of a layer sees the pixels from
/// u · S - P on, r of them: `size` r, `stride` S and `padding` P as in Araujo, Norris, Sim: Computing Receptive Fields
/// of Convolutional Neural Networks (Distill, 2019). The image has r = S = 1 and P = 0. A convolution or pooling with
/// kernel k, stride s, dilation d (1: no holes, as in PyTorch) and padding p before the first unit makes of them
///
/// ```text
/// r + (k - 1) · d · S        S · s        P + p · S
/// ```
///
/// At an add or concat a unit sees what the units at its place in the branches see: the field reaches from the first
/// to the last of their pixels. The branches' strides must be equal; their centres should be, see
/// [`AxisField::aligned`](super::AxisField::aligned). Beside the reach there is the exact set of pixels, with the holes
/// that dilation and large strides leave: [`AxisField::support`](super::AxisField::support), and its share of the
/// reach, [`AxisField::density`](super::AxisField::density).
///
/// **The recursive formula** of textbooks is the special case of a chain of layers without dilation. With layers 1 to
/// L, the last one's field is
///
/// ```text
/// r = 1 + Σ (k_l - 1) · s_1 · … · s_(l-1)        over l from 1 to L
/// ```
///
/// or, from the last layer back to the image, r_(l-1) = s_l · r_l + (k_l - s_l) with r_L = 1. A dilated kernel counts
/// as one of d · (k - 1) + 1 taps.
///
/// | layers | a unit sees |
/// |---|---|
/// | `conv2d`, `max_pool2d`, `avg_pool2d`, `zero_pad2d` | its window, by the formula |
/// | `adaptive_avg_pool2d` | its region, where the output's size divides the input's |
/// | `global_avg_pool`, `linear`, `flatten`, `adaptive_avg_pool2d` to size 1 | everything |
/// | `adaptive_avg_pool2d` to other sizes | everything, which is more than it does: [`AxisField::exact`](super::AxisField::exact) is false |
/// | layers behind one that sees everything | the same, with the same `exact` |
/// | `add`, `concat` | the union; with a branch that sees everything: everything |
/// | all others | what their input's unit sees |
///
/// Asymmetric padding moves the window; padding `"same"` is worked out for the size of the map.
/// "Everything" is the union of the fields of all units of the input, as if maps had no borders, cut to the image: an
/// upper bound of what such a layer sees. A row that a window without padding leaves out is in it as soon as the
/// padding of a later layer reaches so far; [`ModelSpec::advice`] looks at the borders of every map.
/// An axis along which the input has a single unit passes through `flatten`
/// as it is, and so does any through an `adaptive_avg_pool2d` of equal size.
///
/// All this is a bound from the geometry. Units near the border see less, where paths lead through the padding of an
/// inner layer, and what a trained network makes of a pixel is another question. Batch normalisation couples the
/// images of a batch while training; that is not counted.
///
/// ```
/// use convscope::arch::{Conv2d, Layer, Linear, MaxPool2d, ModelSpec, PixelBox};
///
/// let spec = ModelSpec::builder("tiny", [3, 32, 32])
///     .layer("conv1", Conv2d::new(8, 3).padding(1))
///     .layer("pool1", MaxPool2d::new(2))
///     .layer("conv2", Conv2d::new(8, [1, 7]).padding([0, 3]))
///     .layer("pool2", Layer::GlobalAvgPool)
///     .layer("fc", Linear::new(10))
///     .build()?;
/// let fields = spec.receptive_fields()?;
///
/// let conv2 = fields.get("conv2").expect("a layer of the model");
/// assert_eq!(conv2.size(), [4, 16]); // columns: 1 + (3 - 1) + (2 - 1) + (7 - 1) * 2
/// assert_eq!((conv2.stride(), conv2.padding()), (Some([2, 2]), Some([1, 7])));
/// assert_eq!((conv2.center(), conv2.aligned(), conv2.density()), (Some([0.5, 0.5]), true, Some(1.0)));
///
/// let seen = fields.unit_box("conv2", 0, 15)?;
/// assert_eq!(seen, PixelBox { top: -1, left: 23, bottom: 3, right: 39 });
/// assert_eq!(seen.clip(32, 32), Some(PixelBox { top: 0, left: 23, bottom: 3, right: 32 }));
///
/// let fc = fields.get("fc").expect("a layer of the model");
/// assert!(fc.sees_everything());
/// assert_eq!((fc.size(), fc.stride()), ([32, 32], None));
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct ReceptiveFields {
    /// Height and width of the image. `None`: any.
    image: Option<[i64; 2]>,
    entries: Vec<Entry>,
    places: HashMap<String, usize>,
}

/// A layer's field, if it has one.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) name: String,
    /// Rows and columns of units. `None`: not known.
    pub(super) units: Option<[i64; 2]>,
    pub(super) field: Option<ReceptiveField>,
}

impl ReceptiveFields {
    pub(super) fn new(image: Option<[i64; 2]>, entries: Vec<Entry>) -> ReceptiveFields {
        let places = entries.iter().enumerate().map(|(place, entry)| (entry.name.clone(), place)).collect();
        ReceptiveFields { image, entries, places }
    }

    /// The fields of all layers.
    ///
    /// # Errors
    /// At an add or concat whose branches have different strides, both branches and strides (along an axis with a
    /// single unit they may differ); where strides, kernels or dilations make a field larger than can be counted, the
    /// layer.
    pub fn of(model: &ResolvedModel) -> Result<ReceptiveFields> {
        finished(solve(model, false))
    }

    /// The fields of all layers for images of any size: what [`of`](ReceptiveFields::of) says, as far as it does not
    /// depend on the size. The model must be sound at the size it states.
    ///
    /// Padding `"same"` depends on the size unless the stride or the dilated kernel is 1: `padding` is `None` from
    /// there on. Where such paths are joined, the size is that of the larger one, alignment is not checked, and the
    /// density is not known. Layers that see the image as a whole (linear, flatten, global and adaptive pooling) and
    /// those behind them have no field here.
    ///
    /// # Errors
    /// As [`of`](ReceptiveFields::of), and what is wrong with the model.
    ///
    /// ```
    /// use convscope::arch::{Conv2d, ModelSpec, Padding, ReceptiveFields};
    ///
    /// let spec = ModelSpec::builder("same", [3, 224, 224])
    ///     .layer("conv1", Conv2d::new(8, 3).padding(Padding::Same))
    ///     .layer("conv2", Conv2d::new(8, 3).padding(Padding::Same).stride(2))
    ///     .build()?;
    /// let fields = ReceptiveFields::of_any_size(&spec)?;
    /// let [conv1, conv2] = ["conv1", "conv2"].map(|layer| fields.get(layer).expect("no layer sees everything"));
    /// assert_eq!((conv1.size(), conv1.padding()), ([3, 3], Some([1, 1])));
    /// // With stride 2, an image of odd size gets one row above, of even size none.
    /// assert_eq!((conv2.size(), conv2.stride(), conv2.padding()), ([5, 5], Some([2, 2]), None));
    /// # Ok::<(), convscope::Error>(())
    /// ```
    pub fn of_any_size(model: &ModelSpec) -> Result<ReceptiveFields> {
        finished(solve(&model.resolve()?, true))
    }

    /// The fields of the layers that have one, and the first thing that stood in the way of others, as
    /// [`of`](ReceptiveFields::of) would report it.
    pub fn partial(model: &ResolvedModel) -> (ReceptiveFields, Option<Error>) {
        let (fields, defect) = solve(model, false);
        (fields, defect.map(Error::from))
    }

    /// Height and width of the images that the fields were solved for. `None` where they hold for
    /// [any size](ReceptiveFields::of_any_size).
    pub fn image_size(&self) -> Option<[i64; 2]> {
        self.image
    }

    /// The field of a layer. `None` if there is no such layer, or it has no field
    /// ([`partial`](ReceptiveFields::partial), [`of_any_size`](ReceptiveFields::of_any_size)).
    pub fn get(&self, layer: &str) -> Option<&ReceptiveField> {
        self.entries[*self.places.get(layer)?].field.as_ref()
    }

    /// Names and fields of the layers that have one, in the model's order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &ReceptiveField)> {
        self.entries.iter().filter_map(|entry| Some((entry.name.as_str(), entry.field.as_ref()?)))
    }

    /// The pixels between the first and the last that the unit in row `y` and column `x` of a layer's output sees. The
    /// box may leave the image: [`PixelBox::clip`] cuts it. The units of a vector are all at (0, 0).
    ///
    /// # Errors
    /// There is no such layer (with names like it), the layer has no such unit, or its field is not known.
    pub fn unit_box(&self, layer: &str, y: i64, x: i64) -> Result<PixelBox> {
        self.find_unit_box(layer, y, x)
            .map_err(|why| Error::invalid(format!("receptive field of layer `{layer}`"), why))
    }

    fn find_unit_box(&self, layer: &str, y: i64, x: i64) -> Result<PixelBox, String> {
        let Some(&place) = self.places.get(layer) else {
            let known = self.entries.iter().map(|entry| entry.name.as_str());
            return Err(format!("there is no such layer{}", did_you_mean(layer, known)));
        };
        let Entry { units, field, .. } = &self.entries[place];
        if let Some([height, width]) = units
            && !((0..*height).contains(&y) && (0..*width).contains(&x))
        {
            return Err(format!(
                "found unit ({y}, {x}), expected one of its {height}x{width}: rows 0 to {}, columns 0 to {}",
                height - 1,
                width - 1
            ));
        }
        if y < 0 || x < 0 {
            return Err(format!("found unit ({y}, {x}), expected rows and columns from 0 on"));
        }
        let field = field.as_ref().ok_or(
            "it is not known: the layer or one above it could not be solved, or sees all of an image of unknown size",
        )?;
        field.unit_box(y, x).ok_or_else(|| match field.padding() {
            None => {
                "its place depends on the image's size (padding \"same\"): solve the model at a size".into()
            }
            Some(_) => format!("unit ({y}, {x}) lies further than can be counted"),
        })
    }
}

fn finished((fields, defect): (ReceptiveFields, Option<ModelError>)) -> Result<ReceptiveFields> {
    match defect {
        None => Ok(fields),
        Some(defect) => Err(Error::from(defect)),
    }
}
