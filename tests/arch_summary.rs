//! Summaries: numbers against independent counts, and the forms for people and for programs.

#![allow(clippy::unwrap_used, clippy::panic)]

use convscope::arch::{
    AdaptiveAvgPool2d, AdviceOptions, Conv2d, Dropout, Layer, LayerSummary, Linear, MaxPool2d, ModelSpec,
    ModelSummary, Padding, ResolvedLayer, Shape, zoo,
};
use serde_json::{Value as Json, json};

/// Multiply-adds counted one by one: for every value of the output, every tap of its window in every channel that its
/// group reads.
fn slow_macs(layer: &ResolvedLayer) -> i64 {
    let inputs = layer.input_shapes[0].channels();
    let mut count = 0;
    match (layer.layer, layer.output_shape) {
        (Layer::Conv2d(conv), Shape::Map { channels, height, width }) => {
            let group_of = |channel: i64, of: i64| channel / (of / conv.groups);
            for output in 0..channels {
                let reads = |input: &i64| group_of(*input, inputs) == group_of(output, channels);
                for _place in 0..height * width {
                    for _channel in (0..inputs).filter(reads) {
                        for _tap in 0..conv.kernel_size.h * conv.kernel_size.w {
                            count += 1;
                        }
                    }
                }
            }
        }
        (Layer::Linear(linear), _) => {
            (0..linear.out_features).for_each(|_output| (0..inputs).for_each(|_input| count += 1));
        }
        _ => {}
    }
    count
}

#[test]
fn multiply_adds_are_those_counted_one_by_one() {
    let grouped = ModelSpec::builder("grouped", [6, 7, 5])
        .layer("depthwise", Conv2d::new(12, 3).groups(6).padding(1).stride([2, 1]))
        .layer("pairs", Conv2d::new(4, [1, 3]).groups(2))
        .layer("flatten", Layer::Flatten)
        .layer("fc", Linear::new(5))
        .build()
        .unwrap();
    for spec in [grouped, branches(), zoo::lenet5([1, 32, 32], 10).unwrap()] {
        let summary = spec.summary().unwrap();
        for (layer, resolved) in summary.layers.iter().zip(&spec.resolve().unwrap().layers) {
            assert_eq!(layer.macs, slow_macs(resolved), "{} of {}", layer.name, spec.name);
        }
    }
}

fn checked(spec: &ModelSpec) -> ModelSummary {
    let summary = spec.summary().unwrap();
    let model = spec.resolve().unwrap();
    assert_eq!(summary.layers.len(), model.layers.len());
    for (layer, resolved) in summary.layers.iter().zip(&model.layers) {
        assert_eq!((layer.name.as_str(), layer.output), (resolved.name.as_str(), resolved.output_shape));
        assert_eq!(layer.params, resolved.param_count(), "{}", layer.name);
        let values: i64 = if matches!(resolved.layer, Layer::Flatten | Layer::Identity) {
            0
        } else {
            layer.output.dims().iter().product()
        };
        assert_eq!(layer.activation_bytes, 4 * values, "{}", layer.name);
    }
    assert_eq!(summary.params, spec.param_count().unwrap());
    assert_eq!(summary.macs, summary.layers.iter().map(|layer| layer.macs).sum::<i64>());
    let bytes: i64 = summary.layers.iter().map(|layer| layer.activation_bytes).sum();
    assert_eq!(summary.activation_bytes, bytes);
    summary
}

/// GFLOPs of torchvision's documentation, which counts multiply-adds and no auxiliary outputs.
#[test]
fn multiply_adds_are_those_of_torchvision() {
    for (name, published) in [
        ("alexnet", 0.714),
        ("vgg16", 15.470),
        ("resnet18", 1.814),
        ("resnet50", 4.089),
        ("mobilenet_v2", 0.301),
        ("densenet121", 2.834),
        ("inception_v3", 5.713),
        ("squeezenet1_1", 0.349),
    ] {
        let summary = checked(&zoo::model(name, None, None).unwrap().without_auxiliary());
        let giga = summary.macs as f64 / 1e9;
        assert!((giga - published).abs() <= 0.0005, "{name}: {giga}, published {published}");
    }
}

