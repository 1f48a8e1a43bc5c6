//! Max pooling backward against the published values, libtorch's own, and a slow twin.

#![allow(clippy::unwrap_used)] // in helpers of tests

use convscope::{
    Step,
    arch::{MaxPool2d, MaxPoolSwitches, Padding, panels},
    render::{Caption, WindowKind},
};

struct Known {
    pool: MaxPool2d,
    side: usize,
    map: &'static [f32],
    output: [f32; 4],
    switches: [usize; 4],
    routed: &'static [f32],
}

/// The gradient by the outputs is 1, 2, 3, 4.
fn known() -> [Known; 4] {
    let pool = |kernel: i64, stride: i64| MaxPool2d::new(kernel).stride(stride);
    [
        Known {
            pool: pool(2, 2),
            side: 4,
            map: &[1., 3., 2., 4., 5., 6., 8., 7., 9., 2., 1., 0., 3., 4., 5., 6.],
            output: [6., 8., 9., 6.],
            switches: [5, 6, 8, 15],
            routed: &[0., 0., 0., 0., 0., 1., 2., 0., 3., 0., 0., 0., 0., 0., 0., 4.],
        },
        Known {
            pool: pool(2, 1),
            side: 3,
            map: &[1., 3., 2., 5., 9., 8., 4., 2., 6.],
            output: [9.; 4],
            switches: [4; 4],
            routed: &[0., 0., 0., 0., 10., 0., 0., 0., 0.],
        },
        Known {
            pool: pool(2, 1),
            side: 3,
            map: &[1., 3., 2., 9., 5., 4., 6., 8., 7.],
            output: [9., 5., 9., 8.],
            switches: [3, 4, 3, 7],
            routed: &[0., 0., 0., 4., 2., 0., 0., 4., 0.],
        },
        Known {
            pool: pool(3, 1),
            side: 4,
            map: &[1., 3., 2., 4., 5., 16., 8., 7., 9., 2., 1., 0., 3., 4., 5., 6.],
            output: [16.; 4],
            switches: [5; 4],
            routed: &[0., 0., 0., 0., 0., 10., 0., 0., 0., 0., 0., 0., 0., 0., 0., 0.],
        },
    ]
}

#[test]
fn published_values_forward_and_backward() {
    for Known { pool, side, map, output, switches, routed } in known() {
        let pooled = MaxPoolSwitches::new(map, [side, side], &pool).unwrap();
        assert_eq!(pooled.output, output);
        assert_eq!(pooled.switches, switches.map(Some));
        assert_eq!(pooled.backward(&[1., 2., 3., 4.]).unwrap(), routed);
        assert_eq!(pooled.size, [2, 2]);
    }
}

#[test]
fn zeros_ties_nan_and_padding_are_told_apart() {
    let nan = f32::NAN;
    let map = [0., 0., 2., 2., 0., -0., 1., 2., nan, 7., -1., -3., nan, 1., -1., -3.];
    let pooled = MaxPoolSwitches::new(&map, [4, 4], &MaxPool2d::new(2)).unwrap();
    use WindowKind::{AllZero, Nan, Single, Tie};
    assert_eq!(pooled.kinds, [AllZero, Tie, Nan, Tie]);
    assert_eq!(pooled.switches, [Some(0), Some(2), Some(12), Some(10)], "the first, and the last NaN");
    assert!(pooled.output[2].is_nan());

    // With padding, a window at the corner holds one value; it is larger than the padding whatever it is.
    let padded = MaxPoolSwitches::new(&[-5.0; 4], [2, 2], &MaxPool2d::new(2).padding(1)).unwrap();
    assert_eq!((padded.output, padded.kinds), (vec![-5.0; 4], vec![Single; 4]));
    assert_eq!(padded.switches, [Some(0), Some(1), Some(2), Some(3)]);
    // Windows with holes can miss a small map: both taps of the middle one lie beside it.
    let dilated = MaxPool2d::new([1, 2]).dilation([1, 4]).stride(1).padding([0, 2]);
    let missed = MaxPoolSwitches::new(&[1.0], [1, 1], &dilated).unwrap();
    assert_eq!((missed.kinds.as_slice(), missed.switches[0]), ([WindowKind::Empty].as_slice(), None));
    assert_eq!(missed.backward(&[3.0]).unwrap(), [0.0]);
}

