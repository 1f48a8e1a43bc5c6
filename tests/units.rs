//! Silent units: windows of samples against a plain loop.

#![cfg(feature = "tch")]
#![allow(clippy::unwrap_used)]

use convscope::{Step, rules::UnitActivity, stats::UnitWindow};
use proptest::prelude::*;
use tch::{Device, Kind, Tensor};

/// Two images, three channels, 2 x 2: channel 1 is silent, channel 2 fires at one position.
fn activation() -> Tensor {
    #[rustfmt::skip]
    let values = [
        1.0f32, 0.0, 2.0, 0.0,  0.0, 0.0, 0.0, 0.0,  5.0, 0.0, 0.0, 0.0,
        0.0, 0.0, 0.0, 3.0,  0.0, 0.0, 0.0, 0.0,  1.0, 0.0, 0.0, 0.0,
    ];
    Tensor::from_slice(&values).view([2, 3, 2, 2])
}

fn indices(units: &UnitActivity) -> Vec<u64> {
    units.silent.iter().map(|unit| unit.index).collect()
}

#[test]
fn a_known_activation() {
    let mut window = UnitWindow::new(2);
    window.add(&activation(), Step::new(1)).unwrap();
    let units = window.close().unwrap().unwrap();
    assert_eq!((units.samples, units.units, indices(&units)), (2, 3, vec![1]));
    assert_eq!(units.silent_positions, Some(8));
    assert!((units.silent_share() - 1.0 / 3.0).abs() < 1e-15);
}

#[test]
fn a_batch_is_no_proof() {
    // Channel 0 fires in the last of 500 images alone.
    let mut window = UnitWindow::new(500);
    for batch in 1..=10 {
        let output = Tensor::zeros([50, 2, 3, 3], (Kind::Float, Device::Cpu));
        if batch == 10 {
            let _ = output.get(49).get(0).get(2).get(2).fill_(1e-30);
        }
        assert!(window.close().unwrap().is_none());
        window.add(&output, batch).unwrap();
    }
    assert!(window.is_full());
    let units = window.close().unwrap().unwrap();
    assert_eq!((units.samples, indices(&units), units.silent_positions), (500, vec![1], Some(17)));
    assert_eq!(window.samples(), 0, "the next window begins");
}

#[test]
fn a_unit_that_died_is_told_from_one_that_never_lived() {
    let output = |values: [f32; 3]| Tensor::from_slice(&values).view([1, 3]);
    let mut window = UnitWindow::new(2);
    window.add(&output([1.0, 0.0, 1.0]), 10).unwrap();
    window.add(&output([1.0, 0.0, 0.0]), 20).unwrap();
    assert_eq!(indices(&window.close().unwrap().unwrap()), [1]);
    window.add(&output([0.0, 0.0, 2.0]), 30).unwrap();
    window.add(&output([0.0, 0.0, 2.0]), 40).unwrap();
    let units = window.close().unwrap().unwrap();
    let found: Vec<_> = units.silent.iter().map(|unit| (unit.index, unit.last_active)).collect();
    assert_eq!(found, [(0, Some(Step::new(20))), (1, None)]);
    // It comes back.
    window.add(&output([1.0, 0.0, 2.0]), 50).unwrap();
    window.add(&output([0.0, 0.0, 0.0]), 60).unwrap();
    assert_eq!(indices(&window.close().unwrap().unwrap()), [1]);
}

#[test]
fn kinds_layouts_and_sizes() {
    for kind in [Kind::Half, Kind::BFloat16, Kind::Double, Kind::Int64, Kind::Bool] {
        let transposed = activation().to_kind(kind).transpose(2, 3).contiguous().transpose(2, 3);
        let mut window = UnitWindow::new(1);
        window.add(&transposed, 1).unwrap();
        assert_eq!(indices(&window.close().unwrap().unwrap()), [1], "{kind:?}");
    }
    let mut window = UnitWindow::new(2);
    // NaN is not silence; maps of another size leave channels, not positions; an empty batch counts nothing.
    window.add(&Tensor::from_slice(&[f32::NAN, 0.0]).view([1, 2, 1]), 1).unwrap();
    window.add(&Tensor::zeros([0, 2, 1], (Kind::Float, Device::Cpu)), 2).unwrap();
    assert!(!window.is_full());
    window.add(&Tensor::zeros([1, 2, 5], (Kind::Float, Device::Cpu)), 3).unwrap();
    let units = window.close().unwrap().unwrap();
    assert_eq!((units.samples, indices(&units), units.silent_positions), (2, vec![1], None));

    let error = window.add(&Tensor::zeros([1, 3], (Kind::Float, Device::Cpu)), 4).unwrap_err().to_string();
    assert!(error.contains("[1, 3]") && error.contains("[N, 2, ...]"), "{error}");
    assert!(UnitWindow::new(0).add(&Tensor::from(1.0), 1).is_err());
    assert!(UnitWindow::new(0).close().unwrap().is_none(), "nothing was seen");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn windows_agree_with_a_loop(
        batches in prop::collection::vec(prop::collection::vec(prop::bool::weighted(0.15), 2 * 4 * 3), 1..12),
        wanted in 1u64..9,
    ) {
        let mut window = UnitWindow::new(wanted);
        let mut last: [Option<i64>; 4] = [None; 4];
        let (mut seen, mut start, mut samples) = ([false; 12], 1, 0);
        for (batch, step) in batches.iter().zip(1i64..) {
            let values: Vec<f32> = batch.iter().map(|&active| f32::from(u8::from(active))).collect();
            window.add(&Tensor::from_slice(&values).view([2, 4, 3]), step).unwrap();
            for (place, &active) in batch.iter().enumerate() {
                if active {
                    last[place % 12 / 3] = Some(step);
                    seen[place % 12] = true;
                }
            }
            samples += 2;
            let closed = window.close().unwrap();
            prop_assert_eq!(closed.is_some(), samples >= wanted);
            let Some(units) = closed else { continue };
            let silent: Vec<(u64, Option<Step>)> = (0..4)
                .filter(|&channel| last[channel as usize].is_none_or(|step| step < start))
                .map(|channel| (channel, last[channel as usize].map(Step::new)))
                .collect();
            let found: Vec<_> = units.silent.iter().map(|unit| (unit.index, unit.last_active)).collect();
            prop_assert_eq!(found, silent);
            prop_assert_eq!(units.silent_positions, Some(seen.iter().filter(|&&seen| !seen).count() as u64));
            (seen, start, samples) = ([false; 12], step + 1, 0);
        }
    }
}
