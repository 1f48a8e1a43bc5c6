//! Points and weights for an integral from 0 to 1.

use std::{f64::consts::PI, fmt, str::FromStr};

use crate::error::{Error, Result};

/// Most points of Gauss and Legendre: half a second.
const MOST: usize = 10_000;

/// How an integral from 0 to 1 becomes a weighted sum. Names, points and weights are captum's.
///
/// ```
/// use convscope::explain::Quadrature;
///
/// assert_eq!(Quadrature::RiemannMiddle.points(2)?, [(0.25, 0.5), (0.75, 0.5)]);
/// // n points of Gauss and Legendre are exact for polynomials up to the degree 2 n - 1.
/// let integral: f64 = Quadrature::GaussLegendre.points(3)?.iter().map(|(x, weight)| weight * x.powi(5)).sum();
/// assert!((integral - 1.0 / 6.0).abs() < 1e-15);
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Quadrature {
    /// Zeros of the Legendre polynomial of degree n.
    #[default]
    GaussLegendre,
    /// Left ends of n equal pieces.
    RiemannLeft,
    /// Right ends.
    RiemannRight,
    /// Middles.
    RiemannMiddle,
    /// n points from 0 to 1, the first and the last with half the weight 1/n. As in captum, whose weights sum to (n - 1)/n:
    /// the integral is too small by 1/n of itself.
    RiemannTrapezoid,
}

impl Quadrature {
    /// All rules.
    pub const ALL: [Quadrature; 5] = [
        Quadrature::GaussLegendre,
        Quadrature::RiemannLeft,
        Quadrature::RiemannRight,
        Quadrature::RiemannMiddle,
        Quadrature::RiemannTrapezoid,
    ];

    /// captum's name of it: `gausslegendre`, `riemann_left`, ...
    pub fn name(self) -> &'static str {
        match self {
            Quadrature::GaussLegendre => "gausslegendre",
            Quadrature::RiemannLeft => "riemann_left",
            Quadrature::RiemannRight => "riemann_right",
            Quadrature::RiemannMiddle => "riemann_middle",
            Quadrature::RiemannTrapezoid => "riemann_trapezoid",
        }
    }

    /// Places from 0 to 1, ascending, and their weights.
    ///
    /// # Errors
    /// No point; fewer than two of a trapezoid; more than 10,000 of Gauss and Legendre, which take time with the square of
    /// their number.
    pub fn points(self, count: usize) -> Result<Vec<(f64, f64)>> {
        self.check(count)?;
        let n = count as f64;
        let evenly = |place: &dyn Fn(f64) -> f64| (0..count).map(|i| (place(i as f64), 1.0 / n)).collect();
        Ok(match self {
            Quadrature::GaussLegendre => gauss_legendre(count),
            Quadrature::RiemannLeft => evenly(&|i| i / n),
            Quadrature::RiemannRight => evenly(&|i| (i + 1.0) / n),
            Quadrature::RiemannMiddle => evenly(&|i| (i + 0.5) / n),
            Quadrature::RiemannTrapezoid => {
                let mut points: Vec<(f64, f64)> = evenly(&|i| i / (n - 1.0));
                for end in [0, count - 1] {
                    points[end].1 /= 2.0;
                }
                points
            }
        })
    }
}

impl Quadrature {
    /// Refuses numbers of points that the rule does not have.
    pub(super) fn check(self, count: usize) -> Result<()> {
        let least = if self == Quadrature::RiemannTrapezoid { 2 } else { 1 };
        let expected = if count < least {
            format!("`{self}` needs {least} or more")
        } else if self == Quadrature::GaussLegendre && count > MOST {
            format!("`{self}` takes at most {MOST}; another rule takes more")
        } else {
            return Ok(());
        };
        Err(Error::invalid("steps", format!("{count} found; {expected} (50 is usual)")))
    }
}

impl FromStr for Quadrature {
    type Err = Error;

    /// A rule by its [`name`](Quadrature::name).
    fn from_str(name: &str) -> Result<Quadrature> {
        Quadrature::ALL.into_iter().find(|rule| rule.name() == name).ok_or_else(|| {
            let known = Quadrature::ALL.map(Quadrature::name).join(", ");
            Error::invalid("rule", format!("`{name}` found; one of {known} expected"))
        })
    }
}

