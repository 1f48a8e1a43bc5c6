//! Receptive fields of known networks: the table of Araujo, Norris and Sim (all rows, integers equal), networks of
//! torchvision and the residual networks' paper, and the unit nets of two other programs.

#![allow(clippy::unwrap_used, clippy::panic)]

use convscope::arch::{
    Conv2d, Layer, MaxPool2d, ModelBuilder, ModelSpec, Padding, ReceptiveField, ReceptiveFields, ZeroPad2d,
};
use serde_json::Value;

fn fixture(key: &str) -> Value {
    let all: Value = serde_json::from_str(include_str!("fixtures/receptive_field.json")).unwrap();
    all[key].clone()
}

/// A network whose maps have one channel each: that changes no field.
fn network(size: i64) -> ModelBuilder {
    ModelSpec::builder("net", [1, size, size])
}

fn conv(kernel: i64, stride: i64, padding: impl Into<Padding>) -> Layer {
    Conv2d::new(1, kernel).stride(stride).padding(padding).into()
}

fn max_pool(kernel: i64, stride: i64, padding: impl Into<Padding>) -> Layer {
    MaxPool2d::new(kernel).stride(stride).padding(padding).into()
}

/// Layers one after the other.
fn layers(model: ModelBuilder, layers: &[(&str, Layer)]) -> ModelBuilder {
    layers.iter().fold(model, |model, (name, layer)| model.layer(*name, *layer))
}

/// TF-Slim's `alexnet_v2`.
fn alexnet_v2(size: i64) -> ModelSpec {
    let same = Padding::Same;
    layers(
        network(size),
        &[
            ("alexnet_v2.conv1", conv(11, 4, 0)),
            ("alexnet_v2.pool1", max_pool(3, 2, 0)),
            ("alexnet_v2.conv2", conv(5, 1, same)),
            ("alexnet_v2.pool2", max_pool(3, 2, 0)),
            ("alexnet_v2.conv3", conv(3, 1, same)),
            ("alexnet_v2.conv4", conv(3, 1, same)),
            ("alexnet_v2.conv5", conv(3, 1, same)),
            ("alexnet_v2.pool5", max_pool(3, 2, 0)),
        ],
    )
    .build()
    .unwrap()
}

/// TF-Slim's `vgg_16`.
fn vgg_16(size: i64) -> ModelSpec {
    let mut model = network(size);
    for (block, convs) in [(1, 2), (2, 2), (3, 3), (4, 3), (5, 3)] {
        for index in 1..=convs {
            model = model.layer(format!("vgg_16.conv{block}.conv{block}_{index}"), conv(3, 1, Padding::Same));
        }
        model = model.layer(format!("vgg_16.pool{block}"), max_pool(2, 2, 0));
    }
    model.build().unwrap()
}

/// A residual unit `name` over the layer `input`: a path of several layers, and a shortcut beside it.
fn residual(
    model: ModelBuilder,
    input: &str,
    name: &str,
    path: &[Layer],
    shortcut: Option<Layer>,
) -> ModelBuilder {
    let (mut model, mut above) = (model, input.to_owned());
    for (index, layer) in path.iter().enumerate() {
        let own = format!("{name}.conv{}", index + 1);
        model = model.layer_from(&own, [above], *layer);
        above = own;
    }
    let mut beside = input.to_owned();
    if let Some(shortcut) = shortcut {
        beside = format!("{name}.shortcut");
        model = model.layer_from(&beside, [input], shortcut);
    }
    model.layer_from(name, [above, beside], Layer::Add)
}

/// TF-Slim's `resnet_v1_50`: the last unit of a block has the stride, in its 3x3 convolution. Convolutions with a
/// stride are padded by hand, by as much for all sizes (`conv2d_same`); the root's pooling is not.
fn resnet_v1_50(size: i64) -> ModelSpec {
    let mut model = network(size)
        .layer("root_pad", ZeroPad2d::new(3))
        .layer("conv1", conv(7, 2, 0))
        .layer("pool1", max_pool(3, 2, Padding::Same));
    let mut above = "pool1".to_owned();
    for (block, units, stride) in [(1, 3, 2), (2, 4, 2), (3, 6, 2), (4, 3, 1)] {
        for unit in 1..=units {
            let stride = if unit == units { stride } else { 1 };
            let name = if unit == units {
                format!("resnet_v1_50.block{block}")
            } else {
                format!("resnet_v1_50.block{block}.unit_{unit}")
            };
            let middle: &[Layer] = if stride == 1 {
                &[conv(3, 1, Padding::Same)]
            } else {
                &[ZeroPad2d::new(1).into(), conv(3, stride, 0)]
            };
            let shortcut = match (unit, stride) {
                (1, _) => Some(conv(1, stride, 0)), // the number of channels changes
                (_, 1) => None,
                _ => Some(max_pool(1, stride, Padding::Same)),
            };
            let path = [&[conv(1, 1, 0)], middle, &[conv(1, 1, 0)]].concat();
            model = residual(model, &above, &name, &path, shortcut);
            above = name;
        }
    }
    model.build().unwrap()
}