/// Floating-point operations as Araujo et al. 2019 count them: a multiply-add is two, a bias one, and pooling one for
/// each value of a window.
fn flops(spec: &ModelSpec) -> Vec<(String, i64)> {
    let layers = spec.resolve().unwrap().layers;
    let flops = |(layer, resolved): (LayerSummary, ResolvedLayer)| {
        let operations = match resolved.layer {
            Layer::Conv2d(_) => 2 * layer.macs + layer.output.len(),
            Layer::MaxPool2d(pool) => pool.kernel_size.h * pool.kernel_size.w * layer.output.len(),
            _ => 0,
        };
        (layer.name, operations)
    };
    spec.summary().unwrap().layers.into_iter().zip(layers).map(flops).collect()
}

/// The published sums from the image to an end point, at 224 and at 321 pixels.
#[test]
fn operations_up_to_a_layer_are_those_of_araujo() {
    let alexnet = [
        ("conv1", 0.136, 0.283),
        ("pool1", 0.136, 0.284),
        ("conv2", 0.552, 1.171),
        ("conv3", 0.743, 1.602),
        ("conv4", 1.125, 2.462),
        ("conv5", 1.38, 3.036),
        ("pool5", 1.38, 3.036),
    ];
    let vgg = [
        ("features.0", 0.177, 0.363),
        ("features.4", 3.882, 7.973),
        ("features.5", 5.734, 11.751),
        ("features.9", 9.436, 19.307),
        ("features.10", 11.287, 23.084),
        ("features.12", 14.987, 30.635),
        ("features.16", 18.688, 38.188),
        ("features.17", 20.538, 41.964),
        ("features.19", 24.238, 49.514),
        ("features.23", 27.938, 57.066),
        ("features.24", 28.863, 58.954),
        ("features.26", 29.788, 60.841),
        ("features.30", 30.713, 62.729),
    ];
    for (name, rows) in [("alexnet_v2", &alexnet[..]), ("vgg16", &vgg)] {
        for side in [224, 321] {
            let flops = flops(&zoo::model(name, Some([3, side, side]), None).unwrap());
            for &(endpoint, at_224, at_321) in rows {
                let end = flops.iter().position(|(layer, _)| layer == endpoint).unwrap();
                let giga = flops[..=end].iter().map(|(_, flops)| flops).sum::<i64>() as f64 / 1e9;
                let published = if side == 224 { at_224 } else { at_321 };
                assert!(
                    (giga - published).abs() <= 0.0005,
                    "{endpoint} of {name} at {side}: {giga}, published {published}"
                );
            }
        }
    }
}

#[test]
fn every_model_of_the_zoo_has_a_summary() {
    for name in zoo::NAMES {
        let spec = zoo::model(name, None, None).unwrap();
        let summary = checked(&spec);
        assert_eq!(summary.conflict, None, "{name}");
        assert!(summary.layers.iter().all(|layer| layer.receptive_field.is_some()), "{name}");
        assert_eq!(summary.to_csv().lines().count(), summary.layers.len() + 1);
        let table = summary.to_table().to_text();
        let longest = table.lines().map(|line| line.chars().count()).max().unwrap();
        assert!(longest <= 225, "{name}: {longest}"); // where five branches are joined
        spec.graph().unwrap();
        spec.conceptual_graph().unwrap();
    }
}

#[test]
fn every_model_of_the_zoo_tells_the_smallest_image() {
    let ends = "the smallest input that works is ";
    for name in zoo::NAMES {
        for without in [false, true] {
            let spec = zoo::model(name, None, None).unwrap();
            let spec = if without { spec.without_auxiliary() } else { spec };
            let at = |height, width| ModelSpec { input: [spec.input[0], height, width], ..spec.clone() };
            let Err(error) = at(1, 1).validate() else { continue };
            let error = error.to_string();
            let (_, size) = error.split_once(ends).unwrap_or_else(|| panic!("{name}: {error}"));
            let dims: Vec<i64> = size.split('x').map(|dim| dim.parse().unwrap()).collect();
            assert_eq!(dims[1], dims[2], "{name} is square");
            at(dims[1], dims[1]).validate().unwrap();
            for smaller in [at(dims[1] - 1, dims[1]), at(dims[1], dims[1] - 1)] {
                assert!(smaller.validate().unwrap_err().to_string().ends_with(&format!("{ends}{size}")));
            }
        }
    }
    let inception = zoo::model("inception_v3", None, None).unwrap().without_auxiliary();
    let error = ModelSpec { input: [3, 32, 32], ..inception }.validate().unwrap_err().to_string();
    assert!(error.contains("layer `") && error.ends_with("works is 3x75x75"), "{error}");
}

