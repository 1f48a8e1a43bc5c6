//! Page Projector.

use std::path::Path;

use convscope::{Image, SummaryWriter, summary::Embedding};
use serde_json::json;

use super::server::Server;

const RUN: &str = "projector";
const POINTS: [[f32; 3]; 4] = [[0.0, 0.1, 1e-30], [-1.5, 3.4e38, 2.0], [0.0, 0.0, 0.0], [1.0, -1.0, 7.25]];
const LABELS: [&str; 4] = ["shirt", "größer", "a b", "shirt"];
const NAMES: [&str; 2] = ["features (step 1)", "features (step 2)"];

pub fn write(logdir: &Path) {
    let writer = SummaryWriter::open(logdir.join(RUN)).unwrap();
    let plain = Embedding::from_rows(&POINTS).unwrap();
    writer.add_embedding("features", &plain, 1).unwrap();
    let rows = LABELS.iter().zip(1..).map(|(label, at)| vec![(*label).to_owned(), at.to_string()]);
    let dressed = plain.metadata(&["class", "at"], rows.collect()).unwrap();
    writer.add_embedding("features", &dressed.sprites((0..4).map(sprite).collect()).unwrap(), 2).unwrap();
    writer.close().unwrap();
}

fn sprite(point: u8) -> Image {
    Image::rgb(3, 2, vec![40 * point; 3 * 2 * 3]).unwrap()
}

pub fn check(server: &Server) {
    server.shows_names("projector/runs", "", &[RUN]);
    let told = server.json("projector/info", &[("run", RUN)], "embeddings");
    for (embedding, name) in told.as_array().unwrap().iter().zip(NAMES) {
        assert_eq!(embedding["tensorName"], name);
        assert_eq!(embedding["tensorShape"], json!([4.0, 3.0]));
        let query = [("run", RUN), ("name", name)];
        let expected: Vec<u8> =
            POINTS.as_flattened().iter().flat_map(|number| number.to_le_bytes()).collect();
        assert_eq!(server.get("projector/tensor", &query).body, expected, "{name}");
    }
    assert_eq!(told.as_array().unwrap().len(), 2);
    assert_eq!(told[1]["sprite"]["singleImageDim"], json!([3.0, 2.0]));

    let query = [("run", RUN), ("name", NAMES[1])];
    let metadata = String::from_utf8(server.get("projector/metadata", &query).body).unwrap();
    assert_eq!(metadata, "class\tat\nshirt\t1\ngrößer\t2\na b\t3\nshirt\t4\n");
    let sprites = server.get("projector/sprite_image", &query);
    assert_eq!(sprites.content_type, "image/png");
    // Row by row in a square.
    let sprites = Image::from_png(sprites.body).unwrap();
    assert_eq!((sprites.width(), sprites.height()), (6, 4));
    let at = |x: usize, y: usize| sprites.pixels()[(y * 6 + x) * 3];
    assert_eq!([at(0, 0), at(3, 0), at(0, 2), at(5, 3)], [0, 40, 80, 120]);
}
