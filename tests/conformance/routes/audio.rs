//! Page Audio.

use std::path::Path;

use convscope::{Audio, Summary, SummaryWriter};
use serde_json::json;

use super::{at, clock, server::Server};

const RUN: &str = "audio";
const RATE: u32 = 8_000;

pub fn write(logdir: &Path) {
    let writer = SummaryWriter::open(logdir.join(RUN)).unwrap();
    for step in 0..3 {
        let summary = Summary::audios(vec![mono(step), stereo(step)]).unwrap();
        let summary = summary.with_display_name("Tones").with_description("Higher *each* step.");
        at(&writer, step).add("tones", summary, step).unwrap();
    }
    writer.close().unwrap();
}

fn wave(step: i64, at: u32) -> f32 {
    (0.05 * (step + 1) as f32 * at as f32).sin()
}

fn mono(step: i64) -> Audio {
    let samples: Vec<f32> = (0..RATE / 10).map(|at| wave(step, at)).collect();
    Audio::mono(RATE, &samples).unwrap()
}

fn stereo(step: i64) -> Audio {
    let samples: Vec<[f32; 2]> = (0..RATE / 10).map(|at| [wave(step, at), 0.0]).collect();
    Audio::stereo(RATE, &samples).unwrap()
}

pub fn check(server: &Server) {
    let description = "<p>Higher <em>each</em> step.</p>";
    let tags = json!({"tones": {"displayName": "Tones", "description": description, "samples": 2}});
    server.shows("audio/tags", &[], RUN, tags);
    for (sample, clip) in [mono, stereo].into_iter().enumerate() {
        let query = [("run", RUN), ("tag", "tones"), ("sample", &sample.to_string())];
        let listed = server.json("audio/audio", &query, "");
        let listed = listed.as_array().unwrap();
        assert_eq!(listed.len(), 3);
        for (step, listed) in (0..).zip(listed) {
            assert_eq!((&listed["step"], &listed["wall_time"]), (&json!(step as f64), &json!(clock(step))));
            assert_eq!(listed["contentType"], "audio/wav");
            let (key, content_type) = listed["query"].as_str().unwrap().split_once('&').unwrap();
            assert_eq!(content_type, "content_type=audio%2Fwav");
            let key = key.strip_prefix("blob_key=").unwrap();
            let query = [("blob_key", key), ("content_type", "audio/wav")];
            assert_eq!(server.get("audio/individualAudio", &query).body, clip(step).wav());
        }
    }
}