impl fmt::Display for Quadrature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The zeros x of the Legendre polynomial P of degree n with weights 2 / ((1 - x²) P'(x)²), moved from -1..1 to 0..1.
/// Found by Newton's method from a start that is good to O(n⁻⁴) (Abramowitz and Stegun 1964, 22.16.6 and 25.4.29).
fn gauss_legendre(n: usize) -> Vec<(f64, f64)> {
    let at = |i: usize| {
        let mut x = (PI * (i as f64 + 0.75) / (n as f64 + 0.5)).cos();
        for _ in 0..10 {
            let (value, slope) = legendre(n, x);
            let step = value / slope;
            x -= step;
            if step.abs() < 1e-16 {
                break;
            }
        }
        let (_, slope) = legendre(n, x);
        ((1.0 + x) / 2.0, 1.0 / ((1.0 - x * x) * slope * slope))
    };
    // The zeros lie evenly around the middle: those above it tell those below.
    let above: Vec<(f64, f64)> = (0..n.div_ceil(2)).map(at).collect();
    let below = above.iter().take(n / 2).map(|&(x, weight)| (1.0 - x, weight));
    below.chain(above.iter().rev().copied()).collect()
}

/// Value and derivative of the Legendre polynomial of degree n, by the recurrence of its values.
fn legendre(n: usize, x: f64) -> (f64, f64) {
    let (mut before, mut value) = (1.0, x);
    for k in 2..=n {
        let k = k as f64;
        (before, value) = (value, ((2.0 * k - 1.0) * x * value - (k - 1.0) * before) / k);
    }
    (value, n as f64 * (x * value - before) / (x * x - 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: &[(f64, f64)], expected: &[(f64, f64)], tolerance: f64) {
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            let off = (found.0 - expected.0).abs().max((found.1 - expected.1).abs());
            assert!(off <= tolerance, "{found:?} {expected:?}");
        }
    }

    /// captum's own values.
    #[test]
    fn riemann_rules_have_captums_points() {
        type Points<'a> = &'a [(f64, f64)];
        let third = 1.0 / 3.0;
        let cases: [(Quadrature, [Points<'_>; 3]); 4] = [
            (
                Quadrature::RiemannLeft,
                [
                    &[(0.0, 0.5), (0.5, 0.5)],
                    &[(0.0, third), (third, third), (2.0 * third, third)],
                    &[(0.0, 0.25), (0.25, 0.25), (0.5, 0.25), (0.75, 0.25)],
                ],
            ),
            (
                Quadrature::RiemannRight,
                [
                    &[(0.5, 0.5), (1.0, 0.5)],
                    &[(third, third), (2.0 * third, third), (1.0, third)],
                    &[(0.25, 0.25), (0.5, 0.25), (0.75, 0.25), (1.0, 0.25)],
                ],
            ),
            (
                Quadrature::RiemannMiddle,
                [
                    &[(0.25, 0.5), (0.75, 0.5)],
                    &[(third / 2.0, third), (0.5, third), (5.0 * third / 2.0, third)],
                    &[(0.125, 0.25), (0.375, 0.25), (0.625, 0.25), (0.875, 0.25)],
                ],
            ),
            (
                Quadrature::RiemannTrapezoid,
                [
                    &[(0.0, 0.25), (1.0, 0.25)],
                    &[(0.0, third / 2.0), (0.5, third), (1.0, third / 2.0)],
                    &[(0.0, 0.125), (third, 0.25), (2.0 * third, 0.25), (1.0, 0.125)],
                ],
            ),
        ];
        for (rule, of_counts) in cases {
            for (count, expected) in (2..).zip(of_counts) {
                near(&rule.points(count).unwrap(), expected, 1e-15);
            }
        }
    }

    #[test]
    fn gauss_legendre_has_the_known_points() {
        let root = |square: f64| square.sqrt() / 2.0;
        near(&gauss_legendre(1), &[(0.5, 1.0)], 1e-15);
        let far = root(1.0 / 3.0);
        near(&gauss_legendre(2), &[(0.5 - far, 0.5), (0.5 + far, 0.5)], 1e-15);
        let far = root(0.6);
        let expected = [(0.5 - far, 5.0 / 18.0), (0.5, 4.0 / 9.0), (0.5 + far, 5.0 / 18.0)];
        near(&gauss_legendre(3), &expected, 1e-15);
    }

    #[test]
    fn gauss_legendre_is_exact_up_to_its_degree() {
        for count in [1, 2, 5, 10, 50] {
            let points = gauss_legendre(count);
            for power in 0..2 * count as i32 {
                let sum: f64 = points.iter().map(|(x, weight)| weight * x.powi(power)).sum();
                let exact = 1.0 / f64::from(power + 1);
                assert!((sum - exact).abs() < 1e-14, "{count} points, x^{power}: {sum}, {exact}");
            }
        }
        let weights: f64 = gauss_legendre(1000).iter().map(|(_, weight)| weight).sum();
        assert!((weights - 1.0).abs() < 1e-12, "{weights}");
    }

    #[test]
    fn a_trapezoid_misses_one_part_in_n() {
        let sum: f64 =
            Quadrature::RiemannTrapezoid.points(50).unwrap().iter().map(|(_, weight)| weight).sum();
        assert!((sum - 0.98).abs() < 1e-15);
    }

    #[test]
    fn points_lie_evenly_around_the_middle() {
        for count in [1, 2, 7, 50] {
            let points = gauss_legendre(count);
            assert_eq!(points.len(), count);
            assert!(points.windows(2).all(|pair| pair[0].0 < pair[1].0), "{points:?}");
            for (one, other) in points.iter().zip(points.iter().rev()) {
                assert!((one.0 + other.0 - 1.0).abs() < 1e-15 && one.1 == other.1, "{points:?}");
            }
        }
    }

    #[test]
    fn too_many_points_are_refused_before_they_are_computed() {
        assert!(Quadrature::GaussLegendre.check(10_000).is_ok());
        let error = Quadrature::GaussLegendre.points(1_000_000).unwrap_err().to_string();
        assert!(error.contains("at most 10000"), "{error}");
        assert_eq!(Quadrature::RiemannMiddle.points(1_000_000).unwrap().len(), 1_000_000);
    }

    #[test]
    fn too_few_points_are_refused() {
        for rule in Quadrature::ALL {
            assert!(rule.points(0).unwrap_err().to_string().contains(rule.name()));
            assert_eq!(rule.points(1).is_ok(), rule != Quadrature::RiemannTrapezoid);
        }
    }

    #[test]
    fn rules_have_names() {
        for rule in Quadrature::ALL {
            assert_eq!(rule.to_string().parse::<Quadrature>().unwrap(), rule);
        }
        let error = "simpson".parse::<Quadrature>().unwrap_err().to_string();
        assert!(error.contains("`simpson`") && error.contains("riemann_left"), "{error}");
    }
}
