//! The networks of the zoo against what is published about them.

#![allow(clippy::unwrap_used)]

use convscope::arch::{Layer, ModelSpec, Shape, zoo};

/// Names and published numbers of parameters. `per_class` is what one class more costs.
struct Published {
    name: &'static str,
    params: i64,
    per_class: i64,
}

const fn published(name: &'static str, params: i64, per_class: i64) -> Published {
    Published { name, params, per_class }
}

/// Those of torchvision are the `num_params` of its table of models (`vgg*_bn`, `resnet*`, ... without weights).
const PUBLISHED: &[Published] = &[
    published("alexnet", 61_100_840, 4097),
    published("alexnet_v2", 50_303_912, 4097),
    published("default", 98_810, 129),
    published("densenet121", 7_978_856, 1025),
    published("dilated_context", 28_392, 0), // not linear: every layer has as many maps as classes
    published("inception_v3", 27_161_264, 2049 + 769),
    published("lenet5", 61_706, 85),
    published("mobilenet_v1", 4_231_976, 1025),
    published("mobilenet_v2", 3_504_872, 1281),
    published("resnet101", 44_549_160, 2049),
    published("resnet101_v1", 44_549_160, 2049),
    published("resnet152", 60_192_808, 2049),
    published("resnet152_v1", 60_192_808, 2049),
    published("resnet18", 11_689_512, 513),
    published("resnet34", 21_797_672, 513),
    published("resnet50", 25_557_032, 2049),
    published("resnet50_v1", 25_557_032, 2049),
    published("squeezenet1_1", 1_235_496, 513),
    published("vgg11", 132_863_336, 4097),
    published("vgg11_bn", 132_868_840, 4097),
    published("vgg13", 133_047_848, 4097),
    published("vgg13_bn", 133_053_736, 4097),
    published("vgg16", 138_357_544, 4097),
    published("vgg16_bn", 138_365_992, 4097),
    published("vgg19", 143_667_240, 4097),
    published("vgg19_bn", 143_678_248, 4097),
];

fn published_model(name: &str) -> ModelSpec {
    zoo::model(name, None, None).unwrap()
}

/// Output shapes by layer.
fn shape(spec: &ModelSpec, layer: &str) -> Shape {
    let shapes = spec.output_shapes().unwrap();
    let found = shapes.into_iter().find(|(name, _)| name == layer);
    found.ok_or(format!("no layer {layer}")).unwrap().1
}

/// The names that a state dict has, in its order.
fn state_dict(spec: &ModelSpec) -> Vec<String> {
    let layers = spec.resolve().unwrap().layers;
    layers
        .iter()
        .flat_map(|layer| layer.params.iter().map(move |param| format!("{}.{}", layer.name, param.name)))
        .collect()
}

#[test]
fn the_list_of_names_is_sorted_and_complete() {
    assert!(zoo::NAMES.is_sorted());
    assert_eq!(zoo::NAMES, PUBLISHED.iter().map(|network| network.name).collect::<Vec<_>>());
    for &name in zoo::NAMES {
        assert_eq!(published_model(name).name, name);
    }
}

#[test]
fn parameters_are_as_many_as_published() {
    for &Published { name, params, per_class } in PUBLISHED {
        let spec = published_model(name);
        assert_eq!(spec.param_count().unwrap(), params, "{name}");
        let classes = spec.resolve().unwrap().output_shape().channels();
        for other in [1, 7, 1001] {
            let found = zoo::model(name, None, Some(other)).unwrap();
            assert_eq!(found.resolve().unwrap().output_shape().channels(), other, "{name}");
            let expected = match name {
                "dilated_context" => (21 * 9 + 1) * other + 6 * (9 * other + 1) * other + (other + 1) * other,
                _ => params + (other - classes) * per_class,
            };
            assert_eq!(found.param_count().unwrap(), expected, "{name}, {other} classes");
        }
    }
}

