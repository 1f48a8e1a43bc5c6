//! Checks of what comes from outside.

use crate::error::{Error, Result};

/// That a shape has no empty side and as many values as were given.
pub(super) fn check(what: &str, dims: &str, shape: [usize; 4], values: usize) -> Result<()> {
    if shape.contains(&0) {
        return Err(Error::invalid(
            what,
            format!("shape {shape:?} has an empty side; {dims} all start at 1"),
        ));
    }
    match shape.iter().try_fold(1usize, |product, &side| product.checked_mul(side)) {
        Some(expected) if expected == values => Ok(()),
        Some(expected) => Err(Error::invalid(
            what,
            format!("{values} values found for shape {shape:?} ({dims}), which has {expected}"),
        )),
        None => Err(Error::invalid(
            what,
            format!("{values} values found for shape {shape:?} ({dims}), which is larger than memory"),
        )),
    }
}

/// That a cap lets something through.
pub(super) fn check_cap(what: &str, field: &str, cap: usize) -> Result<()> {
    if cap == 0 {
        return Err(Error::invalid(what, format!("`{field}` is 0; 1 or more can be shown")));
    }
    Ok(())
}

/// "64 channels", "1 channel", or "the first 64 of 128 channels" where some were left out.
pub(super) fn shown(shown: usize, of: usize, what: &str) -> String {
    match (shown, of) {
        (_, 1) => format!("1 {what}"),
        _ if shown == of => format!("{of} {what}s"),
        _ => format!("the first {shown} of {of} {what}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn left_out_channels_are_counted() {
        assert_eq!(shown(64, 64, "channel"), "64 channels");
        assert_eq!(shown(64, 128, "channel"), "the first 64 of 128 channels");
        assert_eq!(shown(1, 1, "channel"), "1 channel");
    }
}
