//! The textbooks' formulas on random chains and on every chain of the zoo, and published fields of its networks.

#![allow(clippy::unwrap_used)]

use convscope::arch::{
    Conv2d, Layer, ModelBuilder, ModelSpec, ReceptiveFields, ResolvedLayer, ResolvedModel, Source, zoo,
};
use proptest::{collection::vec, prelude::*};

/// Whether every layer reads the one above it.
fn is_chain(model: &ResolvedModel) -> bool {
    let above = |index: usize| index.checked_sub(1).map_or(Source::Image, Source::Layer);
    model.layers.iter().enumerate().all(|(index, layer)| layer.inputs == [above(index)])
}

/// Dilated kernel and stride along the height; `None` behind the last map, where all pixels of an image are seen.
fn link(layer: &ResolvedLayer) -> Option<[i64; 2]> {
    match layer.layer {
        Layer::Conv2d(conv) => Some([conv.dilation.h * (conv.kernel_size.h - 1) + 1, conv.stride.h]),
        Layer::MaxPool2d(pool) => Some([pool.dilation.h * (pool.kernel_size.h - 1) + 1, pool.stride.h]),
        Layer::AvgPool2d(pool) => Some([pool.kernel_size.h, pool.stride.h]),
        Layer::AdaptiveAvgPool2d(_) if layer.input_shapes[0] != layer.output_shape => None,
        Layer::Flatten | Layer::GlobalAvgPool | Layer::Linear(_) => None,
        _ => Some([1, 1]),
    }
}

/// r_(l-1) = s_l · r_l + (k_l - s_l), from the last layer, where r is 1, back to the image.
fn recursive(links: &[[i64; 2]]) -> i64 {
    links.iter().rev().fold(1, |r, [k, s]| s * r + (k - s))
}

/// 1 + Σ (k_l - 1) · s_1 · … · s_(l-1).
fn closed(links: &[[i64; 2]]) -> i64 {
    let term = |l: usize| (links[l][0] - 1) * links[..l].iter().map(|[_, s]| s).product::<i64>();
    1 + (0..links.len()).map(term).sum::<i64>()
}

// ---- random chains ----

fn random_link() -> impl Strategy<Value = [i64; 4]> {
    (1_i64..8, 1_i64..4, 1_i64..4, 0_i64..4).prop_map(|(k, s, d, p)| [k, s, d, p])
}

/// A long image, so that chains of any layers fit.
fn chain(links: &[[i64; 4]]) -> ModelSpec {
    let model = ModelSpec::builder("chain", [1, 1 << 20, 1]);
    let add = |model: ModelBuilder, (index, &[k, s, d, p]): (usize, &[i64; 4])| {
        let conv = Conv2d::new(1, [k, 1]).stride([s, 1]).dilation([d, 1]).padding([p, 0]);
        model.layer(index.to_string(), conv)
    };
    links.iter().enumerate().fold(model, add).build().unwrap()
}

proptest! {
    #[test]
    fn the_textbooks_formulas_are_the_case_of_a_chain(links in vec(random_link(), 1..9)) {
        let fields = chain(&links).receptive_fields().unwrap();
        for (index, (_, field)) in fields.iter().enumerate() {
            // A dilated kernel counts as a larger one.
            let above: Vec<[i64; 2]> = links[..=index].iter().map(|[k, s, d, _]| [d * (k - 1) + 1, *s]).collect();
            prop_assert_eq!(field.rows.size, recursive(&above));
            prop_assert_eq!(field.rows.size, closed(&above));
            prop_assert_eq!(field.rows.stride, Some(above.iter().map(|[_, s]| s).product()));
            // P_(l-1) = s_l · P_l + p_l.
            let padding = links[..=index].iter().rev().fold(0, |padding, [_, s, _, p]| s * padding + p);
            prop_assert_eq!(field.rows.padding, Some(padding));
            prop_assert!(field.aligned());
        }
    }
}

// ---- the zoo ----

#[test]
fn the_textbooks_formulas_hold_on_every_chain_of_the_zoo() {
    let mut chains = Vec::new();
    for &name in zoo::NAMES {
        let model = zoo::model(name, None, None).unwrap().resolve().unwrap();
        if !is_chain(&model) {
            continue;
        }
        chains.push(name);
        let fields = ReceptiveFields::of(&model).unwrap();
        let links: Vec<[i64; 2]> = model.layers.iter().map_while(link).collect();
        assert!(links.len() > 4, "{name}");
        for (index, layer) in model.layers[..links.len()].iter().enumerate() {
            let field = fields.get(&layer.name).unwrap();
            let size = recursive(&links[..=index]);
            assert_eq!(size, closed(&links[..=index]), "{name} {}", layer.name);
            assert_eq!(field.size(), [size; 2], "{name} {}", layer.name);
        }
    }
    assert_eq!(
        chains,
        [
            "alexnet",
            "alexnet_v2",
            "default",
            "dilated_context",
            "lenet5",
            "mobilenet_v1",
            "vgg11",
            "vgg11_bn",
            "vgg13",
            "vgg13_bn",
            "vgg16",
            "vgg16_bn",
            "vgg19",
            "vgg19_bn"
        ]
    );
}

/// Size and stride of the last maps, as Araujo, Norris and Sim print them. (TF-Slim's AlexNet goes on with convolutions
/// in the place of fully connected layers.)
#[test]
fn published_fields_of_the_last_maps() {
    for (name, size, stride) in [
        ("alexnet_v2", 195, 32),
        ("vgg16", 212, 32),
        ("mobilenet_v1", 315, 32),
        ("inception_v3", 1311, 32),
        ("resnet50_v1", 483, 32),
        ("resnet101_v1", 1027, 32),
        ("resnet152_v1", 1507, 32),
    ] {
        let model = zoo::model(name, None, None).unwrap();
        let fields = model.without_auxiliary().receptive_fields().unwrap();
        let maps = fields.iter().filter(|(_, field)| field.stride().is_some());
        let (layer, last) = maps.take_while(|(layer, _)| !layer.starts_with("fc")).last().unwrap();
        assert_eq!((last.size(), last.stride()), ([size; 2], Some([stride; 2])), "{name} {layer}");
    }
}

#[test]
fn the_context_module_sees_what_its_paper_says() {
    let fields = zoo::model("dilated_context", None, None).unwrap().receptive_fields().unwrap();
    let sizes = (1..=8).map(|number| fields.get(&format!("conv{number}")).unwrap().size());
    assert_eq!(sizes.collect::<Vec<_>>(), [3, 5, 9, 17, 33, 65, 67, 67].map(|size| [size; 2]));
    assert!(fields.iter().all(|(_, field)| field.density() == Some(1.0)));
}

#[test]
fn every_layer_of_every_network_is_solved() {
    for &name in zoo::NAMES {
        let spec = zoo::model(name, None, None).unwrap();
        let fields = spec.receptive_fields().unwrap();
        assert_eq!(fields.iter().count(), spec.layers.len(), "{name}");
        // None of them leaves holes at its end.
        assert_eq!(fields.iter().last().unwrap().1.density(), Some(1.0), "{name}");
    }
}
