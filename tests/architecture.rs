//! The report of a model: what is written under which tags.

#![allow(clippy::unwrap_used)] // in helpers of tests

use convscope::{
    Image, Kind, MemorySink, Step,
    arch::{Conv2d, Layer, Linear, MaxPool2d, ModelReport, ModelSpec, zoo},
};

fn report(report: &ModelReport<'_>) -> MemorySink {
    let mut sink = MemorySink::default();
    report.write(&mut sink).unwrap();
    sink
}

/// Tags of a kind.
fn tags(sink: &MemorySink, kind: Kind) -> Vec<&str> {
    let of_kind = sink.entries.iter().filter(|entry| entry.summary.kind() == kind);
    of_kind.map(|entry| entry.tag.as_str()).collect()
}

fn text<'a>(sink: &'a MemorySink, tag: &str) -> &'a str {
    sink.entries.iter().find(|entry| entry.tag.as_str() == tag).unwrap().summary.as_text().unwrap()
}

#[test]
fn a_model_is_described_on_step_0_of_the_run_itself() {
    let spec = ModelSpec::default_model(10).unwrap();
    let sink = report(&ModelReport::new(&spec));
    assert!(sink.entries.iter().all(|entry| entry.step == Step::new(0) && entry.run.is_empty()));
    assert_eq!(tags(&sink, Kind::Graph).len(), 1);
    assert_eq!(tags(&sink, Kind::ConceptualGraph), ["keras"]);
    assert_eq!(tags(&sink, Kind::Text), ["model", "receptive_field/advice"]);
    let images = [
        "receptive_field/overview",
        "receptive_field/conv1",
        "receptive_field/pool1",
        "receptive_field/conv2",
        "receptive_field/pool2",
        "receptive_field/conv3",
        "receptive_field/pool3",
    ];
    assert_eq!(tags(&sink, Kind::Image), images);

    assert!(text(&sink, "model").starts_with("| layer |"), "{}", text(&sink, "model"));
    assert!(text(&sink, "model").contains("| conv1 | conv2d |"));
    let advice = text(&sink, "receptive_field/advice");
    assert!(advice.starts_with(
        "`default` on images of 1x28x28; the size of an object was not given.\n\n- **healthy**: "
    ));
    assert!(advice.contains("- note: a unit of the last maps, `pool3`, sees 24x24"), "{advice}");
    let again = report(&ModelReport::new(&spec));
    let pictures = |sink: &MemorySink| -> Vec<Image> {
        sink.entries.iter().filter_map(|entry| Some(entry.summary.as_images()?[0].clone())).collect()
    };
    assert_eq!(pictures(&sink), pictures(&again), "the same each time");
}

#[test]
fn what_is_given_is_used() {
    let spec = ModelSpec::default_model(10).unwrap();
    let probe = Image::gray(28, 28, vec![7; 28 * 28]).unwrap();
    let sink = report(&ModelReport::new(&spec).object_size([26, 26]).probe(probe).layers(["conv1", "fc1"]));
    let advice = text(&sink, "receptive_field/advice");
    assert!(advice.starts_with("`default` on images of 1x28x28; an object has 26x26 pixels."), "{advice}");
    assert!(advice.contains("- **small final field**: "), "{advice}");
    let images = tags(&sink, Kind::Image);
    assert_eq!(images, ["receptive_field/overview", "receptive_field/conv1", "receptive_field/fc1"]);
    for entry in &sink.entries {
        if let Some([picture]) = entry.summary.as_images() {
            let pixels = picture.pixels().as_chunks::<3>().0;
            assert!(pixels.contains(&[7; 3]), "{}: the probe image is seen", entry.tag.as_str());
        }
    }
}

#[test]
fn deep_models_have_a_dozen_pictures_spread_over_the_depth() {
    let spec = zoo::resnet18([3, 32, 32], 10).unwrap();
    let sink = report(&ModelReport::new(&spec));
    let images = tags(&sink, Kind::Image);
    assert_eq!(images.len(), 1 + 12, "{images:?}");
    assert_eq!((images[1], images[12]), ("receptive_field/conv1", "receptive_field/layer4/1/conv2"));
    assert!(text(&sink, "receptive_field/advice").contains("- **unproductive layers**: 13 of 18 layers"));
}

