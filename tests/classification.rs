//! Measures of classifiers: against scikit-learn's numbers, against slow twins, and by hand.

#![allow(clippy::unwrap_used)] // in helpers of tests

use convscope::classification::{
    Averages, Calibration, ClassReport, ConfusionMatrix, Evaluation, LeftOut, ZeroDivision, average_precision,
};
use proptest::prelude::*;
use serde_json::Value as Json;

fn is_close(found: Option<f64>, expected: Option<f64>) -> bool {
    match (found, expected) {
        (Some(found), Some(expected)) => found == expected || (found - expected).abs() < 1e-9,
        (found, expected) => found == expected,
    }
}

/// Numbers of the file; null is none.
fn numbers(json: &Json) -> Vec<Option<f64>> {
    json.as_array().unwrap().iter().map(Json::as_f64).collect()
}

fn integers(json: &Json) -> Vec<i64> {
    json.as_array().unwrap().iter().map(|number| number.as_i64().unwrap()).collect()
}

fn averages(found: Averages) -> Vec<Option<f64>> {
    vec![found.precision, found.recall, found.f1]
}

fn assert_all_close(what: &str, found: &[Option<f64>], expected: &[Option<f64>]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(is_close(*found, *expected), "{what}: {found:?}, {expected:?} expected");
    }
}

#[test]
fn numbers_are_those_of_scikit_learn() {
    let cases: Vec<Json> = serde_json::from_str(include_str!("golden/classification.json")).unwrap();
    assert_eq!(cases.len(), 4);
    for case in &cases {
        let name = case["name"].as_str().unwrap();
        let labels = integers(&case["labels"]);
        let logits: Vec<f32> = (case["logits"].as_array().unwrap().iter())
            .flat_map(|row| numbers(row).into_iter().map(|logit| logit.unwrap() as f32))
            .collect();
        let classes = logits.len() / labels.len();
        let mut evaluation =
            Evaluation::new(classes).unwrap().top_k(2).unwrap().keep_scores(0..classes).unwrap();
        // In batches of unlike sizes.
        for (labels, logits) in labels.chunks(7).zip(logits.chunks(7 * classes)) {
            evaluation.add(labels, logits).unwrap();
        }
        let matrix = evaluation.confusion();
        for (truth, (counts, shares)) in (case["confusion"].as_array().unwrap().iter())
            .zip(case["normalized"].as_array().unwrap())
            .enumerate()
        {
            let found: Vec<i64> = (0..classes).map(|class| matrix.count(truth, class) as i64).collect();
            assert_eq!(found, integers(counts), "{name}");
            // scikit-learn fills empty rows with 0.
            let found: Vec<_> = (0..classes).map(|class| matrix.share(truth, class).or(Some(0.0))).collect();
            assert_all_close(name, &found, &numbers(shares));
        }
        let report = evaluation.report();
        let of = |measure: fn(&convscope::classification::ClassScores) -> Option<f64>| {
            report.classes.iter().map(measure).collect::<Vec<_>>()
        };
        let all = |measure: &dyn Fn(usize) -> Option<f64>| (0..classes).map(measure).collect::<Vec<_>>();
        for (key, found) in [
            ("precision", of(|class| class.precision)),
            ("recall", of(|class| class.recall)),
            ("f1", of(|class| class.f1)),
            ("support", of(|class| Some(class.support as f64))),
            ("macro_zero", averages(report.macro_average(ZeroDivision::Zero))),
            ("weighted_zero", averages(report.weighted_average(ZeroDivision::Zero))),
            ("macro_skip", averages(report.macro_average(ZeroDivision::Skip))),
            ("weighted_skip", averages(report.weighted_average(ZeroDivision::Skip))),
            ("losses", all(&|class| evaluation.loss_of(class))),
            ("average_precision", all(&|class| evaluation.average_precision(class))),
        ] {
            assert_all_close(&format!("{name}: {key}"), &found, &numbers(&case[key]));
        }
        for (key, found) in [
            ("accuracy", evaluation.accuracy()),
            ("top_2", evaluation.top_k_accuracy()),
            ("loss", evaluation.loss()),
            ("ece", evaluation.calibration().ece()),
            ("mce", evaluation.calibration().mce()),
        ] {
            assert!(is_close(found, case[key].as_f64()), "{name}: {key}: {found:?}, {} expected", case[key]);
        }
    }
}

