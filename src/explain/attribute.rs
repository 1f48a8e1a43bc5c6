//! The study of any attribution method: its maps as pictures, numbers and raw values.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{
    attribution::{Attribution, number},
    attributor::Attributor,
    last_layer::LastLayer,
    report::Report,
    sample::{Case, class_name},
    shared::{Found, Shared},
    study::{Study, Subject},
    trust::{Checks, Trust, meaning},
};
use crate::{
    error::{ErrorKind, Result},
    render::{self, AttributionCard, AttributionMap, TrustBadge},
    summary::{Image, Summary},
};

/// Runs an attribution method over all images of a subject, and checks how far to believe each map ([`Trust`]). Of each
/// image it writes a picture (image, map and overlay side by side, [`render::attribution()`], with the badge) and the map as
/// raw values; what the method and the checks measured are scalars, means over the images. A method's warning is written
/// once as text.
///
/// Where the method is not for this model ([`ErrorKind::NotApplicable`]: no layer of the kind that it needs), the report says
/// so and nothing else is written. A check that fails says so on the badge, and the others count.
///
/// ```
/// use convscope::{MemorySink, Network, Result, Step, arch::ModelSpec};
/// use convscope::explain::{Attribute, Attribution, Attributor, Case, Classifier, Report, Sample, Sign, Study, Subject};
/// use tch::{Device, Kind, Tensor, nn};
///
/// /// How bright each pixel is: it knows nothing about the model.
/// struct Brightness;
///
/// impl Attributor for Brightness {
///     fn name(&self) -> &'static str { "brightness" }
///     fn description(&self) -> &'static str { "The image itself." }
///     fn attribute(&self, _: &Classifier<'_>, image: &Tensor, class: i64) -> Result<Attribution> {
///         let values: Vec<f32> = Vec::try_from(&image.f_reshape([-1]).unwrap()).unwrap();
///         let side = |dim: usize| image.size()[dim] as usize;
///         Attribution::new("brightness", class, values, [side(1), side(2), side(3)], Sign::Signed)
///     }
/// }
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
/// report.begin("brightness");
/// Attribute::new(Brightness).run(&subject, &mut report)?;
/// assert!(sink.entries.iter().any(|entry| entry.tag.as_str() == "explain/brightness/ramp"));
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Attribute<A> {
    attributor: A,
    trust: Option<Trust>,
    /// Whether the method\'s standing warning was printed.
    warned: bool,
}

/// Images that ran through the model, with or without a way back.
#[derive(Debug, Clone, Copy)]
struct Cost {
    map: u64,
    badge: u64,
}

impl Cost {
    fn words(self, has_badge: bool) -> String {
        match has_badge {
            true => format!("cost: {} images run for the map, {} for the badge", self.map, self.badge),
            false => format!("cost: {} images run", self.map),
        }
    }
}

/// Sums and counts of measured numbers, by name.
type Sums = BTreeMap<&'static str, (f64, usize)>;

impl<A: Attributor> Attribute<A> {
    /// The study of a method with its settings, with a badge on every picture.
    pub fn new(attributor: A) -> Attribute<A> {
        Attribute { attributor, trust: Some(Trust::new()), warned: false }
    }

    /// Other checks for the badge; `None` leaves it out, and with it its cost.
    #[must_use]
    pub fn trust(mut self, trust: impl Into<Option<Trust>>) -> Attribute<A> {
        self.trust = trust.into();
        self
    }

    /// Checks a map.
    fn check(
        &self,
        attribution: &Attribution,
        case: &Case<'_>,
        subject: &Subject<'_>,
        last: Option<&LastLayer<'_>>,
        shared: &mut Shared,
    ) -> Result<Option<(Checks, TrustBadge)>> {
        let Some(trust) = &self.trust else { return Ok(None) };
        let checks = trust.check(&self.attributor, attribution, subject, case, last, shared)?;
        let mut badge = checks.badge();
        if self.attributor.warning().is_some() {
            badge.level = badge.level.max(render::TrustLevel::Caution);
        }
        Ok(Some((checks, badge)))
    }
}

