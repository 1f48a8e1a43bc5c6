//! A LeNet-5 whose second convolution starts with weights a thousand times too large: its tanh is at -1 or 1 almost
//! everywhere, where the derivative is 0.

use convscope::{Network, arch::zoo, rules::Severity};
use tch::{nn, nn::OptimizerConfig as _};

use super::super::{Case, Finds, Result, Run};

pub const CASE: Case = Case {
    name: "saturated_tanh",
    about: "weights in front of a tanh a thousand times too large",
    finds: Some(Finds {
        rule: "saturated_activation",
        severity: Severity::Critical,
        subjects: &["tanh2"],
        by: 60,
    }),
    train,
};

fn train(run: &Run) -> Result<()> {
    let data = run.data(1000, 100)?;
    let store = run.store();
    let network = Network::new(&store.root(), &zoo::lenet5([1, 28, 28], 10)?)?;
    let mut weight = store.variables().remove("conv2.weight").ok_or("conv2 has a weight")?;
    let _ = tch::no_grad(|| weight.f_mul_scalar_(1000.0))?;
    let mut optimizer = nn::Sgd::default().build(&store, 0.05)?;
    run.trainer(&network, &store, &mut optimizer).batch_size(32).fit(&data.train, &data.validation, 2)?;
    Ok(())
}
