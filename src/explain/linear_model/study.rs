//! Pictures and tables of a linear model.

use serde_json::json;
use tch::{Device, Kind, Tensor};

use super::LinearModel;
use crate::{
    error::Result,
    explain::{
        attribution::{number as json_number, numbers},
        losses::{Labelled, device},
        report::Report,
        sample::{Case, class_name},
        study::{Study, Subject},
    },
    render::{RankedBar, class_weights, number, ranked_bars, weight_matrix},
    summary::{Summary, Table},
    tch_context::TchContext as _,
};

/// The study of [`LinearModel`]: weights of each class as images (where the image is what it is linear in) or as a matrix,
/// the strongest predictors of each class as a table, and for each image what the odds of its two likeliest classes are made
/// of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinearStudy {
    top: usize,
}

impl Default for LinearStudy {
    fn default() -> LinearStudy {
        LinearStudy { top: 10 }
    }
}

impl LinearStudy {
    /// The ten strongest predictors.
    pub fn new() -> LinearStudy {
        LinearStudy::default()
    }

    /// So many of the strongest predictors, at least one.
    #[must_use]
    pub fn top(mut self, top: usize) -> LinearStudy {
        self.top = top.max(1);
        self
    }
}

const ABOUT: &str = "**A linear model**: behind this place logits are `W x + b`, verified by finite differences, so \
                     `ln(P(k)/P(j)) = (w_k - w_j) x + (b_k - b_j)`: a weight says by how much the log-odds of a class grow \
                     when its feature grows by 1. Weights are shown less their mean over the classes, which changes no \
                     probability. Behind an average pooling they are those of the maps before it.";
const ODDS: &str = "What the log-odds of the two likeliest classes are made of for this image: `(w_k - w_j) x` of each \
                    predictor, the strongest first. With the biases they sum to `ln(P(k)/P(j))`.";

impl Study for LinearStudy {
    fn name(&self) -> &'static str {
        "linear_model"
    }

    fn run(&mut self, subject: &Subject<'_>, report: &mut Report<'_>) -> Result<()> {
        let images = match (&subject.data, subject.cases) {
            (Some(evidence), _) => Labelled::of(evidence, 2, device(subject))?.first(2)?,
            (None, [first, ..]) => first.sample.input.shallow_clone(),
            (None, []) => {
                report.skip("whether a model is linear is measured on images, and none are given");
                return Ok(());
            }
        };
        let model = match LinearModel::find(subject.classifier, &images, subject.seed)? {
            Ok(model) => model,
            Err(why) => {
                report.skip(why);
                return Ok(());
            }
        };
        let names = model.names(subject.classes);
        self.draw_weights(&model, &names, report)?;
        report.add("predictors", Summary::text(self.predictors(&model, &names)).with_description(ABOUT))?;
        report.scalar(
            "error",
            model.error,
            "Largest deviation from linearity, relative to the largest logit.",
        )?;
        report.values("model", || {
            json!({
                "place": model.place(),
                "shape": model.shape,
                "weights": numbers(&model.weights),
                "bias": model.bias.iter().copied().map(json_number).collect::<Vec<_>>(),
                "error": json_number(model.error),
            })
        });
        subject.cases.iter().try_for_each(|case| self.draw_case(&model, subject, case, report))
    }
}

impl LinearStudy {
    fn draw_weights(&self, model: &LinearModel, names: &[String], report: &mut Report<'_>) -> Result<()> {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let centred = model.centred();
        if let (None, &[channels, height, width]) = (&model.layer, model.shape.as_slice()) {
            let shape =
                [names.len() as i64, channels, height, width].map(|side| side.unsigned_abs() as usize);
            let weights: Vec<f32> = centred.concat().into_iter().map(|weight| weight as f32).collect();
            let note = "change of the log-odds of a class for each pixel that grows by 1 (of the normalised image), against \
                        the mean class";
            let image = class_weights(
                &weights,
                shape,
                &names,
                note,
                &report.caption("linear model: weights of the pixels"),
            )?;
            return report.picture("weights", image, ABOUT);
        }
        // The predictors by which classes differ most.
        let spread = |predictor: usize| centred.iter().map(|class| class[predictor].powi(2)).sum::<f64>();
        let mut order: Vec<usize> = (0..model.predictors()).collect();
        order.sort_by(|a, b| spread(*b).total_cmp(&spread(*a)).then(a.cmp(b)));
        let all = order.len();
        order.truncate(40);
        let predictors: Vec<String> = order.iter().map(|&predictor| model.predictor(predictor)).collect();
        let heads: Vec<&str> = predictors.iter().map(String::as_str).collect();
        let weights: Vec<f32> =
            centred.iter().flat_map(|class| order.iter().map(|&predictor| class[predictor] as f32)).collect();
        let of = match (model.is_of_means(), model.positions()) {
            (true, count) => {
                format!(" whose mean grows by 1 (effective weights: 1/{count} of that at each place)")
            }
            (false, 1) => " that grows by 1".to_owned(),
            (false, _) => " that grows by 1 everywhere".to_owned(),
        };
        let note = format!(
            "change of a class's log-odds, against the mean class, for a feature of {}{of}; {}",
            model.place(),
            if order.len() < all {
                format!("the {} of {all} by which classes differ most", order.len())
            } else {
                "sorted by how much classes differ".to_owned()
            }
        );
        let title = format!("linear from {} on: weights of the classes", model.place());
        let image = weight_matrix(&weights, &names, &heads, &note, &report.caption(&title))?;
        report.picture("weights", image, ABOUT)
    }

