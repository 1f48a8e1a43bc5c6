//! What is said of models with and without each defect.

#![allow(clippy::unwrap_used)] // in helpers of tests

use convscope::arch::{
    AdaptiveAvgPool2d, Advice, AdviceKind, AdviceOptions, AvgPool2d, Conv2d, Layer, Linear, MaxPool2d,
    ModelBuilder, ModelSpec, Padding, zoo,
};

fn model(input: [i64; 3]) -> ModelBuilder {
    ModelSpec::builder("net", input)
}

fn advice(model: ModelBuilder) -> Vec<Advice> {
    with(model, AdviceOptions::default())
}

fn with(model: ModelBuilder, options: AdviceOptions) -> Vec<Advice> {
    model.build().unwrap().advice(&options).unwrap()
}

fn kinds(advice: &[Advice]) -> Vec<AdviceKind> {
    advice.iter().map(|advice| advice.kind).collect()
}

fn conv(kernel: i64) -> Conv2d {
    Conv2d::new(4, kernel).padding(kernel / 2)
}

/// The only advice of a kind.
fn only(all: &[Advice], kind: AdviceKind) -> Advice {
    let found: Vec<&Advice> = all.iter().filter(|advice| advice.kind == kind).collect();
    assert_eq!(found.len(), 1, "{all:?}");
    found[0].clone()
}

/// Three convolutions of 3x3 with these dilations, as large as the image.
fn dilated(dilations: [i64; 3]) -> ModelBuilder {
    dilations.iter().enumerate().fold(model([1, 64, 64]), |model, (n, &d)| {
        model.layer(format!("conv{}", n + 1), Conv2d::new(4, 3).dilation(d).padding(d))
    })
}

/// Two convolutions, joined with what goes into the second one.
fn residual(first: Conv2d, second: Conv2d) -> ModelBuilder {
    model([1, 28, 28]).layer("a", first).layer("b", second).layer_from("add", ["a", "b"], Layer::Add)
}

#[test]
fn a_healthy_model_is_told_why_it_is() {
    let all = advice(
        model([1, 8, 8])
            .layer("conv1", conv(3))
            .layer("pool", MaxPool2d::new(2))
            .layer("conv2", conv(3))
            .layer("flatten", Layer::Flatten)
            .layer("fc", Linear::new(2)),
    );
    // 3, 4, then 8: as large as the image, and the input of no window is.
    assert_eq!(kinds(&all), [AdviceKind::Healthy]);
    assert!(all[0].layers.is_empty() && !all[0].kind.is_defect());
    assert_eq!(
        all[0].message,
        "a unit of the last maps, `conv2`, sees 8x8 pixels of the image of 8x8; every window larger than 1x1 still adds context; \
         no holes in what the last maps see; every pixel of the image is seen"
    );
    let all = advice(residual(conv(3), conv(3)));
    assert_eq!(kinds(&all), [AdviceKind::Healthy, AdviceKind::Note]);
    assert!(all[0].message.contains("the branches that are joined lie on each other"), "{all:?}");
}

#[test]
fn a_model_without_maps_has_nothing_to_compare() {
    let all = advice(model([1, 8, 8]).layer("flatten", Layer::Flatten).layer("fc", Linear::new(2)));
    assert_eq!(kinds(&all), [AdviceKind::Healthy]);
    assert!(all[0].message.contains("nothing to compare"), "{all:?}");
}

#[test]
fn layers_behind_a_field_as_large_as_the_image_are_unproductive() {
    let chain = |image: i64| {
        model([1, image, image])
            .layer("conv1", conv(5))
            .layer("relu1", Layer::Relu)
            .layer("conv2", conv(5))
            .layer("point", Conv2d::new(4, 1))
            .layer("conv3", conv(3))
            .layer("pool", MaxPool2d::new(2))
            .layer("gap", Layer::GlobalAvgPool)
            .layer("fc", Linear::new(2))
    };
    // The fields are 5, 5, 9, 9, 11, 12.
    let tail = only(&advice(chain(9)), AdviceKind::UnproductiveTail);
    assert_eq!(tail.layers, ["conv3", "pool"]);
    // conv1 104, conv2 404, point 20, conv3 148, fc 10.
    assert_eq!(
        tail.message,
        "2 of 4 layers with windows larger than 1x1 add no context: `conv3` and `pool`. The input already sees as much as \
         the image of 9x9 has: that of `conv3` sees 9x9, that of `pool` 11x11. They hold 22 % of the model's 686 \
         parameters. Give the model larger images, shrink the maps later, or leave layers out"
    );
    let tail = only(&advice(chain(11)), AdviceKind::UnproductiveTail);
    assert_eq!(tail.layers, ["pool"]);
    assert!(tail.message.starts_with("1 of 4 layers with windows larger than 1x1 adds no context: `pool`."));
    assert!(!kinds(&advice(chain(12))).contains(&AdviceKind::UnproductiveTail));
}

