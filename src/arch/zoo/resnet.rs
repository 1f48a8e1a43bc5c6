//! ResNet: He, Zhang, Ren and Sun, "Deep residual learning for image recognition", arXiv:1512.03385, CVPR 2016.

use super::net::Net;
use crate::{
    arch::{
        layer::{BatchNorm2d, Conv2d, Layer, Linear, MaxPool2d},
        spec::ModelSpec,
    },
    error::Result,
};

/// What the stages are made of: the paper's figure 5.
#[derive(Clone, Copy, PartialEq)]
enum Block {
    /// Two 3x3 convolutions.
    Basic,
    /// 1x1, 3x3 and 1x1, the last with four times the channels. The 3x3 convolution has the stride, as in torchvision
    /// and in what NVIDIA calls version 1.5.
    Bottleneck,
    /// The same with the stride on the first 1x1 convolution, as in the paper.
    StrideFirst,
}

/// Defines one function per network.
macro_rules! resnet {
    ($($name:ident, $block:ident, $depths:expr, $title:literal, $params:literal;)*) => {
        $(
            #[doc = concat!($title, ": ", $params, " parameters for images of 3x224x224 and 1000 classes.")]
            ///
            /// Source: He et al. 2016, arXiv:1512.03385, table 1; parameters are named as in torchvision.
            ///
            /// # Errors
            /// The layer at which images of this size or so many classes cannot be.
            pub fn $name(input: [i64; 3], classes: i64) -> Result<ModelSpec> {
                resnet(stringify!($name), input, classes, Block::$block, $depths)
            }
        )*
    };
}

resnet! {
    resnet18, Basic, [2, 2, 2, 2], "ResNet-18 as in torchvision", "11,689,512";
    resnet34, Basic, [3, 4, 6, 3], "ResNet-34 as in torchvision", "21,797,672";
    resnet50, Bottleneck, [3, 4, 6, 3],
        "ResNet-50 as in torchvision, with the stride on the 3x3 convolutions (\"v1.5\")", "25,557,032";
    resnet101, Bottleneck, [3, 4, 23, 3],
        "ResNet-101 as in torchvision, with the stride on the 3x3 convolutions (\"v1.5\")", "44,549,160";
    resnet152, Bottleneck, [3, 8, 36, 3],
        "ResNet-152 as in torchvision, with the stride on the 3x3 convolutions (\"v1.5\")", "60,192,808";
    resnet50_v1, StrideFirst, [3, 4, 6, 3],
        "ResNet-50 as in the paper, with the stride on the first 1x1 convolutions", "25,557,032";
    resnet101_v1, StrideFirst, [3, 4, 23, 3],
        "ResNet-101 as in the paper, with the stride on the first 1x1 convolutions", "44,549,160";
    resnet152_v1, StrideFirst, [3, 8, 36, 3],
        "ResNet-152 as in the paper, with the stride on the first 1x1 convolutions", "60,192,808";
}

fn resnet(name: &str, input: [i64; 3], classes: i64, block: Block, depths: [usize; 4]) -> Result<ModelSpec> {
    let mut net = Net::new(name, input);
    net.layer("conv1", Conv2d::new(64, 7).stride(2).padding(3).bias(false))
        .layer("bn1", BatchNorm2d::new())
        .layer("relu", Layer::Relu)
        .layer("maxpool", MaxPool2d::new(3).stride(2).padding(1));
    let stages = [("layer1", 64, 1), ("layer2", 128, 2), ("layer3", 256, 2), ("layer4", 512, 2)];
    for ((stage, channels, stride), depth) in stages.into_iter().zip(depths) {
        for index in 0..depth {
            net.block(&format!("{stage}.{index}"), |net| match index {
                0 => residual(net, block, channels, stride, stride != 1 || block != Block::Basic),
                _ => residual(net, block, channels, 1, false),
            });
        }
    }
    net.layer("avgpool", Layer::GlobalAvgPool).layer("fc", Linear::new(classes));
    net.build()
}

/// A block and its shortcut. The shortcut is a 1x1 convolution (`projection`) where the block changes the maps' size
/// or number, else the block's input itself: option B of the paper.
fn residual(net: &mut Net, block: Block, channels: i64, stride: i64, projection: bool) {
    let start = net.tip();
    let (outputs, last_relu) = match block {
        Block::Basic => {
            convolution(net, 1, channels, 3, stride).layer("relu", Layer::Relu);
            convolution(net, 2, channels, 3, 1);
            (channels, "relu2")
        }
        Block::Bottleneck | Block::StrideFirst => {
            let (first, second) = if block == Block::StrideFirst { (stride, 1) } else { (1, stride) };
            convolution(net, 1, channels, 1, first).layer("relu", Layer::Relu);
            convolution(net, 2, channels, 3, second).layer("relu2", Layer::Relu);
            convolution(net, 3, 4 * channels, 1, 1);
            (4 * channels, "relu3")
        }
    };
    let end = net.tip();
    let shortcut = if projection {
        net.from(&start)
            .layer("downsample.0", Conv2d::new(outputs, 1).stride(stride).bias(false))
            .layer("downsample.1", BatchNorm2d::new())
            .tip()
    } else {
        start
    };
    net.join("add", [end, shortcut], Layer::Add).layer(last_relu, Layer::Relu);
}

fn convolution(net: &mut Net, number: i64, channels: i64, kernel: i64, stride: i64) -> &mut Net {
    let conv = Conv2d::new(channels, kernel).stride(stride).padding(kernel / 2).bias(false);
    net.layer(&format!("conv{number}"), conv).layer(&format!("bn{number}"), BatchNorm2d::new())
}
