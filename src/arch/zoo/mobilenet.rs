//! MobileNets: Howard et al., arXiv:1704.04861, 2017, and Sandler et al., arXiv:1801.04381, CVPR 2018.

use super::net::Net;
use crate::{
    arch::{
        layer::{BatchNorm2d, Conv2d, Dropout, Layer, Linear},
        padding::Padding,
        spec::ModelSpec,
    },
    error::Result,
};

/// MobileNet (v1, width 1.0) as in Keras and TF-Slim: 4,231,976 parameters for images of 3x224x224 and 1000 classes.
///
/// Source: Howard et al. 2017, arXiv:1704.04861, table 1. From both libraries come the `same` padding of TensorFlow,
/// ReLU6 and the ε of 0.001; from Keras the layers' names and the momentum of 0.01 (0.99 as Keras counts).
///
/// # Errors
/// The layer at which images of this size or so many classes cannot be.
pub fn mobilenet_v1(input: [i64; 3], classes: i64) -> Result<ModelSpec> {
    // Channels in, stride and channels out of the depthwise separable convolutions.
    const BLOCKS: [(i64, i64, i64); 13] = [
        (32, 1, 64),
        (64, 2, 128),
        (128, 1, 128),
        (128, 2, 256),
        (256, 1, 256),
        (256, 2, 512),
        (512, 1, 512),
        (512, 1, 512),
        (512, 1, 512),
        (512, 1, 512),
        (512, 1, 512),
        (512, 2, 1024),
        (1024, 1, 1024),
    ];
    let convolution = |net: &mut Net, name: &str, conv: Conv2d| {
        net.layer(name, conv.padding(Padding::Same).bias(false))
            .layer(&format!("{name}_bn"), BatchNorm2d::new().eps(1e-3).momentum(0.01))
            .layer(&format!("{name}_relu"), Layer::Relu6);
    };
    let mut net = Net::new("mobilenet_v1", input);
    convolution(&mut net, "conv1", Conv2d::new(32, 3).stride(2));
    for (number, (inputs, stride, outputs)) in (1..).zip(BLOCKS) {
        let depthwise = Conv2d::new(inputs, 3).stride(stride).groups(inputs);
        convolution(&mut net, &format!("conv_dw_{number}"), depthwise);
        convolution(&mut net, &format!("conv_pw_{number}"), Conv2d::new(outputs, 1));
    }
    net.layer("global_average_pooling2d", Layer::GlobalAvgPool)
        .layer("dropout", Dropout::new().p(0.001))
        .layer("conv_preds", Linear::new(classes));
    net.build()
}

/// MobileNetV2 (width 1.0) as in torchvision: 3,504,872 parameters for images of 3x224x224 and 1000 classes.
///
/// Source: Sandler et al. 2018, arXiv:1801.04381, table 2.
///
/// # Errors
/// The layer at which images of this size or so many classes cannot be.
pub fn mobilenet_v2(input: [i64; 3], classes: i64) -> Result<ModelSpec> {
    // Expansion, channels, number of blocks, stride of the first: the paper's t, c, n and s.
    const STAGES: [(i64, i64, usize, i64); 7] = [
        (1, 16, 1, 1),
        (6, 24, 2, 2),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 1),
        (6, 160, 3, 2),
        (6, 320, 1, 1),
    ];
    let mut net = Net::new("mobilenet_v2", input);
    net.block("features", |net| {
        net.block("0", |net| norm_relu6(net, Conv2d::new(32, 3).stride(2).padding(1)));
        let (mut index, mut inputs) = (1, 32);
        for (expansion, outputs, blocks, first_stride) in STAGES {
            for block in 0..blocks {
                let stride = if block == 0 { first_stride } else { 1 };
                net.block(&index.to_string(), |net| {
                    inverted_residual(net, inputs, expansion, outputs, stride);
                });
                inputs = outputs;
                index += 1;
            }
        }
        net.block(&index.to_string(), |net| norm_relu6(net, Conv2d::new(1280, 1)));
    });
    net.layer("avgpool", Layer::GlobalAvgPool);
    net.sequential("classifier", [Dropout::new().p(0.2).into(), Linear::new(classes).into()]);
    net.build()
}

/// A narrow input is made wide, filtered map by map, and made narrow again without an activation.
fn inverted_residual(net: &mut Net, inputs: i64, expansion: i64, outputs: i64, stride: i64) {
    let start = net.tip();
    let wide = inputs * expansion;
    net.block("conv", |net| {
        let mut number = 0;
        if expansion != 1 {
            net.block("0", |net| norm_relu6(net, Conv2d::new(wide, 1)));
            number = 1;
        }
        let depthwise = Conv2d::new(wide, 3).stride(stride).padding(1).groups(wide);
        net.block(&number.to_string(), |net| norm_relu6(net, depthwise));
        net.layer(&(number + 1).to_string(), Conv2d::new(outputs, 1).bias(false))
            .layer(&(number + 2).to_string(), BatchNorm2d::new());
    });
    if stride == 1 && inputs == outputs {
        let end = net.tip();
        net.join("add", [start, end], Layer::Add);
    }
}

fn norm_relu6(net: &mut Net, conv: Conv2d) {
    net.layer("0", conv.bias(false)).layer("1", BatchNorm2d::new()).layer("2", Layer::Relu6);
}