#[test]
fn an_axis_without_taps_does_not_make_a_layer_unproductive() {
    let chain = |kernel: [i64; 2]| {
        let padding = [kernel[0] / 2, kernel[1] / 2];
        // The fields are 9 high and 1 wide.
        let tall = Conv2d::new(4, [9, 1]).padding([4, 0]);
        advice(model([1, 9, 9]).layer("tall", tall).layer("next", Conv2d::new(4, kernel).padding(padding)))
    };
    assert_eq!(only(&chain([3, 1]), AdviceKind::UnproductiveTail).layers, ["next"]);
    for productive in [[1, 3], [3, 3]] {
        assert!(!kinds(&chain(productive)).contains(&AdviceKind::UnproductiveTail), "{productive:?}");
    }
}

#[test]
fn the_last_maps_are_compared_with_the_object() {
    let chain = || {
        model([1, 28, 28]).layer("conv1", conv(5)).layer("conv2", conv(5)).layer("gap", Layer::GlobalAvgPool)
    };
    let compared = |size| with(chain(), AdviceOptions::default().object_size(size));
    assert_eq!(kinds(&compared([9, 9])), [AdviceKind::Healthy]);
    let small = only(&compared([9, 10]), AdviceKind::SmallFinalField);
    assert_eq!(small.layers, ["conv2"]);
    assert!(
        small
            .message
            .starts_with("a unit of the last maps, `conv2`, sees 9x9 pixels, less than an object of 9x10"),
        "{small}"
    );
    // An object that the image cannot hold is no matter of the fields.
    let large = only(&compared([9, 29]), AdviceKind::SmallFinalField);
    assert!(
        large.message.starts_with("an object of 9x29 pixels is larger than the image of 28x28"),
        "{large}"
    );
    // Without an object there is a note, and what it says is said once.
    let all = advice(chain());
    assert_eq!(kinds(&all), [AdviceKind::Healthy, AdviceKind::Note]);
    assert!(all[1].message.contains("sees 9x9 pixels of the image's 28x28"), "{all:?}");
    assert!(!all[0].message.contains("9x9"), "{all:?}");
    let refused = chain().build().unwrap().advice(&AdviceOptions::default().object_size([3, 0])).unwrap_err();
    assert_eq!(refused.to_string(), "object size: [3, 0] found; height and width are 1 or more");
}

#[test]
fn holes_that_remain_are_gridding() {
    let grid = only(&advice(dilated([2, 2, 2])), AdviceKind::Gridding);
    assert_eq!(grid.layers, ["conv1", "conv2", "conv3"]);
    assert_eq!(
        grid.message,
        "a unit of the last maps, `conv3`, sees 7 of 13 rows and 7 of 13 columns of its field (density 0.54): no path \
         leads to the pixels between. Dilated: `conv1`, `conv2` and `conv3`, by 2, 2, 2. The holes begin at `conv1`: its \
         taps lie 2 pixels apart, where a unit of its input sees 1 in a row. Dilation 1 throughout is dense. Larger ones \
         are if they begin with 1 and M_2 is not larger than the kernel, with M_n = r_n for the last dilation and M_i = \
         max(M_(i+1) - 2 r_i, M_(i+1) - 2 (M_(i+1) - r_i), r_i) before it (Wang et al., 2018), as for 1, 2, 5 with \
         kernels of 3"
    );
    for healthy in [[1, 1, 1], [1, 2, 5], [2, 1, 1], [1, 2, 4]] {
        assert!(!kinds(&advice(dilated(healthy))).contains(&AdviceKind::Gridding), "{healthy:?}");
    }
    // No common factor, and holes: behind 1 and 2 a unit sees 7 pixels in a row, and 9 is more.
    let grid = only(&advice(dilated([1, 2, 9])), AdviceKind::Gridding);
    assert_eq!(grid.layers, ["conv2", "conv3"]);
    assert!(
        grid.message
            .contains("begin at `conv3`: its taps lie 9 pixels apart, where a unit of its input sees 7")
    );
    let grid = only(&advice(dilated([3, 5, 7])), AdviceKind::Gridding);
    assert!(grid.message.contains("begin at `conv1`: its taps lie 3 pixels apart"), "{grid}");
    // Holes that are filled do not count.
    let grid = only(&advice(dilated([2, 1, 9])), AdviceKind::Gridding);
    assert!(grid.message.contains("begin at `conv3`"), "{grid}");
    // Along one axis.
    let one = model([1, 64, 64]).layer("conv1", Conv2d::new(4, 3).dilation([1, 3]));
    let grid = only(&advice(one), AdviceKind::Gridding);
    assert!(grid.message.contains("sees 3 of 3 rows and 3 of 7 columns"), "{grid}");
    assert!(grid.message.contains("Dilated: `conv1`, by 1x3"), "{grid}");
}

