//! What the units of a map see along one axis, and how layers change it.

use std::ops::Range;

use super::support::Support;

/// The receptive field of a layer's units along one axis: [`ReceptiveField`](super::ReceptiveField) has one for the
/// rows and one for the columns.
///
/// Unit `u` sees pixels from `u * stride - padding` on, `size` of them with the holes between them.
///
/// ```
/// use convscope::arch::{Conv2d, ModelSpec};
///
/// // Two taps, two pixels apart: a hole between them.
/// let spec = ModelSpec::builder("hole", [1, 9, 9]).layer("conv", Conv2d::new(1, 2).dilation(2)).build()?;
/// let fields = spec.receptive_fields()?;
/// let rows = &fields.get("conv").expect("a layer of the model").rows;
/// assert_eq!((rows.size, rows.stride, rows.padding), (3, Some(1), Some(0)));
/// assert_eq!((rows.center(), rows.density), (Some(1.0), Some(2.0 / 3.0)));
/// assert_eq!(rows.support().expect("few holes").collect::<Vec<_>>(), [0, 2]);
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct AxisField {
    /// Pixels from the first to the last one seen, 1 or more. 0 only if `stride` is `None` and no unit sees any pixel
    /// of the image, but padding alone.
    pub size: i64,
    /// Pixels between the fields of neighbouring units. `None` behind layers whose units all see the same pixels
    /// (global pooling, linear): the field is then the union of those of all units of the layer's input, as if maps had
    /// no borders, within the image: an upper bound.
    pub stride: Option<i64>,
    /// How far the field of unit 0 reaches beyond the image's start; negative if it begins inside. `None` where that
    /// depends on the image's size and the size is not known.
    pub padding: Option<i64>,
    /// Whether all paths from the image to a unit have the same centre. Where paths that are joined differ, it is false
    /// there and in all layers behind. Paths of unknown padding are not compared.
    pub aligned: bool,
    /// Share of the `size` pixels that are seen, 0 to 1: below 1, dilation or strides larger than kernels leave
    /// holes. `None` where it is not known: paths of unknown padding were joined, or the set has too many holes to
    /// hold (more than 2,000 separate pieces).
    pub density: Option<f64>,
    /// Whether a unit away from the borders sees all that the other fields say. False behind an adaptive pooling with
    /// regions of different sizes (8 units to 7): all units are then taken to see everything, and `size` is an upper
    /// bound.
    pub exact: bool,
    /// Twice the smallest and the largest centre of a path to unit 0. `None` where places are not known, or all units
    /// see the same.
    centers: Option<[i64; 2]>,
    /// The pixels seen, relative to the first one of the field.
    support: Option<Support>,
}

impl AxisField {
    /// The image itself: every pixel sees itself.
    pub(super) fn image() -> AxisField {
        AxisField {
            size: 1,
            stride: Some(1),
            padding: Some(0),
            aligned: true,
            density: Some(1.0),
            exact: true,
            centers: Some([0, 0]),
            support: Some(Support::run(0, 1)),
        }
    }

    /// The centre of unit 0's field as a pixel's index, (size - 1) / 2 - padding: whole or half. Unit `u` has its
    /// centre `u * stride` further.
    pub fn center(&self) -> Option<f64> {
        Some((self.size - 1) as f64 / 2.0 - self.padding? as f64)
    }

