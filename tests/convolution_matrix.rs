//! Convolutions as matrices against the lecture's numbers and a slow twin, and against libtorch where it is there.

#![allow(clippy::unwrap_used)] // in helpers of tests

use convscope::{
    Step,
    arch::{Conv2d, ConvolutionMatrix, dense_weight_gradients, panels},
    render::Caption,
};
use proptest::prelude::*;

fn counted(count: i32) -> Vec<f64> {
    (1..=count).map(f64::from).collect()
}

fn lecture(kernel: i64, padding: i64) -> ConvolutionMatrix {
    ConvolutionMatrix::new(&Conv2d::new(1, kernel).padding(padding), [1, 3, 3]).unwrap()
}

#[test]
fn the_lectures_matrices_in_symbols() {
    let rows = |matrix: &ConvolutionMatrix| -> Vec<String> {
        matrix.symbols().iter().map(|row| row.join(" ")).collect()
    };
    assert_eq!(
        rows(&lecture(2, 0)),
        ["w1 w2 0 w3 w4 0 0 0 0", "0 w1 w2 0 w3 w4 0 0 0", "0 0 0 w1 w2 0 w3 w4 0", "0 0 0 0 w1 w2 0 w3 w4"]
    );
    assert_eq!(
        rows(&lecture(3, 1)),
        [
            "w5 w6 0 w8 w9 0 0 0 0",
            "w4 w5 w6 w7 w8 w9 0 0 0",
            "0 w4 w5 0 w7 w8 0 0 0",
            "w2 w3 0 w5 w6 0 w8 w9 0",
            "w1 w2 w3 w4 w5 w6 w7 w8 w9",
            "0 w1 w2 0 w4 w5 0 w7 w8",
            "0 0 0 w2 w3 0 w5 w6 0",
            "0 0 0 w1 w2 w3 w4 w5 w6",
            "0 0 0 0 w1 w2 0 w4 w5"
        ]
    );
}

#[test]
fn the_lectures_matrices_in_numbers() {
    let (small, padded) = (lecture(2, 0), lecture(3, 1));
    assert_eq!(small.apply(&counted(4), &counted(9)).unwrap(), [37., 47., 67., 77.]);
    assert_eq!(
        padded.apply(&counted(9), &counted(9)).unwrap(),
        [94., 154., 106., 186., 285., 186., 106., 154., 94.]
    );
    assert_eq!(small.values(&counted(4)).unwrap()[..9], [1., 2., 0., 3., 4., 0., 0., 0., 0.]);
    assert_eq!((small.size(), small.output_shape(), small.weights()), ([4, 9], [1, 2, 2], 4));
}

/// Of the sum of all outputs, for the lecture's padded case with x = 1..9: mask, gradients of the kernel, weights without a
/// gradient in the convolution and in a fully connected layer.
type Survival = ([f64; 9], [f64; 9], usize, usize);

#[test]
fn which_weights_learn_behind_dropout() {
    let all = [1.0; 9];
    let only = |place: usize| std::array::from_fn(|at| f64::from(u8::from(at == place)));
    let without = |place: usize| std::array::from_fn(|at| f64::from(u8::from(at != place)));
    let cases: [Survival; 4] = [
        (all, [12., 21., 16., 27., 45., 33., 24., 39., 28.], 0, 0),
        (only(0), [1., 1., 0., 1., 1., 0., 0., 0., 0.], 5, 72),
        (without(4), [7., 16., 11., 22., 40., 28., 19., 34., 23.], 0, 9),
        ([0.0; 9], [0.0; 9], 9, 81),
    ];
    let zeros = |gradients: &[f64]| gradients.iter().filter(|gradient| **gradient == 0.0).count();
    for (mask, expected, convolution, dense) in cases {
        let gradients = lecture(3, 1).weight_gradients(&mask, &counted(9), &[1.0; 9]).unwrap();
        assert_eq!(gradients, expected, "{mask:?}");
        assert_eq!(zeros(&gradients), convolution);
        assert_eq!(zeros(&dense_weight_gradients(&mask, &counted(9), &[1.0; 9]).unwrap()), dense);
    }
    // Whatever is dropped, w5 learns while one input is left: it stands in every column.
    for place in 0..9 {
        let gradients = lecture(3, 1).weight_gradients(&only(place), &counted(9), &[1.0; 9]).unwrap();
        assert_eq!(gradients[4], place as f64 + 1.0);
    }
}

#[test]
fn masks_stand_between_matrix_and_image() {
    let matrix = lecture(3, 1);
    let mask = [1., 0., 0., 0., 0., 0., 0., 0., 0.];
    let y = matrix.apply_masked(&counted(9), &mask, &counted(9)).unwrap();
    assert_eq!(y, [5., 4., 0., 2., 1., 0., 0., 0., 0.], "the first column alone");
    let mut image = counted(9);
    image[4] = f64::INFINITY;
    assert_eq!(matrix.apply_masked(&counted(9), &mask, &image).unwrap(), y, "what is dropped is 0");
}

