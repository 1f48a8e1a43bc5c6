//! From many cells to few buckets, with as little change to the quantiles as possible.

use super::Bucket;

/// The most buckets: 84 rows of three 64-bit floats and their description take less than 2 kB.
const MAX_BUCKETS: usize = 84;

/// A point of the quantile function: `x` is the value that `rank` of the values do not exceed.
#[derive(Debug, Clone, Copy)]
struct Knot {
    rank: u64,
    x: f64,
}

/// The quantile function as a line through points, from sorted pieces. What is between two pieces holds no value:
/// there the line rises at one rank; at a piece without width it stays at one value.
fn line(pieces: &[Bucket]) -> Vec<Knot> {
    let mut knots = Vec::with_capacity(2 * pieces.len() + 1);
    let mut rank = 0;
    for piece in pieces {
        if knots.last().is_none_or(|last: &Knot| last.x < piece.left) {
            knots.push(Knot { rank, x: piece.left });
        }
        rank += piece.count;
        knots.push(Knot { rank, x: piece.right });
    }
    knots
}

/// The value of the line at the share `q` of the ranks.
pub(super) fn quantile(pieces: &[Bucket], q: f64) -> f64 {
    let total: u64 = pieces.iter().map(|piece| piece.count).sum();
    let rank = q * total as f64;
    let mut below = 0.0;
    for piece in pieces {
        let count = piece.count as f64;
        if rank <= below + count && count > 0.0 {
            let share = (rank - below) / count;
            return piece.left * (1.0 - share) + piece.right * share;
        }
        below += count;
    }
    pieces.last().map_or(f64::NAN, |piece| piece.right)
}

/// The line through at most [`MAX_BUCKETS`] + 1 of its own knots that stays closest to it.
pub(super) fn reduce(pieces: &[Bucket]) -> Vec<Bucket> {
    let knots = line(pieces);
    buckets(&Simplifier::new(&knots).best())
}

fn buckets(knots: &[Knot]) -> Vec<Bucket> {
    let bucket =
        |pair: &[Knot]| Bucket { left: pair[0].x, right: pair[1].x, count: pair[1].rank - pair[0].rank };
    knots.windows(2).map(bucket).collect()
}

/// Quantiles that are further than this share from both ends count in full.
const TAIL: f64 = 1e-3;

struct Simplifier<'a> {
    knots: &'a [Knot],
    /// Ranks and values as shares of the largest, so that nothing overflows.
    points: Vec<Point>,
}

#[derive(Clone, Copy)]
struct Point {
    p: f64,
    x: f64,
    /// Tolerated deviation in units of the tolerance.
    slack: f64,
}

impl<'a> Simplifier<'a> {
    fn new(knots: &'a [Knot]) -> Simplifier<'a> {
        let total = knots.last().map_or(1, |knot| knot.rank) as f64;
        let scale = knots.iter().fold(f64::MIN_POSITIVE, |scale, knot| scale.max(knot.x.abs()));
        let point = |knot: &Knot| {
            let p = knot.rank as f64 / total;
            let end = p.min((total - knot.rank as f64) / total);
            // Beyond the tail a deviation matters less the fewer values it concerns.
            let slack = (TAIL / end).powi(2).clamp(1.0, 1e12);
            Point { p, x: knot.x / scale, slack }
        };
        Simplifier { knots, points: knots.iter().map(point).collect() }
    }

    fn best(&self) -> Vec<Knot> {
        if let Some(knots) = self.within(0.0) {
            return knots;
        }
        let (mut low, mut high) = (-150.0, 1.0);
        let mut best = None;
        while high - low > 0.1 {
            let middle = 0.5 * (low + high);
            match self.within(f64::exp2(middle)) {
                Some(knots) => (high, best) = (middle, Some(knots)),
                None => low = middle,
            }
        }
        best.or_else(|| self.within(4.0)).unwrap_or_default()
    }

    /// Knots of a line that deviates at most by `tolerance` from all others, or `None` if it takes too many.
    fn within(&self, tolerance: f64) -> Option<Vec<Knot>> {
        let mut chosen = Vec::with_capacity(MAX_BUCKETS + 1);
        let mut at = 0;
        chosen.extend(self.knots.first());
        while at + 1 < self.points.len() {
            if chosen.len() > MAX_BUCKETS {
                return None;
            }
            at = self.reach(at, tolerance);
            chosen.push(self.knots[at]);
        }
        Some(chosen)
    }

    /// The furthest knot to which a straight line from knot `start` passes all others within the tolerance: it keeps
    /// the cone of slopes that do so.
    fn reach(&self, start: usize, tolerance: f64) -> usize {
        let from = self.points[start];
        let (mut least, mut most) = (f64::NEG_INFINITY, f64::INFINITY);
        let mut furthest = start + 1;
        for (i, point) in self.points.iter().enumerate().skip(start + 1) {
            let (run, rise, slack) = (point.p - from.p, point.x - from.x, tolerance * point.slack);
            if run == 0.0 {
                // A gap right behind the start: its other end is close enough to be passed over, or it is a bucket.
                if rise > slack {
                    break;
                }
                continue;
            }
            let slope = rise / run;
            if least <= slope && slope <= most {
                furthest = i;
            }
            least = least.max((rise - slack) / run);
            most = most.min((rise + slack) / run);
            if least > most {
                break;
            }
        }
        furthest
    }
}
