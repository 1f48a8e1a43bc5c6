//! A model as its author writes it.

use std::{collections::HashSet, fs, io::Read as _, path::Path};

use super::{
    builder::ModelBuilder,
    error::ModelError,
    layer::Layer,
    receptive_field::ReceptiveFields,
    resolve::{self, ResolvedModel},
    shape::Shape,
    toml,
};
use crate::error::{Error, Result};

/// A named graph of layers. See the [module](super) for the file format.
///
/// The fields are free to change; whether they still make a model is said by [`validate`](ModelSpec::validate).
/// Everything made from a spec validates it first.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelSpec {
    /// The model's name.
    pub name: String,
    /// Channels, height and width of one image.
    pub input: [i64; 3],
    /// Layers whose output no layer reads but training uses, like the classifier in the middle of Inception v3. The
    /// layers that feed nothing else only run while training. Default none.
    pub auxiliary: Vec<String>,
    /// The layers. The last one's output is the model's.
    pub layers: Vec<LayerSpec>,
}

/// One layer of a [`ModelSpec`].
#[derive(Debug, Clone, PartialEq)]
pub struct LayerSpec {
    /// At most 256 letters, digits, `_` and `-`, in parts joined by `.`: the prefix of its parameters' names.
    pub name: String,
    /// Names of layers above, or `input` for the image. Empty: the layer above, and for the first layer the image.
    pub inputs: Vec<String>,
    /// What it does.
    pub layer: Layer,
}

impl ModelSpec {
    /// The name under which `inputs` find the image.
    pub const IMAGE: &str = "input";

    /// Starts a model in code. See [`ModelBuilder`].
    pub fn builder(name: impl Into<String>, input: [i64; 3]) -> ModelBuilder {
        ModelBuilder::new(name.into(), input)
    }

    /// Reads a model. The text is that of a file as described in the [module](super).
    ///
    /// # Errors
    /// Line, layer, field, what was found and what was expected; unknown fields and types are refused, and texts of
    /// more than 1 MiB.
    pub fn from_toml(text: &str) -> Result<ModelSpec> {
        toml::read(text).map_err(Error::from)
    }

    /// Reads a file.
    ///
    /// # Errors
    /// As [`from_toml`](ModelSpec::from_toml), with the file's name; and that the file cannot be read.
    pub fn load(path: impl AsRef<Path>) -> Result<ModelSpec> {
        ModelSpec::load_with(path, |_| Ok(()))
    }

    /// Reads a file and validates what `change` has made of it, so that a model that is wrong as it is written can be
    /// put right: one for larger images than the file states, say.
    ///
    /// ```
    /// use convscope::arch::ModelSpec;
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("net.toml");
    /// let text = "name = 'net'\ninput = [1, 4, 4]\n[[layer]]\nname = 'pool'\ntype = 'max_pool2d'\nkernel_size = 8";
    /// std::fs::write(&path, text)?;
    /// assert!(ModelSpec::load(&path).is_err());
    /// let spec = ModelSpec::load_with(&path, |spec| -> convscope::Result<()> {
    ///     spec.input = [1, 32, 32];
    ///     Ok(())
    /// })?;
    /// assert_eq!(spec.resolve()?.output_shape().dims(), [1, 4, 4]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`load`](ModelSpec::load), with the line of the file also for what is wrong after the change; and those of
    /// `change`.
    pub fn load_with<E: From<Error>>(
        path: impl AsRef<Path>,
        change: impl FnOnce(&mut ModelSpec) -> Result<(), E>,
    ) -> Result<ModelSpec, E> {
        let path = path.as_ref();
        let mut text = String::new();
        fs::File::open(path)
            // A byte more than is read, so that a longer file is refused as such.
            .and_then(|file| file.take(toml::MOST_BYTES as u64 + 1).read_to_string(&mut text))
            .map_err(|error| Error::io("read the model", path, error))?;
        let in_file = |error| Error::from(ModelError { path: Some(path.to_owned()), ..error });
        let document = toml::Document::parse(&text).map_err(in_file)?;
        let mut spec = document.spec().map_err(in_file)?;
        change(&mut spec)?;
        document.check(&spec).map_err(in_file)?;
        Ok(spec)
    }

    /// The model as a file that [`from_toml`](ModelSpec::from_toml) reads back to an equal one. Fields that have their
    /// default are left out.
    pub fn to_toml(&self) -> String {
        toml::write(self)
    }

