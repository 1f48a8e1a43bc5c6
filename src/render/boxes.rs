//! Boxes with labels on a picture, such as a detector's.

use super::{
    canvas::{Canvas, Rect, Rgb},
    colormap::contrast,
    text::{self, Font},
};
use crate::{
    error::{Error, Result},
    summary::Image,
};

/// A rectangle on a picture, in its pixels: 0 is the left or upper edge of the picture, its width or height the other.
/// So `(0, 0, width, height)` is all of it, and the pixel at the upper left is `(0, 0, 1, 1)`.
///
/// ```
/// use convscope::render::BoundingBox;
///
/// let cat = BoundingBox::new(3.0, 4.5, 20.0, 17.0).label("cat 0.97").class(2);
/// assert_eq!(cat.label.as_deref(), Some("cat 0.97"));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct BoundingBox {
    /// Left edge.
    pub x_min: f64,
    /// Upper edge.
    pub y_min: f64,
    /// Right edge, not left of `x_min`.
    pub x_max: f64,
    /// Lower edge, not above `y_min`.
    pub y_max: f64,
    /// What is written at the box. Latin-1 characters can be shown, others become `?`; long ones lose their middle.
    pub label: Option<String>,
    /// The colour.
    pub color: BoxColor,
}

/// The colour of a [`BoundingBox`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BoxColor {
    /// One of ten colours that are easy to tell apart: that of the number modulo 10.
    Class(usize),
    /// Red, green, blue.
    Rgb([u8; 3]),
}

impl BoundingBox {
    /// A box without a label, in the colour of class 0.
    pub fn new(x_min: f64, y_min: f64, x_max: f64, y_max: f64) -> BoundingBox {
        BoundingBox { x_min, y_min, x_max, y_max, label: None, color: BoxColor::Class(0) }
    }

    /// The box with this label.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> BoundingBox {
        self.label = Some(label.into());
        self
    }

    /// The box in the colour of a class.
    #[must_use]
    pub fn class(mut self, class: usize) -> BoundingBox {
        self.color = BoxColor::Class(class);
        self
    }

    /// The box in a colour: red, green, blue.
    #[must_use]
    pub fn rgb(mut self, color: [u8; 3]) -> BoundingBox {
        self.color = BoxColor::Rgb(color);
        self
    }

    fn check(&self, number: usize) -> Result<()> {
        let BoundingBox { x_min, y_min, x_max, y_max, .. } = *self;
        let refuse = |why: &str| {
            let what = format!("box {number}");
            Err(Error::invalid(what, format!("x {x_min} to {x_max}, y {y_min} to {y_max}: {why}")))
        };
        if [x_min, y_min, x_max, y_max].iter().any(|edge| !edge.is_finite()) {
            return refuse("an edge is not a number of pixels");
        }
        if x_min > x_max || y_min > y_max {
            return refuse("the minimum lies behind the maximum; boxes are x_min, y_min, x_max, y_max");
        }
        Ok(())
    }

    pub(super) fn ink(&self) -> Rgb {
        match self.color {
            BoxColor::Class(class) => {
                let colors = colorous::TABLEAU10;
                colors[class % colors.len()].as_array()
            }
            BoxColor::Rgb(color) => color,
        }
    }
}

/// Width of a picture on a card of TensorBoard, which leaves out lines of pixels of wider ones.
const CARD: usize = 350;
/// Enlarged pictures are not higher than this.
const MAX_HEIGHT: usize = 1000;

/// Draws boxes on a picture, the first at the back. Each has a line that is seen on any ground and, where it has a
/// label, a plate with it: above the box where there is room and no other plate, else below or inside.
///
/// A card of TensorBoard is 350 pixels wide. Pictures that fit into it twice or more are enlarged by a whole factor, so
/// that there is room for letters; on wider ones lines and letters are larger. What lies outside of the picture is cut
/// off there; of a box that lies wholly outside, a line at the edge remains.
///
/// # Errors
/// An edge that is not finite and a minimum that is larger than its maximum, with the number of the box, from 0.
///
/// ```
/// use convscope::{Image, render::{BoundingBox, draw_boxes}};
///
/// let image = Image::gray(400, 300, vec![128; 400 * 300])?;
/// let drawn = draw_boxes(&image, &[BoundingBox::new(50.0, 80.0, 150.0, 200.0).label("cat").rgb([255, 0, 0])])?;
/// assert_eq!((drawn.width(), drawn.height(), drawn.channels()), (400, 300, 3));
///
/// let error = draw_boxes(&image, &[BoundingBox::new(50.0, 80.0, 40.0, 200.0)]).unwrap_err();
/// assert!(error.to_string().starts_with("box 0: x 50 to 40, y 80 to 200: "));
/// # Ok::<(), convscope::Error>(())
/// ```
pub fn draw_boxes(image: &Image, boxes: &[BoundingBox]) -> Result<Image> {
    boxes.iter().enumerate().try_for_each(|(number, item)| item.check(number))?;
    let (columns, rows) = (image.width() as usize, image.height() as usize);
    let zoom = (CARD / columns).min(MAX_HEIGHT / rows).max(1);
    let mut canvas = Canvas::from_image(image, zoom)?;
    let (width, height) = canvas.sides();
    let pen = Pen { scale: width.div_ceil(CARD), font: Font::Small };
    let rects: Vec<Rect> = boxes.iter().map(|item| on_canvas(item, zoom as f64, (width, height))).collect();
    for (item, rect) in boxes.iter().zip(&rects) {
        pen.frame(&mut canvas, *rect, item.ink());
    }
    // Plates come last: no line crosses a label.
    let mut plates = Vec::new();
    for (item, rect) in boxes.iter().zip(&rects) {
        if let Some(label) = item.label.as_deref().filter(|label| !label.is_empty()) {
            let plate = pen.plate(label, item.ink(), width)?;
            let (plate_width, plate_height) = plate.sides();
            let place =
                place((plate_width * pen.scale, plate_height * pen.scale), *rect, (width, height), &plates);
            canvas.paste(&plate, (place.x, place.y), pen.scale);
            plates.push(place);
        }
    }
    canvas.into_image()
}

