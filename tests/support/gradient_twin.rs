//! A small residual network as plain loops in f64, forward and backward: an independent twin of what libtorch does.

#![allow(dead_code, clippy::unwrap_used)] // each test uses a part

use convscope::{
    Network,
    arch::{Conv2d, Layer, Linear, ModelSpec},
};
use tch::Tensor;

pub const CHANNELS: usize = 2;
pub const HEIGHT: usize = 5;
pub const WIDTH: usize = 4;
pub const CLASSES: usize = 3;
/// Channels of both convolutions.
pub const MAPS: usize = 3;
pub const PIXELS: usize = HEIGHT * WIDTH;

/// image -> conv1 -> relu1 -> conv2 -> add (with relu1) -> relu2 -> flatten -> fc.
pub struct Twin {
    conv1: Convolution,
    conv2: Convolution,
    fc: Vec<f64>,
    fc_bias: Vec<f64>,
}

/// 3 x 3 with padding 1.
struct Convolution {
    inputs: usize,
    weight: Vec<f64>,
    bias: Vec<f64>,
}

/// What a forward pass leaves.
pub struct Pass {
    pub z1: Vec<f64>,
    pub a1: Vec<f64>,
    pub z2: Vec<f64>,
    pub a2: Vec<f64>,
    pub logits: Vec<f64>,
}

/// The gradients of a logit by what a forward pass leaves.
pub struct Back {
    pub x: Vec<f64>,
    pub z1: Vec<f64>,
    pub a2: Vec<f64>,
}

/// What a ReLU hands back: of the gradient behind it and its input.
pub type Rule = fn(f64, f64) -> f64;

pub const ORDINARY: Rule = |g, z| if z > 0.0 { g } else { 0.0 };
pub const GUIDED: Rule = |g, z| if z > 0.0 { g.max(0.0) } else { 0.0 };
pub const DECONVOLUTION: Rule = |g, _| g.max(0.0);

/// Numbers from -0.5 to 0.5, always the same.
pub fn numbers(seed: u64, count: usize) -> Vec<f64> {
    let mut random = fastrand::Rng::with_seed(seed);
    (0..count).map(|_| random.f64() - 0.5).collect()
}

impl Twin {
    pub fn new() -> Twin {
        let conv = |seed, inputs: usize| Convolution {
            inputs,
            weight: numbers(seed, MAPS * inputs * 9),
            bias: numbers(seed + 1, MAPS),
        };
        let fc = numbers(5, CLASSES * MAPS * PIXELS);
        Twin { conv1: conv(1, CHANNELS), conv2: conv(3, MAPS), fc, fc_bias: numbers(6, CLASSES) }
    }

    /// Its parameters by name, in double precision.
    pub fn variables(&self) -> Vec<(String, Tensor)> {
        let of = |values: &[f64], shape: &[i64]| Tensor::from_slice(values).reshape(shape);
        let (maps, classes) = (MAPS as i64, CLASSES as i64);
        let mut variables = Vec::new();
        for (name, conv) in [("conv1", &self.conv1), ("conv2", &self.conv2)] {
            variables.push((format!("{name}.bias"), of(&conv.bias, &[maps])));
            variables.push((format!("{name}.weight"), of(&conv.weight, &[maps, conv.inputs as i64, 3, 3])));
        }
        variables.push(("fc.bias".to_owned(), of(&self.fc_bias, &[classes])));
        variables.push(("fc.weight".to_owned(), of(&self.fc, &[classes, maps * PIXELS as i64])));
        variables
    }

    /// The same as a network of libtorch.
    pub fn network(&self) -> Network {
        Network::with_variables(&spec(), &self.variables()).unwrap()
    }

    pub fn forward(&self, x: &[f64]) -> Pass {
        let z1 = self.conv1.forward(x);
        let a1 = relu(&z1);
        let z2: Vec<f64> = self.conv2.forward(&a1).iter().zip(&a1).map(|(c, a)| c + a).collect();
        let a2 = relu(&z2);
        let logit = |class: usize| {
            let weights = &self.fc[class * a2.len()..][..a2.len()];
            weights.iter().zip(&a2).map(|(w, a)| w * a).sum::<f64>() + self.fc_bias[class]
        };
        let logits = (0..CLASSES).map(logit).collect();
        Pass { z1, a1, z2, a2, logits }
    }