/// The example of scikit-learn's documentation of `classification_report`.
#[test]
fn by_hand() {
    let matrix = ConfusionMatrix::of(3, &[0, 1, 2, 2, 2], &[0, 0, 2, 2, 1]).unwrap();
    let report = ClassReport::of(&matrix);
    let third = 1.0 / 3.0;
    let rows: Vec<_> = report.classes.iter().map(|c| (c.precision, c.recall, c.f1, c.support)).collect();
    assert_eq!(rows[0], (Some(0.5), Some(1.0), Some(2.0 * third), 1));
    assert_eq!(rows[1], (Some(0.0), Some(0.0), Some(0.0), 1));
    assert_eq!(rows[2], (Some(1.0), Some(2.0 * third), Some(0.8), 3));
    let found = averages(report.macro_average(ZeroDivision::Zero));
    assert_all_close("macro", &found, &[Some(0.5), Some(5.0 / 9.0), Some((2.0 * third + 0.8) / 3.0)]);
    let found = averages(report.weighted_average(ZeroDivision::Zero));
    assert_all_close("weighted", &found, &[Some(0.7), Some(0.6), Some((2.0 * third + 3.0 * 0.8) / 5.0)]);
}

#[test]
fn classes_that_do_not_occur_are_blank() {
    let report = ClassReport::of(&ConfusionMatrix::of(4, &[0, 0, 1], &[0, 2, 2]).unwrap());
    assert_eq!((report.classes[1].precision, report.classes[1].recall), (None, Some(0.0)));
    assert_eq!((report.classes[2].precision, report.classes[2].recall), (Some(0.0), None));
    assert_eq!((report.classes[3].precision, report.classes[3].f1), (None, None));
    // Class 3 never counts; class 1 has no precision.
    assert_eq!(report.macro_average(ZeroDivision::Zero).precision, Some(1.0 / 3.0));
    assert_eq!(report.macro_average(ZeroDivision::Skip).precision, Some(0.5));
    let nothing = ClassReport::of(&ConfusionMatrix::new(4).unwrap());
    assert_eq!(nothing.macro_average(ZeroDivision::Zero), Averages::default());
    assert_eq!(nothing.weighted_average(ZeroDivision::Skip), Averages::default());
}

#[test]
fn what_cannot_be_judged_is_counted() {
    let mut evaluation = Evaluation::new(2).unwrap().keep_scores([1]).unwrap();
    let (nan, inf) = (f32::NAN, f32::INFINITY);
    let logits = [1.0, 0.0, nan, 0.0, inf, 0.0, -inf, -inf, 1.0, 0.0, 1.0, 0.0, -inf, 3.0, nan, 0.0];
    evaluation.add(&[0, 0, 1, 0, 2, -1, 1, -1], &logits).unwrap();
    assert_eq!(evaluation.left_out(), LeftOut { labels: 3, logits: 3 });
    assert_eq!((evaluation.given(), evaluation.confusion().total()), (8, 2));
    assert_eq!(evaluation.accuracy(), Some(1.0));
    assert_eq!(evaluation.average_precision(1), Some(1.0));
    assert_eq!(
        evaluation.left_out().words(),
        "left out: 3 with a label that is no class, 3 with logits not finite"
    );
    assert_eq!(LeftOut::default().words(), "");
    assert!(LeftOut::default().is_empty() && !evaluation.left_out().is_empty());
}

#[test]
fn nothing_is_not_zero() {
    let evaluation = Evaluation::new(3).unwrap().top_k(1).unwrap().keep_scores([0]).unwrap();
    let found = [
        evaluation.accuracy(),
        evaluation.top_k_accuracy(),
        evaluation.loss(),
        evaluation.loss_of(0),
        evaluation.loss_of(3),
        evaluation.average_precision(0),
        evaluation.calibration().ece(),
        evaluation.calibration().mce(),
        evaluation.confusion().share(0, 0),
        evaluation.confusion().share(7, 0),
    ];
    assert_eq!(found, [None; 10]);
    assert!(evaluation.mistakes().is_empty() && evaluation.confusion().confusions().is_empty());
    assert_eq!(evaluation.pr_curve(0, 3).unwrap().recall(), [0.0; 3]);
}

