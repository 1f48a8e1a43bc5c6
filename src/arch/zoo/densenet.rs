//! DenseNet: Huang, Liu, van der Maaten and Weinberger, "Densely connected convolutional networks", CVPR 2017.

use super::net::Net;
use crate::{
    arch::{
        layer::{AvgPool2d, BatchNorm2d, Conv2d, Layer, Linear, MaxPool2d},
        spec::ModelSpec,
    },
    error::Result,
};

/// Maps that each layer adds: the paper's growth rate k.
const GROWTH: i64 = 32;

/// DenseNet-121 as in torchvision: 7,978,856 parameters for images of 3x224x224 and 1000 classes.
///
/// Source: Huang et al. 2017, arXiv:1608.06993, table 1, DenseNet-BC with growth rate 32. Each layer's `cat` appends its
/// maps to all those before, which is what torchvision concatenates anew in front of each layer.
///
/// # Errors
/// The layer at which images of this size or so many classes cannot be.
pub fn densenet121(input: [i64; 3], classes: i64) -> Result<ModelSpec> {
    let mut net = Net::new("densenet121", input);
    net.block("features", |net| {
        net.layer("conv0", Conv2d::new(64, 7).stride(2).padding(3).bias(false))
            .layer("norm0", BatchNorm2d::new())
            .layer("relu0", Layer::Relu)
            .layer("pool0", MaxPool2d::new(3).stride(2).padding(1));
        let mut channels = 64;
        for (number, layers) in (1..).zip([6, 12, 24, 16]) {
            if number > 1 {
                channels /= 2;
                net.block(&format!("transition{}", number - 1), |net| transition(net, channels));
            }
            net.block(&format!("denseblock{number}"), |net| {
                for layer in 1..=layers {
                    net.block(&format!("denselayer{layer}"), dense_layer);
                }
            });
            channels += layers * GROWTH;
        }
        net.layer("norm5", BatchNorm2d::new());
    });
    net.layer("relu", Layer::Relu).layer("avgpool", Layer::GlobalAvgPool);
    net.layer("classifier", Linear::new(classes));
    net.build()
}

/// Makes `GROWTH` maps out of all before, and appends them.
fn dense_layer(net: &mut Net) {
    let before = net.tip();
    net.layer("norm1", BatchNorm2d::new())
        .layer("relu1", Layer::Relu)
        .layer("conv1", Conv2d::new(4 * GROWTH, 1).bias(false))
        .layer("norm2", BatchNorm2d::new())
        .layer("relu2", Layer::Relu)
        .layer("conv2", Conv2d::new(GROWTH, 3).padding(1).bias(false));
    let new = net.tip();
    net.join("cat", [before, new], Layer::Concat);
}

/// Half the maps at half the size.
fn transition(net: &mut Net, channels: i64) {
    net.layer("norm", BatchNorm2d::new())
        .layer("relu", Layer::Relu)
        .layer("conv", Conv2d::new(channels, 1).bias(false))
        .layer("pool", AvgPool2d::new(2));
}
