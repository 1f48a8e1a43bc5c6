//! Floor 5: a tch module built from a [`ModelSpec`], with every layer's output in sight.

mod init;
mod ops;
mod weights;

pub(crate) use self::ops::{MaxPooled, max_pool_with_indices};

use tch::{Tensor, nn};

use self::ops::Weights;
use crate::{
    arch::{ModelSpec, ResolvedLayer, ResolvedModel, Source},
    capture::{Activations, Role, Tap},
    error::{Error, Result},
};

/// A trainable network with the layers of a [`ModelSpec`].
///
/// Its parameters lie in the [`VarStore`](nn::VarStore) under PyTorch's state-dict names (`conv1.weight`,
/// `bn1.running_mean`, `layer1.0.conv1.weight`) and start as PyTorch's do: weights and biases of convolutions and
/// linear layers uniform in ±1/√fan_in, batch normalisation with weight 1 and bias 0.
///
/// ```
/// use convscope::{Network, arch::ModelSpec};
/// use tch::{Device, Kind, Tensor, nn};
///
/// let store = nn::VarStore::new(Device::Cpu);
/// let network = Network::new(&store.root(), &ModelSpec::default_model(10)?)?;
/// let images = Tensor::rand([2, 1, 28, 28], (Kind::Float, Device::Cpu));
///
/// assert_eq!(network.f_forward_t(&images, false)?.size(), [2, 10]);
/// let outputs = network.forward_observed(&images, false)?;
/// assert_eq!(outputs.get("pool1").map(|output| output.tensor.size()), Some(vec![2, 16, 14, 14]));
/// assert!(store.variables().contains_key("conv1.weight"));
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Debug)]
pub struct Network {
    spec: ModelSpec,
    model: ResolvedModel,
    nodes: Vec<Node>,
    tap: Tap,
}

/// What a layer needs at run time.
#[derive(Debug)]
struct Node {
    weights: Weights,
    role: Role,
    /// Whether the network's output depends on it; otherwise it feeds auxiliary outputs alone.
    feeds_output: bool,
    /// Outputs that no later layer reads.
    releases: Vec<usize>,
}

/// What is left of all layers' outputs: those that no layer reads.
struct Outputs(Vec<Option<Tensor>>);

impl Outputs {
    /// The network's own.
    fn output(mut self) -> Result<Tensor> {
        self.0.pop().flatten().ok_or_else(|| Error::invalid("network", "it has no layers"))
    }
}

impl Network {
    /// Builds the network and adds its parameters below `path`, on the path's device and in its kind. Running statistics
    /// are in single precision at first; `VarStore::set_kind` behind it converts them too.
    ///
    /// # Errors
    /// A spec that is not [valid](ModelSpec::validate); a variable of a parameter's name that is there already (build
    /// a second network in another store or under another path); too little memory.
    pub fn new(path: &nn::Path<'_>, spec: &ModelSpec) -> Result<Network> {
        let model = spec.resolve()?;
        for layer in &model.layers {
            init::check_free(path, layer)?;
        }
        Network::assemble(spec, model, |layer| init::weights(path, layer))
    }