#[test]
fn impossible_demands_are_refused() {
    let message = |result: convscope::Result<Evaluation>| result.unwrap_err().to_string();
    let new = || Evaluation::new(3).unwrap();
    assert_eq!(message(Evaluation::new(0)), "classes: 0 found, at least 1 expected");
    assert!(message(new().top_k(4)).contains("4 found, 1 to the number of classes (3) expected"));
    assert!(message(new().top_k(0)).contains("0 found"));
    assert!(message(new().keep_scores([0, 3])).contains("3 found, the last class is 2"));
    assert!(message(new().calibration_bins(0)).contains("0 found, 1 to 1000 expected"));
    let mut evaluation = new();
    let error = evaluation.add(&[0, 1], &[0.0; 5]).unwrap_err().to_string();
    assert_eq!(error, "logits: 5 found, 2 samples of 3 classes have 6");
    assert_eq!(evaluation.given(), 0);
    assert!(evaluation.pr_curve(1, 201).unwrap_err().to_string().contains("keep_scores"));
    let mut matrix = ConfusionMatrix::new(2).unwrap();
    assert_eq!(matrix.add(0, 2).unwrap_err().to_string(), "predicted class: 2 found, the last class is 1");
    assert_eq!(matrix.total(), 0);
    assert!(ConfusionMatrix::of(2, &[0], &[]).unwrap_err().to_string().contains("0 found for 1 samples"));
    assert!(Calibration::default().add(f64::NAN, true).is_err());
    assert!(Calibration::default().add(1.1, true).is_err());
}

#[test]
fn a_right_edge_belongs_to_its_bin() {
    let bin_of = |bins: usize, confidence: f64| {
        let mut calibration = Calibration::new(bins).unwrap();
        calibration.add(confidence, true).unwrap();
        calibration.bins().iter().position(|bin| bin.count == 1).unwrap()
    };
    for bins in [1, 2, 10, 15, 17, 1000] {
        for edge in 1..=bins {
            let confidence = edge as f64 / bins as f64;
            assert_eq!(bin_of(bins, confidence), edge - 1, "{edge}/{bins}");
            if edge < bins {
                assert_eq!(bin_of(bins, confidence.next_up()), edge, "just above {edge}/{bins}");
            }
        }
        assert_eq!(bin_of(bins, 0.0), 0);
    }
}

#[test]
fn the_loss_of_an_impossible_label_is_infinite() {
    let mut evaluation = Evaluation::new(2).unwrap();
    evaluation.add(&[0, 1], &[f32::NEG_INFINITY, 0.0, 0.0, 0.0]).unwrap();
    assert_eq!(evaluation.loss_of(0), Some(f64::INFINITY));
    assert_eq!(evaluation.loss_of(1), Some(2f64.ln()));
    assert_eq!(evaluation.loss(), Some(f64::INFINITY));
    assert_eq!(evaluation.mistakes()[0].truth_probability, 0.0);
}

#[test]
fn the_first_of_equal_logits_is_the_answer() {
    let mut evaluation = Evaluation::new(3).unwrap().top_k(2).unwrap();
    evaluation.add(&[0, 1, 2], &[1.0; 9]).unwrap();
    assert_eq!(evaluation.confusion().predicted(), [3, 0, 0]);
    assert_eq!(evaluation.top_k_accuracy(), Some(2.0 / 3.0));
}

#[test]
fn equally_confident_mistakes_stay_in_order() {
    let mut evaluation = Evaluation::new(2).unwrap().keep_mistakes(3);
    // Mistakes at 1, 2, 4, 5; the last one is the most confident.
    let logits = [2.0, 0.0, 2.0, 0.0, 2.0, 0.0, 0.0, 2.0, 0.0, 2.0, 9.0, 0.0];
    evaluation.add(&[0, 1, 1, 1, 0, 1], &logits).unwrap();
    let found: Vec<_> = evaluation.mistakes().iter().map(|m| (m.index, m.truth, m.predicted)).collect();
    assert_eq!(found, [(5, 1, 0), (1, 1, 0), (2, 1, 0)]);
    let none = Evaluation::new(2).unwrap().keep_mistakes(0);
    let mut none = none;
    none.add(&[1], &[2.0, 0.0]).unwrap();
    assert!(none.mistakes().is_empty());
}

