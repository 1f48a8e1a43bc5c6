//! How far rounding may take two ways to compute the same.

use tch::Device;

/// How far apart two single-precision ways to compute the same logits may be, relative to the largest one.
///
/// 1e-4: sums of some thousand terms. On CUDA 5e-3: cuDNN multiplies the terms of a convolution as TF32 numbers unless told
/// otherwise, whose fractions have 10 bits instead of 23; PyTorch measured 2e-3 for a single product of matrices of 10,240
/// rows and columns, and 4e-5 without TF32 (*CUDA semantics*, "TensorFloat-32 (TF32) on Ampere (and later) devices").
pub(super) fn of_logits(device: Device) -> f64 {
    match device {
        Device::Cuda(_) => 5e-3,
        _ => 1e-4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A number with the fraction of TF32, 10 bits, rounded to the nearest.
    fn tf32(value: f32) -> f64 {
        f64::from(f32::from_bits((value.to_bits() + (1 << 12)) & !((1 << 13) - 1)))
    }

    /// Two convolutions of some thousand terms, as TF32 multiplies them: beyond the limit of the CPU, within that of CUDA.
    #[test]
    fn convolutions_in_tf32_are_within_the_limit_of_their_device_alone() {
        let mut random = fastrand::Rng::with_seed(4);
        let mut numbers =
            |count: usize| -> Vec<f32> { (0..count).map(|_| random.f32() * 2.0 - 1.0).collect() };
        let (image, first, second) = (numbers(2304), numbers(64 * 2304), numbers(10 * 64));
        let layer = |input: &[f64], weights: &[f32], number: &dyn Fn(f32) -> f64| -> Vec<f64> {
            let dot = |row: &[f32]| row.iter().zip(input).map(|(w, x)| number(*w) * number(*x as f32)).sum();
            weights.chunks(input.len()).map(dot).collect()
        };
        let run = |number: &dyn Fn(f32) -> f64| {
            let image: Vec<f64> = image.iter().copied().map(f64::from).collect();
            layer(&layer(&image, &first, number), &second, number)
        };
        let (exact, rounded) = (run(&|value| f64::from(value)), run(&tf32));
        let largest = |values: &mut dyn Iterator<Item = f64>| values.map(f64::abs).fold(0.0, f64::max);
        let off = largest(&mut exact.iter().zip(&rounded).map(|(a, b)| a - b))
            / largest(&mut exact.iter().copied());
        assert!(off > of_logits(Device::Cpu) && off < of_logits(Device::Cuda(0)), "{off:e}");
    }
}