    /// The model of `convscope train`: a small CNN for grey images of 28x28 pixels, with `classes` outputs.
    ///
    /// ```
    /// use convscope::arch::ModelSpec;
    ///
    /// let spec = ModelSpec::default_model(10)?;
    /// assert_eq!(spec.input, [1, 28, 28]);
    /// assert_eq!(spec.resolve()?.output_shape().dims(), [10]);
    /// # Ok::<(), convscope::Error>(())
    /// ```
    ///
    /// # Errors
    /// If there is not at least one class.
    pub fn default_model(classes: i64) -> Result<ModelSpec> {
        let mut spec = ModelSpec::from_toml(include_str!("default.toml"))?;
        if let Some(LayerSpec { layer: Layer::Linear(linear), .. }) = spec.layers.last_mut() {
            linear.out_features = classes;
        }
        spec.validate()?;
        Ok(spec)
    }

    /// The model without its [`auxiliary`](ModelSpec::auxiliary) outputs and the layers that feed nothing else.
    ///
    /// ```
    /// use convscope::arch::{Layer, ModelSpec};
    ///
    /// let spec = ModelSpec::builder("m", [1, 4, 4])
    ///     .layer("a", Layer::Relu)
    ///     .layer("aux.pool", Layer::GlobalAvgPool)
    ///     .layer("aux.out", Layer::Tanh)
    ///     .layer_from("b", ["a"], Layer::Relu)
    ///     .auxiliary("aux.out")
    ///     .build()?;
    /// let names: Vec<String> = spec.without_auxiliary().layers.into_iter().map(|layer| layer.name).collect();
    /// assert_eq!(names, ["a", "b"]);
    /// # Ok::<(), convscope::Error>(())
    /// ```
    #[must_use]
    pub fn without_auxiliary(&self) -> ModelSpec {
        let auxiliary: HashSet<&str> = self.auxiliary.iter().map(String::as_str).collect();
        // Names of layers that a kept one reads, and of those that a dropped one reads.
        let (mut needed, mut spared) = (HashSet::new(), HashSet::new());
        let mut layers = Vec::with_capacity(self.layers.len());
        for (index, spec) in self.layers.iter().enumerate().rev() {
            let name = spec.name.as_str();
            let dropped = !needed.contains(name) && (auxiliary.contains(name) || spared.contains(name));
            let reads = if dropped { &mut spared } else { &mut needed };
            if spec.inputs.is_empty() {
                reads.extend(index.checked_sub(1).map(|above| self.layers[above].name.as_str()));
            } else {
                reads.extend(spec.inputs.iter().map(String::as_str));
            }
            if !dropped {
                layers.push(spec.clone());
            }
        }
        layers.reverse();
        ModelSpec { name: self.name.clone(), input: self.input, auxiliary: Vec::new(), layers }
    }

    /// Checks that the layers fit together.
    ///
    /// # Errors
    /// The first thing wrong: an unknown or later input, a name that is taken, shapes that cannot be joined or a kernel
    /// larger than its input (with the smallest image that works, where one does), an argument out of range, a layer that
    /// nothing reads, an auxiliary output that is none.
    pub fn validate(&self) -> Result<()> {
        self.resolve().map(drop)
    }

    /// The graph behind the names, with all shapes and parameters.
    ///
    /// # Errors
    /// As [`validate`](ModelSpec::validate).
    pub fn resolve(&self) -> Result<ResolvedModel> {
        resolve::resolve(self).map_err(|defect| Error::from(*defect.error))
    }

    /// Name and output shape of every layer, without the batch dimension.
    ///
    /// # Errors
    /// As [`validate`](ModelSpec::validate).
    pub fn output_shapes(&self) -> Result<Vec<(String, Shape)>> {
        let model = self.resolve()?;
        Ok(model.layers.into_iter().map(|layer| (layer.name, layer.output_shape)).collect())
    }

    /// Name and number of trainable values of every layer.
    ///
    /// # Errors
    /// As [`validate`](ModelSpec::validate).
    pub fn param_counts(&self) -> Result<Vec<(String, i64)>> {
        let model = self.resolve()?;
        Ok(model
            .layers
            .into_iter()
            .map(|layer| {
                let count = layer.param_count();
                (layer.name, count)
            })
            .collect())
    }

    /// Number of trainable values, as PyTorch counts them: the running statistics of batch normalisation are not
    /// among them.
    ///
    /// # Errors
    /// As [`validate`](ModelSpec::validate).
    pub fn param_count(&self) -> Result<i64> {
        Ok(self.resolve()?.param_count())
    }

    /// Which pixels of the image every layer's units see.
    ///
    /// # Errors
    /// As [`validate`](ModelSpec::validate) and [`ReceptiveFields::of`].
    pub fn receptive_fields(&self) -> Result<ReceptiveFields> {
        ReceptiveFields::of(&self.resolve()?)
    }
}