#[test]
fn the_noise_of_dropout_is_that_of_all_masks() {
    let (matrix, kernel, image) = (lecture(3, 1), counted(9), counted(9));
    for keep in [0.3, 0.5, 0.9] {
        let (mut mean, mut square) = (vec![0.0; 9], vec![0.0; 9]);
        for bits in 0..512_u32 {
            let kept = |at: usize| bits >> at & 1 == 1;
            let mask: Vec<f64> = (0..9).map(|at| if kept(at) { 1.0 / keep } else { 0.0 }).collect();
            let chance: f64 = (0..9).map(|at| if kept(at) { keep } else { 1.0 - keep }).product();
            for (at, y) in matrix.apply_masked(&kernel, &mask, &image).unwrap().iter().enumerate() {
                mean[at] += chance * y;
                square[at] += chance * y * y;
            }
        }
        let expected = matrix.apply(&kernel, &image).unwrap();
        let variance = matrix.dropout_variance(&kernel, &image, keep).unwrap();
        for at in 0..9 {
            assert!((mean[at] - expected[at]).abs() < 1e-9 * expected[at], "inverted scaling keeps the mean");
            assert!((square[at] - mean[at].powi(2) - variance[at]).abs() < 1e-8 * variance[at]);
        }
    }
    assert!(matrix.dropout_variance(&kernel, &image, 0.0).is_err());
}

#[test]
fn what_is_no_small_case_is_refused_with_a_reason() {
    let refused =
        |conv: Conv2d, input: [i64; 3]| ConvolutionMatrix::new(&conv, input).unwrap_err().to_string();
    let error = refused(Conv2d::new(1, 3), [1, 9, 9]);
    assert!(error.contains("1 x 9 x 9 inputs found, at most 64 can be shown"), "{error}");
    let error = refused(Conv2d::new(3, 1), [1, 5, 5]);
    assert!(error.contains("3 x 5 x 5 outputs found"), "{error}");
    let error = refused(Conv2d::new(1, 5), [1, 4, 4]);
    assert!(error.contains("larger than the input 4x4"), "{error}");
    let error = refused(Conv2d::new(4, 1).groups(2), [3, 2, 2]);
    assert!(error.contains("does not divide"), "{error}");
    for conv in [Conv2d::new(i64::MAX, i64::MAX), Conv2d::new(1, 0), Conv2d::new(1, 2).padding(i64::MAX)] {
        refused(conv, [1, 8, 8]);
    }
    refused(Conv2d::new(1, 1), [0, 8, 8]);
    assert!(lecture(3, 1).apply(&counted(8), &counted(9)).is_err());
    assert!(lecture(3, 1).weight_gradients(&[1.0; 9], &counted(9), &[1.0; 4]).is_err());
    assert_eq!(lecture(3, 1).entry(0, 9), None);
}

/// A convolution in seven loops.
fn slow(conv: &Conv2d, input: [i64; 3], padding: i64, kernel: &[f64], image: &[f64]) -> Vec<f64> {
    let [channels, height, width] = input;
    let (k, s, d, groups) = (conv.kernel_size, conv.stride, conv.dilation, conv.groups);
    let rows = (height + 2 * padding - d.h * (k.h - 1) - 1) / s.h + 1;
    let columns = (width + 2 * padding - d.w * (k.w - 1) - 1) / s.w + 1;
    let (ins, outs) = (channels / groups, conv.out_channels / groups);
    let mut output = Vec::new();
    for o in 0..conv.out_channels {
        for v in 0..rows {
            for u in 0..columns {
                let mut sum = 0.0;
                for c in 0..ins {
                    for i in 0..k.h {
                        for j in 0..k.w {
                            let (y, x) = (v * s.h + i * d.h - padding, u * s.w + j * d.w - padding);
                            if y >= 0 && x >= 0 && y < height && x < width {
                                let from = ((o / outs * ins + c) * height + y) * width + x;
                                let weight = ((o * ins + c) * k.h + i) * k.w + j;
                                sum += kernel[weight as usize] * image[from as usize];
                            }
                        }
                    }
                }
                output.push(sum);
            }
        }
    }
    output
}

/// Kernel, stride and dilation (height, width), padding, and groups with channels of each before and behind.
fn convolutions() -> impl Strategy<Value = (Conv2d, [i64; 3], i64)> {
    let pair = |most: i64| (1..=most, 1..=most);
    (pair(3), pair(2), pair(2), 0..=1_i64, (1..=2_i64, 1..=2_i64, 1..=2_i64), (3..=5_i64, 3..=5_i64))
        .prop_map(|(kernel, stride, dilation, padding, (groups, ins, outs), (height, width))| {
            let conv = Conv2d::new(groups * outs, [kernel.0, kernel.1])
                .stride([stride.0, stride.1])
                .dilation([dilation.0, dilation.1])
                .padding(padding)
                .groups(groups);
            (conv, [groups * ins, height, width], padding)
        })
}

