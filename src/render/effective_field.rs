//! How much each pixel moves a unit, and how its field grows while training.

use super::{
    boxes::{BoundingBox, draw_boxes},
    canvas::{Canvas, Rgb},
    caption::Caption,
    colormap::{ColorMap, NON_FINITE},
    legend::{Legend, Mark},
    normalize::Range,
    page::{MARGIN, PAPER, Page},
    shape,
    text::Font,
    tile::{self, Plane, Zoom},
};
use crate::{error::Result, summary::Image};

/// Pixels that do not move the unit: in no colour map, and paler than all of viridis but its end.
const UNMOVED: Rgb = [224, 224, 224];
/// Height and width of the largest map that is drawn as it is.
const LARGEST: (usize, usize) = (1000, 350);
/// Width of the picture.
const WIDTH: usize = 400;
/// Pixels that a frame's line takes.
const LINE: usize = 4;

/// A picture of an effective receptive field: the map on a linear scale from 0 to its peak, with frames around its
/// parts. Pixels that are exactly 0 are pale grey, so that the shape of the field and its holes are seen.
///
/// `map` holds the magnitudes for `size` (height, width) pixels, row by row; `note` says of what. `frames` are drawn in
/// their colours around their pixels, the first at the back, and their labels explain them in the legend; where an edge
/// lies on one of a later frame, it moves outwards by the width of the line. 400 pixels wide; maps of more than 320
/// columns or 1000 rows are averaged over blocks.
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
    let zoom = Zoom { up: 1, down: height.div_ceil(LARGEST.0).max(width.div_ceil(LARGEST.1 - 30)) };
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

/// The heat map enlarged, with frames around their pixels. Where edges lie on one another, the earlier frame moves
/// outwards, so that both are seen.
fn framed(heat: &Image, frames: &[BoundingBox], zoom: Zoom) -> Result<Image> {
    let margin = LINE * frames.len();
    let room = LARGEST.1.saturating_sub(2 * margin).max(1) / heat.width() as usize;
    let up = room.min(LARGEST.0 / heat.height() as usize).max(1);
    let heat = Canvas::from_image(heat, up)?;
    let (width, height) = heat.sides();
    let mut canvas = Canvas::new(width + 2 * margin, height + 2 * margin, PAPER)?;
    canvas.paste(&heat, (margin, margin), 1);
    let scale = up as f64 / zoom.down as f64;
    let drawn: Vec<BoundingBox> = (0..frames.len())
        .map(|number| {
            let outset = |edge: fn(&BoundingBox) -> f64| {
                let on_it =
                    |later: &&BoundingBox| (edge(later) - edge(&frames[number])).abs() * scale < LINE as f64;
                (LINE * (1 + frames[number + 1..].iter().filter(on_it).count())) as f64
            };
            let place = |edge: f64| edge * scale + margin as f64;
            let BoundingBox { x_min, y_min, x_max, y_max, .. } = frames[number];
            BoundingBox {
                x_min: place(x_min) - outset(|frame| frame.x_min),
                y_min: place(y_min) - outset(|frame| frame.y_min),
                x_max: place(x_max) + outset(|frame| frame.x_max),
                y_max: place(y_max) + outset(|frame| frame.y_max),
                label: None,
                ..frames[number].clone()
            }
        })
        .collect();
    draw_boxes(&canvas.into_image()?, &drawn)
}

fn legend(map: &[f32], zoom: Zoom, range: Range, frames: &[BoundingBox]) -> Legend {
    let blocks =
        if zoom.down > 1 { format!(", means of {0} x {0} pixels", zoom.down) } else { String::new() };
    let label = match range.hi {
        0.0 if map.iter().all(|value| *value == 0.0) => "no pixel moves the unit".to_owned(),
        0.0 => "no pixel has a finite gradient but 0".to_owned(),
        _ => format!("|dy/dx|, linear from 0 to its peak{blocks}"),
    };
    let unmoved = map.iter().filter(|value| **value == 0.0).count();
    let mut marks: Vec<(Mark, String)> =
        frames.iter().filter_map(|frame| Some((Mark::Frame(frame.ink()), frame.label.clone()?))).collect();
    if unmoved > 0 {
        marks.push((Mark::Swatch(UNMOVED), format!("{unmoved} of {} pixels: exactly 0", map.len())));
    }
    marks.extend(Mark::non_finite(map));
    Legend { map: ColorMap::Viridis, range: Some(range), ticks: Vec::new(), label, marks }
}
