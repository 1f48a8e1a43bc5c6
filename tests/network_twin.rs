//! Windows and activations against slow loops in f64.

#![cfg(feature = "tch")]
#![allow(clippy::unwrap_used)]

use convscope::{
    Network,
    arch::{
        AvgPool2d, Conv2d, Gelu, GeluApproximation, Layer, LeakyRelu, MaxPool2d, ModelSpec, Padding, Window,
    },
};
use tch::{Device, Kind, Tensor, nn};

/// Maps of one image: `[channel][row][column]`, flattened.
struct Maps {
    channels: i64,
    height: i64,
    width: i64,
    values: Vec<f64>,
}

impl Maps {
    /// The value there; `None` outside.
    fn at(&self, channel: i64, row: i64, column: i64) -> Option<f64> {
        let inside = (0..self.height).contains(&row) && (0..self.width).contains(&column);
        inside.then(|| self.values[((channel * self.height + row) * self.width + column) as usize])
    }
}

fn image(channels: i64, height: i64, width: i64) -> Maps {
    let value = |i: i64| ((i * 37 + 11) % 101) as f64 / 50.0 - 1.0;
    Maps { channels, height, width, values: (0..channels * height * width).map(value).collect() }
}

/// What a layer with a window does at one place: it gets the value of every tap, `None` off the map, and the number of
/// taps on the map and its padding.
fn slide(
    maps: &Maps,
    channel: i64,
    window: &Window,
    mut each: impl FnMut(&[Option<f64>], usize) -> f64,
) -> Vec<f64> {
    let Window { kernel, stride, dilation, padding, ceil_mode } = *window;
    // Where the last tap still lies on the map or its padding. In ceil mode also the place after that, if something is
    // left behind the window before it and its own first tap lies on the map.
    let starts = |before: i64, size: i64, after: i64, stride: i64, reach: i64| {
        let end = size + after;
        (-before..).step_by(stride as usize).take_while(move |start| {
            let rest = start - stride + reach + 1 < end;
            start + reach < end || (ceil_mode && rest && *start < size)
        })
    };
    let mut out = Vec::new();
    for top in starts(padding.top, maps.height, padding.bottom, stride.h, (kernel.h - 1) * dilation.h) {
        for left in starts(padding.left, maps.width, padding.right, stride.w, (kernel.w - 1) * dilation.w) {
            let mut taps = Vec::new();
            let mut on_padding_too = 0;
            for ky in 0..kernel.h {
                for kx in 0..kernel.w {
                    let (row, column) = (top + ky * dilation.h, left + kx * dilation.w);
                    taps.push(maps.at(channel, row, column));
                    let inside = row < maps.height + padding.bottom && column < maps.width + padding.right;
                    on_padding_too += usize::from(inside);
                }
            }
            out.push(each(&taps, on_padding_too));
        }
    }
    out
}

/// The output of a model of the one layer `layer`, and its parameters.
fn run(layer: Layer, maps: &Maps) -> (Vec<f64>, nn::VarStore, Window) {
    let spec = ModelSpec::builder("one", [maps.channels, maps.height, maps.width])
        .layer("x", layer)
        .build()
        .unwrap();
    let store = nn::VarStore::new(Device::Cpu);
    let network = Network::new(&store.root(), &spec).unwrap();
    let input = Tensor::from_slice(&maps.values)
        .view([1, maps.channels, maps.height, maps.width])
        .to_kind(Kind::Float);
    let output = network.f_forward_t(&input, false).unwrap();
    let window = network.model().layers[0].window.unwrap();
    (doubles(&output), store, window)
}

fn doubles(tensor: &Tensor) -> Vec<f64> {
    Vec::<f64>::try_from(tensor.detach().to_kind(Kind::Double).flatten(0, -1)).unwrap()
}

fn assert_close(found: &[f64], expected: &[f64], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!((found - expected).abs() < 1e-4, "{what}: value {i} is {found}, expected {expected}");
    }
}

#[test]
fn convolution_with_every_kind_of_padding() {
    let maps = image(4, 9, 8);
    for (padding, groups) in
        [(Padding::NONE, 1), (Padding::from([2, 1]), 2), (Padding::from([0, 3, 1, 2]), 4), (Padding::Same, 2)]
    {
        for (stride, dilation) in [([1, 1], [1, 1]), ([2, 3], [1, 2])] {
            let conv =
                Conv2d::new(8, [3, 2]).stride(stride).dilation(dilation).padding(padding).groups(groups);
            let (found, store, window) = run(conv.into(), &maps);
            let (kernel, bias) =
                (doubles(&store.variables()["x.weight"]), doubles(&store.variables()["x.bias"]));
            let per_group = 4 / groups;
            let mut expected = Vec::new();
            for out in 0..8 {
                let group = out / (8 / groups);
                let mut sum: Option<Vec<f64>> = None;
                for inner in 0..per_group {
                    let taps_of = &kernel[((out * per_group + inner) * 6) as usize..][..6];
                    let part = slide(&maps, group * per_group + inner, &window, |taps, _| {
                        taps.iter().zip(taps_of).map(|(value, weight)| value.unwrap_or(0.0) * weight).sum()
                    });
                    sum = Some(match sum {
                        None => part,
                        Some(sum) => sum.iter().zip(&part).map(|(a, b)| a + b).collect(),
                    });
                }
                expected.extend(sum.unwrap().iter().map(|value| value + bias[out as usize]));
            }
            assert_close(&found, &expected, &format!("{conv:?}"));
        }
    }
}

