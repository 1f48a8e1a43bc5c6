//! A model as the page Graphs shows it: boxes by the dots of layer names, and what is known of each layer.

use super::{
    layer::Layer,
    padding::{Padding, Sides},
    receptive_field::{ReceptiveField, ReceptiveFields},
    resolve::{ResolvedLayer, ResolvedModel, Source},
    shape::Shape,
    spec::ModelSpec,
};
use crate::{
    error::Result,
    summary::{Attribute, ConceptualGraph, ConceptualLayer, Graph, GraphNode, breaks_page},
};

/// A batch's size, which is not known.
const BATCH: i64 = -1;

impl ModelSpec {
    /// The model for the page Graphs: a node for the image and one for each layer, with the names of PyTorch's classes,
    /// in boxes by the dots of the layers' names: `layer1.0.conv1` is `conv1` in the box `0` of the box `layer1`.
    ///
    /// Beside a selected node stand all arguments of the layer, its name (`layer`), `parameters`, `multiply_adds` (where they can be counted), and
    /// `receptive_field` with its `receptive_field_stride`, `receptive_field_padding`, `receptive_field_density` and
    /// `receptive_field_aligned`, in pixels and height first. `dilation` is PyTorch's: 1 is dense. Behind a conflict of strides the fields are left out. The
    /// connections show shapes, with -1 for the batch.
    ///
    /// A part of a name that breaks the page, such as `constructor`, gets a `_` at its end there; `layer` is the name
    /// itself.
    ///
    /// ```
    /// use convscope::arch::{Conv2d, Layer, ModelSpec};
    /// use convscope::summary::Attribute;
    ///
    /// let spec = ModelSpec::builder("net", [3, 32, 32])
    ///     .layer("stem.conv", Conv2d::new(8, 3).stride(2))
    ///     .layer("stem.relu", Layer::Relu)
    ///     .build()?;
    /// let graph = spec.graph()?;
    /// let conv = &graph.nodes()[1];
    /// assert_eq!((conv.name(), conv.op()), ("stem/conv", "Conv2d"));
    /// assert_eq!(conv.output_shapes(), [[-1, 8, 15, 15]]);
    /// assert_eq!(conv.attributes()["stride"], Attribute::Ints(vec![2, 2]));
    /// assert_eq!(conv.attributes()["receptive_field"], Attribute::Ints(vec![3, 3]));
    /// # Ok::<(), convscope::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`validate`](ModelSpec::validate).
    pub fn graph(&self) -> Result<Graph> {
        let model = self.resolve()?;
        graph(&model, &ReceptiveFields::partial(&model).0)
    }

    /// The layers under the names that Keras has for them, for the conceptual graph of the page Graphs. Boxes and names
    /// are those of [`graph`](ModelSpec::graph), in one box with the model's name.
    ///
    /// ```
    /// use convscope::arch::ModelSpec;
    ///
    /// let layers = ModelSpec::default_model(10)?.conceptual_graph()?;
    /// assert_eq!((layers.name(), layers.layers()[1].class()), ("default", "Conv2D"));
    /// # Ok::<(), convscope::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`validate`](ModelSpec::validate).
    pub fn conceptual_graph(&self) -> Result<ConceptualGraph> {
        conceptual_graph(&self.name, &self.resolve()?)
    }
}

/// The graph of a model with those of its fields that are known.
pub(super) fn graph(model: &ResolvedModel, fields: &ReceptiveFields) -> Result<Graph> {
    let names = node_names(model);
    let image = GraphNode::new(ModelSpec::IMAGE, "Input").output_shape(&batch(model.image));
    let layers = model.layers.iter().enumerate().map(|(index, layer)| {
        let node = GraphNode::new(&names[index], torch_class(&layer.layer))
            .output_shape(&batch(layer.output_shape))
            .attribute("layer", layer.name.as_str())
            .attribute("parameters", layer.param_count());
        let cost = layer.multiply_adds();
        let node = cost.into_iter().fold(node, |node, number| node.attribute("multiply_adds", number));
        let node = layer.inputs.iter().fold(node, |node, &input| node.input(source(&names, input)));
        let node = arguments(layer).into_iter().fold(node, |node, (name, value)| node.attribute(name, value));
        fields.get(&layer.name).into_iter().fold(node, with_field)
    });
    Graph::new(std::iter::once(image).chain(layers).collect())
}

