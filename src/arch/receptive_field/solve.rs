//! The walk from the image to the last layer.

use super::{
    axis::AxisField,
    field::ReceptiveField,
    fields::{Entry, ReceptiveFields},
    step::{Step, steps, units},
};
use crate::arch::{
    error::ModelError,
    resolve::{ResolvedLayer, ResolvedModel, Source},
    shape::AXES,
};

const TOO_FAR: &str = "its receptive field reaches further than can be counted: make the strides, kernels, \
                       dilations or paddings up to here smaller";

/// The fields of all layers whose inputs have one, and the first thing that stood in the way of others. With
/// `any_size` the image's size counts as not known.
pub(super) fn solve(model: &ResolvedModel, any_size: bool) -> (ReceptiveFields, Option<ModelError>) {
    let image = ReceptiveField::image();
    let mut entries: Vec<Entry> = Vec::with_capacity(model.layers.len());
    let mut defect = None;
    for layer in &model.layers {
        let inputs: Option<Vec<&ReceptiveField>> =
            layer.inputs.iter().map(|&source| field_of(source, &image, &entries)).collect();
        let field = inputs.and_then(|inputs| {
            let found = Place { model, layer, any_size }.field(&inputs);
            found.unwrap_or_else(|why| {
                defect.get_or_insert_with(|| ModelError::new(why).layer(&layer.name));
                None
            })
        });
        let units = (!any_size).then(|| units(Some(layer.output_shape)));
        entries.push(Entry { name: layer.name.clone(), units, field });
    }
    let size = (!any_size).then(|| units(Some(model.image)));
    (ReceptiveFields::new(size, entries), defect)
}

fn field_of<'a>(
    source: Source,
    image: &'a ReceptiveField,
    entries: &'a [Entry],
) -> Option<&'a ReceptiveField> {
    match source {
        Source::Image => Some(image),
        Source::Layer(place) => entries[place].field.as_ref(),
    }
}

/// A layer in its model.
struct Place<'a> {
    model: &'a ResolvedModel,
    layer: &'a ResolvedLayer,
    any_size: bool,
}

impl Place<'_> {
    /// The layer's field over those of its inputs: `Ok(None)` if it sees an image of unknown size as a whole.
    fn field(&self, inputs: &[&ReceptiveField]) -> Result<Option<ReceptiveField>, String> {
        let steps = steps(self.layer, self.any_size);
        if self.any_size && steps.contains(&Step::Everything) {
            return Ok(None);
        }
        let rows: Vec<&AxisField> = inputs.iter().map(|field| &field.rows).collect();
        let columns: Vec<&AxisField> = inputs.iter().map(|field| &field.columns).collect();
        self.check_strides([&rows, &columns])?;
        let [rows, columns] = [self.axis(0, steps[0], &rows), self.axis(1, steps[1], &columns)];
        match (rows, columns) {
            (Some(rows), Some(columns)) => Ok(Some(ReceptiveField { rows, columns })),
            _ => Err(TOO_FAR.to_owned()),
        }
    }

    /// Along one axis. `None` on overflow.
    fn axis(&self, axis: usize, step: Step, inputs: &[&AxisField]) -> Option<AxisField> {
        let &[first, ref others @ ..] = inputs else { return None };
        let length = units(Some(self.model.image))[axis];
        let input_units = units(self.layer.input_shapes.first().copied())[axis];
        let field = match step {
            Step::Keep => first.clone(),
            Step::Slide { kernel, stride, dilation, before } => {
                first.slide(kernel, stride, dilation, before)?
            }
            Step::Everything => first.everything(input_units, length)?,
            Step::AtMostEverything => first.at_most_everything(input_units, length)?,
            Step::Join if inputs.iter().any(|field| field.stride.is_none()) => {
                let first = first.everything(input_units, length)?;
                others
                    .iter()
                    .try_fold(first, |all, field| all.union(&field.everything(input_units, length)?))?
            }
            Step::Join => {
                let mut field = others.iter().try_fold(first.clone(), |all, field| all.union(field))?;
                // They differ only where there is one unit.
                field.stride = inputs.iter().filter_map(|field| field.stride).max();
                field
            }
        };
        if !self.any_size {
            field.unit_range(units(Some(self.layer.output_shape))[axis] - 1)?; // the last unit's place can be told
        }
        Some(field)
    }

    /// Units at the same place in maps that are joined must move over the image at the same pace.
    fn check_strides(&self, inputs: [&[&AxisField]; 2]) -> Result<(), String> {
        let conflicts: Vec<String> = (0..2)
            .filter(|&axis| self.any_size || units(Some(self.layer.output_shape))[axis] > 1)
            .filter_map(|axis| self.conflict(axis, inputs[axis]))
            .collect();
        if conflicts.is_empty() {
            return Ok(());
        }
        Err(format!(
            "joins branches of different strides: {}. Units at the same place of both then look at different parts of \
             the image: give the branches the same strides",
            conflicts.join("; ")
        ))
    }

    /// The first two inputs with different strides, in words.
    fn conflict(&self, axis: usize, inputs: &[&AxisField]) -> Option<String> {
        let strides: Vec<i64> = inputs.iter().map(|field| field.stride).collect::<Option<_>>()?;
        let other = strides.iter().position(|stride| *stride != strides[0])?;
        let name = |input: usize| self.model.source_name(self.layer.inputs[input]);
        Some(format!(
            "along the {} `{}` has {} and `{}` has {}",
            AXES[axis],
            name(0),
            strides[0],
            name(other),
            strides[other]
        ))
    }
}
