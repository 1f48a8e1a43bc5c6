//! Which classes of a confusion matrix are shown.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use super::confusion::{ConfusionCells, check};
use crate::error::Result;

/// Counts by true and predicted class.
pub(super) struct Counts {
    cells: BTreeMap<(usize, usize), u64>,
    rows: Vec<u64>,
}

impl Counts {
    pub fn new(cells: &ConfusionCells<'_>) -> Result<Counts> {
        check(cells)?;
        let mut counts = Counts { cells: BTreeMap::new(), rows: vec![0; cells.classes.len()] };
        for &(truth, predicted, count) in cells.cells {
            for sum in [counts.cells.entry((truth, predicted)).or_default(), &mut counts.rows[truth]] {
                *sum = sum.saturating_add(count);
            }
        }
        Ok(counts)
    }

    pub fn get(&self, truth: usize, predicted: usize) -> u64 {
        self.cells.get(&(truth, predicted)).copied().unwrap_or(0)
    }

    /// Samples of a class.
    pub fn row(&self, truth: usize) -> u64 {
        self.rows[truth]
    }

    /// True class, predicted class, how often: the mistakes, most frequent first; among equals in the order of classes.
    pub fn confusions(&self) -> Vec<(usize, usize, u64)> {
        let cells = self.cells.iter().map(|(&(truth, predicted), &count)| (truth, predicted, count));
        let mut confusions: Vec<_> = cells.filter(|(t, p, count)| t != p && *count > 0).collect();
        confusions.sort_by_key(|(.., count)| Reverse(*count)); // stable
        confusions
    }
}

/// The classes that are shown.
pub(super) struct Chosen {
    /// In their order.
    pub classes: Vec<usize>,
    /// What was left out; empty for nothing.
    pub note: String,
}

impl Chosen {
    pub fn all(classes: usize) -> Chosen {
        Chosen { classes: (0..classes).collect(), note: String::new() }
    }

    /// The classes of the most frequent confusions, as many of them as there is room for both classes of; filled up with
    /// the first ones where there are too few.
    pub fn most_confused(counts: &Counts, most: usize) -> Chosen {
        let confusions = counts.confusions();
        let mut chosen = BTreeSet::new();
        for &(truth, predicted, _) in &confusions {
            let new = [truth, predicted].iter().filter(|class| !chosen.contains(*class)).count();
            if chosen.len() + new > most {
                break;
            }
            chosen.extend([truth, predicted]);
        }
        let classes = counts.rows.len();
        let mut rest = 0..classes;
        while chosen.len() < most.min(classes)
            && let Some(class) = rest.next()
        {
            chosen.insert(class);
        }
        let sum = |is_counted: &dyn Fn(usize) -> bool| {
            let counted = confusions.iter().filter(|(t, p, _)| is_counted(*t) && is_counted(*p));
            counted.map(|(.., count)| *count).fold(0, u64::saturating_add)
        };
        let (shown, all) = (sum(&|class| chosen.contains(&class)), sum(&|_| true));
        let note = format!(
            "{} of {classes} classes, those of the most frequent confusions, with {shown} of {all} mistakes",
            chosen.len()
        );
        Chosen { classes: chosen.into_iter().collect(), note }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_confused_classes_are_chosen_in_pairs() {
        let classes: Vec<String> = (0..9).map(|class| class.to_string()).collect();
        let cells = [(8, 3, 5), (3, 3, 90), (1, 8, 4), (6, 7, 4), (2, 2, 50)];
        let counts = Counts::new(&ConfusionCells { classes: &classes, cells: &cells }).unwrap();
        let chosen = |most| Chosen::most_confused(&counts, most).classes;
        assert_eq!(chosen(2), [3, 8]);
        assert_eq!(chosen(3), [1, 3, 8]);
        assert_eq!(chosen(4), [0, 1, 3, 8], "no room for 6 and 7 together");
        assert_eq!(chosen(5), [1, 3, 6, 7, 8]);
        assert_eq!(chosen(20), (0..9).collect::<Vec<_>>());
        let note = Chosen::most_confused(&counts, 3).note;
        assert_eq!(note, "3 of 9 classes, those of the most frequent confusions, with 9 of 13 mistakes");
    }
}