#[test]
fn strides_larger_than_windows_leave_holes_and_unseen_pixels() {
    let all = advice(model([1, 27, 27]).layer("conv1", Conv2d::new(4, 1).stride(2)).layer("conv2", conv(3)));
    let grid = only(&all, AdviceKind::Gridding);
    assert_eq!(grid.layers, ["conv1"]);
    assert!(grid.message.contains("sees 3 of 5 rows and 3 of 5 columns"), "{grid}");
    assert!(grid.message.contains("`conv1` steps further than its window reaches"), "{grid}");
    let unseen = only(&all, AdviceKind::UnseenPixels);
    // Every second of 27: 14 remain, and (1 - (14 / 27)^2) is 73 %.
    assert!(
        unseen.message.contains("sees 13 rows between its fields and 13 columns between its fields"),
        "{unseen}"
    );
    assert!(unseen.message.contains("(73 % of its pixels)"), "{unseen}");
}

#[test]
fn branches_with_other_centres_are_misaligned() {
    let even = || Conv2d::new(4, 2).padding([0, 1, 0, 1]);
    let merge = only(&advice(residual(even(), even())), AdviceKind::MisalignedMerge);
    assert_eq!(merge.layers, ["add"]);
    assert!(
        merge.message.starts_with(
            "`add` joins `a`, whose unit (0, 0) has its centre at (0.5, 0.5), with `b`, whose has it at (1, 1)"
        ),
        "{merge}"
    );
    assert!(!kinds(&advice(residual(conv(3), conv(3)))).contains(&AdviceKind::MisalignedMerge));
    // With the image itself, and named once: behind it all is misaligned.
    let twice = model([4, 28, 28])
        .layer("a", even())
        .layer_from("add1", ["a", "input"], Layer::Add)
        .layer("c", conv(3))
        .layer_from("add2", ["c", "add1"], Layer::Add);
    let merge = only(&advice(twice), AdviceKind::MisalignedMerge);
    assert_eq!(merge.layers, ["add1"]);
    assert!(merge.message.contains("joins `input`, whose unit (0, 0) has its centre at (0, 0)"), "{merge}");
}

#[test]
fn branches_with_other_strides_are_in_conflict() {
    let all = advice(
        model([1, 16, 16])
            .layer("a", Conv2d::new(4, 3).stride(2).padding(1))
            .layer_from("b", ["input"], Conv2d::new(4, 9))
            .layer_from("add", ["a", "b"], Layer::Add),
    );
    assert_eq!(kinds(&all), [AdviceKind::StrideConflict]);
    assert_eq!(all[0].layers, ["add"]);
    for part in ["`add` joins branches of different strides", "`a` has 2 and `b` has 1"] {
        assert!(all[0].message.contains(part), "{all:?}");
    }
}

