//! The receptive field of a layer's units.

use super::{axis::AxisField, pixel_box::PixelBox};

/// Which pixels the units of a layer can see, as if image and padding had no end: the field of every unit is the one
/// of unit (0, 0), moved. Pairs are `[rows, columns]`: height first, then width.
///
/// See [`ReceptiveFields`](super::ReceptiveFields) for the definition and for how to get one.
///
/// ```
/// use convscope::arch::{Conv2d, MaxPool2d, ModelSpec, PixelBox};
///
/// let spec = ModelSpec::builder("two", [3, 32, 32])
///     .layer("conv", Conv2d::new(8, 5).padding(2))
///     .layer("pool", MaxPool2d::new(2))
///     .build()?;
/// let fields = spec.receptive_fields()?;
/// let pool = fields.get("pool").expect("a layer of the model");
/// assert_eq!((pool.size(), pool.stride(), pool.padding()), ([6, 6], Some([2, 2]), Some([2, 2])));
/// assert_eq!(pool.unit_box(0, 1), Some(PixelBox { top: -2, left: 0, bottom: 4, right: 6 }));
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ReceptiveField {
    /// Along the height.
    pub rows: AxisField,
    /// Along the width.
    pub columns: AxisField,
}

impl ReceptiveField {
    pub(super) fn image() -> ReceptiveField {
        ReceptiveField { rows: AxisField::image(), columns: AxisField::image() }
    }

    /// Height and width in pixels, with the holes.
    pub fn size(&self) -> [i64; 2] {
        [self.rows.size, self.columns.size]
    }

    /// Pixels between the fields of neighbouring units. `None` if along the height or the width all units see the same.
    pub fn stride(&self) -> Option<[i64; 2]> {
        Some([self.rows.stride?, self.columns.stride?])
    }

    /// How far the field of unit (0, 0) reaches beyond the image's top and left. `None` if that is not known without
    /// the image's size.
    pub fn padding(&self) -> Option<[i64; 2]> {
        Some([self.rows.padding?, self.columns.padding?])
    }

    /// The centre of unit (0, 0)'s field as row and column of a pixel, whole or half. `None` as for
    /// [`padding`](ReceptiveField::padding).
    pub fn center(&self) -> Option<[f64; 2]> {
        Some([self.rows.center()?, self.columns.center()?])
    }

    /// Whether all paths from the image to a unit have the same centre, along both axes.
    pub fn aligned(&self) -> bool {
        self.rows.aligned && self.columns.aligned
    }

    /// The density of the axis that has the smaller one: below 1 there are holes (gridding). `None` if that of an axis
    /// is not known.
    pub fn density(&self) -> Option<f64> {
        Some(self.rows.density?.min(self.columns.density?))
    }

    /// Whether the field is all that an axis says it is, along both axes: see [`AxisField::exact`].
    pub fn exact(&self) -> bool {
        self.rows.exact && self.columns.exact
    }

    /// Whether every unit sees what all units of a layer before it see together: behind global pooling, linear and
    /// flatten. Behind an adaptive pooling with regions of different sizes it is taken to, and
    /// [`exact`](ReceptiveField::exact) is false.
    pub fn sees_everything(&self) -> bool {
        self.rows.stride.is_none() && self.columns.stride.is_none()
    }

    /// The pixels between the first and the last that unit (`y`, `x`) sees. The box may leave the image:
    /// [`PixelBox::clip`] cuts it. `None` if the padding is not known, or an `i64` cannot count so far.
    pub fn unit_box(&self, y: i64, x: i64) -> Option<PixelBox> {
        let (rows, columns) = (self.rows.unit_range(y)?, self.columns.unit_range(x)?);
        Some(PixelBox { top: rows.start, left: columns.start, bottom: rows.end, right: columns.end })
    }
}
