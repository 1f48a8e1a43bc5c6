//! Curves as a Parquet file.

use std::{fs, mem, path::Path, sync::Arc};

use anyhow::{Context as _, ensure};
use convscope::logdir::{Run, TagInfo};
use parquet::{
    data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int64Type},
    errors::ParquetError,
    file::{properties::WriterProperties, writer::SerializedFileWriter},
    schema::parser::parse_message_type,
};

use super::{super::interrupt, sink::create_new};

/// Rows that are written together, so that a table of any length takes some ten megabytes.
const ROWS: usize = 1 << 18;

const SCHEMA: &str = "message scalars {
    REQUIRED BYTE_ARRAY run (STRING);
    REQUIRED BYTE_ARRAY tag (STRING);
    REQUIRED INT64 step;
    REQUIRED DOUBLE wall_time;
    REQUIRED DOUBLE value;
}";

/// Writes a new file; it is removed if that fails.
pub fn write<'a>(path: &Path, curves: impl Iterator<Item = (&'a Run, &'a TagInfo)>) -> anyhow::Result<()> {
    ensure!(path != Path::new("-"), "a Parquet file cannot go to the standard output: give --output");
    let file = create_new(path)?;
    let written = write_to(file, curves);
    if written.is_err() {
        fs::remove_file(path).ok();
    }
    written.with_context(|| format!("cannot write {}", path.display()))
}

fn write_to<'a>(file: fs::File, curves: impl Iterator<Item = (&'a Run, &'a TagInfo)>) -> anyhow::Result<()> {
    let schema = Arc::new(parse_message_type(SCHEMA)?);
    let mut writer = SerializedFileWriter::new(file, schema, Arc::new(WriterProperties::default()))?;
    let mut rows = Rows::default();
    for (run, tag) in curves {
        interrupt::check()?;
        let (name, tag_name) = (ByteArray::from(run.name()), ByteArray::from(tag.tag.as_str()));
        for point in run.scalars(&tag.tag)? {
            rows.runs.push(name.clone());
            rows.tags.push(tag_name.clone());
            rows.steps.push(point.step.get());
            rows.wall_times.push(point.wall_time.secs());
            rows.values.push(point.value);
            if rows.values.len() == ROWS {
                mem::take(&mut rows).write(&mut writer)?;
            }
        }
    }
    rows.write(&mut writer)?;
    writer.close()?;
    Ok(())
}

/// Columns of rows that are not written yet.
#[derive(Default)]
struct Rows {
    runs: Vec<ByteArray>,
    tags: Vec<ByteArray>,
    steps: Vec<i64>,
    wall_times: Vec<f64>,
    values: Vec<f64>,
}

impl Rows {
    fn write(self, writer: &mut SerializedFileWriter<fs::File>) -> Result<(), ParquetError> {
        if self.values.is_empty() {
            return Ok(());
        }
        let mut group = writer.next_row_group()?;
        column::<ByteArrayType>(&mut group, &self.runs)?;
        column::<ByteArrayType>(&mut group, &self.tags)?;
        column::<Int64Type>(&mut group, &self.steps)?;
        column::<DoubleType>(&mut group, &self.wall_times)?;
        column::<DoubleType>(&mut group, &self.values)?;
        group.close()?;
        Ok(())
    }
}

fn column<T: DataType>(
    group: &mut parquet::file::writer::SerializedRowGroupWriter<'_, fs::File>,
    values: &[T::T],
) -> Result<(), ParquetError> {
    if let Some(mut column) = group.next_column()? {
        column.typed::<T>().write_batch(values, None, None)?;
        column.close()?;
    }
    Ok(())
}
