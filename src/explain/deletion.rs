//! Deletion and insertion: does the answer fall when the important pixels go, and rise when they come?

use tch::Tensor;

use super::{
    attribution::Attribution,
    classifier::Classifier,
    fill::{Fill, SIGMA},
    planes::{Planes, answers},
};
use crate::{
    error::{Error, Result},
    tch_context::TchContext as _,
};

/// Points of a curve beside the first one.
const STEPS: usize = 32;
/// Random orders that are averaged.
const ORDERS: usize = 4;

/// The curves of [Petsiuk, Das and Saenko (2018)](https://arxiv.org/abs/1806.07421), "RISE: Randomized Input Sampling for
/// Explanation of Black-box Models", section 4.1: the probability of the class while pixels are **deleted** in the order of
/// a map, most important first, and while they are **inserted** into a blurred image in the same order.
///
/// A good map has a small area under the deletion curve and a large one under the insertion curve. Neither area says
/// anything alone, as it depends on the image: they are compared with those of random orders.
///
/// Deleted pixels get the [fill](Fill::ChannelMean) of the image's channel means (the paper: 0 behind the normalisation),
/// inserted ones come into the image blurred with a standard deviation of 5 px. A pixel is deleted in all channels.
///
/// ```
/// use convscope::explain::{Attribution, Classifier, DeletionInsertion, Fill, Sign};
/// use tch::{Kind, Tensor};
///
/// // Two classes; the first one's logit is the sum of the left column.
/// let weight = Tensor::from_slice(&[3.0f32, 0.0, 3.0, 0.0, 0.0, 0.0, 0.0, 0.0]).reshape([2, 4]);
/// let classifier = Classifier::new(|images| Ok(images.flatten(1, -1).linear(&weight, None::<&Tensor>)));
/// let image = Tensor::ones([1, 1, 2, 2], (Kind::Float, tch::Device::Cpu));
///
/// let map = Attribution::new("by hand", 0, vec![1.0, 0.0, 1.0, 0.0], [1, 2, 2], Sign::Signed)?;
/// let method = DeletionInsertion::new().steps(4).fill(Fill::Value(0.0)).start(Fill::Value(0.0));
/// let score = method.compare(&classifier, &image, &map)?;
/// assert!(score.map.deletion_area() < score.random.deletion_area());
/// assert!(score.map.insertion_area() > score.random.insertion_area());
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct DeletionInsertion {
    steps: usize,
    fill: Fill,
    start: Fill,
    orders: usize,
    seed: u64,
}

/// The probability of a class over the share of the pixels that were deleted and inserted.
#[derive(Debug, Clone, PartialEq)]
pub struct DeletionCurves {
    /// Shares of the pixels, from 0 to 1, rising.
    pub shares: Vec<f64>,
    /// Probability with this share of the pixels deleted, 0 to 1.
    pub deletion: Vec<f64>,
    /// Probability with this share of the pixels inserted, 0 to 1.
    pub insertion: Vec<f64>,
}

/// The curves of a map beside those of no map.
#[derive(Debug, Clone, PartialEq)]
pub struct DeletionScore {
    /// In the order of the map.
    pub map: DeletionCurves,
    /// The mean over random orders.
    pub random: DeletionCurves,
}

impl DeletionCurves {
    /// Area under the deletion curve, 0 to 1, by the trapezoidal rule; smaller is better.
    pub fn deletion_area(&self) -> f64 {
        area(&self.shares, &self.deletion)
    }

    /// Area under the insertion curve, 0 to 1, by the trapezoidal rule; larger is better.
    pub fn insertion_area(&self) -> f64 {
        area(&self.shares, &self.insertion)
    }
}

impl DeletionScore {
    /// By how much the area under the deletion curve is smaller than that of random orders, -1 to 1; above 0 is better
    /// than chance.
    pub fn deletion_gain(&self) -> f64 {
        self.random.deletion_area() - self.map.deletion_area()
    }

    /// By how much the area under the insertion curve is larger than that of random orders, -1 to 1; above 0 is better
    /// than chance.
    pub fn insertion_gain(&self) -> f64 {
        self.map.insertion_area() - self.random.insertion_area()
    }
}

