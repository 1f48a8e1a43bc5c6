//! Which patches are worth a forward pass.

use super::super::planes::Answer;
use crate::error::Result;

/// A grid of which some places are measured and the others interpolated, row by row.
pub(super) struct Refined {
    pub answers: Vec<Answer>,
    pub measured: Vec<bool>,
}

/// Measures a grid of `sides` rows and columns from coarse to fine. First come every `coarsest`-th row and column and the
/// last ones, whatever they cost. Then the distance is halved again and again, and of the places between only those are
/// measured where the map is extreme: half of the rest of the `budget` at each distance, all of it at the last. What is
/// not measured is bilinear between its neighbours at the distance before.
pub(super) fn refine(
    sides: [usize; 2],
    coarsest: usize,
    budget: usize,
    measure: impl Fn(&[[usize; 2]]) -> Result<Vec<Answer>>,
) -> Result<Refined> {
    let mut step = coarsest.max(1);
    let mut grid = Grid::new(sides, step);
    let all: Vec<usize> = (0..grid.places()).collect();
    grid.answers = measure(&grid.coordinates(&all))?;
    grid.measured = vec![true; grid.places()];
    let mut left = budget.saturating_sub(grid.places());
    while step > 1 {
        step /= 2;
        let (mut finer, interest) = grid.finer(Grid::new(sides, step));
        let share = if step == 1 { left } else { left / 2 };
        let chosen = most_interesting(&finer, &interest, share);
        for (place, answer) in chosen.iter().zip(measure(&finer.coordinates(&chosen))?) {
            finer.answers[*place] = answer;
            finer.measured[*place] = true;
        }
        left -= chosen.len();
        grid = finer;
    }
    Ok(Refined { answers: grid.answers, measured: grid.measured })
}

/// Some rows and columns of the whole grid, and what is known where they cross.
struct Grid {
    rows: Vec<usize>,
    columns: Vec<usize>,
    answers: Vec<Answer>,
    measured: Vec<bool>,
}

impl Grid {
    fn new(sides: [usize; 2], step: usize) -> Grid {
        let [rows, columns] = sides.map(|side| {
            let mut places: Vec<usize> = (0..side).step_by(step).collect();
            if (side - 1) % step > 0 {
                places.push(side - 1);
            }
            places
        });
        Grid { rows, columns, answers: Vec::new(), measured: Vec::new() }
    }

    fn places(&self) -> usize {
        self.rows.len() * self.columns.len()
    }

    /// Where places lie in the whole grid.
    fn coordinates(&self, places: &[usize]) -> Vec<[usize; 2]> {
        let width = self.columns.len();
        places.iter().map(|place| [self.rows[place / width], self.columns[place % width]]).collect()
    }

    fn at(&self, row: usize, column: usize) -> Answer {
        self.answers[row * self.columns.len() + column]
    }

    /// A finer grid with what is known here, and how interesting each of its places is.
    fn finer(&self, mut finer: Grid) -> (Grid, Vec<f64>) {
        let usual = median(self.answers.iter().map(|answer| answer.log_probability));
        let [rows, columns] = [(&self.rows, &finer.rows), (&self.columns, &finer.columns)]
            .map(|(coarse, fine)| neighbours(coarse, fine));
        let mut interest = Vec::with_capacity(finer.places());
        for &(above, below, down) in &rows {
            for &(left, right, across) in &columns {
                let [[a, b], [c, d]] =
                    [above, below].map(|row| [left, right].map(|column| self.at(row, column)));
                finer.answers.push(between(between(a, b, across), between(c, d, across), down));
                let is_here = down == 0.0 && across == 0.0;
                finer.measured.push(is_here && self.measured[above * self.columns.len() + left]);
                interest.push(extremeness([a, b, c, d].map(|answer| answer.log_probability - usual)));
            }
        }
        (finer, interest)
    }
}

/// How extreme the map is around a place, from how far its neighbours are from the map's median: how far the furthest of
/// them is, and how much they differ, which is what interpolation may miss.
fn extremeness(levels: [f64; 4]) -> f64 {
    let most = |of: fn(f64) -> f64| levels.iter().fold(f64::MIN, |most, level| most.max(of(*level)));
    most(f64::abs) + (most(|level| level) + most(|level| -level))
}

/// The places that are not measured yet, the most interesting ones, in their order.
fn most_interesting(grid: &Grid, interest: &[f64], count: usize) -> Vec<usize> {
    let mut places: Vec<usize> = (0..grid.places()).filter(|place| !grid.measured[*place]).collect();
    places.sort_by(|&a, &b| interest[b].total_cmp(&interest[a]));
    places.truncate(count);
    places.sort_unstable();
    places
}

