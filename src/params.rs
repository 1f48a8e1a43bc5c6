//! Floor 5: the parameters of a model by name, sorted and filtered.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::Arc,
};

use tch::{Tensor, nn};

use crate::summary::{layer_and_part, layer_tag};

/// Which names are meant: all, those below some prefixes, or those that a function picks.
///
/// A prefix stands for whole parts of a name: `conv1` means `conv1`, `conv1.weight` and `conv1/weight`, and neither
/// `conv10.weight` nor `block.conv1.weight`.
///
/// ```
/// use convscope::params::Filter;
///
/// let filter = Filter::prefixes(["conv1", "head.fc"]);
/// assert!(filter.matches("conv1.weight"));
/// assert!(!filter.matches("conv10.weight"));
/// assert!(Filter::by(|name| name.ends_with(".bias")).matches("fc.bias"));
/// ```
#[derive(Clone, Default)]
pub struct Filter(Pick);

type Predicate = dyn Fn(&str) -> bool + Send + Sync;

#[derive(Clone, Default)]
enum Pick {
    #[default]
    All,
    Prefixes(Arc<[String]>),
    By(Arc<Predicate>),
}

impl Filter {
    /// Every name. The default.
    pub fn all() -> Filter {
        Filter(Pick::All)
    }

    /// Names that are one of `prefixes` or lie below one, parts being separated by `.` or `/`. An empty list means
    /// no name; an empty prefix means every name.
    pub fn prefixes<S: Into<String>>(prefixes: impl IntoIterator<Item = S>) -> Filter {
        Filter(Pick::Prefixes(prefixes.into_iter().map(Into::into).collect()))
    }

    /// Names for which `pick` is true.
    pub fn by(pick: impl Fn(&str) -> bool + Send + Sync + 'static) -> Filter {
        Filter(Pick::By(Arc::new(pick)))
    }

    /// Whether `name` is meant.
    pub fn matches(&self, name: &str) -> bool {
        match &self.0 {
            Pick::All => true,
            Pick::Prefixes(prefixes) => prefixes.iter().any(|prefix| lies_below(name, prefix)),
            Pick::By(pick) => pick(name),
        }
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Pick::All => f.write_str("Filter::all()"),
            Pick::Prefixes(prefixes) => write!(f, "Filter::prefixes({prefixes:?})"),
            Pick::By(_) => f.write_str("Filter::by(_)"),
        }
    }
}

fn lies_below(name: &str, prefix: &str) -> bool {
    let Some(rest) = name.strip_prefix(prefix) else { return false };
    rest.is_empty() || prefix.is_empty() || prefix.ends_with(['.', '/']) || rest.starts_with(['.', '/'])
}

/// One parameter. The tensor is the parameter itself, not a copy.
#[derive(Debug)]
pub struct Param {
    name: String,
    tensor: Tensor,
}

impl Param {
    /// Its path in the `VarStore`, such as `conv1.weight`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The layer that it belongs to: its path without the last part, such as `conv1`.
    pub fn layer(&self) -> &str {
        layer_and_part(&self.name).0
    }

    /// The name as part of a tag: `conv1/weight`. TensorBoard groups by what stands before `/`.
    pub fn tag(&self) -> String {
        layer_tag(&self.name)
    }

    /// The parameter. Do not change it in place.
    pub fn tensor(&self) -> &Tensor {
        &self.tensor
    }

    /// Its gradient, as the last backward pass left it. `None` where there is none: before the first backward pass,
    /// or for a parameter that the loss does not depend on.
    pub fn grad(&self) -> Option<Tensor> {
        self.tensor.f_grad().ok().filter(Tensor::defined)
    }

    /// Whether it is the kernel of a two-dimensional convolution: four dimensions, `[out, in / groups, height, width]`.
    pub fn is_conv_kernel(&self) -> bool {
        self.tensor.dim() == 4
    }
}