#[test]
fn images_of_other_sizes_and_channels_fit() {
    // Name, a small image, and how many parameters more or less than with the published one.
    for (name, input, difference) in [
        ("alexnet", [1, 63, 63], -2 * 64 * 121),
        ("alexnet", [3, 300, 65], 0),
        ("alexnet_v2", [4, 224, 224], 64 * 121),
        ("alexnet_v2", [3, 321, 400], 0),
        ("lenet5", [1, 28, 28], -16 * 9 * 120),
        ("lenet5", [3, 32, 32], 2 * 6 * 25),
        ("resnet18", [1, 1, 1], -2 * 64 * 49),
        ("resnet50", [3, 33, 500], 0),
        ("resnet152_v1", [5, 64, 64], 2 * 64 * 49),
        ("vgg16", [3, 32, 32], 0),
        ("vgg11_bn", [2, 100, 64], -64 * 9),
        ("mobilenet_v1", [3, 160, 97], 0),
        ("mobilenet_v1", [1, 1, 1], -2 * 32 * 9),
        ("mobilenet_v2", [3, 32, 1], 0),
        ("squeezenet1_1", [3, 17, 17], 0),
        ("squeezenet1_1", [3, 227, 231], 0),
        ("densenet121", [3, 29, 224], 0),
        ("inception_v3", [3, 299, 512], 0),
        ("inception_v3", [3, 298, 512], -3_326_696),
        ("inception_v3", [3, 75, 75], -3_326_696),
        ("dilated_context", [21, 1, 200], 0),
        ("dilated_context", [3, 64, 64], -18 * 9 * 21),
    ] {
        let spec = zoo::model(name, Some(input), None).unwrap();
        assert_eq!(spec.input, input);
        assert_eq!(
            spec.param_count().unwrap() - published_model(name).param_count().unwrap(),
            difference,
            "{name} {input:?}"
        );
    }
}

/// The layer where torchvision fails, too.
#[test]
fn an_image_that_is_too_small_names_the_layer() {
    for (name, input, classes, expected) in [
        (
            "alexnet",
            [3, 62, 62],
            10,
            "layer `features.12`: field `kernel_size`: found 3x3, larger than the input 2x2",
        ),
        (
            "vgg19_bn",
            [3, 31, 224],
            10,
            "layer `features.52`: field `kernel_size`: found 2x2, larger than the input 1x14",
        ),
        ("alexnet_v2", [3, 130, 224], 10, "layer `fc6`: field `kernel_size`: found 5x5"),
        ("resnet18", [3, 0, 224], 10, "field `input`: found [3, 0, 224]"),
        ("resnet18", [3, 224, 224], 0, "layer `fc`: field `out_features`: found 0, expected at least 1"),
        ("default", [1, 7, 28], 10, "layer `pool3`"),
        ("squeezenet1_1", [3, 16, 224], 10, "layer `features.8`: field `kernel_size`: found 3x3"),
        (
            "densenet121",
            [3, 28, 224],
            10,
            "layer `features.transition3.pool`: field `kernel_size`: found 2x2",
        ),
        (
            "inception_v3",
            [3, 74, 300],
            10,
            "layer `Mixed_7a.branch3x3_2.conv`: field `kernel_size`: found 3x3",
        ),
        ("dilated_context", [21, 64, 64], 0, "layer `conv1`: field `out_channels`: found 0"),
    ] {
        let error = zoo::model(name, Some(input), Some(classes)).unwrap_err().to_string();
        assert!(error.contains(expected), "{name}: {error}");
    }
}

#[test]
fn names_are_found_however_they_are_spelt() {
    for (spelt, name) in
        [("ResNet-50", "resnet50"), ("resnet_50", "resnet50"), ("vgg16bn", "vgg16_bn"), ("LeNet5", "lenet5")]
    {
        assert_eq!(zoo::model(spelt, None, None).unwrap().name, name);
    }
}

#[test]
fn unknown_names_are_answered_with_near_ones() {
    for (asked, meant) in [
        ("ResNet51", "did you mean `resnet50`"),
        ("resnet-50_v2", "`resnet50_v1`"),
        ("vgg61", "`vgg16`"),
        ("lenet", "did you mean `lenet5`?"),
        ("alexnet_v3", "`alexnet_v2`"),
        ("", "known are `alexnet`, `alexnet_v2`"),
        ("transformer", "known are `alexnet`, `alexnet_v2`"),
    ] {
        let error = zoo::model(asked, None, None).unwrap_err().to_string();
        assert!(error.contains(&format!("there is no network `{asked}` in the zoo")), "{error}");
        assert!(error.contains(meant), "{asked}: {error}");
    }
}

#[test]
fn every_network_survives_writing_and_reading() {
    for &name in zoo::NAMES {
        let spec = published_model(name);
        assert_eq!(ModelSpec::from_toml(&spec.to_toml()).unwrap(), spec, "{name}");
    }
}

#[test]
fn alexnet_is_torchvisions() {
    let spec = published_model("alexnet");
    assert_eq!(shape(&spec, "features.0"), Shape::map(64, 55, 55));
    assert_eq!(shape(&spec, "features.12"), Shape::map(256, 6, 6));
    let weights = ["features.0", "features.3", "features.6", "features.8", "features.10"];
    let weights = weights.into_iter().chain(["classifier.1", "classifier.4", "classifier.6"]);
    let expected: Vec<String> =
        weights.flat_map(|layer| ["weight", "bias"].map(|name| format!("{layer}.{name}"))).collect();
    assert_eq!(state_dict(&spec), expected);
}