#[test]
fn borders_that_windows_leave_out_are_told() {
    let chain =
        |pool: Layer| advice(model([1, 28, 28]).layer("conv1", Conv2d::new(4, 5)).layer("pool1", pool));
    let unseen = only(&chain(MaxPool2d::new(5).into()), AdviceKind::UnseenPixels);
    // 24 rows in windows of 5: 4 are left.
    assert_eq!(unseen.layers, ["pool1"]);
    assert_eq!(
        unseen.message,
        "no unit of the last maps, `pool1`, sees the last 4 rows and the last 4 columns of the image of 28x28 (27 % of its \
         pixels): `pool1` (window 5x5, stride 5x5) leaves out the last 4 rows of 24 and the last 4 columns of 24. Choose \
         an image size or paddings with which the windows come out even"
    );
    for even in [Layer::from(MaxPool2d::new(2)), AvgPool2d::new(3).into(), MaxPool2d::new(3).stride(1).into()]
    {
        assert!(!kinds(&chain(even)).contains(&AdviceKind::UnseenPixels));
    }
    // The convolution before it sees what the pooling leaves out, but the pooling is last.
    let same = model([1, 29, 29])
        .layer("conv1", Conv2d::new(4, 3).padding(Padding::Same))
        .layer("pool1", MaxPool2d::new(2));
    let all = advice(same);
    // Row 28 lies in the field of unit 27 of conv1, which pool1 reads.
    assert!(!kinds(&all).contains(&AdviceKind::UnseenPixels), "{all:?}");
}

#[test]
fn auxiliary_heads_are_not_looked_at() {
    let mut spec = model([1, 64, 64])
        .layer("conv1", conv(3))
        .layer("aux.pool", MaxPool2d::new(5))
        .layer("aux.gap", Layer::GlobalAvgPool)
        .layer("aux.fc", Linear::new(2))
        .layer_from("conv2", ["conv1"], conv(3));
    spec = spec.auxiliary("aux.fc");
    let all = advice(spec);
    assert_eq!(kinds(&all), [AdviceKind::Healthy, AdviceKind::Note]);
    assert_eq!(all[1].layers, ["conv2"]);
}

/// Unproductive layers of a model of the zoo.
fn tail(name: &str, input: Option<[i64; 3]>) -> Vec<String> {
    let all = zoo::model(name, input, None).unwrap().advice(&AdviceOptions::default()).unwrap();
    assert!(all[0].kind.is_defect() == (all[0].kind != AdviceKind::Healthy), "{name}");
    all.into_iter()
        .find(|advice| advice.kind == AdviceKind::UnproductiveTail)
        .map_or_else(Vec::new, |a| a.layers)
}

#[test]
fn resnet18_on_small_images_is_mostly_unproductive() {
    // Fields: conv1 7, maxpool 11, layer1 19, 27, 35, 43, then 51, 67, ... 435. The input of layer1.1.conv2 sees 35.
    let expected = [
        "layer1.1.conv2",
        "layer2.0.conv1",
        "layer2.0.conv2",
        "layer2.1.conv1",
        "layer2.1.conv2",
        "layer3.0.conv1",
        "layer3.0.conv2",
        "layer3.1.conv1",
        "layer3.1.conv2",
        "layer4.0.conv1",
        "layer4.0.conv2",
        "layer4.1.conv1",
        "layer4.1.conv2",
    ];
    assert_eq!(tail("resnet18", Some([3, 32, 32])), expected);
    // At 224 the input of layer4.0.conv2 sees 243 pixels (211 + 2 * 16).
    assert_eq!(tail("resnet18", None), ["layer4.0.conv2", "layer4.1.conv1", "layer4.1.conv2"]);
}

#[test]
fn networks_of_the_zoo_at_their_own_size() {
    for healthy in ["default", "lenet5", "alexnet", "vgg11", "vgg16"] {
        let all = zoo::model(healthy, None, None).unwrap().advice(&AdviceOptions::default()).unwrap();
        assert_eq!(all[0].kind, AdviceKind::Healthy, "{healthy}: {all:?}");
    }
    // The field of VGG-16's last maps is 212, that of VGG-19's 268.
    let vgg16 = zoo::model("vgg16", None, None).unwrap().advice(&AdviceOptions::default()).unwrap();
    assert!(vgg16[1].message.contains("sees 212x212 pixels of the image's 224x224"), "{vgg16:?}");
    assert_eq!(tail("vgg19", None).last().map(String::as_str), Some("features.36"));
    assert_eq!(tail("dilated_context", None), ["conv7"]);
}

