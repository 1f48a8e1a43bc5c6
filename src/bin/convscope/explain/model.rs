//! The model that is explained, from its checkpoint.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use convscope::{
    ModelCard, Network,
    arch::{Layer, ModelSpec},
    data::Preprocessing,
    params::Filter,
};
use tch::{Device, nn};

use super::flags::Classes;
use crate::{
    model::ModelSource,
    terminal::{complain, with_causes},
    train::describe::{self, Described},
};

/// A model with its values.
pub struct Model {
    pub spec: ModelSpec,
    pub network: Network,
    pub store: nn::VarStore,
    /// What the checkpoint says of itself, with what the user said instead.
    pub card: ModelCard,
    /// Numbers that it puts out.
    pub outputs: i64,
    /// The file beside the checkpoint that said what the checkpoint itself does not.
    pub described: Option<PathBuf>,
}

/// The architecture is that of `source`, or of the checkpoint itself.
pub fn load(
    checkpoint: &Path,
    source: Option<&ModelSource>,
    input: Option<[i64; 3]>,
    classes: Option<&Classes>,
    device: Device,
) -> anyhow::Result<Model> {
    let mut card = ModelCard::read(checkpoint)?.unwrap_or_default();
    let beside = match &card.preprocessing {
        Some(_) => None,
        None => describe::read_beside(checkpoint).unwrap_or_else(|error| {
            complain(&format!("warning: {} is not used", with_causes(&error)));
            None
        }),
    };
    let classes = classes.map(Classes::load).transpose()?;
    let stated = architecture(checkpoint, source, input, classes.as_ref().map(|(count, _)| *count), &card)?;
    let spec = stated.without_auxiliary();
    let stays = |name: &str| spec.layers.iter().any(|layer| layer.name == name);
    let left_out: Vec<String> =
        stated.layers.into_iter().map(|layer| layer.name).filter(|name| !stays(name)).collect();

    let output = spec.resolve()?.output_shape().dims();
    let &[outputs] = output.as_slice() else {
        bail!("the model puts out {output:?} for an image; one number for each class is expected");
    };
    if let Some((_, names)) = classes {
        card.classes = names;
    }
    ensure!(
        card.classes.is_empty() || card.classes.len() as i64 == outputs,
        "{} names of classes found; the model puts out {outputs} numbers",
        card.classes.len()
    );
    if let Some(last) = spec.layers.last()
        && matches!(last.layer, Layer::Softmax)
    {
        bail!("layer `{}`: explanations are of logits: end with the layer before it", last.name);
    }

    let described = beside.and_then(|beside| describe(&mut card, beside, &spec, outputs));
    tch::manual_seed(0); // the values that are replaced by those of the file
    let store = nn::VarStore::new(device);
    let network = Network::new(&store.root(), &spec)?;
    let left_out = Filter::prefixes(left_out);
    network
        .load_safetensors_matching(checkpoint, &Filter::by(move |name| !left_out.matches(name)))
        .with_context(|| match source {
            Some(source) => format!("--model {source} does not fit the checkpoint"),
            None => "the checkpoint does not fit its own architecture".to_owned(),
        })?;
    Ok(Model { spec, network, store, card, outputs, described })
}

/// Takes over what stands beside the checkpoint, if it is about this model.
fn describe(card: &mut ModelCard, beside: Described, spec: &ModelSpec, outputs: i64) -> Option<PathBuf> {
    let Described { path, classes, normalization } = beside;
    if i64::try_from(normalization.mean.len()) != Ok(spec.input[0]) || classes.len() as i64 != outputs {
        complain(&format!(
            "warning: {} is not used: it is about {} channels and {} classes; the model takes {} and puts out {outputs}",
            path.display(),
            normalization.mean.len(),
            classes.len(),
            spec.input[0]
        ));
        return None;
    }
    card.preprocessing = Preprocessing::for_input(spec.input, normalization).ok();
    if card.classes.is_empty() {
        card.classes = classes;
    }
    Some(path)
}

fn architecture(
    checkpoint: &Path,
    source: Option<&ModelSource>,
    input: Option<[i64; 3]>,
    classes: Option<i64>,
    card: &ModelCard,
) -> anyhow::Result<ModelSpec> {
    let Some(source) = source else {
        let Some(mut spec) = card.model.clone() else {
            bail!(
                "{}: the file does not say its architecture: give --model NAME|FILE.toml, and --input and --classes where \
                 they are not the model's own",
                checkpoint.display()
            );
        };
        ensure!(
            classes.is_none_or(|classes| card.classes.is_empty() || classes == card.classes.len() as i64),
            "--classes: the checkpoint has {} classes",
            card.classes.len()
        );
        spec.input = input.unwrap_or(spec.input);
        return Ok(spec);
    };
    let trained = card.model.as_ref();
    match source {
        ModelSource::Zoo(_) => {
            let known = Some(card.classes.len() as i64).filter(|count| *count > 0);
            source.load(input.or(trained.map(|spec| spec.input)), classes.or(known))
        }
        ModelSource::File(_) => source.load(input, classes),
    }
}