fn branches() -> ModelSpec {
    ModelSpec::builder("bran\"ches", [2, 9, 12])
        .layer("a", Conv2d::new(4, [3, 2]).padding(Padding::Same).dilation([2, 1]))
        .layer("a.relu", Layer::Relu)
        .layer_from("b", ["a"], Conv2d::new(4, 1))
        .layer_from("add", ["a.relu", "b"], Layer::Add)
        .layer("pool", MaxPool2d::new(2).stride([2, 1]))
        .layer("flatten", Layer::Flatten)
        .layer("dropout", Dropout::new())
        .layer("fc", Linear::new(3))
        .build()
        .unwrap()
}

#[test]
fn json_has_the_stated_form() {
    let json: Json = serde_json::from_str(&checked(&branches()).to_json()).unwrap();
    assert_eq!((&json["name"], &json["input"]), (&json!("bran\"ches"), &json!([2, 9, 12])));
    assert_eq!(json["params"], 4 * (2 * 6 + 1) + 4 * 5 + 3 * (4 * 4 * 11 + 1));
    assert_eq!(json["macs"], 4 * 9 * 12 * 2 * 6 + 4 * 9 * 12 * 4 + 3 * 4 * 4 * 11);
    assert_eq!(json["conflict"], Json::Null);
    assert_eq!(
        json["layers"][0],
        json!({
            "name": "a", "type": "conv2d", "inputs": ["input"], "output": [4, 9, 12],
            "params": 52, "macs": 4 * 9 * 12 * 2 * 6, "activation_bytes": 4 * 4 * 9 * 12, "auxiliary": false,
            "receptive_field": {
                "size": [5, 2], "stride": [1, 1], "padding": [2, 0], "center": [0.0, 0.5], "aligned": true,
                "density": 0.6, "exact": true,
            },
        })
    );
    assert_eq!(json["layers"][3]["inputs"], json!(["a.relu", "b"]));
    let fc = &json["layers"][7];
    assert_eq!((&fc["output"], &fc["receptive_field"]["stride"]), (&json!([3]), &Json::Null));
    assert_eq!(fc["receptive_field"]["size"], json!([9, 12]), "the image");
    let advice = json["advice"].as_array().unwrap();
    assert_eq!(advice.len(), branches().advice(&AdviceOptions::default()).unwrap().len());
    assert_eq!((&advice[0]["kind"], &advice[0]["layers"]), (&json!("healthy"), &json!([])));
    assert!(advice[0]["message"].as_str().is_some_and(|message| !message.is_empty()), "{advice:?}");
}

#[test]
fn along_one_axis_alone_all_units_may_see_the_same() {
    let spec = ModelSpec::builder("strip", [1, 8, 62])
        .layer("conv", Conv2d::new(2, 1).stride([1, 2]))
        .layer("pool", AdaptiveAvgPool2d::new([1, 31]))
        .build()
        .unwrap();
    let summary = spec.summary().unwrap();
    let json: Json = serde_json::from_str(&summary.to_json()).unwrap();
    assert_eq!(json["layers"][1]["receptive_field"]["stride"], json!([null, 2]));
    let csv = summary.to_csv();
    let lines: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
    let stride = lines[0].iter().position(|head| *head == "stride_h").unwrap();
    assert_eq!(lines[2][stride..stride + 2], ["", "2"]);
    assert!(
        summary.to_table().to_text().contains("  8x1              -x2  "),
        "{}",
        summary.to_table().to_text()
    );
}

#[test]
fn bounds_are_no_sizes() {
    let spec = ModelSpec::builder("uneven", [1, 10, 10]).layer("pool", AdaptiveAvgPool2d::new(4)).build();
    let summary = spec.unwrap().summary().unwrap();
    let json: Json = serde_json::from_str(&summary.to_json()).unwrap();
    assert_eq!(json["layers"][0]["receptive_field"]["exact"], false);
    assert!(summary.to_csv().lines().nth(1).unwrap().ends_with(",false"), "{}", summary.to_csv());
    assert!(summary.to_table().to_text().contains("  ≤"), "{}", summary.to_table().to_text());
}

