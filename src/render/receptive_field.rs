//! What units of a layer see of an image.

use super::{
    boxes::{self, Pen},
    canvas::{Canvas, Rect, Rgb},
    caption::Caption,
    key::{self, Key, Mark},
    layer_field::{LayerField, UnitField},
    layout::WIDTH,
    outline::Outline,
    page::{MARGIN, Page},
    scene::{Area, Pixels, Scene},
    text::Font,
    tile::Zoom,
};
use crate::{error::Result, summary::Image};

/// Colours of the units, the first one's first: light ones of a palette for categories, which differ in brightness too.
pub(super) fn color(place: usize) -> Rgb {
    const ORDER: [usize; MOST_UNITS] = [1, 3, 7, 5]; // orange, teal, pink, yellow
    colorous::TABLEAU10[ORDER[place % MOST_UNITS]].as_array()
}

pub(super) const MOST_UNITS: usize = 4;
/// Most pixels of the scene, each way; and of one that would else be small.
pub(super) const SCENE: i64 = 440;
const LARGER_SCENE: i64 = 560;
const SMALL_SCENE: i64 = 330;
/// Letters that are read at half their size, as on a card.
pub(super) const FONT: Font = Font::Large;
/// Pixels for the marks and their meanings, and between them and the scene.
pub(super) const KEY_WIDTH: usize = 300;
pub(super) const GAP: usize = 20;
/// Largest enlargement of a pixel.
const MOST_ZOOM: i64 = 32;
/// Fewer pixels than this between two dots make a grey cloud.
const LEAST_PITCH: f64 = 20.0;

/// A picture of what units of a layer see: boxes on the image, enlarged by a whole factor, at true scale. Outside of the
/// image, where the layer sees padding, there is a hatch. Where the field has holes, the pixels seen by the first unit are
/// filled. Dots are the centres of the fields of all units, or of every second, third and so on where they would touch; in
/// a box with holes there are none, since they would lie on pixels that are seen and on others alike.
///
/// The hatch is at most half as wide as the image's longer side. Of a box that reaches further, the edge of the picture
/// is dashed, and the text says how far it reaches. Images larger than the picture are averaged over blocks.
///
/// `caption.layer` is the layer's name. 400 to 900 pixels wide.
///
/// # Errors
/// No unit, or more than four; a field without a pixel; seen pixels that are not ascending numbers inside of the field.
///
/// ```
/// use convscope::{Image, Step, render::{Caption, LayerField, UnitField, receptive_field}};
///
/// let image = Image::gray(28, 28, (0..28 * 28).map(|i| (i % 251) as u8).collect())?;
/// let unit = |y, x| UnitField { unit: [y, x], top: y - 2, left: x - 2, bottom: y + 3, right: x + 3 };
/// let field = LayerField::new("conv2d", [5, 5]).stride([1, 1]).padding([2, 2]).unit(unit(14, 14)).unit(unit(0, 0));
/// let caption = Caption { layer: "conv1", step: Step::new(0), epoch: None };
/// let picture = receptive_field(&image, &field, &caption)?;
/// assert!((400..=900).contains(&picture.width()));
/// # Ok::<(), convscope::Error>(())
/// ```
pub fn receptive_field(image: &Image, field: &LayerField, caption: &Caption<'_>) -> Result<Image> {
    field.check(caption.layer)?;
    let whole = Area::of_image(image);
    let needed = field.units.iter().map(|unit| unit.area().overhang(whole)).fold(0, i64::max);
    let limit = (whole.height().max(whole.width()) / 2).max(1);
    let margin = needed.saturating_add(1).min(limit);
    let (area, zoom) = view(whole, margin);
    let mut scene = Scene { area, zoom, at: (0, 0) };
    let (width, height) = scene.sides();
    let key = key(field, whole, (needed, margin), scene);
    let page = Page {
        caption,
        note: &note(field),
        legend: None,
        font: FONT,
        width: (width + GAP + KEY_WIDTH + 2 * MARGIN).max(*WIDTH.start()),
        body: (width + GAP + KEY_WIDTH, height.max(key.height(FONT, KEY_WIDTH))),
    };
    let (mut canvas, origin) = page.open()?;
    scene.at = origin;
    draw(&mut canvas, scene, image, field, Some(Pen { scale: 1, font: FONT }))?;
    key.draw(&mut canvas, (origin.0 + width + GAP, origin.1), FONT, KEY_WIDTH);
    canvas.into_image()
}

