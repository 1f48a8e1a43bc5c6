//! From names to a graph: who feeds whom, with every shape and parameter worked out.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
};

use super::{
    error::ModelError,
    layer::Layer,
    nearby::did_you_mean,
    params::{self, ParamSpec},
    shape::Shape,
    shapes::{self, Fault, Misfit},
    smallest_input,
    spec::{LayerSpec, ModelSpec},
    window::Window,
};

/// Where an input of a layer comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// The image.
    Image,
    /// The output of the layer at this place in [`ResolvedModel::layers`].
    Layer(usize),
}

/// A layer with its place in the graph.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ResolvedLayer {
    /// Its name.
    pub name: String,
    /// What it does.
    pub layer: Layer,
    /// What it reads, in the order stated.
    pub inputs: Vec<Source>,
    /// The shapes of what it reads.
    pub input_shapes: Vec<Shape>,
    /// The shape of what it puts out.
    pub output_shape: Shape,
    /// Its tensors, in PyTorch's order.
    pub params: Vec<ParamSpec>,
    /// Its sliding window, if it has one.
    pub window: Option<Window>,
}

impl ResolvedLayer {
    /// Number of trainable values. Those of a resolved model never overflow here; others saturate.
    pub fn param_count(&self) -> i64 {
        self.checked_param_count().unwrap_or(i64::MAX)
    }

    /// Multiplications with weights for one image, each with an addition, if an `i64` can hold their number: every weight
    /// of a convolution is used once at each place of the output, that of a linear layer once. Other layers have none.
    pub fn multiply_adds(&self) -> Option<i64> {
        let places = match (self.layer, self.output_shape.size()) {
            (Layer::Conv2d(_), Some([height, width])) => height.checked_mul(width)?,
            (Layer::Linear(_), _) => 1,
            _ => return Some(0),
        };
        let mut weights = self.params.iter().filter(|param| param.name == "weight");
        weights.try_fold(0_i64, |sum, weight| sum.checked_add(weight.checked_len()?.checked_mul(places)?))
    }

    /// Number of trainable values, if an `i64` can hold it.
    fn checked_param_count(&self) -> Option<i64> {
        let mut trainable = self.params.iter().filter(|param| param.trainable);
        trainable.try_fold(0_i64, |sum, param| sum.checked_add(param.checked_len()?))
    }
}

/// A model that was found to be whole: made by [`ModelSpec::resolve`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ResolvedModel {
    /// The shape of one image.
    pub image: Shape,
    /// The layers. Each comes after those that it reads; the last one is the model's output.
    pub layers: Vec<ResolvedLayer>,
    /// Places of the [auxiliary](ModelSpec::auxiliary) outputs, in the order stated.
    pub auxiliary: Vec<usize>,
}

impl ResolvedModel {
    /// The shape of what the model puts out for one image.
    pub fn output_shape(&self) -> Shape {
        self.layers.last().map_or(self.image, |layer| layer.output_shape)
    }

    /// The name of what a layer reads: that of a layer, or [`ModelSpec::IMAGE`].
    pub fn source_name(&self, source: Source) -> &str {
        match source {
            Source::Image => ModelSpec::IMAGE,
            Source::Layer(place) => self.layers.get(place).map_or("", |layer| &layer.name),
        }
    }

    /// For every layer, whether the one at `place` depends on it. A layer depends on itself.
    pub fn ancestors(&self, place: usize) -> Vec<bool> {
        let mut found = vec![false; self.layers.len()];
        if let Some(start) = found.get_mut(place) {
            *start = true;
        }
        for (index, layer) in self.layers.iter().enumerate().rev().filter(|(index, _)| *index <= place) {
            for source in &layer.inputs {
                if let Source::Layer(input) = *source {
                    found[input] |= found[index];
                }
            }
        }
        found
    }

    /// For every layer, whether the model's output depends on it. The others feed auxiliary outputs alone.
    pub fn feeds_output(&self) -> Vec<bool> {
        self.ancestors(self.layers.len().saturating_sub(1))
    }

    /// Number of trainable values. Running statistics are not among them.
    pub fn param_count(&self) -> i64 {
        self.layers.iter().map(ResolvedLayer::param_count).fold(0, i64::saturating_add)
    }
}

/// Something wrong with the layer at `index`; the reader of TOML adds the line.
pub(super) struct Defect {
    pub(super) index: Option<usize>,
    pub(super) field: Option<&'static str>,
    /// What images of other sizes may not have.
    misfit: Option<Misfit>,
    pub(super) error: Box<ModelError>,
}

impl Defect {
    fn new(index: Option<usize>, field: Option<&'static str>, error: ModelError) -> Defect {
        let error = Box::new(field.into_iter().fold(error, ModelError::field));
        Defect { index, field, misfit: None, error }
    }

    fn model(field: Option<&'static str>, why: impl Into<String>) -> Defect {
        Defect::new(None, field, ModelError::new(why))
    }

