//! Forward passes of occluded images.

use tch::{TchError, Tensor};

use super::super::{
    classifier::Classifier,
    fill::Fill,
    planes::{Answer, Planes, answers},
};
use crate::{error::Result, tch_context::TchContext as _};

/// An image of which patches are hidden.
pub(super) struct Measure<'a> {
    classifier: &'a Classifier<'a>,
    planes: &'a Planes,
    class: i64,
    /// What stands in a patch, as a whole image.
    fill: Tensor,
    patch: [usize; 2],
    /// Numbers of all rows, and of all columns.
    places: [Tensor; 2],
    at_a_time: usize,
}

impl<'a> Measure<'a> {
    pub fn new(
        classifier: &'a Classifier<'a>,
        planes: &'a Planes,
        class: i64,
        fill: &Fill,
        patch: [usize; 2],
    ) -> Result<Measure<'a>> {
        let [rows, columns] = planes.sides().map(|side| Vec::from_iter(0..side as i64));
        let along = |numbers: &[i64], shape: [i64; 4]| {
            planes.column(numbers)?.f_reshape(shape).context(|| "places in the image".to_owned())
        };
        let places = [along(&rows, [1, 1, -1, 1])?, along(&columns, [1, 1, 1, -1])?];
        let at_a_time = planes.at_a_time(classifier)?;
        Ok(Measure { classifier, planes, class, fill: fill.image(&planes.image)?, patch, places, at_a_time })
    }

    /// What the model answers with each of the patches hidden, which begin at these rows and columns.
    pub fn answers(&self, starts: &[[usize; 2]]) -> Result<Vec<Answer>> {
        let mut found = Vec::with_capacity(starts.len());
        for piece in starts.chunks(self.at_a_time) {
            let images = self.planes.restore(&self.occluded(piece)?)?;
            found.extend(answers(self.classifier, &images, self.class)?);
        }
        Ok(found)
    }

    /// One image for each patch, `[patches, C, H, W]`.
    fn occluded(&self, starts: &[[usize; 2]]) -> Result<Tensor> {
        // Of each patch: which rows, or columns, of the image it covers.
        let covers = |axis: usize| -> Result<Tensor> {
            let first: Vec<i64> = starts.iter().map(|start| start[axis] as i64).collect();
            let end: Vec<i64> = first.iter().map(|first| first + self.patch[axis] as i64).collect();
            let (first, end) = (self.planes.column(&first)?, self.planes.column(&end)?);
            let inside = || -> Result<Tensor, TchError> {
                let places = &self.places[axis];
                places.f_ge_tensor(&first)?.f_logical_and(&places.f_lt_tensor(&end)?)
            };
            inside().context(|| "places of patches".to_owned())
        };
        let (rows, columns) = (covers(0)?, covers(1)?);
        let hide = || self.fill.f_where_self(&rows.f_logical_and(&columns)?, &self.planes.image);
        tch::no_grad(hide).context(|| "occluded images".to_owned())
    }
}