/// torchvision's `alexnet`, with the numbers of `features` as names.
fn torchvision_alexnet(size: i64) -> ModelSpec {
    layers(
        network(size),
        &[
            ("0", conv(11, 4, 2)),
            ("1", Layer::Relu),
            ("2", max_pool(3, 2, 0)),
            ("3", conv(5, 1, 2)),
            ("4", Layer::Relu),
            ("5", max_pool(3, 2, 0)),
            ("6", conv(3, 1, 1)),
            ("7", Layer::Relu),
            ("8", conv(3, 1, 1)),
            ("9", Layer::Relu),
            ("10", conv(3, 1, 1)),
            ("11", Layer::Relu),
            ("12", max_pool(3, 2, 0)),
        ],
    )
    .build()
    .unwrap()
}

/// torchvision's residual networks: `path` makes the layers of a unit from its stride.
fn resnet(size: i64, units: [usize; 4], path: fn(i64) -> Vec<Layer>) -> ModelSpec {
    let mut model = layers(network(size), &[("conv1", conv(7, 2, 3)), ("maxpool", max_pool(3, 2, 1))]);
    let mut above = "maxpool".to_owned();
    for (block, units) in units.into_iter().enumerate() {
        for unit in 1..=units {
            let stride = if unit == 1 && block > 0 { 2 } else { 1 };
            let name = if unit == units {
                format!("layer{}", block + 1)
            } else {
                format!("layer{}.{unit}", block + 1)
            };
            let shortcut = (unit == 1).then(|| conv(1, stride, 0));
            model = residual(model, &above, &name, &path(stride), shortcut);
            above = name;
        }
    }
    model.build().unwrap()
}

fn resnet18(size: i64) -> ModelSpec {
    resnet(size, [2, 2, 2, 2], |stride| vec![conv(3, stride, 1), conv(3, 1, 1)])
}

fn resnet50(size: i64) -> ModelSpec {
    resnet(size, [3, 4, 6, 3], |stride| vec![conv(1, 1, 0), conv(3, stride, 1), conv(1, 1, 0)])
}

/// With the stride where the paper has it: in the first 1x1.
fn resnet50_v1(size: i64) -> ModelSpec {
    resnet(size, [3, 4, 6, 3], |stride| vec![conv(1, stride, 0), conv(3, 1, 1), conv(1, 1, 0)])
}

/// Both axes are the same; its size, stride and padding.
fn square(field: &ReceptiveField) -> (i64, Option<i64>, Option<i64>) {
    assert_eq!(field.rows, field.columns);
    (field.rows.size, field.rows.stride, field.rows.padding)
}

fn expected(row: &Value) -> (i64, Option<i64>, Option<i64>) {
    (row["rf"].as_i64().unwrap(), row["stride"].as_i64(), row["pad"].as_i64())
}

#[test]
fn every_published_row() {
    let rows = fixture("published");
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.len(), 72);
    for row in rows {
        let network = match row["net"].as_str().unwrap() {
            "alexnet_v2" => alexnet_v2,
            "vgg_16" => vgg_16,
            "resnet_v1_50" => resnet_v1_50,
            other => panic!("{other} is not built here"),
        };
        let fields = match row["resolution"].as_i64() {
            Some(size) => network(size).receptive_fields(),
            None => ReceptiveFields::of_any_size(&network(224)),
        }
        .unwrap();
        let layer = row["endpoint"].as_str().unwrap().replace('/', ".");
        let field = fields.get(&layer).unwrap();
        assert_eq!(square(field), expected(row), "{row}");
        assert!(field.aligned(), "{row}");
    }
}

#[test]
fn networks_of_torchvision_and_of_the_paper() {
    let nets = fixture("derived");
    let mut rows = 0;
    for (name, network) in [
        ("torchvision alexnet", torchvision_alexnet as fn(i64) -> ModelSpec),
        ("torchvision resnet18", resnet18),
        ("torchvision resnet50 (v1.5: stride on 3x3)", resnet50),
        ("resnet50 (paper v1: stride on first 1x1)", resnet50_v1),
    ] {
        let spec = network(224);
        let (fields, shapes) = (spec.receptive_fields().unwrap(), spec.output_shapes().unwrap());
        for row in nets[name].as_array().unwrap() {
            let layer = row["endpoint"].as_str().unwrap();
            let field = fields.get(layer).unwrap();
            assert_eq!(square(field), expected(row), "{name}: {row}");
            assert_eq!(field.center().unwrap(), [row["center0"].as_f64().unwrap(); 2], "{name}: {row}");
            assert_eq!(field.density() == Some(1.0), row["exact_support"], "{name}: {row}");
            assert!(field.aligned(), "{name}: {row}");
            let (_, shape) = shapes.iter().find(|(name, _)| name == layer).unwrap();
            assert_eq!(shape.dims()[1], row["out_size_224"], "{name}: {row}");
            rows += 1;
        }
    }
    assert_eq!(rows, 8 + 6 + 6 + 6);
    assert_eq!(nets.as_object().unwrap().len(), 4);
}

