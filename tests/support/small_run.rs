//! A short run of the training program, and what the documentation says that it holds.

use std::{path::Path, process::Command};

/// Steps of an epoch: 6,000 training images, 64 to a batch, the last batch not full.
const EPOCH: i64 = 94;

/// Name of the run's folder.
pub const RUN: &str = "small";

/// Runs `convscope train` with the network `small.toml` for two epochs, into the new run `logdir/small`.
pub fn train(logdir: &Path) {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/small.toml");
    let output = Command::new(env!("CARGO_BIN_EXE_convscope"))
        .args(["train", "--run", RUN, "--epochs", "2", "--update-freq", "20", "--seed", "3", "--quiet"])
        .arg("--logdir")
        .arg(logdir)
        .arg("--model")
        .arg(model)
        .output()
        .unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "the program ended with {}:\n{stdout}\n{stderr}", output.status);
}

/// Tags of one run and kind that have the same steps.
pub struct Tags {
    pub run: &'static str,
    pub plugin: &'static str,
    pub tags: &'static [&'static str],
    #[allow(dead_code, reason = "the pages are not asked for all steps")]
    pub steps: &'static [i64],
}

/// Everything that the run holds.
pub const TAGS: [Tags; 12] = [
    Tags {
        run: "small",
        plugin: "text",
        tags: &["configuration", "model", "receptive_field/advice"],
        steps: &[0],
    },
    Tags {
        run: "small",
        plugin: "images",
        tags: &["receptive_field/conv", "receptive_field/overview", "receptive_field/pool"],
        steps: &[0],
    },
    Tags { run: "small", plugin: "graphs", tags: &["__run_graph__"], steps: &[0] },
    Tags { run: "small", plugin: "graph_keras_model", tags: &["keras"], steps: &[0] },
    Tags {
        run: "small/validation",
        plugin: "scalars",
        tags: &["accuracy", "loss"],
        steps: &[EPOCH, 2 * EPOCH],
    },
    Tags {
        run: "small/train",
        plugin: "scalars",
        tags: &[
            "accuracy",
            "learning_rate",
            "loss",
            "norm/weights",
            "norm/weights/conv/bias",
            "norm/weights/conv/weight",
            "norm/weights/out/bias",
            "norm/weights/out/weight",
            "throughput/batches_per_second",
            "throughput/images_per_second",
            "norm/gradients",
            "norm/gradients/conv/bias",
            "norm/gradients/conv/weight",
            "norm/gradients/out/bias",
            "norm/gradients/out/weight",
        ],
        steps: &[20, 40, 60, 80, 100, 120, 140, 160, 180, 2 * EPOCH],
    },
    Tags {
        run: "small/train",
        plugin: "scalars",
        tags: &["health/non_finite", "health/without_gradient", "sparsity/relu"],
        steps: &[EPOCH, 2 * EPOCH],
    },
    Tags {
        run: "small/train",
        plugin: "histograms",
        tags: &[
            "activations/conv",
            "activations/flatten",
            "activations/out",
            "activations/pool",
            "activations/relu",
            "channel_sparsity/relu",
            "gradients/conv/bias",
            "gradients/conv/weight",
            "gradients/out/bias",
            "gradients/out/weight",
            "weights/conv/bias",
            "weights/conv/weight",
            "weights/out/bias",
            "weights/out/weight",
        ],
        steps: &[EPOCH, 2 * EPOCH],
    },
    Tags {
        run: "small/train",
        plugin: "images",
        tags: &["feature_maps/conv", "feature_maps/relu", "filters/conv"],
        steps: &[EPOCH, 2 * EPOCH],
    },
    Tags { run: "small/train", plugin: "images", tags: &["probe_images"], steps: &[0] },
    Tags {
        run: "small/train",
        plugin: "scalars",
        tags: &["receptive_field/effective/conv", "receptive_field/ratio/conv"],
        steps: &[0, EPOCH, 2 * EPOCH],
    },
    Tags {
        run: "small/train",
        plugin: "images",
        tags: &["receptive_field/effective_map/conv", "receptive_field/growth"],
        steps: &[0, EPOCH, 2 * EPOCH],
    },
];
