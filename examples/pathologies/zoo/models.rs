//! Small networks that several trainings share.

use convscope::arch::{BatchNorm2d, Conv2d, Layer, Linear, MaxPool2d, ModelBuilder, ModelSpec};

use super::Result;

/// Two convolutions and two fully connected layers, no normalisation.
pub fn plain_cnn(activation: Layer) -> Result<ModelSpec> {
    Ok(ModelSpec::builder("plain_cnn", [1, 28, 28])
        .layer("conv1", Conv2d::new(8, 5).padding(2))
        .layer("act1", activation)
        .layer("pool1", MaxPool2d::new(2))
        .layer("conv2", Conv2d::new(16, 3).padding(1))
        .layer("act2", activation)
        .layer("pool2", MaxPool2d::new(2))
        .layer("flatten", Layer::Flatten)
        .layer("fc1", Linear::new(32))
        .layer("act3", activation)
        .layer("fc2", Linear::new(10))
        .build()?)
}

/// A stem and two residual blocks with batch normalisation (He et al. 2016).
pub fn resnet() -> Result<ModelSpec> {
    let mut model = ModelSpec::builder("small_resnet", [1, 28, 28])
        .layer("stem.conv", Conv2d::new(8, 3).stride(2).padding(1).bias(false))
        .layer("stem.bn", BatchNorm2d::new())
        .layer("stem.relu", Layer::Relu);
    model = block(model, "block1", "stem.relu", 8, 1);
    model = block(model, "block2", "block1.relu", 16, 2);
    Ok(model.layer("pool", Layer::GlobalAvgPool).layer("fc", Linear::new(10)).build()?)
}

fn block(model: ModelBuilder, name: &str, input: &str, channels: i64, stride: i64) -> ModelBuilder {
    let layer = |part: &str| format!("{name}.{part}");
    let conv = || Conv2d::new(channels, 3).padding(1).bias(false);
    let model = model
        .layer_from(layer("conv1"), [input], conv().stride(stride))
        .layer(layer("bn1"), BatchNorm2d::new())
        .layer(layer("relu1"), Layer::Relu)
        .layer(layer("conv2"), conv())
        .layer(layer("bn2"), BatchNorm2d::new());
    let (model, shortcut) = if stride == 1 {
        (model, input.to_owned())
    } else {
        let projection = Conv2d::new(channels, 1).stride(stride).bias(false);
        let model = model.layer_from(layer("shortcut.conv"), [input], projection);
        (model.layer(layer("shortcut.bn"), BatchNorm2d::new()), layer("shortcut.bn"))
    };
    model.layer_from(layer("add"), [layer("bn2"), shortcut], Layer::Add).layer(layer("relu"), Layer::Relu)
}

/// Two blocks of two convolutions with batch normalisation, and pooling behind each (Simonyan and Zisserman 2015).
pub fn vgg_bn() -> Result<ModelSpec> {
    let mut model = ModelSpec::builder("small_vgg", [1, 28, 28]);
    for (block, channels) in [(1, 8), (2, 16)] {
        for conv in 1..=2 {
            model = model
                .layer(format!("conv{block}_{conv}"), Conv2d::new(channels, 3).padding(1).bias(false))
                .layer(format!("bn{block}_{conv}"), BatchNorm2d::new())
                .layer(format!("relu{block}_{conv}"), Layer::Relu);
        }
        model = model.layer(format!("pool{block}"), MaxPool2d::new(2));
    }
    Ok(model
        .layer("flatten", Layer::Flatten)
        .layer("fc1", Linear::new(64))
        .layer("relu3", Layer::Relu)
        .layer("fc2", Linear::new(10))
        .build()?)
}

/// Three fully connected layers.
pub fn perceptron() -> Result<ModelSpec> {
    Ok(ModelSpec::builder("perceptron", [1, 28, 28])
        .layer("flatten", Layer::Flatten)
        .layer("fc1", Linear::new(128))
        .layer("relu1", Layer::Relu)
        .layer("fc2", Linear::new(64))
        .layer("relu2", Layer::Relu)
        .layer("fc3", Linear::new(10))
        .build()?)
}
