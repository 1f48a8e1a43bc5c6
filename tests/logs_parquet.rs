//! `convscope logs export scalars --format parquet`, read back.
#![cfg(feature = "parquet")]
#![allow(clippy::unwrap_used)]

use std::{fs::File, process::Command};

use convscope::SummaryWriter;
use parquet::{
    file::reader::{FileReader as _, SerializedFileReader},
    record::RowAccessor as _,
};

#[test]
fn rows_are_those_of_the_runs() {
    let folder = tempfile::tempdir().unwrap();
    let writer = SummaryWriter::open(folder.path().join("logs/run")).unwrap();
    for step in 0..3 {
        writer.add_scalar("loss", 1.0 / (step + 1) as f64, step).unwrap();
    }
    writer.add_scalar("accuracy", f64::NAN, 2).unwrap();
    writer.close().unwrap();
    let output = folder.path().join("scalars.parquet");
    let export = |output: &std::ffi::OsStr| {
        let args = ["logs", "export", "scalars", "logs", "--format", "parquet", "--output"];
        let mut command = Command::new(env!("CARGO_BIN_EXE_convscope"));
        command.current_dir(folder.path()).args(args).arg(output).output().unwrap()
    };
    assert!(export(output.as_os_str()).status.success());

    let reader = SerializedFileReader::new(File::open(&output).unwrap()).unwrap();
    let rows: Vec<_> = reader.get_row_iter(None).unwrap().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 4);
    assert!(rows[0].get_double(4).unwrap().is_nan());
    assert_eq!(
        (rows[3].get_string(0).unwrap().as_str(), rows[3].get_string(1).unwrap().as_str()),
        ("run", "loss")
    );
    assert_eq!((rows[3].get_long(2).unwrap(), rows[3].get_double(4).unwrap()), (2, f64::from(1.0f32 / 3.0)));
    assert!(rows[3].get_double(3).unwrap() > 1.5e9);

    let refused = export("-".as_ref());
    assert_eq!(refused.status.code(), Some(1));
    assert!(!folder.path().join("-").exists());
}
