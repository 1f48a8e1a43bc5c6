//! Deletion and insertion curves against a twin that makes every image by loops.

#![cfg(feature = "tch")]
#![allow(clippy::unwrap_used)] // in helpers of tests

use convscope::explain::{Attribution, Classifier, DeletionInsertion, Fill, Sign};
use tch::{Device, Kind, Tensor};

const CHANNELS: usize = 2;
const SIDES: [usize; 2] = [3, 4];
const PIXELS: usize = 12;
const CLASSES: usize = 3;

/// Weights and an image without any regularity, from whole numbers.
fn numbers(count: usize, factor: usize) -> Vec<f64> {
    (0..count).map(|i| ((i * factor + 3) % 23) as f64 / 11.0 - 1.0).collect()
}

fn softmax(logits: &[f64]) -> Vec<f64> {
    let most = logits.iter().copied().fold(f64::MIN, f64::max);
    let powers: Vec<f64> = logits.iter().map(|logit| (logit - most).exp()).collect();
    powers.iter().map(|power| power / powers.iter().sum::<f64>()).collect()
}

/// The probability of a class of softmax(W x).
fn probability(weights: &[f64], image: &[f64], class: usize) -> f64 {
    let logit = |row: &[f64]| row.iter().zip(image).map(|(w, x)| w * x).sum();
    softmax(&weights.chunks(image.len()).map(logit).collect::<Vec<f64>>())[class]
}

fn model(weights: &[f64]) -> Classifier<'static> {
    let weight = Tensor::from_slice(weights).reshape([CLASSES as i64, -1]);
    Classifier::new(move |images| Ok(images.flatten(1, -1).linear(&weight, None::<&Tensor>)))
}

/// Deletes the first pixels of an order in all channels, one image after the other.
fn twin(weights: &[f64], from: &[f64], to: &[f64], order: &[usize], steps: usize) -> Vec<f64> {
    (0..=steps)
        .map(|step| {
            let mut image = from.to_vec();
            for &pixel in &order[..step * PIXELS / steps] {
                for channel in 0..CHANNELS {
                    image[channel * PIXELS + pixel] = to[channel * PIXELS + pixel];
                }
            }
            probability(weights, &image, 1)
        })
        .collect()
}

fn close(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-12, "{found} instead of {expected}");
    }
}

#[test]
fn curves_are_those_of_images_made_one_by_one() {
    let (weights, image) = (numbers(CLASSES * CHANNELS * PIXELS, 7), numbers(CHANNELS * PIXELS, 5));
    let [rows, columns] = SIDES.map(|side| side as i64);
    let tensor = Tensor::from_slice(&image).reshape([1, CHANNELS as i64, rows, columns]);
    let order = [7, 2, 11, 0, 5, 9, 1, 10, 3, 8, 6, 4];
    let (fill, start) = (vec![0.25; image.len()], vec![-0.5; image.len()]);
    for steps in [1, 5, 12, 40] {
        let method = DeletionInsertion::new().steps(steps).fill(Fill::Value(0.25)).start(Fill::Value(-0.5));
        // Whether all images fit into one pass makes no difference.
        for bytes in [1, 1 << 30] {
            let found = method.of_order(&model(&weights).memory(bytes), &tensor, 1, &order).unwrap();
            let steps = steps.min(PIXELS);
            close(&found.deletion, &twin(&weights, &image, &fill, &order, steps));
            close(&found.insertion, &twin(&weights, &start, &image, &order, steps));
            assert_eq!(found.shares.len(), steps + 1);
            assert_eq!((found.shares[0], found.shares[steps]), (0.0, 1.0));
        }
    }
}

