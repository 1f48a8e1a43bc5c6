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

/// The value at the share `q` of the ranks. `None` where there are no pieces.
pub(super) fn quantile(pieces: &[Bucket], q: f64) -> Option<f64> {
    let knots = line(pieces);
    knots.last().map(|last| value_at(&knots, q * last.rank as f64))
}

/// The value of the line at a rank, the lowest where it rises at that rank.
fn value_at(knots: &[Knot], rank: f64) -> f64 {
    let next = knots.partition_point(|knot| (knot.rank as f64) < rank).min(knots.len() - 1);
    let (above, below) = (knots[next], knots[next.saturating_sub(1)]);
    if above.rank == below.rank {
        return above.x;
    }
    between(below.x, above.x, (rank - below.rank as f64) / (above.rank - below.rank) as f64)
}

/// The point at `share` of the way from `low` to `high`. Never falls while the share grows, as each step here rounds
/// the same way; a sum of two weighted ends would not keep that. Halves where the difference overflows.
fn between(low: f64, high: f64, share: f64) -> f64 {
    let way = high - low;
    let point = if way.is_finite() {
        low + share * way
    } else {
        2.0 * (low / 2.0 + share * (high / 2.0 - low / 2.0))
    };
    point.min(high)
}

/// The line through at most [`MAX_BUCKETS`] + 1 of its own knots that stays closest to it.
pub(super) fn reduce(pieces: &[Bucket]) -> Vec<Bucket> {
    if pieces.is_empty() {
        return Vec::new();
    }
    let knots = line(&thin(pieces));
    buckets(&Simplifier::new(&knots).best())
}

/// Joins neighbours that are too close together, and hold too few values, to be told apart in a picture.
fn thin(pieces: &[Bucket]) -> Vec<Bucket> {
    let knots = line(pieces);
    let total = knots.last().map_or(0, |knot| knot.rank);
    let at = |share: f64| value_at(&knots, share * total as f64);
    let span = |low, high| at(high) - at(low);
    let (most, half) = (span(0.01, 0.99), span(0.25, 0.75));
    let near = if half > 0.0 { most.min(4.0 * half) } else { most } / 512.0;
    let mut joined: Vec<Bucket> = Vec::with_capacity(pieces.len().min(4096));
    let mut rank = 0;
    for piece in pieces {
        let end = rank.min(total - rank);
        let few = total.div_ceil(512).min(end / 16);
        rank += piece.count;
        if let Some(last) = joined.last_mut() {
            let span = piece.right - last.left;
            let in_tail = end < total / 100 && span <= last.left.abs().min(piece.right.abs()) / 128.0;
            if last.count + piece.count <= few && (span <= near || in_tail) {
                *last = Bucket { left: last.left, right: piece.right, count: last.count + piece.count };
                continue;
            }
        }
        joined.push(*piece);
    }
    joined
}

fn buckets(knots: &[Knot]) -> Vec<Bucket> {
    let bucket =
        |pair: &[Knot]| Bucket { left: pair[0].x, right: pair[1].x, count: pair[1].rank - pair[0].rank };
    knots.windows(2).map(bucket).collect()
}

/// Quantiles that are further than this share from both ends count in full, those closer less and less.
const CENTRE: f64 = 0.01;
/// Beyond this share, and beyond this number of values, a sample says little of its distribution: they hardly count.
const TAIL: f64 = 1e-3;
const TAIL_VALUES: f64 = 100.0;

/// The shares that the page Distributions draws beside the extremes.
const DRAWN: [f64; 7] = [0.0668, 0.1587, 0.3085, 0.5, 0.6915, 0.8413, 0.9332];

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
    /// A drawn quantile, which has to be one of the edges.
    pinned: bool,
}

impl<'a> Simplifier<'a> {
    fn new(knots: &'a [Knot]) -> Simplifier<'a> {
        let total = knots.last().map_or(1, |knot| knot.rank) as f64;
        let scale = knots.iter().fold(f64::MIN_POSITIVE, |scale, knot| scale.max(knot.x.abs()));
        let tail = f64::max(TAIL, TAIL_VALUES / total);
        let point = |knot: &Knot| {
            let rank = knot.rank as f64;
            let end = rank.min(total - rank) / total;
            let mut slack = 1.0;
            if end < CENTRE.max(tail) {
                slack = (CENTRE / end).sqrt().max(1.0) * (tail / end).powi(2).max(1.0);
            }
            Point { p: rank / total, x: knot.x / scale, slack: slack.min(1e12), pinned: false }
        };
        let mut points: Vec<Point> = knots.iter().map(point).collect();
        for share in DRAWN {
            let above = points.partition_point(|point| point.p < share);
            let below = above.saturating_sub(1);
            let nearer = if points[above].p - share < share - points[below].p { above } else { below };
            points[nearer].pinned = true;
        }
        Simplifier { knots, points }
    }

    fn best(&self) -> Vec<Knot> {
        if self.knots.len() <= MAX_BUCKETS + 1 {
            return self.knots.to_vec();
        }
        // From a usual tolerance to one that fits and one that does not, then between them.
        let usual = (0.004 * self.spread()).max(1e-60);
        let (mut kept, mut best) = (usual, self.within(usual));
        if best.is_some() {
            while let Some(found) = (kept > 1e-4 * usual).then(|| self.within(kept / 4.0)).flatten() {
                (kept, best) = (kept / 4.0, Some(found));
            }
        } else {
            while best.is_none() && kept < 4.0 {
                kept *= 4.0;
                best = self.within(kept);
            }
        }
        let mut missed = kept / 4.0;
        for _ in 0..4 {
            let middle = (missed * kept).sqrt();
            match self.within(middle) {
                Some(found) => (kept, best) = (middle, Some(found)),
                None => missed = middle,
            }
        }
        best.unwrap_or_default()
    }

    /// A measure of the values' spread: between the quartiles, or the extremes where those are equal.
    fn spread(&self) -> f64 {
        let at = |share: f64| self.points[self.points.partition_point(|point| point.p < share)].x;
        let quartiles = at(0.75) - at(0.25);
        if quartiles > 0.0 { quartiles } else { at(1.0) - at(0.0) }
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
            let per_run = 1.0 / run;
            let slope = rise * per_run;
            if least <= slope && slope <= most {
                furthest = i;
            }
            least = least.max((rise - slack) * per_run);
            most = most.min((rise + slack) * per_run);
            if least > most || point.pinned {
                break;
            }
        }
        furthest
    }
}
