//! The picture of the error curves, for every image.

use serde_json::json;

use super::{
    error_curve::ErrorCurve, expansion::Expansion, method::LinearApproximation, range_of_trust::RangeOfTrust,
};
use crate::{
    error::Result,
    explain::{
        attribution::{number as json_number, numbers},
        report::Report,
        sample::{Case, class_name},
        study::{Study, Subject},
    },
    render::{self, TaylorErrors, number},
};

const DESCRIPTION: &str = "How far the **linear model** behind a saliency map may be believed: \
    f(x0 + d) = f(x0) + w.d, with f the logit of a class and w its gradient at the image x0. The curves are the error of \
    this model (1st order), and of the one with second derivatives too (2nd order), over the distance |d|, along the \
    gradient and along random directions. A smooth function has slopes 2 and 3; a network of ReLUs is linear up to its \
    nearest kink, its second derivative is 0, and slope 1 from the \
    nearest distance on says that the kink lies in the image itself: equal pixels, such as a black background, tie in max \
    pooling, and the gradient is that of one side. **Range of trust** (dotted): up to there the error is at most a tenth of \
    w.d; along random directions of what w.d is on average.";

/// Pictures, ranges of trust and slopes of all images of a subject.
impl Study for LinearApproximation {
    fn name(&self) -> &'static str {
        "linear_approximation"
    }

    fn run(&mut self, subject: &Subject<'_>, report: &mut Report<'_>) -> Result<()> {
        if subject.cases.is_empty() {
            report.skip("it explains images one by one, and none is given");
        }
        let method = self.clone().seed(self.seed.wrapping_add(subject.seed));
        for case in subject.cases {
            let found = method.expand(subject.classifier, &case.sample.input, case.class)?;
            let range = found.range(self.tolerance)?;
            write(&found, &range, case, subject, report)?;
        }
        Ok(())
    }
}

fn write(
    found: &Expansion,
    range: &RangeOfTrust,
    case: &Case<'_>,
    subject: &Subject<'_>,
    report: &mut Report<'_>,
) -> Result<()> {
    let tag = case.sample.tag();
    let note = format!(
        "{}; logit of {} = {}, |w| = {}; {}",
        case.words(subject.classes),
        class_name(subject.classes, found.class),
        number(found.score),
        number(found.gradient_norm()),
        range.words(),
    );
    let errors = |direction: &'static str, curve, reach| TaylorErrors { direction, ..drawn(curve, reach) };
    let curves = [
        errors("gradient", &found.gradient, range.gradient.distance()),
        errors("random", &found.random, range.random.distance()),
    ];
    let what = format!("linear approximation at {}", case.sample.name);
    let picture = render::taylor_errors(&curves, found.rounding, &note, &report.caption(&what))?;
    report.picture(&tag, picture, DESCRIPTION)?;
    for (name, share) in range.measures() {
        report.scalar(&format!("{tag}/{name}"), share, DESCRIPTION)?;
    }
    for (name, curve) in [("gradient", &found.gradient), ("random", &found.random)] {
        if let Some(slope) = curve.slope() {
            report.scalar(&format!("{tag}/slope_{name}"), slope, DESCRIPTION)?;
        }
    }
    report.values(&tag, || {
        let many = |values: &[f64]| values.iter().map(|value| json_number(*value)).collect::<Vec<_>>();
        let curve = |curve: &ErrorCurve| {
            json!({
                "distance": many(&curve.distances),
                "linear_term": many(&curve.linear),
                "first_order_error": many(&curve.first),
                "second_order_error": curve.second.as_deref().map(many),
                "slope": curve.slope().map(json_number),
                "second_order_slope": curve.second_slope().map(json_number),
            })
        };
        let [along_gradient, along_random] = range.measures().map(|(_, share)| json_number(share));
        json!({
            "class": found.class,
            "logit": json_number(found.score),
            "weights": numbers(&found.weights),
            "bias": json_number(found.bias),
            "contrast": json_number(found.contrast),
            "rounding": json_number(found.rounding),
            "gradient": curve(&found.gradient),
            "random": curve(&found.random),
            "tolerance": json_number(range.tolerance),
            "range_of_trust_gradient": along_gradient,
            "range_of_trust_random": along_random,
        })
    });
    Ok(())
}

fn drawn(curve: &ErrorCurve, reach: f64) -> TaylorErrors<'_> {
    TaylorErrors {
        direction: "",
        distances: &curve.distances,
        first: &curve.first,
        second: curve.second.as_deref(),
        slopes: [curve.slope(), curve.second_slope()],
        reach: (reach > 0.0).then_some(reach),
    }
}