/// The conceptual graph of a model with this name.
pub(super) fn conceptual_graph(name: &str, model: &ResolvedModel) -> Result<ConceptualGraph> {
    let names = node_names(model);
    let layer = |name: &str, class: &str| ConceptualLayer::new(name, class).dtype("float32");
    let layers = model.layers.iter().zip(&names).map(|(resolved, name)| {
        let layer = layer(name, keras_class(resolved));
        resolved.inputs.iter().fold(layer, |layer, &input| layer.input(source(&names, input)))
    });
    let image = layer(ModelSpec::IMAGE, "InputLayer");
    ConceptualGraph::functional(box_name(name), std::iter::once(image).chain(layers).collect())
}

fn batch(shape: Shape) -> Vec<i64> {
    std::iter::once(BATCH).chain(shape.dims()).collect()
}

fn source(names: &[String], source: Source) -> &str {
    match source {
        Source::Image => ModelSpec::IMAGE,
        Source::Layer(place) => &names[place],
    }
}

/// The layers' names with `/` for the dots. A layer's name holds nothing else that means something to the page; parts
/// that break it get so many `_` at their end that no other part has that name.
fn node_names(model: &ResolvedModel) -> Vec<String> {
    let parts = model.layers.iter().flat_map(|layer| layer.name.split('.'));
    let end = free_end(&parts, breaks_page);
    let part = |part: &str| if breaks_page(part) { format!("{part}{end}") } else { part.to_owned() };
    let name = |layer: &ResolvedLayer| layer.name.split('.').map(part).collect::<Vec<_>>().join("/");
    model.layers.iter().map(name).collect()
}

/// So many `_` that a part which is taken is with them at its end the name of no other part.
pub(super) fn free_end<'a>(
    parts: &(impl Iterator<Item = &'a str> + Clone),
    is_taken: impl Fn(&str) -> bool,
) -> String {
    let mut end = String::from("_");
    while parts.clone().any(|part| part.strip_suffix(end.as_str()).is_some_and(&is_taken)) {
        end.push('_');
    }
    end
}

/// The model's name, which can be any text, as one of a box.
fn box_name(name: &str) -> String {
    let plain = |c: char| if c.is_alphanumeric() || " _-.()".contains(c) { c } else { '_' };
    let name: String = name.chars().map(plain).collect();
    if name.is_empty() || breaks_page(&name) { format!("{name}_") } else { name }
}

fn with_field(node: GraphNode, field: &ReceptiveField) -> GraphNode {
    let node = node
        .attribute("receptive_field", field.size().to_vec())
        .attribute("receptive_field_aligned", field.aligned());
    let pairs = [("receptive_field_stride", field.stride()), ("receptive_field_padding", field.padding())];
    let node = pairs.into_iter().fold(node, |node, (name, pair)| match pair {
        Some(pair) => node.attribute(name, pair.to_vec()),
        None => node,
    });
    match field.density() {
        Some(density) => node.attribute("receptive_field_density", density),
        None => node,
    }
}

/// Every argument of a layer under PyTorch's name for it, also those that have their default.
fn arguments(layer: &ResolvedLayer) -> Vec<(&'static str, Attribute)> {
    let inputs = layer.input_shapes.first().map_or(0, |shape| shape.channels());
    match layer.layer {
        Layer::Conv2d(conv) => vec![
            ("in_channels", inputs.into()),
            ("out_channels", conv.out_channels.into()),
            ("kernel_size", pair(conv.kernel_size)),
            ("stride", pair(conv.stride)),
            ("padding", padding(conv.padding, layer)),
            ("dilation", pair(conv.dilation)),
            ("groups", conv.groups.into()),
            ("bias", conv.bias.into()),
        ],
        Layer::Linear(linear) => vec![
            ("in_features", inputs.into()),
            ("out_features", linear.out_features.into()),
            ("bias", linear.bias.into()),
        ],
        Layer::BatchNorm2d(norm) => vec![
            ("num_features", inputs.into()),
            ("eps", norm.eps.into()),
            ("momentum", norm.momentum.into()),
            ("affine", norm.affine.into()),
        ],
        Layer::LeakyRelu(leaky) => vec![("negative_slope", leaky.negative_slope.into())],
        Layer::Gelu(gelu) => vec![("approximate", gelu.approximate.as_str().into())],
        Layer::MaxPool2d(pool) => vec![
            ("kernel_size", pair(pool.kernel_size)),
            ("stride", pair(pool.stride)),
            ("padding", padding(pool.padding, layer)),
            ("dilation", pair(pool.dilation)),
            ("ceil_mode", pool.ceil_mode.into()),
        ],
        Layer::AvgPool2d(pool) => vec![
            ("kernel_size", pair(pool.kernel_size)),
            ("stride", pair(pool.stride)),
            ("padding", padding(pool.padding, layer)),
            ("ceil_mode", pool.ceil_mode.into()),
            ("count_include_pad", pool.count_include_pad.into()),
        ],
        Layer::AdaptiveAvgPool2d(pool) => vec![("output_size", pair(pool.output_size))],
        Layer::Dropout(dropout) | Layer::Dropout2d(dropout) => vec![("p", dropout.p.into())],
        Layer::ZeroPad2d(pad) => vec![("padding", padding(pad.padding, layer))],
        Layer::Relu
        | Layer::Relu6
        | Layer::Silu
        | Layer::Tanh
        | Layer::Sigmoid
        | Layer::GlobalAvgPool
        | Layer::Flatten
        | Layer::Add
        | Layer::Concat
        | Layer::Identity
        | Layer::Softmax => Vec::new(),
    }
}