impl Default for DeletionInsertion {
    fn default() -> DeletionInsertion {
        let (fill, start) = (Fill::ChannelMean, Fill::Blur { sigma: SIGMA });
        DeletionInsertion { steps: STEPS, fill, start, orders: ORDERS, seed: 0 }
    }
}

impl DeletionInsertion {
    /// 32 steps, 4 random orders, seed 0.
    pub fn new() -> DeletionInsertion {
        DeletionInsertion::default()
    }

    /// How many times pixels are deleted: each curve costs one image more than that. An image of fewer pixels has as many
    /// steps as pixels.
    #[must_use]
    pub fn steps(mut self, steps: usize) -> DeletionInsertion {
        self.steps = steps;
        self
    }

    /// What deleted pixels show; the default is [`Fill::ChannelMean`].
    #[must_use]
    pub fn fill(mut self, fill: Fill) -> DeletionInsertion {
        self.fill = fill;
        self
    }

    /// What the image shows before pixels are inserted; the default is a [blur](Fill::Blur) of 5 px.
    #[must_use]
    pub fn start(mut self, start: Fill) -> DeletionInsertion {
        self.start = start;
        self
    }

    /// How many random orders are averaged; the default is 4.
    #[must_use]
    pub fn orders(mut self, orders: usize) -> DeletionInsertion {
        self.orders = orders;
        self
    }

    /// Where the random numbers begin; the default is 0.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> DeletionInsertion {
        self.seed = seed;
        self
    }

    /// The curves of a map and those of random orders.
    ///
    /// # Errors
    /// As [`of_map`](DeletionInsertion::of_map) and [`of_random`](DeletionInsertion::of_random).
    pub fn compare(
        &self,
        classifier: &Classifier<'_>,
        image: &Tensor,
        attribution: &Attribution,
    ) -> Result<DeletionScore> {
        let map = self.of_map(classifier, image, attribution)?;
        Ok(DeletionScore { map, random: self.of_random(classifier, image, attribution.class)? })
    }

    /// The curves in the order of a map's [importance](Attribution::importance). A map that is coarser or finer than the
    /// image is interpolated bilinearly. Pixels of equal importance come in random order, those without a number last.
    ///
    /// # Errors
    /// What the model refuses; an image that is not one; no steps.
    pub fn of_map(
        &self,
        classifier: &Classifier<'_>,
        image: &Tensor,
        attribution: &Attribution,
    ) -> Result<DeletionCurves> {
        let [_, rows, columns] = attribution.shape;
        let sides = Planes::of(image)?.sides();
        let importance = resized(&attribution.importance(), [rows, columns], sides);
        let mut order = self.random_order(importance.len(), 0);
        let last = |value: f32| if value.is_nan() { f32::NEG_INFINITY } else { value };
        order.sort_by(|&a, &b| last(importance[b]).total_cmp(&last(importance[a])));
        self.of_order(classifier, image, attribution.class, &order)
    }

    /// The mean of the curves of random orders. They depend on image and class alone: the same for all maps.
    ///
    /// # Errors
    /// What the model refuses; an image that is not one; no steps, no orders.
    pub fn of_random(
        &self,
        classifier: &Classifier<'_>,
        image: &Tensor,
        class: i64,
    ) -> Result<DeletionCurves> {
        let pixels = Planes::of(image)?.pixels();
        let curves = (0..self.orders)
            .map(|number| {
                self.of_order(classifier, image, class, &self.random_order(pixels, number as u64 + 1))
            })
            .collect::<Result<Vec<_>>>()?;
        let first =
            curves.first().ok_or_else(|| Error::invalid("random orders", "0 found; give at least 1"))?;
        let mean = |curve: fn(&DeletionCurves) -> &Vec<f64>| {
            let at = |i| curves.iter().map(|one| curve(one)[i]).sum::<f64>() / curves.len() as f64;
            (0..first.shares.len()).map(at).collect()
        };
        Ok(DeletionCurves {
            shares: first.shares.clone(),
            deletion: mean(|curves| &curves.deletion),
            insertion: mean(|curves| &curves.insertion),
        })
    }

    /// The curves of any order: `order` has the place of each pixel, row by row, once.
    ///
    /// # Errors
    /// What the model refuses; an image that is not one; no steps; an order that is not one of the image's pixels.
    pub fn of_order(
        &self,
        classifier: &Classifier<'_>,
        image: &Tensor,
        class: i64,
        order: &[usize],
    ) -> Result<DeletionCurves> {
        let planes = Planes::of(image)?;
        let pixels = planes.pixels();
        let ranks = self.ranks(order, &planes)?;
        let steps = self.steps.min(pixels);
        let taken: Vec<i64> = (0..=steps).map(|step| (step * pixels / steps) as i64).collect();
        let deleted = self.fill.image(&planes.image)?;
        let start = self.start.image(&planes.image)?;
        let curve = |inside: &Tensor, outside: &Tensor| -> Result<Vec<f64>> {
            let mut probabilities = Vec::with_capacity(taken.len());
            for piece in taken.chunks(planes.at_a_time(classifier)?) {
                let counts = planes.column(piece)?;
                let images = tch::no_grad(|| inside.f_where_self(&ranks.f_lt_tensor(&counts)?, outside));
                let images =
                    planes.restore(&images.context(|| "images with pixels taken away".to_owned())?)?;
                probabilities.extend(
                    answers(classifier, &images, class)?.iter().map(|answer| answer.log_probability.exp()),
                );
            }
            Ok(probabilities)
        };
        Ok(DeletionCurves {
            shares: taken.iter().map(|&count| count as f64 / pixels as f64).collect(),
            deletion: curve(&deleted, &planes.image)?,
            insertion: curve(&planes.image, &start)?,
        })
    }

    /// `[1, 1, H, W]`: when each pixel's turn is.
    fn ranks(&self, order: &[usize], planes: &Planes) -> Result<Tensor> {
        let pixels = planes.pixels();
        let mut ranks = vec![-1i64; pixels];
        for (rank, &pixel) in order.iter().enumerate() {
            if let Some(place) = ranks.get_mut(pixel) {
                *place = rank as i64;
            }
        }
        if self.steps == 0 || order.len() != pixels || ranks.contains(&-1) {
            return Err(Error::invalid(
                "order of deletion",
                format!(
                    "{} places and {} steps found; each of the image's {pixels} pixels once and at least one step expected",
                    order.len(),
                    self.steps
                ),
            ));
        }
        let [rows, columns] = planes.sides().map(|side| side as i64);
        let on_device = || {
            Tensor::f_from_slice(&ranks)?.f_reshape([1, 1, rows, columns])?.f_to_device(planes.image.device())
        };
        on_device().context(|| "order of deletion".to_owned())
    }

    fn random_order(&self, pixels: usize, number: u64) -> Vec<usize> {
        let mut order: Vec<usize> = (0..pixels).collect();
        fastrand::Rng::with_seed(self.seed.wrapping_add(number)).shuffle(&mut order);
        order
    }
}