#[test]
fn average_precision_decides_equal_scores_together() {
    // All equal: one threshold, precision is the share of the positives.
    assert_eq!(average_precision(&[true, false, false, true], &[0.5; 4]), Some(0.5));
    assert_eq!(average_precision(&[false, true], &[-0.0, 0.0]), Some(0.5));
    assert_eq!(average_precision(&[true], &[f32::NAN]), None);
    assert_eq!(average_precision(&[false], &[0.1]), None);
    assert_eq!(average_precision(&[true], &[]), None);
}

#[test]
fn average_precision_of_a_sure_model_tells_its_scores_apart() {
    // Of these margins all but the last two give a probability of 1 in 32 bits, the first three also in 64 bits.
    let margins = [60f32, 50., 40., 30., 20., 10., -30.];
    let labels = [1i64, 0, 1, 1, 0, 1, 0];
    let expected = (1.0 + 2.0 / 3.0 + 3.0 / 4.0 + 4.0 / 6.0) / 4.0;
    for extra in [None, Some(-3f32)] {
        let rows = margins.iter().flat_map(|&margin| [0.0, margin].into_iter().chain(extra));
        let mut evaluation = Evaluation::new(2 + extra.iter().len()).unwrap().keep_scores([0, 1]).unwrap();
        evaluation.add(&labels, &rows.collect::<Vec<_>>()).unwrap();
        assert!(
            is_close(evaluation.average_precision(1), Some(expected)),
            "{:?}",
            evaluation.average_precision(1)
        );
        // From the other side: the others are ordered by probabilities near 0.
        let expected = (1.0 + 2.0 / 3.0 + 3.0 / 6.0) / 3.0;
        assert!(
            is_close(evaluation.average_precision(0), Some(expected)),
            "{:?}",
            evaluation.average_precision(0)
        );
        let curve = evaluation.pr_curve(1, 3).unwrap();
        assert_eq!((curve.true_positives()[2], curve.false_positives()[2]), (3.0, 2.0));
    }
}

#[test]
fn tables() {
    let names: Vec<String> = ["cat", "dog|wolf"].map(str::to_owned).into();
    let mut evaluation = Evaluation::new(3).unwrap().keep_scores([0]).unwrap();
    evaluation.add(&[0, 0, 1], &[0.0, 0.0, -1e3, 0.0, 0.0, -1e3, 0.0, 0.0, -1e3]).unwrap();
    assert_eq!(
        evaluation.confusion().to_table(&names).to_markdown(),
        "| true \\\\ predicted | cat | dog\\|wolf | 2 | recall |\n|---|--:|--:|--:|--:|\n\
         | cat | 2 | 0 | 0 | 1.000 |\n| dog\\|wolf | 1 | 0 | 0 | 0.000 |\n| 2 | 0 | 0 | 0 |  |\n"
    );
    assert_eq!(
        evaluation.confusion().to_confusions_table(&names, 5).to_text(),
        "  true      predicted  count  share of the true class\n  dog|wolf  cat            1                    1.000\n"
    );
    let table = evaluation.to_table(&names, 10).to_text();
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(
        lines[1].split_whitespace().collect::<Vec<_>>(),
        ["cat", "0.667", "1.000", "0.800", "2", "0.693", "0.667"]
    );
    assert_eq!(lines[3].split_whitespace().collect::<Vec<_>>(), ["2", "0"], "blank, not 0/0");
    assert_eq!(
        lines[4].split_whitespace().collect::<Vec<_>>(),
        ["macro", "average", "0.333", "0.500", "0.400", "3"]
    );
    assert_eq!(lines[6].split_whitespace().collect::<Vec<_>>(), ["accuracy", "0.667", "3", "0.693"]);
    // Of many classes the worst ones, those that occur nowhere last.
    assert_eq!(evaluation.worst_classes(2), [1, 0]);
    assert_eq!(evaluation.worst_classes(3), [0, 1, 2]);
}

/// Labels, some of which are no class, and logits of so many classes, some of which are equal or have no softmax.
fn answers() -> impl Strategy<Value = (usize, Vec<i64>, Vec<f32>)> {
    (1..6usize, 0..40usize).prop_flat_map(|(classes, samples)| {
        let logit = prop_oneof![
            20 => -9f32..9.0,
            5 => (-3i8..3).prop_map(f32::from),
            1 => prop_oneof![Just(f32::NAN), Just(f32::INFINITY), Just(f32::NEG_INFINITY), Just(3e38)],
        ];
        let labels = prop::collection::vec(-1..=classes as i64, samples);
        (Just(classes), labels, prop::collection::vec(logit, samples * classes))
    })
}

