//! `convscope model` as its user meets it, run as a process.
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, clippy::panic)]

#[allow(dead_code)]
#[path = "support/program.rs"]
mod program;

use std::{fs, io::Read as _, process::Stdio};

use convscope::arch::zoo;
use program::Program;
use serde_json::{Value as Json, json};

const TINY: &str = "name = \"tiny\"\ninput = [1, 8, 8]\n\n[[layer]]\nname = \"conv\"\ntype = \"conv2d\"\n\
                    out_channels = 4\nkernel_size = 3\n\n[[layer]]\nname = \"pool\"\ntype = \"max_pool2d\"\n\
                    kernel_size = 3\n\n[[layer]]\nname = \"flatten\"\ntype = \"flatten\"\n\n[[layer]]\n\
                    name = \"fc\"\ntype = \"linear\"\nout_features = 10\n";
const CONFLICT: &str = "name = \"conflict\"\ninput = [1, 8, 8]\n[[layer]]\nname = \"half\"\ntype = \"max_pool2d\"\n\
                        kernel_size = 2\n[[layer]]\nname = \"cut\"\ntype = \"conv2d\"\nout_channels = 1\n\
                        kernel_size = 5\ninputs = [\"input\"]\n[[layer]]\nname = \"both\"\ntype = \"concat\"\n\
                        inputs = [\"half\", \"cut\"]\n";

/// The command, in a folder with some files.
fn place() -> Program {
    let place = Program::new("model");
    for (name, text) in [("tiny.toml", TINY), ("conflict.toml", CONFLICT), ("tiny", TINY), ("resnet18", TINY)]
    {
        fs::write(place.path(name), text).unwrap();
    }
    place
}

fn described(place: &Program, args: &str) -> Json {
    place.json(&format!("{args} --format json"))
}

#[test]
fn the_table_shows_layers_and_totals() {
    let text = place().good("resnet18");
    let words = |start: &str| -> Vec<&str> {
        let line = text.lines().find(|line| line.trim_start().starts_with(start));
        line.unwrap_or_else(|| panic!("no {start} in {text}")).split_whitespace().collect()
    };
    assert!(text.starts_with("resnet18, for images of 3x224x224\n"), "{text}");
    assert_eq!(
        words("conv1 "),
        ["conv1", "conv2d", "64x112x112", "9,408", "118,013,952", "3,211,264", "7", "2", "3"]
    );
    assert_eq!(words("total ")[1..3], ["11,689,512", "1,814,073,344"]);
    assert_eq!(words("parameters")[1..], ["11,689,512", "(46.8", "MB", "in", "float32)"]);
    assert_eq!(words("multiply-adds")[1..], ["1,814,073,344", "(1.814", "G)"]);
    assert_eq!(words("activations")[3..5], ["(32.9", "MB"]);
    assert_eq!(words("receptive field ")[2..4], ["435x435", "pixels"]);
    assert!(text.contains("in pixels of the image"), "{text}");
}

#[test]
fn the_table_ends_with_advice() {
    let place = place();
    let text = place.good("resnet18 --input 3,32,32");
    assert!(text.contains("\n\n  unproductive layers: "), "{text}");
    let text = place.good("tiny.toml --object-size 8,8");
    assert!(text.contains("\n\n  small final field: "), "{text}");
    assert!(text.lines().skip(2).all(|line| line.chars().count() <= 110), "{text}");
}

#[test]
fn json_and_csv_are_for_programs() {
    let place = place();
    let json = described(&place, "resnet18");
    assert_eq!((&json["name"], &json["input"]), (&json!("resnet18"), &json!([3, 224, 224])));
    assert_eq!((&json["params"], &json["macs"]), (&json!(11_689_512), &json!(1_814_073_344)));
    let conv1 = &json["layers"][0];
    assert_eq!((&conv1["name"], &conv1["type"]), (&json!("conv1"), &json!("conv2d")));
    assert_eq!((&conv1["output"], &conv1["params"]), (&json!([64, 112, 112]), &json!(9408)));
    assert_eq!(
        conv1["receptive_field"],
        json!({ "size": [7, 7], "stride": [2, 2], "padding": [3, 3], "center": [0.0, 0.0], "aligned": true, "density": 1.0, "exact": true })
    );
    let csv = place.good("resnet18 --format csv");
    assert!(csv.starts_with("name,type,inputs,channels,height,width,params,macs,"), "{csv}");
    assert_eq!(csv.lines().count(), json["layers"].as_array().unwrap().len() + 1);
    assert!(csv.contains("\nconv1,conv2d,input,64,112,112,9408,118013952,"), "{csv}");
}

