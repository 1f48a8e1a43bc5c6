//! VGG: Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition", arXiv:1409.1556.

use super::net::Net;
use crate::{
    arch::{
        layer::{AdaptiveAvgPool2d, BatchNorm2d, Conv2d, Dropout, Layer, Linear, MaxPool2d},
        spec::ModelSpec,
    },
    error::Result,
};

/// How many 3x3 convolutions of 64, 128, 256, 512 and 512 channels come before each pooling: the columns A, B, D and E
/// of the paper's table 1.
type Depths = [usize; 5];

const A: Depths = [1, 1, 2, 2, 2];
const B: Depths = [2, 2, 2, 2, 2];
const D: Depths = [2, 2, 3, 3, 3];
const E: Depths = [2, 2, 4, 4, 4];

/// Defines one function per network.
macro_rules! vgg {
    ($($name:ident, $depths:ident, $norm:expr, $title:literal, $params:literal;)*) => {
        $(
            #[doc = concat!($title, " as in torchvision: ", $params, " parameters for images of 3x224x224 and 1000 classes.")]
            ///
            #[doc = concat!("Source: Simonyan and Zisserman 2015, arXiv:1409.1556, table 1, column ", stringify!($depths), ".")]
            ///
            /// # Errors
            /// The layer at which images of this size or so many classes cannot be.
            pub fn $name(input: [i64; 3], classes: i64) -> Result<ModelSpec> {
                vgg(stringify!($name), input, classes, $depths, $norm)
            }
        )*
    };
}

vgg! {
    vgg11, A, false, "VGG-11", "132,863,336";
    vgg11_bn, A, true, "VGG-11 with batch normalisation", "132,868,840";
    vgg13, B, false, "VGG-13", "133,047,848";
    vgg13_bn, B, true, "VGG-13 with batch normalisation", "133,053,736";
    vgg16, D, false, "VGG-16", "138,357,544";
    vgg16_bn, D, true, "VGG-16 with batch normalisation", "138,365,992";
    vgg19, E, false, "VGG-19", "143,667,240";
    vgg19_bn, E, true, "VGG-19 with batch normalisation", "143,678,248";
}

fn vgg(name: &str, input: [i64; 3], classes: i64, depths: Depths, norm: bool) -> Result<ModelSpec> {
    let mut features: Vec<Layer> = Vec::new();
    for (channels, convolutions) in [64, 128, 256, 512, 512].into_iter().zip(depths) {
        for _ in 0..convolutions {
            features.push(Conv2d::new(channels, 3).padding(1).into());
            if norm {
                features.push(BatchNorm2d::new().into());
            }
            features.push(Layer::Relu);
        }
        features.push(MaxPool2d::new(2).into());
    }
    let mut net = Net::new(name, input);
    net.sequential("features", features);
    net.layer("avgpool", AdaptiveAvgPool2d::new(7)).layer("flatten", Layer::Flatten);
    net.sequential(
        "classifier",
        [
            Linear::new(4096).into(),
            Layer::Relu,
            Dropout::new().into(),
            Linear::new(4096).into(),
            Layer::Relu,
            Dropout::new().into(),
            Linear::new(classes).into(),
        ],
    );
    net.build()
}
