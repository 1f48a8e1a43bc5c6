//! Tables for the terminal and for TensorBoard's text page, and the numbers in them.

pub use convscope::summary::Table;

/// `1234567` as `1,234,567`.
pub fn thousands(number: &impl ToString) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_of_three() {
        assert_eq!(
            [0, 12, 123, 1234, 123_456, 1_234_567].map(|n| thousands(&n))[3..],
            ["1,234", "123,456", "1,234,567"]
        );
        assert_eq!(thousands(&123), "123");
    }
}
