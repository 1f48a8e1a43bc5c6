//! Where a dilated kernel touches an image.

use super::{
    boxes,
    canvas::{Canvas, Rect, Rgb},
    caption::Caption,
    colormap::{ColorMap, NON_FINITE, contrast},
    key::{Key, Mark},
    layout::WIDTH,
    legend::{self, Legend},
    normalize::{Normalization, Range},
    outline::solid,
    page::{INK, MARGIN, Page},
    receptive_field::{FONT, GAP, KEY_WIDTH, SCENE, by, color},
    scene::{Area, Pixels, Scene},
    text::{self, Font},
    tile::Zoom,
};
use crate::{
    error::{Error, Result},
    summary::Image,
};

/// A kernel with holes, laid on an image. Pairs are `[height, width]`.
///
/// ```
/// use convscope::render::Taps;
///
/// let kernel = Taps::new([3, 3], [2, 2]);
/// assert_eq!(kernel.reach(), [5, 5]);
/// assert_eq!(Taps::new([2, 2], [1, 1]).reach(), [2, 2], "1 is dense");
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Taps {
    /// Taps of the kernel: its size without the holes.
    pub kernel: [i64; 2],
    /// Distance of neighbouring taps in pixels, as in PyTorch: 1 is dense.
    pub dilation: [i64; 2],
    /// Pixels of the image from one input of the kernel to the next: the stride of the layer that it reads. 1 where that is
    /// the image itself.
    pub stride: [i64; 2],
    /// A weight for each tap, row by row.
    pub weights: Option<Vec<f32>>,
    /// Row and column of the image under the first tap; `None`, the default, is a place in the middle.
    pub at: Option<[i64; 2]>,
}

impl Taps {
    /// A kernel of this size and dilation on the pixels in the middle of the image, without weights.
    pub fn new(kernel: [i64; 2], dilation: [i64; 2]) -> Taps {
        Taps { kernel, dilation, stride: [1, 1], weights: None, at: None }
    }

    /// Sets the distance of the kernel's inputs in pixels of the image.
    #[must_use]
    pub fn stride(mut self, stride: [i64; 2]) -> Taps {
        self.stride = stride;
        self
    }

    /// Sets the weights, row by row.
    #[must_use]
    pub fn weights(mut self, weights: Vec<f32>) -> Taps {
        self.weights = Some(weights);
        self
    }

    /// Sets the row and column of the image under the first tap. The kernel may leave the image.
    #[must_use]
    pub fn at(mut self, row: i64, column: i64) -> Taps {
        self.at = Some([row, column]);
        self
    }

    /// Height and width from the first to the last tap, dilation · (kernel - 1) + 1, in inputs of the kernel. Saturates.
    pub fn reach(&self) -> [i64; 2] {
        std::array::from_fn(|axis| {
            self.dilation[axis].saturating_mul(self.kernel[axis].saturating_sub(1)).saturating_add(1)
        })
    }

    /// The same in pixels of the image.
    fn pixels(&self) -> [i64; 2] {
        let reach = self.reach();
        std::array::from_fn(|axis| self.stride[axis].saturating_mul(reach[axis] - 1).saturating_add(1))
    }

    /// Pixels of the image from one tap to the next.
    fn pitch(&self) -> [i64; 2] {
        std::array::from_fn(|axis| self.dilation[axis] * self.stride[axis])
    }

