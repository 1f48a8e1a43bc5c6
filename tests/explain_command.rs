//! Floor 8: `convscope explain` as its user meets it, on a checkpoint that `convscope train` made of the bundled images.
#![cfg(all(feature = "cli", feature = "tch"))]
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "support/program.rs"]
mod program;
#[path = "support/system.rs"]
mod system;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

use convscope::{
    Checkpoint, Image, ModelCard, Network,
    arch::{Conv2d, Layer, Linear, ModelSpec},
    data::{self, Dataset, Normalization},
    explain::catalogue,
    proto::{event::What, summary::value::Value},
};
use image::{DynamicImage, ImageBuffer, ImageFormat, Rgb};
use program::Program;
use serde_json::Value as Json;
use tch::{Device, Tensor, nn};

/// Far more than anything here needs on a slow machine.
const LIMIT: Duration = Duration::from_secs(600);

/// `best.safetensors` of one epoch on the bundled images: made once.
fn checkpoint() -> &'static Path {
    static TRAINED: OnceLock<(Program, PathBuf)> = OnceLock::new();
    let (_, path) = TRAINED.get_or_init(|| {
        let place = Program::new("train");
        let output = place.run("--epochs 1 --run r --quiet --histogram-freq 0 --preset economy");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        // Alone: nothing beside it is needed.
        let path = place.path("alone.safetensors");
        fs::rename(place.path("logs/r/checkpoints/best.safetensors"), &path).unwrap();
        fs::remove_dir_all(place.path("logs")).unwrap();
        (place, path)
    });
    path
}

/// A folder with the checkpoint as `model.safetensors`.
fn place() -> Program {
    let place = Program::new("explain");
    fs::copy(checkpoint(), place.path("model.safetensors")).unwrap();
    place
}

fn values(place: &Program, out: &str) -> Json {
    serde_json::from_slice(&fs::read(place.path(out).join("explain.json")).unwrap()).unwrap()
}

/// A number that may have been written as text, since it is not finite.
fn number(value: &Json) -> f64 {
    value.as_f64().unwrap_or_else(|| value.as_str().unwrap().parse().unwrap())
}

fn validation() -> Dataset {
    data::bundled().unwrap().validation
}

fn save(pixels: &DynamicImage, path: &Path, format: ImageFormat) {
    pixels.save_with_format(path, format).unwrap();
}

/// A bundled image as a grey PNG.
fn save_bundled(place: &Program, index: usize, name: &str) {
    let one = validation().subset(&[index]).unwrap();
    let bytes: Vec<u8> = Vec::try_from(one.images().reshape([-1])).unwrap();
    let pixels = DynamicImage::ImageLuma8(ImageBuffer::from_raw(28, 28, bytes).unwrap());
    save(&pixels, &place.path(name), ImageFormat::Png);
}

/// All PNG files below a folder, with `/` in their names; none may be unfinished.
fn png_files(folder: &Path) -> Vec<String> {
    fn walk(folder: &Path, prefix: &str, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
            assert!(!name.ends_with(".unfinished"), "{name}");
            if entry.path().is_dir() {
                walk(&entry.path(), &format!("{name}/"), found);
            } else if name.ends_with(".png") && !name.contains("tensorboard") {
                found.push(name);
            }
        }
    }
    let mut found = Vec::new();
    walk(folder, "", &mut found);
    found.sort();
    found
}

/// Pictures of the run's event files, by tag.
fn pictures(run: &Path) -> BTreeMap<String, Vec<Image>> {
    let mut found = BTreeMap::new();
    for event in system::events(run) {
        let Some(What::Summary(summary)) = event.what else { continue };
        for value in summary.value {
            let plugin = value.metadata.and_then(|m| m.plugin_data).map(|plugin| plugin.plugin_name);
            if let (Some("images"), Some(Value::Tensor(tensor))) = (plugin.as_deref(), value.value) {
                let images = tensor.string_val[2..].iter().map(|png| Image::from_png(png.clone()).unwrap());
                found.insert(value.tag, images.collect());
            }
        }
    }
    found
}

