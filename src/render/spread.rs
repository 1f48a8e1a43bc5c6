//! Which of many layers are shown.

/// At most `most` of the items, evenly spread, the first and the last among them.
pub(crate) fn spread<T: Clone>(items: &[T], most: usize) -> Vec<T> {
    if items.len() <= most {
        return items.to_vec();
    }
    let last = items.len() - 1;
    let steps = most.saturating_sub(1);
    let place = |n: usize| (n * last + steps / 2).checked_div(steps).unwrap_or(last);
    (0..most).map(|n| items[place(n)].clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_and_the_last_are_among_those_spread() {
        let items: Vec<usize> = (0..100).collect();
        assert_eq!(spread(&items, 5), [0, 25, 50, 74, 99]);
        assert_eq!(spread(&items[..3], 5), [0, 1, 2]);
        assert_eq!(spread(&items, 1), [99]);
        assert!(spread(&items, 0).is_empty());
        for most in 2..100 {
            let found = spread(&items, most);
            assert!(found.is_sorted_by(|a, b| a < b) && found.len() == most && found[most - 1] == 99);
        }
    }
}
