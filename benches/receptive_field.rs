//! Microseconds to solve the receptive fields of all layers of a network, beside what it takes to resolve its graph,
//! and beside the plain way: the set of rows that unit 0 of the last map sees, carried from layer to layer.
//!
//! `cargo bench --bench receptive_field --no-default-features`

use std::{
    collections::{BTreeSet, HashMap},
    hint::black_box,
    time::Instant,
};

use convscope::arch::{Layer, Padding, ReceptiveFields, ResolvedModel, Source, zoo};

/// The rows that a unit of a layer sees, tap by tap; what was found once is kept.
fn seen(
    model: &ResolvedModel,
    source: Source,
    unit: i64,
    known: &mut HashMap<(usize, i64), BTreeSet<i64>>,
) -> BTreeSet<i64> {
    let Source::Layer(place) = source else { return BTreeSet::from([unit]) };
    if let Some(rows) = known.get(&(place, unit)) {
        return rows.clone();
    }
    let layer = &model.layers[place];
    let units: Vec<i64> = match (layer.window, layer.layer) {
        (Some(window), _) => {
            let tap = |tap: i64| unit * window.stride.h - window.padding.top + tap * window.dilation.h;
            (0..window.kernel.h).map(tap).collect()
        }
        (_, Layer::ZeroPad2d(pad)) => match pad.padding {
            Padding::Fixed(sides) => vec![unit - sides.top],
            Padding::Same => vec![unit],
        },
        _ => vec![unit],
    };
    let mut rows = BTreeSet::new();
    for &input in &layer.inputs {
        for &unit in &units {
            rows.extend(seen(model, input, unit, known));
        }
    }
    known.insert((place, unit), rows.clone());
    rows
}

/// Microseconds: the fastest of several rounds, which other work of the computer disturbs least.
fn fastest<T>(mut work: impl FnMut() -> T) -> f64 {
    let round = |_| {
        let start = Instant::now();
        black_box(work());
        start.elapsed().as_secs_f64()
    };
    (0..500).map(round).fold(f64::INFINITY, f64::min) * 1e6
}

fn main() -> convscope::Result<()> {
    if std::env::args().any(|argument| argument == "--test") {
        return Ok(()); // `cargo test --benches` has nothing to measure
    }
    println!(
        "{:<14}{:>8}{:>10}{:>10}{:>16}{:>18}",
        "µs", "layers", "fields", "resolve", "fields/resolve", "one unit, plainly"
    );
    for name in ["vgg16", "resnet18", "resnet152", "inception_v3", "densenet121"] {
        let spec = zoo::model(name, None, None)?;
        let model = spec.resolve()?;
        let fields = ReceptiveFields::of(&model)?;
        let last = model.layers.iter().rposition(|layer| layer.window.is_some()).unwrap_or_default();
        let start = Instant::now();
        let rows = seen(&model, Source::Layer(last), 0, &mut HashMap::new());
        let plain = start.elapsed().as_secs_f64() * 1e6;
        let size = fields.get(&model.layers[last].name).map(|field| field.rows.size);
        assert_eq!(size, Some(rows.len() as i64), "both ways find the same");
        let solve = fastest(|| ReceptiveFields::of(black_box(&model)));
        let resolve = fastest(|| black_box(&spec).resolve());
        println!(
            "{name:<14}{:>8}{solve:>10.1}{resolve:>10.1}{:>16.2}{plain:>18.0}",
            model.layers.len(),
            solve / resolve
        );
    }
    Ok(())
}
