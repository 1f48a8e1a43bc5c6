//! Inception v3: Szegedy et al., "Rethinking the Inception architecture for computer vision", CVPR 2016.

use super::net::Net;
use crate::{
    arch::{
        layer::{AvgPool2d, BatchNorm2d, Conv2d, Dropout, Layer, Linear, MaxPool2d},
        padding::Pair,
        spec::ModelSpec,
    },
    error::Result,
};

/// Images from this size on give the 17x17 maps that the auxiliary head needs: its 5x5 convolution reads a 5x5 pooling
/// of stride 3.
const LEAST_FOR_HEAD: i64 = 299;

/// Inception v3 as in torchvision: 27,161,264 parameters for images of 3x299x299 and 1000 classes, of which 3,326,696
/// belong to the [auxiliary](ModelSpec::auxiliary) head `AuxLogits`.
///
/// Images of less than 299 pixels are too small for the head, with which torchvision cannot train there. For them the
/// network comes without it: as [`ModelSpec::without_auxiliary`].
///
/// Source: Szegedy et al. 2016, arXiv:1512.00567, table 1 and figures 5 to 8 and 10.
///
/// # Errors
/// The layer at which images of this size or so many classes cannot be.
pub fn inception_v3(input: [i64; 3], classes: i64) -> Result<ModelSpec> {
    let mut net = Net::new("inception_v3", input);
    conv(&mut net, "Conv2d_1a_3x3", Conv2d::new(32, 3).stride(2));
    conv(&mut net, "Conv2d_2a_3x3", Conv2d::new(32, 3));
    conv(&mut net, "Conv2d_2b_3x3", Conv2d::new(64, 3).padding(1));
    net.layer("maxpool1", MaxPool2d::new(3).stride(2));
    conv(&mut net, "Conv2d_3b_1x1", Conv2d::new(80, 1));
    conv(&mut net, "Conv2d_4a_3x3", Conv2d::new(192, 3));
    net.layer("maxpool2", MaxPool2d::new(3).stride(2));
    for (name, pool) in [("Mixed_5b", 32), ("Mixed_5c", 64), ("Mixed_5d", 64)] {
        net.block(name, |net| block_a(net, pool));
    }
    net.block("Mixed_6a", block_b);
    for (name, inner) in [("Mixed_6b", 128), ("Mixed_6c", 160), ("Mixed_6d", 160), ("Mixed_6e", 192)] {
        net.block(name, |net| block_c(net, inner));
    }
    if input[1].min(input[2]) >= LEAST_FOR_HEAD {
        let trunk = net.tip();
        net.block("AuxLogits", |net| head(net, classes)).from(&trunk);
    }
    net.block("Mixed_7a", block_d);
    net.block("Mixed_7b", block_e);
    net.block("Mixed_7c", block_e);
    net.layer("avgpool", Layer::GlobalAvgPool).layer("dropout", Dropout::new());
    net.layer("fc", Linear::new(classes));
    net.build()
}

/// The classifier in the middle of the network.
fn head(net: &mut Net, classes: i64) {
    net.layer("pool", AvgPool2d::new(5).stride(3));
    conv(net, "conv0", Conv2d::new(128, 1));
    conv(net, "conv1", Conv2d::new(768, 5));
    net.layer("avgpool", Layer::GlobalAvgPool).layer("fc", Linear::new(classes)).auxiliary();
}

/// 35x35: one 5x5 convolution, and two of 3x3 instead, beside each other.
fn block_a(net: &mut Net, pool: i64) {
    let start = net.tip();
    let ends = [
        branch(net, &start, &[("branch1x1", point(64))]),
        branch(net, &start, &[("branch5x5_1", point(48)), ("branch5x5_2", Conv2d::new(64, 5).padding(2))]),
        branch(
            net,
            &start,
            &[
                ("branch3x3dbl_1", point(64)),
                ("branch3x3dbl_2", Conv2d::new(96, 3).padding(1)),
                ("branch3x3dbl_3", Conv2d::new(96, 3).padding(1)),
            ],
        ),
        pooled(net, &start, pool),
    ];
    net.join("cat", ends, Layer::Concat);
}

