//! Numbers and names in sentences.

pub(super) use crate::render::number;

/// So many names stand in a sentence; then only how many more there are.
const MOST_NAMES: usize = 4;

/// A share from 0 to 1 in per cent: `93 %`, `0.4 %`.
pub(super) fn percent(share: f64) -> String {
    format!("{} %", number(100.0 * share))
}

/// `1 layer`, `3 layers`.
pub(super) fn count(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// The first names in back ticks, and how many more there are.
pub(super) fn names<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let all: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    match (all.len().checked_sub(MOST_NAMES), all.split_last()) {
        (Some(more @ 1..), _) => format!("{} and {more} more", all[..MOST_NAMES].join(", ")),
        (_, Some((last, [first @ .., before]))) => {
            let first: String = first.iter().map(|name| format!("{name}, ")).collect();
            format!("{first}{before} and {last}")
        }
        (_, Some((only, []))) => only.clone(),
        (_, None) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_short() {
        assert_eq!(names([]), "");
        assert_eq!(names(["a"]), "`a`");
        assert_eq!(names(["a", "b"]), "`a` and `b`");
        assert_eq!(names(["a", "b", "c", "d"]), "`a`, `b`, `c` and `d`");
        assert_eq!(names(["a", "b", "c", "d", "e", "f"]), "`a`, `b`, `c`, `d` and 2 more");
    }

    #[test]
    fn shares_and_counts() {
        assert_eq!((percent(0.93), percent(0.004)), ("93 %".to_owned(), "0.4 %".to_owned()));
        assert_eq!((count(1, "layer"), count(2, "layer")), ("1 layer".to_owned(), "2 layers".to_owned()));
    }
}
