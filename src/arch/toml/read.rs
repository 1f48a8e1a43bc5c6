//! TOML text to a model.

use toml::{Spanned, de::DeTable};

use super::fields::{Field, Fields, Text, line_of};
use crate::arch::{
    error::ModelError,
    layer::{
        AdaptiveAvgPool2d, AvgPool2d, BatchNorm2d, Conv2d, Dropout, Gelu, GeluApproximation, Layer,
        LeakyRelu, Linear, MaxPool2d, ZeroPad2d,
    },
    nearby::did_you_mean,
    resolve,
    spec::{LayerSpec, ModelSpec},
};

type Result<T> = std::result::Result<T, ModelError>;

/// All that `type` can be.
const TYPES: [&str; 22] = [
    "adaptive_avg_pool2d",
    "add",
    "avg_pool2d",
    "batch_norm2d",
    "concat",
    "conv2d",
    "dropout",
    "dropout2d",
    "flatten",
    "gelu",
    "global_avg_pool",
    "identity",
    "leaky_relu",
    "linear",
    "max_pool2d",
    "relu",
    "relu6",
    "sigmoid",
    "silu",
    "softmax",
    "tanh",
    "zero_pad2d",
];

/// A longer text is not read: the parser takes some hundred times its size, and so much describes 10,000 layers.
pub(in crate::arch) const MOST_BYTES: usize = 1 << 20;

/// Reads and validates a model.
pub(in crate::arch) fn read(source: &str) -> Result<ModelSpec> {
    let document = Document::parse(source)?;
    let spec = document.spec()?;
    document.check(&spec)?;
    Ok(spec)
}

/// A text that was found to be TOML.
pub(in crate::arch) struct Document<'t> {
    text: Text<'t>,
    root: Spanned<DeTable<'t>>,
}

impl<'t> Document<'t> {
    pub(in crate::arch) fn parse(source: &'t str) -> Result<Document<'t>> {
        if source.len() > MOST_BYTES {
            let why = format!("the text is too long: more than {MOST_BYTES} bytes");
            return Err(ModelError::new(why));
        }
        let text = Text(source);
        let root = DeTable::parse(source).map_err(|error| {
            let line = error.span().map(|span| text.line(span.start));
            ModelError { line, ..ModelError::new(format!("not TOML: {}", error.message())) }
        })?;
        Ok(Document { text, root })
    }

    /// The model as it is written: whether its layers fit together is for [`check`](Document::check) to tell.
    pub(in crate::arch) fn spec(&self) -> Result<ModelSpec> {
        let mut root = Fields::new(self.text, self.root.get_ref(), 0);
        let name = root.required("name", "the model's name")?.string()?.to_owned();
        let input = root.required("input", "[channels, height, width]")?.image()?;
        let auxiliary = root.optional("auxiliary").map_or(Ok(Vec::new()), |field| field.strings())?;
        let tables = layer_tables(&mut root)?;
        root.finish()?;
        let read = |(at, table)| read_layer(Fields::new(self.text, table, at));
        let layers = tables.into_iter().map(read).collect::<Result<_>>()?;
        Ok(ModelSpec { name, input, auxiliary, layers })
    }

    /// Validates a model that was read from this text, and perhaps changed since; what is wrong with it is told with
    /// its line.
    pub(in crate::arch) fn check(&self, spec: &ModelSpec) -> Result<()> {
        let Err(defect) = resolve::resolve(spec) else { return Ok(()) };
        let root = self.root.get_ref();
        let tables = layer_tables(&mut Fields::new(self.text, root, 0))?;
        let line = match (defect.index, defect.field) {
            (Some(index), field) => {
                tables.get(index).map(|&(at, table)| line_of(self.text, at, table, field))
            }
            (None, Some(field)) => Some(line_of(self.text, 0, root, Some(field))),
            (None, None) => None,
        };
        Err(ModelError { line, ..*defect.error })
    }
}

/// The `[[layer]]` tables, each with its offset in the text.
fn layer_tables<'t>(root: &mut Fields<'t>) -> Result<Vec<(usize, &'t DeTable<'t>)>> {
    root.optional("layer").map_or(Ok(Vec::new()), |field| field.tables())
}

fn read_layer(mut fields: Fields<'_>) -> Result<LayerSpec> {
    let name = fields.required("name", "the layer's name")?.string()?.to_owned();
    fields.name_layer(&name);
    let kind = fields.required("type", "what the layer does, such as \"conv2d\"")?;
    let inputs = fields.optional("inputs").map_or(Ok(Vec::new()), |field| field.strings())?;
    let layer = read_arguments(&kind, &mut fields)?;
    fields.finish()?;
    Ok(LayerSpec { name, inputs, layer })
}