/// For each fine place the coarse ones before and behind it, by their number, and how far it is between them, 0 to 1.
fn neighbours(coarse: &[usize], fine: &[usize]) -> Vec<(usize, usize, f64)> {
    let beside = |place: &usize| {
        let before = coarse.partition_point(|known| known <= place) - 1; // 0 is in both
        let behind = (before + 1).min(coarse.len() - 1);
        let gap = (coarse[behind] - coarse[before]).max(1);
        if coarse[before] == *place {
            (before, before, 0.0)
        } else {
            (before, behind, (place - coarse[before]) as f64 / gap as f64)
        }
    };
    fine.iter().map(beside).collect()
}

fn between(a: Answer, b: Answer, part: f64) -> Answer {
    // Where nothing lies between, an infinity stays one.
    let mix = |a: f64, b: f64| if part == 0.0 { a } else { a + part * (b - a) };
    Answer { logit: mix(a.logit, b.logit), log_probability: mix(a.log_probability, b.log_probability) }
}

/// The middle one of the numbers, the upper of two.
fn median(numbers: impl Iterator<Item = f64>) -> f64 {
    let mut numbers: Vec<f64> = numbers.collect();
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    fn answer(level: f64) -> Answer {
        Answer { logit: 2.0 * level, log_probability: level }
    }

    /// Refines a function of rows and columns; gives the levels, what was measured, and in which order.
    fn refined(
        sides: [usize; 2],
        coarsest: usize,
        budget: usize,
        of: impl Fn([usize; 2]) -> f64,
    ) -> (Vec<f64>, Vec<bool>, Vec<[usize; 2]>) {
        let asked = RefCell::new(Vec::new());
        let found = refine(sides, coarsest, budget, |places| {
            asked.borrow_mut().extend_from_slice(places);
            Ok(places.iter().map(|place| answer(of(*place))).collect())
        });
        let found = found.unwrap();
        assert!(found.answers.iter().all(|answer| answer.logit == 2.0 * answer.log_probability));
        let levels = found.answers.iter().map(|answer| answer.log_probability).collect();
        (levels, found.measured, asked.into_inner())
    }

    #[test]
    fn with_budget_for_all_everything_is_measured_once() {
        for sides in [[1, 1], [1, 7], [5, 1], [9, 9], [10, 13]] {
            let of = |[row, column]: [usize; 2]| ((row * 31 + column * 17) % 11) as f64;
            let (levels, measured, mut asked) = refined(sides, 4, usize::MAX, of);
            let all: Vec<[usize; 2]> =
                (0..sides[0] * sides[1]).map(|i| [i / sides[1], i % sides[1]]).collect();
            assert!(measured.iter().all(|measured| *measured));
            assert_eq!(levels, all.iter().map(|place| of(*place)).collect::<Vec<_>>());
            asked.sort_unstable();
            assert_eq!(asked, all, "{sides:?}");
        }
    }

    #[test]
    fn a_plane_needs_the_coarse_places_only() {
        let of = |[row, column]: [usize; 2]| 0.5 * row as f64 - 0.25 * column as f64;
        let (levels, measured, asked) = refined([10, 14], 4, 0, of);
        // Rows 0, 4, 8, 9; columns 0, 4, 8, 12, 13.
        assert_eq!((asked.len(), measured.iter().filter(|measured| **measured).count()), (20, 20));
        for (i, level) in levels.iter().enumerate() {
            assert!((level - of([i / 14, i % 14])).abs() < 1e-12, "place {i}");
        }
    }

    #[test]
    fn the_budget_goes_where_the_map_is_extreme() {
        // A dip of a few places around (20, 8) in a flat map.
        let of = |[row, column]: [usize; 2]| {
            let (down, across) = (row as f64 - 20.0, column as f64 - 8.0);
            -5.0 * (-(down * down + across * across) / 18.0).exp()
        };
        let (levels, measured, asked) = refined([33, 33], 8, 160, of);
        assert_eq!(asked.len(), 160);
        let near: Vec<usize> =
            (0usize..33 * 33).filter(|i| (i / 33).abs_diff(20) <= 3 && (i % 33).abs_diff(8) <= 3).collect();
        assert!(near.iter().all(|i| measured[*i]), "all 49 places around the dip");
        let worst = levels
            .iter()
            .enumerate()
            .map(|(i, level)| (level - of([i / 33, i % 33])).abs())
            .fold(0.0, f64::max);
        assert!(worst < 0.6, "{worst}");
    }

    #[test]
    fn infinities_stay_where_they_are() {
        let of = |[row, column]: [usize; 2]| if row == 0 && column == 0 { f64::NEG_INFINITY } else { -1.0 };
        let (levels, measured, _) = refined([9, 9], 4, 30, of);
        assert_eq!(levels[0], f64::NEG_INFINITY);
        for (level, measured) in levels.iter().zip(measured).skip(1) {
            assert!(!measured || *level == -1.0, "{level}");
        }
        assert_eq!(levels[80], -1.0);
    }
}
