//! PR curves against TensorBoard's own numbers and a slow twin.

#![allow(clippy::unwrap_used)] // in helpers of tests

use convscope::{PrCounter, PrCurve, summary::PrRows};
use proptest::prelude::*;

const LABELS: [bool; 8] = [true, false, true, true, false, false, true, false];
const SCORES: [f32; 8] = [0.9, 0.85, 0.7, 0.55, 0.5, 0.31, 0.3, 0.02];

fn rows(curve: &PrCurve) -> [&[f32]; 6] {
    [
        curve.true_positives(),
        curve.false_positives(),
        curve.true_negatives(),
        curve.false_negatives(),
        curve.precision(),
        curve.recall(),
    ]
}

/// The definition, threshold by threshold and sample by sample.
fn twin(labels: &[bool], scores: &[f32], weights: &[f32], thresholds: usize) -> [Vec<f64>; 6] {
    let mut rows: [Vec<f64>; 6] = Default::default();
    for i in 0..thresholds {
        let threshold = (i as f64 / (thresholds as f64 - 1.0)) as f32;
        let (mut tp, mut fp, mut tn, mut fne) = (0.0, 0.0, 0.0, 0.0);
        for ((&label, &score), &weight) in labels.iter().zip(scores).zip(weights) {
            let counted = match (label, score >= threshold) {
                (true, true) => &mut tp,
                (false, true) => &mut fp,
                (false, false) => &mut tn,
                (true, false) => &mut fne,
            };
            *counted += f64::from(weight);
        }
        let ratio = |part: f64, rest: f64| if part == 0.0 { 0.0 } else { part / (part + rest) };
        for (row, value) in rows.iter_mut().zip([tp, fp, tn, fne, ratio(tp, fp), ratio(tp, fne)]) {
            row.push(value);
        }
    }
    rows
}

/// Sums of whole numbers are exact; the others differ by the order of the terms and by the 32 bits that are kept.
fn assert_like_twin(curve: &PrCurve, twin: &[Vec<f64>; 6]) {
    for (at, (row, expected)) in rows(curve).into_iter().zip(twin).enumerate() {
        assert_eq!(row.len(), expected.len());
        for (i, (&found, &expected)) in row.iter().zip(expected).enumerate() {
            let off = (f64::from(found) - expected).abs();
            assert!(off <= 1e-6 * (1.0 + expected.abs()), "row {at}, threshold {i}: {found} for {expected}");
        }
    }
}

/// Computed with `pb` of TensorBoard 2.21's `tensorboard.plugins.pr_curve.summary`, which takes NumPy arrays.
#[test]
fn tensorboard_computes_the_same() {
    let curve = PrCurve::new(&LABELS, &SCORES, 5).unwrap();
    let expected: [[f32; 5]; 6] = [
        [4.0, 4.0, 3.0, 1.0, 0.0],
        [4.0, 3.0, 2.0, 1.0, 0.0],
        [0.0, 1.0, 2.0, 3.0, 4.0],
        [0.0, 0.0, 1.0, 3.0, 4.0],
        [0.5, 0.571_428_6, 0.6, 0.5, 0.0],
        [1.0, 1.0, 0.75, 0.25, 0.0],
    ];
    assert_eq!(rows(&curve), expected.each_ref().map(<[f32; 5]>::as_slice));

    let weights = [1.0, 2.0, 0.5, 4.0, 1.0, 3.0, 2.0, 8.0];
    let curve = PrCurve::weighted(&LABELS, &SCORES, &weights, 9).unwrap();
    let expected: [[f32; 9]; 6] = [
        [7.5, 7.5, 7.5, 5.5, 5.5, 1.5, 1.0, 1.0, 0.0],
        [14.0, 6.0, 6.0, 3.0, 3.0, 2.0, 2.0, 0.0, 0.0],
        [0.0, 8.0, 8.0, 11.0, 11.0, 12.0, 12.0, 14.0, 14.0],
        [0.0, 0.0, 0.0, 2.0, 2.0, 6.0, 6.5, 6.5, 7.5],
        [
            0.348_837_2,
            0.555_555_6,
            0.555_555_6,
            0.647_058_84,
            0.647_058_84,
            0.428_571_43,
            0.333_333_34,
            1.0,
            0.0,
        ],
        [1.0, 1.0, 1.0, 0.733_333_35, 0.733_333_35, 0.2, 0.133_333_34, 0.133_333_34, 0.0],
    ];
    assert_eq!(rows(&curve), expected.each_ref().map(<[f32; 9]>::as_slice));
}

