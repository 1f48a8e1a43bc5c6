//! Weights from files and into files.

use std::path::Path;

use tch::Tensor;

use super::{Network, ops::Weights};
use crate::{
    arch::ResolvedLayer,
    error::{Error, Result},
    params::Filter,
    weights,
};

/// The tensors of a layer among those of a model.
pub(super) fn of_layer(layer: &ResolvedLayer, variables: &[(String, Tensor)]) -> Result<Weights> {
    let mut weights = Weights::default();
    for param in &layer.params {
        let name = format!("{}.{}", layer.name, param.name);
        match variables.iter().find(|(known, _)| *known == name) {
            Some((_, tensor)) if tensor.size() == param.dims => {
                weights.set(param.name, tensor.shallow_clone());
            }
            found => {
                let found =
                    found.map_or("no tensor".to_owned(), |(_, tensor)| format!("shape {:?}", tensor.size()));
                let why = format!("{found} found for `{name}`; a tensor of shape {:?} expected", param.dims);
                return Err(Error::invalid(format!("layer `{}`", layer.name), why));
            }
        }
    }
    Ok(weights)
}

impl Network {
    /// Sets all parameters and running statistics to those of a safetensors file, such as a state dict exported from
    /// torchvision:
    ///
    /// ```python
    /// from safetensors.torch import save_file
    /// save_file(torchvision.models.resnet18(weights="DEFAULT").state_dict(), "resnet18.safetensors")
    /// ```
    ///
    /// Names are those of the layers (`layer1.0.conv1.weight`), wherever in its store the network lies. Values of 16, 32
    /// or 64 bits become the parameters' kind, on the parameters' device; what trains goes on training.
    /// `num_batches_tracked` of BatchNorm is passed over. At its peak this takes memory for all tensors once more, and for
    /// the largest twice.
    ///
    /// A whole network is loaded, heads that serve training alone included; see
    /// [`load_safetensors_matching`](Network::load_safetensors_matching) for a part. torchvision's `inception_v3` with
    /// `weights=...` also rescales its input (`transform_input`), which is no layer.
    ///
    /// ```
    /// use convscope::{Network, arch::ModelSpec};
    /// use tch::{Device, Kind, Tensor, nn};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("weights.safetensors");
    /// let spec = ModelSpec::default_model(10)?;
    /// let [one, other] = [(); 2].map(|()| nn::VarStore::new(Device::Cpu));
    /// let trained = Network::new(&one.root(), &spec)?;
    /// trained.save_safetensors(&path)?;
    ///
    /// let network = Network::new(&other.root(), &spec)?;
    /// network.load_safetensors(&path)?;
    /// let images = Tensor::rand([2, 1, 28, 28], (Kind::Float, Device::Cpu));
    /// assert_eq!(network.f_forward_t(&images, false)?, trained.f_forward_t(&images, false)?);
    ///
    /// let more_classes = Network::new(&other.root().sub("other"), &ModelSpec::default_model(100)?)?;
    /// let error = more_classes.load_safetensors(&path).unwrap_err().to_string();
    /// assert!(error.contains("`fc2.bias` [10] in the file and [100] in the model"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A file that is missing, damaged, cut off or in another format, and one that does not fit: every tensor that is
    /// missing, too many, of another shape or of a kind that cannot be converted, all in one error, which lists up to
    /// 1000 of each sort by name and counts the rest. Then nothing was changed.
    pub fn load_safetensors(&self, path: impl AsRef<Path>) -> Result<()> {
        self.load_safetensors_matching(path, &Filter::all())
    }

    /// Like [`load_safetensors`](Network::load_safetensors), but only tensors whose names `filter` means, in the network
    /// and in the file; the others stay as they are. For a trained network with another number of classes, say
    /// `Filter::by(|name| !name.starts_with("fc."))`.
    ///
    /// # Errors
    /// As [`load_safetensors`](Network::load_safetensors), about these tensors.
    pub fn load_safetensors_matching(&self, path: impl AsRef<Path>, filter: &Filter) -> Result<()> {
        weights::load(&format!("network `{}`", self.spec.name), &self.variables(), path.as_ref(), filter)
    }

    /// Writes all parameters and running statistics to a safetensors file, under the names that PyTorch's
    /// `load_state_dict(safetensors.torch.load_file(path))` expects: a whole new file, or none.
    ///
    /// # Errors
    /// A file that cannot be written (the one there before stays as it was), a tensor that cannot be copied.
    pub fn save_safetensors(&self, path: impl AsRef<Path>) -> Result<()> {
        weights::save(self.variables(), None, path.as_ref())
    }

    /// The network's tensors by name, in the order of its layers; not copies.
    fn variables(&self) -> Vec<(String, Tensor)> {
        let layers = self.model.layers.iter().zip(&self.nodes);
        layers
            .flat_map(|(layer, node)| {
                let tensors =
                    layer.params.iter().filter_map(|param| Some((param.name, node.weights.get(param.name)?)));
                tensors.map(|(name, tensor)| (format!("{}.{name}", layer.name), tensor.shallow_clone()))
            })
            .collect()
    }
}