/// The image with a margin, and a whole factor with which it fits in.
fn view(image: Area, margin: i64) -> (Area, Zoom) {
    let side = image.height().max(image.width()) + 2 * margin;
    let mut up = SCENE / side;
    if up * side < SMALL_SCENE && (up + 1) * side <= LARGER_SCENE {
        up += 1;
    }
    let zoom = match up {
        0 => Zoom { up: 1, down: ((side + LARGER_SCENE - 1) / LARGER_SCENE) as usize },
        up => Zoom { up: up.min(MOST_ZOOM) as usize, down: 1 },
    };
    // Blocks begin at the image's edge.
    let margin = (margin as usize).next_multiple_of(zoom.down) as i64;
    (image.grown(margin), zoom)
}

/// Draws the scene with everything on it; the names of the units where there is a pen.
pub(super) fn draw(
    canvas: &mut Canvas,
    scene: Scene,
    image: &Image,
    field: &LayerField,
    pen: Option<Pen>,
) -> Result<()> {
    let pixels = Pixels::of(image);
    scene.draw(canvas, &pixels);
    if field.has_holes() {
        for pixel in seen_pixels(field, scene.area) {
            scene.tint(canvas, &pixels, pixel, color(0));
        }
    }
    draw_centres(canvas, scene, field);
    // The first unit is drawn last: it covers the others.
    let drawn: Vec<(Rect, &UnitField, Rgb)> = field
        .units
        .iter()
        .enumerate()
        .rev()
        .filter_map(|(place, unit)| {
            let outline = Outline::of(unit.area(), scene, place)?;
            outline.draw(canvas, color(place));
            Some((outline.rect, unit, color(place)))
        })
        .collect();
    let Some(pen) = pen else { return Ok(()) };
    let (left, top) = scene.at;
    let mut plates = Vec::new();
    for (rect, unit, color) in drawn.into_iter().rev() {
        let plate = pen.plate(&unit.name(), color, scene.sides().0)?;
        let inside = Rect::new(rect.x - left, rect.y - top, rect.width, rect.height);
        let place = boxes::place(plate.sides(), inside, scene.sides(), &plates);
        canvas.paste(&plate, (left + place.x, top + place.y), 1);
        plates.push(place);
    }
    Ok(())
}

/// The pixels that the first unit sees, as far as they are shown.
fn seen_pixels(field: &LayerField, shown: Area) -> Vec<(i64, i64)> {
    let Some(unit) = field.units.first() else { return Vec::new() };
    let lines = |seen: &Option<Vec<i64>>, from: i64, to: i64, shown: std::ops::Range<i64>| -> Vec<i64> {
        match seen {
            Some(seen) => {
                seen.iter().map(|&at| from.saturating_add(at)).filter(|at| shown.contains(at)).collect()
            }
            None => (from.max(shown.start)..to.min(shown.end)).collect(),
        }
    };
    let rows = lines(&field.seen[0], unit.top, unit.bottom, shown.top..shown.bottom);
    let columns = lines(&field.seen[1], unit.left, unit.right, shown.left..shown.right);
    rows.iter().flat_map(|&row| columns.iter().map(move |&column| (row, column))).collect()
}

/// Every how manieth unit gets a dot, so that dots do not touch. `None` where the units see the same, or where it is not
/// known how many there are.
fn dot_every(field: &LayerField, zoom: Zoom) -> Option<i64> {
    let (stride, _) = field.stride.zip(field.map)?;
    let pitch = stride[0].min(stride[1]) as f64 * zoom.up as f64 / zoom.down as f64;
    Some((LEAST_PITCH / pitch).ceil().max(1.0) as i64)
}

