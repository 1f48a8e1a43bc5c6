//! LeNet-5: LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document recognition", 1998.

use super::net::Net;
use crate::{
    arch::{
        layer::{AvgPool2d, Conv2d, Layer, Linear},
        spec::ModelSpec,
    },
    error::Result,
};

/// LeNet-5 as it is usually written today: 61,706 parameters for images of 1x32x32 and 10 classes.
///
/// Source: LeCun et al. 1998, Proceedings of the IEEE 86(11), figure 2. The paper differs in four points: its second
/// convolution (C3) reads only some of the maps, its subsampling has a learnt weight and bias per map and a sigmoid,
/// its tanh is scaled, and its output is a distance to a fixed pattern per class (RBF). Its C5 is a 5x5 convolution over
/// 5x5 maps: at 32x32 that is the same as `fc1`, which also takes images of other sizes, such as 28x28.
///
/// # Errors
/// The layer at which images of this size or so many classes cannot be.
pub fn lenet5(input: [i64; 3], classes: i64) -> Result<ModelSpec> {
    let mut net = Net::new("lenet5", input);
    net.layer("conv1", Conv2d::new(6, 5)).layer("tanh1", Layer::Tanh).layer("pool1", AvgPool2d::new(2));
    net.layer("conv2", Conv2d::new(16, 5)).layer("tanh2", Layer::Tanh).layer("pool2", AvgPool2d::new(2));
    net.layer("flatten", Layer::Flatten);
    net.layer("fc1", Linear::new(120)).layer("tanh3", Layer::Tanh);
    net.layer("fc2", Linear::new(84)).layer("tanh4", Layer::Tanh);
    net.layer("fc3", Linear::new(classes));
    net.build()
}
