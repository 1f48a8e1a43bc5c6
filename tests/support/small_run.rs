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
        .args(["--explain", "none"]) // `tests/explain_command.rs` and `tests/neutrality.rs` look at explanations
        .arg("--logdir")
        .arg(logdir)
        .arg("--model")
        .arg(model)
        .output()
        .unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "the program ended with {}:\n{stdout}\n{stderr}", output.status);
}

/// Tags of every class below a name.
macro_rules! of_each_class {
    ($name:literal) => {
        &[
            concat!($name, "/Ankle boot"),
            concat!($name, "/Bag"),
            concat!($name, "/Coat"),
            concat!($name, "/Dress"),
            concat!($name, "/Pullover"),
            concat!($name, "/Sandal"),
            concat!($name, "/Shirt"),
            concat!($name, "/Sneaker"),
            concat!($name, "/T-shirt/top"),
            concat!($name, "/Trouser"),
        ]
    };
}

/// Tags of one run and kind that have the same steps.
pub struct Tags {
    pub run: &'static str,
    pub plugin: &'static str,
    pub tags: &'static [&'static str],
    #[allow(dead_code, reason = "the pages are not asked for all steps")]
    pub steps: &'static [i64],
}

const EPOCHS: &[i64] = &[EPOCH, 2 * EPOCH];

/// Steps at which the training is measured for the diagnosis.
const MEASURED: &[i64] =
    &[1, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120, 130, 140, 150, 160, 170, 180];

/// A rule has a tag from the first time that it has something to look at: its steps are not said here.
pub const NOT_SAID: &[i64] = &[];

const fn of_validation(plugin: &'static str, tags: &'static [&'static str]) -> Tags {
    Tags { run: "small/validation", plugin, tags, steps: EPOCHS }
}

/// Everything that the run holds.
pub const TAGS: [Tags; 26] = [
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
    Tags { run: "small", plugin: "text", tags: &["diagnosis"], steps: EPOCHS },
    Tags {
        run: "small",
        plugin: "images",
        tags: &[
            "diagnosis/heat_map/activation_rms",
            "diagnosis/heat_map/dead_share",
            "diagnosis/heat_map/gradient_rms",
            "diagnosis/heat_map/update_ratio",
            "diagnosis/heat_map/zero_fraction",
            "diagnosis/layers",
        ],
        steps: EPOCHS,
    },
    Tags {
        run: "small",
        plugin: "scalars",
        tags: &[
            "diagnosis/class_imbalance",
            "diagnosis/dead_relu",
            "diagnosis/exploding_gradient",
            "diagnosis/input_not_normalized",
            "diagnosis/label_range",
            "diagnosis/loss_divergence",
            "diagnosis/loss_not_decreasing",
            "diagnosis/loss_plateau",
            "diagnosis/loss_spike",
            "diagnosis/no_generalization",
            "diagnosis/non_finite",
            "diagnosis/overfitting",
            "diagnosis/overtraining",
            "diagnosis/poor_initialization",
            "diagnosis/prediction_collapse",
            "diagnosis/sparse_activations",
            "diagnosis/unchanged_parameter",
            "diagnosis/unshuffled_data",
            "diagnosis/update_ratio",
            "diagnosis/vanishing_gradient",
        ],
        steps: NOT_SAID,
    },
    Tags {
        run: "small/train",
        plugin: "custom_scalars",
        tags: &["custom_scalars__config__"],
        steps: NOT_SAID,
    },
    Tags {
        run: "small/train",
        plugin: "scalars",
        tags: &[
            "layers/activation_rms/conv",
            "layers/activation_rms/out",
            "layers/activation_rms/relu",
            "layers/gradient_rms/conv",
            "layers/gradient_rms/out",
            "layers/update_ratio/conv",
            "layers/update_ratio/out",
            "layers/zero_fraction/relu",
            "norm/gradients_clipped",
        ],
        steps: MEASURED,
    },
    Tags { run: "small/train", plugin: "scalars", tags: &["layers/dead_share/relu"], steps: NOT_SAID },
    of_validation(
        "scalars",
        &[
            "accuracy",
            "calibration/ece",
            "calibration/mce",
            "loss",
            "macro_average/f1",
            "macro_average/precision",
            "macro_average/recall",
        ],
    ),
    of_validation("scalars", of_each_class!("average_precision")),
    of_validation("scalars", of_each_class!("f1")),
    of_validation("scalars", of_each_class!("loss_per_class")),
    of_validation("scalars", of_each_class!("precision")),
    of_validation("scalars", of_each_class!("recall")),
    of_validation("pr_curves", of_each_class!("pr")),
    of_validation("images", &["calibration", "confusion/counts", "confusion/normalized", "mistakes"]),
    of_validation("text", &["classes", "confusion"]),
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
        tags: &["health/non_finite", "health/without_gradient", "overhead_fraction", "sparsity/relu"],
        steps: EPOCHS,
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
        steps: EPOCHS,
    },
    Tags {
        run: "small/train",
        plugin: "images",
        tags: &["feature_maps/conv", "feature_maps/relu", "filters/conv"],
        steps: EPOCHS,
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
