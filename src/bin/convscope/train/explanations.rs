//! `--explain`: which of the model's answers are explained while it is trained.

use clap::builder::{PossibleValue, PossibleValuesParser};
use convscope::{
    Schedule,
    arch::ModelSpec,
    data::{Dataset, Normalization},
    explain::{CatalogueEntry, Explain, Settings, catalogue},
};
use tch::Device;

pub const DEFAULT: &str = "default";
const ALL: &str = "all";
const NONE: &str = "none";

/// Those of single images, so quick that they are drawn every time. The others look at many images or at all layers: once,
/// when training has ended.
const EVERY_TIME: [&str; 13] = [
    "occlusion",
    "saliency",
    "gradient_x_input",
    "smooth_grad",
    "smooth_grad_squared",
    "var_grad",
    "integrated_gradients",
    "grad_cam",
    "grad_cam_plus_plus",
    "guided_backprop",
    "deconvolution",
    "gallery",
    "max_pool_routing", // compares with the time before
];

/// What a first look wants.
const CHOSEN: [&str; 9] = [
    "occlusion",
    "integrated_gradients",
    "grad_cam",
    "gallery",
    "max_pool_routing",
    "linear_probe",
    "embedding",
    "nearest_neighbors",
    "activation_maximization",
];

/// The values of the flag.
pub fn names() -> PossibleValuesParser {
    let sets = [
        PossibleValue::new(DEFAULT).help("a first look"),
        PossibleValue::new(ALL).help("everything that `convscope explain --list` shows"),
        PossibleValue::new(NONE).help("nothing"),
    ];
    let named = catalogue().into_iter().map(|entry| PossibleValue::new(entry.name).help(entry.about));
    PossibleValuesParser::new(sets.into_iter().chain(named))
}

/// The callbacks for the chosen names: one that looks every `epochs` epochs (0: at the end alone), and one at the end.
pub fn explanations(
    chosen: &[String],
    data: &Dataset,
    spec: &ModelSpec,
    (normalization, device): (&Normalization, Device),
    epochs: u64,
    seed: u64,
) -> convscope::Result<Vec<Explain>> {
    let is_chosen = |name: &str| {
        let by_set = |set: &String| match set.as_str() {
            ALL => true,
            DEFAULT => CHOSEN.contains(&name),
            other => other == name,
        };
        chosen.iter().any(by_set)
    };
    let (often, once): (Vec<CatalogueEntry>, Vec<CatalogueEntry>) = (catalogue().into_iter())
        .filter(|entry| is_chosen(entry.name))
        .partition(|entry| EVERY_TIME.contains(&entry.name));
    let mut callbacks = Vec::new();
    for (entries, schedule) in [(often, Schedule::epochs(epochs)), (once, Schedule::never())] {
        if entries.is_empty() {
            continue; // it would keep images for nothing
        }
        let studies = entries
            .iter()
            .map(|entry| (entry.make)(&Settings::default()))
            .collect::<convscope::Result<Vec<_>>>()?;
        let explain = Explain::of(data, normalization, device)?.spec(spec).seed(seed);
        callbacks.push(explain.studies(studies).schedule(schedule).at_end());
    }
    Ok(callbacks)
}
