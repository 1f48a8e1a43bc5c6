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

/// A network of the zoo, with the images and classes it was published for.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Network {
    /// Its name.
    pub name: &'static str,
    /// Channels, height and width of an image.
    pub input: [i64; 3],
    /// Number of classes.
    pub classes: i64,
    /// Authors, year and place of the paper. `None` of `default`, which is this crate's own.
    pub paper: Option<&'static str>,
    make: fn([i64; 3], i64) -> Result<ModelSpec>,
}

impl Network {
    /// Trained on ImageNet's 1000 classes.
    const fn imagenet(
        name: &'static str,
        size: i64,
        paper: &'static str,
        make: fn([i64; 3], i64) -> Result<ModelSpec>,
    ) -> Network {
        Network { name, input: [3, size, size], classes: 1000, paper: Some(paper), make }
    }
}

const ALEXNET: &str = "Krizhevsky 2014, arXiv:1404.5997";
const RESNET: &str = "He et al. 2016, arXiv:1512.03385";
const VGG: &str = "Simonyan and Zisserman 2015, arXiv:1409.1556";

/// All networks, by name.
const NETWORKS: &[Network] = &[
    Network::imagenet("alexnet", 224, ALEXNET, alexnet),
    Network::imagenet("alexnet_v2", 224, ALEXNET, alexnet_v2),
    Network { name: "default", input: [1, 28, 28], classes: 10, paper: None, make: default },
    Network::imagenet("densenet121", 224, "Huang et al. 2017, arXiv:1608.06993", densenet121),
    Network {
        name: "dilated_context",
        input: [21, 64, 64],
        classes: 21,
        paper: Some("Yu and Koltun 2016, arXiv:1511.07122"),
        make: dilated_context,
    },
    Network::imagenet("inception_v3", 299, "Szegedy et al. 2016, arXiv:1512.00567", inception_v3),
    Network {
        name: "lenet5",
        input: [1, 32, 32],
        classes: 10,
        paper: Some("LeCun et al. 1998, Proc. IEEE 86(11)"),
        make: lenet5,
    },
    Network::imagenet("mobilenet_v1", 224, "Howard et al. 2017, arXiv:1704.04861", mobilenet_v1),
    Network::imagenet("mobilenet_v2", 224, "Sandler et al. 2018, arXiv:1801.04381", mobilenet_v2),
    Network::imagenet("resnet101", 224, RESNET, resnet101),
    Network::imagenet("resnet101_v1", 224, RESNET, resnet101_v1),
    Network::imagenet("resnet152", 224, RESNET, resnet152),
    Network::imagenet("resnet152_v1", 224, RESNET, resnet152_v1),
    Network::imagenet("resnet18", 224, RESNET, resnet18),
    Network::imagenet("resnet34", 224, RESNET, resnet34),
    Network::imagenet("resnet50", 224, RESNET, resnet50),
    Network::imagenet("resnet50_v1", 224, RESNET, resnet50_v1),
    Network::imagenet("squeezenet1_1", 224, "Iandola et al. 2016, arXiv:1602.07360", squeezenet1_1),
    Network::imagenet("vgg11", 224, VGG, vgg11),
    Network::imagenet("vgg11_bn", 224, VGG, vgg11_bn),
    Network::imagenet("vgg13", 224, VGG, vgg13),
    Network::imagenet("vgg13_bn", 224, VGG, vgg13_bn),
    Network::imagenet("vgg16", 224, VGG, vgg16),
    Network::imagenet("vgg16_bn", 224, VGG, vgg16_bn),
    Network::imagenet("vgg19", 224, VGG, vgg19),
    Network::imagenet("vgg19_bn", 224, VGG, vgg19_bn),
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

/// All networks, sorted by name.
///
/// ```
/// use convscope::arch::zoo;
///
/// let vgg = zoo::networks().find(|network| network.name == "vgg16").expect("in the zoo");
/// assert_eq!((vgg.input, vgg.classes), ([3, 224, 224], 1000));
/// assert_eq!(vgg.paper, Some("Simonyan and Zisserman 2015, arXiv:1409.1556"));
/// ```
pub fn networks() -> impl Iterator<Item = &'static Network> {
    NETWORKS.iter()
}

/// The network of this name, in which case, `-` and `_` do not count.
pub fn network(name: &str) -> Option<&'static Network> {
    let asked = plain(name);
    networks().find(|network| plain(network.name) == asked)
}

/// The network of this name, for images of `input` (channels, height, width) and so many `classes`; by default those
/// it was published for. In the name, case, `-` and `_` do not count.
///
/// # Errors
/// A name that is not among [`NAMES`], with those that look like it; the layer at which images of this size or so many
/// classes cannot be.
pub fn model(name: &str, input: Option<[i64; 3]>, classes: Option<i64>) -> Result<ModelSpec> {
    let Some(network) = network(name) else {
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