#[test]
fn input_and_classes_are_arguments() {
    let place = place();
    let json = described(&place, "resnet18 --input 1,32,48 --classes 7");
    assert_eq!(json["input"], json!([1, 32, 48]));
    assert_eq!(json["layers"].as_array().unwrap().last().unwrap()["output"], json!([7]));
    assert_eq!(json["params"], 11_689_512 - 2 * 64 * 49 - 513 * 993);
    let json = described(&place, "tiny.toml --input 3,9,14 --classes 2");
    assert_eq!(json["params"], 4 * (3 * 9 + 1) + 2 * (4 * 2 * 4 + 1));
}

#[test]
fn a_file_that_fails_at_its_own_size_is_saved_by_arguments() {
    let place = place();
    let path = place.path("small.toml");
    fs::write(&path, TINY.replace("[1, 8, 8]", "[1, 2, 2]").replace("= 10", "= 0")).unwrap();
    let (code, complaint) = place.bad("small.toml");
    assert_eq!(
        (code, complaint.starts_with("error: small.toml:8: layer `conv`: ")),
        (Some(1), true),
        "{complaint}"
    );
    let (code, complaint) = place.bad("small.toml --input 1,8,8");
    assert_eq!(
        (code, complaint.starts_with("error: small.toml:22: layer `fc`: ")),
        (Some(1), true),
        "{complaint}"
    );
    assert_eq!(described(&place, "small.toml --input 1,8,8 --classes 10"), described(&place, "tiny.toml"));
}

#[test]
fn advice_is_in_json_and_knows_the_objects() {
    let place = place();
    let kinds = |args: &str| -> Vec<String> {
        let advice = described(&place, args)["advice"].as_array().unwrap().clone();
        assert!(advice.iter().all(|advice| advice["layers"].is_array() && advice["message"].is_string()));
        advice.iter().map(|advice| advice["kind"].as_str().unwrap().to_owned()).collect()
    };
    assert!(kinds("resnet18 --input 3,32,32").contains(&"unproductive_tail".to_owned()));
    assert!(!kinds("tiny.toml").contains(&"small_final_field".to_owned()));
    assert!(kinds("tiny.toml --object-size 8,8").contains(&"small_final_field".to_owned()));
}

#[test]
fn a_file_is_what_looks_like_one_or_is_there() {
    let place = place();
    for file in ["tiny.toml", "tiny", "./tiny", "./resnet18"] {
        assert_eq!(described(&place, file)["name"], "tiny", "{file}");
    }
    for name in ["resnet18", "ResNet-18", "RESNET_18"] {
        assert_eq!(described(&place, name)["params"], 11_689_512, "{name}");
    }
}

#[test]
fn the_zoo_is_listed() {
    let place = place();
    let text = place.good("--list");
    let mut names: Vec<&str> =
        text.lines().skip(1).filter_map(|line| line.split_whitespace().next()).collect();
    let place_of = |name: &str| names.iter().position(|listed| *listed == name);
    assert!(place_of("resnet18") < place_of("resnet101"), "{text}");
    names.sort_unstable();
    assert_eq!(names, zoo::NAMES);
    assert!(text.contains("11,689,512"), "{text}");
    let json = described(&place, "--list");
    let resnet = json.as_array().unwrap().iter().find(|model| model["name"] == "resnet18").unwrap();
    assert_eq!((&resnet["input"], &resnet["params"]), (&json!([3, 224, 224]), &json!(11_689_512)));
    let papers =
        |model: &Json| model["paper"].as_str().map(|paper| paper.contains("19") || paper.contains("20"));
    let unpublished: Vec<&Json> =
        json.as_array().unwrap().iter().filter(|model| papers(model) != Some(true)).collect();
    assert_eq!(unpublished.len(), 1, "{unpublished:?}");
    assert_eq!((&unpublished[0]["name"], &unpublished[0]["paper"]), (&json!("default"), &Json::Null));
    assert_eq!(place.good("--list --format csv").lines().count(), zoo::NAMES.len() + 1);
}