    fn layer(index: usize, spec: &LayerSpec, field: Option<&'static str>, why: impl Into<String>) -> Defect {
        Defect::new(Some(index), field, ModelError::new(why).layer(&spec.name))
    }
}

/// Resolves `model`, or says what is wrong with it; where that comes of the image's size also which sizes work.
pub(super) fn resolve(model: &ModelSpec) -> Result<ResolvedModel, Defect> {
    resolve_as_stated(model).map_err(|mut defect| {
        if let Some(misfit) = defect.misfit {
            defect.error.why.push_str(&remedy(misfit, model));
        }
        defect
    })
}

fn remedy(misfit: Misfit, model: &ModelSpec) -> String {
    let Some(sizes) = smallest_input::sizes_that_work(model) else {
        return match misfit {
            Misfit::Window => ". Shrink the maps less above, or add padding".to_owned(),
            Misfit::Join => ". Choose windows, strides and paddings with which their sizes agree".to_owned(),
        };
    };
    let change = match misfit {
        Misfit::Window => "Shrink the maps less above, add padding, or enlarge the image",
        Misfit::Join => {
            "Choose windows, strides and paddings with which their sizes agree, or another image size"
        }
    };
    let input = |[channels, height, width]: [i64; 3]| Shape::map(channels, height, width);
    let above = match sizes.next {
        Some(next) if next != sizes.smallest => {
            format!(", the next one above {} is {}", input(model.input), input(next))
        }
        _ => String::new(),
    };
    format!(". {change}: the smallest input that works is {}{above}", input(sizes.smallest))
}

/// [`resolve`] without a look at other sizes of the image.
pub(super) fn resolve_as_stated(model: &ModelSpec) -> Result<ResolvedModel, Defect> {
    let image = shapes::check_image(model.input).map_err(|why| Defect::model(Some("input"), why))?;
    if model.layers.is_empty() {
        return Err(Defect::model(None, "has no layers: add at least one"));
    }
    let places = places(model)?;
    let mut layers: Vec<ResolvedLayer> = Vec::with_capacity(model.layers.len());
    let mut params = 0_i64;
    for (index, spec) in model.layers.iter().enumerate() {
        let inputs = sources(index, spec, &places)?;
        let shape_of = |source: &Source| match *source {
            Source::Image => image,
            Source::Layer(place) => layers[place].output_shape,
        };
        let layer = resolve_layer(spec, inputs.iter().map(shape_of).collect(), inputs).map_err(|fault| {
            Defect { misfit: fault.misfit, ..Defect::layer(index, spec, fault.field, fault.why) }
        })?;
        params = layer
            .checked_param_count()
            .and_then(|own| params.checked_add(own))
            .ok_or_else(|| Defect::layer(index, spec, None, "has more parameters than can be counted"))?;
        layers.push(layer);
    }
    let auxiliary = auxiliary(model, &places, &layers)?;
    check_all_used(model, &layers, &auxiliary)?;
    Ok(ResolvedModel { image, layers, auxiliary })
}

fn resolve_layer(
    spec: &LayerSpec,
    input_shapes: Vec<Shape>,
    inputs: Vec<Source>,
) -> Result<ResolvedLayer, Fault> {
    let output_shape = shapes::output(&spec.layer, &input_shapes).map_err(|fault| match fault.unlike {
        Some(unlike) => {
            // Who joins states the names.
            let [one, other] =
                [0, unlike].map(|input| format!("{} from `{}`", input_shapes[input], spec.inputs[input]));
            Fault { why: format!("{}, found {one} and {other}", fault.why), ..fault }
        }
        None => fault,
    })?;
    let first = input_shapes[0]; // `sources` gave every layer an input
    let params = params::params(&spec.layer, first);
    let too_large = |what: &str| Fault::new(format!("{what} has more values than can be counted"));
    output_shape.checked_len().ok_or_else(|| too_large(&format!("the output {output_shape}")))?;
    for param in &params {
        param.checked_len().ok_or_else(|| too_large(&format!("the parameter {}", param.name)))?;
    }
    let window = Window::of(&spec.layer, first);
    Ok(ResolvedLayer {
        name: spec.name.clone(),
        layer: spec.layer,
        inputs,
        input_shapes,
        output_shape,
        params,
        window,
    })
}

/// Checks all names and finds their places.
fn places(model: &ModelSpec) -> Result<HashMap<&str, usize>, Defect> {
    let mut places = HashMap::with_capacity(model.layers.len());
    for (index, spec) in model.layers.iter().enumerate() {
        let refuse = |why: String| {
            Defect::new(Some(index), Some("name"), ModelError::new(why).layer(&shown(&spec.name)))
        };
        check_name(&spec.name).map_err(refuse)?;
        if let Some(first) = places.insert(spec.name.as_str(), index) {
            return Err(refuse(format!("layers {} and {} have the same name", first + 1, index + 1)));
        }
    }
    Ok(places)
}

/// No name has more characters.
const LONGEST_NAME: usize = 256;

