//! Which weights learn: a small cell for each.

use super::{
    canvas::{Rect, Rgb},
    caption::Caption,
    key::{self, Key},
    page::{FAINT, INK, MARGIN, Page},
    text::{self, Font},
};
use crate::{
    error::{Error, Result},
    summary::Image,
};

const FONT: Font = Font::Medium;
/// Pixels that a panel takes at most.
const PANEL: (usize, usize) = (400, 320);
const MOST_CELL: usize = 12;
const GAP: usize = 20;
const LEARNING: Rgb = [65, 171, 93];
const LOST: Rgb = [74, 20, 72];
const GAINED: Rgb = [253, 174, 97];
const SILENT: Rgb = [214, 216, 218];

/// What becomes of a weight where inputs are dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WeightState {
    /// It gets a gradient.
    Learning,
    /// It would get a gradient, but its inputs are dropped, or its unit falls silent because others are.
    Lost,
    /// It gets a gradient only where inputs are dropped: its unit is silent without that.
    Gained,
    /// It gets no gradient with or without dropout.
    Silent,
}

/// The weights of one layer for [`surviving_weights`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeightPanel<'a> {
    /// What layer it is.
    pub title: &'a str,
    /// What was counted, below the panel; may be empty.
    pub foot: &'a str,
    /// Weights of a row.
    pub columns: usize,
    /// The weights, row by row: one row for each output.
    pub states: &'a [WeightState],
}

/// A picture with the weights of one or two layers side by side, each weight a cell.
///
/// # Errors
/// No layer, or more than two; a layer without weights, or whose last row is not full; more than 400 columns or 320 rows.
pub fn surviving_weights(panels: &[WeightPanel<'_>], note: &str, caption: &Caption<'_>) -> Result<Image> {
    let invalid = |why: String| Error::invalid("weights behind dropout", why);
    if panels.is_empty() || panels.len() > 2 {
        return Err(invalid(format!("{} layers found; one or two can be shown", panels.len())));
    }
    let mut cells = Vec::new();
    for WeightPanel { title, columns, states, .. } in panels {
        let fits = *columns > 0 && !states.is_empty() && states.len().is_multiple_of(*columns);
        let rows = if fits { states.len() / columns } else { 0 };
        if !fits || *columns > PANEL.0 || rows > PANEL.1 {
            let why = format!("`{title}` has {} weights in rows of {columns}", states.len());
            return Err(invalid(format!("{why}; full rows, at most {} by {}, expected", PANEL.1, PANEL.0)));
        }
        cells.push((PANEL.0 / columns).min(PANEL.1 / rows).clamp(1, MOST_CELL));
    }
    let height = panels.iter().zip(&cells).map(|(panel, cell)| panel.states.len() / panel.columns * cell);
    let height = height.max().unwrap_or(0);
    let width = PANEL.0;
    let inner = panels.len() * (width + GAP) - GAP;
    let mut key = Key::default();
    key.push(key::Mark::Cell(LEARNING), ["learns: it gets a gradient".to_owned()]);
    key.push(
        key::Mark::Cell(LOST),
        ["lost: its inputs are dropped, or its unit falls silent by that".to_owned()],
    );
    for (state, words) in [
        (WeightState::Gained, "learns only here: without dropout its unit is silent"),
        (WeightState::Silent, "gets none without dropout either"),
    ] {
        if panels.iter().any(|panel| panel.states.contains(&state)) {
            key.push(key::Mark::Cell(color(state)), [words.to_owned()]);
        }
    }
    let body = (inner, height + 3 * FONT.line() + key.height(FONT, inner));
    let page = Page { caption, note, legend: None, font: FONT, width: inner + 2 * MARGIN, body };
    let (mut canvas, (left, top)) = page.open()?;
    for (at, (panel, &cell)) in panels.iter().zip(&cells).enumerate() {
        let x = left + at * (width + GAP);
        let most = width / FONT.advance();
        text::draw(&mut canvas, (x, top), &text::shorten(panel.title, most), FONT, true, INK);
        // Lines between cells where there is room for them.
        let side = if cell >= 6 { cell - 1 } else { cell };
        for (place, state) in panel.states.iter().enumerate() {
            let (row, column) = (place / panel.columns, place % panel.columns);
            let corner = (x + column * cell, top + FONT.line() + row * cell);
            canvas.fill(Rect::new(corner.0, corner.1, side, side), color(*state));
        }
        let foot = top + FONT.line() + height + 4;
        text::draw(&mut canvas, (x, foot), &text::shorten(panel.foot, most), FONT, false, FAINT);
    }
    key.draw(&mut canvas, (left, top + height + 3 * FONT.line()), FONT, inner);
    canvas.into_image()
}

fn color(state: WeightState) -> Rgb {
    match state {
        WeightState::Learning => LEARNING,
        WeightState::Lost => LOST,
        WeightState::Gained => GAINED,
        WeightState::Silent => SILENT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::Step;

    #[test]
    fn each_weight_is_a_cell_of_its_state() {
        use WeightState::{Gained, Learning, Lost, Silent};
        let states = [Learning, Lost, Lost, Silent, Gained, Learning];
        let panel = |states, columns| WeightPanel { title: "fc1", foot: "1 of 3", columns, states };
        let caption = Caption { layer: "weights", step: Step::new(1), epoch: None };
        let image = surviving_weights(&[panel(&states, 2)], "", &caption).unwrap();
        let count = |color: Rgb| image.pixels().chunks_exact(3).filter(|pixel| **pixel == color).count();
        let (cell, in_key) = ((MOST_CELL - 1) * (MOST_CELL - 1), count(SILENT) - 121);
        assert_eq!((count(LEARNING), count(LOST)), (2 * cell + in_key, 2 * cell + in_key));
        assert_eq!((count(SILENT), count(GAINED)), (cell + in_key, cell + in_key));
        assert!(surviving_weights(&[panel(&states, 4)], "", &caption).is_err());
        assert!(surviving_weights(&[], "", &caption).is_err());
    }
}
