//! The writer of the crate `tensorboard-rs` as a sink, for programs that have one already.

use tensorboard_rs::summary_writer::SummaryWriter as Peer;

use super::{Entry, SummarySink};
use crate::{
    error::{Error, Result},
    summary::{Bucket, Image, Step, Value},
};

/// It can express scalars, histograms and single pictures. What it cannot is an error that names the tag, and nothing is
/// written: every other kind of value, several pictures of one step, negative steps, and wall times (it takes its own).
/// Display names and descriptions are left out, and pictures that can be seen through are put on white. A sub-run
/// becomes the first part of the tag, because it has none. It panics by itself where it cannot write.
///
/// The crate brings protobuf 2, which has a published advisory (RUSTSEC-2024-0437: deep recursion while decoding; nothing
/// is decoded here). That is why it is no default feature.
impl SummarySink for Peer {
    fn write(&mut self, entry: Entry) -> Result<()> {
        let tag = match entry.run.as_str() {
            "" => entry.tag.to_string(),
            run => format!("{run}/{}", entry.tag),
        };
        let cannot = |what: &str| {
            let why =
                format!("the writer of the crate `tensorboard-rs` cannot take {what}; use `SummaryWriter`");
            Error::invalid(format!("tag `{tag}`"), why)
        };
        if entry.wall_time.is_some() {
            return Err(cannot("a wall time"));
        }
        let step = step_of(entry.step).ok_or_else(|| cannot("a negative step"))?;
        match &entry.summary.value {
            Value::Scalar(value) => self.add_scalar(&tag, *value as f32, step),
            Value::Histogram(buckets) => add_histogram(self, &tag, buckets, step),
            Value::Images(images) => match &images[..] {
                [image] => add_image(self, &tag, image, step),
                _ => return Err(cannot("several pictures of one step")),
            },
            _ => return Err(cannot(&format!("{} values", entry.summary.kind()))),
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        Peer::flush(self);
        Ok(())
    }
}

fn step_of(step: Step) -> Option<usize> {
    usize::try_from(step.get()).ok()
}

/// In the legacy form of histograms: right edges and counts, the first bucket beginning at the minimum. Its sums, which
/// TensorBoard does not show, are those of the buckets' middles.
fn add_histogram(peer: &mut Peer, tag: &str, buckets: &[Bucket], step: usize) {
    let (limits, counts) = legacy_buckets(buckets);
    let min = buckets.first().map_or(0.0, |bucket| bucket.left);
    let max = buckets.last().map_or(0.0, |bucket| bucket.right);
    let sum_of = |power: i32| {
        let middle = |bucket: &Bucket| bucket.left / 2.0 + bucket.right / 2.0;
        buckets.iter().map(|bucket| bucket.count as f64 * middle(bucket).powi(power)).sum()
    };
    peer.add_histogram_raw(tag, min, max, sum_of(0), sum_of(1), sum_of(2), &limits, &counts, step);
}

/// A gap between two buckets becomes an empty one.
fn legacy_buckets(buckets: &[Bucket]) -> (Vec<f64>, Vec<f64>) {
    let (mut limits, mut counts) = (Vec::new(), Vec::new());
    for bucket in buckets {
        if limits.last().is_some_and(|last| *last < bucket.left) {
            limits.push(bucket.left);
            counts.push(0.0);
        }
        limits.push(bucket.right);
        counts.push(bucket.count as f64);
    }
    (limits, counts)
}

/// It takes RGB only, its `dim` is channels, width, height.
fn add_image(peer: &mut Peer, tag: &str, image: &Image, step: usize) {
    let rgb: Vec<u8> = image.opaque_pixels().flatten().collect();
    peer.add_image(tag, &rgb, &[3, image.width() as usize, image.height() as usize], step);
}
