//! How large an event may be.

use super::Sample;
use crate::{
    error::{Error, Result},
    proto::DataClass,
};

/// Bounds on the length of an event, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct EventSize {
    /// Longer ones are refused.
    pub most: usize,
    /// Of longer ones it is said that they will be trouble.
    pub large: usize,
}

impl Default for EventSize {
    /// Protocol buffers are read up to 2 GiB - 1, by whatever program. TensorBoard's data server sends all tensors of a
    /// time series in one message of 256 MiB at most.
    fn default() -> EventSize {
        EventSize { most: i32::MAX as usize, large: 256 << 20 }
    }
}

impl EventSize {
    /// Refuses an event of so many bytes that nobody could read it, and warns of one that TensorBoard cannot show.
    pub(super) fn check(self, sample: &Sample, bytes: usize) -> Result<()> {
        let (tag, step) = (&sample.tag, sample.step);
        if bytes > self.most {
            let why = format!(
                "it takes {bytes} bytes, and no program reads events of more than {}. Write less of it, or in parts \
                 under several tags",
                self.most
            );
            return Err(Error::invalid(format!("tag `{tag}` at step {step}"), why));
        }
        if bytes > self.large && sample.summary.metadata().data_class() == DataClass::Tensor {
            tracing::warn!(
                "tag `{tag}` at step {step} takes {bytes} bytes; TensorBoard's data server sends at most {} at a time \
                 and shows nothing of the tag. Write less of it",
                self.large
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::{EventFileOptions, EventFileReader, EventFileWriter, RealDisk},
        proto::event::What,
        summary::{Graph, GraphNode, Step, Summary, Tag, WallTime},
    };

    #[test]
    fn what_nobody_could_read_is_not_written() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = EventFileWriter::create(dir.path(), &EventFileOptions::default()).unwrap();
        file.size = EventSize { most: 300, large: 200 };
        let sample = |tag: &str, step: i64, summary: Summary| Sample {
            tag: Tag::new(tag).unwrap(),
            step: Step::new(step),
            wall_time: WallTime::new(1e9).unwrap(),
            summary,
        };
        let text = |length: usize| Summary::text("x".repeat(length)).with_display_name("Note");
        let graph = Graph::new(vec![GraphNode::new("n".repeat(400), "Op")]).unwrap();
        let samples = [
            sample("note", 1, text(400)),
            sample("note", 2, text(150)),
            sample("graph", 3, Summary::graph(&graph)),
            sample("loss", 4, Summary::scalar(0.5)),
            sample("note", 5, text(301)),
        ];
        let appended = file.append_some(&RealDisk, &samples);
        assert_eq!(appended.done, 5);
        assert!(appended.failure.is_none());
        let errors: Vec<String> = appended.unencodable.iter().map(Error::to_string).collect();
        assert_eq!(errors.len(), 3, "{errors:?}");
        for (error, begin) in
            errors.iter().zip(["tag `note` at step 1", "tag `graph` at step 3", "tag `note` at step 5"])
        {
            assert!(error.starts_with(begin) && error.contains("more than 300."), "{error}");
        }
        let values: Vec<_> = EventFileReader::open(file.path())
            .unwrap()
            .map(Result::unwrap)
            .filter_map(|event| match event.what {
                Some(What::Summary(mut summary)) => {
                    Some((event.step, summary.value.remove(0).metadata.is_some()))
                }
                Some(What::GraphDef(_)) => panic!("the graph is there"),
                _ => None,
            })
            .collect();
        assert_eq!(values, [(2, true), (4, true)], "the first that is written brings the metadata");
    }

    #[test]
    fn the_longest_is_what_can_be_read() {
        let sample = Sample {
            tag: Tag::new("a").unwrap(),
            step: Step::new(1),
            wall_time: WallTime::new(1e9).unwrap(),
            summary: Summary::scalar(0.5),
        };
        let size = EventSize::default();
        assert!(size.check(&sample, (1 << 31) - 1).is_ok());
        let error = size.check(&sample, 1 << 31).unwrap_err().to_string();
        assert!(error.contains("2147483648 bytes") && error.contains("2147483647"), "{error}");
    }
}
