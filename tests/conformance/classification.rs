//! A training with a report of the classifier.

use convscope::{Metrics, Session, SummaryWriter, diagnostics::ClassificationReport};
use tch::{Device, Kind, Tensor, nn};

use crate::{
    own_reader,
    series::{LOADERS, Value, assert_same, load},
};

const CLASSES: [&str; 4] = ["T-shirt/top", "Ankle boot", "größer", "never"];

/// Two passes over 60 samples of which some are answered wrongly.
fn train(run: &std::path::Path) {
    let store = nn::VarStore::new(Device::Cpu);
    let writer = SummaryWriter::open(run).unwrap();
    let report = ClassificationReport::new(CLASSES).thresholds(11);
    let mut session = Session::new(&store, report, writer.clone());
    for step in 1..=2 {
        assert!(session.begin_step().unwrap().end(&Tensor::from(1.0)).unwrap().is_continue());
        let labels: Vec<i64> = (0..60).map(|i| i % 3).collect();
        let logit = |i: i64| ((i * 7919 + step * 31) % 101) as f32 / 25.0;
        let noise: Vec<f32> = (0..240).map(logit).collect();
        let labels = Tensor::from_slice(&labels);
        let logits =
            labels.one_hot(4).to_kind(Kind::Float) * 2.5 + Tensor::from_slice(&noise).reshape([60, 4]);
        let images = Tensor::arange(60 * 64, (Kind::Float, Device::Cpu)).reshape([60, 1, 8, 8]);
        assert!(session.validation_batch(&images, &labels, &logits).unwrap().is_continue());
        assert!(session.end_validation(&Metrics::default()).unwrap().is_continue());
        assert!(session.end_epoch().unwrap().is_continue());
    }
    session.finish().unwrap();
    writer.close().unwrap();
}

#[test]
fn a_classification_report_is_read_as_we_read_it() {
    let logdir = tempfile::tempdir().unwrap();
    train(&logdir.path().join("classifier"));
    let ours = own_reader::read(logdir.path());
    let series = |tag: &str| {
        let key = ("classifier/validation".to_owned(), tag.to_owned());
        ours.get(&key).unwrap_or_else(|| panic!("no {tag}: {:?}", ours.keys()))
    };
    for class in CLASSES {
        let curve = series(&format!("pr/{class}"));
        assert_eq!((curve.plugin.as_str(), curve.points.len()), ("pr_curves", 2));
        let Value::Tensor(tensor) = &curve.points[1].value else { panic!("{:?}", curve.points[1]) };
        assert_eq!(tensor.shape, [6, 11]);
        let points = series(&format!("f1/{class}")).points.len();
        assert_eq!(points, 2, "{class}");
    }
    for picture in ["confusion/counts", "confusion/normalized", "mistakes", "calibration"] {
        let series = series(picture);
        assert_eq!((series.plugin.as_str(), series.points.len()), ("images", 2), "{picture}");
    }
    for table in ["confusion", "classes"] {
        assert!(matches!(&series(table).points[0].value, Value::Text(text) if text.contains("| größer |")));
    }
    for loader in LOADERS {
        assert_same(loader, &load(loader, logdir.path()), &ours);
    }
}
