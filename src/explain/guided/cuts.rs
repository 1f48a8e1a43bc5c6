//! A forward pass whose graph is cut behind each ReLU, and the way back through its pieces.

use std::sync::{Arc, Mutex, PoisonError};

use tch::{TchError, Tensor};

use super::relu::{self, Rule};
use crate::{
    capture::{Activation, Role},
    error::{Error, Result},
    explain::classifier::{Classifier, Trace},
    tch_context::TchContext as _,
};

/// A place where the graph is cut.
struct Cut {
    /// End of the piece before it: the ReLU's output, or its input where the gradient goes past the function.
    end: Tensor,
    /// Begin of the pieces behind it: has the output's values and no history.
    leaf: Tensor,
}

/// One forward pass in pieces.
pub(super) struct CutGraph {
    method: &'static str,
    trace: Trace,
    cuts: Vec<Cut>,
}

/// What is gathered while the pass runs.
#[derive(Default)]
struct Gathered {
    cuts: Vec<Cut>,
    /// Outputs so far, for who looks for a ReLU's input.
    outputs: Vec<Tensor>,
}

impl CutGraph {
    /// Runs `image` and hands on, in the place of each ReLU's output, a leaf with its values.
    pub fn trace(
        method: &'static str,
        rule: Rule,
        classifier: &Classifier<'_>,
        image: &Tensor,
    ) -> Result<CutGraph> {
        let gathered = Arc::new(Mutex::new(Gathered::default()));
        let shared = gathered.clone();
        let edit = classifier.observed().edit(move |name, role, output| {
            shared.lock().unwrap_or_else(PoisonError::into_inner).pass(method, rule, name, role, output)
        });
        let trace = classifier.trace(image)?;
        edit.finish()?;
        let cuts = std::mem::take(&mut gathered.lock().unwrap_or_else(PoisonError::into_inner).cuts);
        check(method, &trace, &cuts)?;
        Ok(CutGraph { method, trace, cuts })
    }

    /// The gradient of the class's logit by the image, with `through` applied to the gradient at each cut.
    ///
    /// From the last cut to the first: everything that reads a leaf lies behind it, so what has come together there is whole
    /// once all later cuts are done, in any graph.
    pub fn gradient(
        &self,
        class: i64,
        through: impl Fn(&Tensor) -> Result<Tensor, TchError>,
    ) -> Result<Tensor> {
        let context = || format!("gradients of `{}`", self.method);
        let leaves: Vec<&Tensor> =
            std::iter::once(&self.trace.images).chain(self.cuts.iter().map(|cut| &cut.leaf)).collect();
        let mut gradients = self.trace.gradients_by(&self.trace.scores(class)?, &leaves)?;
        for (place, cut) in self.cuts.iter().enumerate().rev() {
            let Some(gradient) = gradients.pop() else { break };
            if !cut.end.requires_grad() {
                continue; // does not come from the image
            }
            let passed = tch::no_grad(|| through(&gradient)).context(context)?;
            // Gives the gradient to the piece before: the derivative of this sum by the cut's end is `passed`.
            let weighted = tch::with_grad(|| cut.end.f_mul(&passed)).context(context)?;
            let more = self.trace.gradients_by(&weighted, &leaves[..=place])?;
            for (sum, more) in gradients.iter_mut().zip(more) {
                *sum = tch::no_grad(|| sum.f_add(&more)).context(context)?;
            }
        }
        gradients.pop().ok_or_else(|| Error::invalid(self.method, "libtorch returned no gradient"))
    }

    /// How many ReLUs there are, and what else.
    pub fn words(&self) -> String {
        let others =
            self.trace.activations.iter().filter(|activation| {
                activation.role.is_activation() && !is_cut(&self.cuts, &activation.tensor)
            });
        let relus = match self.cuts.len() {
            1 => "1 ReLU".to_owned(),
            relus => format!("{relus} ReLUs"),
        };
        match others.count() {
            0 => relus,
            1 => format!("{relus}; another activation function keeps its gradient"),
            others => format!("{relus}; {others} other activation functions keep their gradient"),
        }
    }
}

impl Gathered {
    fn pass(
        &mut self,
        method: &str,
        rule: Rule,
        name: &str,
        role: Role,
        output: &Tensor,
    ) -> Result<Option<Tensor>> {
        let context = || format!("layer `{name}`");
        if !tch::no_grad(|| relu::is_relu(role, output)).context(context)? {
            self.outputs.push(output.shallow_clone());
            return Ok(None);
        }
        let end = match rule {
            Rule::Guided => output.shallow_clone(),
            Rule::Deconvolution => tch::no_grad(|| relu::input_of(output, &self.outputs))
                .context(context)?
                .ok_or_else(|| input_is_hidden(method, name))?,
        };
        let leaf = output.f_detach().and_then(|leaf| leaf.f_set_requires_grad(true)).context(context)?;
        self.outputs.push(leaf.shallow_clone());
        self.cuts.push(Cut { end, leaf: leaf.shallow_clone() });
        Ok(Some(leaf))
    }
}

/// Refuses models without ReLUs, and those where the tap sees a ReLU that it cannot cut.
fn check(method: &str, trace: &Trace, cuts: &[Cut]) -> Result<()> {
    let mut uncut = Vec::new();
    for Activation { name, role, tensor } in &trace.activations {
        let is_relu = tch::no_grad(|| relu::is_relu(*role, tensor)).context(|| format!("layer `{name}`"))?;
        if is_relu && !is_cut(cuts, tensor) {
            uncut.push(name.as_str());
        }
    }
    if !uncut.is_empty() {
        return Err(Error::not_applicable(
            method,
            format!(
                "the tap sees the ReLUs {} but hands nothing on in their place; show them with `Tap::pass` or a probe \
                 instead of `Tap::observe`",
                uncut.join(", ")
            ),
        ));
    }
    if cuts.is_empty() {
        return Err(Error::not_applicable(
            method,
            "the model has no observed ReLU, and the method is about nothing else; put a probe of its tap behind each ReLU",
        ));
    }
    Ok(())
}

/// Whether a captured output is what was handed on at a cut.
fn is_cut(cuts: &[Cut], captured: &Tensor) -> bool {
    cuts.iter().any(|cut| cut.leaf.data_ptr() == captured.data_ptr())
}

fn input_is_hidden(method: &str, name: &str) -> Error {
    Error::not_applicable(
        format!("layer `{name}`"),
        format!(
            "its input does not pass the tap, and `{method}` leads the gradient past the ReLU: put a probe behind the layer \
             before it, and let the ReLU not work in place"
        ),
    )
}
