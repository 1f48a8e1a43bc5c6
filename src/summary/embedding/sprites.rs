//! Small pictures side by side in one file, row by row: a sprite sheet.

use super::{super::encoded::SpriteFile, invalid};
use crate::{error::Result, summary::Image};

/// The page refuses a sheet with a longer side.
const MAX_SIDE: usize = 8192;

pub(super) fn check(pictures: &[Image], points: usize) -> Result<()> {
    if pictures.len() != points {
        return invalid(format!("{} sprites for {points} points; give one for each", pictures.len()));
    }
    let size = |image: &Image| (image.width(), image.height());
    let first = pictures.first().map(size);
    match pictures.iter().enumerate().find(|(_, image)| Some(size(image)) != first) {
        Some((index, image)) => invalid(format!(
            "sprite {index} has {} x {} pixels, sprite 0 has others; all need the same size",
            image.width(),
            image.height()
        )),
        None => Ok(()),
    }
}

/// At least one picture, all of one size.
pub(super) fn encode(pictures: &[&Image]) -> Result<SpriteFile> {
    let Some(first) = pictures.first() else { return invalid("there are no sprites") };
    let from = [first.width() as usize, first.height() as usize];
    // As many rows as columns, or the page takes the wrong ones: it divides by the number of rows to find the row.
    let columns = (pictures.len() as f64).sqrt().ceil() as usize;
    if columns > MAX_SIDE {
        return invalid(format!(
            "{} sprites; at most {} fit into a sheet",
            pictures.len(),
            MAX_SIDE * MAX_SIDE
        ));
    }
    let size = cell(from, columns);
    if size != from {
        tracing::info!(
            "embedding: {} sprites of {} x {} pixels are made {} x {}, so that the page can show them",
            pictures.len(),
            from[0],
            from[1],
            size[0],
            size[1]
        );
    }
    let channels = channels(pictures);
    let stride = columns * size[0] * channels;
    let mut pixels = vec![0; columns * size[1] * stride];
    for (index, picture) in pictures.iter().enumerate() {
        let (row, column) = (index / columns, index % columns);
        for (y, line) in resized(picture, channels, size).chunks(size[0] * channels).enumerate() {
            let at = (row * size[1] + y) * stride + column * size[0] * channels;
            pixels[at..at + line.len()].copy_from_slice(line);
        }
    }
    let (width, height) = ((columns * size[0]) as u32, (columns * size[1]) as u32);
    let sheet = match channels {
        1 => Image::gray(width, height, pixels),
        3 => Image::rgb(width, height, pixels),
        _ => Image::rgba(width, height, pixels),
    }?;
    Ok(SpriteFile { png: sheet.to_png()?, size: size.map(|side| side as u32) })
}

/// The size of a cell where there are so many in a row: that of the pictures, or a smaller one of the same shape, as near
/// as whole pixels allow.
fn cell(from: [usize; 2], columns: usize) -> [usize; 2] {
    let longer = from[0].max(from[1]);
    let to = longer.min(MAX_SIDE / columns);
    from.map(|side| ((side as f64 * to as f64 / longer as f64).round() as usize).max(1))
}

/// Channels that hold what all pictures hold.
fn channels(pictures: &[&Image]) -> usize {
    let any = |of: &[u8]| pictures.iter().any(|picture| of.contains(&picture.channels()));
    match (any(&[2, 4]), any(&[3])) {
        (true, _) => 4,
        (false, true) => 3,
        (false, false) => 1,
    }
}

/// The picture in these channels and of this size, which is not larger than its own: each pixel is the mean over the
/// area that it takes.
fn resized(picture: &Image, channels: usize, [width, height]: [usize; 2]) -> Vec<u8> {
    let (from_width, from_height) = (picture.width() as usize, picture.height() as usize);
    // Of a gray one the first channel is the shade.
    let from: Vec<[u8; 4]> = picture.rgba_pixels().collect();
    if (width, height) == (from_width, from_height) {
        return from.iter().flat_map(|pixel| &pixel[..channels]).copied().collect();
    }
    let (columns, rows) = (spans(from_width, width), spans(from_height, height));
    let mut out = Vec::with_capacity(width * height * channels);
    for row in &rows {
        for column in &columns {
            let mut sum = [0.0; 4];
            for (y, weight_y) in row {
                for (x, weight_x) in column {
                    for (sum, value) in sum.iter_mut().zip(from[y * from_width + x]) {
                        *sum += weight_x * weight_y * f64::from(value);
                    }
                }
            }
            out.extend(sum[..channels].iter().map(|sum| sum.round() as u8));
        }
    }
    out
}