fn read_arguments(kind: &Field<'_>, fields: &mut Fields<'_>) -> Result<Layer> {
    Ok(match kind.string()? {
        "conv2d" => read_conv(fields)?.into(),
        "linear" => {
            let linear = Linear::new(fields.required("out_features", "a whole number")?.integer()?);
            Linear { bias: or(fields.optional("bias"), Field::boolean, linear.bias)?, ..linear }.into()
        }
        "batch_norm2d" => {
            let norm = BatchNorm2d::new();
            BatchNorm2d {
                eps: or(fields.optional("eps"), Field::float, norm.eps)?,
                momentum: or(fields.optional("momentum"), Field::float, norm.momentum)?,
                affine: or(fields.optional("affine"), Field::boolean, norm.affine)?,
            }
            .into()
        }
        "relu" => Layer::Relu,
        "relu6" => Layer::Relu6,
        "leaky_relu" => {
            let leaky = LeakyRelu::new();
            let slope = or(fields.optional("negative_slope"), Field::float, leaky.negative_slope)?;
            leaky.negative_slope(slope).into()
        }
        "gelu" => {
            let gelu = Gelu::new();
            gelu.approximate(or(fields.optional("approximate"), read_approximation, gelu.approximate)?).into()
        }
        "silu" => Layer::Silu,
        "tanh" => Layer::Tanh,
        "sigmoid" => Layer::Sigmoid,
        "max_pool2d" => read_max_pool(fields)?.into(),
        "avg_pool2d" => read_avg_pool(fields)?.into(),
        "adaptive_avg_pool2d" => AdaptiveAvgPool2d::new(
            fields.required("output_size", "a whole number or [height, width]")?.pair()?,
        )
        .into(),
        "global_avg_pool" => Layer::GlobalAvgPool,
        "dropout" => Layer::Dropout(read_dropout(fields)?),
        "dropout2d" => Layer::Dropout2d(read_dropout(fields)?),
        "flatten" => Layer::Flatten,
        "add" => Layer::Add,
        "concat" => Layer::Concat,
        "zero_pad2d" => ZeroPad2d::new(fields.required("padding", "how many zeros")?.padding()?).into(),
        "identity" => Layer::Identity,
        "softmax" => Layer::Softmax,
        unknown => {
            return Err(kind.error(&format!("there is no type `{unknown}`{}", did_you_mean(unknown, TYPES))));
        }
    })
}

fn read_conv(fields: &mut Fields<'_>) -> Result<Conv2d> {
    let conv = Conv2d::new(
        fields.required("out_channels", "a whole number")?.integer()?,
        fields.required("kernel_size", "a whole number or [height, width]")?.pair()?,
    );
    Ok(Conv2d {
        stride: or(fields.optional("stride"), Field::pair, conv.stride)?,
        padding: or(fields.optional("padding"), Field::padding, conv.padding)?,
        dilation: or(fields.optional("dilation"), Field::pair, conv.dilation)?,
        groups: or(fields.optional("groups"), Field::integer, conv.groups)?,
        bias: or(fields.optional("bias"), Field::boolean, conv.bias)?,
        ..conv
    })
}

fn read_max_pool(fields: &mut Fields<'_>) -> Result<MaxPool2d> {
    let pool = MaxPool2d::new(fields.required("kernel_size", "a whole number or [height, width]")?.pair()?);
    Ok(MaxPool2d {
        stride: or(fields.optional("stride"), Field::pair, pool.stride)?,
        padding: or(fields.optional("padding"), Field::padding, pool.padding)?,
        dilation: or(fields.optional("dilation"), Field::pair, pool.dilation)?,
        ceil_mode: or(fields.optional("ceil_mode"), Field::boolean, pool.ceil_mode)?,
        ..pool
    })
}

fn read_avg_pool(fields: &mut Fields<'_>) -> Result<AvgPool2d> {
    let pool = AvgPool2d::new(fields.required("kernel_size", "a whole number or [height, width]")?.pair()?);
    Ok(AvgPool2d {
        stride: or(fields.optional("stride"), Field::pair, pool.stride)?,
        padding: or(fields.optional("padding"), Field::padding, pool.padding)?,
        count_include_pad: or(fields.optional("count_include_pad"), Field::boolean, pool.count_include_pad)?,
        ceil_mode: or(fields.optional("ceil_mode"), Field::boolean, pool.ceil_mode)?,
        ..pool
    })
}

fn read_dropout(fields: &mut Fields<'_>) -> Result<Dropout> {
    let dropout = Dropout::new();
    Ok(dropout.p(or(fields.optional("p"), Field::float, dropout.p)?))
}

fn read_approximation(field: &Field<'_>) -> Result<GeluApproximation> {
    match field.string()? {
        "none" => Ok(GeluApproximation::None),
        "tanh" => Ok(GeluApproximation::Tanh),
        _ => Err(field.wrong("\"none\" or \"tanh\"")),
    }
}

/// The field's value, or the default where it is not there.
fn or<'t, T>(field: Option<Field<'t>>, read: impl FnOnce(&Field<'t>) -> Result<T>, default: T) -> Result<T> {
    field.map_or(Ok(default), |field| read(&field))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_types_is_the_list_that_is_read() {
        for kind in TYPES {
            let text = format!("name = \"m\"\ninput = [1, 8, 8]\n[[layer]]\nname = \"x\"\ntype = \"{kind}\"");
            match read(&text) {
                Ok(spec) => assert_eq!(spec.layers[0].layer.type_name(), kind),
                Err(error) => assert!(!error.why.contains("there is no type"), "{error}"),
            }
        }
    }
}
