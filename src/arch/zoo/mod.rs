//! Networks of the literature, ready to build: the zoo.
//!
//! [`model`] finds a network by name, and there is a function for each. The size of the images and the number of
//! classes are free. Where torchvision has the network, its topology, arguments and parameter names are torchvision's,
//! so that its weights load; layers without parameters have names of that style.
//!
//! | names | network | published for |
//! |---|---|---|
//! | `lenet5` | LeCun et al. 1998, as it is usually written today | 1x32x32, 10 classes |
//! | `alexnet` | Krizhevsky 2014 | 3x224x224, 1000 classes |
//! | `alexnet_v2` | the same as in TF-Slim, with convolutions in place of linear layers | 3x224x224, 1000 classes |
//! | `vgg11`, `vgg13`, `vgg16`, `vgg19`, each also with `_bn` | Simonyan and Zisserman 2015 | 3x224x224, 1000 classes |
//! | `resnet18`, `resnet34`, `resnet50`, `resnet101`, `resnet152` | He et al. 2016, the stride on the 3x3 convolutions | 3x224x224, 1000 classes |
//! | `resnet50_v1`, `resnet101_v1`, `resnet152_v1` | the same, the stride on the first 1x1 convolutions as in the paper | 3x224x224, 1000 classes |
//! | `inception_v3` | Szegedy et al. 2016, with its head in the middle | 3x299x299, 1000 classes |
//! | `squeezenet1_1` | Iandola et al. 2016 | 3x224x224, 1000 classes |
//! | `densenet121` | Huang et al. 2017 | 3x224x224, 1000 classes |
//! | `mobilenet_v1` | Howard et al. 2017, as in Keras and TF-Slim | 3x224x224, 1000 classes |
//! | `mobilenet_v2` | Sandler et al. 2018 | 3x224x224, 1000 classes |
//! | `dilated_context` | Yu and Koltun 2016, the basic context module | maps of 21x64x64, 21 classes |
//! | `default` | the model of `convscope train` | 1x28x28, 10 classes |
//!
//! ```
//! use convscope::arch::zoo;
//!
//! let published = zoo::model("resnet18", None, None)?;
//! assert_eq!((published.input, published.param_count()?), ([3, 224, 224], 11_689_512));
//!
//! let small = zoo::model("ResNet-18", Some([3, 32, 32]), Some(10))?; // case, `-` and `_` do not count
//! assert_eq!(small, zoo::resnet18([3, 32, 32], 10)?);
//! assert_eq!(small.param_count()?, 11_689_512 - 990 * 513);
//! # Ok::<(), convscope::Error>(())
//! ```

mod alexnet;
mod context;
mod densenet;
mod inception;
mod lenet;
mod mobilenet;
mod net;
mod resnet;
mod squeezenet;
mod vgg;

use super::{
    error::ModelError,
    nearby::{did_you_mean, plain},
    spec::ModelSpec,
};
use crate::error::Result;

pub use self::{
    alexnet::{alexnet, alexnet_v2},
    context::dilated_context,
    densenet::densenet121,
    inception::inception_v3,
    lenet::lenet5,
    mobilenet::{mobilenet_v1, mobilenet_v2},
    resnet::{resnet18, resnet34, resnet50, resnet50_v1, resnet101, resnet101_v1, resnet152, resnet152_v1},
    squeezenet::squeezenet1_1,
    vgg::{vgg11, vgg11_bn, vgg13, vgg13_bn, vgg16, vgg16_bn, vgg19, vgg19_bn},
};

/// A network, with the images and classes it was published for.
struct Entry {
    name: &'static str,
    input: [i64; 3],
    classes: i64,
    make: fn([i64; 3], i64) -> Result<ModelSpec>,
}

impl Entry {
    /// Trained on ImageNet's 1000 classes.
    const fn imagenet(name: &'static str, size: i64, make: fn([i64; 3], i64) -> Result<ModelSpec>) -> Entry {
        Entry { name, input: [3, size, size], classes: 1000, make }
    }
}

/// All networks, by name.
const NETWORKS: &[Entry] = &[
    Entry::imagenet("alexnet", 224, alexnet),
    Entry::imagenet("alexnet_v2", 224, alexnet_v2),
    Entry { name: "default", input: [1, 28, 28], classes: 10, make: default },
    Entry::imagenet("densenet121", 224, densenet121),
    Entry { name: "dilated_context", input: [21, 64, 64], classes: 21, make: dilated_context },
    Entry::imagenet("inception_v3", 299, inception_v3),
    Entry { name: "lenet5", input: [1, 32, 32], classes: 10, make: lenet5 },
    Entry::imagenet("mobilenet_v1", 224, mobilenet_v1),
    Entry::imagenet("mobilenet_v2", 224, mobilenet_v2),
    Entry::imagenet("resnet101", 224, resnet101),
    Entry::imagenet("resnet101_v1", 224, resnet101_v1),
    Entry::imagenet("resnet152", 224, resnet152),
    Entry::imagenet("resnet152_v1", 224, resnet152_v1),
    Entry::imagenet("resnet18", 224, resnet18),
    Entry::imagenet("resnet34", 224, resnet34),
    Entry::imagenet("resnet50", 224, resnet50),
    Entry::imagenet("resnet50_v1", 224, resnet50_v1),
    Entry::imagenet("squeezenet1_1", 224, squeezenet1_1),
    Entry::imagenet("vgg11", 224, vgg11),
    Entry::imagenet("vgg11_bn", 224, vgg11_bn),
    Entry::imagenet("vgg13", 224, vgg13),
    Entry::imagenet("vgg13_bn", 224, vgg13_bn),
    Entry::imagenet("vgg16", 224, vgg16),
    Entry::imagenet("vgg16_bn", 224, vgg16_bn),
    Entry::imagenet("vgg19", 224, vgg19),
    Entry::imagenet("vgg19_bn", 224, vgg19_bn),
];

/// The names of all networks, sorted.
pub const NAMES: &[&str] = &names();

const fn names() -> [&'static str; NETWORKS.len()] {
    let mut names = [""; NETWORKS.len()];
    let mut index = 0;
    while index < names.len() {
        names[index] = NETWORKS[index].name;
        index += 1;
    }
    names
}

/// The network of this name, for images of `input` (channels, height, width) and so many `classes`; by default those
/// it was published for. In the name, case, `-` and `_` do not count.
///
/// # Errors
/// A name that is not among [`NAMES`], with those that look like it; the layer at which images of this size or so many
/// classes cannot be.
pub fn model(name: &str, input: Option<[i64; 3]>, classes: Option<i64>) -> Result<ModelSpec> {
    let asked = plain(name);
    let Some(network) = NETWORKS.iter().find(|network| plain(network.name) == asked) else {
        let near = did_you_mean(name, NAMES.iter().copied());
        return Err(ModelError::new(format!("there is no network `{name}` in the zoo{near}")).into());
    };
    (network.make)(input.unwrap_or(network.input), classes.unwrap_or(network.classes))
}

/// The model of `convscope train`, a small CNN for grey images: 98,810 parameters for images of 1x28x28 and 10 classes.
///
/// Source: [`ModelSpec::default_model`], which only takes images of 1x28x28.
///
/// # Errors
/// The layer at which images of this size or so many classes cannot be.
pub fn default(input: [i64; 3], classes: i64) -> Result<ModelSpec> {
    let spec = ModelSpec { input, ..ModelSpec::default_model(classes)? };
    spec.validate()?;
    Ok(spec)
}
