//! Architecture as data: the graph, its shapes and its counts, against arithmetic done another way.

#![allow(clippy::unwrap_used)]

use convscope::{
    ErrorKind,
    arch::{
        AdaptiveAvgPool2d, AvgPool2d, BatchNorm2d, Conv2d, Dropout, Layer, Linear, MaxPool2d, ModelBuilder,
        ModelSpec, Padding, Shape, Sides, Source, ZeroPad2d,
    },
};
use proptest::prelude::*;

/// The published LeNet-5 as it is usually written today: 61,706 parameters.
fn lenet5() -> ModelSpec {
    ModelSpec::builder("lenet5", [1, 32, 32])
        .layer("conv1", Conv2d::new(6, 5))
        .layer("tanh1", Layer::Tanh)
        .layer("pool1", AvgPool2d::new(2))
        .layer("conv2", Conv2d::new(16, 5))
        .layer("tanh2", Layer::Tanh)
        .layer("pool2", AvgPool2d::new(2))
        .layer("flatten", Layer::Flatten)
        .layer("fc1", Linear::new(120))
        .layer("fc2", Linear::new(84))
        .layer("fc3", Linear::new(10))
        .build()
        .unwrap()
}

#[test]
fn lenet5_has_its_published_shapes_and_parameters() {
    let spec = lenet5();
    let shapes: Vec<String> =
        spec.output_shapes().unwrap().iter().map(|(_, shape)| shape.to_string()).collect();
    assert_eq!(
        shapes,
        ["6x28x28", "6x28x28", "6x14x14", "16x10x10", "16x10x10", "16x5x5", "400", "120", "84", "10"]
    );
    let counts: Vec<i64> = spec.param_counts().unwrap().iter().map(|(_, count)| *count).collect();
    assert_eq!(counts, [156, 0, 0, 2416, 0, 0, 0, 48_120, 10_164, 850]);
    assert_eq!(spec.param_count().unwrap(), 61_706);
}

#[test]
fn alexnet_has_its_published_parameters() {
    let mut model = ModelSpec::builder("alexnet", [3, 224, 224]);
    let convs = [
        (64, 11, 4, 2, true),
        (192, 5, 1, 2, true),
        (384, 3, 1, 1, false),
        (256, 3, 1, 1, false),
        (256, 3, 1, 1, true),
    ];
    for (index, (channels, kernel, stride, padding, pool)) in convs.into_iter().enumerate() {
        let conv = Conv2d::new(channels, kernel).stride(stride).padding(padding);
        model = model.layer(format!("conv{index}"), conv).layer(format!("relu{index}"), Layer::Relu);
        if pool {
            model = model.layer(format!("pool{index}"), MaxPool2d::new(3).stride(2));
        }
    }
    let spec = model
        .layer("avgpool", AdaptiveAvgPool2d::new(6))
        .layer("flatten", Layer::Flatten)
        .layer("drop1", Dropout::new())
        .layer("fc1", Linear::new(4096))
        .layer("fc2", Linear::new(4096))
        .layer("fc3", Linear::new(1000))
        .build()
        .unwrap();
    assert_eq!(spec.param_count().unwrap(), 61_100_840);
}

#[test]
fn vgg16_has_its_published_parameters() {
    let mut model = ModelSpec::builder("vgg16", [3, 224, 224]);
    let mut index = 0;
    for (channels, convs) in [(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)] {
        for _ in 0..convs {
            model = model.layer(format!("features.{index}"), Conv2d::new(channels, 3).padding(1));
            model = model.layer(format!("features.{}", index + 1), Layer::Relu);
            index += 2;
        }
        model = model.layer(format!("features.{index}"), MaxPool2d::new(2));
        index += 1;
    }
    let model = model.layer("flatten", Layer::Flatten);
    let spec = [(0, 4096), (3, 4096), (6, 1000)]
        .into_iter()
        .fold(model, |model, (index, n)| model.layer(format!("classifier.{index}"), Linear::new(n)))
        .build()
        .unwrap();
    assert_eq!(spec.param_count().unwrap(), 138_357_544);
}

#[test]
fn running_statistics_are_kept_but_not_counted() {
    let spec = ModelSpec::builder("bn", [3, 4, 4])
        .layer("bn1", BatchNorm2d::new())
        .layer("bn2", BatchNorm2d::new().affine(false))
        .build()
        .unwrap();
    let model = spec.resolve().unwrap();
    let names =
        |index: usize| model.layers[index].params.iter().map(|p| (p.name, p.trainable)).collect::<Vec<_>>();
    assert_eq!(names(0), [("weight", true), ("bias", true), ("running_mean", false), ("running_var", false)]);
    assert_eq!(names(1), [("running_mean", false), ("running_var", false)]);
    assert_eq!(spec.param_count().unwrap(), 6);
}