/// Dots at the centres of the fields of the layer's units.
fn draw_centres(canvas: &mut Canvas, scene: Scene, field: &LayerField) {
    let (Some(every), Some(stride), Some(map)) = (dot_every(field, scene.zoom), field.stride, field.map)
    else {
        return;
    };
    let Some(first) = field.units.first() else { return };
    let UnitField { unit, top, left, bottom, right } = first;
    let centre = |from: i64, to: i64| (from as f64 + to as f64) / 2.0;
    // In a box with holes, dots would lie on the pixels that are seen.
    let holes = field.has_holes().then(|| scene.rect(first.area())).flatten();
    // The drawn unit has a dot, whatever is left out. Of a map without end, only what is shown is looked at.
    let places = |axis: usize, centre: f64, shown: [i64; 2]| {
        let pitch = stride[axis] as f64 * every as f64;
        let [from, to] = shown.map(|edge| (edge as f64 - centre) / pitch);
        let before = unit[axis].div_euclid(every).saturating_neg();
        let behind = (map[axis] - 1).saturating_sub(unit[axis]).div_euclid(every);
        (before.max(from.ceil() as i64)..=behind.min(to.floor() as i64))
            .map(|steps| centre + steps as f64 * pitch)
            .collect::<Vec<f64>>()
    };
    let Area { top: upper, left: leftmost, bottom: lower, right: rightmost } = scene.area;
    let columns = places(1, centre(*left, *right), [leftmost, rightmost]);
    for row in places(0, centre(*top, *bottom), [upper, lower]) {
        for point in columns.iter().filter_map(|&column| scene.point(row, column)) {
            if !holes.is_some_and(|holes| holes.holds(point.0, point.1)) {
                key::dot(canvas, point);
            }
        }
    }
}

/// What the layer is, and its numbers.
fn note(field: &LayerField) -> String {
    let mut note = match field.stride {
        Some(stride) => {
            format!("{}: each unit sees {} pixels, stride {}", field.kind, by(field.size), by(stride))
        }
        None => format!("{}: all units see the same {} pixels", field.kind, by(field.size)),
    };
    if let Some(padding) = field.padding.filter(|padding| padding.iter().any(|&side| side > 0)) {
        note.push_str(&format!(", padding {}", by(padding)));
    }
    note
}

/// Height and width in words.
pub(super) fn by([height, width]: [i64; 2]) -> String {
    format!("{height} x {width}")
}

fn key(field: &LayerField, image: Area, (needed, margin): (i64, i64), scene: Scene) -> Key {
    let mut key = Key::default();
    let map = field.map.map_or_else(String::new, |map| format!(" of {}", by(map)));
    for (place, unit) in field.units.iter().enumerate() {
        let mut lines = vec![format!("unit {}{map}", unit.name())];
        if place == 0 {
            lines.push(share(field, unit, image));
        }
        key.push(Mark::Frame(color(place)), lines);
    }
    if field.has_holes() {
        let count =
            |place: usize| field.seen[place].as_ref().map_or(field.size[place], |seen| seen.len() as i64);
        let [height, width] = field.size;
        let seen =
            format!("seen: {} of {height} rows, {} of {width} columns, holes between", count(0), count(1));
        key.push(Mark::Cell(color(0)), [seen]);
    }
    let outside = if needed > margin {
        format!("outside of the image. Dashed edges: the field reaches up to {needed} pixels beyond it")
    } else {
        "outside of the image: padding".to_owned()
    };
    key.push(Mark::Outside, [outside]);
    if let Some(every) = dot_every(field, scene.zoom) {
        let of = match every {
            1 => "centres of all units".to_owned(),
            2 => "centres of every 2nd unit".to_owned(),
            3 => "centres of every 3rd unit".to_owned(),
            every => format!("centres of every {every}th unit"),
        };
        let but = if field.has_holes() { ", but for those in the first box" } else { "" };
        key.push(Mark::Dot, [format!("{of}{but}")]);
    }
    if scene.zoom.down > 1 {
        key.push(Mark::None, [format!("each pixel is the mean of {0} x {0}", scene.zoom.down)]);
    }
    key
}

/// How much of the image a unit sees, in words.
fn share(field: &LayerField, unit: &UnitField, image: Area) -> String {
    let area = unit.area();
    let count = |seen: &Option<Vec<i64>>, from: i64, to: i64, side: i64| match seen {
        Some(seen) => seen.iter().filter(|&&at| (0..side).contains(&from.saturating_add(at))).count() as i64,
        None => (to.min(side) - from.max(0)).max(0),
    };
    let rows = count(&field.seen[0], area.top, area.bottom, image.bottom);
    let columns = count(&field.seen[1], area.left, area.right, image.right);
    if rows == image.height() && columns == image.width() {
        return "sees the whole image".to_owned();
    }
    let percent = 100.0 * rows as f64 * columns as f64 / (image.height() as f64 * image.width() as f64);
    let percent = match percent {
        p if p >= 9.95 => format!("{p:.0} %"),
        p if p >= 0.05 => format!("{p:.1} %"),
        p if p > 0.0 => "less than 0.1 %".to_owned(),
        _ => "nothing".to_owned(),
    };
    format!("sees {percent} of the image")
}
