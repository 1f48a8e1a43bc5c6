//! The writer of the crate `tensorboard-rs` as a sink.

#![cfg(feature = "tensorboard-rs")]
#![allow(clippy::unwrap_used, clippy::panic)]

use convscope::{
    Entry, Histogram, Image, Step, Summary, SummarySink, Tag, WallTime,
    event::EventFileReader,
    proto::{
        event::What,
        summary::{self, value::Value},
    },
};
use tensorboard_rs::summary_writer::SummaryWriter as Peer;

fn written(entries: impl FnOnce(&mut dyn SummarySink)) -> Vec<(i64, summary::Value)> {
    let dir = tempfile::tempdir().unwrap();
    let mut peer = Peer::new(dir.path());
    entries(&mut peer);
    drop(peer);
    let file = std::fs::read_dir(dir.path()).unwrap().next().unwrap().unwrap().path();
    let events = EventFileReader::open(file).unwrap().map(Result::unwrap);
    let values = events.filter_map(|event| match event.what {
        Some(What::Summary(summary)) => Some((event.step, summary.value[0].clone())),
        _ => None,
    });
    values.collect()
}

#[test]
fn scalars_histograms_and_pictures_get_there() {
    let found = written(|sink| {
        sink.add_scalar("loss", 0.5, Step::new(3)).unwrap();
        sink.sub_run("train").add_scalar("loss", 0.25, Step::new(4)).unwrap();
        sink.add_histogram_data("w", &Histogram::from_f64(&[0.0, 0.0, 1.0, 3.0]), Step::new(5)).unwrap();
        sink.add_image("i", Image::gray(3, 1, vec![0, 9, 255]).unwrap(), Step::new(6)).unwrap();
    });
    let tags: Vec<_> = found.iter().map(|(step, value)| (value.tag.as_str(), *step)).collect();
    assert_eq!(tags, [("loss", 3), ("train/loss", 4), ("w", 5), ("i", 6)]);
    assert_eq!(found[1].1.value, Some(Value::SimpleValue(0.25)));
    let Some(Value::Histo(histogram)) = &found[2].1.value else { panic!("{found:?}") };
    assert_eq!((histogram.min, histogram.max, histogram.num), (0.0, 3.0, 4.0));
    assert_eq!(histogram.bucket.iter().sum::<f64>(), 4.0);
    assert!(histogram.bucket_limit.is_sorted());
    let Some(Value::Image(image)) = &found[3].1.value else { panic!("{found:?}") };
    let image = Image::from_png(image.encoded_image_string.clone()).unwrap();
    assert_eq!((image.width(), image.height()), (3, 1));
    assert_eq!(image.pixels(), [0, 0, 0, 9, 9, 9, 255, 255, 255]);
}

#[test]
fn pictures_that_can_be_seen_through_are_on_white() {
    let pixels = vec![10, 20, 30, 255, 10, 20, 30, 0, 0, 0, 0, 51];
    let found =
        written(|sink| sink.add_image("i", Image::rgba(3, 1, pixels).unwrap(), Step::new(1)).unwrap());
    let Some(Value::Image(image)) = &found[0].1.value else { panic!("{found:?}") };
    let image = Image::from_png(image.encoded_image_string.clone()).unwrap();
    assert_eq!(image.pixels(), [10, 20, 30, 255, 255, 255, 204, 204, 204]);
}

#[test]
fn what_it_cannot_take_is_an_error() {
    let image = Image::gray(1, 1, vec![0]).unwrap();
    let found = written(|sink| {
        for (summary, step, what) in [
            (Summary::text("hello"), 0, "text"),
            (Summary::images(vec![image.clone(), image]).unwrap(), 0, "several pictures"),
            (Summary::scalar(1.0), -1, "a negative step"),
        ] {
            let error = sink.add("mine", summary, Step::new(step)).unwrap_err().to_string();
            assert!(error.contains("mine") && error.contains(what), "{error}");
        }
        let entry = Entry {
            run: String::new(),
            tag: Tag::new("mine").unwrap(),
            step: Step::new(0),
            wall_time: Some(WallTime::now()),
            summary: Summary::scalar(1.0),
        };
        assert!(sink.write(entry).unwrap_err().to_string().contains("a wall time"));
    });
    assert!(found.is_empty());
}