#[test]
fn grouped_convolution_has_a_smaller_kernel() {
    let spec = ModelSpec::builder("depthwise", [8, 5, 5])
        .layer("conv", Conv2d::new(16, [1, 3]).groups(8).bias(false))
        .build()
        .unwrap();
    let model = spec.resolve().unwrap();
    assert_eq!(model.layers[0].params[0].dims, [16, 1, 1, 3]);
    assert_eq!(model.output_shape(), Shape::map(16, 5, 3));
}

#[test]
fn every_shape_rule() {
    let wide = |builder: ModelBuilder| builder.build().unwrap().output_shapes().unwrap().pop().unwrap().1;
    let model = || ModelSpec::builder("m", [3, 8, 6]);
    assert_eq!(wide(model().layer("a", ZeroPad2d::new([1, 2, 3, 4]))), Shape::map(3, 11, 13));
    assert_eq!(wide(model().layer("a", Layer::GlobalAvgPool)), Shape::flat(3));
    assert_eq!(wide(model().layer("a", Layer::Flatten)), Shape::flat(144));
    assert_eq!(wide(model().layer("a", Layer::Flatten).layer("b", Layer::Flatten)), Shape::flat(144));
    assert_eq!(wide(model().layer("a", AdaptiveAvgPool2d::new([2, 5]))), Shape::map(3, 2, 5));
    assert_eq!(
        wide(model().layer("a", Conv2d::new(5, 1)).layer_from("b", ["a", "input", "a"], Layer::Concat)),
        Shape::map(13, 8, 6)
    );
    assert_eq!(wide(model().layer_from("b", ["input", "input"], Layer::Add)), Shape::map(3, 8, 6));
    let flat = model().layer("a", Layer::Flatten).layer_from("b", ["input"], Layer::GlobalAvgPool);
    assert_eq!(wide(flat.layer_from("c", ["a", "b"], Layer::Concat)), Shape::flat(147));
    // Pooling drops what does not fill a window.
    assert_eq!(wide(model().layer("a", MaxPool2d::new(3))), Shape::map(3, 2, 2));
    assert_eq!(wide(model().layer("a", MaxPool2d::new(3).stride([2, 3]).padding(1))), Shape::map(3, 4, 2));
}

#[test]
fn inputs_are_resolved_to_places() {
    let spec = ModelSpec::builder("m", [1, 4, 4])
        .layer("a", Layer::Relu)
        .layer("b", Layer::Relu)
        .layer_from("c", ["b", "a", "input"], Layer::Concat)
        .build()
        .unwrap();
    let model = spec.resolve().unwrap();
    assert_eq!(model.layers[0].inputs, [Source::Image]);
    assert_eq!(model.layers[1].inputs, [Source::Layer(0)]);
    assert_eq!(model.layers[2].inputs, [Source::Layer(1), Source::Layer(0), Source::Image]);
}

/// TensorFlow's documented examples for `SAME` and its definition of the two halves.
#[test]
fn same_padding_is_tensorflows() {
    for (n, kernel, stride, dilation, expected) in [
        (5, 3, 1, 1, (1, 1)),
        (5, 2, 1, 1, (0, 1)),   // the smaller half first
        (224, 7, 2, 1, (2, 3)), // ResNet's first layer in TensorFlow
        (13, 6, 5, 1, (1, 2)),  // the example of TensorFlow's guide
        (8, 1, 2, 1, (0, 0)),   // never negative
        (8, 3, 1, 2, (2, 2)),
    ] {
        let conv = Conv2d::new(1, kernel).stride(stride).dilation(dilation).padding(Padding::Same);
        let model = ModelSpec::builder("m", [1, n, n]).layer("c", conv).build().unwrap().resolve().unwrap();
        let window = model.layers[0].window.unwrap();
        let (top, bottom) = expected;
        assert_eq!(window.padding, Sides { top, bottom, left: top, right: bottom }, "{n} {kernel} {stride}");
    }
}

/// Slides a window step by step and counts its places.
fn count_places(n: i64, before: i64, after: i64, kernel: i64, stride: i64, dilation: i64) -> i64 {
    let mut places = 0;
    let mut start = -before;
    while start + (kernel - 1) * dilation < n + after {
        places += 1;
        start += stride;
    }
    places
}

