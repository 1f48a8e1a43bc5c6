//! Models as TOML: what is read is what is written, and every slip is named with its line.

#![allow(clippy::unwrap_used)]

use std::fs;

use convscope::arch::{
    AdaptiveAvgPool2d, AvgPool2d, BatchNorm2d, Conv2d, Dropout, Gelu, GeluApproximation, Layer, LayerSpec,
    LeakyRelu, Linear, MaxPool2d, ModelSpec, Padding, ZeroPad2d,
};

/// A model with every layer type, each with other values than the defaults where it has any.
fn everything() -> ModelSpec {
    ModelSpec::builder("every \"layer\" \\ type", [3, 40, 36])
        .layer("pad", ZeroPad2d::new([1, 0, 2, 3]))
        .layer(
            "stem.0",
            Conv2d::new(8, [3, 5]).stride([2, 1]).padding(Padding::Same).dilation([1, 2]).bias(false),
        )
        .layer("stem.1", BatchNorm2d::new().eps(1e-3).momentum(0.01).affine(false))
        .layer("relu", Layer::Relu)
        .layer("relu6", Layer::Relu6)
        .layer("leaky", LeakyRelu::new().negative_slope(0.2))
        .layer("gelu", Gelu::new().approximate(GeluApproximation::Tanh))
        .layer("silu", Layer::Silu)
        .layer("tanh", Layer::Tanh)
        .layer("sigmoid", Layer::Sigmoid)
        .layer("max", MaxPool2d::new(3).stride(1).padding(1).dilation(1).ceil_mode(true))
        .layer(
            "avg",
            AvgPool2d::new(3).stride([1, 1]).padding([1, 1, 0, 1]).count_include_pad(false).ceil_mode(true),
        )
        .layer("grouped", Conv2d::new(16, 1).groups(4).padding([1, 0]))
        .layer("drop2", Layer::Dropout2d(Dropout::new().p(0.25)))
        .layer("same", Layer::Identity)
        .layer_from("cat", ["same", "drop2"], Layer::Concat)
        .layer("adaptive", AdaptiveAvgPool2d::new([2, 3]))
        .layer_from("sum", ["adaptive", "adaptive"], Layer::Add)
        .layer("flatten", Layer::Flatten)
        .layer_from("gap", ["sum"], Layer::GlobalAvgPool)
        .layer_from("both", ["flatten", "gap"], Layer::Concat)
        .layer("drop", Dropout::new().p(0.0))
        .layer("fc", Linear::new(5).bias(false))
        .layer("softmax", Layer::Softmax)
        .layer_from("aux.first", ["stem.0"], Layer::GlobalAvgPool)
        .layer_from("aux.second", ["sum"], Layer::GlobalAvgPool)
        .layer_from("last", ["softmax"], Layer::Identity)
        .auxiliary("aux.second")
        .auxiliary("aux.first")
        .build()
        .unwrap()
}

#[test]
fn every_layer_survives_writing_and_reading() {
    let spec = everything();
    let text = spec.to_toml();
    assert_eq!(ModelSpec::from_toml(&text).unwrap(), spec, "{text}");
    // ... and the list above is complete: each type occurs.
    for name in [
        "conv2d",
        "linear",
        "batch_norm2d",
        "relu",
        "relu6",
        "leaky_relu",
        "gelu",
        "silu",
        "tanh",
        "sigmoid",
        "max_pool2d",
        "avg_pool2d",
        "adaptive_avg_pool2d",
        "global_avg_pool",
        "dropout",
        "dropout2d",
        "flatten",
        "add",
        "concat",
        "zero_pad2d",
        "identity",
        "softmax",
    ] {
        assert!(text.contains(&format!("type = \"{name}\"\n")), "{name}");
    }
}