/// By the trapezoidal rule.
fn area(x: &[f64], y: &[f64]) -> f64 {
    x.windows(2).zip(y.windows(2)).map(|(x, y)| 0.5 * (x[1] - x[0]) * (y[0] + y[1])).sum()
}

/// A map of `from` rows and columns at the pixels of an image of `to`, bilinearly between the centres of its values, as
/// libtorch does with `align_corners = false`.
fn resized(map: &[f32], from: [usize; 2], to: [usize; 2]) -> Vec<f32> {
    if from == to {
        return map.to_vec();
    }
    // The two values beside a pixel, and the weight of the second.
    let beside = |pixel: usize, axis: usize| {
        let last = from[axis] - 1;
        let at = ((pixel as f64 + 0.5) * from[axis] as f64 / to[axis] as f64 - 0.5).clamp(0.0, last as f64);
        let before = at as usize;
        (before, (before + 1).min(last), (at - before as f64) as f32)
    };
    let columns: Vec<_> = (0..to[1]).map(|column| beside(column, 1)).collect();
    let mut resized = Vec::with_capacity(to[0] * to[1]);
    for row in 0..to[0] {
        let (above, below, down) = beside(row, 0);
        for &(left, right, across) in &columns {
            let in_row =
                |row: usize| (1.0 - across) * map[row * from[1] + left] + across * map[row * from[1] + right];
            resized.push((1.0 - down) * in_row(above) + down * in_row(below));
        }
    }
    resized
}