/// The model of a unit net's nodes. In those of the name `SAME` the padding is left to the size.
fn unit_net(name: &str, nodes: &Value, size: i64) -> ModelSpec {
    let mut model = network(size);
    for node in nodes.as_array().unwrap() {
        let number = |key: &str| node[key].as_i64().unwrap();
        let layer_name = node["name"].as_str().unwrap();
        let layer = match node["op"].as_str().unwrap() {
            "merge" => Layer::Add,
            "conv" => {
                let padding = if name.contains("SAME") { Padding::Same } else { number("p").into() };
                assert_eq!(number("d"), 1);
                if name.contains("maxpool") && layer_name != "pad" {
                    max_pool(number("k"), number("s"), padding)
                } else {
                    conv(number("k"), number("s"), padding)
                }
            }
            other => panic!("{other} is not known here"),
        };
        let inputs = node["inputs"].as_array().unwrap().iter().map(|input| input.as_str().unwrap());
        model = model.layer_from(layer_name, inputs, layer);
    }
    model.build().unwrap()
}

#[test]
fn unit_nets() {
    let nets = fixture("unit_nets");
    assert_eq!(nets.as_object().unwrap().len(), 5);
    for (name, net) in nets.as_object().unwrap() {
        // The smallest sizes at which both branches have more than one unit, and equally many.
        let size = if name.contains("misaligned") { 8 } else { 9 };
        let spec = unit_net(name, &net["nodes"], size);
        let fields = if name.contains("unknown") {
            ReceptiveFields::of_any_size(&spec)
        } else {
            spec.receptive_fields()
        };
        match &net["expect"] {
            Value::String(_) => {
                let message = fields.unwrap_err().to_string();
                assert!(
                    message.contains("layer `output`") && message.contains("`L1` has 2 and `L3` has 1"),
                    "{message}"
                );
            }
            expect => {
                let fields = fields.unwrap();
                let field = fields.get("output").unwrap();
                assert_eq!(square(field), expected(expect), "{name}");
                assert!(field.aligned(), "{name}");
            }
        }
    }
}

#[test]
fn torchlens() {
    let rows = fixture("torchlens");
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.len(), 6);
    for row in rows {
        let spec = match (row["layers"].as_array(), row["residual"].as_str()) {
            (Some(convs), _) => convs
                .iter()
                .enumerate()
                .fold(network(16), |model, (index, layer)| {
                    let number = |key: &str| layer[key].as_i64().unwrap();
                    model.layer(index.to_string(), conv(number("k"), number("s"), number("p")))
                })
                .build(),
            (_, Some("3x3 p1 + 1x1")) => {
                residual(network(16), "input", "add", &[conv(3, 1, 1)], Some(conv(1, 1, 0))).build()
            }
            (_, Some("conv2 s2 + conv1 s2 (misaligned)")) => {
                residual(network(16), "input", "add", &[conv(2, 2, 0)], Some(conv(1, 2, 0))).build()
            }
            _ => panic!("{row} is not built here"),
        }
        .unwrap();
        let fields = spec.receptive_fields().unwrap();
        let (layer, field) = fields.iter().last().unwrap();
        if let Some(size) = row["size"].as_i64() {
            assert_eq!(
                (field.size(), field.stride()),
                ([size; 2], row["jump"].as_i64().map(|jump| [jump; 2])),
                "{row}"
            );
            assert_eq!(field.center(), row["center0"].as_f64().map(|center| [center; 2]), "{row}");
        }
        if let Some(aligned) = row["aligned"].as_bool() {
            assert_eq!(field.aligned(), aligned, "{row}");
        }
        let range = |value: &Value| (value[0].as_i64().unwrap(), value[1].as_i64().unwrap());
        if row["unit1_box_half_open"].is_array() {
            let seen = fields.unit_box(layer, 1, 1).unwrap();
            assert_eq!((seen.top, seen.bottom), range(&row["unit1_box_half_open"]));
            assert_eq!((seen.left, seen.right), range(&row["unit1_box_half_open"]));
        }
        if row["unclipped"].is_array() {
            let seen = fields.unit_box(layer, 0, 0).unwrap();
            assert_eq!((seen.top, seen.bottom), range(&row["unclipped"]));
            let clipped = seen.clip(16, 16).unwrap();
            assert_eq!((clipped.left, clipped.right), range(&row["clipped"]));
        }
    }
}
