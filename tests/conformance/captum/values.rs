//! Attributions of two small networks for some bundled images, for `compare.py` to lay captum's beside them:
//! `captum_values FOLDER`. Run by `cargo xtask captum`.
//!
//! Of each network the folder gets `<name>.toml`, `<name>.safetensors` (the weights after an epoch of training),
//! `<name>.values.safetensors` (attributions as `<image>/<method>`, noisy copies as `<image>/noisy`) and `<name>.json`
//! (normalisation, images, layers, versions of methods).

use std::{cell::RefCell, error::Error, fs, path::Path, rc::Rc};

use convscope::{
    Network, Trainer,
    arch::{Layer, ModelSpec},
    data::{self, Normalization},
    explain::{
        Attribution, Attributor, Classifier, Deconvolution, Fill, GradCam, GradientXInput, GuidedBackprop,
        IntegratedGradients, Occlusion, Quadrature, Saliency, Sample, SmoothGrad,
    },
};
use serde_json::{Value, json};
use tch::{Device, Tensor, nn, nn::OptimizerConfig as _};

/// A residual network, in which a ReLU's output goes two ways.
const RESIDUAL: &str = include_str!("residual.toml");

/// One validation image of each class: the first hundred are in no order.
const IMAGES: usize = 10;

const SEED: i64 = 1;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args_os().nth(1).ok_or("a folder to write to is expected")?;
    let folder = Path::new(&folder);
    fs::create_dir_all(folder)?;
    tch::manual_seed(SEED);
    for (name, spec) in
        [("default", ModelSpec::default_model(10)?), ("residual", ModelSpec::from_toml(RESIDUAL)?)]
    {
        write(folder, name, &spec)?;
    }
    Ok(())
}

/// Trains a network for an epoch, and writes it and what explains it.
fn write(folder: &Path, name: &str, spec: &ModelSpec) -> Result<(), Box<dyn Error>> {
    let data = data::bundled()?;
    let store = nn::VarStore::new(Device::Cpu);
    let network = Network::new(&store.root(), spec)?;
    let mut optimizer = nn::Adam::default().build(&store, 1e-3)?;
    let outcome =
        Trainer::of_network(&network, &store, &mut optimizer).fit(&data.train, &data.validation, 1)?;
    println!("{name}: {}", outcome.validation);
    fs::write(folder.join(format!("{name}.toml")), spec.to_toml())?;
    network.save_safetensors(folder.join(format!("{name}.safetensors")))?;

    let normalization = Normalization::of(&data.train)?;
    let labels = data.validation.labels();
    let places: Vec<usize> =
        (0..IMAGES as i64).filter_map(|class| labels.iter().position(|label| *label == class)).collect();
    let samples = Sample::of(&data.validation, &places, &normalization, Device::Cpu)?;
    let layers = convolutions(spec);
    let (mut values, mut images) = (Vec::new(), Vec::new());
    for (sample, place) in samples.iter().zip(places) {
        let class = explain(&network, &sample.input, &layers, &mut |name, tensor| {
            values.push((format!("{place}/{name}"), tensor));
        })?;
        images.push(json!({ "index": place, "class": class }));
    }
    Tensor::write_safetensors(&values, folder.join(format!("{name}.values.safetensors")))?;
    let about: Value = json!({
        "mean": normalization.mean,
        "std": normalization.std,
        "images": images,
        "layers": layers,
    });
    fs::write(folder.join(format!("{name}.json")), about.to_string())?;
    Ok(())
}

/// All attributions of the predicted class, which is returned, and the noisy copies that SmoothGrad has made.
fn explain(
    network: &Network,
    image: &Tensor,
    layers: &[String],
    take: &mut dyn FnMut(String, Tensor),
) -> Result<i64, Box<dyn Error>> {
    let noisy = Rc::new(RefCell::new(Vec::new()));
    let seen = noisy.clone();
    let classifier = Classifier::new(move |images| {
        if images.requires_grad() {
            seen.borrow_mut().push(images.detach());
        }
        network.f_forward_t(images, false)
    });
    let classifier = classifier.tap(network.tap());
    let class = classifier.predict(image)?[0].class;
    let mut add = |name: &str, method: &dyn Attributor| -> Result<(), Box<dyn Error>> {
        noisy.borrow_mut().clear();
        let Attribution { values, shape, .. } = method.attribute(&classifier, image, class)?;
        take(name.to_owned(), Tensor::from_slice(&values).reshape(shape.map(|side| side as i64)));
        if name == "smooth_grad" {
            take("noisy".to_owned(), Tensor::cat(&noisy.borrow(), 0));
        }
        Ok(())
    };
    add("saliency", &Saliency::new())?;
    add("gradient_x_input", &GradientXInput::new())?;
    add("smooth_grad", &SmoothGrad::new().signed())?;
    add("smooth_grad_squared", &SmoothGrad::squared())?;
    add("var_grad", &SmoothGrad::variance())?;
    for rule in Quadrature::ALL {
        add(&format!("integrated_gradients {rule}"), &IntegratedGradients::new().rule(rule))?;
    }
    for layer in layers {
        add(&format!("grad_cam {layer}"), &GradCam::new().layer(layer).signed())?;
    }
    let occlusion = Occlusion::new().patch([5, 4]).stride([3, 2]).fill(Fill::Value(0.0)).logits();
    add("occlusion", &occlusion)?;
    add("guided_backprop", &GuidedBackprop::new().signed())?;
    add("deconvolution", &Deconvolution::new().signed())?;
    Ok(class)
}

/// Names of the convolutions.
fn convolutions(spec: &ModelSpec) -> Vec<String> {
    let is_convolution = |layer: &Layer| matches!(layer, Layer::Conv2d(_));
    spec.layers.iter().filter(|node| is_convolution(&node.layer)).map(|node| node.name.clone()).collect()
}