    pub fn backward(&self, pass: &Pass, class: usize, rule: Rule) -> Back {
        let a2 = self.fc[class * pass.a2.len()..][..pass.a2.len()].to_vec();
        let through = |g: &[f64], z: &[f64]| g.iter().zip(z).map(|(g, z)| rule(*g, *z)).collect::<Vec<f64>>();
        let z2 = through(&a2, &pass.z2);
        let a1: Vec<f64> = self.conv2.backward(&z2).iter().zip(&z2).map(|(c, z)| c + z).collect();
        let z1 = through(&a1, &pass.z1);
        Back { x: self.conv1.backward(&z1), z1, a2 }
    }

    /// The gradient of a logit by the image.
    pub fn gradient(&self, x: &[f64], class: usize, rule: Rule) -> Vec<f64> {
        self.backward(&self.forward(x), class, rule).x
    }
}

impl Convolution {
    /// Calls `each` with the places of output, weight and input that belong together.
    fn taps(&self, mut each: impl FnMut(usize, usize, usize)) {
        for out in 0..MAPS {
            for input in 0..self.inputs {
                for row in 0..HEIGHT {
                    for column in 0..WIDTH {
                        for ky in 0..3 {
                            for kx in 0..3 {
                                let (y, x) = (row + ky, column + kx); // one further, for the padding
                                if (1..=HEIGHT).contains(&y) && (1..=WIDTH).contains(&x) {
                                    each(
                                        (out * HEIGHT + row) * WIDTH + column,
                                        ((out * self.inputs + input) * 3 + ky) * 3 + kx,
                                        (input * HEIGHT + y - 1) * WIDTH + x - 1,
                                    );
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    fn forward(&self, x: &[f64]) -> Vec<f64> {
        let mut z: Vec<f64> = (0..MAPS * PIXELS).map(|place| self.bias[place / PIXELS]).collect();
        self.taps(|out, weight, input| z[out] += self.weight[weight] * x[input]);
        z
    }

    fn backward(&self, gradient: &[f64]) -> Vec<f64> {
        let mut x = vec![0.0; self.inputs * PIXELS];
        self.taps(|out, weight, input| x[input] += self.weight[weight] * gradient[out]);
        x
    }
}

fn relu(z: &[f64]) -> Vec<f64> {
    z.iter().map(|z| z.max(0.0)).collect()
}

pub fn spec() -> ModelSpec {
    let conv = || Layer::Conv2d(Conv2d::new(MAPS as i64, 3).padding(1));
    ModelSpec::builder("twin", [CHANNELS as i64, HEIGHT as i64, WIDTH as i64])
        .layer("conv1", conv())
        .layer("relu1", Layer::Relu)
        .layer("conv2", conv())
        .layer_from("add", ["conv2", "relu1"], Layer::Add)
        .layer("relu2", Layer::Relu)
        .layer("flatten", Layer::Flatten)
        .layer("fc", Layer::Linear(Linear::new(CLASSES as i64)))
        .build()
        .unwrap()
}

/// An image of the network's size, `[1, 2, 5, 4]` in double precision, and its values.
pub fn image() -> (Tensor, Vec<f64>) {
    let values: Vec<f64> = numbers(9, CHANNELS * PIXELS).iter().map(|value| 4.0 * value).collect();
    let shape = [1, CHANNELS as i64, HEIGHT as i64, WIDTH as i64];
    (Tensor::from_slice(&values).reshape(shape), values)
}

/// Compares what single precision can tell apart.
pub fn assert_close(found: &[f32], expected: &[f64], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(0.0, |most: f64, value| most.max(value.abs()));
    assert!(scale > 1e-3, "{what}: all {scale}, which shows nothing");
    for (place, (found, expected)) in found.iter().zip(expected).enumerate() {
        let off = (f64::from(*found) - expected).abs();
        assert!(off <= 1e-6 * scale, "{what}, value {place}: {found}, expected {expected}");
    }
}