#[test]
fn what_an_unpadded_window_leaves_out_no_later_padding_sees() {
    let unseen = |name: &str| {
        let all = zoo::model(name, None, None).unwrap().advice(&AdviceOptions::default()).unwrap();
        only(&all, AdviceKind::UnseenPixels)
    };
    // 54 windows of 11 by 4 end at 223; pool1 reads 53 of the 54 rows, which see 52 * 4 + 11 pixels.
    let alexnet = unseen("alexnet_v2");
    assert!(
        alexnet.message.contains("the last 5 rows and the last 5 columns of the image of 224x224"),
        "{alexnet}"
    );
    assert_eq!(alexnet.layers, ["conv1", "pool1"]);
    // 111 windows of 3 by 2 end at 223.
    let squeezenet = unseen("squeezenet1_1");
    assert!(squeezenet.message.contains("the last 1 row and the last 1 column"), "{squeezenet}");
    assert_eq!(squeezenet.layers, ["features.0"]);
}

#[test]
fn every_network_of_the_zoo_gets_advice() {
    for name in zoo::NAMES {
        let all = zoo::model(name, None, None).unwrap().advice(&AdviceOptions::default()).unwrap();
        assert!(!all.is_empty(), "{name}");
        for advice in all {
            assert!(!advice.message.ends_with('.') && advice.message.len() < 1000, "{name}: {advice}");
        }
    }
}

#[test]
fn behind_an_uneven_adaptive_pooling_nothing_is_said_of_context() {
    let chain = |pooled: i64| {
        advice(
            model([1, 16, 16])
                .layer("conv1", conv(15))
                .layer("pool", AdaptiveAvgPool2d::new(pooled))
                .layer("conv2", conv(3))
                .layer("gap", Layer::GlobalAvgPool),
        )
    };
    // 16 rows in 7 regions: each sees a part of the image, which no single size tells.
    assert!(!kinds(&chain(7)).contains(&AdviceKind::UnproductiveTail));
    // In 8 regions of 2: 16 pixels.
    assert_eq!(only(&chain(8), AdviceKind::UnproductiveTail).layers, ["conv2"]);
}

#[test]
fn of_several_last_maps_the_one_that_sees_most_is_named() {
    let all = advice(
        model([1, 28, 28])
            .layer("a", conv(3))
            .layer("gap", Layer::GlobalAvgPool)
            .layer_from("b", ["input"], conv(5))
            .layer("gap2", Layer::GlobalAvgPool)
            .layer_from("both", ["gap", "gap2"], Layer::Concat),
    );
    let note = only(&all, AdviceKind::Note);
    assert!(
        note.message.starts_with("of the last maps, `a` and `b`, a unit of `b` sees most: 5x5 pixels"),
        "{note}"
    );
}

#[test]
fn holes_that_cannot_be_counted_are_not_denied() {
    // Kernels whose taps lie in 3,000 pieces.
    let all = advice(
        model([1, 6000, 1]).layer("conv", Conv2d::new(1, [3000, 1]).dilation([2, 1]).padding([3000, 0])),
    );
    assert!(all.iter().any(|advice| advice.message.starts_with("holes: not known")), "{all:?}");
    assert!(!all.iter().any(|advice| advice.message.contains("no holes")), "{all:?}");
}

#[test]
fn parameters_of_auxiliary_heads_are_not_in_the_share() {
    let spec = model([1, 5, 5])
        .layer("conv1", conv(5))
        .layer("aux.gap", Layer::GlobalAvgPool)
        .layer("aux.fc", Linear::new(100))
        .layer_from("conv2", ["conv1"], conv(3))
        .auxiliary("aux.fc");
    // conv1 104, conv2 148; the head has 500.
    let tail = only(&advice(spec), AdviceKind::UnproductiveTail);
    assert!(
        tail.message.contains("It holds 59 % of the model's 252 parameters without auxiliary heads."),
        "{tail}"
    );
}

#[test]
fn a_long_chain_is_looked_at_once() {
    let chain = (0..29_000).fold(model([1, 8, 8]).layer("conv", conv(3)), |model, n| {
        model.layer(format!("relu{n}"), Layer::Relu)
    });
    assert_eq!(only(&advice(chain), AdviceKind::Note).layers, ["relu28999"]);
}
