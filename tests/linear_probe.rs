//! Ridge regression and linear probes against plain loops in double precision, and on models made by hand.

#![allow(clippy::unwrap_used)]
#![cfg(feature = "tch")]

use convscope::{
    Kind, MemorySink, Step,
    capture::{Role, Tap},
    data::{Dataset, Normalization},
    explain::{Accuracy, Classifier, Evidence, LinearProbe, Report, RidgeClassifier, Study, Subject},
};
use tch::{Device, Tensor};

type Matrix = Vec<Vec<f64>>;

/// Samples of three classes with some noise, and a feature that is constant.
fn samples(count: usize, width: usize, seed: u64) -> (Matrix, Vec<i64>) {
    let mut random = fastrand::Rng::with_seed(seed);
    let labels: Vec<i64> = (0..count).map(|i| (i * i % 3) as i64).collect();
    let row = |label: &i64| {
        let signal = |feature: usize| if feature % 3 == *label as usize { 1.0 } else { 0.0 };
        (0..width)
            .map(|f| if f == 1 { 4.0 } else { signal(f) + 3.0 * random.f64() * (f + 1) as f64 })
            .collect()
    };
    (labels.iter().map(row).collect(), labels)
}

fn tensor(rows: &[Vec<f64>]) -> Tensor {
    let values: Vec<f64> = rows.iter().flatten().copied().collect();
    Tensor::from_slice(&values).reshape([rows.len() as i64, rows[0].len() as i64])
}

/// The solution of `a x = b` by elimination with pivots, column by column of `b`.
fn solve(mut a: Matrix, mut b: Matrix) -> Matrix {
    let n = a.len();
    for column in 0..n {
        let pivot = (column..n).max_by(|&i, &j| a[i][column].abs().total_cmp(&a[j][column].abs())).unwrap();
        a.swap(column, pivot);
        b.swap(column, pivot);
        for row in 0..n {
            if row != column {
                let factor = a[row][column] / a[column][column];
                for matrix in [&mut a, &mut b] {
                    let pivot = matrix[column].clone();
                    matrix[row].iter_mut().zip(pivot).for_each(|(value, of)| *value -= factor * of);
                }
            }
        }
    }
    (0..n).map(|row| b[row].iter().map(|value| value / a[row][row]).collect()).collect()
}

/// Standardised samples, their hat matrix and one-hot labels less their means, by the definitions.
struct Twin {
    x: Matrix,
    y: Matrix,
    means: Vec<f64>,
}

impl Twin {
    fn new(rows: &[Vec<f64>], labels: &[i64]) -> Twin {
        let (n, d) = (rows.len() as f64, rows[0].len());
        let mean = |f: usize| rows.iter().map(|row| row[f]).sum::<f64>() / n;
        let means: Vec<f64> = (0..d).map(mean).collect();
        let std = |f: usize| (rows.iter().map(|row| (row[f] - means[f]).powi(2)).sum::<f64>() / n).sqrt();
        let stds: Vec<f64> = (0..d).map(std).collect();
        let unit = |row: &Vec<f64>| -> Vec<f64> {
            (0..d).map(|f| if stds[f] > 1e-9 { (row[f] - means[f]) / stds[f] } else { 0.0 }).collect()
        };
        let share = |class: i64| labels.iter().filter(|&&label| label == class).count() as f64 / n;
        let shares: Vec<f64> = (0..3).map(share).collect();
        let y = |label: &i64| (0..3).map(|c| f64::from(c == *label) - shares[c as usize]).collect();
        Twin { x: rows.iter().map(unit).collect(), y: labels.iter().map(y).collect(), means: shares }
    }

    /// `XᵀX + λ`.
    fn penalised(&self, lambda: f64) -> Matrix {
        let d = self.x[0].len();
        let dot = |i: usize, j: usize| self.x.iter().map(|row| row[i] * row[j]).sum::<f64>();
        (0..d).map(|i| (0..d).map(|j| dot(i, j) + if i == j { lambda } else { 0.0 }).collect()).collect()
    }

