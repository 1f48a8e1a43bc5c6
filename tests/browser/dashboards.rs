//! Every dashboard, with what the examples write.

use std::{collections::BTreeSet, process::Command};

use crate::{example, seen};

/// Each writes into a folder of its own name.
const EXAMPLES: &[&str] = &[
    "audio",
    "custom_scalars",
    "embedding",
    "figure",
    "graph",
    "hparams",
    "image_boxes",
    "mesh",
    "pr_curve",
    "scalars",
    "text",
    "video",
    "writer_only",
];

/// Tags of a page; on Custom Scalars titles of charts, on HParams columns, on Graphs boxes of the top level, on Projector
/// tensors with their sizes.
const TAGS: &[(&str, &[&str])] = &[
    ("audio", &["denoised/both", "denoised/left"]),
    ("custom_scalars", &["Loss", "Loss and its penalty", "Norms of all layers"]),
    ("distributions", &["weights/conv1"]),
    ("graphs", &["block", "head", "input", "residual_net", "stem"]),
    ("histograms", &["weights/conv1"]),
    ("hparams", &["augmentation", "learning rate", "loss", "momentum", "optimizer", "validation.accuracy"]),
    (
        "images",
        &[
            "a/closure",
            "filters/conv1",
            "schedule/learning_rate",
            "validation/found",
            "waves/gif",
            "waves/png",
        ],
    ),
    ("mesh", &["torus/points", "torus/surface"]),
    ("pr_curves", &["pr/cat", "pr/dog", "pr/ship"]),
    ("projector", &["features (step 1), 180 x 8", "features (step 100), 180 x 8"]),
    ("text", &["configuration", "notes", "settings", "worst"]),
    ("timeseries", &["accuracy", "filters/conv1", "learning_rate", "loss", "weights/conv1"]),
];

#[test]
fn every_page_shows_our_tags() {
    let folder = tempfile::tempdir().unwrap();
    let logdir = folder.path().join("logs");
    for name in EXAMPLES {
        let output = Command::new(example::program(name)).arg(logdir.join(name)).output().unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let pages: Vec<&str> = TAGS.iter().map(|(page, _)| *page).collect();
    // That each card of a page is there and shows something is seen in the page.
    let seen = seen(&logdir, &pages, None);
    for (page, expected) in TAGS {
        let tags: BTreeSet<&str> = seen[*page].iter().map(|(tag, _)| &**tag).collect();
        let expected = expected.iter().copied().collect::<BTreeSet<_>>();
        assert!(tags.is_superset(&expected), "{page} shows {tags:?}, not all of {expected:?}");
    }
}