/// The sizes in Slim's own comments and tests: 5x5 before the fully connected part, one place behind it.
#[test]
fn alexnet_v2_is_slims() {
    let spec = published_model("alexnet_v2");
    for (layer, expected) in [
        ("conv1", Shape::map(64, 54, 54)),
        ("pool1", Shape::map(64, 26, 26)),
        ("conv2", Shape::map(192, 26, 26)),
        ("pool5", Shape::map(256, 5, 5)),
        ("fc6", Shape::map(4096, 1, 1)),
        ("fc8", Shape::map(1000, 1, 1)),
    ] {
        assert_eq!(shape(&spec, layer), expected, "{layer}");
    }
    // Slim's test of a fully convolutional AlexNet: 300x400 gives 4x7 places.
    let large = zoo::alexnet_v2([3, 300, 400], 1000).unwrap();
    assert_eq!(shape(&large, "fc8"), Shape::map(1000, 4, 7));
}

#[test]
fn vgg_is_torchvisions() {
    let plain = state_dict(&published_model("vgg16"));
    assert_eq!(plain.len(), 2 * 16);
    assert_eq!(
        plain[24..28],
        ["features.28.weight", "features.28.bias", "classifier.0.weight", "classifier.0.bias"]
    );
    let norms = state_dict(&published_model("vgg19_bn"));
    assert_eq!(norms.len(), 16 * 6 + 3 * 2);
    assert!(norms.contains(&"features.50.running_var".to_owned()), "{norms:?}");
    for (name, features) in [("vgg11", 21), ("vgg11_bn", 29), ("vgg16", 31), ("vgg19_bn", 53)] {
        let spec = published_model(name);
        assert_eq!(shape(&spec, &format!("features.{}", features - 1)), Shape::map(512, 7, 7), "{name}");
        assert_eq!(spec.layers.iter().filter(|layer| layer.name.starts_with("features.")).count(), features);
    }
}

#[test]
fn resnet_is_torchvisions() {
    let spec = published_model("resnet50");
    let names = state_dict(&spec);
    assert_eq!(names.len(), 53 + 53 * 4 + 2); // convolutions without bias, norms, `fc`
    let expected = ["conv1.weight", "bn1.weight", "bn1.bias", "bn1.running_mean", "bn1.running_var"];
    assert_eq!(names[..5], expected);
    for name in
        ["layer1.0.downsample.0.weight", "layer3.5.bn3.running_var", "layer4.2.conv3.weight", "fc.bias"]
    {
        assert!(names.iter().any(|known| known == name), "{name}");
    }
    for (layer, expected) in [
        ("maxpool", Shape::map(64, 56, 56)),
        ("layer1.2.relu3", Shape::map(256, 56, 56)),
        ("layer2.0.conv1", Shape::map(128, 56, 56)),
        ("layer2.0.conv2", Shape::map(128, 28, 28)),
        ("layer4.2.add", Shape::map(2048, 7, 7)),
        ("avgpool", Shape::flat(2048)),
    ] {
        assert_eq!(shape(&spec, layer), expected, "{layer}");
    }
    // The first stage of the small ones changes nothing, so its shortcuts are plain.
    let small = published_model("resnet18");
    let projections: Vec<&str> =
        small.layers.iter().filter_map(|layer| layer.name.strip_suffix(".downsample.0")).collect();
    assert_eq!(projections, ["layer2.0", "layer3.0", "layer4.0"]);
    let add = small.layers.iter().find(|layer| layer.name == "layer1.1.add").unwrap();
    assert_eq!(add.inputs, ["layer1.1.bn2", "layer1.0.relu2"]);
}

/// The paper's stride is one layer earlier, and nothing else differs.
#[test]
fn resnet_v1_has_its_stride_on_the_first_convolution() {
    let (ours, papers) = (published_model("resnet50"), published_model("resnet50_v1"));
    assert_eq!(shape(&papers, "layer2.0.conv1"), Shape::map(128, 28, 28));
    let strides = |spec: &ModelSpec| -> Vec<String> {
        let strided = spec
            .layers
            .iter()
            .filter(|layer| matches!(layer.layer, Layer::Conv2d(conv) if conv.stride.h == 2));
        strided.map(|layer| layer.name.clone()).collect()
    };
    let with = |conv: &str| -> Vec<String> {
        let stages = ["layer2", "layer3", "layer4"];
        let names = stages
            .into_iter()
            .flat_map(|stage| [format!("{stage}.0.{conv}"), format!("{stage}.0.downsample.0")]);
        ["conv1".to_owned()].into_iter().chain(names).collect()
    };
    assert_eq!((strides(&ours), strides(&papers)), (with("conv2"), with("conv1")));
    assert_eq!(state_dict(&ours), state_dict(&papers));
}

