//! The outline of a box of which parts may lie beyond the picture.

use super::{
    boxes,
    canvas::{Canvas, Rect, Rgb},
    colormap::contrast,
    scene::{Area, Scene},
};

/// A box on the canvas.
pub(super) struct Outline {
    pub rect: Rect,
    /// Top, bottom, left, right: whether the box goes on beyond the picture.
    cut: [bool; 4],
}

/// Pixels between dashed edges of several boxes.
const CUT_STEP: usize = 7;
/// Width of an edge: a line with a rim on both sides.
const EDGE: usize = 4;
/// Length of a dash with the gap behind it.
const DASH: usize = 14;

impl Outline {
    pub fn of(area: Area, scene: Scene, place: usize) -> Option<Outline> {
        let rect = scene.rect(area)?;
        let cut = [
            area.top < scene.area.top,
            area.bottom > scene.area.bottom,
            area.left < scene.area.left,
            area.right > scene.area.right,
        ];
        let [top, bottom, left, right] = cut.map(|is_cut| if is_cut { place * CUT_STEP } else { 0 });
        let rect = Rect::new(
            rect.x + left,
            rect.y + top,
            rect.width.saturating_sub(left + right).max(1),
            rect.height.saturating_sub(top + bottom).max(1),
        );
        Some(Outline { rect, cut })
    }

    pub fn draw(&self, canvas: &mut Canvas, color: Rgb) {
        if self.rect.width.min(self.rect.height) < 2 * EDGE {
            // No room for a line with rims.
            canvas.fill(self.rect, color);
            return;
        }
        for inset in 0..EDGE {
            let line = if inset == 0 || inset == EDGE - 1 { contrast(color) } else { color };
            let Rect { x, y, width, height } = boxes::shrink(self.rect, inset);
            let [top, bottom, left, right] = self.cut;
            for (y, is_cut) in [(y, top), (y + height - 1, bottom)] {
                for (at, len) in dashes(x, width, is_cut) {
                    canvas.fill(Rect::new(at, y, len, 1), line);
                }
            }
            for (x, is_cut) in [(x, left), (x + width - 1, right)] {
                for (at, len) in dashes(y, height, is_cut) {
                    canvas.fill(Rect::new(x, at, 1, len), line);
                }
            }
        }
    }
}

/// The outline of a box that is shown whole.
pub(super) fn solid(canvas: &mut Canvas, rect: Rect, color: Rgb) {
    Outline { rect, cut: [false; 4] }.draw(canvas, color);
}

/// Start and length of the pieces of a line.
fn dashes(from: usize, len: usize, is_dashed: bool) -> Vec<(usize, usize)> {
    if !is_dashed {
        return vec![(from, len)];
    }
    let end = from + len;
    // At the same places for all lines of an edge.
    (from.next_multiple_of(DASH)..end).step_by(DASH).map(|at| (at, (DASH * 4 / 7).min(end - at))).collect()
}