#[test]
fn defaults_are_left_out_and_filled_in() {
    let spec = ModelSpec::builder("d", [1, 9, 9])
        .layer("conv", Conv2d::new(2, 3))
        .layer("pool", MaxPool2d::new(2))
        .layer("drop", Dropout::new())
        .build()
        .unwrap();
    let text = spec.to_toml();
    let expected = "name = \"d\"\ninput = [1, 9, 9]\n\n\
        [[layer]]\nname = \"conv\"\ntype = \"conv2d\"\nout_channels = 2\nkernel_size = 3\n\n\
        [[layer]]\nname = \"pool\"\ntype = \"max_pool2d\"\nkernel_size = 2\n\n\
        [[layer]]\nname = \"drop\"\ntype = \"dropout\"\n";
    assert_eq!(text, expected);
    assert_eq!(ModelSpec::from_toml(&text).unwrap(), spec);
}

#[test]
fn the_default_model_survives_writing_and_reading() {
    let spec = ModelSpec::default_model(10).unwrap();
    assert_eq!(ModelSpec::from_toml(&spec.to_toml()).unwrap(), spec);
}

/// Paddings in all their forms.
#[test]
fn padding_forms() {
    for (written, padding) in [
        ("2", Padding::from(2)),
        ("[1, 2]", Padding::from([1, 1, 2, 2])),
        ("[0, 1, 2, 0]", Padding::from([0, 1, 2, 0])),
        ("\"same\"", Padding::Same),
        ("0x2", Padding::from(2)),
    ] {
        let text = one(&format!("type = \"conv2d\"\nout_channels = 1\nkernel_size = 3\npadding = {written}"));
        let spec = ModelSpec::from_toml(&text).unwrap();
        let LayerSpec { layer: Layer::Conv2d(conv), .. } = &spec.layers[0] else { panic!("{spec:?}") };
        assert_eq!(conv.padding, padding, "{written}");
    }
}

/// A model of one layer named `x`, whose `name` stands in line 5.
fn one(fields: &str) -> String {
    format!("name = \"m\"\ninput = [4, 8, 8]\n\n[[layer]]\nname = \"x\"\n{fields}\n")
}

/// A model of two layers; the second one's `name` stands in line 9.
fn two(fields: &str) -> String {
    one(&format!("type = \"relu\"\n\n[[layer]]\nname = \"y\"\n{fields}"))
}

/// A model of the layers `x` and `y` with a line at its top.
fn head(line: &str, kind: &str) -> String {
    let layers = "[[layer]]\nname = \"x\"\ntype = \"relu\"\n[[layer]]\nname = \"y\"\ntype = ";
    format!("name = \"m\"\ninput = [4, 8, 8]\n{line}\n{layers}\"{kind}\"\n")
}