/// A name in messages, where it can be of any length.
fn shown(name: &str) -> Cow<'_, str> {
    match name.char_indices().nth(LONGEST_NAME) {
        Some((end, _)) => format!("{}...", &name[..end]).into(),
        None => name.into(),
    }
}

/// A layer's name becomes part of parameter names, tags and file names.
fn check_name(name: &str) -> Result<(), String> {
    let part_is_good = |part: &str| {
        !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
    };
    if name == ModelSpec::IMAGE {
        return Err(format!("`{name}` is the image: choose another name"));
    }
    let length = name.chars().count();
    if length > LONGEST_NAME {
        return Err(format!("found {length} characters, expected at most {LONGEST_NAME}"));
    }
    if !name.split('.').all(part_is_good) {
        return Err(format!("found {name:?}, expected letters, digits, `_` and `-`, in parts joined by `.`"));
    }
    Ok(())
}

/// What each layer reads, if all names are good.
pub(super) fn all_sources(model: &ModelSpec) -> Option<Vec<Vec<Source>>> {
    let places = places(model).ok()?;
    let layers = model.layers.iter().enumerate();
    layers.map(|(index, spec)| sources(index, spec, &places).ok()).collect()
}

/// What the layer at `index` reads.
fn sources(index: usize, spec: &LayerSpec, places: &HashMap<&str, usize>) -> Result<Vec<Source>, Defect> {
    let refuse = |why: String| Defect::layer(index, spec, Some("inputs"), why);
    let kind = spec.layer.type_name();
    let sources = if spec.inputs.is_empty() {
        vec![index.checked_sub(1).map_or(Source::Image, Source::Layer)]
    } else {
        spec.inputs
            .iter()
            .map(|name| source(name, index, places).map_err(refuse))
            .collect::<Result<_, _>>()?
    };
    match (spec.layer.joins(), sources.len()) {
        (true, 1) => {
            Err(refuse(format!("{kind} joins two or more inputs: name them, as in inputs = [\"a\", \"b\"]")))
        }
        (false, 2..) => Err(refuse(format!(
            "{kind} takes one input, found {}: join them with an add or concat layer",
            sources.len()
        ))),
        _ => Ok(sources),
    }
}

fn source(name: &str, index: usize, places: &HashMap<&str, usize>) -> Result<Source, String> {
    if name == ModelSpec::IMAGE {
        return Ok(Source::Image);
    }
    match places.get(name) {
        Some(&place) if place < index => Ok(Source::Layer(place)),
        Some(&place) if place == index => Err(format!("`{name}` feeds itself: a model has no cycles")),
        Some(_) => Err(format!(
            "`{name}` comes later: inputs name layers above, so that there are no cycles. Move `{name}` up"
        )),
        None => {
            let known = places.keys().copied().chain([ModelSpec::IMAGE]);
            Err(format!("there is no layer `{}`{}", shown(name), did_you_mean(name, known)))
        }
    }
}

/// The places of the auxiliary outputs.
fn auxiliary(
    model: &ModelSpec,
    places: &HashMap<&str, usize>,
    layers: &[ResolvedLayer],
) -> Result<Vec<usize>, Defect> {
    if model.auxiliary.is_empty() {
        return Ok(Vec::new());
    }
    let mut readers: HashMap<usize, &str> = HashMap::new();
    for layer in layers {
        for source in &layer.inputs {
            if let Source::Layer(place) = *source {
                readers.entry(place).or_insert(&layer.name);
            }
        }
    }
    let mut found = Vec::with_capacity(model.auxiliary.len());
    let mut seen = HashSet::new();
    for name in &model.auxiliary {
        let refuse = |why: String| Err(Defect::model(Some("auxiliary"), why));
        let Some(&place) = places.get(name.as_str()) else {
            let near = did_you_mean(name, places.keys().copied());
            return refuse(format!("there is no layer `{}`{near}", shown(name)));
        };
        if place + 1 == layers.len() {
            return refuse(format!(
                "`{name}` is the last layer, whose output is the model's own: leave it out"
            ));
        }
        if let Some(reader) = readers.get(&place) {
            return refuse(format!("`{reader}` reads `{name}`: name only layers that no other layer reads"));
        }
        if !seen.insert(place) {
            return refuse(format!("names `{name}` twice"));
        }
        found.push(place);
    }
    Ok(found)
}

/// A layer that feeds nothing is a slip: its output would be computed and thrown away, and it would never learn.
fn check_all_used(model: &ModelSpec, layers: &[ResolvedLayer], auxiliary: &[usize]) -> Result<(), Defect> {
    let mut used: HashSet<Source> = layers.iter().flat_map(|layer| layer.inputs.iter().copied()).collect();
    used.extend(auxiliary.iter().map(|&place| Source::Layer(place)));
    let last = layers.len() - 1;
    match (0..last).find(|&index| !used.contains(&Source::Layer(index))) {
        None => Ok(()),
        Some(index) => Err(Defect::layer(
            index,
            &model.layers[index],
            None,
            "no later layer reads its output: name it in the `inputs` of one, in `auxiliary` if only training uses it, or \
             remove it",
        )),
    }
}