    fn check(&self, layer: &str) -> Result<()> {
        let refuse = |why: String| Err(Error::invalid(format!("taps of layer `{layer}`"), why));
        for (what, pair) in [("kernel", self.kernel), ("dilation", self.dilation), ("stride", self.stride)] {
            if pair.iter().any(|&side| side < 1) {
                return refuse(format!("{what} {pair:?} found; each is 1 or more"));
            }
        }
        let [height, width] = self.pixels();
        if height.max(width) > LARGEST {
            return refuse(format!("reach {height} x {width} found; at most {LARGEST} pixels can be drawn"));
        }
        for axis in [0, 1] {
            let pitch = self.dilation[axis].checked_mul(self.stride[axis]);
            if pitch.is_none_or(|pitch| pitch > FARTHEST) {
                let (dilation, stride) = (self.dilation[axis], self.stride[axis]);
                return refuse(format!(
                    "dilation {dilation} and stride {stride} found; their product is at most {FARTHEST}"
                ));
            }
        }
        if let Some(at) = self.at.filter(|at| at.iter().any(|place| !(-FARTHEST..=FARTHEST).contains(place)))
        {
            return refuse(format!("first tap at {at:?} found; each is -{FARTHEST} to {FARTHEST}"));
        }
        let taps = self.kernel[0] * self.kernel[1];
        match &self.weights {
            Some(weights) if weights.len() as i64 != taps => {
                refuse(format!("{} weights found for {taps} taps", weights.len()))
            }
            _ => Ok(()),
        }
    }

    /// All from the first to the last tap.
    fn area(&self, image: Area) -> Area {
        let [height, width] = self.pixels();
        let [top, left] = self.at.unwrap_or([(image.height() - height) / 2, (image.width() - width) / 2]);
        Area { top, left, bottom: top.saturating_add(height), right: left.saturating_add(width) }
    }

    /// Row and column of each tap, in the order of the weights.
    fn places(&self, area: Area) -> impl Iterator<Item = (i64, i64)> + use<> {
        let [rows, columns] = self.kernel;
        let [down, across] = self.pitch();
        (0..rows).flat_map(move |row| {
            (0..columns).map(move |column| (area.top + row * down, area.left + column * across))
        })
    }
}

/// A larger kernel has no pixel left on the picture.
const LARGEST: i64 = 400;
/// Larger distances are those of no image.
const FARTHEST: i64 = i32::MAX as i64;
/// Sides of a tap at least, where the taps have that much room between them.
const LEAST_TAP: usize = 5;
/// What the line around the kernel takes on each side.
const FRAME: usize = 4;
/// What a cell has at least, where the kernel fits in.
const CELL: i64 = 8;
/// Rows and columns around the kernel at least, where the image does not fit in.
const SURROUNDINGS: i64 = 6;
/// The same where numbers need the room.
const SURROUNDINGS_OF_WEIGHTS: i64 = 2;
/// Letters of the numbers in cells.
const NUMBERS: Font = Font::Small;

