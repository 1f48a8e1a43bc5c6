//! Numbers of bytes that one can read.

/// `12 B`, `3.4 kB`, `1.2 GB`.
pub fn bytes(number: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if number < 1000 {
        return format!("{number} B");
    }
    let mut value = number as f64 / 1000.0;
    let mut units = UNITS.iter();
    let mut unit = units.next();
    while value >= 999.95
        && let Some(next) = units.next()
    {
        value /= 1000.0;
        unit = Some(next);
    }
    format!("{value:.1} {}", unit.unwrap_or(&""))
}

/// `1 file`, `2 files`, `1,234 files`.
pub fn count(number: u64, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {what}{plural}", convscope::summary::thousands(&number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_go_up_by_thousands() {
        let texts = [0, 999, 1000, 1550, 999_949, 999_950, 20_000_000_000].map(bytes);
        assert_eq!(texts, ["0 B", "999 B", "1.0 kB", "1.6 kB", "999.9 kB", "1.0 MB", "20.0 GB"]);
    }

    #[test]
    fn counts_have_plurals() {
        assert_eq!([0, 1, 1234].map(|n| count(n, "file")), ["0 files", "1 file", "1,234 files"]);
    }
}
