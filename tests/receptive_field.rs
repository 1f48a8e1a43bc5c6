//! Theoretical receptive fields against published tables, numbers derived elsewhere, and the borders of the rules.

#![allow(clippy::unwrap_used)]

use convscope::arch::{
    AdaptiveAvgPool2d, AvgPool2d, Conv2d, Layer, Linear, MaxPool2d, ModelBuilder, ModelSpec, Padding,
    PixelBox, ReceptiveField, ReceptiveFields, ZeroPad2d,
};

/// A chain of layers `0`, `1`, ... over a square image.
fn chain(size: i64, layers: &[Layer]) -> ModelSpec {
    let model = ModelSpec::builder("chain", [1, size, size]);
    let add = |model: ModelBuilder, (index, layer): (usize, &Layer)| model.layer(index.to_string(), *layer);
    layers.iter().enumerate().fold(model, add).build().unwrap()
}

/// The field of the last layer.
fn last(spec: &ModelSpec) -> ReceptiveField {
    spec.receptive_fields().unwrap().iter().last().unwrap().1.clone()
}

fn conv(kernel: i64) -> Conv2d {
    Conv2d::new(1, kernel)
}

fn error(spec: &ModelSpec) -> String {
    spec.receptive_fields().unwrap_err().to_string()
}

#[test]
fn dilated_layers_leave_holes() {
    let field = last(&chain(32, &[conv(3).dilation(2).padding(2).into(); 3]));
    assert_eq!((field.size(), field.density()), ([13, 13], Some(7.0 / 13.0)));
    assert_eq!(field.rows.support().unwrap().collect::<Vec<_>>(), [0, 2, 4, 6, 8, 10, 12]);
    // Dilations without a common factor fill them.
    let field = last(&chain(32, &[conv(3).into(), conv(3).dilation(2).into(), conv(3).dilation(4).into()]));
    assert_eq!((field.size(), field.density()), ([15, 15], Some(1.0)));
    // The lecture's kernel of 2x2 taps with one hole between them.
    let field = last(&chain(3, &[conv(2).dilation(2).into()]));
    assert_eq!((field.size(), field.density()), ([3, 3], Some(2.0 / 3.0)));
    // Only rows have holes.
    let field = last(&chain(32, &[Conv2d::new(1, [3, 5]).dilation([3, 1]).into()]));
    assert_eq!(
        (field.size(), field.rows.density, field.columns.density),
        ([7, 5], Some(3.0 / 7.0), Some(1.0))
    );
    assert_eq!(field.density(), Some(3.0 / 7.0));
}

#[test]
fn strides_larger_than_kernels_leave_pixels_to_nobody() {
    // Every unit sees all of its two pixels, all units together two of three.
    let spec = chain(9, &[conv(2).stride(3).into(), Layer::GlobalAvgPool]);
    let fields = spec.receptive_fields().unwrap();
    assert_eq!(fields.get("0").unwrap().density(), Some(1.0));
    let pooled = fields.get("1").unwrap();
    assert_eq!((pooled.size(), pooled.density()), ([8, 8], Some(0.75)));
    // The next layer's units see 2 + 2 of 5.
    let field = last(&chain(12, &[conv(2).stride(3).into(), conv(2).into()]));
    assert_eq!((field.size(), field.density()), ([5, 5], Some(0.8)));
}

#[test]
fn same_padding_depends_on_the_size() {
    let spec = |size| chain(size, &[conv(3).stride(2).padding(Padding::Same).into()]);
    assert_eq!((last(&spec(8)).padding(), last(&spec(9)).padding()), (Some([0, 0]), Some([1, 1])));
    let any = ReceptiveFields::of_any_size(&spec(8)).unwrap();
    let field = any.get("0").unwrap();
    assert_eq!((field.size(), field.stride(), field.padding()), ([3, 3], Some([2, 2]), None));
    assert_eq!((field.center(), field.unit_box(0, 0), field.density()), (None, None, Some(1.0)));
    let message = any.unit_box("0", 0, 0).unwrap_err().to_string();
    assert!(message.contains("depends on the image's size"), "{message}");
}