/// Parameters of a model, sorted by name, so that two runs write the same tags in the same order.
///
/// ```
/// use convscope::params::{Filter, Params};
/// use tch::{Device, nn};
///
/// let store = nn::VarStore::new(Device::Cpu);
/// let root = store.root();
/// nn::conv2d(&root / "conv1", 1, 8, 3, Default::default());
/// nn::batch_norm2d(&root / "bn1", 8, Default::default());
///
/// let params = Params::trainable(&store);
/// let names: Vec<&str> = params.iter().map(|param| param.name()).collect();
/// assert_eq!(names, ["bn1.bias", "bn1.weight", "conv1.bias", "conv1.weight"]);
/// assert_eq!(params.without_gradient().len(), 4);
/// assert_eq!(params.matching(&Filter::prefixes(["conv1"])).len(), 2);
/// ```
#[derive(Debug, Default)]
pub struct Params(Vec<Param>);

impl Params {
    /// All variables: also frozen parameters and the running statistics of BatchNorm.
    pub fn all(store: &nn::VarStore) -> Params {
        let variables = store.variables().into_iter();
        let mut params: Vec<Param> = variables.map(|(name, tensor)| Param { name, tensor }).collect();
        params.sort_by(|a, b| a.name.cmp(&b.name));
        Params(params)
    }

    /// The parameters that training changes: those that ask for a gradient. Running statistics of BatchNorm and frozen
    /// parameters are not among them.
    pub fn trainable(store: &nn::VarStore) -> Params {
        let mut params = Params::all(store);
        params.0.retain(|param| param.tensor.requires_grad());
        params
    }

    /// Those whose names `filter` means.
    #[must_use]
    pub fn matching(mut self, filter: &Filter) -> Params {
        self.0.retain(|param| filter.matches(&param.name));
        self
    }

    /// Keeps those for which `keep` is true.
    pub(crate) fn retain(&mut self, keep: impl FnMut(&Param) -> bool) {
        self.0.retain(keep);
    }

    /// Layer by layer, in the order in which `store` got them, which is that of depth for most models. What was never
    /// trainable, such as running statistics, stands behind the other parameters of its layer, by name.
    pub(crate) fn in_order(&self, store: &nn::VarStore) -> Vec<&Param> {
        let made: HashMap<usize, usize> =
            (0..).zip(store.trainable_variables()).map(|(place, tensor)| (address(&tensor), place)).collect();
        let place = |param: &Param| made.get(&address(&param.tensor)).copied().unwrap_or(usize::MAX);
        let mut layers = BTreeMap::<&str, usize>::new();
        for param in self {
            let place = place(param);
            layers.entry(param.layer()).and_modify(|first| *first = place.min(*first)).or_insert(place);
        }
        // Sorted by name already, which decides where the places do not.
        let mut params: Vec<&Param> = self.iter().collect();
        params.sort_by_key(|param| {
            let layer = param.layer();
            (layers.get(layer).copied(), layer, place(param))
        });
        params
    }

    /// All of them, sorted by name.
    pub fn iter(&self) -> std::slice::Iter<'_, Param> {
        self.0.iter()
    }

    /// The parameter `name`, such as `conv1.weight`.
    pub fn get(&self, name: &str) -> Option<&Param> {
        let at = self.0.binary_search_by(|param| param.name.as_str().cmp(name)).ok()?;
        self.0.get(at)
    }

    /// How many parameters (tensors) there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many numbers they hold together.
    pub fn value_count(&self) -> usize {
        self.iter().map(|param| param.tensor.numel()).sum()
    }

    /// Names of those without a gradient at this moment, sorted. After a backward pass: what the loss does not reach.
    pub fn without_gradient(&self) -> Vec<&str> {
        self.iter().filter(|param| param.grad().is_none()).map(Param::name).collect()
    }
}

/// Two handles of one tensor have the same.
fn address(tensor: &Tensor) -> usize {
    tensor.data_ptr() as usize
}

impl<'a> IntoIterator for &'a Params {
    type Item = &'a Param;
    type IntoIter = std::slice::Iter<'a, Param>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