#[test]
fn strides_that_do_not_agree_are_told_beside_the_table() {
    let place = place();
    for (form, part) in
        [("table", "multiply-adds"), ("json", "\"receptive_field\":null"), ("csv", "both,concat")]
    {
        let output = place.run(&format!("conflict.toml --format {form}"));
        let (text, complaint) =
            (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert_eq!(output.status.code(), Some(1), "{form}");
        assert!(text.contains(part), "{form}: {text}");
        assert_eq!(complaint.lines().count(), 1, "{complaint}");
        assert!(
            complaint.starts_with("error: conflict.toml for images of 1x8x8: ")
                && ["both", "half", "cut"].iter().all(|name| complaint.contains(name)),
            "{complaint}"
        );
    }
}

#[test]
fn bad_input_is_one_message() {
    let place = place();
    fs::write(
        place.path("sum.toml"),
        TINY.replace(
            "type = \"linear\"\nout_features = 10",
            "type = \"add\"\n\
        inputs = [\"flatten\", \"flatten\"]",
        ),
    )
    .unwrap();
    fs::write(place.path("broken.toml"), TINY.replace("out_channels", "channels")).unwrap();
    for (args, says) in [
        (
            "resnet19",
            &[
                "error: there is no such file, and there is no network `resnet19`",
                "did you mean",
                "`resnet18`",
            ][..],
        ),
        ("missing.toml", &["missing.toml", "No such file"]),
        ("missing/resnet18", &["missing/resnet18", "No such file"]),
        (".", &["cannot read", "."]),
        ("broken.toml", &["broken.toml:", "layer `conv`", "`out_channels`"]),
        (
            "inception_v3 --input 3,32,32",
            &[
                "error: inception_v3 for images of 3x32x32: ",
                "layer `",
                "larger than the input",
                "the smallest input that works is 3x",
            ],
        ),
        (
            "tiny.toml --input 1,4,99",
            &["tiny.toml", "layer `pool`", "the smallest input that works is 1x5x5"],
        ),
        ("sum.toml --classes 3", &["sum.toml", "layer `fc`", "add joins"]),
    ] {
        let (code, complaint) = place.bad(args);
        assert_eq!(code, Some(1), "{args}: {complaint}");
        assert!(
            complaint.starts_with("error: ") && complaint.trim_end().lines().count() == 1,
            "{args}: {complaint}"
        );
        assert!(says.iter().all(|part| complaint.contains(part)), "{args}: {complaint}");
    }
    for args in [
        "",
        "--input 3,8,8",
        "resnet18 --input 3,224",
        "resnet18 --input a,b,c",
        "tiny.toml --input 0,8,8",
        "resnet18 --input 3,-1,8",
        "resnet18 --classes 0",
        "resnet18 --format csv --object-size 3,3",
        "resnet18 --object-size 0,3",
        "resnet18 --object-size 3",
        "resnet18 --classes x",
        "resnet18 --format yaml",
        "resnet18 --list",
        "resnet18 extra",
    ] {
        let (code, complaint) = place.bad(args);
        assert_eq!(code, Some(2), "{args}");
        assert!(complaint.contains("Usage:") || complaint.contains("--help"), "{args}: {complaint}");
    }
    assert!(place.bad("").1.contains("convscope model --list"));
    for args in ["resnet18 --input 3,0,1", "resnet18 --object-size 0,1"] {
        let complaint = place.bad(args).1;
        assert!(complaint.contains("sizes are 1 or more, found 0"), "{complaint}");
    }
}

#[test]
fn a_closed_pipe_is_no_error() {
    let place = place();
    for args in ["resnet152", "resnet152 --format json", "resnet152 --format csv"] {
        let mut child = place.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut first = [0; 10];
        child.stdout.take().unwrap().read_exact(&mut first).unwrap(); // and drop the rest
        let output = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{args}");
        assert_eq!(output.status.code(), Some(0), "{args}");
    }
}