#[test]
fn dilated_kernels_have_pictures_of_their_own() {
    let spec = ModelSpec::builder("dilated", [1, 28, 28])
        .layer("advice", Conv2d::new(4, 3).stride(2).padding(1))
        .layer("dilation.conv", Conv2d::new(4, 3).dilation(2).padding(2))
        .layer("far", Conv2d::new(4, 2).dilation(13).padding(7))
        .layer("huge", Conv2d::new(4, 2).dilation(300).padding(300))
        .build()
        .unwrap();
    let images = report(&ModelReport::new(&spec));
    let images = tags(&images, Kind::Image);
    // Names that are taken get a mark; a kernel that no picture can hold has none.
    let expected = [
        "receptive_field/overview",
        "receptive_field/advice_",
        "receptive_field/dilation_/conv",
        "receptive_field/far",
        "receptive_field/huge",
        "receptive_field/dilation/dilation/conv",
        "receptive_field/dilation/far",
    ];
    assert_eq!(images, expected);
}

#[test]
fn names_that_are_taken_get_a_mark_that_no_other_layer_has() {
    let spec = ModelSpec::builder("m", [1, 28, 28])
        .layer("advice", Conv2d::new(4, 3))
        .layer("advice_", Conv2d::new(4, 3))
        .layer("ratio.conv", Conv2d::new(4, 3))
        .build()
        .unwrap();
    let sink = report(&ModelReport::new(&spec));
    let expected = [
        "receptive_field/overview",
        "receptive_field/advice__",
        "receptive_field/advice_",
        "receptive_field/ratio__/conv",
    ];
    assert_eq!(tags(&sink, Kind::Image), expected);
}

#[test]
fn models_without_windows_and_with_conflicts_are_reported_too() {
    let flat = ModelSpec::builder("flat", [1, 8, 8])
        .layer("flatten", Layer::Flatten)
        .layer("fc", Linear::new(2))
        .build()
        .unwrap();
    let sink = report(&ModelReport::new(&flat));
    assert_eq!(tags(&sink, Kind::Image), Vec::<&str>::new());
    assert!(text(&sink, "receptive_field/advice").contains("nothing to compare"));

    let conflict = ModelSpec::builder("conflict", [1, 16, 16])
        .layer("a", Conv2d::new(4, 3).stride(2).padding(1))
        .layer_from("b", ["input"], Conv2d::new(4, 9))
        .layer_from("add", ["a", "b"], Layer::Add)
        .layer("pool", MaxPool2d::new(2))
        .build()
        .unwrap();
    let sink = report(&ModelReport::new(&conflict));
    assert!(text(&sink, "receptive_field/advice").contains("- **stride conflict**: `add` joins branches"));
    let images = tags(&sink, Kind::Image);
    assert_eq!(images, ["receptive_field/overview", "receptive_field/a", "receptive_field/b"]);
}

#[test]
fn images_too_large_to_draw_cost_the_pictures_alone() {
    let spec = ModelSpec::builder("wide", [1, 1 << 13, 1 << 13])
        .layer("conv", Conv2d::new(1, 3).stride(1 << 12))
        .build()
        .unwrap();
    let sink = report(&ModelReport::new(&spec));
    assert_eq!(tags(&sink, Kind::Image), Vec::<&str>::new());
    assert!(text(&sink, "receptive_field/advice").contains("**pixels that no unit sees**"));
}

#[test]
fn what_does_not_fit_is_refused_before_anything_is_written() {
    let spec = ModelSpec::default_model(10).unwrap();
    let probe = Image::gray(28, 27, vec![7; 28 * 27]).unwrap();
    let cases = [
        (ModelReport::new(&spec).probe(probe), "probe image: 27 x 28 pixels found"),
        (
            ModelReport::new(&spec).layers(["conv9"]),
            "layers of the model's report: there is no layer `conv9`; did you mean",
        ),
        (ModelReport::new(&spec).object_size([0, 1]), "object size: [0, 1] found"),
    ];
    for (report, expected) in cases {
        let mut sink = MemorySink::default();
        let error = report.write(&mut sink).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
        assert!(sink.entries.is_empty());
    }
}

#[cfg(feature = "tch")]
#[test]
fn a_training_that_goes_on_does_not_write_it_again() {
    use convscope::{CallbackList, Session, diagnostics::Architecture};
    use tch::{Device, Tensor, nn};

    for (seen, is_written) in [(0, true), (40, false)] {
        let (store, mut sink) = (nn::VarStore::new(Device::Cpu), MemorySink::default());
        let callback = Architecture::new(&ModelSpec::default_model(10).unwrap());
        let mut session =
            Session::new(&store, CallbackList::new().with(callback), &mut sink).start_after(seen, 4);
        let scope = session.begin_step().unwrap();
        assert!(scope.end(&Tensor::from(0.5)).unwrap().is_continue());
        session.finish().unwrap();
        sink.entries.retain(|entry| entry.tag.as_str() != "overhead_fraction"); // the session's own
        assert_eq!(!sink.entries.is_empty(), is_written, "after step {seen}");
    }
}