#[test]
fn wrong_usage_is_exit_code_2_and_leaves_nothing() {
    let place = place();
    let given = "--checkpoint model.safetensors --out out";
    for (args, says) in [
        ("", "--checkpoint"),
        ("--checkpoint model.safetensors", "--out"),
        ("--out out", "--checkpoint"),
        ("--checkpoint model.safetensors --out out --method salency", "saliency"),
        ("--checkpoint model.safetensors --out out --method saliency,", "--method"),
        ("--checkpoint model.safetensors --out out --patch 0", "--patch"),
        ("--checkpoint model.safetensors --out out --noise -1", "--noise"),
        ("--checkpoint model.safetensors --out out --index one", "--index"),
        ("--checkpoint model.safetensors --out out --memory 0", "--memory"),
        ("--checkpoint model.safetensors --out out --label 3", "--image"),
        ("--checkpoint model.safetensors --out out --std 0", "--std"),
        ("--checkpoint model.safetensors --out out --fill 1.5", "--fill"),
        ("--checkpoint model.safetensors --out out --fill blur:0", "--fill"),
        ("--checkpoint model.safetensors --out out --run a/../b", "--run"),
        ("--list --out out", "--list"),
    ] {
        let (code, text) = place.bad(args);
        assert_eq!(code, Some(2), "{args}: {text}");
        assert!(text.contains(says), "{args}: {text}");
    }
    // A method that refuses its setting says so before any work.
    let (code, text) = place.bad(&format!("{given} --method integrated_gradients --rule simpsons"));
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("simpsons"), "{text}");
    assert!(!place.path("out").exists());
}

#[test]
fn what_cannot_be_explained_is_exit_code_1_and_leaves_nothing() {
    let place = place();
    fs::write(place.path("text.png"), "no picture").unwrap();
    fs::write(place.path("bad.safetensors"), "PK\x03\x04").unwrap();
    save_bundled(&place, 0, "a.png");
    fs::create_dir(place.path("full")).unwrap();
    fs::write(place.path("full/mine.txt"), "mine").unwrap();
    let given = "--checkpoint model.safetensors --out out --method saliency";
    for (args, says) in [
        ("--checkpoint none.safetensors --out out".to_owned(), "none.safetensors"),
        ("--checkpoint bad.safetensors --out out".to_owned(), "torch.save"),
        (format!("{given} --image text.png"), "text.png"),
        (format!("{given} --image none.png"), "none.png"),
        (format!("{given} --index 1000"), "there are 1000 images"),
        (format!("{given} --image a.png --label Hat"), "one of T-shirt/top, Trouser"),
        (format!("{given} --index 0 --target Hat"), "--target: there is no class `Hat`"),
        (format!("{given} --index 0 --target 10"), "from 0 to 9"),
        (format!("{given} --image a.png --target label"), "--label"),
        (format!("{given} --data idx:none"), "--data idx:none"),
        (format!("{given} --model resnet18"), "--model resnet18 does not fit"),
        (format!("{given} --classes a,b"), "10 classes"),
        (format!("{given} --image a.png --mean 0,0,0"), "--mean: 3 numbers"),
        (format!("{given} --image a.png --resize 20"), "20"),
        ("--checkpoint model.safetensors --out full".to_owned(), "not empty"),
        ("--checkpoint model.safetensors --out full --overwrite".to_owned(), "explain.json"),
    ] {
        let (code, text) = place.bad(&args);
        assert_eq!(code, Some(1), "{args}: {text}");
        assert!(text.contains(says) && text.starts_with("error: "), "{args}: {text}");
        assert!(!place.path("out").exists(), "{args}");
    }
    assert_eq!(fs::read(place.path("full/mine.txt")).unwrap(), b"mine");
}