#[test]
fn what_does_not_fit_is_refused() {
    let pool = MaxPool2d::new(2);
    assert!(MaxPoolSwitches::new(&[1.0; 5], [2, 2], &pool).is_err());
    assert!(MaxPoolSwitches::new(&[], [0, 0], &pool).is_err());
    let error = MaxPoolSwitches::new(&[1.0], [1, 1], &pool).unwrap_err().to_string();
    assert!(error.contains("larger than the input 1x1"), "{error}");
    assert!(MaxPoolSwitches::new(&[1.0; 4], [2, 2], &MaxPool2d::new(0)).is_err());
    assert!(MaxPoolSwitches::new(&[1.0; 4], [2, 2], &pool).unwrap().backward(&[1.0; 2]).is_err());
    assert!(MaxPoolSwitches::new(&[1.0; 4], [2, 2], &MaxPool2d::new(2).padding(Padding::from(9))).is_err());
}

#[test]
fn panels_tell_zeros_and_ties() {
    let caption = Caption { layer: "max pooling", step: Step::new(0), epoch: None };
    let draw = |map: &[f32], pool: &MaxPool2d| {
        let height = panels::max_pool(map, [4, 4], pool, &[1., 2., 3., 4.], &caption).unwrap().height();
        let outputs = MaxPoolSwitches::new(map, [4, 4], pool).unwrap().output.len();
        (height, outputs)
    };
    let (plain, _) = draw(known()[0].map, &MaxPool2d::new(2));
    let (with_zeros, _) = draw(&[0.0; 16], &MaxPool2d::new(2));
    assert!(with_zeros > plain, "a line more in the key");
    assert_eq!(draw(known()[3].map, &MaxPool2d::new(3).stride(1)).1, 4);
    let wrong = panels::max_pool(&[1.0; 16], [4, 4], &MaxPool2d::new(2), &[1.0], &caption);
    assert!(wrong.is_err());
}

#[cfg(feature = "tch")]
mod with_libtorch {
    use super::*;
    use convscope::{
        MemorySink, Network,
        arch::{Conv2d, Layer, Linear, ModelSpec},
        explain::{
            Case, Classifier, MaxPoolRouting, MaxPoolSwitchStudy, Report, RoutingCounts, Sample, Study,
            Subject, max_pool_routing,
        },
    };
    use tch::{Device, Kind, Tensor, nn};

    /// Numbers with ties and zeros, from -3 to 3, or from 0 behind a ReLU.
    fn coarse(count: usize, seed: u64) -> Vec<f32> {
        let mut rng = fastrand::Rng::with_seed(seed);
        (0..count).map(|_| rng.i32(-3..=3) as f32).collect()
    }

    fn pools() -> Vec<(MaxPool2d, [i64; 2])> {
        vec![
            (MaxPool2d::new(2), [6, 6]),
            (MaxPool2d::new(2), [7, 5]),
            (MaxPool2d::new(2).ceil_mode(true), [7, 5]),
            (MaxPool2d::new(3).stride(2).padding(1), [8, 7]),
            (MaxPool2d::new(3).stride(2).padding(1).ceil_mode(true), [8, 8]),
            (MaxPool2d::new([3, 2]).stride([1, 2]).dilation([2, 1]), [9, 6]),
            (MaxPool2d::new(3).stride(2).padding(Padding::Same), [8, 8]),
            (MaxPool2d::new(3).stride(1).padding([0, 1, 1, 0]), [5, 6]),
            (MaxPool2d::new(2).stride(3), [8, 8]),
            (MaxPool2d::new(2).stride(2).dilation(3).padding(2), [8, 9]),
        ]
    }

    /// A network of one pooling and a linear layer with the given weights: the gradient by the pool's output is a row of
    /// them.
    fn routed(
        pool: MaxPool2d,
        [height, width]: [i64; 2],
        image: &Tensor,
    ) -> (MaxPoolRouting, Tensor, Vec<f32>) {
        let spec = ModelSpec::builder("pooled", [2, height, width])
            .layer("same", Layer::Identity)
            .layer("pool", pool)
            .layer("flatten", Layer::Flatten)
            .layer("fc", Linear::new(2).bias(false))
            .build()
            .unwrap();
        let features = spec.output_shapes().unwrap()[2].1.len();
        let weight = Tensor::from_slice(&coarse(2 * features as usize, 3)).reshape([2, features]);
        let row = Vec::<f32>::try_from(weight.select(0, 1)).unwrap();
        let network = Network::with_variables(&spec, &[("fc.weight".to_owned(), weight)]).unwrap();
        let classifier = Classifier::of_network(&network);
        let mut pools = max_pool_routing(&classifier, &spec, image, 1).unwrap();
        assert_eq!(pools.len(), 1);
        let gradient = classifier.gradients(image, 1).unwrap().gradients;
        (pools.remove(0), gradient.squeeze_dim(0), row)
    }