#[test]
fn every_slip_is_named_with_line_layer_field_found_and_expected() {
    let conv = |more: &str| one(&format!("type = \"conv2d\"\nout_channels = 4\nkernel_size = 3\n{more}"));
    let table: &[(String, &str)] = &[
        // The file as a whole.
        ("name = \"m\"\ninput = [1, 8, 8".into(), "line 2: not TOML: "),
        ("input = [1, 8, 8]".into(), "line 1: field `name`: is missing, expected the model's name"),
        ("name = \"m\"".into(), "line 1: field `input`: is missing, expected [channels, height, width]"),
        (
            "name = \"m\"\ninput = 28".into(),
            "line 2: field `input`: found 28, expected [channels, height, width]",
        ),
        ("name = \"m\"\ninput = [1, 28]".into(), "found [1, 28], expected [channels, height, width]"),
        (
            "name = \"m\"\ninput = [1, 0, 8]\n[[layer]]\nname=\"x\"\ntype=\"relu\"".into(),
            "line 2: field `input`: found [1, 0, 8]",
        ),
        ("name = 3\ninput = [1, 8, 8]".into(), "line 1: field `name`: found 3, expected a text in quotes"),
        ("name = \"m\"\ninput = [1, 8, 8]\n".into(), "model: has no layers"),
        (
            "name = \"m\"\ninput = [1, 8, 8]\n[[layers]]\n".into(),
            "line 3: field `layers`: is unknown; did you mean `layer`?",
        ),
        (
            "name = \"m\"\ninput = [1, 8, 8]\n[layer]\nname=\"x\"".into(),
            "expected tables, each headed by [[layer]]",
        ),
        // A layer.
        (
            "name = \"m\"\ninput = [1, 8, 8]\n\n[[layer]]\ntype = \"relu\"".into(),
            "line 4: field `name`: is missing, expected the layer's name",
        ),
        (one(""), "line 4: layer `x`: field `type`: is missing"),
        (one("type = 2"), "line 6: layer `x`: field `type`: found 2, expected a text in quotes"),
        (
            one("type = \"Conv2D\""),
            "line 6: layer `x`: field `type`: there is no type `Conv2D`; did you mean `conv2d`?",
        ),
        (one("type = \"maxpool\""), "did you mean `max_pool2d`?"),
        (one("type = \"zebra\""), "there is no type `zebra`; known are `adaptive_avg_pool2d`, `add`, "),
        (
            one("type = \"relu\"\nslope = 1"),
            "line 7: layer `x`: field `slope`: is unknown; known are `inputs`, `name`, `type`",
        ),
        (conv("strides = 2"), "line 9: layer `x`: field `strides`: is unknown; did you mean `stride`?"),
        (conv("paddding = 2"), "field `paddding`: is unknown; did you mean `padding`?"),
        (
            one("type = \"conv2d\"\nkernel_size = 3"),
            "line 4: layer `x`: field `out_channels`: is missing, expected a whole number",
        ),
        (
            one("type = \"conv2d\"\nout_channels = 4"),
            "field `kernel_size`: is missing, expected a whole number or [height, width]",
        ),
        // Values of the wrong kind.
        (
            conv("stride = \"two\""),
            "line 9: layer `x`: field `stride`: found \"two\", expected a whole number or [height, width]",
        ),
        (conv("stride = 1.5"), "found 1.5, expected a whole number or [height, width]"),
        (conv("stride = [1, 2, 3]"), "found [1, 2, 3], expected a whole number or [height, width]"),
        (conv("stride = [2]"), "found [2], expected a whole number or [height, width]"),
        (conv("stride = 99999999999999999999"), "expected a whole number"),
        (
            conv("padding = \"valid\""),
            "found \"valid\", expected a whole number, [h, w], [top, bottom, left, right] or \"same\"",
        ),
        (conv("padding = [1, 2, 3]"), "found [1, 2, 3], expected a whole number, [h, w]"),
        (conv("bias = 1"), "field `bias`: found 1, expected true or false"),
        (
            conv("bias = {\n a = 1,\n b = \"a long text that goes on and on\" }"),
            "found { a = 1, b = \"a long text that goes on a..., expected true",
        ),
        (one("type = \"dropout\"\np = \"half\""), "field `p`: found \"half\", expected a number"),
        (one("type = \"gelu\"\napproximate = \"erf\""), "found \"erf\", expected \"none\" or \"tanh\""),
        (
            one("type = \"relu\"\ninputs = \"input\""),
            "field `inputs`: found \"input\", expected a list of layers' names",
        ),
        (one("type = \"relu\"\ninputs = []"), "field `inputs`: found [], expected a list"),
        // Values out of range.
        (conv("stride = 0"), "line 9: layer `x`: field `stride`: found 0, expected at least 1"),
        (conv("stride = [1, -2]"), "field `stride`: found -2, expected at least 1"),
        (conv("dilation = 0"), "field `dilation`: found 0, expected at least 1"),
        (conv("padding = -1"), "field `padding`: found -1, expected at least 0"),
        (
            conv("groups = 3"),
            "line 9: layer `x`: field `groups`: found 3, which does not divide the 4 input channels",
        ),
        (
            one("type = \"conv2d\"\nout_channels = 6\nkernel_size = 1\ngroups = 4"),
            "found 4, which does not divide the 6 output channels",
        ),
        (conv("groups = 0"), "field `groups`: found 0, expected at least 1"),
        (
            one("type = \"conv2d\"\nout_channels = 0\nkernel_size = 1"),
            "field `out_channels`: found 0, expected at least 1",
        ),
        (one("type = \"dropout\"\np = 1.5"), "line 7: layer `x`: field `p`: found 1.5, expected 0 to 1"),
        (one("type = \"dropout2d\"\np = nan"), "field `p`: found NaN, expected 0 to 1"),
        (one("type = \"batch_norm2d\"\neps = 0"), "field `eps`: found 0, expected a number above 0"),
        (one("type = \"batch_norm2d\"\nmomentum = -0.1"), "field `momentum`: found -0.1, expected 0 to 1"),
        (
            one("type = \"leaky_relu\"\nnegative_slope = inf"),
            "field `negative_slope`: found inf, expected a finite number",
        ),
        (
            one("type = \"max_pool2d\"\nkernel_size = 2\npadding = 2"),
            "field `padding`: found 2, expected at most 1, half the window",
        ),
        (
            one("type = \"zero_pad2d\"\npadding = \"same\""),
            "field `padding`: found \"same\", which needs a kernel",
        ),
        // Shapes.
        (
            one("type = \"conv2d\"\nout_channels = 4\nkernel_size = 9"),
            "line 8: layer `x`: field `kernel_size`: found 9x9, larger than the input 8x8. Shrink",
        ),
        (
            one("type = \"conv2d\"\nout_channels = 4\nkernel_size = [3, 11]\npadding = 1"),
            "field `kernel_size`: found 3x11, larger than the input 8x8 (10x10 with its padding). Shrink",
        ),
        (
            one("type = \"conv2d\"\nout_channels = 4\nkernel_size = 5\ndilation = 2"),
            "found 5x5 (9x9 with its dilation), larger than the input 8x8. Shrink",
        ),
        (
            one("type = \"linear\"\nout_features = 3"),
            "line 4: layer `x`: field `inputs`: linear needs flat input and gets maps of 4x8x8: put a flatten",
        ),
        (
            two("type = \"flatten\"\n\n[[layer]]\nname = \"z\"\ntype = \"batch_norm2d\""),
            "line 12: layer `z`: field `inputs`: batch_norm2d needs maps, channels x height x width, and its input is flat: 256 features",
        ),
        (
            two("type = \"add\"\ninputs = [\"x\", \"input\", \"z\"]"),
            "line 11: layer `y`: field `inputs`: there is no layer `z`; known are `input`, `x`, `y`",
        ),
        (
            two("type = \"flatten\"\n[[layer]]\nname = \"z\"\ntype = \"add\"\ninputs = [\"x\", \"y\"]"),
            "line 14: layer `z`: field `inputs`: add needs equal shapes, found 4x8x8 from `x` and 256 from `y`",
        ),
        (
            two(
                "type = \"max_pool2d\"\nkernel_size = 2\n[[layer]]\nname = \"z\"\ntype = \"concat\"\ninputs = [\"x\", \"y\"]",
            ),
            "concat needs maps of equal height and width, found 4x8x8 from `x` and 4x4x4 from `y`. Choose windows, strides and paddings with which their sizes agree",
        ),
        // The graph.
        (
            two("type = \"relu\"\ninputs = [\"y\"]"),
            "line 11: layer `y`: field `inputs`: `y` feeds itself: a model has no cycles",
        ),
        (
            one("type = \"relu\"\ninputs = [\"y\"]\n[[layer]]\nname = \"y\"\ntype = \"relu\""),
            "line 7: layer `x`: field `inputs`: `y` comes later: inputs name layers above",
        ),
        (
            two("type = \"relu\"\ninputs = [\"x\", \"input\"]"),
            "layer `y`: field `inputs`: relu takes one input, found 2",
        ),
        (two("type = \"add\""), "layer `y`: field `inputs`: add joins two or more inputs"),
        (two("type = \"relu\"\ninputs = [\"input\"]"), "line 4: layer `x`: no later layer reads its output"),
        // Auxiliary outputs.
        (
            head("auxiliary = \"x\"", "relu"),
            "line 3: field `auxiliary`: found \"x\", expected a list of layers' names",
        ),
        (
            head("auxiliary = [\"conv\"]", "relu"),
            "line 3: field `auxiliary`: there is no layer `conv`; known are `x`, `y`",
        ),
        (head("auxiliary = [\"Y\"]", "relu"), "there is no layer `Y`; did you mean `y`?"),
        (head("auxiliary = [\"y\"]", "relu"), "line 3: field `auxiliary`: `y` is the last layer"),
        (head("auxiliary = [\"x\"]", "relu"), "line 3: field `auxiliary`: `y` reads `x`: name only layers"),
        (
            head("auxiliary = [\"x\", \"x\"]", "relu\"\ninputs = [\"input\"]\n#\""),
            "line 3: field `auxiliary`: names `x` twice",
        ),
        // Names.
        (
            two("type = \"relu\"").replace("\"y\"", "\"x\""),
            "line 9: layer `x`: field `name`: layers 1 and 2 have the same name",
        ),
        (
            one("type = \"relu\"").replace("\"x\"", "\"input\""),
            "line 5: layer `input`: field `name`: `input` is the image: choose another name",
        ),
        (
            one("type = \"relu\"").replace("\"x\"", "\"a/b\""),
            "field `name`: found \"a/b\", expected letters, digits",
        ),
        (one("type = \"relu\"").replace("\"x\"", "\"a..b\""), "field `name`: found \"a..b\""),
        (one("type = \"relu\"").replace("\"x\"", "\"\""), "field `name`: found \"\""),
    ];
    for (text, expected) in table {
        let error = ModelSpec::from_toml(text).expect_err(text).to_string();
        assert!(error.contains(expected), "for\n{text}\nfound    {error}\nexpected {expected}");
    }
}

