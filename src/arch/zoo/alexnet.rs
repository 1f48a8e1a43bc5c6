//! AlexNet: Krizhevsky, "One weird trick for parallelizing convolutional neural networks", arXiv:1404.5997, 2014.

use super::net::Net;
use crate::{
    arch::{
        layer::{AdaptiveAvgPool2d, Conv2d, Dropout, Layer, Linear, MaxPool2d},
        spec::ModelSpec,
    },
    error::Result,
};

/// AlexNet as in torchvision: 61,100,840 parameters for images of 3x224x224 and 1000 classes.
///
/// Source: Krizhevsky 2014, arXiv:1404.5997, the single-tower network that followed Krizhevsky et al. 2012; without
/// the local response normalisation of 2012.
///
/// # Errors
/// The layer at which images of this size or so many classes cannot be.
pub fn alexnet(input: [i64; 3], classes: i64) -> Result<ModelSpec> {
    let pool = MaxPool2d::new(3).stride(2);
    let mut net = Net::new("alexnet", input);
    net.sequential(
        "features",
        [
            Conv2d::new(64, 11).stride(4).padding(2).into(),
            Layer::Relu,
            pool.into(),
            Conv2d::new(192, 5).padding(2).into(),
            Layer::Relu,
            pool.into(),
            Conv2d::new(384, 3).padding(1).into(),
            Layer::Relu,
            Conv2d::new(256, 3).padding(1).into(),
            Layer::Relu,
            Conv2d::new(256, 3).padding(1).into(),
            Layer::Relu,
            pool.into(),
        ],
    );
    net.layer("avgpool", AdaptiveAvgPool2d::new(6)).layer("flatten", Layer::Flatten);
    net.sequential(
        "classifier",
        [
            Dropout::new().into(),
            Linear::new(4096).into(),
            Layer::Relu,
            Dropout::new().into(),
            Linear::new(4096).into(),
            Layer::Relu,
            Linear::new(classes).into(),
        ],
    );
    net.build()
}

/// AlexNet as in TF-Slim (`alexnet_v2`): 50,303,912 parameters for images of 3x224x224 and 1000 classes.
///
/// The first convolution has no padding, the fully connected layers are convolutions, and the third and fourth
/// convolution have 384 channels. At larger images the scores are the mean over all places.
///
/// Source: Krizhevsky 2014, arXiv:1404.5997, figure 2; layers named as Slim's end points.
///
/// # Errors
/// The layer at which images of this size or so many classes cannot be.
pub fn alexnet_v2(input: [i64; 3], classes: i64) -> Result<ModelSpec> {
    let pool = MaxPool2d::new(3).stride(2);
    let mut net = Net::new("alexnet_v2", input);
    net.layer("conv1", Conv2d::new(64, 11).stride(4)).layer("relu1", Layer::Relu).layer("pool1", pool);
    net.layer("conv2", Conv2d::new(192, 5).padding(2)).layer("relu2", Layer::Relu).layer("pool2", pool);
    net.layer("conv3", Conv2d::new(384, 3).padding(1)).layer("relu3", Layer::Relu);
    net.layer("conv4", Conv2d::new(384, 3).padding(1)).layer("relu4", Layer::Relu);
    net.layer("conv5", Conv2d::new(256, 3).padding(1)).layer("relu5", Layer::Relu).layer("pool5", pool);
    net.layer("fc6", Conv2d::new(4096, 5)).layer("relu6", Layer::Relu).layer("dropout6", Dropout::new());
    net.layer("fc7", Conv2d::new(4096, 1)).layer("relu7", Layer::Relu).layer("dropout7", Dropout::new());
    net.layer("fc8", Conv2d::new(classes, 1)).layer("global_pool", Layer::GlobalAvgPool);
    net.build()
}
