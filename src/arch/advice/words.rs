//! Names and numbers in sentences.

use crate::summary::thousands;

/// So many names are listed; of more, the first few and the last one.
const MOST: usize = 6;

/// `` `a`, `b` and `c` ``; of long lists `` `a`, `b`, `c`, ... `z` (20 layers) ``.
pub(super) fn names<S: AsRef<str>>(names: &[S]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{}`", name.as_ref())).collect();
    match quoted.as_slice() {
        [] => "none".to_owned(),
        [one] => one.clone(),
        [first @ .., last] if quoted.len() <= MOST => format!("{} and {last}", first.join(", ")),
        [first @ .., last] => format!("{}, ... {last} ({} layers)", first[..3].join(", "), quoted.len()),
    }
}

/// `3x5`.
pub(super) fn size([height, width]: [i64; 2]) -> String {
    format!("{height}x{width}")
}

/// `1 row`, `3 columns`, `2,048 rows`.
pub(super) fn count(count: i64, what: &str) -> String {
    format!("{} {what}{}", thousands(&count), if count == 1 { "" } else { "s" })
}

/// What share `part` is of `whole`, in per cent.
pub(super) fn percent(part: f64, whole: f64) -> String {
    match 100.0 * part / whole {
        share if share >= 9.95 => format!("{share:.0} %"),
        share if share >= 0.05 || share == 0.0 => format!("{share:.1} %"),
        _ => "less than 0.1 %".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_are_shortened() {
        assert_eq!(names(&["a"]), "`a`");
        assert_eq!(names(&["a", "b", "c"]), "`a`, `b` and `c`");
        let many: Vec<String> = (0..20).map(|n| format!("conv{n}")).collect();
        assert_eq!(names(&many), "`conv0`, `conv1`, `conv2`, ... `conv19` (20 layers)");
    }

    #[test]
    fn shares_are_short() {
        let shares = [(0.0, "0.0 %"), (0.01, "less than 0.1 %"), (3.21, "3.2 %"), (57.14, "57 %")];
        for (part, text) in shares {
            assert_eq!(percent(part, 100.0), text);
        }
    }
}