#[test]
fn without_a_size_layers_that_see_the_whole_image_have_no_field() {
    let spec = ModelSpec::builder("net", [1, 8, 8])
        .layer("conv", conv(3).padding(Padding::Same))
        .layer("pad", ZeroPad2d::new([2, 0]))
        .layer("pool", AdaptiveAvgPool2d::new(4))
        .layer("relu", Layer::Relu)
        .layer("flatten", Layer::Flatten)
        .layer("fc", Linear::new(2))
        .build()
        .unwrap();
    let any = ReceptiveFields::of_any_size(&spec).unwrap();
    assert_eq!(any.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["conv", "pad"]);
    assert_eq!(any.get("pad").unwrap().padding(), Some([3, 1]));
    let far = any.unit_box("pad", 1000, 0).unwrap();
    assert_eq!(far, PixelBox { top: 997, left: -1, bottom: 1000, right: 2 });
    let message = any.unit_box("fc", 0, 0).unwrap_err().to_string();
    assert!(message.contains("unknown size"), "{message}");
}

#[test]
fn everything_is_what_all_units_see_within_the_image() {
    // 0..7 and 4..11: the last two rows of 13 are seen by nobody.
    let spec = chain(13, &[conv(7).stride(4).into(), Layer::Flatten, Linear::new(3).into()]);
    for layer in ["1", "2"] {
        let fields = spec.receptive_fields().unwrap();
        let seen = fields.unit_box(layer, 0, 0).unwrap();
        assert_eq!(seen, PixelBox { top: 0, left: 0, bottom: 11, right: 11 });
        let field = fields.get(layer).unwrap();
        assert!(field.sees_everything());
        assert_eq!((field.stride(), field.padding(), field.density()), (None, Some([0, 0]), Some(1.0)));
    }
    // With padding more is seen than the image has.
    let field = last(&chain(13, &[conv(7).padding(3).into(), Layer::GlobalAvgPool]));
    assert_eq!((field.size(), field.padding()), ([13, 13], Some([0, 0])));
    // A unit that looks at the middle only.
    let field = last(&chain(9, &[conv(1).stride(4).into(), conv(1).stride(8).into(), Layer::GlobalAvgPool]));
    assert_eq!((field.size(), field.padding()), ([1, 1], Some([0, 0])));
}

#[test]
fn padding_alone_is_nothing() {
    let spec = chain(2, &[ZeroPad2d::new(5).into(), conv(1).stride(100).into(), Layer::GlobalAvgPool]);
    let fields = spec.receptive_fields().unwrap();
    let window = fields.unit_box("1", 0, 0).unwrap();
    assert_eq!((window, window.clip(2, 2)), (PixelBox { top: -5, left: -5, bottom: -4, right: -4 }, None));
    let nothing = fields.get("2").unwrap();
    assert_eq!((nothing.size(), nothing.density()), ([0, 0], None));
    assert_eq!(nothing.unit_box(0, 0).unwrap().clip(2, 2), None);
    // Beside a branch that sees something it does not count.
    let spec = ModelSpec::builder("net", [1, 2, 2])
        .layer("pad", ZeroPad2d::new(5))
        .layer("conv", conv(1).stride(100))
        .layer("nothing", Layer::GlobalAvgPool)
        .layer_from("something", ["input"], Layer::GlobalAvgPool)
        .layer_from("both", ["nothing", "something"], Layer::Add)
        .build()
        .unwrap();
    assert_eq!((last(&spec).size(), last(&spec).density()), ([2, 2], Some(1.0)));
}

#[test]
fn adaptive_pooling_is_a_window_where_its_regions_are_equal() {
    let pooled = |size: i64, output: i64| last(&chain(size, &[AdaptiveAvgPool2d::new(output).into()]));
    assert_eq!((pooled(12, 4).size(), pooled(12, 4).stride()), ([3, 3], Some([3, 3])));
    assert_eq!((pooled(12, 12).size(), pooled(12, 12).stride()), ([1, 1], Some([1, 1])));
    assert_eq!((pooled(12, 1).size(), pooled(12, 1).stride()), ([12, 12], None));
    assert_eq!((pooled(12, 5).size(), pooled(12, 5).stride()), ([12, 12], None));
    assert_eq!((pooled(1, 7).size(), pooled(1, 7).stride()), ([1, 1], None));
    // Of regions that differ the field is an upper bound, there and behind.
    assert!([4, 12, 1].iter().all(|&output| pooled(12, output).exact()) && pooled(1, 7).exact());
    assert!(!pooled(12, 5).exact());
    let behind = last(&chain(12, &[AdaptiveAvgPool2d::new([5, 6]).into(), conv(3).padding(1).into()]));
    assert_eq!((behind.rows.exact, behind.columns.exact), (false, true));
    // Along one axis only.
    let field = last(&chain(12, &[AdaptiveAvgPool2d::new([1, 6]).into()]));
    assert_eq!((field.rows.stride, field.columns.stride), (None, Some(2)));
    assert!(!field.sees_everything());
    assert_eq!(field.unit_box(0, 5), Some(PixelBox { top: 0, left: 10, bottom: 12, right: 12 }));
}

