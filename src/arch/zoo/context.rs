//! The context module: Yu and Koltun, "Multi-scale context aggregation by dilated convolutions", ICLR 2016.

use super::net::Net;
use crate::{
    arch::{
        layer::{Conv2d, Layer},
        spec::ModelSpec,
    },
    error::Result,
};

/// The basic context module: 28,392 parameters for 21 maps of 64x64 and 21 classes. Its output are maps, one per class.
///
/// Seven 3x3 convolutions of dilations 1, 1, 2, 4, 8, 16 and 1 and a 1x1 convolution see 3, 5, 9, 17, 33, 65, 67 and 67
/// pixels, without a pooling. (Dilation 1 has no holes.) All layers have as many maps as there are classes.
///
/// Source: Yu and Koltun 2016, arXiv:1511.07122, table 1, "Basic". Here each convolution pads its own input with zeros,
/// so that maps keep their size; the paper pads once, in front. Its initialisation by the identity is not part of a
/// spec.
///
/// # Errors
/// The layer at which maps of this size or so many classes cannot be.
pub fn dilated_context(input: [i64; 3], classes: i64) -> Result<ModelSpec> {
    let mut net = Net::new("dilated_context", input);
    for (number, dilation) in (1..).zip([1, 1, 2, 4, 8, 16, 1]) {
        net.layer(&format!("conv{number}"), Conv2d::new(classes, 3).dilation(dilation).padding(dilation))
            .layer(&format!("relu{number}"), Layer::Relu);
    }
    net.layer("conv8", Conv2d::new(classes, 1));
    net.build()
}
