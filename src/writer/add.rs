//! One method per kind of value.

use super::{elements::Element, summary_writer::SummaryWriter};
use crate::{
    error::Result,
    summary::{Bucket, Histogram, Image, Step, Summary},
};

impl SummaryWriter {
    /// Adds a number. NaN and infinities are shown as marks.
    ///
    /// # Errors
    /// As [`add`](SummaryWriter::add).
    pub fn add_scalar(&self, tag: &str, value: f64, step: impl Into<Step>) -> Result<()> {
        self.add(tag, Summary::scalar(value), step)
    }

    /// Adds the distribution of numbers, counted in the calling thread.
    ///
    /// # Errors
    /// As [`add`](SummaryWriter::add).
    pub fn add_histogram<T: Element>(&self, tag: &str, values: &[T], step: impl Into<Step>) -> Result<()> {
        self.add_histogram_data(tag, &T::histogram(values), step)
    }

    /// Adds a distribution that was counted before.
    ///
    /// # Errors
    /// As [`add`](SummaryWriter::add).
    pub fn add_histogram_data(&self, tag: &str, histogram: &Histogram, step: impl Into<Step>) -> Result<()> {
        self.add(tag, Summary::histogram(histogram), step)
    }

    /// Adds a distribution that was counted elsewhere, in buckets of any width.
    ///
    /// # Errors
    /// Buckets that are not finite, sorted and without overlap, and as [`add`](SummaryWriter::add).
    pub fn add_histogram_raw(&self, tag: &str, buckets: &[Bucket], step: impl Into<Step>) -> Result<()> {
        self.add(tag, Summary::histogram_raw(buckets.to_vec())?, step)
    }

    /// Adds a picture. It is compressed in the background.
    ///
    /// # Errors
    /// As [`add`](SummaryWriter::add).
    pub fn add_image(&self, tag: &str, image: Image, step: impl Into<Step>) -> Result<()> {
        self.add(tag, Summary::image(image), step)
    }

    /// Adds several pictures of one step, shown side by side with one slider.
    ///
    /// # Errors
    /// No picture at all, and as [`add`](SummaryWriter::add).
    pub fn add_images(&self, tag: &str, images: Vec<Image>, step: impl Into<Step>) -> Result<()> {
        self.add(tag, Summary::images(images)?, step)
    }

    /// Adds Markdown.
    ///
    /// # Errors
    /// As [`add`](SummaryWriter::add).
    pub fn add_text(&self, tag: &str, markdown: &str, step: impl Into<Step>) -> Result<()> {
        self.add(tag, Summary::text(markdown), step)
    }
}