/// Sizes at which the last window of a ceil-mode pooling is cut, whole, and left out, over paddings and strides.
fn pools(mut check: impl FnMut(&Maps, Padding, i64, bool)) {
    for (height, width) in [(9, 8), (7, 10), (6, 5)] {
        let mut maps = image(2, height, width);
        maps.values.iter_mut().for_each(|value| *value -= 2.0); // all below zero: padding must not win
        for padding in
            [Padding::NONE, Padding::from(1), Padding::from([0, 1, 1, 0]), [1, 0, 0, 1].into(), Padding::Same]
        {
            for (stride, ceil_mode) in [(2, false), (2, true), (3, false), (3, true), (4, true)] {
                check(&maps, padding, stride, ceil_mode);
            }
        }
    }
}

#[test]
fn max_pooling_with_every_kind_of_padding() {
    pools(|maps, padding, stride, ceil_mode| {
        for dilation in [1, 2] {
            let pool =
                MaxPool2d::new(3).stride(stride).padding(padding).dilation(dilation).ceil_mode(ceil_mode);
            let (found, _, window) = run(pool.into(), maps);
            let max =
                |taps: &[Option<f64>], _| taps.iter().flatten().copied().fold(f64::NEG_INFINITY, f64::max);
            let expected: Vec<f64> = (0..2).flat_map(|channel| slide(maps, channel, &window, max)).collect();
            assert_close(&found, &expected, &format!("{pool:?} on {}x{}", maps.height, maps.width));
        }
    });
}

#[test]
fn average_pooling_with_every_kind_of_padding() {
    pools(|maps, padding, stride, ceil_mode| {
        for count_include_pad in [true, false] {
            let pool = AvgPool2d::new(3)
                .stride(stride)
                .padding(padding)
                .count_include_pad(count_include_pad)
                .ceil_mode(ceil_mode);
            let (found, _, window) = run(pool.into(), maps);
            let mean = |taps: &[Option<f64>], on_padding_too: usize| {
                let inside = taps.iter().flatten().count();
                taps.iter().flatten().sum::<f64>()
                    / if count_include_pad { on_padding_too } else { inside } as f64
            };
            let expected: Vec<f64> = (0..2).flat_map(|channel| slide(maps, channel, &window, mean)).collect();
            assert_close(&found, &expected, &format!("{pool:?} on {}x{}", maps.height, maps.width));
        }
    });
}

/// The standard normal distribution function as a sum of thin slices.
fn phi(x: f64) -> f64 {
    let (from, slices) = (-10.0, 20_000);
    let width = (x - from) / f64::from(slices);
    let density = |t: f64| (-t * t / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
    (0..slices).map(|i| density(from + (f64::from(i) + 0.5) * width) * width).sum()
}

#[test]
fn activations_and_their_slopes() {
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let tanh_gelu = |x: f64| {
        let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3));
        0.5 * x * (1.0 + inner.tanh())
    };
    let points = [-2.5, -1.0, -0.25, 0.5, 1.0, 3.0, 7.5];
    type Function<'a> = &'a dyn Fn(f64) -> f64;
    let table: [(Layer, Function<'_>); 10] = [
        (Layer::Relu, &|x| x.max(0.0)),
        (Layer::Relu6, &|x| x.clamp(0.0, 6.0)),
        (LeakyRelu::new().into(), &|x| if x > 0.0 { x } else { 0.01 * x }),
        (LeakyRelu::new().negative_slope(0.3).into(), &|x| if x > 0.0 { x } else { 0.3 * x }),
        (Gelu::new().into(), &|x| x * phi(x)),
        (Gelu::new().approximate(GeluApproximation::Tanh).into(), &tanh_gelu),
        (Layer::Silu, &|x| x * sigmoid(x)),
        (Layer::Tanh, &f64::tanh),
        (Layer::Sigmoid, &sigmoid),
        (Layer::Identity, &|x| x),
    ];
    for (layer, function) in table {
        let spec = ModelSpec::builder("one", [1, 1, 7]).layer("x", layer).build().unwrap();
        let network = Network::new(&nn::VarStore::new(Device::Cpu).root(), &spec).unwrap();
        let input = Tensor::from_slice(&points).view([1, 1, 1, 7]).set_requires_grad(true);
        let output = network.f_forward_t(&input, true).unwrap();
        assert_close(&doubles(&output), &points.map(function), &format!("{layer:?}"));
        output.sum(Kind::Double).backward();
        let slopes = points.map(|x| (function(x + 1e-5) - function(x - 1e-5)) / 2e-5);
        assert_close(&doubles(&input.grad()), &slopes, &format!("slope of {layer:?}"));
    }
}