#[test]
fn csv_has_a_line_for_each_layer() {
    let csv = branches().summary().unwrap().to_csv();
    let lines: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
    assert!(lines.iter().all(|cells| cells.len() == lines[0].len()), "{csv}");
    let column = |name: &str| lines[0].iter().position(|head| *head == name).unwrap();
    assert_eq!(lines[4][column("inputs")], "a.relu b");
    assert_eq!((lines[5][column("stride_h")], lines[5][column("stride_w")]), ("2", "1"));
    assert_eq!((lines[8][column("channels")], lines[8][column("height")]), ("3", ""));
    assert_eq!((lines[8][column("stride_h")], lines[8][column("aligned")]), ("", "true"));
    assert_eq!(lines[1][column("center_x")], "0.5");
}

#[test]
fn tables_show_what_there_is_to_show() {
    let text = branches().summary().unwrap().to_table().to_text();
    let line = |name: &str| -> Vec<&str> {
        let line = text.lines().find(|line| line.split_whitespace().next() == Some(name));
        line.unwrap_or_else(|| panic!("{text}")).split_whitespace().collect()
    };
    assert!(text.lines().next().unwrap().ends_with("  stride  padding  density  inputs"), "{text}");
    assert_eq!(line("a"), ["a", "conv2d", "4x9x12", "52", "5,184", "1,728", "5x2", "1", "2x0", "0.60"]);
    assert_eq!(line("add")[9..], ["0.60", "a.relu,", "b"]);
    assert_eq!(line("total"), ["total", "603", "7,440", "8,332"]);
}

#[test]
fn inputs_leave_out_what_the_layer_is_called_too() {
    let spec = ModelSpec::builder("boxes", [1, 4, 4])
        .layer("stem", Layer::Relu)
        .layer("block.0.a", Layer::Relu)
        .layer("block.0", Layer::Relu)
        .layer("block.0.down.a", Layer::Relu)
        .layer_from("block.0.add", ["block.0.a", "block.0.down.a", "stem", "block.0"], Layer::Add)
        .build()
        .unwrap();
    let text = spec.summary().unwrap().to_table().to_text();
    assert!(text.contains("  …a, …down.a, stem, …0\n"), "{text}");
}

#[test]
fn of_many_inputs_there_are_few_and_their_number() {
    let joined = |count: usize| {
        let names: Vec<String> = (0..count).map(|number| format!("branch.{number}")).collect();
        let heads = names.iter().fold(ModelSpec::builder("wide", [1, 2, 2]), |model, name| {
            model.layer_from(name, ["input"], Layer::Relu)
        });
        let spec = heads.layer_from("branch.add", &names, Layer::Add).build().unwrap();
        let text = spec.summary().unwrap().to_table().to_text();
        text.lines().find(|line| line.contains("branch.add")).unwrap().to_owned()
    };
    assert!(joined(8).ends_with("  …0, …1, …2, …3, …4, …5, …6, …7"), "{}", joined(8));
    assert!(joined(3200).ends_with("  …0, …1, … …3199 (3,200)"), "{}", joined(3200));
}

#[test]
fn a_conflict_of_strides_is_told_and_the_rest_shown() {
    let spec = ModelSpec::builder("conflict", [1, 8, 8])
        .layer("half", MaxPool2d::new(2))
        .layer_from("cut", ["input"], Conv2d::new(1, 5))
        .layer_from("both", ["half", "cut"], Layer::Concat)
        .layer("relu", Layer::Relu)
        .build()
        .unwrap();
    let summary = checked(&spec);
    let conflict = summary.conflict.as_deref().unwrap();
    assert!(["both", "half", "cut"].iter().all(|name| conflict.contains(name)), "{conflict}");
    let known: Vec<bool> = summary.layers.iter().map(|layer| layer.receptive_field.is_some()).collect();
    assert_eq!(known, [true, true, false, false]);
    let json: Json = serde_json::from_str(&summary.to_json()).unwrap();
    assert_eq!(json["layers"][2]["receptive_field"], Json::Null);
    assert_eq!(json["conflict"], conflict);
    let text = summary.to_table().to_text();
    assert!(text.contains("?") && summary.to_totals().to_text().contains("parameters"), "{text}");
}

#[test]
fn what_cannot_be_counted_is_refused_with_the_layer() {
    let huge = i64::from(i32::MAX);
    let spec = ModelSpec::builder("huge", [1, huge, huge]).layer("conv", Conv2d::new(2, 1)).build();
    let error = spec.unwrap().summary().unwrap_err().to_string();
    assert_eq!(error, "model: layer `conv`: has more bytes than can be counted");
}