    fn numbers(tensor: &Tensor) -> Vec<f32> {
        Vec::try_from(tensor.to_kind(Kind::Float).contiguous().reshape([-1])).unwrap()
    }

    #[test]
    fn winners_and_gradients_are_libtorchs_and_those_of_the_slow_twin() {
        for (pool, size) in pools() {
            let what = format!("{pool:?} on {size:?}");
            let plane = (size[0] * size[1]) as usize;
            let values = coarse(2 * plane, 7);
            let image = Tensor::from_slice(&values).reshape([1, 2, size[0], size[1]]);
            let (found, autograd, row) = routed(pool, size, &image);
            assert_eq!(numbers(&found.gradient_after), row, "{what}");
            assert_eq!(numbers(&found.gradient_before), numbers(&autograd), "{what}");

            // The slow twin, channel by channel.
            let mut counts = RoutingCounts::default();
            let [winners, kinds] = [&found.winners, &found.kinds].map(numbers);
            let outputs = winners.len() / 2;
            let mut routed = Vec::new();
            for channel in 0..2 {
                let sides = size.map(|side| side as usize);
                let twin = MaxPoolSwitches::new(&values[channel * plane..][..plane], sides, &pool).unwrap();
                let switches: Vec<f32> =
                    twin.switches.iter().map(|place| place.map_or(-1.0, |place| place as f32)).collect();
                assert_eq!(winners[channel * outputs..][..outputs], switches, "{what}");
                let codes: Vec<f32> = twin.kinds.iter().map(|kind| f32::from(*kind as u8)).collect();
                assert_eq!(kinds[channel * outputs..][..outputs], codes, "{what}");
                routed.extend(twin.backward(&row[channel * outputs..][..outputs]).unwrap());
                let count = |kind| twin.kinds.iter().filter(|found| **found == kind).count() as u64;
                let mut winners: Vec<_> = twin.switches.iter().flatten().collect();
                winners.sort_unstable();
                winners.dedup();
                counts.inputs += plane as u64;
                counts.windows += outputs as u64;
                counts.winners += winners.len() as u64;
                counts.all_zero += count(WindowKind::AllZero);
                counts.ties += count(WindowKind::Tie);
                count_places(&mut counts.places, &twin, &found, &pool);
            }
            counts.with_gradient = routed.iter().filter(|value| **value != 0.0).count() as u64;
            assert_eq!(found.counts, counts, "{what}");
            assert_eq!(numbers(&found.gradient_before), routed, "{what}");
            check_places(&found, &pool, &what);
        }
    }

    /// Where in the kernel the twin's winners lie, windows of zeros left out.
    fn count_places(places: &mut Vec<u64>, twin: &MaxPoolSwitches, found: &MaxPoolRouting, pool: &MaxPool2d) {
        places.resize((pool.kernel_size.h * pool.kernel_size.w) as usize, 0);
        let (_, _, width) = found.input.size3().unwrap();
        for (at, (switch, kind)) in twin.switches.iter().zip(&twin.kinds).enumerate() {
            let (WindowKind::Single | WindowKind::Tie, Some(winner)) = (kind, switch) else { continue };
            let (v, u) = ((at / twin.size[1]) as i64, (at % twin.size[1]) as i64);
            let (y, x) = (*winner as i64 / width, *winner as i64 % width);
            let i = (y + found.window.padding.top - v * pool.stride.h) / pool.dilation.h;
            let j = (x + found.window.padding.left - u * pool.stride.w) / pool.dilation.w;
            places[(i * pool.kernel_size.w + j) as usize] += 1;
        }
    }

    /// That place and winner agree: winner = v · stride - padding + place · dilation.
    fn check_places(found: &MaxPoolRouting, pool: &MaxPool2d, what: &str) {
        let (winners, places) = (numbers(&found.winners), numbers(&found.places));
        let (_, rows, columns) = found.winners.size3().unwrap();
        let (_, _, width) = found.input.size3().unwrap();
        for (at, (winner, place)) in winners.iter().zip(&places).enumerate() {
            let (v, u) = (at as i64 / columns % rows, at as i64 % columns);
            let (i, j) = (*place as i64 / pool.kernel_size.w, *place as i64 % pool.kernel_size.w);
            let y = v * pool.stride.h - found.window.padding.top + i * pool.dilation.h;
            let x = u * pool.stride.w - found.window.padding.left + j * pool.dilation.w;
            assert_eq!(y * width + x, *winner as i64, "{what}, window {v}, {u}");
        }
    }

