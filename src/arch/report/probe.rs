//! The image on which fields are drawn.

use crate::{
    error::{Error, Result},
    summary::Image,
};

/// Larger images are not made up: 16 million pixels.
const MOST_PIXELS: i64 = 1 << 24;

/// `probe`, which must have the model's size; or a pattern of tiles where there is none. `None` where the image would be
/// too large to draw.
pub(super) fn image(probe: Option<&Image>, [_, height, width]: [i64; 3]) -> Result<Option<Image>> {
    match probe {
        Some(image) if (i64::from(image.height()), i64::from(image.width())) == (height, width) => {
            Ok(Some(image.clone()))
        }
        Some(image) => Err(Error::invalid(
            "probe image",
            format!(
                "{} x {} pixels found (height x width), expected those of the model's input: {height} x {width}",
                image.height(),
                image.width()
            ),
        )),
        None if height.saturating_mul(width) > MOST_PIXELS => Ok(None),
        None => pattern(height, width).map(Some),
    }
}

/// Tiles of two greys, so that places and distances can be seen.
fn pattern(height: i64, width: i64) -> Result<Image> {
    let side = (height.max(width) / 14).max(1);
    let pixels = (0..height).flat_map(|row| {
        (0..width).map(move |column| if (row / side + column / side) % 2 == 0 { 150 } else { 190 })
    });
    // No side is larger than MOST_PIXELS.
    Image::gray(width as u32, height as u32, pixels.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_has_the_size_of_the_models_input() {
        let probe = Image::gray(3, 2, vec![0; 6]).unwrap();
        assert_eq!(image(Some(&probe), [1, 2, 3]).unwrap(), Some(probe.clone()));
        assert_eq!(
            image(Some(&probe), [1, 3, 2]).unwrap_err().to_string(),
            "probe image: 2 x 3 pixels found (height x width), expected those of the model's input: 3 x 2"
        );
    }

    #[test]
    fn a_pattern_is_made_up_where_memory_allows() {
        let made = image(None, [3, 28, 14]).unwrap().unwrap();
        assert_eq!((made.height(), made.width()), (28, 14));
        assert!(made.pixels().contains(&150) && made.pixels().contains(&190));
        assert_eq!(image(None, [1, i64::MAX, i64::MAX]).unwrap(), None);
    }
}