/// From 35x35 to 17x17: figure 10.
fn block_b(net: &mut Net) {
    let start = net.tip();
    let ends = [
        branch(net, &start, &[("branch3x3", Conv2d::new(384, 3).stride(2))]),
        branch(
            net,
            &start,
            &[
                ("branch3x3dbl_1", point(64)),
                ("branch3x3dbl_2", Conv2d::new(96, 3).padding(1)),
                ("branch3x3dbl_3", Conv2d::new(96, 3).stride(2)),
            ],
        ),
        net.from(&start).layer("branch_pool", MaxPool2d::new(3).stride(2)).tip(),
    ];
    net.join("cat", ends, Layer::Concat);
}

/// 17x17: figure 6, with n = 7.
fn block_c(net: &mut Net, inner: i64) {
    let start = net.tip();
    let ends = [
        branch(net, &start, &[("branch1x1", point(192))]),
        branch(
            net,
            &start,
            &[("branch7x7_1", point(inner)), ("branch7x7_2", row(inner, 7)), ("branch7x7_3", column(192, 7))],
        ),
        branch(
            net,
            &start,
            &[
                ("branch7x7dbl_1", point(inner)),
                ("branch7x7dbl_2", column(inner, 7)),
                ("branch7x7dbl_3", row(inner, 7)),
                ("branch7x7dbl_4", column(inner, 7)),
                ("branch7x7dbl_5", row(192, 7)),
            ],
        ),
        pooled(net, &start, 192),
    ];
    net.join("cat", ends, Layer::Concat);
}

/// From 17x17 to 8x8.
fn block_d(net: &mut Net) {
    let start = net.tip();
    let ends = [
        branch(net, &start, &[("branch3x3_1", point(192)), ("branch3x3_2", Conv2d::new(320, 3).stride(2))]),
        branch(
            net,
            &start,
            &[
                ("branch7x7x3_1", point(192)),
                ("branch7x7x3_2", row(192, 7)),
                ("branch7x7x3_3", column(192, 7)),
                ("branch7x7x3_4", Conv2d::new(192, 3).stride(2)),
            ],
        ),
        net.from(&start).layer("branch_pool", MaxPool2d::new(3).stride(2)).tip(),
    ];
    net.join("cat", ends, Layer::Concat);
}

/// 8x8: figure 7.
fn block_e(net: &mut Net) {
    let start = net.tip();
    let ends = [
        branch(net, &start, &[("branch1x1", point(320))]),
        {
            let end = branch(net, &start, &[("branch3x3_1", point(384))]);
            fork(net, &end, "branch3x3_2")
        },
        {
            let double = [("branch3x3dbl_1", point(448)), ("branch3x3dbl_2", Conv2d::new(384, 3).padding(1))];
            let end = branch(net, &start, &double);
            fork(net, &end, "branch3x3dbl_3")
        },
        pooled(net, &start, 192),
    ];
    net.join("cat", ends, Layer::Concat);
}

/// A 1x3 and a 3x1 convolution beside each other; their maps one after the other.
fn fork(net: &mut Net, start: &str, name: &str) -> String {
    let rows = branch(net, start, &[(&format!("{name}a"), row(384, 3))]);
    let columns = branch(net, start, &[(&format!("{name}b"), column(384, 3))]);
    net.join(&format!("{name}_cat"), [rows, columns], Layer::Concat).tip()
}

/// Convolutions one after the other from `start` on, and where they end.
fn branch(net: &mut Net, start: &str, convolutions: &[(&str, Conv2d)]) -> String {
    net.from(start);
    for &(name, convolution) in convolutions {
        conv(net, name, convolution);
    }
    net.tip()
}

/// A mean of 3x3, in which the padding's zeros count, and a 1x1 convolution.
fn pooled(net: &mut Net, start: &str, channels: i64) -> String {
    net.from(start).layer("pool", AvgPool2d::new(3).stride(1).padding(1));
    conv(net, "branch_pool", point(channels));
    net.tip()
}

/// A convolution as all of them are here: normalised, then rectified.
fn conv(net: &mut Net, name: &str, convolution: Conv2d) {
    net.block(name, |net| {
        net.layer("conv", convolution.bias(false))
            .layer("bn", BatchNorm2d::new().eps(1e-3))
            .layer("relu", Layer::Relu);
    });
}

fn point(channels: i64) -> Conv2d {
    Conv2d::new(channels, 1)
}

/// 1xn, which keeps the size.
fn row(channels: i64, n: i64) -> Conv2d {
    Conv2d::new(channels, Pair { h: 1, w: n }).padding([0, n / 2])
}

/// nx1, which keeps the size.
fn column(channels: i64, n: i64) -> Conv2d {
    Conv2d::new(channels, Pair { h: n, w: 1 }).padding([n / 2, 0])
}