    #[test]
    fn the_published_case_in_a_network() {
        let known = &known()[0];
        let map = Tensor::from_slice(known.map).reshape([1, 1, 4, 4]);
        let image = Tensor::cat(&[&map, &map.zeros_like()], 1);
        let (found, ..) = routed(known.pool, [4, 4], &image);
        assert_eq!(numbers(&found.winners)[..4], known.switches.map(|place| place as f32));
        let channel = found.strongest(2).unwrap().into_iter().find(|channel| channel.channel == 1).unwrap();
        assert!(
            channel.switches.iter().all(|switch| switch.kind == WindowKind::AllZero && switch.place == 0)
        );
        assert_eq!(found.counts.all_zero, 4);
        assert_eq!(found.counts.winner_share(), Some(0.25));
        assert_eq!(found.counts.places, [1, 0, 1, 2], "windows of zeros do not count");
    }

    #[test]
    fn entropy_in_bits() {
        let of = |places: &[u64]| RoutingCounts { places: places.to_vec(), ..RoutingCounts::default() };
        assert_eq!(of(&[5, 0, 0, 0]).entropy(), Some(0.0));
        assert_eq!(of(&[3, 3, 3, 3]).entropy(), Some(2.0));
        assert_eq!(of(&[2, 1, 1, 0]).entropy(), Some(1.5));
        assert_eq!(of(&[2, 1, 1, 0]).effective_places(), Some(2.0_f64.powf(1.5)));
        assert_eq!(of(&[0, 0]).entropy(), None);
        assert_eq!(RoutingCounts::default().winner_share(), None);
    }

    #[test]
    fn nan_wins_on_the_device_too() {
        let mut values = coarse(72, 1);
        values[7] = f32::NAN;
        values[0] = f32::NAN;
        let image = Tensor::from_slice(&values).reshape([1, 2, 6, 6]);
        let (found, ..) = routed(MaxPool2d::new(2), [6, 6], &image);
        assert_eq!((found.counts.nan, numbers(&found.winners)[0]), (1, 7.0), "the last NaN of the window");
    }

    fn spec() -> ModelSpec {
        ModelSpec::builder("small", [1, 12, 12])
            .layer("conv1", Conv2d::new(4, 3).padding(1))
            .layer("relu1", Layer::Relu)
            .layer("pool1", MaxPool2d::new(2))
            .layer("flatten", Layer::Flatten)
            .layer("fc", Linear::new(3))
            .build()
            .unwrap()
    }