/// Edges in whole pixels of the canvas, inside of it.
fn on_canvas(item: &BoundingBox, zoom: f64, (width, height): (usize, usize)) -> Rect {
    let pixel = |edge: f64, side: usize| (edge * zoom).round().clamp(0.0, side as f64) as usize;
    let (left, right) = (pixel(item.x_min, width), pixel(item.x_max, width));
    let (top, bottom) = (pixel(item.y_min, height), pixel(item.y_max, height));
    Rect::new(left, top, right - left, bottom - top)
}

/// How large lines and letters are.
pub(super) struct Pen {
    /// Pixels of the canvas per pixel of a card.
    pub scale: usize,
    /// Letters of the labels, in pixels of a card.
    pub font: Font,
}

impl Pen {
    /// A line of the box's colour, two pixels wide, between two thin ones that stand out from it. The outer one is the
    /// box's edge.
    fn frame(&self, canvas: &mut Canvas, rect: Rect, color: Rgb) {
        for inset in 0..4 * self.scale {
            let is_rim = inset < self.scale || inset >= 3 * self.scale;
            canvas.frame(shrink(rect, inset), if is_rim { contrast(color) } else { color });
        }
    }

    /// The label on the box's colour, in pixels of a card; cut where the picture is less wide.
    pub fn plate(&self, label: &str, color: Rgb, width: usize) -> Result<Canvas> {
        let room = (width / self.scale).saturating_sub(2 * PAD) / self.font.advance();
        let label = text::shorten(label, room.max(1));
        let mut plate = Canvas::new(self.font.measure(&label) + 2 * PAD, self.font.height() + 2, color)?;
        text::draw(&mut plate, (PAD, 1), &label, self.font, true, contrast(color));
        Ok(plate)
    }
}

/// Free pixels left and right of a label.
const PAD: usize = 3;

/// The rectangle without `inset` pixels on each side; a line where it is too small for that.
pub(super) fn shrink(rect: Rect, inset: usize) -> Rect {
    let (x, y) = (inset.min(rect.width / 2), inset.min(rect.height / 2));
    Rect::new(rect.x + x, rect.y + y, (rect.width - 2 * x).max(1), (rect.height - 2 * y).max(1))
}

/// Where a plate goes: above the box, below it, inside at its top or its foot, on the left or on the right: the first
/// place that is inside of the picture and free, else the first inside.
pub(super) fn place(
    (width, height): (usize, usize),
    rect: Rect,
    picture: (usize, usize),
    taken: &[Rect],
) -> Rect {
    let last = picture.0.saturating_sub(width);
    let at = |x: usize, y: usize| Rect::new(x.min(last), y, width, height);
    let foot = rect.y + rect.height;
    let above = rect.y.checked_sub(height);
    let below = Some(foot).filter(|y| y + height <= picture.1);
    let top = Some(rect.y).filter(|y| y + height <= picture.1);
    let bottom = foot.checked_sub(height);
    let right = (rect.x + rect.width).saturating_sub(width);
    let places: Vec<Rect> = [rect.x, right]
        .into_iter()
        .flat_map(|x| [above, below, top, bottom].into_iter().flatten().map(move |y| at(x, y)))
        .collect();
    let free = places.iter().find(|place| !taken.iter().any(|other| overlap(place, other)));
    free.or(places.first()).copied().unwrap_or_else(|| at(rect.x, 0))
}

fn overlap(a: &Rect, b: &Rect) -> bool {
    a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height
}
