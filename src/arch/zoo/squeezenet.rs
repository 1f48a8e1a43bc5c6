//! SqueezeNet: Iandola et al., arXiv:1602.07360, 2016.

use super::net::Net;
use crate::{
    arch::{
        layer::{Conv2d, Dropout, Layer, MaxPool2d},
        spec::ModelSpec,
    },
    error::Result,
};

/// SqueezeNet 1.1 as in torchvision: 1,235,496 parameters for images of 3x224x224 and 1000 classes.
///
/// Source: Iandola et al. 2016, arXiv:1602.07360, with the smaller stem and earlier pooling of its authors' release 1.1.
///
/// # Errors
/// The layer at which images of this size or so many classes cannot be.
pub fn squeezenet1_1(input: [i64; 3], classes: i64) -> Result<ModelSpec> {
    let mut net = Net::new("squeezenet1_1", input);
    net.block("features", |net| {
        let pool = MaxPool2d::new(3).stride(2).ceil_mode(true);
        net.layer("0", Conv2d::new(64, 3).stride(2)).layer("1", Layer::Relu).layer("2", pool);
        fire(net, "3", 16, 64);
        fire(net, "4", 16, 64);
        net.layer("5", pool);
        fire(net, "6", 32, 128);
        fire(net, "7", 32, 128);
        net.layer("8", pool);
        fire(net, "9", 48, 192);
        fire(net, "10", 48, 192);
        fire(net, "11", 64, 256);
        fire(net, "12", 64, 256);
    });
    net.sequential(
        "classifier",
        [Dropout::new().into(), Conv2d::new(classes, 1).into(), Layer::Relu, Layer::GlobalAvgPool],
    );
    net.build()
}

/// Few channels, seen through as many 1x1 as 3x3 kernels.
fn fire(net: &mut Net, name: &str, squeeze: i64, expand: i64) {
    net.block(name, |net| {
        net.layer("squeeze", Conv2d::new(squeeze, 1)).layer("squeeze_activation", Layer::Relu);
        let squeezed = net.tip();
        net.layer("expand1x1", Conv2d::new(expand, 1)).layer("expand1x1_activation", Layer::Relu);
        let points = net.tip();
        net.from(&squeezed)
            .layer("expand3x3", Conv2d::new(expand, 3).padding(1))
            .layer("expand3x3_activation", Layer::Relu);
        let squares = net.tip();
        net.join("cat", [points, squares], Layer::Concat);
    });
}