/// Sizes that are possible one by one, and too large together.
#[test]
fn sums_beyond_counting_name_the_layer() {
    // Their product is (2^63 - 1) / 7.
    let model = |layers: &str| format!("name = \"m\"\ninput = [21870289, 92737, 649657]\n{layers}");
    let layer = |name: &str, rest: &str| format!("[[layer]]\nname = \"{name}\"\n{rest}\n");
    // The weight alone is just below 2^63; the bias is what is too much.
    let flat = layer("flat", "type = \"flatten\"");
    let fc = layer("fc", "type = \"linear\"\nout_features = 7");
    let linear = model(&(flat.clone() + &fc));
    let without = linear.replace("= 7", "= 7\nbias = false");
    assert_eq!(ModelSpec::from_toml(&without).unwrap().param_count().unwrap(), i64::MAX);
    // Each of two layers is countable; together they are not.
    let half = |name| layer(name, "type = \"linear\"\nout_features = 4\ninputs = [\"flat\"]");
    let both = layer("both", "type = \"concat\"\ninputs = [\"half\", \"twin\"]");
    let halves = model(&[flat.clone(), half("half"), half("twin"), both].concat());
    let many = layer("cat", &format!("type = \"concat\"\ninputs = [{}]", ["\"flat\""; 8].join(", ")));
    let channels = model(&(flat + &many));
    for (text, expected) in [
        (linear, "line 6: layer `fc`: has more parameters than can be counted"),
        (halves, "layer `twin`: has more parameters than can be counted"),
        (channels, "layer `cat`: has more values than can be counted"),
    ] {
        let error = ModelSpec::from_toml(&text).expect_err(&text).to_string();
        assert!(error.contains(expected), "for\n{text}\nfound    {error}\nexpected {expected}");
    }
}