    /// The pixels that a unit sees, as offsets from the first pixel of its field, in order. `None` where they are not
    /// known, as for [`density`](AxisField::density).
    pub fn support(&self) -> Option<impl Iterator<Item = i64> + '_> {
        self.support.as_ref().map(|support| support.runs().iter().flat_map(|run| run.start..run.end))
    }

    /// How far the outermost centres of paths are apart, in pixels: 0 if [`aligned`](AxisField::aligned). `None` where
    /// centres are not known or all units see the same.
    pub fn misalignment(&self) -> Option<f64> {
        self.centers.map(|[least, most]| (most - least) as f64 / 2.0)
    }

    /// From the first pixel that unit `unit` sees to the one after the last. `None` if the padding is not known, or
    /// an `i64` cannot count so far. Behind a layer that sees everything, all units see the same.
    pub fn unit_range(&self, unit: i64) -> Option<Range<i64>> {
        let start = self.start(unit)?;
        Some(start..start.checked_add(self.size)?)
    }

    fn start(&self, unit: i64) -> Option<i64> {
        unit.checked_mul(self.stride.unwrap_or(0))?.checked_sub(self.padding?)
    }

    /// Behind a window of `kernel` taps, each `dilation` units from the last, that moves by `stride` units and begins
    /// `before` units before the first one (`None`: not known). `None` on overflow.
    pub(super) fn slide(
        &self,
        kernel: i64,
        stride: i64,
        dilation: i64,
        before: Option<i64>,
    ) -> Option<AxisField> {
        let Some(own) = self.stride else { return Some(self.clone()) };
        let spacing = if kernel == 1 { 0 } else { dilation.checked_mul(own)? };
        let growth = (kernel - 1).checked_mul(spacing)?;
        let shift = match before {
            Some(before) => Some(before.checked_mul(own)?),
            None => None,
        };
        let padding = sum(self.padding, shift)?;
        let centers = match (self.centers, shift) {
            (Some(centers), Some(shift)) => Some(moved(centers, growth.checked_sub(shift.checked_mul(2)?)?)?),
            _ => None,
        };
        let size = self.size.checked_add(growth)?;
        let stride = Some(own.checked_mul(stride)?);
        if growth == 0 {
            return Some(AxisField { stride, padding, centers, ..self.clone() });
        }
        let support = self.support.as_ref().and_then(|support| support.spread(kernel, spacing));
        Some(AxisField { size, stride, padding, centers, density: None, support, ..*self }.counted())
    }

    /// Behind a layer whose units all see everything that the `units` units before it see, within an image of
    /// `length` pixels: from the first to the last of these pixels, or of their hull if there are too many holes.
    /// `None` on overflow; the padding must be known.
    pub(super) fn everything(&self, units: i64, length: i64) -> Option<AxisField> {
        let Some(stride) = self.stride else { return Some(self.clone()) };
        let (first, last) = (self.start(0)?, self.unit_range(units - 1)?);
        let seen = self
            .support
            .as_ref()
            .and_then(|support| Some(support.spread(units, stride)?.shift(first)?.clip(0, length)));
        let Range { start, end } = match &seen {
            Some(seen) => seen.hull(),
            None => first.max(0)..last.end.min(length),
        };
        let everything = AxisField {
            size: (end - start).max(0),
            stride: None,
            padding: Some(if start < end { -start } else { 0 }),
            aligned: self.aligned,
            density: None,
            exact: self.exact,
            centers: None,
            support: seen.filter(|_| start < end).and_then(|seen| seen.shift(-start)),
        };
        Some(everything.counted())
    }

    /// Behind a layer whose units see no more than [`everything`](AxisField::everything), and most of them less.
    pub(super) fn at_most_everything(&self, units: i64, length: i64) -> Option<AxisField> {
        let exact = self.exact && self.stride.is_none();
        Some(AxisField { exact, ..self.everything(units, length)? })
    }

    /// Where this field and `other`, of equal stride, meet at an add or concat: what either sees. `None` on overflow.
    pub(super) fn union(&self, other: &AxisField) -> Option<AxisField> {
        let aligned = self.aligned && other.aligned;
        let exact = self.exact && other.exact;
        match [self, other] {
            [_, nothing] if nothing.size == 0 => return Some(AxisField { aligned, exact, ..self.clone() }),
            [nothing, _] if nothing.size == 0 => return Some(AxisField { aligned, exact, ..other.clone() }),
            _ => {}
        }
        let (Some(a), Some(b)) = (self.start(0), other.start(0)) else {
            // Their places are not known: at least the larger one is seen.
            return Some(AxisField {
                size: self.size.max(other.size),
                stride: self.stride,
                padding: None,
                aligned,
                density: None,
                exact,
                centers: None,
                support: None,
            });
        };
        let start = a.min(b);
        let end = a.checked_add(self.size)?.max(b.checked_add(other.size)?);
        let from = |field: &AxisField, own: i64| field.support.as_ref()?.shift(own.checked_sub(start)?);
        let support = from(self, a).and_then(|support| support.union(&from(other, b)?));
        let centers = match (self.centers, other.centers) {
            (Some(a), Some(b)) => Some([a[0].min(b[0]), a[1].max(b[1])]),
            _ => None,
        };
        let aligned = aligned && centers.is_none_or(|[least, most]| least == most);
        Some(
            AxisField {
                size: end.checked_sub(start)?,
                stride: self.stride,
                padding: Some(start.checked_neg()?),
                aligned,
                density: None,
                exact,
                centers,
                support,
            }
            .counted(),
        )
    }

    /// With the density of its support.
    fn counted(mut self) -> AxisField {
        self.density = self.support.as_ref().map(|support| support.count() as f64 / self.size as f64);
        self
    }
}

/// The sum of what is known: the outer `None` is overflow, the inner one "not known".
fn sum(a: Option<i64>, b: Option<i64>) -> Option<Option<i64>> {
    match (a, b) {
        (Some(a), Some(b)) => a.checked_add(b).map(Some),
        _ => Some(None),
    }
}

fn moved([least, most]: [i64; 2], by: i64) -> Option<[i64; 2]> {
    Some([least.checked_add(by)?, most.checked_add(by)?])
}