#[test]
fn lenet5_has_the_papers_maps() {
    let spec = published_model("lenet5");
    let shapes: Vec<String> =
        spec.output_shapes().unwrap().iter().map(|(_, shape)| shape.to_string()).collect();
    let expected = "6x28x28 6x28x28 6x14x14 16x10x10 16x10x10 16x5x5 400 120 120 84 84 10";
    assert_eq!(shapes.join(" "), expected);
}

#[test]
fn mobilenet_v1_is_the_papers_table_1() {
    let spec = published_model("mobilenet_v1");
    for (layer, expected) in [
        ("conv1_relu", Shape::map(32, 112, 112)),
        ("conv_dw_2", Shape::map(64, 56, 56)),
        ("conv_pw_2", Shape::map(128, 56, 56)),
        ("conv_pw_11", Shape::map(512, 14, 14)),
        ("conv_dw_12", Shape::map(512, 7, 7)),
        ("conv_pw_13_relu", Shape::map(1024, 7, 7)),
    ] {
        assert_eq!(shape(&spec, layer), expected, "{layer}");
    }
    // 28 layers of weights, as the paper counts them.
    assert_eq!(state_dict(&spec).iter().filter(|name| name.ends_with("weight")).count(), 28 + 27);
    // TensorFlow pads an even size after the end alone.
    let padding = spec.resolve().unwrap().layers[0].window.unwrap().padding;
    assert_eq!(padding.to_array(), [0, 1, 0, 1]);
}

#[test]
fn mobilenet_v2_is_torchvisions() {
    let spec = published_model("mobilenet_v2");
    let names = state_dict(&spec);
    assert_eq!(names.len(), 52 * 4 + 52 + 2); // norms, convolutions, `classifier.1`
    for name in [
        "features.0.0.weight",
        "features.1.conv.0.0.weight",
        "features.1.conv.1.weight",
        "features.1.conv.2.running_mean",
        "features.2.conv.0.1.bias",
        "features.17.conv.3.running_var",
        "features.18.1.weight",
        "classifier.1.bias",
    ] {
        assert!(names.iter().any(|known| known == name), "{name}");
    }
    let sums: Vec<&str> = spec.layers.iter().filter_map(|layer| layer.name.strip_suffix(".add")).collect();
    let expected = [3, 5, 6, 8, 9, 10, 12, 13, 15, 16].map(|index| format!("features.{index}"));
    assert_eq!(sums, expected);
    assert_eq!(shape(&spec, "features.14.conv.1.0"), Shape::map(576, 7, 7));
    assert_eq!(shape(&spec, "features.18.2"), Shape::map(1280, 7, 7));
}

#[test]
fn squeezenet_is_torchvisions() {
    let spec = published_model("squeezenet1_1");
    let names = state_dict(&spec);
    assert_eq!(names.len(), 2 * (1 + 8 * 3 + 1));
    assert_eq!(names[2], "features.3.squeeze.weight");
    assert_eq!(
        names[names.len() - 4..],
        [
            "features.12.expand3x3.weight",
            "features.12.expand3x3.bias",
            "classifier.1.weight",
            "classifier.1.bias"
        ]
    );
    assert_eq!(shape(&spec, "features.12.cat"), Shape::map(512, 13, 13));
    // Rounded up: without, 27, 13 and 6.
    let small = zoo::squeezenet1_1([3, 113, 113], 10).unwrap();
    assert_eq!(
        ["features.2", "features.5", "features.8"].map(|pool| shape(&small, pool).dims()[1]),
        [28, 14, 7]
    );
}

#[test]
fn densenet_is_torchvisions() {
    let spec = published_model("densenet121");
    let names = state_dict(&spec);
    // 120 convolutions, as many norms and one more, and the classifier: the 121 layers of its name.
    assert_eq!(names.len(), 120 + 121 * 4 + 2);
    for name in [
        "features.conv0.weight",
        "features.denseblock3.denselayer24.conv2.weight",
        "features.transition3.norm.running_mean",
        "features.norm5.weight",
        "classifier.bias",
    ] {
        assert!(names.iter().any(|known| known == name), "{name}");
    }
    for (layer, expected) in [
        ("features.denseblock1.denselayer6.cat", Shape::map(256, 56, 56)),
        ("features.transition1.pool", Shape::map(128, 28, 28)),
        ("features.denseblock4.denselayer1.norm1", Shape::map(512, 7, 7)),
        ("features.norm5", Shape::map(1024, 7, 7)),
    ] {
        assert_eq!(shape(&spec, layer), expected, "{layer}");
    }
}