    /// `X (XᵀX + λ)⁻¹ Xᵀ z`.
    fn smooth(&self, z: &Matrix, lambda: f64) -> Matrix {
        let d = self.x[0].len();
        let against = |f: usize, c: usize| self.x.iter().zip(z).map(|(row, z)| row[f] * z[c]).sum::<f64>();
        let target = (0..d).map(|f| (0..z[0].len()).map(|c| against(f, c)).collect()).collect();
        let weight = solve(self.penalised(lambda), target);
        let fitted = |row: &Vec<f64>, c: usize| (0..d).map(|f| row[f] * weight[f][c]).sum::<f64>();
        self.x.iter().map(|row| (0..z[0].len()).map(|c| fitted(row, c)).collect()).collect()
    }

    /// `(‖Y - A Y‖² / n) / (1 - (1 + tr A) / n)²`, with the hat matrix `A` written out.
    fn cross_validation(&self, lambda: f64) -> f64 {
        let n = self.x.len();
        let unit: Matrix = (0..n).map(|i| (0..n).map(|j| f64::from(i == j)).collect()).collect();
        let hat = self.smooth(&unit, lambda);
        let trace: f64 = (0..n).map(|i| hat[i][i]).sum();
        let fitted = self.smooth(&self.y, lambda);
        let off: f64 =
            (self.y.iter().flatten().zip(fitted.iter().flatten())).map(|(y, f)| (y - f).powi(2)).sum();
        off / n as f64 / (1.0 - (1.0 + trace) / n as f64).powi(2)
    }
}

#[test]
fn ridge_regression_agrees_with_elimination() {
    // More samples than features, and fewer: both ways to the same solution.
    for (count, width) in [(40, 7), (12, 30)] {
        let (rows, labels) = samples(count, width, 5);
        let twin = Twin::new(&rows, &labels);
        for lambda in [0.01, 3.0, 500.0] {
            let found = RidgeClassifier::fit(&tensor(&rows), &labels, 3, Some(lambda)).unwrap();
            let scores = found.scores(&tensor(&rows)).unwrap();
            let expected = twin.smooth(&twin.y, lambda);
            for (row, values) in expected.iter().enumerate() {
                for (class, value) in values.iter().enumerate() {
                    let score = scores.double_value(&[row as i64, class as i64]);
                    let expected = value + twin.means[class];
                    assert!(
                        (score - expected).abs() < 1e-8,
                        "{count} x {width}, {lambda}: {score} {expected}"
                    );
                }
            }
        }
    }
}

#[test]
fn the_penalty_is_the_one_that_cross_validation_likes_best() {
    for (count, width, seed) in [(40, 7, 1), (30, 12, 2), (12, 30, 3)] {
        let (rows, labels) = samples(count, width, seed);
        let twin = Twin::new(&rows, &labels);
        let lambdas: Vec<f64> =
            (-8..=4).map(|half| count as f64 * 10f64.powf(f64::from(half) / 2.0)).collect();
        let best =
            lambdas.iter().min_by(|a, b| twin.cross_validation(**a).total_cmp(&twin.cross_validation(**b)));
        let found = RidgeClassifier::fit(&tensor(&rows), &labels, 3, None).unwrap().lambda();
        assert!((found / best.unwrap() - 1.0).abs() < 1e-9, "{count} x {width}: {found}, expected {best:?}");
    }
}

#[test]
fn what_cannot_be_fitted_is_refused() {
    let (rows, labels) = samples(6, 4, 1);
    let told = |features: &Tensor, labels: &[i64], lambda| {
        RidgeClassifier::fit(features, labels, 3, lambda).unwrap_err().to_string()
    };
    let features = tensor(&rows);
    assert!(told(&features, &labels[1..], None).contains("5 labels"));
    assert!(told(&features, &[0, 1, 2, 3, 0, 1], None).contains("label 3 found"));
    assert!(told(&features, &labels, Some(0.0)).contains("a penalty of 0 found"));
    assert!(told(&(features.shallow_clone() * f64::NAN), &labels, None).contains("NaN"));
    assert!(told(&features.narrow(0, 0, 1), &labels[..1], None).contains("[1, 4]"));
    let fitted = RidgeClassifier::fit(&features, &labels, 3, None).unwrap();
    assert!(fitted.predict(&features.narrow(1, 0, 2)).is_err(), "other features");
}

