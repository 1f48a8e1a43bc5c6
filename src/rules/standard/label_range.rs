//! Labels that are no class of the model, and classes without labels.

use super::{
    Observation, Persistence, Rule, Setting, Severity, Symptom,
    label_counts::{IGNORED, LabelCounts, without},
};

/// So many labels or classes are named.
const NAMED: usize = 10;

/// Labels do not fit the model's classes 0 to C − 1, C being the width of its output.
///
/// * A label below 0 or from C on is critical: libtorch's cross-entropy stops with an error on a CPU and with a failed
///   assertion on a GPU; other losses go on with nonsense. Mostly labels that count from 1, or an output that
///   is too narrow. Labels in `ignore` are left out; −100 is PyTorch's `ignore_index`.
/// * A class that never occurs, after AWS's 500 labels and `per_class` labels for each class, is for information; where
///   more than `unused` of the classes never occur, it is a warning. Of C equal classes one is missed with a
///   probability of C · exp(−20) by then.
///
/// Subject: `labels`.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelRange {
    /// The label that the loss leaves out, a whole number. Default −100 (PyTorch's `ignore_index`).
    pub ignore_index: f64,
    /// Labels before classes are said to be missing. Default 500 (as AWS's `ClassImbalance`).
    pub labels: u64,
    /// The same, per class. Default 20.
    pub per_class: u64,
    /// Share of classes that never occur above which there is a warning. Default 0.5.
    pub unused: f64,
    counts: LabelCounts,
}

impl Default for LabelRange {
    fn default() -> LabelRange {
        LabelRange {
            ignore_index: IGNORED as f64,
            labels: 500,
            per_class: 20,
            unused: 0.5,
            counts: LabelCounts::default(),
        }
    }
}

impl Rule for LabelRange {
    fn name(&self) -> &str {
        "label_range"
    }

    fn examine(&mut self, observation: &Observation) -> Option<Vec<Symptom>> {
        let labels = observation.batch.as_ref()?.labels.as_ref()?;
        let ignore = self.ignore_index as i64;
        if !self.counts.add(observation, ignore) {
            return None;
        }
        let classes = self.counts.classes()?;
        let inside = |label: i64| u64::try_from(label).is_ok_and(|label| label < classes);
        let outside: Vec<(i64, u64)> = without(labels, ignore).filter(|&(label, _)| !inside(label)).collect();
        if !outside.is_empty() {
            return Some(vec![outside_range(&outside, classes)]);
        }
        if self.counts.total() < self.labels.max(self.per_class.saturating_mul(classes)) {
            return Some(Vec::new());
        }
        let seen: Vec<u64> = self.counts.iter().filter_map(|(label, _)| u64::try_from(label).ok()).collect();
        let missing = classes.saturating_sub(seen.iter().filter(|&&class| class < classes).count() as u64);
        if missing == 0 {
            return Some(Vec::new());
        }
        // The first few alone: an output may be very wide.
        let names: Vec<u64> =
            (0..classes).filter(|class| seen.binary_search(class).is_err()).take(NAMED).collect();
        Some(vec![self.never_seen(&names, missing, classes)])
    }

    fn about(&self) -> &str {
        "Labels are no class of the model, or classes never occur."
    }

    fn persistence(&self) -> Persistence {
        Persistence::at_once().clear(10)
    }

    fn explains(&self) -> &[&str] {
        &["class_imbalance"]
    }

    fn settings(&mut self) -> Vec<Setting<'_>> {
        vec![
            Setting::number(
                "ignore_index",
                &mut self.ignore_index,
                -9e15..=9e15,
                "the label that the loss leaves out",
            ),
            Setting::whole(
                "labels",
                &mut self.labels,
                1..=1_000_000_000,
                "labels before classes are said to be missing",
            ),
            Setting::whole("per_class", &mut self.per_class, 0..=1_000_000, "the same, per class"),
            Setting::number(
                "unused",
                &mut self.unused,
                0.0..=1.0,
                "share of classes that never occur above which there is a warning",
            ),
        ]
    }
}

fn outside_range(outside: &[(i64, u64)], classes: u64) -> Symptom {
    let images = outside.iter().fold(0u64, |sum, &(_, count)| sum.saturating_add(count));
    let worst = outside.iter().map(|&(label, _)| label).max_by_key(|label| label.unsigned_abs()).unwrap_or(0);
    let from_one = worst.unsigned_abs() == classes && outside.len() == 1;
    Symptom {
        subject: "labels".to_owned(),
        severity: Severity::Critical,
        raises: true,
        value: worst as f64,
        threshold: if worst < 0 { 0.0 } else { (classes - 1) as f64 },
        message: format!(
            "{images} images of the batch have labels outside 0 to {}, the classes of the model: {}",
            classes - 1,
            listed(outside.iter().map(|(label, _)| label), outside.len() as u64)
        ),
        advice: if from_one {
            format!(
                "Labels seem to count from 1: subtract 1, or give the model {} outputs.",
                classes.saturating_add(1)
            )
        } else {
            "Count labels from 0 and give the model one output per class. Is it a label for images to leave out, \
             set it as this rule's `ignore_index`."
                .to_owned()
        },
    }
}

impl LabelRange {
    fn never_seen(&self, names: &[u64], missing: u64, classes: u64) -> Symptom {
        let share = missing as f64 / classes as f64;
        Symptom {
            subject: "labels".to_owned(),
            severity: if share > self.unused { Severity::Warning } else { Severity::Info },
            raises: true,
            value: missing as f64,
            threshold: 0.0,
            message: format!(
                "{missing} of {classes} classes have not occurred once in {} labels: {}",
                self.counts.total(),
                listed(names, missing)
            ),
            advice: "If the data has no images of them, give the model fewer outputs. If it has, look how labels are \
                     numbered, and whether the images are shuffled."
                .to_owned(),
        }
    }
}

/// `3, 7` or `0, 1, 2, ... (12 in all)`.
fn listed<T: ToString>(names: impl IntoIterator<Item = T>, all: u64) -> String {
    let names: Vec<String> = names.into_iter().take(NAMED).map(|name| name.to_string()).collect();
    let more = if all > names.len() as u64 { format!(", ... ({all} in all)") } else { String::new() };
    format!("{}{more}", names.join(", "))
}