fn pair(pair: impl Into<[i64; 2]>) -> Attribute {
    pair.into().to_vec().into()
}

/// `[h, w]`, or `[top, bottom, left, right]` where two sides differ. `"same"` is worked out.
fn padding(padding: Padding, layer: &ResolvedLayer) -> Attribute {
    let sides = match (padding, layer.window) {
        (Padding::Fixed(sides), _) => sides,
        (Padding::Same, window) => window.map_or(Sides::NONE, |window| window.padding),
    };
    sides.symmetric().map_or_else(|| sides.to_array().to_vec(), |pair| pair.to_vec()).into()
}

/// The name of PyTorch's class; where it has none, ours.
fn torch_class(layer: &Layer) -> &'static str {
    match layer {
        Layer::Conv2d(_) => "Conv2d",
        Layer::Linear(_) => "Linear",
        Layer::BatchNorm2d(_) => "BatchNorm2d",
        Layer::Relu => "ReLU",
        Layer::Relu6 => "ReLU6",
        Layer::LeakyRelu(_) => "LeakyReLU",
        Layer::Gelu(_) => "GELU",
        Layer::Silu => "SiLU",
        Layer::Tanh => "Tanh",
        Layer::Sigmoid => "Sigmoid",
        Layer::MaxPool2d(_) => "MaxPool2d",
        Layer::AvgPool2d(_) => "AvgPool2d",
        Layer::AdaptiveAvgPool2d(_) => "AdaptiveAvgPool2d",
        Layer::GlobalAvgPool => "GlobalAvgPool",
        Layer::Dropout(_) => "Dropout",
        Layer::Dropout2d(_) => "Dropout2d",
        Layer::Flatten => "Flatten",
        Layer::Add => "Add",
        Layer::Concat => "Concat",
        Layer::ZeroPad2d(_) => "ZeroPad2d",
        Layer::Identity => "Identity",
        Layer::Softmax => "Softmax",
    }
}

/// The name of Keras's class.
fn keras_class(layer: &ResolvedLayer) -> &'static str {
    let channels = layer.input_shapes.first().map_or(0, |shape| shape.channels());
    match layer.layer {
        Layer::Conv2d(conv) if conv.groups == channels && channels > 1 => "DepthwiseConv2D",
        Layer::Conv2d(_) => "Conv2D",
        Layer::Linear(_) => "Dense",
        Layer::BatchNorm2d(_) => "BatchNormalization",
        Layer::Relu | Layer::Relu6 => "ReLU",
        Layer::LeakyRelu(_) => "LeakyReLU",
        Layer::Gelu(_) | Layer::Silu | Layer::Tanh | Layer::Sigmoid => "Activation",
        Layer::MaxPool2d(_) => "MaxPooling2D",
        Layer::AvgPool2d(_) => "AveragePooling2D",
        Layer::AdaptiveAvgPool2d(_) => "AdaptiveAveragePooling2D",
        Layer::GlobalAvgPool => "GlobalAveragePooling2D",
        Layer::Dropout(_) => "Dropout",
        Layer::Dropout2d(_) => "SpatialDropout2D",
        Layer::Flatten => "Flatten",
        Layer::Add => "Add",
        Layer::Concat => "Concatenate",
        Layer::ZeroPad2d(_) => "ZeroPadding2D",
        Layer::Identity => "Identity",
        Layer::Softmax => "Softmax",
    }
}
