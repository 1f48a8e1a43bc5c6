//! The study of any attribution method: its maps as pictures, numbers and raw values.

use serde_json::{Value, json};

use super::{
    attribution::{Attribution, Sign},
    attributor::Attributor,
    report::Report,
    sample::{Case, class_name},
    study::{Study, Subject},
};
use crate::{
    error::{ErrorKind, Result},
    render::{self, AttributionCard, AttributionMap, AttributionScale},
    summary::Summary,
};

/// Runs an attribution method over all images of a subject. Of each it writes a picture (image, map and overlay side by
/// side, [`render::attribution`]), what the method measured as scalars, and the map as raw values; a method's warning is
/// written once as text.
///
/// Where the method cannot be used (no layer of the kind that it needs), the report says so and nothing else is written.
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
/// assert!(sink.entries().iter().any(|entry| entry.tag.as_str() == "explain/brightness/ramp"));
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Attribute<A> {
    attributor: A,
}

impl<A: Attributor> Attribute<A> {
    /// The study of a method with its settings.
    pub fn new(attributor: A) -> Attribute<A> {
        Attribute { attributor }
    }

    fn write(
        &self,
        attribution: &Attribution,
        case: &Case<'_>,
        subject: &Subject<'_>,
        report: &mut Report<'_>,
    ) -> Result<()> {
        let tag = case.sample.tag();
        let picture = picture(attribution, case, subject.classes, report)?;
        report.picture(&tag, picture, self.attributor.description())?;
        for (name, value) in &attribution.measures {
            report.scalar(&format!("{tag}/{name}"), *value, self.attributor.description())?;
        }
        report.values(&tag, || json_of(attribution, case));
        Ok(())
    }
}

impl<A: Attributor> Study for Attribute<A> {
    fn name(&self) -> &'static str {
        self.attributor.name()
    }

    fn run(&mut self, subject: &Subject<'_>, report: &mut Report<'_>) -> Result<()> {
        if subject.cases.is_empty() {
            report.skip("it explains images one by one, and none is given");
        }
        let mut warned = false;
        for case in subject.cases {
            let found = self.attributor.attribute(subject.classifier, &case.sample.input, case.class);
            let attribution = match found {
                Ok(attribution) => attribution,
                // A method that does not fit this model: the others may.
                Err(error) if matches!(error.kind(), ErrorKind::Invalid { .. }) => {
                    report.skip(format!("image {}: {error}", case.sample.name));
                    continue;
                }
                Err(error) => return Err(error),
            };
            self.write(&attribution, case, subject, report)?;
            if let Some(warning) = attribution.warning.as_deref().filter(|_| !warned) {
                warned = true;
                tracing::warn!("{}: {warning}", self.attributor.name());
                report.add("warning", Summary::text(warning))?;
            }
        }
        Ok(())
    }
}

/// The card of one attribution.
fn picture(
    attribution: &Attribution,
    case: &Case<'_>,
    classes: &[String],
    report: &Report<'_>,
) -> Result<crate::Image> {
    let method = attribution.method.replace('_', " ");
    let words: Vec<String> =
        [case.words(classes)].into_iter().chain(attribution.settings.iter().cloned()).collect();
    let measures: Vec<String> = (attribution.measures.iter())
        .map(|(name, value)| format!("{} {}", name.replace('_', " "), render::number(*value)))
        .collect();
    let class = class_name(classes, attribution.class);
    let values = attribution.map();
    let card = AttributionCard {
        pixels: &case.sample.pixels,
        shape: case.sample.shape,
        map: map_of(attribution, &values, &class),
        note: &words.join("; "),
        measures: &measures,
        warning: attribution.warning.as_deref(),
        badge: None,
    };
    render::attribution(&card, &report.caption(&format!("{method} of {}", case.sample.name)))
}

/// One number a pixel, ready to be drawn.
pub(super) fn map_of<'a>(
    attribution: &'a Attribution,
    values: &'a [f32],
    class: &'a str,
) -> AttributionMap<'a> {
    let [_, height, width] = attribution.shape;
    let scale = match attribution.sign {
        Sign::Signed => AttributionScale::Signed,
        Sign::Reversed => AttributionScale::Reversed,
        Sign::Magnitude => AttributionScale::Magnitude,
    };
    AttributionMap { values, size: [height, width], scale, unit: &attribution.unit, class }
}

/// The attribution with what the model answered.
fn json_of(attribution: &Attribution, case: &Case<'_>) -> Value {
    let mut json = attribution.to_json();
    if let Value::Object(fields) = &mut json {
        fields.insert("label".to_owned(), json!(case.sample.label));
        fields.insert("prediction".to_owned(), json!(case.prediction.class));
        fields.insert(
            "log_probability".to_owned(),
            super::attribution::number(case.prediction.log_probability),
        );
    }
    json
}
