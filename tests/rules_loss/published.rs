//! Twins of published definitions, written down independently.

use convscope::{
    Step,
    rules::{LossSpike, Moment, Observation, Overfitting, Overtraining, Score},
};

use super::{observations, raised, recorded, series};

/// Lightning's `SpikeDetection` (`fabric/utilities/spike.py`): window 10, warm-up 1, rtol 2, no atol.
fn lightning(losses: &[f64]) -> Vec<usize> {
    let mut found = Vec::new();
    for batch in 1..losses.len() {
        let before = &losses[batch.saturating_sub(10)..batch];
        let mean = before.iter().sum::<f64>() / before.len() as f64;
        let (loss, last) = (losses[batch], losses[batch - 1]);
        if (loss - mean).abs() >= 2.0 * mean && loss > last {
            found.push(batch);
        }
    }
    found
}

/// Ours, one observation for each batch, so that the step tells the batch.
fn ours(losses: &[f64]) -> Vec<usize> {
    let single: Vec<Observation> = observations(1, losses, None)
        .into_iter()
        .flat_map(|observation| observation.losses)
        .map(|(step, loss)| Observation { step, losses: vec![(step, loss)], ..Observation::default() })
        .collect();
    raised(&mut LossSpike::default(), &single)
        .iter()
        .map(|(step, _)| usize::try_from(step - 1).unwrap())
        .collect()
}

#[test]
fn spikes_are_those_of_lightning_where_batches_are_quiet() {
    for seed in 0..10 {
        let mut losses = series(600, 0.1, seed, |batch| 0.3 + 2.0 * (-batch / 40.0).exp());
        for (batch, factor) in [(150, 4.0), (151, 1.0), (320, 5.0), (500, 12.0)] {
            losses[batch] *= factor;
        }
        assert_eq!(lightning(&losses), [150, 320, 500], "seed {seed}");
        assert_eq!(ours(&losses), [150, 320, 500], "seed {seed}");
    }
}

#[test]
fn spikes_are_fewer_than_those_of_lightning_in_batches_of_eight_images() {
    let losses = recorded("adam_1e-3_batch_8");
    assert_eq!(ours(&losses), [0usize; 0]);
    assert!(!lightning(&losses).is_empty(), "single hard images are three times the mean of ten batches");
}

#[test]
fn overtraining_counts_like_early_stopping() {
    // Losses, patience and the epoch of the stop (from 0) of Lightning's tests/tests_pytorch/callbacks/test_early_stopping.py.
    let cases: [(&[f64], u64, usize); 4] = [
        (&[6.0, 5.0, 5.0, 5.0, 5.0, 5.0], 3, 4),
        (&[6.0, 5.0, 4.0, 4.0, 3.0, 3.0], 1, 3),
        (&[6.0, 5.0, 6.0, 5.0, 5.0, 5.0], 3, 4),
        (&[8.0, 4.0, 2.0, 3.0, 4.0, 5.0, 8.0, 10.0], 3, 5),
    ];
    for (losses, patience, stop) in cases {
        let mut rule = Overtraining::default();
        rule.patience = patience;
        rule.improvement = 0.0;
        let epochs: Vec<Observation> = (0i64..)
            .zip(losses)
            .map(|(epoch, &loss)| Observation {
                step: Step::new(epoch),
                moment: Moment::Validation,
                validation: Some(Score { loss: Some(loss), ..Score::default() }),
                ..Observation::default()
            })
            .collect();
        assert_eq!(raised(&mut rule, &epochs)[0].0, stop as i64, "{losses:?}");
    }
}

#[test]
fn the_gap_of_overfitting_is_that_of_aws() {
    // (mean validation loss − mean training loss) / mean training loss > 0.1, with a validation loss that has risen.
    let found = |training: f64, validation: f64| {
        let epoch = |number: u64, training: f64, validation: f64| Observation {
            step: Step::from(number),
            epoch: number,
            moment: Moment::Epoch,
            training: Some(Score { loss: Some(training), ..Score::default() }),
            validation: Some(Score { loss: Some(validation), ..Score::default() }),
            ..Observation::default()
        };
        !raised(&mut Overfitting::default(), &[epoch(1, 0.4, 0.3), epoch(2, training, validation)]).is_empty()
    };
    for (training, validation) in
        [(0.4, 0.43), (0.4, 0.439), (0.4, 0.441), (0.4, 0.6), (0.5, 0.54), (0.5, 0.56)]
    {
        assert_eq!(
            found(training, validation),
            (validation - training) / training > 0.1,
            "{training}, {validation}"
        );
    }
}
