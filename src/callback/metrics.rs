//! Numbers by name.

use std::{collections::BTreeMap, fmt};

/// Results of an epoch or of a validation pass, by name (`loss`, `accuracy`, or an own one), sorted.
///
/// ```
/// use convscope::callback::Metrics;
///
/// let metrics = Metrics::from([("loss", 0.5), ("accuracy", 0.9)]);
/// assert_eq!(metrics.get("loss"), Some(0.5));
/// assert_eq!(metrics.to_string(), "accuracy 0.9000, loss 0.5000");
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Metrics(BTreeMap<String, f64>);

impl Metrics {
    /// The number called `name`.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.0.get(name).copied()
    }

    /// Adds or replaces a number.
    pub fn insert(&mut self, name: impl Into<String>, value: f64) {
        self.0.insert(name.into(), value);
    }

    /// All numbers, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, f64)> {
        self.0.iter().map(|(name, &value)| (name.as_str(), value))
    }
}

impl<const N: usize> From<[(&str, f64); N]> for Metrics {
    fn from(values: [(&str, f64); N]) -> Metrics {
        Metrics(values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }
}

impl fmt::Display for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (name, value)) in self.iter().enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            write!(f, "{comma}{name} {value:.4}")?;
        }
        Ok(())
    }
}