#[test]
fn one_unit_passes_through_flatten() {
    let field = last(&chain(5, &[conv(5).padding(1).stride(4).into(), Layer::Flatten]));
    assert_eq!((field.size(), field.stride(), field.padding()), ([5, 5], Some([4, 4]), Some([1, 1])));
}

#[test]
fn layers_that_compute_per_value_see_what_their_input_sees() {
    let spec = chain(
        9,
        &[
            Conv2d::new(1, [3, 5]).padding([2, 1, 0, 3]).stride([2, 1]).into(),
            Layer::Relu,
            Layer::Tanh,
            convscope::arch::BatchNorm2d::new().into(),
            convscope::arch::Dropout::new().into(),
            Layer::Identity,
            Layer::Softmax,
        ],
    );
    let fields = spec.receptive_fields().unwrap();
    let first = fields.get("0").unwrap();
    assert_eq!((first.size(), first.stride(), first.padding()), ([3, 5], Some([2, 1]), Some([2, 0])));
    assert!(fields.iter().all(|(_, field)| field == first));
}

#[test]
fn branches_with_other_centres_are_not_aligned_from_there_on() {
    let spec = ModelSpec::builder("net", [1, 8, 8])
        .layer("even", conv(2).stride(2))
        .layer_from("one", ["input"], conv(1).stride(2))
        .layer_from("add", ["even", "one"], Layer::Add)
        .layer("conv", conv(3).padding(1))
        .layer("pool", Layer::GlobalAvgPool)
        .build()
        .unwrap();
    let fields = spec.receptive_fields().unwrap();
    let aligned = fields.iter().map(|(name, field)| (name, field.aligned())).collect::<Vec<_>>();
    assert_eq!(aligned, [("even", true), ("one", true), ("add", false), ("conv", false), ("pool", false)]);
    assert_eq!(fields.get("add").unwrap().rows.misalignment(), Some(0.5));
    assert_eq!(fields.get("even").unwrap().rows.misalignment(), Some(0.0));
    // Rows and columns are told apart.
    let spec = ModelSpec::builder("net", [1, 8, 8])
        .layer("shifted", Conv2d::new(1, 3).padding([1, 1, 2, 0]))
        .layer_from("add", ["shifted", "input"], Layer::Add)
        .build()
        .unwrap();
    assert_eq!((last(&spec).rows.aligned, last(&spec).columns.aligned), (true, false));
    assert_eq!(last(&spec).columns.misalignment(), Some(1.0));
}

#[test]
fn a_branch_that_sees_everything_makes_the_join_see_everything() {
    let spec = ModelSpec::builder("net", [1, 8, 8])
        .layer("crop", conv(6))
        .layer_from("uneven", ["input"], AdaptiveAvgPool2d::new(3))
        .layer_from("concat", ["crop", "uneven"], Layer::Concat)
        .build()
        .unwrap();
    let field = last(&spec);
    assert!(field.sees_everything());
    assert_eq!((field.size(), field.density()), ([8, 8], Some(1.0)));
}

#[test]
fn the_field_of_a_join_reaches_over_the_gap_between_its_branches() {
    let spec = ModelSpec::builder("net", [1, 20, 20])
        .layer("pool", MaxPool2d::new([20, 3]).stride([1, 9]))
        .layer_from("conv", ["input"], Conv2d::new(1, [20, 2]).dilation([1, 10]).stride([1, 9]))
        .layer_from("add", ["pool", "conv"], Layer::Add)
        .layer("mean", AvgPool2d::new([1, 2]))
        .layer("all", Layer::GlobalAvgPool)
        .build()
        .unwrap();
    let fields = spec.receptive_fields().unwrap();
    let seen = |layer| fields.get(layer).unwrap().columns.support().unwrap().collect::<Vec<_>>();
    assert_eq!(seen("add"), [0, 1, 2, 10]);
    assert_eq!(fields.get("add").unwrap().density(), Some(4.0 / 11.0));
    assert_eq!(fields.get("add").unwrap().columns.misalignment(), Some(4.0));
    assert_eq!(seen("mean"), [0, 1, 2, 9, 10, 11, 19]);
    assert_eq!(seen("all"), seen("mean"));
}

