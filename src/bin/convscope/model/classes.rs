//! Another number of outputs for a model that was written for one.

use anyhow::{bail, ensure};
use convscope::arch::{Layer, LayerSpec, ModelSpec, Shape};

/// Gives the last linear or convolutional layer before each output `classes` outputs. The model need not be sound: where
/// names lead nowhere nothing is changed.
pub fn set(spec: &mut ModelSpec, classes: i64) -> anyhow::Result<()> {
    for output in outputs(spec) {
        let Some(place) = classifier(spec, output)? else { continue };
        match &mut spec.layers[place].layer {
            Layer::Linear(linear) => linear.out_features = classes,
            Layer::Conv2d(conv) => conv.out_channels = classes,
            _ => {}
        }
    }
    Ok(())
}

/// Whether all outputs of a sound model have so many classes: layers behind those that were [`set`] may change their
/// number.
pub fn check(spec: &ModelSpec, classes: i64) -> anyhow::Result<()> {
    let model = spec.resolve()?;
    for output in outputs(spec) {
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
    Ok(())
}

/// The places of the auxiliary outputs and of the model's own.
fn outputs(spec: &ModelSpec) -> Vec<usize> {
    let auxiliary = spec.auxiliary.iter().filter_map(|name| place_of(spec, name));
    auxiliary.chain(spec.layers.len().checked_sub(1)).collect()
}

fn place_of(spec: &ModelSpec, name: &str) -> Option<usize> {
    spec.layers.iter().position(|layer| layer.name == name)
}

/// The place of the layer that decides how many classes the layer at `output` puts out; `None` where names lead nowhere.
fn classifier(spec: &ModelSpec, output: usize) -> anyhow::Result<Option<usize>> {
    let mut place = output;
    loop {
        let LayerSpec { name, inputs, layer } = &spec.layers[place];
        if matches!(layer, Layer::Linear(_) | Layer::Conv2d(_)) {
            return Ok(Some(place));
        }
        if layer.joins() {
            bail!(
                "layer `{name}`: {} joins several layers, so that none of them alone decides the number of classes. \
                 Change the file",
                layer.type_name()
            );
        }
        let reads_image = inputs.first().map_or(place == 0, |input| input == ModelSpec::IMAGE);
        ensure!(
            !reads_image,
            "layer `{name}`: no linear or conv2d layer comes before it, which would decide the number of classes. \
             Change the file"
        );
        let above = inputs.first().map_or(place.checked_sub(1), |input| place_of(spec, input));
        match above.filter(|above| *above < place) {
            Some(above) => place = above,
            None => return Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use convscope::arch::{Conv2d, Linear};

    use super::*;

    fn with_classes(mut spec: ModelSpec, classes: i64) -> anyhow::Result<ModelSpec> {
        set(&mut spec, classes)?;
        check(&spec, classes)?;
        Ok(spec)
    }

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
        let later = ModelSpec {
            layers: vec![LayerSpec { name: "a".into(), inputs: vec!["a".into()], layer: Layer::Relu }],
            ..head().build().unwrap()
        };
        assert!(why(later).contains("feeds itself"));
    }
}