/// Where TensorBoard's `pb` goes wrong: it multiplies in 32 bits, and a score that equals a threshold may fall below it.
#[test]
fn a_score_reaches_the_threshold_that_it_equals_and_none_above() {
    for n in [2, 3, 11, 101, 127, 201, 1_000, 5_001, 1 << 20] {
        for i in (0..n).step_by(1 + n / 5_001) {
            let threshold = (i as f64 / (n - 1) as f64) as f32;
            let reached = |score: f32| {
                let curve = PrCurve::new(&[true], &[score], n).unwrap();
                curve.true_positives().iter().filter(|&&tp| tp == 1.0).count()
            };
            // Curves of many thresholds take long: a few scores are enough there.
            if n <= 1_000 || i % (n / 8) == 0 {
                assert_eq!(reached(threshold), i + 1, "threshold {i} of {n}");
                assert_eq!(reached(threshold.next_down().max(0.0)), i.max(1), "below threshold {i} of {n}");
            }
        }
    }
}

#[derive(Debug, Clone)]
struct Samples {
    labels: Vec<bool>,
    scores: Vec<f32>,
    weights: Vec<f32>,
    thresholds: usize,
}

/// Scores anywhere, on thresholds, and next to them.
fn samples() -> impl Strategy<Value = Samples> {
    (2_usize..300).prop_flat_map(|thresholds| {
        let on = move |i: usize| (i as f64 / (thresholds - 1) as f64) as f32;
        let score = prop_oneof![
            0.0_f32..=1.0,
            (0..thresholds).prop_map(on),
            (0..thresholds).prop_map(move |i| on(i).next_down().max(0.0)),
            (0..thresholds).prop_map(move |i| on(i).next_up().min(1.0)),
        ];
        let weight = prop_oneof![Just(1.0_f32), Just(0.0), 0.01_f32..100.0];
        proptest::collection::vec((any::<bool>(), score, weight), 0..60).prop_map(move |samples| Samples {
            labels: samples.iter().map(|sample| sample.0).collect(),
            scores: samples.iter().map(|sample| sample.1).collect(),
            weights: samples.iter().map(|sample| sample.2).collect(),
            thresholds,
        })
    })
}

proptest! {
    #[test]
    fn the_slow_twin_computes_the_same(samples in samples()) {
        let Samples { labels, scores, weights, thresholds } = &samples;
        let curve = PrCurve::weighted(labels, scores, weights, *thresholds).unwrap();
        assert_like_twin(&curve, &twin(labels, scores, weights, *thresholds));
        let unweighted = PrCurve::new(labels, scores, *thresholds).unwrap();
        assert_like_twin(&unweighted, &twin(labels, scores, &vec![1.0; labels.len()], *thresholds));
    }

    #[test]
    fn batches_make_the_curve_of_the_whole(samples in samples(), cut in 0_usize..60) {
        let Samples { labels, scores, thresholds, .. } = &samples;
        let cut = cut.min(labels.len());
        let mut counter = PrCounter::new(*thresholds).unwrap();
        counter.add(&labels[..cut], &scores[..cut]).unwrap();
        counter.add(&labels[cut..], &scores[cut..]).unwrap();
        prop_assert_eq!(counter.curve().unwrap(), PrCurve::new(labels, scores, *thresholds).unwrap());
    }

    #[test]
    fn what_was_computed_is_taken_raw(samples in samples()) {
        let curve = PrCurve::weighted(&samples.labels, &samples.scores, &samples.weights, samples.thresholds).unwrap();
        let [true_positives, false_positives, true_negatives, false_negatives, precision, recall] = rows(&curve);
        let raw = PrRows { true_positives, false_positives, true_negatives, false_negatives, precision, recall };
        prop_assert_eq!(PrCurve::raw(&raw).unwrap(), curve);
    }
}