#[test]
fn different_strides_are_an_error_with_both_branches() {
    let spec = ModelSpec::builder("net", [1, 8, 8])
        .layer("a", conv(5).padding(2).stride(2))
        .layer_from("b", ["input"], conv(5))
        .layer_from("join", ["a", "b"], Layer::Add)
        .layer("after", Layer::Relu)
        .layer_from("beside", ["b"], conv(3))
        .layer_from("flat1", ["after"], Layer::Flatten)
        .layer_from("flat2", ["beside"], Layer::Flatten)
        .layer_from("end", ["flat1", "flat2"], Layer::Concat)
        .build()
        .unwrap();
    let message = error(&spec);
    assert_eq!(
        message,
        "model: layer `join`: joins branches of different strides: along the height `a` has 2 and `b` has 1; along \
         the width `a` has 2 and `b` has 1. Units at the same place of both then look at different parts of the \
         image: give the branches the same strides"
    );
    assert_eq!(ReceptiveFields::of_any_size(&spec).unwrap_err().to_string(), message);
    // What does not depend on it is solved.
    let (fields, conflict) = ReceptiveFields::partial(&spec.resolve().unwrap());
    assert_eq!(conflict.unwrap().to_string(), message);
    assert_eq!(fields.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["a", "b", "beside", "flat2"]);
    let message = fields.unit_box("after", 0, 0).unwrap_err().to_string();
    assert!(message.contains("could not be solved"), "{message}");
}

#[test]
fn a_conflict_with_the_image_names_it() {
    let spec = ModelSpec::builder("net", [1, 2, 2])
        .layer("pad", ZeroPad2d::new(1))
        .layer("conv", Conv2d::new(1, [3, 2]).stride([1, 2]))
        .layer_from("join", ["conv", "input"], Layer::Add)
        .build()
        .unwrap();
    let message = error(&spec);
    assert!(message.contains("along the width `conv` has 2 and `input` has 1. Units"), "{message}");
}

#[test]
fn strides_may_differ_where_there_is_one_unit() {
    let spec = ModelSpec::builder("net", [1, 4, 4])
        .layer("a", conv(4).stride(4))
        .layer_from("b", ["input"], conv(3).stride(2))
        .layer_from("join", ["b", "a"], Layer::Concat)
        .build()
        .unwrap();
    let field = last(&spec);
    assert_eq!((field.size(), field.stride(), field.aligned()), ([4, 4], Some([4, 4]), false));
    // Whether there is one is not known without the size.
    assert!(ReceptiveFields::of_any_size(&spec).is_err());
}

#[test]
fn without_a_size_paths_of_unknown_padding_are_not_compared() {
    let spec = ModelSpec::builder("net", [1, 8, 8])
        .layer("root", conv(3).stride(2).padding(Padding::Same))
        .layer("conv", conv(3).padding(1))
        .layer_from("add", ["root", "conv"], Layer::Add)
        .build()
        .unwrap();
    let any = ReceptiveFields::of_any_size(&spec).unwrap();
    let field = any.get("add").unwrap();
    assert_eq!((field.size(), field.padding(), field.aligned()), ([7, 7], None, true));
    assert_eq!((field.density(), field.rows.misalignment()), (None, None));
}

#[test]
fn unit_boxes_of_layers_and_units_that_are_not_there() {
    let fields = chain(8, &[conv(3).into(), Layer::Flatten]).receptive_fields().unwrap();
    let refused = |layer: &str, y, x| fields.unit_box(layer, y, x).unwrap_err().to_string();
    assert_eq!(fields.unit_box("0", 5, 0).unwrap(), PixelBox { top: 5, left: 0, bottom: 8, right: 3 });
    assert_eq!(
        refused("0", 6, 0),
        "receptive field of layer `0`: found unit (6, 0), expected one of its 6x6: rows 0 to 5, columns 0 to 5"
    );
    assert!(refused("0", 0, -1).contains("found unit (0, -1)"));
    assert!(refused("1", 0, 1).contains("its 1x1"));
    assert!(refused("conv", 0, 0).contains("there is no such layer; known are `0`, `1`"));
}
