//! What is wrong with a model, said before it is trained: its receptive fields against the size of the image.
//!
//! | file | concept |
//! |---|---|
//! | `kinds` | [`Advice`], [`AdviceKind`], [`AdviceOptions`] |
//! | `survey` | the model with its fields: what all checks look at |
//! | `tail`, `final_field`, `gridding`, `merges`, `unseen` | one check each |
//! | `healthy` | what is said of a model without a defect |
//! | `words` | lists of names, shortened |

mod final_field;
mod gridding;
mod healthy;
mod kinds;
mod merges;
mod survey;
mod tail;
mod unseen;
mod words;

pub use self::kinds::{Advice, AdviceKind, AdviceOptions};
use self::survey::Survey;
use super::{error::ModelError, receptive_field::ReceptiveFields, resolve::ResolvedModel, spec::ModelSpec};
use crate::error::{Error, ErrorKind, Result};

impl ModelSpec {
    /// What the receptive fields say about the model, worst first: see [`AdviceKind`] for what is looked at. The last
    /// entries are notes; a model without a defect gets one entry that says why. Layers that feed auxiliary outputs alone
    /// are not looked at.
    ///
    /// All of it is geometry: whether an unproductive layer or a hole hurts accuracy is for the training to tell.
    ///
    /// # Errors
    /// As [`validate`](ModelSpec::validate), and an object size below 1.
    ///
    /// ```
    /// use convscope::arch::{AdviceKind, AdviceOptions, Conv2d, ModelSpec};
    ///
    /// let dilated = |name: &str, dilations: [i64; 3]| {
    ///     dilations
    ///         .iter()
    ///         .enumerate()
    ///         .fold(ModelSpec::builder(name, [1, 64, 64]), |model, (n, &d)| {
    ///             model.layer(format!("conv{}", n + 1), Conv2d::new(8, 3).dilation(d).padding(d))
    ///         })
    ///         .build()
    /// };
    /// let advice = dilated("grid", [2, 2, 2])?.advice(&AdviceOptions::default())?;
    /// assert_eq!(advice[0].kind, AdviceKind::Gridding);
    /// assert_eq!(advice[0].layers, ["conv1", "conv2", "conv3"]);
    ///
    /// let advice = dilated("hybrid", [1, 2, 5])?.advice(&AdviceOptions::default())?;
    /// assert_eq!(advice[0].kind, AdviceKind::Healthy);
    /// # Ok::<(), convscope::Error>(())
    /// ```
    pub fn advice(&self, options: &AdviceOptions) -> Result<Vec<Advice>> {
        let model = self.resolve()?;
        let (fields, defect) = ReceptiveFields::partial(&model);
        advice(&model, &fields, defect, options)
    }
}

/// What is to be said of a model with these fields and what stood in the way of others.
pub(in crate::arch) fn advice(
    model: &ResolvedModel,
    fields: &ReceptiveFields,
    defect: Option<Error>,
    options: &AdviceOptions,
) -> Result<Vec<Advice>> {
    options.check()?;
    if let Some(defect) = defect {
        // What is known of the layers before it is no judgement of the model.
        return Ok(vec![unsolved(model, &defect)]);
    }
    let survey = Survey::new(model, fields);
    let mut all: Vec<Advice> = Vec::new();
    let unseen = unseen::find(&survey);
    all.extend(unseen.as_ref().and_then(|unseen| unseen::advice(&survey, unseen)));
    all.extend(gridding::advice(&survey));
    all.extend(merges::advice(&survey));
    all.extend(tail::advice(&survey));
    all.extend(final_field::advice(&survey, options));
    all.extend(gridding::unknown(&survey));
    if !all.iter().any(|advice| advice.kind.is_defect()) {
        let healthy = healthy::advice(&survey, unseen.is_some(), &all);
        all.insert(0, healthy);
    }
    Ok(all)
}

/// Fields that cannot be told: most often branches of different strides.
fn unsolved(model: &ResolvedModel, defect: &Error) -> Advice {
    let (name, why) = match defect.kind() {
        ErrorKind::Model(ModelError { layer: Some(layer), why, .. }) => {
            (Some(layer), format!("`{layer}` {why}"))
        }
        _ => (None, defect.to_string()),
    };
    let joins = model.layers.iter().any(|layer| Some(&layer.name) == name && layer.layer.joins());
    Advice {
        kind: if joins { AdviceKind::StrideConflict } else { AdviceKind::Unsolved },
        layers: name.into_iter().cloned().collect(),
        message: format!("{why}. Without it nothing can be said of the layers behind"),
    }
}
