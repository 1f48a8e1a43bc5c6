//! What an evaluation found, as tables for the page Text and for the terminal.

use super::{
    class_report::{Averages, ClassScores, ZeroDivision},
    confusion_matrix::ConfusionMatrix,
    evaluation::Evaluation,
};
use crate::summary::{Table, thousands};

impl ConfusionMatrix {
    /// The counts: a row for each true class and a column for each predicted one, with the recall at the end. `names` are
    /// those of the classes; a class without one is called by its number.
    ///
    /// ```
    /// use convscope::classification::ConfusionMatrix;
    ///
    /// let matrix = ConfusionMatrix::of(2, &[0, 0, 1], &[0, 1, 1])?;
    /// let text = matrix.to_table(&["cat".into(), "dog".into()]).to_text();
    /// assert_eq!(text, "  true \\ predicted  cat  dog  recall\n  cat                 1    1   0.500\n  dog                 0    1   1.000\n");
    /// # Ok::<(), convscope::Error>(())
    /// ```
    pub fn to_table(&self, names: &[String]) -> Table {
        let classes = 0..self.classes();
        let head = ["true \\ predicted".to_owned()].into_iter();
        let head = head.chain(classes.clone().map(|class| class_name(names, class)));
        let mut table = Table::new(head.chain(["recall".to_owned()]));
        for truth in classes.clone() {
            let counts = classes.clone().map(|predicted| thousands(&self.count(truth, predicted)));
            let cells = [class_name(names, truth)].into_iter().chain(counts);
            table.row(cells.chain([cell(self.share(truth, truth))]));
        }
        table
    }

    /// The most frequent confusions, at most so many: what a matrix of many classes is read for.
    pub fn to_confusions_table(&self, names: &[String], most: usize) -> Table {
        let mut table = Table::new(["true", "predicted", "count", "share of the true class"]);
        for confusion in self.confusions().into_iter().take(most) {
            table.row([
                class_name(names, confusion.truth),
                class_name(names, confusion.predicted),
                thousands(&confusion.count),
                cell(self.share(confusion.truth, confusion.predicted)),
            ]);
        }
        table
    }
}

impl Evaluation {
    /// Precision, recall, F1, support, loss and, where scores are kept, average precision of the classes, and the
    /// averages below. Of more than `most` classes those with the lowest F1, lowest first; else all in their order.
    /// Blank: not defined. The averages count 0 there ([`ZeroDivision::Zero`]).
    pub fn to_table(&self, names: &[String], most: usize) -> Table {
        let report = self.report();
        let mut table =
            Table::new(["class", "precision", "recall", "F1", "support", "loss", "average precision"]);
        for class in self.worst_classes(most) {
            let ClassScores { precision, recall, f1, support } = report.classes[class];
            let mut row = vec![class_name(names, class)];
            row.extend([precision, recall, f1].map(cell));
            row.extend([thousands(&support), cell(self.loss_of(class)), cell(self.average_precision(class))]);
            table.row(row);
        }
        let total = self.confusion().total();
        let mut average = |name: &str, Averages { precision, recall, f1 }: Averages| {
            let mut row = vec![name.to_owned()];
            row.extend([precision, recall, f1].map(cell));
            row.push(thousands(&total));
            table.row(row);
        };
        average("macro average", report.macro_average(ZeroDivision::Zero));
        average("weighted average", report.weighted_average(ZeroDivision::Zero));
        let accuracy = cell(self.accuracy());
        table.row([
            "accuracy".to_owned(),
            String::new(),
            String::new(),
            accuracy,
            thousands(&total),
            cell(self.loss()),
        ]);
        table
    }

    /// All classes in their order where there are at most `most`, else those with the lowest F1, lowest first; of equal
    /// ones the first. A class that occurs nowhere comes last.
    pub fn worst_classes(&self, most: usize) -> Vec<usize> {
        let mut classes: Vec<usize> = (0..self.classes()).collect();
        if classes.len() > most {
            let report = self.report();
            let f1 = |class: usize| report.classes[class].f1.unwrap_or(f64::INFINITY);
            classes.sort_by(|&a, &b| f1(a).total_cmp(&f1(b))); // stable
            classes.truncate(most);
        }
        classes
    }
}

/// The name of a class, or its number where it has none.
pub(crate) fn class_name(names: &[String], class: usize) -> String {
    names.get(class).cloned().unwrap_or_else(|| class.to_string())
}

/// A number of a table; blank where there is none.
fn cell(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| format!("{value:.3}"))
}