    fn run(
        study: &mut dyn Study,
        subject: &Subject<'_>,
        step: i64,
    ) -> (MemorySink, Vec<(&'static str, String)>) {
        let mut sink = MemorySink::default();
        let mut report = Report::new(&mut sink, Step::new(step), None).with_values();
        report.begin("max_pool_routing");
        study.run(subject, &mut report).unwrap();
        let skipped = report.skipped().to_vec();
        (sink, skipped)
    }

    fn scalar(sink: &MemorySink, tag: &str) -> Option<f64> {
        let tag = format!("explain/max_pool_routing/{tag}");
        let entry = sink.entries.iter().find(|entry| entry.tag.as_str() == tag);
        entry.and_then(|entry| entry.summary.as_scalar())
    }

    #[test]
    fn the_study_remembers_switches_and_says_what_it_cannot_do() {
        let store = nn::VarStore::new(Device::Cpu);
        let spec = spec();
        let network = Network::new(&store.root(), &spec).unwrap();
        let classifier = Classifier::of_network(&network);
        let pixels = Tensor::from_slice(&coarse(144, 5)).reshape([1, 1, 12, 12]);
        let sample = Sample::new("3 Coat", pixels.shallow_clone(), &pixels, Some(1)).unwrap();
        let prediction = classifier.predict(&sample.input).unwrap()[0];
        let cases = [Case { sample: &sample, prediction, class: prediction.class }];
        let subject = |spec| Subject {
            classifier: &classifier,
            cases: &cases,
            classes: &[],
            data: None,
            variables: &[],
            spec,
            seed: 0,
        };
        let mut study = MaxPoolSwitchStudy::new();
        let (first, skipped) = run(&mut study, &subject(Some(&spec)), 1);
        assert!(skipped.is_empty());
        assert_eq!(scalar(&first, "pool1/winner_share"), Some(0.25));
        assert_eq!(scalar(&first, "pool1/switch_stability"), None, "nothing to compare with");
        let tags: Vec<&str> = first.entries.iter().map(|entry| entry.tag.as_str()).collect();
        assert!(tags.contains(&"explain/max_pool_routing/pool1/3_Coat"), "{tags:?}");
        let (second, _) = run(&mut study, &subject(Some(&spec)), 2);
        assert_eq!(scalar(&second, "pool1/switch_stability"), Some(1.0), "the same weights");

        // Other weights: the share of windows, zeros left out, whose winner stays is counted by hand.
        let before = max_pool_routing(&classifier, &spec, &sample.input, 0).unwrap().remove(0);
        tch::no_grad(|| {
            for mut variable in store.trainable_variables() {
                let flipped = -variable.shallow_clone();
                variable.copy_(&flipped);
            }
        });
        let after = max_pool_routing(&classifier, &spec, &sample.input, 0).unwrap().remove(0);
        let [a, b] = [&before, &after].map(|found| numbers(&found.switches().unwrap()));
        let both: Vec<(f32, f32)> = a.into_iter().zip(b).filter(|(a, b)| *a >= 0.0 && *b >= 0.0).collect();
        let same = both.iter().filter(|(a, b)| a == b).count() as f64 / both.len() as f64;
        assert!(same < 1.0);
        let (third, _) = run(&mut study, &subject(Some(&spec)), 3);
        let found = scalar(&third, "pool1/switch_stability").unwrap();
        assert!((found - same).abs() < 1e-6, "{found} {same}");

        let (nothing, skipped) = run(&mut study, &subject(None), 4);
        assert!(nothing.entries.is_empty() && skipped[0].1.contains("has no spec"), "{skipped:?}");
        let flat = ModelSpec::builder("flat", [1, 12, 12])
            .layer("flatten", Layer::Flatten)
            .layer("fc", Linear::new(3))
            .build()
            .unwrap();
        let (_, skipped) = run(&mut study, &subject(Some(&flat)), 5);
        assert!(skipped[0].1.contains("no max pooling"), "{skipped:?}");
    }

    /// An image that is there twice is not compared with itself; only what was there at the step before is compared.
    #[test]
    fn stability_is_that_against_the_last_step_before() {
        let store = nn::VarStore::new(Device::Cpu);
        let spec = spec();
        let network = Network::new(&store.root(), &spec).unwrap();
        let classifier = Classifier::of_network(&network);
        let sample = |name: &str, seed: u64| {
            let pixels = Tensor::from_slice(&coarse(144, seed)).reshape([1, 1, 12, 12]);
            Sample::new(name, pixels.shallow_clone(), &pixels, Some(1)).unwrap()
        };
        let (fixed, other) = (sample("3 Coat", 5), sample("4 Shirt", 6));
        let (chosen, next) = (sample("3 Coat", 5).in_place("wrong"), sample("9 Bag", 8).in_place("wrong"));
        let mut study = MaxPoolSwitchStudy::new().pictures(0);
        let mut stability = |step: i64, samples: &[&Sample]| {
            let cases: Vec<Case<'_>> = samples
                .iter()
                .map(|sample| {
                    let prediction = classifier.predict(&sample.input).unwrap()[0];
                    Case { sample, prediction, class: 0 }
                })
                .collect();
            let subject = Subject {
                classifier: &classifier,
                cases: &cases,
                classes: &[],
                data: None,
                variables: &[],
                spec: Some(&spec),
                seed: 0,
            };
            scalar(&run(&mut study, &subject, step).0, "pool1/switch_stability")
        };
        assert_eq!(stability(1, &[&fixed, &chosen]), None, "one image twice at the first step");
        assert_eq!(stability(1, &[&fixed]), None, "the same step again");
        assert_eq!(stability(2, &[&other, &next]), None, "other images, one at a place that was there");
        assert_eq!(stability(3, &[&fixed]), None, "was there, but not at the step before");
        assert_eq!(stability(4, &[&fixed, &other]), Some(1.0));
        assert_eq!(stability(4, &[&fixed]), Some(1.0), "the same step again: still against the one before");
        assert_eq!(stability(2, &[&fixed]), None, "the training began again");
        assert_eq!(stability(3, &[&fixed]), Some(1.0));
    }

    #[test]
    fn layers_that_the_tap_does_not_see_are_told() {
        let store = nn::VarStore::new(Device::Cpu);
        let spec = spec();
        let network = Network::new(&store.root(), &spec).unwrap();
        let blind = Classifier::new(|images| network.f_forward_t(images, false));
        let image = Tensor::zeros([1, 1, 12, 12], (Kind::Float, Device::Cpu));
        let error = max_pool_routing(&blind, &spec, &image, 0).unwrap_err().to_string();
        assert!(error.contains("`pool1`") && error.contains("tap does not see it"), "{error}");
        let error =
            max_pool_routing(&Classifier::of_network(&network), &spec, &image, 3).unwrap_err().to_string();
        assert!(error.contains("has 3 classes"), "{error}");
    }
}