#[test]
fn areas_are_those_of_petsiuk_et_al() {
    // Their `auc`: (sum - first / 2 - last / 2) / (points - 1), with points at equal distances.
    let (weights, image) = (numbers(CLASSES * CHANNELS * PIXELS, 7), numbers(CHANNELS * PIXELS, 5));
    let image = Tensor::from_slice(&image).reshape([1, 2, 3, 4]);
    let found = DeletionInsertion::new()
        .steps(12)
        .of_order(&model(&weights), &image, 0, &Vec::from_iter(0..12))
        .unwrap();
    let auc = |curve: &[f64]| (curve.iter().sum::<f64>() - curve[0] / 2.0 - curve[12] / 2.0) / 12.0;
    assert!((found.deletion_area() - auc(&found.deletion)).abs() < 1e-12);
    assert!((found.insertion_area() - auc(&found.insertion)).abs() < 1e-12);
    assert!((found.deletion_area() - found.insertion_area()).abs() > 1e-3, "they are two numbers");
}

#[test]
fn the_order_of_a_map_is_that_of_its_importance() {
    // Logit 1 is a weighted sum of the pixels: the contributions are known.
    let weights = [vec![0.0; 6], vec![1.0, -2.0, 4.0, 3.0, 0.0, 0.5]].concat();
    let weight = Tensor::from_slice(&weights).reshape([2, 6]);
    let classifier = Classifier::new(|images| Ok(images.flatten(1, -1).linear(&weight, None::<&Tensor>)));
    let image = Tensor::ones([1, 1, 2, 3], (Kind::Double, Device::Cpu));
    let method = DeletionInsertion::new().steps(6).fill(Fill::Value(0.0)).start(Fill::Value(0.0));
    let of = |values: [f32; 6], sign| {
        let map = Attribution::new("by hand", 1, values.to_vec(), [1, 2, 3], sign).unwrap();
        method.of_map(&classifier, &image, &map).unwrap()
    };
    let best = method.of_order(&classifier, &image, 1, &[2, 3, 0, 5, 4, 1]).unwrap();
    let worst = method.of_order(&classifier, &image, 1, &[1, 4, 5, 0, 3, 2]).unwrap();
    let map = [1.0, -2.0, 4.0, 3.0, 0.0, 0.5];
    assert_eq!(of(map, Sign::Signed), best);
    assert_eq!(of(map, Sign::Reversed), worst);
    // A pixel without a number is the last.
    assert_eq!(of([1.0, f32::NAN, 4.0, 3.0, 0.0, 0.5], Sign::Signed), best);
    // No other order has a smaller area under the deletion curve.
    let random = method.orders(50).of_random(&classifier, &image, 1).unwrap();
    assert!(best.deletion_area() < random.deletion_area() && random.deletion_area() < worst.deletion_area());
    assert!(
        best.insertion_area() > random.insertion_area() && random.insertion_area() > worst.insertion_area()
    );
}

#[test]
fn a_coarse_map_is_interpolated_as_libtorch_does() {
    let values = [0.1f32, 0.9, 0.4, 0.7, 0.2, 0.8];
    let large =
        Tensor::from_slice(&values).reshape([1, 1, 2, 3]).upsample_bilinear2d([5, 7], false, None, None);
    let map = |values: &[f32], shape| {
        Attribution::new("grad_cam", 2, values.to_vec(), shape, Sign::Magnitude).unwrap()
    };
    let coarse = map(&values, [1, 2, 3]);
    let fine = map(&Vec::<f32>::try_from(large.reshape([-1])).unwrap(), [1, 5, 7]);
    let weights = numbers(CLASSES * 35, 7);
    let image = Tensor::from_slice(&numbers(35, 5)).reshape([1, 1, 5, 7]);
    let method = DeletionInsertion::new().steps(35);
    let of = |map| method.of_map(&model(&weights), &image, map).unwrap();
    assert_eq!(of(&coarse), of(&fine));
}