/// A picture of a kernel's taps on an image at true scale: the pixels that it reads are filled, those in its holes are
/// not. Taps with holes between them are drawn at least 5 pixels large. With weights, their colours are those of a scale
/// that is symmetric around zero, and where all numbers fit into their cells they stand in them. The surroundings of the
/// kernel are shown where it has weights, and of an image that does not fit in with 8 pixels a side for each of its
/// pixels.
///
/// `caption.layer` is the layer's name. 400 to 900 pixels wide.
///
/// # Errors
/// A kernel, dilation or stride below 1, a reach of more than 400 pixels, a place or a distance of taps beyond 2³¹ - 1,
/// another number of weights than of taps.
///
/// ```
/// use convscope::{Image, Step, render::{Caption, Taps, taps}};
///
/// let image = Image::gray(28, 28, (0..28 * 28).map(|i| (i % 251) as u8).collect())?;
/// let caption = Caption { layer: "conv2", step: Step::new(0), epoch: None };
/// let picture = taps(&image, &Taps::new([2, 2], [2, 2]), &caption)?;
/// assert!((400..=900).contains(&picture.width()));
/// # Ok::<(), convscope::Error>(())
/// ```
pub fn taps(image: &Image, taps: &Taps, caption: &Caption<'_>) -> Result<Image> {
    taps.check(caption.layer)?;
    let whole = Area::of_image(image);
    let kernel = taps.area(whole);
    let (area, zoom) = view(whole, kernel, taps.weights.is_some());
    let mut scene = Scene { area, zoom, at: (0, 0) };
    let (width, height) = scene.sides();
    let key = key(taps, whole, scene);
    let legend = legend_of(taps)?;
    let note = note(taps);
    let page = Page {
        caption,
        note: &note,
        legend: legend.as_ref(),
        font: FONT,
        width: (width + GAP + KEY_WIDTH + 2 * MARGIN).max(*WIDTH.start()),
        body: (width + GAP + KEY_WIDTH, height.max(key.height(FONT, KEY_WIDTH))),
    };
    let (mut canvas, origin) = page.open()?;
    scene.at = origin;
    scene.draw(&mut canvas, &Pixels::of(image));
    let has_numbers = taps.weights.as_ref().is_some_and(|weights| numbers_fit(weights, zoom));
    let range = legend.as_ref().and_then(|legend| legend.range);
    // Around the kernel's pixels: the outermost ones are taps.
    if let Some(rect) = scene.rect(kernel) {
        solid(&mut canvas, grown(rect, [2 * FRAME; 2]), color(0));
    }
    for (place, pixel) in taps.places(kernel).enumerate() {
        let Some(rect) = cell(scene, pixel, taps.pitch()) else { continue };
        match &taps.weights {
            None => drop(fill(&mut canvas, rect, color(0))),
            Some(weights) => draw_weight(&mut canvas, rect, weights[place], (range, has_numbers)),
        }
    }
    key.draw(&mut canvas, (origin.0 + width + GAP, origin.1), FONT, KEY_WIDTH);
    canvas.into_image()
}

/// The whole image where its pixels can be seen, else what is around the kernel; always that where it has weights, of
/// which the numbers need room.
fn view(image: Area, kernel: Area, has_weights: bool) -> (Area, Zoom) {
    let side = |area: Area| area.height().max(area.width());
    let all = image.hull(kernel).grown(1);
    let reach = side(kernel);
    let near = if has_weights {
        kernel.grown(SURROUNDINGS_OF_WEIGHTS)
    } else {
        kernel.grown(reach.min((SCENE - reach) / 2).max(SURROUNDINGS))
    };
    let area = if !has_weights && side(all) <= SCENE / CELL { all } else { near };
    (area, Zoom { up: (SCENE / side(area)).clamp(1, SCENE / 8) as usize, down: 1 })
}

/// The place of a tap: its pixel, or more where that would hardly be seen and the next tap is far enough away.
fn cell(scene: Scene, (row, column): (i64, i64), [down, across]: [i64; 2]) -> Option<Rect> {
    let rect = scene.rect(Area { top: row, left: column, bottom: row + 1, right: column + 1 })?;
    let missing = |side: usize, pitch: i64| {
        let room = side.saturating_mul(pitch as usize).saturating_sub(2);
        LEAST_TAP.min(room).saturating_sub(side)
    };
    Some(grown(rect, [missing(rect.height, down), missing(rect.width, across)]))
}

/// The rectangle with so many pixels more each way, around its middle.
fn grown(rect: Rect, [down, across]: [usize; 2]) -> Rect {
    Rect::new(
        rect.x.saturating_sub(across / 2),
        rect.y.saturating_sub(down / 2),
        rect.width + across,
        rect.height + down,
    )
}

/// A filled cell that leaves a rim of the pixel below it.
fn fill(canvas: &mut Canvas, rect: Rect, color: Rgb) -> Rect {
    let rect = boxes::shrink(rect, rect.width / 8);
    canvas.fill(rect, color);
    if rect.width >= CELL as usize {
        canvas.frame(rect, INK);
    }
    rect
}