#[test]
fn methods_are_listed() {
    let listed = Program::new("explain").good("--list");
    for entry in catalogue() {
        assert!(
            listed.lines().any(|line| line.starts_with(entry.name) && line.ends_with(entry.about)),
            "{listed}"
        );
    }
}

#[test]
fn every_method_says_something_or_why_not() {
    let place = place();
    let output = place.run("--checkpoint model.safetensors --out out --samples 4 --steps 4");
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let values = values(&place, "out");
    let names = |list: &Json, key: Option<&str>| -> Vec<String> {
        let name = |v: &Json| key.map_or(v, |key| &v[key]).as_str().unwrap().to_owned();
        list.as_array().unwrap().iter().map(name).collect()
    };
    let expected: Vec<&str> = catalogue().iter().map(|entry| entry.name).collect();
    assert_eq!(names(&values["methods"], None), expected);
    assert_eq!(values["failed"], Json::Array(Vec::new()));
    let skipped = names(&values["skipped"], Some("method"));
    let tags = names(&values["pictures"], Some("tag"));
    for name in expected {
        let is_drawn = tags.iter().any(|tag| tag.starts_with(&format!("explain/{name}/")));
        let is_told = skipped.iter().any(|skipped| skipped == name);
        assert!(is_drawn || is_told || name == "embedding", "{name} wrote nothing and said nothing");
    }

    // Without a choice two right and two wrong answers are explained.
    let images = values["images"].as_array().unwrap();
    let right = images.iter().filter(|image| image["label"]["class"] == image["prediction"]["class"]).count();
    assert_eq!((images.len(), right), (4, 2));

    // A file for every picture of the run, with its pixels, and none else.
    let run = fs::read_dir(place.path("out/tensorboard")).unwrap().next().unwrap().unwrap().path();
    let drawn = pictures(&run);
    assert!(!drawn.is_empty());
    let mut files = names(&values["pictures"], Some("file"));
    for (tag, file) in tags.iter().zip(&files) {
        let found = Image::from_png(fs::read(place.path("out").join(file)).unwrap()).unwrap();
        assert!(drawn[tag].contains(&found), "{tag} in {file}");
    }
    files.sort();
    assert_eq!(files, png_files(&place.path("out")));
    assert_eq!(files.len(), drawn.values().map(Vec::len).sum::<usize>());
}

/// The answers are those of the network as the library loads it.
#[test]
fn images_of_the_data_by_index() {
    let place = place();
    let text = place.good(
        "--checkpoint model.safetensors --out out --index 3,5 --index 11 --method saliency --target label",
    );
    let values = values(&place, "out");
    let card = ModelCard::read(checkpoint()).unwrap().unwrap();
    let store = nn::VarStore::new(Device::Cpu);
    let network = Network::new(&store.root(), &card.model.unwrap()).unwrap();
    Checkpoint::load(&store, checkpoint()).unwrap();
    let data = validation().subset(&[3, 5, 11]).unwrap();
    let input =
        card.preprocessing.unwrap().normalization.apply(&data.pixels().unwrap(), Device::Cpu).unwrap();
    let logits = network.f_forward_t(&input, false).unwrap().log_softmax(-1, None);
    for (row, image) in values["images"].as_array().unwrap().iter().enumerate() {
        let answer = logits.get(row as i64);
        let class = i64::try_from(answer.argmax(0, false)).unwrap();
        assert_eq!(image["prediction"]["class"], class);
        let expected = answer.double_value(&[class]);
        assert!((number(&image["log_probability"]) - expected).abs() < 1e-4, "{image} {expected}");
        assert_eq!(image["label"]["class"], data.labels()[row]);
        assert_eq!(image["explained"], image["label"]);
        let name = format!("{} {}", [3, 5, 11][row], data.label_names()[row]);
        assert_eq!(image["name"], name.as_str());
        assert!(text.contains(&format!("image         {name}: K = ")), "{text}");
    }
    assert_eq!((values["step"].as_i64(), values["epoch"].as_i64()), (Some(94), Some(1)));
    for part in [
        "checkpoint    model.safetensors (step 94)",
        "written       out: 3 pictures",
        "--logdir out/tensorboard",
    ] {
        assert!(text.contains(part), "no {part} in {text}");
    }
}

