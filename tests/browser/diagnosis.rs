//! A training that does not work: TensorBoard opens on the verdict.

use std::collections::BTreeSet;

use crate::{diagnosed_run, seen};

#[test]
fn the_verdict_the_pictures_and_the_charts_are_shown() {
    let folder = tempfile::tempdir().unwrap();
    let logdir = folder.path().join("logs");
    diagnosed_run::train(&logdir);
    let pages = seen(&logdir, &["text", "images", "scalars", "custom_scalars"], None);
    let shown = |page: &str| pages[page].iter().map(|(tag, _)| &**tag).collect::<BTreeSet<_>>();
    let expected = [
        ("text", &["diagnosis"][..]),
        (
            "images",
            &["diagnosis/heat_map/gradient_rms", "diagnosis/heat_map/update_ratio", "diagnosis/layers"],
        ),
        ("scalars", &["diagnosis/vanishing_gradient", "layers/gradient_rms/conv1"]),
        // Beside the chart of the user's own.
        (
            "custom_scalars",
            &[
                "Rules: 0 fine, 1 warning, 2 critical",
                "gradient RMS of the layers: 7 of them, the heat map has all",
                "gradients",
                "update ratio of the layers: 7 of them, the heat map has all",
            ],
        ),
    ];
    for (page, tags) in expected {
        let missing: Vec<_> = tags.iter().filter(|tag| !shown(page).contains(*tag)).collect();
        assert!(missing.is_empty(), "{page} shows {:?}, not {missing:?}", shown(page));
    }
}