fn draw_weight(canvas: &mut Canvas, rect: Rect, weight: f32, (range, has_number): (Option<Range>, bool)) {
    let color = match range {
        Some(range) if weight.is_finite() => ColorMap::BlueRed.at(range.unit(weight)),
        _ => NON_FINITE,
    };
    let rect = fill(canvas, rect, color);
    if has_number {
        let number = text::number(weight.into());
        let at = (
            (rect.x + rect.width / 2).saturating_sub(NUMBERS.measure(&number) / 2),
            (rect.y + rect.height / 2).saturating_sub(NUMBERS.height() / 2),
        );
        text::draw(canvas, at, &number, NUMBERS, false, contrast(color));
    }
}

/// Whether each number fits into its cell: some without the others would say that those have none.
fn numbers_fit(weights: &[f32], zoom: Zoom) -> bool {
    let widest = weights.iter().map(|&weight| NUMBERS.measure(&text::number(weight.into()))).max();
    widest.unwrap_or(0).max(NUMBERS.height()) + 2 <= zoom.up * 3 / 4
}

fn legend_of(taps: &Taps) -> Result<Option<Legend>> {
    let Some(weights) = &taps.weights else { return Ok(None) };
    let scale = Normalization::Symmetric.scale(weights)?;
    Ok(Some(Legend {
        map: ColorMap::BlueRed,
        range: scale.range,
        ticks: Vec::new(),
        label: "weight of each tap".to_owned(),
        marks: legend::Mark::non_finite(weights).into_iter().collect(),
    }))
}

fn note(taps: &Taps) -> String {
    let holes = match taps.dilation {
        [1, 1] => "dense".to_owned(),
        [down, across] => format!("{} between taps", by([down - 1, across - 1])),
    };
    let inputs = match taps.stride {
        [1, 1] => String::new(),
        stride => format!("; inputs {} pixels apart", by(stride)),
    };
    format!("kernel {}, dilation {}: {holes}{inputs}", by(taps.kernel), by(taps.dilation))
}

fn key(taps: &Taps, image: Area, scene: Scene) -> Key {
    let mut key = Key::default();
    let reach = taps.reach();
    let formula = |axis: usize| {
        format!("{} \u{b7} ({} - 1) + 1 = {}", taps.dilation[axis], taps.kernel[axis], reach[axis])
    };
    let axes_agree = taps.dilation[0] == taps.dilation[1] && taps.kernel[0] == taps.kernel[1];
    let formulas = if axes_agree { vec![formula(0)] } else { vec![formula(0), formula(1)] };
    key.push(
        Mark::Frame(color(0)),
        [format!("reach {}: dilation \u{b7} (kernel - 1) + 1", by(reach))].into_iter().chain(formulas),
    );
    let count = |[height, width]: [i64; 2]| height * width;
    let (read, inputs) = (count(taps.kernel), count(reach));
    let mut lines = vec![format!("taps: {read} of {inputs} inputs are read")];
    if taps.stride != [1, 1] {
        lines.push(format!(
            "on the image: {} pixels; each tap is the centre of what its input sees",
            by(taps.pixels())
        ));
    }
    // With weights the legend has the colours.
    key.push(if taps.weights.is_none() { Mark::Cell(color(0)) } else { Mark::None }, lines);
    if !image.contains(scene.area) {
        key.push(Mark::Outside, ["outside of the image".to_owned()]);
    }
    let pytorch = "Dilation as in PyTorch: the distance of taps, 1 is dense.";
    key.push(
        Mark::None,
        [match taps.dilation {
            [1, 1] => pytorch.to_owned(),
            [down, across] if down == across => {
                format!("{pytorch} Courses that count the holes call this rate {}.", down - 1)
            }
            [down, across] => {
                let rate = by([down - 1, across - 1]);
                format!("{pytorch} Courses that count the holes call this rate {rate}.")
            }
        }],
    );
    if !scene.area.contains(image) {
        let Area { top, left, bottom, right } = scene.area;
        key.push(
            Mark::None,
            [format!("shown: rows {top} to {}, columns {left} to {}", bottom - 1, right - 1)],
        );
    }
    key
}