#[test]
fn no_text_makes_it_panic() {
    // Every prefix of a real file, on a byte that may end a character, and every single line left out.
    let text = everything().to_toml();
    for end in (0..text.len()).filter(|&end| text.is_char_boundary(end)) {
        if ModelSpec::from_toml(&text[..end]).is_ok() {
            assert!(end > text.find("[[layer]]").unwrap(), "{end}");
        }
    }
    let lines: Vec<&str> = text.lines().collect();
    for skip in 0..lines.len() {
        let rest: Vec<&str> =
            lines.iter().enumerate().filter(|(i, _)| *i != skip).map(|(_, line)| *line).collect();
        ModelSpec::from_toml(&rest.join("\n")).ok();
    }
}

#[test]
fn a_files_errors_start_with_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("net.toml");
    let missing = ModelSpec::load(&path).unwrap_err();
    assert!(missing.is_io() && missing.to_string().contains("net.toml"), "{missing}");

    fs::write(&path, one("type = \"relu\"\nslope = 1")).unwrap();
    let error = ModelSpec::load(&path).unwrap_err().to_string();
    assert!(error.starts_with(&format!("{}:7: layer `x`: field `slope`", path.display())), "{error}");

    fs::write(&path, [0xff, 0xfe]).unwrap();
    assert!(ModelSpec::load(&path).unwrap_err().to_string().contains("net.toml"));

    fs::write(&path, everything().to_toml()).unwrap();
    assert_eq!(ModelSpec::load(&path).unwrap(), everything());
}

