//! One layer's effective receptive field at one step: its numbers and its picture.

use super::{
    field::EffectiveField,
    graph::{ForwardGraph, Unit},
};
use crate::{
    arch::{PixelBox, ReceptiveFields},
    error::{Error, Result},
    render::{self, BoundingBox, Caption},
    summary::Image,
};

/// The share of the mass that counts as the field.
const SHARE: f64 = 0.95;
const BLACK: [u8; 3] = [0; 3];
const RED: [u8; 3] = [214, 39, 40];

/// One layer's field at one step.
pub(super) struct View<'a> {
    pub layer: &'a str,
    /// Row and column of its centre unit, where it has maps.
    unit: Option<(i64, i64)>,
    field: EffectiveField,
    theoretical: Option<PixelBox>,
}

/// What is written of a layer as numbers: pixels, mean of both axes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Measure {
    /// NaN where a gradient is not finite.
    pub size: f64,
    /// The theoretical field within the image.
    pub limit: Option<f64>,
    /// One as part of the other, along both axes.
    pub ratio: Option<f64>,
}

impl<'a> View<'a> {
    pub fn of(
        graph: &ForwardGraph,
        layer: &'a str,
        theoretical: Option<&ReceptiveFields>,
    ) -> Result<View<'a>> {
        let field = graph.field(layer, Unit::center())?;
        let size = graph.activations().get(layer).map(|activation| activation.tensor.size());
        let unit = match size.as_deref() {
            Some([_, _, height, width]) => Some((height / 2, width / 2)),
            _ => None,
        };
        let (row, column) = unit.unwrap_or_default();
        // Fields for images of any size may know how large they are, but not where.
        let is_placed =
            |fields: &&ReceptiveFields| fields.get(layer).is_some_and(|field| field.padding().is_some());
        let theoretical = theoretical
            .filter(is_placed)
            .map(|fields| fields.unit_box(layer, row, column))
            .transpose()
            .map_err(|error| {
                Error::invalid(
                    "effective receptive field",
                    format!("the model is not that of its spec: {error}"),
                )
            })?;
        Ok(View { layer, unit, field, theoretical })
    }

    /// How many pixels have a gradient that is NaN or infinite. Then nobody knows how large the field is.
    pub fn non_finite(&self) -> usize {
        self.field.non_finite()
    }

    pub fn measure(&self) -> Measure {
        let known = |number: f64| if self.non_finite() == 0 { number } else { f64::NAN };
        let [height, width] = self.field.size();
        let seen = self.theoretical.and_then(|seen| seen.clip(height as i64, width as i64));
        Measure {
            size: known(mean(self.field.extent(SHARE).map(|side| side as f64))),
            limit: seen.map(|seen| mean([seen.height() as f64, seen.width() as f64])),
            ratio: seen.and_then(|seen| self.field.ratio(SHARE, &seen)).map(|ratio| known(mean(ratio))),
        }
    }

    /// The map, with frames around the theoretical field and the rows and columns that count.
    pub fn draw(&self, images: i64, caption: &Caption<'_>) -> Result<Image> {
        let map: Vec<f32> = self.field.map().iter().map(|&value| value as f32).collect();
        let frames: Vec<BoundingBox> = self.theoretical_frame().into_iter().chain(self.frame()).collect();
        render::effective_field(&map, self.field.size(), &self.note(images), &frames, caption)
    }

    fn note(&self, images: i64) -> String {
        let unit =
            self.unit.map_or("all outputs".to_owned(), |(row, column)| format!("unit ({row}, {column})"));
        let mut note = format!("what moves {unit}, mean over {images} images");
        if self.field.silent_images() > 0 {
            note += &format!(", {} of them without gradient", self.field.silent_images());
        }
        if self.non_finite() > 0 {
            let pixels = self.field.map().len();
            note += &format!(
                "; gradients of {} of {pixels} pixels are NaN or infinite: no size",
                self.non_finite()
            );
        }
        note
    }

    fn theoretical_frame(&self) -> Option<BoundingBox> {
        let whole @ PixelBox { top, left, bottom, right } = self.theoretical?;
        let [height, width] = self.field.size();
        let seen = whole.clip(height as i64, width as i64)?;
        let size = format!("{} x {} pixels", whole.height(), whole.width());
        let label = if seen == whole {
            format!("theoretical field: {size}")
        } else {
            format!("theoretical field: {size}, {} x {} in the image", seen.height(), seen.width())
        };
        let frame = BoundingBox::new(left as f64, top as f64, right as f64, bottom as f64);
        Some(frame.label(label).rgb(BLACK))
    }

    /// From the first to the last of the rows and columns that hold the mass; the label says how many of them do.
    fn frame(&self) -> Option<BoundingBox> {
        if self.non_finite() > 0 {
            return None;
        }
        let [(top, bottom), (left, right)] = self.field.span(SHARE)?;
        let [rows, columns] = self.field.extent(SHARE);
        let part = self.theoretical.and_then(|seen| self.field.ratio(SHARE, &seen));
        let part =
            part.map_or(String::new(), |[rows, columns]| format!(" ({rows:.2} and {columns:.2} of it)"));
        let (rows, columns) = (counted(rows, bottom + 1 - top), counted(columns, right + 1 - left));
        let label = format!("95 % of the mass: {rows} rows, {columns} columns{part}");
        let frame = BoundingBox::new(left as f64, top as f64, right as f64 + 1.0, bottom as f64 + 1.0);
        Some(frame.label(label).rgb(RED))
    }
}

/// The number of lines that count, and the number within the frame where that is another one.
fn counted(lines: usize, framed: usize) -> String {
    if lines == framed { lines.to_string() } else { format!("{lines} of {framed}") }
}

fn mean([rows, columns]: [f64; 2]) -> f64 {
    f64::midpoint(rows, columns)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn view(map: Vec<f64>, size: [usize; 2]) -> View<'static> {
        let field = EffectiveField::new(map, size).unwrap();
        View { layer: "conv", unit: Some((0, 0)), field, theoretical: None }
    }

    #[test]
    fn frame_and_label_say_the_same() {
        // Rows 0 and 4 hold all mass; the frame reaches over those between.
        let map = vec![1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0];
        let frame = view(map, [5, 2]).frame().unwrap();
        assert_eq!((frame.y_min, frame.y_max, frame.x_min, frame.x_max), (0.0, 5.0, 0.0, 2.0));
        assert_eq!(frame.label.as_deref(), Some("95 % of the mass: 2 of 5 rows, 2 columns"));
    }

    #[test]
    fn a_gradient_that_is_not_finite_leaves_no_size_and_is_told() {
        for (map, count) in [(vec![f64::NAN; 4], 4), (vec![1.0, f64::INFINITY, 0.0, 0.0], 1)] {
            let view = view(map, [2, 2]);
            assert!(view.measure().size.is_nan());
            assert!(view.frame().is_none());
            let note = view.note(3);
            assert!(
                note.ends_with(&format!("gradients of {count} of 4 pixels are NaN or infinite: no size")),
                "{note}"
            );
        }
        let dead = view(vec![0.0; 4], [2, 2]);
        assert_eq!(dead.measure().size, 0.0);
        assert!(!dead.note(3).contains("NaN"));
    }
}