#[test]
fn equal_importance_has_no_favourite_corner() {
    let weights = numbers(CLASSES * 16, 7);
    let image = Tensor::from_slice(&numbers(16, 5)).reshape([1, 1, 4, 4]);
    let map = Attribution::new("blank", 0, vec![0.5; 16], [1, 4, 4], Sign::Signed).unwrap();
    let method = DeletionInsertion::new().steps(16);
    let of = |seed| method.clone().seed(seed).of_map(&model(&weights), &image, &map).unwrap();
    let rows = method.of_order(&model(&weights), &image, 0, &Vec::from_iter(0..16)).unwrap();
    assert_ne!(of(0), rows);
    assert_ne!(of(0), of(1));
    assert_eq!(of(3), of(3));
}

#[test]
fn vectors_are_one_row_of_pixels() {
    let weights = numbers(CLASSES * 5, 7);
    let vector = Tensor::from_slice(&numbers(5, 5)).reshape([1, 5]);
    let map = Attribution::new("by hand", 0, vec![3.0, 1.0, 2.0, 5.0, 4.0], [1, 1, 5], Sign::Signed).unwrap();
    let method = DeletionInsertion::new();
    let found = method.of_map(&model(&weights), &vector, &map).unwrap();
    assert_eq!(found, method.of_order(&model(&weights), &vector, 0, &[3, 4, 0, 2, 1]).unwrap());
    assert_eq!(found.shares.len(), 6);
}

#[test]
fn what_cannot_be_deleted_is_refused() {
    let weights = numbers(CLASSES * 4, 7);
    let classifier = model(&weights);
    let image = Tensor::ones([1, 1, 2, 2], (Kind::Double, Device::Cpu));
    let says = |method: DeletionInsertion, image: &Tensor, order: &[usize], what: &str| {
        let error = method.of_order(&classifier, image, 0, order).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    };
    says(DeletionInsertion::new(), &image, &[0, 1, 2], "3 places");
    says(DeletionInsertion::new(), &image, &[0, 1, 2, 2], "each of the image's 4 pixels once");
    says(DeletionInsertion::new(), &image, &[0, 1, 2, 9], "each of the image's 4 pixels once");
    says(DeletionInsertion::new().steps(0), &image, &[0, 1, 2, 3], "0 steps");
    says(DeletionInsertion::new().fill(Fill::Value(f64::NAN)), &image, &[0, 1, 2, 3], "fill");
    says(DeletionInsertion::new().start(Fill::Blur { sigma: 0.0 }), &image, &[0, 1, 2, 3], "above 0");
    says(DeletionInsertion::new(), &image.repeat([2, 1, 1, 1]), &[0, 1, 2, 3], "one image");
    let error = DeletionInsertion::new().orders(0).of_random(&classifier, &image, 0).unwrap_err().to_string();
    assert!(error.contains("random orders"), "{error}");
}

#[test]
fn a_blur_is_a_gaussian_that_goes_on_beyond_the_border() {
    let (rows, columns, sigma) = (5usize, 7usize, 1.3f64);
    let values = numbers(2 * rows * columns, 5);
    let image = Tensor::from_slice(&values).reshape([1, 2, rows as i64, columns as i64]);
    let found = Vec::<f64>::try_from(Fill::Blur { sigma }.image(&image).unwrap().reshape([-1])).unwrap();
    let radius = (3.0 * sigma).ceil() as i64;
    let inside = |at: i64, side: usize| at.clamp(0, side as i64 - 1) as usize;
    let mut expected = Vec::new();
    for channel in values.chunks(rows * columns) {
        for row in 0..rows as i64 {
            for column in 0..columns as i64 {
                let (mut sum, mut mass) = (0.0, 0.0);
                for down in -radius..=radius {
                    for across in -radius..=radius {
                        let weight =
                            (-((down * down + across * across) as f64) / (2.0 * sigma * sigma)).exp();
                        mass += weight;
                        sum += weight
                            * channel[inside(row + down, rows) * columns + inside(column + across, columns)];
                    }
                }
                expected.push(sum / mass);
            }
        }
    }
    close(&found, &expected);
}