#[test]
fn the_readmes_model_is_one() {
    let readme = include_str!("../README.md");
    let model = readme.split("```").find_map(|block| block.strip_prefix("toml\n")).unwrap();
    let spec = ModelSpec::from_toml(model).unwrap();
    // conv1: 8 kernels of 1x5x5 and their biases; fc: 8x7x7 inputs, 10 outputs and their biases.
    assert_eq!(spec.param_count().unwrap(), 8 * 25 + 8 + 8 * 49 * 10 + 10);
}

#[test]
fn hostile_texts_end_soon_with_a_short_message() {
    let head = "name = \"m\"\ninput = [1, 8, 8]\n";
    let layer = |name: &str, rest: &str| format!("[[layer]]\nname = \"{name}\"\n{rest}\n");
    let long = |letter: &str| letter.repeat(400_000);
    // Once the lines of all fields were counted one by one, names of any length were compared, and all shapes were listed:
    // each of these took minutes, or made a message of megabytes.
    let fields: String = (0..80_000).map(|number| format!("k{number} = 1\n")).collect();
    let layers: String = (0..10_000).map(|number| layer(&format!("l{number}"), "type = \"relu\"")).collect();
    let flat = head.to_owned() + &layer("flat", "type = \"flatten\"");
    let inputs = "\"flat\",".repeat(100_000);
    for (text, part) in [
        (head.to_owned() + &layer("x", "type = \"relu\"") + &fields, "field `k0`: is unknown"),
        (head.to_owned() + &layers + &layer("x", "type = \"relu\"\ninputs = [\"y\"]"), "and 9972 more"),
        (
            flat + &layer("x", &format!("type = \"add\"\ninputs = [\"input\", {inputs}]")),
            "found 1x8x8 from `input` and 64 from `flat`",
        ),
        (
            head.to_owned() + &layer(&long("a"), "type = \"relu\"") + &layer("x", "type = \"relu\""),
            "field `name`: found 400000 characters, expected at most 256",
        ),
        (
            head.to_owned() + &layer("x", &format!("type = \"relu\"\ninputs = [\"{}\"]", long("b"))),
            "there is no layer `bbb",
        ),
        ("#".repeat((1 << 20) + 1), "more than 1048576 bytes"),
    ] {
        let error = ModelSpec::from_toml(&text).unwrap_err().to_string();
        let start: String = error.chars().take(300).collect();
        assert!(error.contains(part), "{start}");
        assert!(error.len() < 1_000, "{} bytes: {start}", error.len());
    }
}
