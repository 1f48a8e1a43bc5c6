//! Page Images and the images of Time Series: pictures, several of one step, boxes, figures and videos.

use std::path::Path;

use convscope::{
    Image, Summary, SummaryWriter, Video,
    render::{self, BoundingBox},
};
use serde_json::json;

use super::{at, clock, server::Server};

const RUN: &str = "images";

pub fn write(logdir: &Path) {
    let writer = SummaryWriter::open(logdir.join(RUN)).unwrap();
    for step in 0..3 {
        let samples = vec![picture(step, 0), picture(step, 1)];
        let summary = Summary::images(samples).unwrap();
        let summary = summary.with_display_name("Samples").with_description("Two *of many*.");
        at(&writer, step).add("samples", summary, step).unwrap();
    }
    at(&writer, 0).add_video("video", video(), 0).unwrap();
    at(&writer, 0).add_video("old video", video().gif(), 0).unwrap();
    at(&writer, 0).add_image_with_boxes("boxes", &blank(), &boxes(), 0).unwrap();
    at(&writer, 0).add_figure("figure", &picture(9, 9), 0).unwrap();
    writer.close().unwrap();
}

fn picture(step: i64, sample: i64) -> Image {
    let pixels = (0..4 * 3 * 3).map(|at| (at * 7 + step * 5 + sample * 3) as u8).collect();
    Image::rgb(4, 3, pixels).unwrap()
}

fn video() -> Video {
    Video::new((0..4).map(|frame| picture(frame, 0)).collect(), 5.0).unwrap()
}

fn blank() -> Image {
    Image::rgb(64, 48, vec![0; 64 * 48 * 3]).unwrap()
}

fn boxes() -> [BoundingBox; 1] {
    [BoundingBox::new(10.0, 10.0, 30.0, 20.0)]
}

pub fn check(server: &Server) {
    let tag = |name: &str, description: &str, samples: usize| json!({"displayName": name, "description": description, "samples": samples});
    let tags = json!({
        "samples": tag("Samples", "<p>Two <em>of many</em>.</p>", 2),
        "video": tag("", "", 1),
        "old video": tag("", "", 1),
        "boxes": tag("", "", 1),
        "figure": tag("", "", 1),
    });
    server.shows("images/tags", &[], RUN, tags);
    for step in 0..3 {
        for sample in 0..2 {
            assert_same(&shown(server, "samples", step, sample), &picture(step, sample));
        }
    }
    assert_same(&shown(server, "figure", 0, 0), &picture(9, 9));
    assert_same(&shown(server, "boxes", 0, 0), &render::draw_boxes(&blank(), &boxes()).unwrap());

    // Both videos are shown as they were packed: a PNG that moves in full colour, and a GIF.
    assert_eq!(file(server, "video", 0, 0), ("image/png".to_owned(), video().to_file().unwrap()));
    assert_eq!(file(server, "old video", 0, 0), ("image/gif".to_owned(), video().gif().to_file().unwrap()));
    check_time_series(server);
}

/// The same pixels, however they are packed.
fn assert_same(found: &Image, expected: &Image) {
    let look = |image: &Image| (image.width(), image.height(), image.pixels().to_vec());
    assert_eq!(look(found), look(expected));
}

/// The picture of a step, by position.
fn shown(server: &Server, tag: &str, step: i64, sample: i64) -> Image {
    let (content_type, png) = file(server, tag, step, sample);
    assert_eq!(content_type, "image/png");
    Image::from_png(png).unwrap()
}

fn file(server: &Server, tag: &str, step: i64, sample: i64) -> (String, Vec<u8>) {
    let query = [("run", RUN), ("tag", tag), ("sample", &sample.to_string())];
    let listed = server.json("images/images", &query, "");
    let listed = &listed[usize::try_from(step).unwrap()];
    assert_eq!((&listed["step"], &listed["wall_time"]), (&json!(step as f64), &json!(clock(step))));
    let key = listed["query"].as_str().unwrap().strip_prefix("blob_key=").unwrap();
    let answer = server.get("images/individualImage", &[("blob_key", key)]);
    (answer.content_type, answer.body)
}

fn check_time_series(server: &Server) {
    let samples = server.json("timeseries/tags", &[], "images")["tagRunSampledInfo"]["samples"].clone();
    assert_eq!(samples, json!({RUN: {"maxSamplesPerStep": 2.0}}));
    let request = json!([{"plugin": "images", "tag": "samples", "run": RUN, "sample": 1}]).to_string();
    let series = server.json("timeseries/timeSeries", &[("requests", &request)], "");
    let points = series[0]["runToSeries"][RUN].as_array().unwrap();
    assert_eq!(points.len(), 3);
    let image = server.get("timeseries/imageData", &[("imageId", points[2]["imageId"].as_str().unwrap())]);
    assert_same(&Image::from_png(image.body).unwrap(), &picture(2, 1));
}
