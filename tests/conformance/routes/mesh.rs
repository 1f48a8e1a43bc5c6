//! Page Mesh.

use std::path::Path;

use convscope::{Mesh, Summary, SummaryWriter, summary::Scene};
use serde_json::{Value as Json, json};

use super::{at, clock, server::Server};

const RUN: &str = "mesh";
const FACES: [[u32; 3]; 4] = [[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]];
const COLORS: [[u8; 3]; 4] = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 0]];

pub fn write(logdir: &Path) {
    let writer = SummaryWriter::open(logdir.join(RUN)).unwrap();
    for step in 0..2 {
        for (tag, summary) in Summary::mesh("tetrahedra", &mesh(step)) {
            at(&writer, step).add(&tag, summary, step).unwrap();
        }
        at(&writer, step).add_mesh("cloud", &Mesh::new(&corners(step)).unwrap(), step).unwrap();
    }
    writer.close().unwrap();
}

fn corners(step: i64) -> [[f32; 3]; 4] {
    let edge = (step + 1) as f32;
    [[0.0; 3], [edge, 0.0, 0.0], [0.0, edge, 0.0], [0.0, 0.0, edge]]
}

/// Two samples: the second is larger by 2.
fn mesh(step: i64) -> Mesh {
    let vertices = [corners(step), corners(step + 2)].concat();
    let scene = Scene::new().camera_at([3.0, 4.0, 5.0]).unwrap();
    let mesh = Mesh::batch(2, &vertices).unwrap().with_colors(&[COLORS, COLORS].concat()).unwrap();
    mesh.with_faces(&[FACES, FACES].concat()).unwrap().with_scene(scene)
}

pub fn check(server: &Server) {
    server.shows("mesh/tags", &[], RUN, json!({"tetrahedra": {"samples": 2}, "cloud": {"samples": 1}}));
    let mut listed = server.json("mesh/meshes", &[("run", RUN), ("tag", "tetrahedra")], "");
    let config: Json = serde_json::from_str(listed[0]["config"].as_str().unwrap()).unwrap();
    let camera: Vec<f64> = serde_json::from_value(config["camera"]["position"].clone()).unwrap();
    assert_eq!(camera, [3.0, 4.0, 5.0]);
    let listed = listed.as_array_mut().unwrap();
    // Points are 1, faces 2, colours 3; a component is a bit of that place.
    listed.sort_by_key(|part| [&part["step"], &part["content_type"]].map(|at| at.as_f64().unwrap() as i64));
    let parts = (0..2).flat_map(|step| (1..=3).map(move |part| (step, part)));
    for (told, (step, part)) in listed.iter().zip(parts) {
        assert_eq!(told["content_type"], json!(f64::from(part)));
        assert_eq!((&told["step"], &told["wall_time"]), (&json!(step as f64), &json!(clock(step))));
        assert_eq!(told["components"], json!(14.0));
        assert_eq!(told["data_shape"], json!([2.0, 4.0, 3.0]));
    }
    assert_eq!(listed.len(), 6);

    for step in 0..2 {
        for sample in 0..2 {
            let data = |part| part_of(server, "tetrahedra", step, sample, part);
            assert_eq!(data("VERTEX"), points(step + 2 * sample));
            assert_eq!(data("COLOR"), COLORS.as_flattened());
            let faces: Vec<u8> =
                FACES.as_flattened().iter().flat_map(|corner| corner.to_le_bytes()).collect();
            assert_eq!(data("FACE"), faces);
        }
        assert_eq!(part_of(server, "cloud", step, 0, "VERTEX"), points(step));
    }
}

fn points(step: i64) -> Vec<u8> {
    corners(step).as_flattened().iter().flat_map(|coordinate| coordinate.to_le_bytes()).collect()
}

fn part_of(server: &Server, tag: &str, step: i64, sample: i64, part: &str) -> Vec<u8> {
    let (step, sample) = (step.to_string(), sample.to_string());
    let query = [("run", RUN), ("tag", tag), ("step", &step), ("sample", &sample), ("content_type", part)];
    server.get("mesh/data", &query).body
}