proptest! {
    #[test]
    fn convolution_has_as_many_places_as_a_slow_count(
        size in (1_i64..40, 1_i64..40), kernel in (1_i64..6, 1_i64..6), stride in (1_i64..4, 1_i64..4),
        dilation in 1_i64..4, sides in [0_i64..4, 0_i64..4, 0_i64..4, 0_i64..4],
    ) {
        let conv = Conv2d::new(7, [kernel.0, kernel.1]).stride([stride.0, stride.1]).dilation(dilation).padding(sides);
        let built = ModelSpec::builder("m", [2, size.0, size.1]).layer("c", conv).build();
        let height = count_places(size.0, sides[0], sides[1], kernel.0, stride.0, dilation);
        let width = count_places(size.1, sides[2], sides[3], kernel.1, stride.1, dilation);
        match built {
            Ok(spec) => prop_assert_eq!(spec.resolve().unwrap().output_shape(), Shape::map(7, height, width)),
            Err(error) => prop_assert!(height * width == 0 && error.to_string().contains("layer `c`: field `kernel_size`"), "{}", error),
        }
    }

    /// One by one, as PyTorch's documentation says it: windows may go off the end, if they start within the leading
    /// padding or the input.
    #[test]
    fn ceil_mode_has_as_many_places_as_a_slow_count(
        size in 1_i64..40, kernel in 1_i64..6, stride in 1_i64..6, dilation in 1_i64..4, sides in [0_i64..8, 0_i64..8],
    ) {
        let half = (dilation * (kernel - 1) + 1) / 2;
        let [top, bottom] = sides.map(|side| side.min(half));
        let pool = MaxPool2d::new([kernel, 1]).stride([stride, 1]).padding([top, bottom, 0, 0]).dilation(dilation);
        let built = ModelSpec::builder("m", [2, size, 3]).layer("p", pool.ceil_mode(true)).build();
        let whole = count_places(size, top, bottom, kernel, stride, dilation);
        // The last tap of the window before.
        let reached = |places: i64| -top + (places - 1) * stride + (kernel - 1) * dilation;
        let next = -top + whole * stride;
        let one_more = next < size && reached(whole) < size + bottom - 1;
        let places = whole + i64::from(one_more);
        match built {
            Ok(spec) => prop_assert_eq!(spec.resolve().unwrap().output_shape(), Shape::map(2, places, 3)),
            Err(error) => prop_assert!(places == 0 && error.to_string().contains("layer `p`: field `kernel_size`"), "{}", error),
        }
    }

    #[test]
    fn same_padding_gives_one_place_per_stride(n in 1_i64..60, kernel in 1_i64..8, stride in 1_i64..5, dilation in 1_i64..3) {
        let conv = Conv2d::new(1, kernel).stride(stride).dilation(dilation).padding(Padding::Same);
        let spec = ModelSpec::builder("m", [1, n, n]).layer("c", conv).build().unwrap();
        let places = (0..n).step_by(stride as usize).count() as i64;
        prop_assert_eq!(spec.resolve().unwrap().output_shape(), Shape::map(1, places, places));
    }
}

/// SqueezeNet's pools at its own input, where nothing is cut, and small cases counted by hand.
#[test]
fn ceil_mode_is_pytorchs() {
    for (n, kernel, stride, padding, floor, ceil) in [
        (111, 3, 2, 0, 55, 55),
        (55, 3, 2, 0, 27, 27),
        (28, 3, 2, 0, 13, 14),
        (5, 2, 2, 1, 3, 3), // a fourth window would start behind the image
        (4, 2, 2, 1, 3, 3),
        (2, 3, 2, 0, 0, 1), // one window, larger than the image
        (6, 1, 4, 0, 2, 2),
        (9, 1, 4, 0, 3, 3),
        (10, 4, 3, 2, 4, 4),
        (11, 4, 3, 2, 4, 5),
    ] {
        for (ceil_mode, expected) in [(false, floor), (true, ceil)] {
            let max = MaxPool2d::new(kernel).stride(stride).padding(padding).ceil_mode(ceil_mode);
            let avg = AvgPool2d::new(kernel).stride(stride).padding(padding).ceil_mode(ceil_mode);
            for layer in [Layer::from(max), avg.into()] {
                let built = ModelSpec::builder("m", [1, n, n]).layer("p", layer).build();
                let size = built.map_or(0, |spec| spec.resolve().unwrap().output_shape().dims()[1]);
                assert_eq!(size, expected, "{layer:?} on {n}");
            }
        }
    }
}

/// a -> b -> (aux1 -> out1, aux2), c -> d -> e; `shared` feeds both heads, `c` a head and the output.
fn two_heads() -> ModelSpec {
    ModelSpec::builder("heads", [2, 4, 4])
        .layer("a", Layer::Relu)
        .layer("b", Layer::Relu)
        .layer("shared", Layer::Tanh)
        .layer("head1", Layer::GlobalAvgPool)
        .layer("out1", Linear::new(3))
        .layer_from("c", ["b"], Layer::Sigmoid)
        .layer("d", Layer::Relu)
        .layer_from("out2", ["shared", "c"], Layer::Add)
        .layer_from("e", ["d"], Layer::Flatten)
        .auxiliary("out2")
        .auxiliary("out1")
        .build()
        .unwrap()
}

