//! Another number of outputs for a model that was written for one.

use anyhow::{Context as _, bail, ensure};
use convscope::arch::{Layer, LayerSpec, ModelSpec, ResolvedModel, Shape, Source};

/// The model with `classes` outputs: the last linear or convolutional layer before each output gets as many. Layers
/// behind it must keep their number.
pub fn with_classes(mut spec: ModelSpec, classes: i64) -> anyhow::Result<ModelSpec> {
    let model = spec.resolve()?;
    let last = model.layers.len().checked_sub(1).context("the model has no layers")?;
    let outputs: Vec<usize> = model.auxiliary.iter().copied().chain([last]).collect();
    for &output in &outputs {
        let place = classifier(&model, output)?;
        match &mut spec.layers[place].layer {
            Layer::Linear(linear) => linear.out_features = classes,
            Layer::Conv2d(conv) => conv.out_channels = classes,
            _ => {}
        }
    }
    let model = spec.resolve().with_context(|| format!("cannot put out {classes} classes"))?;
    for output in outputs {
        let LayerSpec { name, .. } = &spec.layers[output];
        let found = model.layers[output].output_shape;
        let is_right = match found {
            Shape::Flat { features } => features == classes,
            Shape::Map { channels, .. } => channels == classes,
        };
        ensure!(
            is_right,
            "cannot put out {classes} classes: with so many, layer `{name}` puts out {found}. Change the file"
        );
    }
    Ok(spec)
}

/// The place of the layer that decides how many classes the layer at `output` puts out.
fn classifier(model: &ResolvedModel, output: usize) -> anyhow::Result<usize> {
    let mut place = output;
    loop {
        let layer = &model.layers[place];
        if matches!(layer.layer, Layer::Linear(_) | Layer::Conv2d(_)) {
            return Ok(place);
        }
        if layer.layer.joins() {
            bail!(
                "layer `{}`: {} joins several layers, so that none of them alone decides the number of classes. Change \
                 the file",
                layer.name,
                layer.layer.type_name()
            );
        }
        match layer.inputs.first() {
            Some(&Source::Layer(above)) => place = above,
            _ => bail!(
                "layer `{}`: no linear or conv2d layer comes before it, which would decide the number of classes. \
                 Change the file",
                layer.name
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use convscope::arch::{Conv2d, Linear};

    use super::*;

    fn head() -> convscope::arch::ModelBuilder {
        ModelSpec::builder("net", [1, 8, 8]).layer("conv", Conv2d::new(4, 3)).layer("relu", Layer::Relu)
    }

    #[test]
    fn the_last_layer_with_weights_gets_the_classes() {
        let linear = head().layer("pool", Layer::GlobalAvgPool).layer("fc", Linear::new(10));
        let linear = linear.layer("softmax", Layer::Softmax).build().unwrap();
        let output = |spec: ModelSpec| with_classes(spec, 7).unwrap().resolve().unwrap().output_shape();
        assert_eq!(output(linear), Shape::flat(7));
        let convolution = head().layer("pool", Layer::GlobalAvgPool).build().unwrap();
        assert_eq!(output(convolution), Shape::flat(7));
        assert_eq!(output(head().build().unwrap()), Shape::map(7, 6, 6));
    }

    #[test]
    fn other_ends_are_refused_with_the_layer() {
        let why = |spec: ModelSpec| format!("{:#}", with_classes(spec, 7).unwrap_err());
        let flat = head().layer("flatten", Layer::Flatten).build().unwrap();
        assert!(why(flat).contains("layer `flatten` puts out 252"));
        let sum = head().layer_from("add", ["relu", "conv"], Layer::Add).build().unwrap();
        assert!(why(sum).contains("layer `add`: add joins several layers"));
        let none = ModelSpec::builder("net", [1, 8, 8]).layer("relu", Layer::Relu).build().unwrap();
        assert!(why(none).contains("layer `relu`: no linear or conv2d layer"));
        let groups = ModelSpec::builder("net", [2, 8, 8]).layer("conv", Conv2d::new(4, 3).groups(2));
        assert!(why(groups.build().unwrap()).contains("field `groups`"));
    }
}