/// The sizes in the comments of torchvision's `forward`.
#[test]
fn inception_is_torchvisions() {
    let spec = published_model("inception_v3");
    for (layer, expected) in [
        ("Conv2d_1a_3x3.conv", Shape::map(32, 149, 149)),
        ("Conv2d_2b_3x3.relu", Shape::map(64, 147, 147)),
        ("maxpool1", Shape::map(64, 73, 73)),
        ("Conv2d_4a_3x3.bn", Shape::map(192, 71, 71)),
        ("maxpool2", Shape::map(192, 35, 35)),
        ("Mixed_5b.cat", Shape::map(256, 35, 35)),
        ("Mixed_5d.cat", Shape::map(288, 35, 35)),
        ("Mixed_6e.cat", Shape::map(768, 17, 17)),
        ("AuxLogits.pool", Shape::map(768, 5, 5)),
        ("AuxLogits.fc", Shape::flat(1000)),
        ("Mixed_7a.cat", Shape::map(1280, 8, 8)),
        ("Mixed_7c.cat", Shape::map(2048, 8, 8)),
    ] {
        assert_eq!(shape(&spec, layer), expected, "{layer}");
    }
    let names = state_dict(&spec);
    assert_eq!(names.len(), 96 * 5 + 4); // 96 convolutions with their norms, two linear layers
    for name in [
        "Mixed_7b.branch3x3dbl_3b.conv.weight",
        "Mixed_6a.branch3x3.bn.running_var",
        "AuxLogits.conv1.bn.bias",
    ] {
        assert!(names.iter().any(|known| known == name), "{name}");
    }
}

#[test]
fn inceptions_head_can_be_taken_off() {
    let spec = published_model("inception_v3");
    assert_eq!(spec.auxiliary, ["AuxLogits.fc"]);
    let plain = spec.without_auxiliary();
    assert_eq!(plain.param_count().unwrap(), 23_834_568);
    assert!(plain.layers.iter().all(|layer| !layer.name.starts_with("AuxLogits")));
    // Images too small for the head get the same network.
    let small = zoo::inception_v3([3, 224, 224], 1000).unwrap();
    let expected = ModelSpec { input: [3, 224, 224], ..plain };
    assert!(small.resolve().unwrap() == expected.resolve().unwrap());
}

#[test]
fn the_context_module_keeps_the_size_of_its_maps() {
    let spec = zoo::dilated_context([21, 40, 70], 21).unwrap();
    let shapes = spec.output_shapes().unwrap();
    assert!(shapes.iter().all(|(_, shape)| *shape == Shape::map(21, 40, 70)), "{shapes:?}");
}

/// Place and probability of every dropout.
#[test]
fn dropout_is_as_published() {
    for (name, expected) in [
        ("alexnet", "classifier.0 0.5, classifier.3 0.5"),
        ("alexnet_v2", "dropout6 0.5, dropout7 0.5"),
        ("vgg16", "classifier.2 0.5, classifier.5 0.5"),
        ("vgg11_bn", "classifier.2 0.5, classifier.5 0.5"),
        ("squeezenet1_1", "classifier.0 0.5"),
        ("inception_v3", "dropout 0.5"),
        ("mobilenet_v1", "dropout 0.001"),
        ("mobilenet_v2", "classifier.0 0.2"),
        ("resnet50", ""),
        ("densenet121", ""),
    ] {
        let found: Vec<String> = published_model(name)
            .layers
            .iter()
            .filter_map(|spec| match spec.layer {
                Layer::Dropout(dropout) => Some(format!("{} {}", spec.name, dropout.p)),
                _ => None,
            })
            .collect();
        assert_eq!(found.join(", "), expected, "{name}");
    }
}

/// ε and momentum of batch normalisation: PyTorch's defaults, but for those that began in TensorFlow.
#[test]
fn norms_are_as_published() {
    for &name in zoo::NAMES {
        let expected = match name {
            "inception_v3" => (1e-3, 0.1),
            "mobilenet_v1" => (1e-3, 0.01),
            _ => (1e-5, 0.1),
        };
        for spec in published_model(name).layers {
            if let Layer::BatchNorm2d(norm) = spec.layer {
                assert_eq!((norm.eps, norm.momentum), expected, "{name}: {}", spec.name);
            }
        }
    }
}