proptest! {
    #[test]
    fn any_small_convolution_is_its_matrix((conv, input, padding) in convolutions(), seed in 0..1000_u32) {
        let Ok(matrix) = ConvolutionMatrix::new(&conv, input) else {
            return Ok(()); // too many values, or a kernel larger than the image
        };
        let number = |at: usize| f64::from((seed as usize * 7 + at * 31) as u32 % 13) - 6.0;
        let kernel: Vec<f64> = (0..matrix.weights()).map(number).collect();
        let image: Vec<f64> = (0..matrix.size()[1]).map(|at| number(at + 5)).collect();
        let expected = slow(&conv, input, padding, &kernel, &image);
        prop_assert_eq!(&matrix.apply(&kernel, &image).unwrap(), &expected);

        // dL/dw of L = sum(g y) is linear in w: the change of L when one weight grows by 1.
        let (mask, upstream): (Vec<f64>, Vec<f64>) =
            ((0..image.len()).map(|at| number(at).abs() % 2.0).collect(), (0..expected.len()).map(|at| number(at * 3)).collect());
        let masked: Vec<f64> = image.iter().zip(&mask).map(|(x, r)| x * r).collect();
        let loss = |kernel: &[f64]| -> f64 {
            slow(&conv, input, padding, kernel, &masked).iter().zip(&upstream).map(|(y, g)| y * g).sum()
        };
        let gradients = matrix.weight_gradients(&mask, &image, &upstream).unwrap();
        for (at, gradient) in gradients.iter().enumerate() {
            let mut more = kernel.clone();
            more[at] += 1.0;
            prop_assert_eq!(loss(&more) - loss(&kernel), *gradient);
        }
    }
}

#[test]
fn panels_are_drawn_and_wrong_numbers_refused() {
    let caption = Caption { layer: "panel", step: Step::new(0), epoch: None };
    let matrix = lecture(3, 1);
    let size = |image: convscope::Image| (image.width(), image.height());
    for image in [
        panels::symbols(&matrix, Some(4), &caption).unwrap(),
        panels::numbers(&matrix, &counted(9), &counted(9), &caption).unwrap(),
        panels::masked_symbols(&matrix, &[], Some(4), &caption).unwrap(),
        panels::masked_symbols(&matrix, &[true; 9], None, &caption).unwrap(),
        panels::convolution(&matrix, (&counted(9), 3), (&counted(9), 3), "", &caption).unwrap(),
    ] {
        let (width, height) = size(image);
        assert!((400..=900).contains(&width) && height <= 1600, "{width} x {height}");
    }
    assert!(panels::masked_symbols(&matrix, &[true; 8], None, &caption).is_err());
    assert!(panels::numbers(&matrix, &counted(8), &counted(9), &caption).is_err());
    assert!(panels::surviving_gradients(&matrix, 3, &counted(9), &[], &caption).is_err());
    let large = ConvolutionMatrix::new(&Conv2d::new(1, 3).padding(1), [1, 8, 8]).unwrap();
    let (width, _) = size(panels::symbols(&large, None, &caption).unwrap());
    assert!(width <= 900, "64 x 64");
}

#[cfg(feature = "tch")]
mod with_libtorch {
    use super::*;
    use tch::Tensor;

    #[test]
    fn gradients_behind_a_mask_are_autograds() {
        let conv = Conv2d::new(2, 3).stride(2).padding(1).dilation(1);
        let matrix = ConvolutionMatrix::new(&conv, [2, 5, 5]).unwrap();
        let numbers = |count: usize, seed: u64| -> Vec<f64> {
            let mut rng = fastrand::Rng::with_seed(seed);
            (0..count).map(|_| rng.f64() - 0.5).collect()
        };
        let (kernel, image) = (numbers(36, 1), numbers(50, 2));
        let mask: Vec<f64> = numbers(50, 3).iter().map(|v| if *v < 0.0 { 0.0 } else { 2.0 }).collect();
        let upstream = numbers(matrix.size()[0], 4);
        let of = |values: &[f64], shape: &[i64]| Tensor::from_slice(values).reshape(shape);
        let weight = of(&kernel, &[2, 2, 3, 3]).set_requires_grad(true);
        let x = of(&image, &[1, 2, 5, 5]) * of(&mask, &[1, 2, 5, 5]);
        let y = x.conv2d::<Tensor>(&weight, None, [2, 2], [1, 1], [1, 1], 1);
        let loss = (y.reshape([-1]) * of(&upstream, &[-1])).sum(tch::Kind::Double);
        let gradient = Tensor::f_run_backward(&[&loss], &[&weight], false, false).unwrap().remove(0);
        let expected = Vec::<f64>::try_from(gradient.reshape([-1])).unwrap();
        let found = matrix.weight_gradients(&mask, &image, &upstream).unwrap();
        assert!(found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-12), "{found:?} {expected:?}");
        let output = Vec::<f64>::try_from(y.detach().reshape([-1])).unwrap();
        let masked = matrix.apply_masked(&kernel, &mask, &image).unwrap();
        assert!(masked.iter().zip(&output).all(|(a, b)| (a - b).abs() < 1e-12));
    }
}
