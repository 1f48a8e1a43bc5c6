//! All maps of a report on one page.

use super::{
    report::Report,
    shared::{Found, Shared},
    study::{Study, Subject},
};
use crate::{
    error::Result,
    render::{self, GalleryImage, GalleryMap},
};

/// A page with the maps that the studies of attributions ([`Attribute`](super::Attribute)) have found before in the same
/// report: images below one another, methods side by side, each with its badge. It computes nothing, and stands behind
/// them. The tag is `explain/gallery/maps`.
///
/// ```
/// use convscope::{MemorySink, Network, Step, arch::ModelSpec};
/// use convscope::explain::{
///     Attribute, Case, Classifier, Gallery, GradientXInput, Report, Saliency, Sample, Study, Subject,
/// };
/// use tch::{Device, Kind, Tensor, nn};
///
/// let store = nn::VarStore::new(Device::Cpu);
/// let network = Network::new(&store.root(), &ModelSpec::default_model(10)?)?;
/// let classifier = Classifier::of_network(&network);
/// let image = Tensor::linspace(0.0, 1.0, 784, (Kind::Float, Device::Cpu)).reshape([1, 1, 28, 28]);
/// let sample = Sample::new("ramp", image.shallow_clone(), &image, None)?;
/// let prediction = classifier.predict(&sample.input)?[0];
/// let cases = [Case { sample: &sample, prediction, class: prediction.class }];
/// let subject =
///     Subject { classifier: &classifier, cases: &cases, classes: &[], data: None, variables: &[], spec: None, seed: 0 };
///
/// let mut sink = MemorySink::default();
/// let mut report = Report::new(&mut sink, Step::new(1), None);
/// let studies: [Box<dyn Study>; 3] = [
///     Box::new(Attribute::new(Saliency::new())),
///     Box::new(Attribute::new(GradientXInput::new())),
///     Box::new(Gallery::new()),
/// ];
/// for mut study in studies {
///     report.begin(study.name());
///     study.run(&subject, &mut report)?;
/// }
/// assert!(sink.entries.iter().any(|entry| entry.tag.as_str() == "explain/gallery/maps"));
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gallery {}

const DESCRIPTION: &str = "Images and what each method says about them: which pixels have to do with the class that is \
                           explained (Q, the network's answer, unless the line above says otherwise). The sign below a \
                           map says how far to believe it; the picture of each method says why. Methods that agree for \
                           the same reasons support one another; a map that does not depend on what the network learned \
                           says *do not trust*.";

impl Gallery {
    /// The page; it has no settings.
    pub fn new() -> Gallery {
        Gallery::default()
    }
}

impl Study for Gallery {
    fn name(&self) -> &'static str {
        "gallery"
    }

    fn run(&mut self, subject: &Subject<'_>, report: &mut Report<'_>) -> Result<()> {
        let methods = methods(&report.shared);
        let images: Vec<GalleryImage<'_>> = (subject.cases.iter())
            .map(|case| GalleryImage {
                words: format!("{}: {}", case.sample.name, case.words(subject.classes)),
                pixels: &case.sample.pixels,
                shape: case.sample.shape,
                maps: methods.iter().map(|method| map(&report.shared, method, &case.sample.name)).collect(),
            })
            .filter(|image| image.maps.iter().any(Option::is_some))
            .collect();
        if images.is_empty() {
            report.skip(
                "it shows what attribution methods found before, and none has: run `saliency`, say, too",
            );
            return Ok(());
        }
        let titles: Vec<String> = methods.iter().map(|method| method.replace('_', " ")).collect();
        let titles: Vec<&str> = titles.iter().map(String::as_str).collect();
        let caption = report.caption("what the network looks at");
        let page = render::attribution_gallery(&titles, &images, "", &caption)?;
        report.picture("maps", page, DESCRIPTION)
    }
}

/// In the order in which they were run.
fn methods(shared: &Shared) -> Vec<&'static str> {
    let mut methods = Vec::new();
    for Found { method, .. } in &shared.maps {
        if !methods.contains(method) {
            methods.push(*method);
        }
    }
    methods
}

/// The last map of a method for an image.
fn map<'a>(shared: &'a Shared, method: &str, sample: &str) -> Option<GalleryMap<'a>> {
    let found = shared.maps.iter().rev().find(|found| found.method == method && found.sample == sample)?;
    Some(GalleryMap {
        values: &found.map,
        size: found.size,
        scale: found.sign.scale(),
        level: found.badge.as_ref().map(|badge| badge.level),
    })
}