/// Everything from its definition, sample by sample, over the samples that can be judged.
struct Twin {
    classes: usize,
    /// Index, label, probabilities.
    samples: Vec<(usize, usize, Vec<f64>)>,
    /// Logits of each sample.
    logits: Vec<Vec<f64>>,
}

impl Twin {
    fn new(classes: usize, labels: &[i64], logits: &[f32]) -> Twin {
        let (mut samples, mut judged) = (Vec::new(), Vec::new());
        for (index, &label) in labels.iter().enumerate() {
            let row: Vec<f64> =
                (0..classes).map(|class| f64::from(logits[index * classes + class])).collect();
            // Without the subtraction, but in a scale in which nothing overflows.
            let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let weights: Vec<f64> = row.iter().map(|logit| (logit - largest).exp()).collect();
            let sum: f64 = weights.iter().sum();
            if (0..classes as i64).contains(&label) && sum.is_finite() {
                let probabilities = weights.iter().map(|weight| weight / sum).collect();
                samples.push((index, label as usize, probabilities));
                judged.push(row);
            }
        }
        Twin { classes, samples, logits: judged }
    }

    fn answer(&self, probabilities: &[f64]) -> usize {
        (0..self.classes).find(|&class| probabilities.iter().all(|&p| p <= probabilities[class])).unwrap()
    }

    fn count(&self, is: impl Fn(usize, usize) -> bool) -> f64 {
        self.samples.iter().filter(|(_, label, p)| is(*label, self.answer(p))).count() as f64
    }

    fn part(&self, part: impl Fn(usize, usize) -> bool, whole: impl Fn(usize, usize) -> bool) -> Option<f64> {
        let whole = self.count(whole);
        (whole > 0.0).then(|| self.count(part) / whole)
    }

    fn ece(&self, bins: usize) -> Option<f64> {
        let mut sum = 0.0;
        for bin in 0..bins {
            let (low, high) = (bin as f64 / bins as f64, (bin + 1) as f64 / bins as f64);
            let inside: Vec<(f64, f64)> = (self.samples.iter())
                .map(|(_, label, p)| {
                    let answer = self.answer(p);
                    (p[answer], f64::from(u8::from(answer == *label)))
                })
                .filter(|(confidence, _)| *confidence > low && *confidence <= high)
                .collect();
            let n = inside.len() as f64;
            if n > 0.0 {
                let confidence = inside.iter().map(|(confidence, _)| confidence).sum::<f64>() / n;
                let accuracy = inside.iter().map(|(_, right)| right).sum::<f64>() / n;
                sum += n / self.samples.len() as f64 * (accuracy - confidence).abs();
            }
        }
        (!self.samples.is_empty()).then_some(sum)
    }

    /// The logit less the logarithm of the sum of the other classes' exponentials.
    fn log_odds(&self, sample: usize, class: usize) -> f32 {
        let mut others = self.logits[sample].clone();
        let own = others.remove(class);
        let largest = others.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if largest == f64::NEG_INFINITY {
            return f32::INFINITY;
        }
        let sum: f64 = others.iter().map(|logit| (logit - largest).exp()).sum();
        (own - largest - sum.ln()) as f32
    }

    /// Precision at every score that occurs, weighted by the recall that is gained there.
    fn average_precision(&self, class: usize) -> Option<f64> {
        let scores: Vec<(bool, f32)> = (self.samples.iter().enumerate())
            .map(|(sample, (_, label, _))| (*label == class, self.log_odds(sample, class)))
            .collect();
        let positives = scores.iter().filter(|(is_positive, _)| *is_positive).count() as f64;
        let mut thresholds: Vec<f32> = scores.iter().map(|(_, score)| *score).collect();
        thresholds.sort_by(|a, b| b.partial_cmp(a).unwrap());
        thresholds.dedup();
        let (mut sum, mut last_recall) = (0.0, 0.0);
        for threshold in thresholds {
            let reached = scores.iter().filter(|(_, score)| *score >= threshold).count() as f64;
            let tp = scores.iter().filter(|(is_positive, score)| *is_positive && *score >= threshold).count()
                as f64;
            sum += (tp / positives - last_recall) * (tp / reached);
            last_recall = tp / positives;
        }
        (positives > 0.0).then_some(sum)
    }
}