/// For each of `to` pixels which of the `from` pixels it covers, and what part of it each of them makes up.
fn spans(from: usize, to: usize) -> Vec<Vec<(usize, f64)>> {
    let scale = from as f64 / to as f64;
    let span = |index: usize| {
        // In units of 1 / to, everything is whole.
        let (start, end) = (index * from, (index + 1) * from);
        let covered = |at: usize| (end.min((at + 1) * to) - start.max(at * to)) as f64 / to as f64;
        (start / to..end.div_ceil(to)).map(|at| (at, covered(at) / scale)).collect()
    };
    (0..to).map(span).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The mean over the area by whole numbers: each pixel becomes `to` x `to` of them, which a block of `from` x `from`
    /// averages.
    fn twin(picture: &Image, [width, height]: [usize; 2], x: usize, y: usize) -> f64 {
        let (from_width, from_height) = (picture.width() as usize, picture.height() as usize);
        let mut sum = 0;
        for fine_y in y * from_height..(y + 1) * from_height {
            for fine_x in x * from_width..(x + 1) * from_width {
                sum += u32::from(picture.pixels()[fine_y / height * from_width + fine_x / width]);
            }
        }
        f64::from(sum) / (from_width * from_height) as f64
    }

    #[test]
    fn smaller_pictures_are_means_over_areas() {
        let pixels = (0..13 * 7).map(|i| (i * i * 37 % 256) as u8).collect();
        let picture = Image::gray(13, 7, pixels).unwrap();
        for size in [[13, 7], [12, 7], [6, 3], [5, 5], [2, 1], [1, 1]] {
            let small = resized(&picture, 1, size);
            assert_eq!(small.len(), size[0] * size[1]);
            for (index, value) in small.into_iter().enumerate() {
                let exact = twin(&picture, size, index % size[0], index / size[0]);
                assert!((f64::from(value) - exact).abs() < 0.5 + 1e-9, "{size:?} {index}: {value}, {exact}");
            }
        }
    }

    #[test]
    fn channels_are_those_that_all_pictures_need() {
        let gray = Image::gray(1, 1, vec![9]).unwrap();
        let rgb = Image::rgb(1, 1, vec![1, 2, 3]).unwrap();
        let rgba = Image::rgba(1, 1, vec![4, 5, 6, 7]).unwrap();
        let sheet = |pictures: &[&Image]| {
            let sheet = Image::from_png(encode(pictures).unwrap().png).unwrap();
            (sheet.channels(), sheet.pixels().to_vec())
        };
        assert_eq!(sheet(&[&gray]), (1, vec![9]));
        assert_eq!(sheet(&[&gray, &rgb]), (3, vec![9, 9, 9, 1, 2, 3, 0, 0, 0, 0, 0, 0]));
        assert_eq!(sheet(&[&rgba, &gray]).1[..8], [4, 5, 6, 7, 9, 9, 9, 255]);
    }

    #[test]
    fn cells_shrink_to_fit_and_keep_their_shape() {
        assert_eq!(cell([28, 28], 100), [28, 28]);
        assert_eq!(cell([28, 28], 317), [25, 25], "100,000 pictures");
        assert_eq!(cell([8192, 10], 1), [8192, 10]);
        assert_eq!(cell([9000, 3000], 2), [4096, 1365]);
        assert_eq!(cell([1, 20_000], 2), [1, 4096]);
        for columns in [1, 2, 3, 90, 317, 8192] {
            let [width, height] = cell([640, 480], columns);
            assert!(width >= 1 && height >= 1 && columns * width.max(height) <= MAX_SIDE);
        }
    }
}
