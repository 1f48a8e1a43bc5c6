//! Shapes in space: `cargo run --no-default-features --example mesh [LOGDIR]`, then the page Mesh of
//! `tensorboard --logdir LOGDIR`.

#![allow(missing_docs)]

use std::{env, f32::consts::TAU};

use convscope::{Mesh, Result, SummaryWriter, summary::Scene};

/// Points round the ring and round its tube.
const RING: u32 = 48;
const TUBE: u32 = 24;

fn main() -> Result<()> {
    let logdir = env::args().nth(1).unwrap_or_else(|| "logs".to_owned());
    let writer = SummaryWriter::create(&logdir)?;
    let scene = Scene::new().camera_at([0.0, 2.0, 3.0])?.look_at([0.0, 0.0, 0.0])?.point_size(0.03)?;
    let scene = scene.ambient_light([255; 3], 0.6)?.light_from([2.0, 4.0, 3.0], [255; 3], 0.7)?;
    for step in 0..5 {
        let points = torus(0.2 + 0.1 * step as f32);
        let cloud = Mesh::new(&points)?.with_colors(&colors())?.with_scene(scene.clone());
        writer.add_mesh("torus/points", &cloud, step)?;
        writer.add_mesh("torus/surface", &cloud.with_faces(&triangles())?, step)?;
    }
    println!("wrote {}\nshow it: tensorboard --logdir {logdir}", writer.path().display());
    writer.close()
}

fn torus(radius: f32) -> Vec<[f32; 3]> {
    let point = |i: u32| {
        let (ring, tube) = (TAU * (i / TUBE) as f32 / RING as f32, TAU * (i % TUBE) as f32 / TUBE as f32);
        let distance = 1.0 + radius * tube.cos();
        [distance * ring.cos(), radius * tube.sin(), -distance * ring.sin()]
    };
    (0..RING * TUBE).map(point).collect()
}

fn colors() -> Vec<[u8; 3]> {
    (0..RING * TUBE)
        .map(|i| [(255 * (i / TUBE) / RING) as u8, (255 * (i % TUBE) / TUBE) as u8, 160])
        .collect()
}

/// Two for each point; seen from outside, their points go round against the clock.
fn triangles() -> Vec<[u32; 3]> {
    let at = |ring: u32, tube: u32| ring % RING * TUBE + tube % TUBE;
    let pair = |i: u32| {
        let (ring, tube) = (i / TUBE, i % TUBE);
        let [a, b] = [at(ring, tube), at(ring, tube + 1)];
        let [c, d] = [at(ring + 1, tube), at(ring + 1, tube + 1)];
        [[a, c, b], [b, c, d]]
    };
    (0..RING * TUBE).flat_map(pair).collect()
}