    /// A network of `spec` with these tensors by name (`conv1.weight`), which it shares: for a second network with some of
    /// its weights changed. It lies in no store, draws no random number, and nothing trains it.
    ///
    /// # Errors
    /// A spec that is not [valid](ModelSpec::validate); a tensor that is missing, or of another shape.
    ///
    /// ```
    /// use convscope::{Network, arch::ModelSpec};
    /// use tch::{Device, Kind, Tensor, nn};
    ///
    /// let spec = ModelSpec::default_model(10)?;
    /// let store = nn::VarStore::new(Device::Cpu);
    /// let network = Network::new(&store.root(), &spec)?;
    /// let mut variables: Vec<(String, Tensor)> = store.variables().into_iter().collect();
    /// for (_, bias) in variables.iter_mut().filter(|(name, _)| name == "fc2.bias") {
    ///     *bias = &*bias + 1.0;
    /// }
    /// let changed = Network::with_variables(&spec, &variables)?;
    /// let images = Tensor::rand([2, 1, 28, 28], (Kind::Float, Device::Cpu));
    /// let difference = changed.f_forward_t(&images, false)? - network.f_forward_t(&images, false)?;
    /// assert!(difference.allclose(&difference.ones_like(), 1e-5, 1e-5, false));
    /// # Ok::<(), convscope::Error>(())
    /// ```
    pub fn with_variables(spec: &ModelSpec, variables: &[(String, Tensor)]) -> Result<Network> {
        let model = spec.resolve()?;
        Network::assemble(spec, model, |layer| weights::of_layer(layer, variables))
    }

    fn assemble(
        spec: &ModelSpec,
        model: ResolvedModel,
        weights: impl Fn(&ResolvedLayer) -> Result<Weights>,
    ) -> Result<Network> {
        let tap = Tap::new();
        let releases = releases(&model);
        let mut nodes = Vec::with_capacity(model.layers.len());
        for ((layer, releases), feeds_output) in model.layers.iter().zip(releases).zip(model.feeds_output()) {
            let role = layer.layer.role();
            // Makes the name known to the tap, so that no probe takes it.
            tap.probe_as(&layer.name, role)?;
            nodes.push(Node { weights: weights(layer)?, role, feeds_output, releases });
        }
        Ok(Network { spec: spec.clone(), model, nodes, tap })
    }

    /// What the network was built from.
    pub fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    /// The spec with its shapes and parameters worked out.
    pub fn model(&self) -> &ResolvedModel {
        &self.model
    }

    /// Through this tap goes every layer's output: a [`Capture`](crate::capture::Capture) of it sees the ordinary
    /// forward pass.
    pub fn tap(&self) -> &Tap {
        &self.tap
    }

    /// The output for `images` of shape `[N, C, H, W]`, with N of at least 1. With `train`, dropout drops and batch
    /// normalisation uses the batch's statistics and updates the running ones.
    ///
    /// No operation works in place. Outputs of layers are freed as soon as no later layer reads them, unless autograd
    /// or a capture holds them. Layers that feed [auxiliary](ModelSpec::auxiliary) outputs alone run with `train`, as in
    /// torchvision, and for a capture; otherwise they are left out.
    ///
    /// # Errors
    /// Images of another shape than the spec's; one value per channel in batch normalisation while training; what
    /// libtorch refuses, with the layer's name.
    pub fn f_forward_t(&self, images: &Tensor, train: bool) -> Result<Tensor> {
        let tap = self.armed_tap();
        self.forward_through(images, train, tap, train || tap.is_some())?.output()
    }

    /// The output for `images`, and name and output of every [auxiliary](ModelSpec::auxiliary) layer in the order
    /// stated. Otherwise like [`f_forward_t`](Network::f_forward_t).
    ///
    /// The loss of Inception v3 is that of its output plus 0.4 times that of its auxiliary one.
    ///
    /// # Errors
    /// As [`f_forward_t`](Network::f_forward_t).
    pub fn f_forward_auxiliary_t(
        &self,
        images: &Tensor,
        train: bool,
    ) -> Result<(Tensor, Vec<(String, Tensor)>)> {
        let mut outputs = self.forward_through(images, train, self.armed_tap(), true)?;
        let auxiliary = self.model.auxiliary.iter().map(|&place| (&self.model.layers[place].name, place));
        let auxiliary =
            auxiliary.filter_map(|(name, place)| Some((name.clone(), outputs.0[place].take()?))).collect();
        Ok((outputs.output()?, auxiliary))
    }

