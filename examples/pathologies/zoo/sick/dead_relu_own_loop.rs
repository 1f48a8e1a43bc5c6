//! The same as `dead_relu` in a hand-written model and an own loop: no spec tells what is connected to what, and the
//! loop does not announce the moments before and after the backward pass.

use convscope::rules::Severity;
use tch::{Tensor, nn, nn::OptimizerConfig as _};

use super::super::{Case, Finds, Result, Run, own_loop};

pub const CASE: Case = Case {
    name: "dead_relu_own_loop",
    about: "all biases of the second convolution at -20, own loop without a spec",
    finds: Some(Finds { rule: "dead_relu", severity: Severity::Critical, subjects: &["relu2"], by: 60 }),
    train,
};

fn train(run: &Run) -> Result<()> {
    let data = run.data(1000, 100)?;
    let store = run.store();
    let model = own_loop::Model::new(&store.root())?;
    let mut bias = store.variables().remove("conv2.bias").ok_or("conv2 has a bias")?;
    let _ = tch::no_grad(|| bias.f_fill_(-20.0))?;
    let mut optimizer = nn::Adam::default().build(&store, 1e-3)?;
    own_loop::train(run, &store, &model, &mut optimizer, &data, Tensor::shallow_clone, 2)
}