#[test]
fn each_class_is_told_from_the_rest() {
    let scores = [0.7, 0.2, 0.1, 0.3, 0.3, 0.4, 0.1, 0.8, 0.1];
    let curves = PrCurve::one_vs_rest(&scores, 3, &[0, 2, 0], 11).unwrap();
    let alone = |class: usize, labels: [bool; 3]| {
        let column: Vec<f32> = (0..3).map(|sample| scores[3 * sample + class]).collect();
        PrCurve::new(&labels, &column, 11).unwrap()
    };
    let expected = [alone(0, [true, false, true]), alone(1, [false; 3]), alone(2, [false, true, false])];
    assert_eq!(curves, expected);
    assert_eq!(curves[1].recall(), [0.0; 11], "there is no sample of class 1");
}

#[test]
fn no_samples_make_a_curve_of_zeros() {
    let curve = PrCurve::new(&[], &[], 3).unwrap();
    assert_eq!(rows(&curve), [[0.0; 3].as_slice(); 6]);
    assert_eq!(curve.thresholds().collect::<Vec<_>>(), [0.0, 0.5, 1.0]);
}

#[test]
fn what_makes_no_curve_is_refused_with_its_place() {
    let message = |result: Result<PrCurve, convscope::Error>| result.unwrap_err().to_string();
    assert_eq!(
        message(PrCurve::new(&[true], &[0.5], 1)),
        "thresholds of a PR curve: 1 found, 2 to 1048576 expected; 201 is a usual number"
    );
    assert!(PrCurve::new(&[], &[], (1 << 20) + 1).is_err());
    assert_eq!(message(PrCurve::new(&[true], &[], 5)), "scores of a PR curve: 0 found for 1 labels");
    assert_eq!(
        message(PrCurve::new(&[true, false], &[0.5, 3.2], 5)),
        "score of sample 1: 3.2 found, 0 to 1 expected; turn logits into probabilities with sigmoid or softmax"
    );
    for score in [f32::NAN, f32::INFINITY, -0.1] {
        assert!(PrCurve::new(&[true], &[score], 5).is_err(), "{score}");
    }
    let rounded = PrCurve::new(&[true, true], &[1.000_000_1, -1e-7], 3).unwrap();
    assert_eq!(rounded.true_positives(), [2.0, 1.0, 1.0], "rounding is no mistake");

    assert!(PrCurve::weighted(&[true], &[0.5], &[], 5).is_err());
    for weight in [f32::NAN, f32::INFINITY, -1.0] {
        assert!(PrCurve::weighted(&[true], &[0.5], &[weight], 5).is_err(), "{weight}");
    }
    assert!(PrCurve::weighted(&[true; 2], &[0.5; 2], &[f32::MAX; 2], 5).is_err(), "beyond 32 bits");

    let many = |scores: &[f32], classes, labels: &[usize]| PrCurve::one_vs_rest(scores, classes, labels, 5);
    assert_eq!(many(&[], 0, &[]).unwrap_err().to_string(), "classes: 0 found, at least 1 expected");
    assert!(many(&[0.5; 5], 3, &[0, 1]).is_err());
    let error = many(&[0.5; 6], 3, &[0, 3]).unwrap_err().to_string();
    assert_eq!(error, "label of sample 1: 3 found, the last class is 2");
}

#[test]
fn raw_rows_must_be_whole_and_finite() {
    let row = [1.0, 0.5, 0.0];
    let sound = PrRows {
        true_positives: &row,
        false_positives: &row,
        true_negatives: &row,
        false_negatives: &row,
        precision: &row,
        recall: &row,
    };
    PrCurve::raw(&sound).unwrap();
    let error = |rows: PrRows<'_>| PrCurve::raw(&rows).unwrap_err().to_string();
    assert_eq!(
        error(PrRows { recall: &[1.0, 0.5], ..sound }),
        "recall: 2 numbers found, 3 expected, as true positives"
    );
    assert_eq!(
        error(PrRows { precision: &[1.0, 2.0, 0.0], ..sound }),
        "precision: 2 found at threshold 1, 0 to 1 expected"
    );
    assert_eq!(
        error(PrRows { true_negatives: &[f32::NAN, 0.0, 0.0], ..sound }),
        "true negatives: NaN found at threshold 0, 0 or greater expected"
    );
    assert!(PrCurve::raw(&PrRows { false_positives: &[f32::INFINITY, 0.0, 0.0], ..sound }).is_err());
    assert!(PrCurve::raw(&PrRows { true_positives: &[1.0], ..sound }).is_err());
}
