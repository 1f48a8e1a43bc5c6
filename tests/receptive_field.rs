//! Theoretical receptive fields against published tables, numbers derived elsewhere, and the borders of the rules.

#![allow(clippy::unwrap_used)]

use convscope::arch::{Conv2d, ModelBuilder, ModelSpec, Padding, ReceptiveField, ReceptiveFields};

/// A chain of square layers `conv0`, `conv1`, ...
fn chain(size: i64, layers: &[Conv2d]) -> ModelSpec {
    let start = ModelSpec::builder("chain", [1, size, size]);
    let add =
        |model: ModelBuilder, (index, conv): (usize, &Conv2d)| model.layer(format!("conv{index}"), *conv);
    layers.iter().enumerate().fold(start, add).build().unwrap()
}

fn last(spec: &ModelSpec) -> ReceptiveField {
    spec.receptive_fields().unwrap().iter().last().unwrap().1.clone()
}

/// Size, stride and padding of the rows.
fn rows(field: &ReceptiveField) -> (i64, Option<i64>, Option<i64>) {
    (field.rows.size, field.rows.stride, field.rows.padding)
}

#[test]
fn three_dilated_layers_leave_holes() {
    let conv = Conv2d::new(1, 3).dilation(2).padding(2);
    let field = last(&chain(32, &[conv; 3]));
    assert_eq!((field.size(), field.density()), ([13, 13], Some(7.0 / 13.0)));
    assert_eq!(field.rows.support().unwrap().collect::<Vec<_>>(), [0, 2, 4, 6, 8, 10, 12]);
}

#[test]
fn same_padding_depends_on_the_size() {
    let spec = |size| chain(size, &[Conv2d::new(1, 3).stride(2).padding(Padding::Same)]);
    assert_eq!(rows(&last(&spec(8))), (3, Some(2), Some(0)));
    assert_eq!(rows(&last(&spec(9))), (3, Some(2), Some(1)));
    let any = ReceptiveFields::of_any_size(&spec(8)).unwrap();
    assert_eq!(rows(any.get("conv0").unwrap()), (3, Some(2), None));
    assert!(any.unit_box("conv0", 0, 0).unwrap_err().to_string().contains("depends on the image's size"));
}