impl<A: Attributor> Study for Attribute<A> {
    fn name(&self) -> &'static str {
        self.attributor.name()
    }

    fn run(&mut self, subject: &Subject<'_>, report: &mut Report<'_>) -> Result<()> {
        let Some(first) = subject.cases.first() else {
            report.skip("it explains images one by one, and none is given");
            return Ok(());
        };
        let last = match self.trust {
            Some(_) => LastLayer::find(subject, &first.sample.input)?,
            None => None,
        };
        let mut sums = Sums::new();
        if let Some(warning) =
            self.attributor.warning().filter(|_| !std::mem::replace(&mut self.warned, true))
        {
            tracing::warn!("{}: {warning}", self.attributor.name());
        }
        let mut written = false;
        for case in subject.cases {
            let before = subject.classifier.passed();
            let found = self.attributor.attribute(subject.classifier, &case.sample.input, case.class);
            let attribution = match found {
                Ok(attribution) => attribution,
                // A method that does not fit this model: the others may.
                Err(error) if matches!(error.kind(), ErrorKind::NotApplicable { .. }) => {
                    report.skip(format!("image {}: {error}", case.sample.name));
                    continue;
                }
                Err(error) => return Err(error),
            };
            let of_map = subject.classifier.passed() - before;
            let checked = self.check(&attribution, case, subject, last.as_ref(), &mut report.shared)?;
            let (checks, badge) = checked.unzip();
            let measures = checks.iter().flat_map(Checks::measures).collect::<Vec<_>>();
            for (name, value) in attribution.measures.iter().chain(&measures).filter(|(_, v)| v.is_finite()) {
                let (sum, count) = sums.entry(name).or_default();
                (*sum, *count) = (*sum + value, *count + 1);
            }
            let tag = case.sample.tag();
            let cost = Cost { map: of_map, badge: subject.classifier.passed() - before - of_map };
            let picture = picture(&attribution, case, subject.classes, (badge.as_ref(), cost), report)?;
            report.picture(&tag, picture, self.attributor.description())?;
            report.values(&tag, || json_of(&attribution, case, (badge.as_ref(), cost), &measures));
            if let Some(warning) = attribution.warning.as_deref().filter(|_| !written) {
                written = true;
                report.add("warning", Summary::text(warning))?;
            }
            report.shared.maps.push(Found::new(&attribution, case, badge));
        }
        for (name, (sum, count)) in sums {
            let what = format!("`{name}` of this method, mean over {count} images. {}", meaning(name));
            report.scalar(name, sum / count as f64, &what)?;
        }
        Ok(())
    }
}

/// The card of one attribution.
fn picture(
    attribution: &Attribution,
    case: &Case<'_>,
    classes: &[String],
    (badge, cost): (Option<&TrustBadge>, Cost),
    report: &Report<'_>,
) -> Result<Image> {
    let method = attribution.method.replace('_', " ");
    let mut words = vec![case.words(classes)];
    words.extend(attribution.settings.iter().cloned());
    words.push(cost.words(badge.is_some()));
    let measures: Vec<String> = (attribution.measures.iter())
        .map(|(name, value)| format!("{} {}", name.replace('_', " "), render::number(*value)))
        .collect();
    let class = class_name(classes, attribution.class);
    let values = attribution.map();
    let [_, height, width] = attribution.shape;
    let card = AttributionCard {
        pixels: &case.sample.pixels,
        shape: case.sample.shape,
        map: AttributionMap {
            values: &values,
            size: [height, width],
            scale: attribution.sign.scale(),
            unit: &attribution.unit,
            class: &class,
        },
        note: &words.join("; "),
        measures: &measures,
        warning: attribution.warning.as_deref(),
        badge,
    };
    render::attribution(&card, &report.caption(&format!("{method} of {}", case.sample.name)))
}

/// The attribution with what the model answered, and how far to believe it.
fn json_of(
    attribution: &Attribution,
    case: &Case<'_>,
    (badge, cost): (Option<&TrustBadge>, Cost),
    measures: &[(&'static str, f64)],
) -> Value {
    let mut json = attribution.to_json();
    json["label"] = json!(case.sample.label);
    json["prediction"] = json!(case.prediction.class);
    json["log_probability"] = number(case.prediction.log_probability);
    json["images_run"] = json!({ "map": cost.map, "badge": cost.badge });
    if let Some(TrustBadge { level, reasons }) = badge {
        let checks: Map<String, Value> =
            measures.iter().map(|(name, value)| ((*name).to_owned(), number(*value))).collect();
        json["trust"] = json!({ "level": level.words(), "reasons": reasons, "checks": checks });
    }
    json
}