/// The same image as a file is answered in the same way; the log folder may be another.
#[test]
fn a_picture_that_is_an_image_of_the_data() {
    let place = place();
    save_bundled(&place, 42, "a b.png");
    let given = "--checkpoint model.safetensors --method saliency --quiet";
    place.good(&format!("{given} --out data --index 42"));
    let mut command = place.command(&format!("{given} --out file --logdir logs --run mine --label coat"));
    let output = command.args(["--image", "a b.png", "--image", "a b.png"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (data, file) = (values(&place, "data"), values(&place, "file"));
    let images = file["images"].as_array().unwrap();
    assert_eq!(images[0]["log_probability"], data["images"][0]["log_probability"]);
    assert_eq!((&images[0]["name"], &images[1]["name"]), (&"a b".into(), &"a b 2".into()));
    assert_eq!((images[0]["label"]["class"].as_i64(), images[0]["rows"].as_u64()), (Some(4), Some(28)));
    assert_eq!(png_files(&place.path("file")), ["saliency/a_b.png", "saliency/a_b_2.png"]);
    assert_eq!(pictures(&place.path("logs/mine")).len(), 2);
    assert!(!place.path("file/tensorboard").exists());
}

#[test]
fn pictures_of_any_size_and_mode() {
    let place = place();
    let shape = |width, height| {
        ImageBuffer::from_fn(width, height, |x, y| {
            Rgb([(x * 255 / width) as u8, (y * 255 / height) as u8, 90])
        })
    };
    save(&DynamicImage::ImageRgb8(shape(1200, 800)), &place.path("photo.jpg"), ImageFormat::Jpeg);
    save(&DynamicImage::ImageRgb8(shape(3, 5)), &place.path("tiny.png"), ImageFormat::Png);
    let deep = DynamicImage::ImageRgb8(shape(90, 30)).to_rgba16();
    save(&DynamicImage::ImageRgba16(deep), &place.path("deep.png"), ImageFormat::Png);
    place.good(
        "--checkpoint model.safetensors --out out --method saliency --quiet --image photo.jpg tiny.png deep.png --invert",
    );
    let values = values(&place, "out");
    let sizes: Vec<[u64; 2]> = (values["images"].as_array().unwrap().iter())
        .map(|image| ["rows", "columns"].map(|side| image[side].as_u64().unwrap()))
        .collect();
    assert_eq!(sizes, [[800, 1200], [5, 3], [30, 90]]);
    assert!(values["preprocessing"].as_str().unwrap().contains("invert = true"));
    assert_eq!(png_files(&place.path("out")).len(), 3);
}

/// A file as PyTorch writes it: values alone. Flags say the rest, and the answers are the same.
#[test]
fn a_file_without_a_card_needs_flags() {
    let place = place();
    let values_alone = Tensor::read_safetensors(checkpoint()).unwrap();
    Tensor::write_safetensors(&values_alone, place.path("torch.safetensors")).unwrap();
    save_bundled(&place, 7, "a.png");
    let (code, text) = place.bad("--checkpoint torch.safetensors --out out --image a.png");
    assert_eq!(code, Some(1));
    assert!(text.contains("--model"), "{text}");
    let given = "--checkpoint torch.safetensors --model default --method saliency --quiet --image a.png";
    let output = place.run(&format!("{given} --out guessed"));
    assert!(output.status.success());
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("warning: mean and standard deviation"),
        "{output:?}"
    );

    let card = ModelCard::read(checkpoint()).unwrap().unwrap();
    let Normalization { mean, std } = card.preprocessing.clone().unwrap().normalization;
    place.good(&format!("{given} --out flags --mean {} --std {} --classes {}", mean[0], std[0], "10"));
    fs::write(place.path("steps.toml"), card.preprocessing.unwrap().to_toml()).unwrap();
    fs::write(place.path("names.txt"), card.classes.join("\n")).unwrap();
    place.good(&format!("{given} --out file --preprocessing steps.toml --classes names.txt"));
    place.good("--checkpoint model.safetensors --out card --method saliency --quiet --image a.png");
    let answer = |out: &str| values(&place, out)["images"][0]["log_probability"].clone();
    assert_eq!((answer("flags"), answer("file")), (answer("card"), answer("card")));
    assert_ne!(answer("guessed"), answer("card"));
    assert_eq!(
        values(&place, "file")["images"][0]["prediction"],
        values(&place, "card")["images"][0]["prediction"]
    );
    assert_eq!(values(&place, "flags")["images"][0]["prediction"]["name"], Json::Null);
}

/// Values as `convscope train` wrote them before they said themselves what they are: `data.toml` beside them does.
#[test]
fn what_stands_beside_the_checkpoint_is_used() {
    let place = place();
    let card = ModelCard::read(checkpoint()).unwrap().unwrap();
    fs::create_dir(place.path("run")).unwrap();
    let values_alone = Tensor::read_safetensors(checkpoint()).unwrap();
    Tensor::write_safetensors(&values_alone, place.path("run/best.safetensors")).unwrap();
    let given =
        "--checkpoint run/best.safetensors --model default --data bundled --index 5,6 --method saliency";
    let warned = |out: &str, more: &str| {
        let output = place.run(&format!("{given} --out {out} {more}"));
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    // Images of the data need it as much as pictures do.
    assert_eq!(warned("guessed", "").matches("warning: mean and standard deviation").count(), 1);

    let Normalization { mean, std } = card.preprocessing.unwrap().normalization;
    let stated = |classes: &[String]| {
        format!("classes = {classes:?}\n[normalization]\nmean = {mean:?}\nstd = {std:?}\n")
    };
    fs::write(place.path("run/data.toml"), stated(&card.classes[1..])).unwrap();
    let told = warned("other", "");
    assert!(told.contains("data.toml is not used") && told.contains("9 classes"), "{told}");
    fs::write(place.path("run/data.toml"), "mean = 0").unwrap();
    assert!(warned("broken", "").contains("[normalization]"));

    fs::write(place.path("run/data.toml"), stated(&card.classes)).unwrap();
    let told = place.good(&format!("{given} --out beside"));
    assert!(told.contains("data.toml"), "{told}");
    place.good("--checkpoint model.safetensors --out card --index 5,6 --method saliency --quiet");
    assert_eq!(values(&place, "beside")["images"], values(&place, "card")["images"]);
    assert_ne!(values(&place, "guessed")["images"], values(&place, "card")["images"]);
    // What stands in the file itself comes first.
    fs::copy(checkpoint(), place.path("run/model.safetensors")).unwrap();
    fs::write(place.path("run/data.toml"), "mean = 0").unwrap();
    place.good("--checkpoint run/model.safetensors --out first --index 5 --method saliency --quiet");
}

/// A brightness is that of the picture, whatever the model sees; what does not fit the image fails, and the others go on.
#[test]
fn fills_of_occlusion() {
    let place = place();
    let given =
        "--checkpoint model.safetensors --index 5 --method occlusion,saliency --patch 14 --stride 14 --quiet";
    place.good(&format!("{given} --out black --fill 0"));
    let Normalization { mean, std } =
        ModelCard::read(checkpoint()).unwrap().unwrap().preprocessing.unwrap().normalization;
    let black = values(&place, "black");
    let (_, map) = black["values"]["occlusion"].as_object().unwrap().iter().next().unwrap();
    let settings = map["settings"].as_array().unwrap().iter().map(|words| words.as_str().unwrap());
    let shown: Vec<&str> =
        settings.filter_map(|words| words.strip_prefix("fill: normalised value ")).collect();
    let [shown] = shown[..] else { panic!("{map}") };
    assert!((shown.parse::<f64>().unwrap() + mean[0] / std[0]).abs() < 0.01, "{shown}");

    let output = place.run(&format!("{given} --out wide --fill blur:1e9"));
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let wide = values(&place, "wide");
    assert_eq!(wide["methods"], serde_json::json!(["saliency"]));
    assert!(wide["failed"][0]["why"].as_str().unwrap().contains("at most 28"), "{}", wide["failed"]);
    assert_eq!(wide["skipped"], serde_json::json!([]));
}

#[test]
fn pictures_of_one_name_are_told_apart() {
    let place = place();
    fs::create_dir(place.path("other")).unwrap();
    for (index, name) in ["x.png", "other/x.png", "x_2.png", "other/X.png"].iter().enumerate() {
        save_bundled(&place, index, name);
    }
    place.good(
        "--checkpoint model.safetensors --out out --method saliency,gallery --quiet --image x.png other/x.png x_2.png other/X.png",
    );
    let values = values(&place, "out");
    let images = values["images"].as_array().unwrap();
    let mut tags: Vec<String> =
        images.iter().map(|image| image["tag"].as_str().unwrap().to_lowercase()).collect();
    tags.sort();
    tags.dedup();
    assert_eq!(tags.len(), 4, "{images:?}");
    assert_eq!(values["values"]["saliency"].as_object().unwrap().len(), 4);
    assert_eq!(png_files(&place.path("out")).len(), 5);
}

/// A model for RGB images of another size, whose data nobody has: methods that need data are left out, with the reason.
#[test]
fn a_model_of_colour_pictures_without_data() {
    let place = place();
    let spec = ModelSpec::builder("colour", [3, 20, 30])
        .layer("conv", Conv2d::new(4, 3))
        .layer("relu", Layer::Relu)
        .layer("pool", Layer::GlobalAvgPool)
        .layer("fc", Linear::new(3))
        .build()
        .unwrap();
    let store = nn::VarStore::new(Device::Cpu);
    let network = Network::new(&store.root(), &spec).unwrap();
    network.save_safetensors(place.path("colour.safetensors")).unwrap();
    fs::write(place.path("colour.toml"), spec.to_toml()).unwrap();
    let photo = ImageBuffer::from_fn(300, 200, |x, y| Rgb([x as u8, y as u8, (x * y) as u8]));
    save(&DynamicImage::ImageRgb8(photo), &place.path("photo.png"), ImageFormat::Png);
    let given = "--checkpoint colour.safetensors --model colour.toml --mean 0.5,0.5,0.5 --std 0.2,0.2,0.2";
    let (code, text) = place.bad(&format!("{given} --out none"));
    assert_eq!(code, Some(1));
    assert!(text.contains("--image FILE"), "{text}");
    let text = place.good(&format!(
        "{given} --out out --image photo.png --method saliency,grad_cam,linear_probe --target 2"
    ));
    let values = values(&place, "out");
    assert_eq!(values["images"][0]["explained"]["class"], 2);
    assert_eq!(values["skipped"][0]["method"], "linear_probe");
    assert!(text.contains("left out      linear_probe: "), "{text}");
    assert_eq!(png_files(&place.path("out")).len(), 2);
}

/// Data of the training that is gone: an error where it is needed, else a warning.
#[test]
fn data_that_is_gone() {
    let place = place();
    let card = ModelCard::read(checkpoint()).unwrap().unwrap();
    let store = nn::VarStore::new(Device::Cpu);
    let _network = Network::new(&store.root(), card.model.as_ref().unwrap()).unwrap();
    Checkpoint::load(&store, checkpoint()).unwrap();
    let card = ModelCard { data: Some("idx:gone".to_owned()), ..card };
    Checkpoint::save_with(&store, &card, &place.path("moved.safetensors")).unwrap();
    save_bundled(&place, 0, "a.png");
    let given = "--checkpoint moved.safetensors --method saliency --quiet";
    let (code, text) = place.bad(&format!("{given} --out out"));
    assert_eq!(code, Some(1));
    assert!(text.contains("give --data") && text.contains("gone"), "{text}");
    let output = place.run(&format!("{given} --out out --image a.png"));
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("warning: "), "{output:?}");
    place.good(&format!("{given} --out other --data bundled --index 1"));
}

#[test]
fn an_earlier_explanation_is_replaced_on_request() {
    let place = place();
    let given = "--checkpoint model.safetensors --out out --quiet --logdir logs";
    place.good(&format!("{given} --index 1,2 --method saliency"));
    fs::write(place.path("out/saliency/mine.png"), "mine").unwrap();
    assert_eq!(png_files(&place.path("out")).len(), 3);
    place.good(&format!("{given} --index 3 --method gradient_x_input --overwrite"));
    let left = png_files(&place.path("out"));
    assert_eq!(left.len(), 2);
    assert!(left[0].starts_with("gradient_x_input/3_") && left[1] == "saliency/mine.png", "{left:?}");
    assert_eq!(fs::read_dir(place.path("logs")).unwrap().count(), 2, "a run each");
}

#[test]
fn little_memory_changes_no_answer() {
    let place = place();
    let given = "--checkpoint model.safetensors --quiet --index 2 --method smooth_grad,integrated_gradients --samples 20 --seed 3";
    place.good(&format!("{given} --out much"));
    place.good(&format!("{given} --out little --memory 1"));
    let [much, little] = ["much", "little"].map(|out| values(&place, out)["values"].clone());
    let numbers = |value: &Json| -> Vec<f64> {
        fn gather(value: &Json, into: &mut Vec<f64>) {
            match value {
                Json::Array(list) => list.iter().for_each(|value| gather(value, into)),
                Json::Object(map) => map.values().for_each(|value| gather(value, into)),
                Json::Number(number) => into.push(number.as_f64().unwrap()),
                _ => {}
            }
        }
        let mut found = Vec::new();
        gather(value, &mut found);
        found
    };
    let (much, little) = (numbers(&much), numbers(&little));
    assert!(much.len() > 2 * 784 && much.len() == little.len());
    let largest = much.iter().fold(0.0, |most: f64, value| most.max(value.abs()));
    assert!(much.iter().zip(&little).all(|(a, b)| (a - b).abs() <= 1e-4 * largest));
}

#[test]
#[cfg(unix)]
fn ctrl_c_leaves_complete_files() {
    let place = place();
    let args = "--checkpoint model.safetensors --out out --run r --index 0,1,2,3 --method saliency,smooth_grad \
                --samples 200000 --memory 1";
    let mut child = place
        .command(args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .env("OMP_NUM_THREADS", "1")
        .spawn()
        .unwrap();
    let start = Instant::now();
    while !(place.path("out").exists() && png_files_so_far(&place.path("out")) >= 4) {
        assert_eq!(child.try_wait().unwrap(), None, "it ended too early");
        assert!(start.elapsed() < LIMIT, "nothing came of it");
        thread::sleep(Duration::from_millis(20));
    }
    thread::sleep(Duration::from_millis(300)); // into the second method
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(130), "{complaint}");
    assert!(complaint.contains("interrupted"), "{complaint}");
    let values = values(&place, "out");
    assert_eq!(values["interrupted"], true);
    assert_eq!(values["methods"], serde_json::json!(["saliency"]));
    assert_eq!(values["failed"], serde_json::json!([]));
    let files = png_files(&place.path("out"));
    assert!(files.len() >= 4);
    for file in files {
        Image::from_png(fs::read(place.path("out").join(file)).unwrap()).unwrap();
    }
    assert!(pictures(&place.path("out/tensorboard/r")).len() >= 4, "the run is whole");
}

/// How many there are while others are being written.
#[cfg(unix)]
fn png_files_so_far(folder: &Path) -> usize {
    fs::read_dir(folder.join("saliency")).map_or(0, |entries| {
        entries
            .filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|end| end == "png"))
            .count()
    })
}