    /// The outputs of all layers for `images`, in the spec's order, the last one being the network's own.
    ///
    /// Otherwise like [`f_forward_t`](Network::f_forward_t), except that captures of [`tap`](Network::tap) see nothing
    /// of it.
    ///
    /// # Errors
    /// As [`f_forward_t`](Network::f_forward_t).
    pub fn forward_observed(&self, images: &Tensor, train: bool) -> Result<Activations> {
        let tap = Tap::new();
        let capture = tap.capture();
        drop(self.forward_through(images, train, Some(&tap), true)?);
        capture.finish()
    }

    fn armed_tap(&self) -> Option<&Tap> {
        self.tap.is_armed().then_some(&self.tap)
    }

    /// Runs all layers, or those that the network's output depends on.
    fn forward_through(&self, images: &Tensor, train: bool, tap: Option<&Tap>, all: bool) -> Result<Outputs> {
        self.check_images(images)?;
        let mut outputs: Vec<Option<Tensor>> = Vec::with_capacity(self.nodes.len());
        for (layer, node) in self.model.layers.iter().zip(&self.nodes) {
            let output = if all || node.feeds_output {
                let inputs: Vec<&Tensor> = layer
                    .inputs
                    .iter()
                    .filter_map(|source| match *source {
                        Source::Image => Some(images),
                        Source::Layer(place) => outputs[place].as_ref(),
                    })
                    .collect();
                let output = ops::forward(layer, &node.weights, &inputs, train)?;
                Some(match tap {
                    Some(tap) => tap.pass(&layer.name, node.role, output),
                    None => output,
                })
            } else {
                None
            };
            outputs.push(output);
            for &place in &node.releases {
                outputs[place] = None;
            }
        }
        Ok(Outputs(outputs))
    }

    fn check_images(&self, images: &Tensor) -> Result<()> {
        // tch panics when asked for the size of an undefined tensor.
        let size = if images.defined() { images.size() } else { Vec::new() };
        let [channels, height, width] = self.spec.input;
        if size.len() == 4 && size[0] > 0 && size[1..] == self.spec.input {
            return Ok(());
        }
        Err(Error::invalid(
            format!("input of network `{}`", self.spec.name),
            format!("found shape {size:?}, expected [N, {channels}, {height}, {width}] with N of at least 1"),
        ))
    }
}

impl nn::ModuleT for Network {
    /// # Panics
    /// Where [`f_forward_t`](Network::f_forward_t) returns an error: tch's trait has no `Result`.
    #[allow(clippy::panic)]
    fn forward_t(&self, images: &Tensor, train: bool) -> Tensor {
        self.f_forward_t(images, train).unwrap_or_else(|error| panic!("{error}"))
    }
}

/// For every layer, whose outputs can be freed after it: those that it reads last.
fn releases(model: &ResolvedModel) -> Vec<Vec<usize>> {
    let mut last_reader: Vec<Option<usize>> = vec![None; model.layers.len()];
    for (reader, ResolvedLayer { inputs, .. }) in model.layers.iter().enumerate() {
        for source in inputs {
            if let Source::Layer(place) = *source {
                last_reader[place] = Some(reader);
            }
        }
    }
    let mut releases = vec![Vec::new(); model.layers.len()];
    for (place, reader) in last_reader.into_iter().enumerate() {
        if let Some(reader) = reader {
            releases[reader].push(place);
        }
    }
    releases
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::Layer;

    #[test]
    fn an_output_is_freed_after_its_last_reader() {
        let spec = ModelSpec::builder("m", [2, 4, 4])
            .layer("a", Layer::Relu) // read by b and d
            .layer("b", Layer::Relu) // read by c
            .layer("c", Layer::Relu) // read by d, twice
            .layer_from("d", ["c", "a", "c"], Layer::Add)
            .layer_from("e", ["d", "input"], Layer::Concat)
            .build()
            .unwrap();
        let expected: [&[usize]; 5] = [&[], &[], &[1], &[0, 2], &[3]];
        assert_eq!(releases(&spec.resolve().unwrap()), expected);
    }
}