/// Wilson's interval is where `|p - share| = z √(p (1 - p) / n)`: the definition, found by bisection.
#[test]
fn intervals_are_those_of_wilsons_definition() {
    for (right, of) in [(0, 10), (10, 10), (3, 10), (437, 500)] {
        let accuracy = Accuracy { right, of };
        let inside = |p: f64| {
            (p - accuracy.share()).abs() <= 1.959_963_984_540_054 * (p * (1.0 - p) / of as f64).sqrt()
        };
        let edge = |mut within: f64, mut without: f64| {
            for _ in 0..60 {
                let middle = (within + without) / 2.0;
                if inside(middle) { within = middle } else { without = middle }
            }
            within
        };
        let share = accuracy.share();
        let [low, high] = accuracy.interval();
        assert!((low - edge(share, 0.0)).abs() < 1e-9 || (share == 0.0 && low == 0.0), "{right}/{of}: {low}");
        assert!(
            (high - edge(share, 1.0)).abs() < 1e-9 || (share == 1.0 && high == 1.0),
            "{right}/{of}: {high}"
        );
    }
}

/// 4 x 4 images of four classes: the class is the quarter that is bright. Every image is a little different.
fn quarters(of_each: usize) -> Dataset {
    let mut pixels = Vec::new();
    let labels: Vec<i64> = (0..4 * of_each as i64).map(|i| i % 4).collect();
    for (number, label) in labels.iter().enumerate() {
        for place in 0..16 {
            let quarter = (place / 8) * 2 + (place % 4) / 2;
            let bright = if quarter == *label { 0.9 } else { 0.1 };
            pixels.push((bright + 0.001 * ((number * 7 + place as usize * 3) % 11) as f64) as f32);
        }
    }
    let images = Tensor::from_slice(&pixels).reshape([4 * of_each as i64, 1, 4, 4]);
    let classes = (0..4).map(|quarter| format!("quarter {quarter}")).collect();
    Dataset::new(&images, &Tensor::from_slice(&labels), classes).unwrap()
}

/// Hands on: the image (its mean does not tell the class), the four quarters as channels (they do), their differences to
/// one number (two classes each look the same), the quarters through dropout, and logits that call quarter 3 a 2.
fn model(tap: &Tap) -> Classifier<'_> {
    Classifier::new(move |images: &Tensor| {
        let images = tap.pass("image", Role::Convolution, images.shallow_clone());
        let quarters =
            images.avg_pool2d([2, 2], [2, 2], [0, 0], false, true, None::<i64>).reshape([-1, 4, 1, 1]);
        let quarters = tap.pass("stage.quarters", Role::Relu, quarters);
        let dropped = tap.pass("dropped", Role::Dropout, quarters.shallow_clone());
        let flat = tap.pass("flat", Role::Other, dropped.flatten(1, -1));
        let sides = flat.select(1, 0) + flat.select(1, 1);
        tap.observe("top", Role::Linear, &sides.unsqueeze(1));
        tap.observe("broken", Role::Linear, &(flat.shallow_clone() / 0.0));
        let wrong = Tensor::from_slice(&[1f32, 1., 1., 0.5]);
        Ok(flat * wrong + Tensor::from_slice(&[0f32, 0., 0.6, 0.]))
    })
    .tap(tap)
}

fn run(data: &Dataset, study: &mut LinearProbe) -> (MemorySink, serde_json::Value, Vec<String>) {
    let (tap, normalization) = (Tap::new(), Normalization::identity(1));
    let classifier = model(&tap);
    let subject = Subject {
        classifier: &classifier,
        cases: &[],
        classes: data.classes(),
        data: Some(Evidence { images: data, normalization: &normalization }),
        variables: &[],
        spec: None,
        seed: 3,
    };
    let mut sink = MemorySink::default();
    let mut report = Report::new(&mut sink, Step::new(5), None).with_values();
    report.begin(study.name());
    study.run(&subject, &mut report).unwrap();
    let skipped = report.skipped().iter().map(|(_, why)| why.clone()).collect();
    let values = report.into_json();
    (sink, values, skipped)
}