    /// The strongest predictors of each class.
    fn predictors(&self, model: &LinearModel, names: &[String]) -> String {
        let mut table = Table::new(["class", "speaks for it", "weight", "speaks against it", "weight"]);
        for (name, weights) in names.iter().zip(model.centred()) {
            let mut order: Vec<usize> = (0..weights.len()).collect();
            order.sort_by(|a, b| weights[*b].total_cmp(&weights[*a]).then(a.cmp(b)));
            for rank in 0..self.top.min(order.len()) {
                let (best, worst) = (order[rank], order[order.len() - 1 - rank]);
                let cell = |predictor: usize| [model.predictor(predictor), number(weights[predictor])];
                let first = if rank == 0 { name.clone() } else { String::new() };
                table.row([first].into_iter().chain(cell(best)).chain(cell(worst)));
            }
        }
        format!(
            "Logits are `W x + b` from `{}` on (checked: {} of the largest logit). \
             `ln(P(k)/P(j)) = (w_k - w_j) x + (b_k - b_j)`; weights less their mean over the classes.\n\n{}",
            model.place(),
            number(model.error),
            table.to_markdown()
        )
    }

    /// What the log-odds of the two likeliest classes of an image are made of.
    fn draw_case(
        &self,
        model: &LinearModel,
        subject: &Subject<'_>,
        case: &Case<'_>,
        report: &mut Report<'_>,
    ) -> Result<()> {
        if model.classes() < 2 {
            return Ok(());
        }
        let features = features(model, subject, &case.sample.input)?;
        let log_probabilities = host(&subject.classifier.log_probabilities(&case.sample.input)?)?;
        let k = case.prediction.class.unsigned_abs() as usize;
        let others = (0..model.classes()).filter(|class| *class != k);
        let Some(j) = others.max_by(|a, b| log_probabilities[*a].total_cmp(&log_probabilities[*b])) else {
            return Ok(());
        };
        let contributions = model.contributions(&features, k, j)?;
        let (log_odds, bias) = (model.log_odds(&features, k, j)?, model.bias[k] - model.bias[j]);
        let measured = f64::from(log_probabilities[k]) - f64::from(log_probabilities[j]);
        let mut order: Vec<usize> = (0..contributions.len()).collect();
        order.sort_by(|a, b| contributions[*b].abs().total_cmp(&contributions[*a].abs()).then(a.cmp(b)));
        let shown = &order[..self.top.min(order.len())];
        let rest: f64 = order[shown.len()..].iter().map(|&predictor| contributions[predictor]).sum();
        let mut rows: Vec<(String, f64)> =
            shown.iter().map(|&predictor| (model.predictor(predictor), contributions[predictor])).collect();
        if shown.len() < order.len() {
            rows.push((format!("{} others", order.len() - shown.len()), rest));
        }
        rows.push(("biases".to_owned(), bias));
        rows.push(("sum".to_owned(), log_odds));
        let bars: Vec<RankedBar<'_>> = rows
            .iter()
            .enumerate()
            .map(|(row, (label, value))| RankedBar::new(label, *value).faint(row + 1 == rows.len()))
            .collect();
        let [name_k, name_j] = [k, j].map(|class| class_name(subject.classes, class as i64));
        let note = format!(
            "ln(P({name_k})/P({name_j})) = {}, measured {}; {}",
            number(log_odds),
            number(measured),
            case.words(subject.classes)
        );
        let title = format!("{}: {name_k} or {name_j}", case.sample.name);
        let quantity = format!("log-odds: right for {name_k}, left for {name_j}");
        let image = ranked_bars(&bars, None, &quantity, &note, &report.caption(&title))?;
        let tag = case.sample.tag();
        report.picture(&format!("log_odds/{tag}"), image, ODDS)?;
        report.values(&format!("log_odds/{tag}"), || {
            let predictors = order.iter().take(self.top).map(|&predictor| {
                json!({"predictor": model.predictor(predictor), "log_odds": json_number(contributions[predictor])})
            });
            json!({
                "classes": [k, j],
                "log_odds": json_number(log_odds),
                "measured": json_number(measured),
                "bias": json_number(bias),
                "predictors": predictors.collect::<Vec<_>>(),
            })
        });
        Ok(())
    }
}

/// `x` of one image.
fn features(model: &LinearModel, subject: &Subject<'_>, image: &Tensor) -> Result<Vec<f32>> {
    let Some(layer) = &model.layer else { return host(image) };
    let activations = subject.classifier.activations(image)?;
    activations.get(layer).map_or_else(|| Ok(Vec::new()), |activation| host(&activation.tensor))
}

fn host(tensor: &Tensor) -> Result<Vec<f32>> {
    let values = tch::no_grad(|| {
        Vec::try_from(&tensor.f_detach()?.f_to_kind(Kind::Float)?.f_to_device(Device::Cpu)?.f_reshape([-1])?)
    });
    values.context(|| "values of a layer".to_owned())
}
