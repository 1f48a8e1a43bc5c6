//! Numbers of a max pooling's switches.

/// What the windows of a max pooling held, and how many inputs they send gradients to. Counts of several images can be
/// [added](RoutingCounts::add).
///
/// ```
/// use convscope::explain::RoutingCounts;
///
/// let counts = RoutingCounts { inputs: 16, winners: 4, windows: 4, places: vec![0, 2, 0, 2], ..RoutingCounts::default() };
/// assert_eq!(counts.winner_share(), Some(0.25));
/// assert_eq!(counts.entropy(), Some(1.0)); // bits: two places, equally often
/// assert_eq!(counts.effective_places(), Some(2.0));
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoutingCounts {
    /// Inputs of the pooling.
    pub inputs: u64,
    /// Inputs that win a window at least.
    pub winners: u64,
    /// Inputs whose gradient is not 0.
    pub with_gradient: u64,
    /// Windows, which is outputs.
    pub windows: u64,
    /// Windows of zeros alone: the first input wins, and says nothing.
    pub all_zero: u64,
    /// Other windows with several equal maxima: the first one wins.
    pub ties: u64,
    /// Windows with NaN: the last one wins.
    pub nan: u64,
    /// Windows that lie in the padding.
    pub empty: u64,
    /// How often the winner lies at each place of the kernel, row by row; windows of zeros, with NaN and in the padding do not
    /// count.
    pub places: Vec<u64>,
}

impl RoutingCounts {
    /// The share of inputs that win a window, 0 to 1; at most 1 / stride² where windows do not overlap. `None` without
    /// inputs.
    pub fn winner_share(&self) -> Option<f64> {
        share(self.winners, self.inputs)
    }

    /// The share of inputs whose gradient is not 0, 0 to 1: less than the winners where the loss does not depend on an
    /// output.
    pub fn gradient_share(&self) -> Option<f64> {
        share(self.with_gradient, self.inputs)
    }

    /// The share of windows of zeros, 0 to 1.
    pub fn all_zero_share(&self) -> Option<f64> {
        share(self.all_zero, self.windows)
    }

    /// The share of windows with ties, those of zeros not counted, 0 to 1.
    pub fn tie_share(&self) -> Option<f64> {
        share(self.ties, self.windows)
    }

    /// The entropy of the winner's place in its window, in bits: H = -Σ p log₂ p (Shannon 1948). 0 where it is always the
    /// same, 2 where all four places of a 2x2 window win equally often. `None` where no window counts.
    pub fn entropy(&self) -> Option<f64> {
        let total: u64 = self.places.iter().sum();
        let term = |&count: &u64| {
            let p = count as f64 / total as f64;
            if count == 0 { 0.0 } else { -p * p.log2() }
        };
        (total > 0).then(|| self.places.iter().map(term).sum())
    }

    /// The number of places among which the winner would have this [entropy](RoutingCounts::entropy) if all were equally
    /// likely: 2^H, from 1 to the number of places.
    pub fn effective_places(&self) -> Option<f64> {
        self.entropy().map(f64::exp2)
    }

    /// Adds the counts of another image of the same pooling.
    pub fn add(&mut self, other: &RoutingCounts) {
        self.inputs += other.inputs;
        self.winners += other.winners;
        self.with_gradient += other.with_gradient;
        self.windows += other.windows;
        self.all_zero += other.all_zero;
        self.ties += other.ties;
        self.nan += other.nan;
        self.empty += other.empty;
        if self.places.len() < other.places.len() {
            self.places.resize(other.places.len(), 0);
        }
        self.places.iter_mut().zip(&other.places).for_each(|(sum, count)| *sum += count);
    }
}

fn share(part: u64, all: u64) -> Option<f64> {
    (all > 0).then(|| part as f64 / all as f64)
}
