//! How much each pixel moves a unit, and how its field grows while training.

use super::{
    boxes::{BoundingBox, draw_boxes},
    canvas::{Canvas, Rgb},
    caption::Caption,
    colormap::{ColorMap, NON_FINITE},
    legend::{Legend, Mark},
    normalize::Range,
    page::{MARGIN, Page},
    shape,
    text::Font,
    tile::{self, Plane, Zoom},
};
use crate::{error::Result, summary::Image};

/// Pixels that do not move the unit: in no colour map, and paler than all of viridis but its end.
const UNMOVED: Rgb = [224, 224, 224];
/// Height and width of the largest map that is drawn as it is.
const LARGEST: (usize, usize) = (1000, 380);
/// Width of the picture.
const WIDTH: usize = 400;
/// Pixels that a frame's line takes.
const LINE: f64 = 4.0;

/// A picture of an effective receptive field: the map on a linear scale from 0 to its peak, with frames around its
/// parts. Pixels that are exactly 0 are pale grey, so that the shape of the field and its holes are seen.
///
/// `map` holds the magnitudes for `size` (height, width) pixels, row by row; `note` says of what. `frames` are drawn in
/// their colours, the first at the back, and their labels explain them in the legend; where an edge lies on one of an
/// earlier frame, it moves inwards by the width of the line. 400 pixels wide; maps of more than 380 columns or 1000 rows
/// are averaged over blocks.
///
/// # Errors
/// A size with an empty side or another number of values, a frame without extent.
///
/// ```
/// use convscope::{Step, render::{BoundingBox, Caption, effective_field}};
///
/// let profile = [0.0, 1.0, 2.0, 3.0, 2.0, 1.0, 0.0];
/// let map: Vec<f32> = profile.iter().flat_map(|row| profile.map(|column| row * column)).collect();
/// let frame = BoundingBox::new(1.0, 1.0, 6.0, 6.0).label("theoretical field: 5 x 5 pixels");
/// let caption = Caption { layer: "conv2", step: Step::new(938), epoch: Some(1) };
/// let image = effective_field(&map, [7, 7], "centre unit, mean over 4 images", &[frame], &caption)?;
/// assert_eq!(image.width(), 400);
/// # Ok::<(), convscope::Error>(())
/// ```
pub fn effective_field(
    map: &[f32],
    size: [usize; 2],
    note: &str,
    frames: &[BoundingBox],
    caption: &Caption<'_>,
) -> Result<Image> {
    let [height, width] = size;
    shape::check(
        &format!("effective field of layer `{}`", caption.layer),
        "1, 1, H, W",
        [1, 1, height, width],
        map.len(),
    )?;
    let zoom = Zoom { up: 1, down: height.div_ceil(LARGEST.0).max(width.div_ceil(LARGEST.1)) };
    let range = Range { lo: 0.0, hi: peak(map) };
    let body = framed(&heat(map, size, zoom, range)?, frames, zoom)?;
    let legend = legend(map, zoom, range, frames);
    let body = Canvas::from_image(&body, 1)?;
    let page = Page {
        caption,
        note,
        legend: Some(&legend),
        font: Font::Small,
        width: WIDTH.max(body.sides().0 + 2 * MARGIN),
        body: body.sides(),
    };
    let (mut canvas, origin) = page.open()?;
    canvas.paste(&body, origin, 1);
    canvas.into_image()
}

fn peak(map: &[f32]) -> f64 {
    map.iter().filter(|value| value.is_finite()).fold(0.0, |peak, &value| f64::from(value).max(peak))
}

/// The map in colours, one pixel a value or a block of them.
fn heat(map: &[f32], [height, width]: [usize; 2], zoom: Zoom, range: Range) -> Result<Image> {
    let plane = Plane::new(map, width);
    let mut canvas = Canvas::new(zoom.pixels(width), zoom.pixels(height), UNMOVED)?;
    tile::cells(&mut canvas, (0, 0), (height, width), zoom, |row, column| {
        match plane.cell(zoom, row, column) {
            0.0 => UNMOVED,
            value if value.is_finite() => ColorMap::Viridis.at(range.unit(value)),
            _ => NON_FINITE,
        }
    });
    canvas.into_image()
}

/// The heat map enlarged, with frames. Each is drawn on the picture of the one before, so that equal edges lie side by
/// side.
fn framed(heat: &Image, frames: &[BoundingBox], zoom: Zoom) -> Result<Image> {
    let mut drawn = draw_boxes(heat, &[])?;
    let scale = f64::from(drawn.width()) / f64::from(heat.width()) / zoom.down as f64;
    let mut taken: Vec<BoundingBox> = Vec::new();
    for frame in frames {
        let mut frame = BoundingBox { label: None, ..frame.clone() };
        for edge in [&mut frame.x_min, &mut frame.y_min, &mut frame.x_max, &mut frame.y_max] {
            *edge *= scale;
        }
        let inset = |edge: fn(&BoundingBox) -> f64| {
            LINE * taken.iter().filter(|other| (edge(other) - edge(&frame)).abs() < LINE).count() as f64
        };
        let [left, top] = [inset(|frame| frame.x_min), inset(|frame| frame.y_min)];
        let [right, bottom] = [inset(|frame| frame.x_max), inset(|frame| frame.y_max)];
        let shown = BoundingBox {
            x_min: (frame.x_min + left).min(frame.x_max),
            y_min: (frame.y_min + top).min(frame.y_max),
            x_max: (frame.x_max - right).max(frame.x_min + left),
            y_max: (frame.y_max - bottom).max(frame.y_min + top),
            ..frame.clone()
        };
        drawn = draw_boxes(&drawn, &[shown])?;
        taken.push(frame);
    }
    Ok(drawn)
}

fn legend(map: &[f32], zoom: Zoom, range: Range, frames: &[BoundingBox]) -> Legend {
    let blocks =
        if zoom.down > 1 { format!(", means of {0} x {0} pixels", zoom.down) } else { String::new() };
    let label = match range.hi {
        0.0 => "no pixel moves the unit".to_owned(),
        _ => format!("|dy/dx|, linear from 0 to its peak{blocks}"),
    };
    let unmoved = map.iter().filter(|value| **value == 0.0).count();
    let mut marks: Vec<(Mark, String)> =
        frames.iter().filter_map(|frame| Some((Mark::Frame(frame.ink()), frame.label.clone()?))).collect();
    if unmoved > 0 {
        marks.push((Mark::Swatch(UNMOVED), format!("{unmoved} of {} pixels: exactly 0", map.len())));
    }
    marks.extend(Mark::non_finite(map));
    Legend { map: ColorMap::Viridis, range: Some(range), label, marks }
}
