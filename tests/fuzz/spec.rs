//! Models as TOML.

use convscope::arch::{AdviceOptions, ModelSpec, Source};

use super::within;

/// How many bytes of memory a byte of text may take: the parser takes up to 140 for long texts, 420 for short ones.
const GROWTH: usize = 600;
/// What a text of a few bytes may take.
const LEAST: usize = 256 << 10;

/// - A text is refused with a message, or is a model that holds together.
/// - The model as text is the same model.
/// - Its graphs, advice and summary can be made.
/// - The memory taken is in proportion to the text, whatever sizes the model states.
pub fn spec(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let read = within(text.len() * GROWTH + LEAST, || ModelSpec::from_toml(&text));
    match read {
        Err(error) => {
            let message = error.to_string();
            assert!(!message.is_empty());
            assert!(message.len() <= 2 * text.len() + 1024, "a message of {} bytes", message.len());
        }
        Ok(spec) => {
            holds_together(&spec);
            can_be_described(&spec);
            assert_eq!(ModelSpec::from_toml(&spec.to_toml()).as_ref().ok(), Some(&spec), "as text");
        }
    }
}

/// Every sound model has its graphs and advice, and a summary unless its numbers are beyond counting.
fn can_be_described(spec: &ModelSpec) {
    assert_eq!(spec.graph().unwrap().nodes().len(), spec.layers.len() + 1);
    assert_eq!(spec.conceptual_graph().unwrap().layers().len(), spec.layers.len() + 1);
    assert!(!spec.advice(&AdviceOptions::default()).unwrap().is_empty());
    match spec.summary() {
        Ok(summary) => {
            let json: serde_json::Value = serde_json::from_str(&summary.to_json()).unwrap();
            assert_eq!(json["layers"].as_array().map(Vec::len), Some(spec.layers.len()));
            assert_eq!(summary.to_csv().lines().count(), spec.layers.len() + 1);
            assert_eq!(summary.to_table().to_text().lines().count(), spec.layers.len() + 2);
        }
        Err(error) => assert!(error.to_string().contains("than can be counted"), "{error}"),
    }
}

fn holds_together(spec: &ModelSpec) {
    let model = spec.resolve().unwrap();
    assert_eq!(model.layers.len(), spec.layers.len());
    for (index, layer) in model.layers.iter().enumerate() {
        assert_eq!(layer.inputs.len(), layer.input_shapes.len());
        for (source, shape) in layer.inputs.iter().zip(&layer.input_shapes) {
            let made = match *source {
                Source::Image => model.image,
                Source::Layer(above) => {
                    assert!(above < index);
                    model.layers[above].output_shape
                }
            };
            assert_eq!(made, *shape);
        }
        assert!(layer.output_shape.dims().iter().all(|&dim| dim > 0), "{:?}", layer.output_shape);
        assert!(layer.params.iter().all(|param| param.dims.iter().all(|&dim| dim > 0)));
        assert!(layer.param_count() >= 0);
    }
    let counts = spec.param_counts().unwrap();
    assert_eq!(counts.iter().map(|(_, count)| count).sum::<i64>(), spec.param_count().unwrap());
    assert_eq!(spec.output_shapes().unwrap().len(), spec.layers.len());
}