#[test]
fn a_layer_is_as_good_as_what_its_channel_means_tell() {
    let data = quarters(12);
    let (sink, values, skipped) = run(&data, &mut LinearProbe::default());
    let scalar = |tag: &str| {
        let tag = format!("explain/linear_probe/{tag}");
        let entry = sink.entries.iter().find(|entry| entry.tag.as_str() == tag);
        entry.and_then(|entry| entry.summary.as_scalar())
    };
    assert_eq!(scalar("stage/quarters"), Some(1.0));
    assert_eq!(scalar("flat"), Some(1.0));
    assert!(scalar("image").unwrap() < 0.7, "the mean brightness tells little: {:?}", scalar("image"));
    assert!((0.4..=0.75).contains(&scalar("top").unwrap()), "two pairs are alike: {:?}", scalar("top"));
    assert_eq!(scalar("dropped"), None, "dropout hands on what it gets");
    assert_eq!(scalar("broken"), None);
    assert_eq!(skipped, ["layer `broken`: its features are NaN or infinite"]);
    let of = &values["linear_probe"]["all_layers"];
    assert_eq!((&of["fitted"], &of["tested"]), (&24.into(), &24.into()));
    assert_eq!(of["chance"]["share"], 0.25);
    assert_eq!(of["model"]["share"], 0.75, "quarter 3 is taken for another");
    let names: Vec<&str> =
        of["layers"].as_array().unwrap().iter().map(|layer| layer["layer"].as_str().unwrap()).collect();
    assert_eq!(names, ["image", "stage.quarters", "flat", "top", "broken"]);
    let pictures = sink.entries.iter().filter(|entry| entry.summary.kind() == Kind::Image);
    assert_eq!(
        pictures.map(|entry| entry.tag.as_str()).collect::<Vec<_>>(),
        ["explain/linear_probe/all_layers"]
    );
}

#[test]
fn a_choice_of_features_and_layers_is_told() {
    let data = quarters(4);
    let mut study = LinearProbe { features: 2, layers: 2, images: 12 };
    let (_, values, _) = run(&data, &mut study);
    let of = &values["linear_probe"]["all_layers"];
    assert_eq!((&of["fitted"], &of["tested"]), (&8.into(), &4.into()), "three images of each class");
    let layers = of["layers"].as_array().unwrap();
    assert_eq!(layers.len(), 2);
    assert_eq!((&layers[1]["layer"], &layers[1]["width"]), (&"broken".into(), &4.into()));
    assert_eq!(layers[1]["features"], 2);
}

#[test]
fn memory_decides_how_many_run_at_a_time_and_nothing_else() {
    let data = quarters(6);
    let normalization = Normalization::of(&data).unwrap();
    let evidence = Evidence { images: &data, normalization: &normalization };
    let tap = Tap::new();
    let found = [1, 1 << 20].map(|bytes| {
        let classifier = model(&tap).memory(bytes);
        LinearProbe::default().measure(&classifier, evidence, Device::Cpu, 0).unwrap()
    });
    let shares = |at: usize| found[at].layers.iter().map(|layer| layer.accuracy).collect::<Vec<_>>();
    assert_eq!(shares(0), shares(1));
}

#[test]
fn what_cannot_be_probed_is_told() {
    let data = quarters(1);
    let normalization = Normalization::of(&data).unwrap();
    let evidence = Evidence { images: &data, normalization: &normalization };
    let tap = Tap::new();
    let error =
        LinearProbe::default().measure(&model(&tap), evidence, Device::Cpu, 0).unwrap_err().to_string();
    assert!(error.contains("4 images to fit with and 0 to test with, of 4 classes"), "{error}");
    let data = quarters(3);
    let evidence = Evidence { images: &data, ..evidence };
    let blind = Classifier::new(|images: &Tensor| Ok(images.flatten(1, -1)));
    let found = LinearProbe::default().measure(&blind, evidence, Device::Cpu, 0).unwrap();
    assert_eq!((found.layers.len(), found.tested), (0, 4));
}