proptest! {
    #[test]
    fn agrees_with_a_slow_twin((classes, labels, logits) in answers(), batch in 1..9usize, k in 1..6usize) {
        let k = k.min(classes);
        let mut evaluation = Evaluation::new(classes).unwrap().top_k(k).unwrap().keep_scores(0..classes).unwrap();
        for (labels, logits) in labels.chunks(batch).zip(logits.chunks(batch * classes)) {
            evaluation.add(labels, logits).unwrap();
        }
        let twin = Twin::new(classes, &labels, &logits);
        let left_out = evaluation.left_out();
        prop_assert_eq!(evaluation.given(), labels.len() as u64);
        prop_assert_eq!(left_out.labels + left_out.logits, (labels.len() - twin.samples.len()) as u64);
        prop_assert_eq!(evaluation.accuracy(), twin.part(|t, p| t == p, |_, _| true));
        let report = evaluation.report();
        for class in 0..classes {
            let scores = report.classes[class];
            prop_assert_eq!(scores.precision, twin.part(|t, p| t == class && p == class, |_, p| p == class));
            prop_assert_eq!(scores.recall, twin.part(|t, p| t == class && p == class, |t, _| t == class));
            // The harmonic mean, where both are there and not 0.
            if let (Some(p), Some(r), Some(f1)) = (scores.precision, scores.recall, scores.f1) {
                let mean = if p + r > 0.0 { 2.0 * p * r / (p + r) } else { 0.0 };
                prop_assert!((f1 - mean).abs() < 1e-12);
            }
            for predicted in 0..classes {
                let count = twin.count(|t, p| t == class && p == predicted);
                prop_assert_eq!(evaluation.confusion().count(class, predicted) as f64, count);
            }
            let losses: Vec<f64> =
                twin.samples.iter().filter(|(_, label, _)| *label == class).map(|(_, l, p)| -p[*l].ln()).collect();
            let mean = (!losses.is_empty()).then(|| losses.iter().sum::<f64>() / losses.len() as f64);
            // A probability that underflows has a finite logarithm in the evaluation alone.
            if mean.is_none_or(f64::is_finite) {
                prop_assert!(is_close(evaluation.loss_of(class), mean), "{:?} {:?}", evaluation.loss_of(class), mean);
            }
            prop_assert!(is_close(evaluation.average_precision(class), twin.average_precision(class)));
        }
        prop_assert!(is_close(evaluation.calibration().ece(), twin.ece(15)));
        let hits = twin.samples.iter().filter(|(index, label, _)| {
            let row = &logits[index * classes..][..classes];
            let mut order: Vec<usize> = (0..classes).collect();
            order.sort_by(|&a, &b| row[b].partial_cmp(&row[a]).unwrap());
            order[..k].contains(label)
        });
        let share = (!twin.samples.is_empty()).then(|| hits.count() as f64 / twin.samples.len() as f64);
        prop_assert_eq!(evaluation.top_k_accuracy(), share);
    }

    #[test]
    fn batches_do_not_matter((classes, labels, logits) in answers(), batch in 1..9usize) {
        let of = |batch: usize| {
            let mut evaluation = Evaluation::new(classes).unwrap().keep_scores([0]).unwrap().keep_mistakes(5);
            for (labels, logits) in labels.chunks(batch).zip(logits.chunks(batch * classes)) {
                evaluation.add(labels, logits).unwrap();
            }
            evaluation
        };
        let (whole, parts) = (of(labels.len().max(1)), of(batch));
        prop_assert_eq!(&whole, &parts);
        let mistakes = whole.mistakes();
        let is_sorted = mistakes.is_sorted_by(|a, b| {
            a.confidence > b.confidence || (a.confidence == b.confidence && a.index < b.index)
        });
        prop_assert!(is_sorted);
        prop_assert_eq!(mistakes.len() as u64, 5.min(whole.confusion().total() - whole.confusion().correct()));
        let confusions = whole.confusion().confusions();
        let sum: u64 = confusions.iter().map(|confusion| confusion.count).sum();
        prop_assert_eq!(sum + whole.confusion().correct(), whole.confusion().total());
        let table = whole.to_table(&[], 3).to_text();
        let wrong = table.contains("NaN");
        prop_assert!(!wrong, "{}", table);
    }
}
