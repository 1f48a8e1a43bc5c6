//! Trainings in which nothing is wrong: other models, optimisers, activation functions and batch sizes.

use convscope::{
    Network,
    arch::{Gelu, Layer, ModelSpec, zoo},
};
use tch::{Tensor, nn, nn::OptimizerConfig as _};

use super::{Case, Result, Run, models, own_loop};

/// All of them.
pub const HEALTHY: &[Case] = &[
    healthy("default_adam", "the model of `convscope train`, Adam", |run| {
        adam(run, &ModelSpec::default_model(10)?, 1e-3)
    }),
    healthy("default_sgd", "the same, SGD with momentum and weight decay", |run| {
        sgd(run, &ModelSpec::default_model(10)?, 0.02)
    }),
    healthy("plain_cnn_adam", "two convolutions without normalisation, Adam", |run| {
        adam(run, &models::plain_cnn(Layer::Relu)?, 1e-3)
    }),
    healthy("plain_cnn_sgd", "the same, SGD with momentum", |run| {
        sgd(run, &models::plain_cnn(Layer::Relu)?, 0.01)
    }),
    healthy("gelu_cnn", "the same with GELU", |run| adam(run, &models::plain_cnn(Gelu::new().into())?, 1e-3)),
    healthy("lenet5_tanh", "LeNet-5 with tanh, SGD with momentum", |run| {
        sgd(run, &zoo::lenet5([1, 28, 28], 10)?, 0.02)
    }),
    healthy("lenet5_sigmoid", "LeNet-5 with sigmoids as in 1989, Adam", |run| {
        adam(run, &models::plain_cnn(Layer::Sigmoid)?, 3e-3)
    }),
    healthy("resnet", "a small residual network", |run| sgd(run, &models::resnet()?, 0.05)),
    healthy("vgg_bn", "six convolutions with batch normalisation, as VGG", |run| {
        adam(run, &models::vgg_bn()?, 1e-3)
    }),
    healthy("perceptron", "no convolution: three fully connected layers", |run| {
        adam(run, &models::perceptron()?, 1e-3)
    }),
    healthy("own_loop", "a hand-written model and an own loop, without a spec", own_loop),
];

const fn healthy(name: &'static str, about: &'static str, train: fn(&Run) -> Result<()>) -> Case {
    Case { name, about, finds: None, train }
}

fn adam(run: &Run, spec: &ModelSpec, learning_rate: f64) -> Result<()> {
    let store = run.store();
    let network = Network::new(&store.root(), spec)?;
    let mut optimizer = nn::Adam::default().build(&store, learning_rate)?;
    fit(run, &network, &store, &mut optimizer)
}

fn sgd(run: &Run, spec: &ModelSpec, learning_rate: f64) -> Result<()> {
    let store = run.store();
    let network = Network::new(&store.root(), spec)?;
    let mut optimizer = nn::sgd(0.9, 0.0, 1e-4, false).build(&store, learning_rate)?;
    fit(run, &network, &store, &mut optimizer)
}

fn fit(run: &Run, network: &Network, store: &nn::VarStore, optimizer: &mut nn::Optimizer) -> Result<()> {
    let data = run.data(2000, 200)?;
    run.trainer(network, store, optimizer).batch_size(32).fit(&data.train, &data.validation, 3)?;
    Ok(())
}

fn own_loop(run: &Run) -> Result<()> {
    let data = run.data(2000, 200)?;
    let store = run.store();
    let model = own_loop::Model::new(&store.root())?;
    let mut optimizer = nn::Adam::default().build(&store, 1e-3)?;
    own_loop::train(run, &store, &model, &mut optimizer, &data, Tensor::shallow_clone, 3)
}