#[test]
fn auxiliary_outputs_can_be_taken_off() {
    let spec = two_heads();
    let model = spec.resolve().unwrap();
    assert_eq!(model.auxiliary, [7, 4]);
    let kept: Vec<&str> = (model.layers.iter().zip(model.feeds_output()))
        .filter_map(|(layer, feeds)| feeds.then_some(layer.name.as_str()))
        .collect();
    assert_eq!(kept, ["a", "b", "c", "d", "e"]);
    assert_eq!(spec.param_count().unwrap(), 9);

    let plain = spec.without_auxiliary();
    plain.validate().unwrap();
    assert_eq!(plain.layers.iter().map(|layer| layer.name.as_str()).collect::<Vec<_>>(), kept);
    assert_eq!(plain.resolve().unwrap().feeds_output(), [true; 5]);
    assert_eq!(plain.param_count().unwrap(), 0);
    assert_eq!(plain.without_auxiliary(), plain);
}

#[test]
fn an_output_that_nothing_reads_says_how_it_can_stay() {
    let mut spec = two_heads();
    spec.auxiliary.pop();
    let error = spec.validate().unwrap_err().to_string();
    assert!(error.contains("layer `out1`: no later layer reads its output"), "{error}");
    assert!(error.contains("in `auxiliary` if only training uses it"), "{error}");
}

#[test]
fn default_model_is_small_and_ends_in_the_classes() {
    let spec = ModelSpec::default_model(10).unwrap();
    let convolutions = 16 * 25 + 32 * 16 * 9 + 64 * 32 * 9;
    let norms = 2 * (16 + 32 + 64);
    let linear = 128 * (64 * 3 * 3 + 1) + 10 * (128 + 1);
    assert_eq!(spec.param_count().unwrap(), convolutions + norms + linear);
    let seven = ModelSpec::default_model(7).unwrap();
    assert_eq!(seven.resolve().unwrap().output_shape(), Shape::flat(7));
    assert!(
        ModelSpec::default_model(0).unwrap_err().to_string().contains("layer `fc2`: field `out_features`")
    );
}

#[test]
fn a_broken_model_built_in_code_names_the_layer() {
    let error = lenet5_with_pool3().unwrap_err();
    let ErrorKind::Model(model) = error.kind() else { panic!("{error:?}") };
    assert_eq!((model.layer.as_deref(), model.field.as_deref()), (Some("pool3"), Some("kernel_size")));
    let text = error.to_string();
    assert!(
        text.contains("layer `pool3`: field `kernel_size`: found 2x2, larger than the input 1x1"),
        "{text}"
    );
}

fn lenet5_with_pool3() -> convscope::Result<ModelSpec> {
    ModelSpec::builder("m", [1, 4, 4])
        .layer("pool1", MaxPool2d::new(2))
        .layer("pool2", MaxPool2d::new(2))
        .layer("pool3", MaxPool2d::new(2))
        .build()
}

#[test]
fn sizes_beyond_counting_are_refused() {
    let most = i64::from(i32::MAX);
    for input in [[0, 1, 1], [1, -1, 1], [1, 1, most + 1], [i64::MAX; 3], [i64::MIN; 3]] {
        let text = ModelSpec::builder("m", input).layer("a", Layer::Relu).build().unwrap_err().to_string();
        assert!(text.contains("field `input`: found"), "{text}");
    }
    let huge = |layer: Layer| ModelSpec::builder("m", [most; 3]).layer("a", layer).build();
    let beyond = "more values than can be counted";
    assert!(huge(Layer::Relu).unwrap_err().to_string().contains(beyond));
    assert!(
        huge(Layer::Flatten)
            .unwrap_err()
            .to_string()
            .contains("layer `a`: has more values than can be counted")
    );
    assert!(huge(Conv2d::new(most, [most, most]).into()).unwrap_err().to_string().contains(beyond));
    let bound = format!("field `kernel_size`: found {}, expected at most {most}", i64::MAX);
    assert!(huge(Conv2d::new(1, i64::MAX).into()).unwrap_err().to_string().contains(&bound));
}

#[test]
fn names_have_256_characters_at_most() {
    let named =
        |length: usize| ModelSpec::builder("m", [1, 4, 4]).layer("x".repeat(length), Layer::Relu).build();
    named(256).unwrap();
    let error = named(257).unwrap_err().to_string();
    assert!(error.ends_with("field `name`: found 257 characters, expected at most 256"), "{error}");
    assert!(error.len() < 400, "{error}");
}
