//! How far a linear model may be believed.

use crate::render::number;

/// How far from an image its linear model may be believed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RangeOfTrust {
    /// The share of the linear term that the error may have.
    pub tolerance: f64,
    /// Along the gradient, up and down.
    pub gradient: Reach,
    /// Along random directions.
    pub random: Reach,
    /// See [`Expansion::contrast`](crate::explain::Expansion::contrast).
    pub contrast: f64,
}

/// A distance that was looked for among measured ones.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Reach {
    /// Nearer than the nearest one measured.
    Below(f64),
    /// Between two of them, interpolated.
    At(f64),
    /// As far as was measured, at least.
    Beyond(f64),
    /// The gradient is 0 or not finite: there is no linear term.
    Nowhere,
}

impl RangeOfTrust {
    /// In words for a caption: `linear to 10 % up to |d| = 0.82 (6 % of the contrast) along the gradient, 2.1 (15 %) along
    /// random directions`.
    pub fn words(&self) -> String {
        let part = |reach: Reach| reach.words(self.contrast);
        format!(
            "linear to {:.0} % up to |d| {} along the gradient, {} along random directions",
            100.0 * self.tolerance,
            part(self.gradient),
            part(self.random)
        )
    }

    /// As numbers for [`Attribution::measures`](crate::explain::Attribution::measures): shares of the contrast, at most 1 (as far
    /// as was measured), 0 where the range is nearer than was measured or there is no linear term.
    pub fn measures(&self) -> [(&'static str, f64); 2] {
        let share = |reach: Reach| reach.distance() / self.contrast;
        [("range_of_trust_gradient", share(self.gradient)), ("range_of_trust_random", share(self.random))]
    }
}

impl Reach {
    /// The distance up to which it is known to hold: 0 where that is nearer than was measured.
    pub fn distance(self) -> f64 {
        match self {
            Reach::At(distance) | Reach::Beyond(distance) => distance,
            Reach::Below(_) | Reach::Nowhere => 0.0,
        }
    }

    fn words(self, contrast: f64) -> String {
        let percent = |distance: f64| format!("{} % of the contrast", number(100.0 * distance / contrast));
        match self {
            Reach::Below(distance) => format!("< {} ({})", number(distance), percent(distance)),
            Reach::At(distance) => format!("= {} ({})", number(distance), percent(distance)),
            Reach::Beyond(distance) => {
                format!(">= {} ({}, the furthest measured)", number(distance), percent(distance))
            }
            Reach::Nowhere => "nowhere: there is no gradient".to_owned(),
        }
    }
}
