//! Heat maps and the dashboard of the layers: each cell against its value, and what cannot be drawn.

#![allow(clippy::unwrap_used)] // in helpers of tests

use convscope::{
    Image, Step,
    render::{
        Caption, Dashboard, DashboardColumn, DashboardRow, Flag, FlagColor, HeatMap, LayerScale,
        MOST_COLUMNS, dashboard, heat_map,
    },
};

const LOG: LayerScale = LayerScale::Log { floor: 1e-8, top: 1.0 };
const SHARE: LayerScale = LayerScale::Linear { low: 0.0, high: 1.0 };
const FLOOR: [u8; 3] = [0; 3];
const UNMEASURED: [u8; 3] = [214; 3];
const NON_FINITE: [u8; 3] = [255, 0, 255];
const BAR: [u8; 3] = [168, 201, 232];
const EMPTY: [u8; 3] = [236, 238, 240];
/// The line above the steps.
const FAINT: [u8; 3] = [95, 99, 104];

fn caption(step: i64) -> Caption<'static> {
    Caption { layer: "gradient RMS", step: Step::new(step), epoch: None }
}

fn viridis(unit: f64) -> [u8; 3] {
    colorous::VIRIDIS.eval_continuous(unit).as_array()
}

fn steps(count: usize) -> Vec<Step> {
    (1..=count).map(|n| Step::new(10 * n as i64)).collect()
}

fn pixel(image: &Image, x: usize, y: usize) -> [u8; 3] {
    let at = 3 * (y * image.width() as usize + x);
    image.pixels()[at..at + 3].try_into().unwrap()
}

/// Where the cells lie: columns of pixels from..to, and the row below the last one. The longest line of the axis' colour
/// is below the cells.
fn cells(image: &Image) -> (usize, usize, usize) {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let line = |y: usize| {
        let from = (0..width).find(|&x| pixel(image, x, y) == FAINT)?;
        let length = (from..width).take_while(|&x| pixel(image, x, y) == FAINT).count();
        Some((length, from, from + length, y))
    };
    let (_, from, to, foot) = (0..height).filter_map(line).max().unwrap();
    (from, to, foot)
}

/// The colour in the middle of each cell, row by row, of a map with so many rows and columns, each row so high.
fn colors(image: &Image, rows: usize, columns: usize, height: usize) -> Vec<Vec<[u8; 3]>> {
    let (from, to, foot) = cells(image);
    let x = |column: usize| from + (2 * column + 1) * (to - from) / (2 * columns);
    let y = |row: usize| foot - (rows - row) * height + height / 2;
    (0..rows).map(|row| (0..columns).map(|column| pixel(image, x(column), y(row))).collect()).collect()
}

fn draw(layers: &[&str], steps: &[Step], values: &[f64], scale: LayerScale) -> Image {
    let map = HeatMap { quantity: "gradient RMS", layers, steps, values, scale };
    heat_map(&map, "of each layer", &caption(steps.last().unwrap().get())).unwrap()
}

#[test]
fn every_cell_has_the_colour_of_its_value() {
    let values = [[1e-8, 2e-9, 0.0, f64::NAN], [1e-7, 1e-4, 0.01, f64::INFINITY], [0.5, 1.0, 40.0, 1e-6]];
    let image = draw(&["conv1", "conv2", "fc"], &steps(4), &values.concat(), LOG);
    let unit = |value: f64| viridis((value.log10() + 8.0) / 8.0);
    assert_eq!(
        colors(&image, 3, 4, 26),
        [
            [FLOOR, FLOOR, FLOOR, UNMEASURED],
            [viridis(0.125), viridis(0.5), viridis(0.75), NON_FINITE],
            [unit(0.5), viridis(1.0), viridis(1.0), viridis(0.25)],
        ]
    );
    let shares = draw(&["relu"], &steps(3), &[0.0, 0.25, 1.0], SHARE);
    assert_eq!(colors(&shares, 1, 3, 26), [[viridis(0.0), viridis(0.25), viridis(1.0)]]);
}

#[test]
fn the_whole_history_is_in_one_picture() {
    // 1000 measurements, 12 to a column; one of them is not finite, the last column has 4.
    let mut values: Vec<f64> = (0..1000).map(|n| f64::from(n) / 1000.0).collect();
    values[500] = f64::INFINITY;
    values[24..36].fill(f64::NAN);
    values[1] = f64::NAN;
    let image = draw(&["conv"], &steps(1000), &values, SHARE);
    let merged = 1000usize.div_ceil(MOST_COLUMNS);
    let expected: Vec<[u8; 3]> = values
        .chunks(merged)
        .map(|chunk| {
            let (mut sum, mut count) = (0.0, 0.0);
            for value in chunk.iter().filter(|value| !value.is_nan()) {
                (sum, count) = (sum + value, count + 1.0);
            }
            match () {
                () if count == 0.0 => UNMEASURED,
                () if sum == f64::INFINITY => NON_FINITE,
                () => viridis(sum / count),
            }
        })
        .collect();
    assert_eq!(expected.len(), 84);
    assert_eq!((expected[2], expected[41]), (UNMEASURED, NON_FINITE));
    assert_eq!(colors(&image, 1, 84, 26), [expected]);
}

#[test]
fn of_very_many_layers_the_first_and_the_last_are_among_those_shown() {
    let names: Vec<String> = (0..300).map(|n| format!("stage{n}.conv")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut values = vec![0.5; 300];
    (values[0], values[299]) = (0.0, 1.0);
    let image = draw(&names, &steps(1), &values, SHARE);
    assert!(image.height() <= 1600, "{}", image.height());
    let colors = colors(&image, 84, 1, 15);
    assert_eq!((colors[0][0], colors[1][0], colors[83][0]), (viridis(0.0), viridis(0.5), viridis(1.0)));
}

#[test]
fn maps_that_cannot_be_drawn_say_why() {
    let two = steps(2);
    type Case<'a> = (&'a [&'a str], &'a [Step], &'a [f64], LayerScale, &'a str);
    let cases: [Case<'_>; 7] = [
        (&[], &two, &[], LOG, "0 layers and 2 steps"),
        (&["a"], &[], &[], LOG, "1 layers and 0 steps"),
        (&["a"], &two, &[1.0], LOG, "1 values found for 1 layers and 2 steps"),
        (&["a"], &[two[1], two[0]], &[1.0, 1.0], LOG, "do not rise"),
        (&["a"], &two, &[1.0, 1.0], LayerScale::Log { floor: 0.0, top: 1.0 }, "above 0"),
        (&["a"], &two, &[1.0, 1.0], LayerScale::Linear { low: 1.0, high: 1.0 }, "the first below the second"),
        (&["a"], &two, &[1.0, 1.0], LayerScale::Linear { low: f64::NAN, high: 1.0 }, "finite"),
    ];
    for (layers, steps, values, scale, expected) in cases {
        let map = HeatMap { quantity: "update ratio", layers, steps, values, scale };
        let error = heat_map(&map, "", &caption(0)).unwrap_err().to_string();
        assert!(error.starts_with("heat map of update ratio: ") && error.contains(expected), "{error}");
    }
}

fn board<'a>(rows: Vec<DashboardRow<'a>>) -> Dashboard<'a> {
    let column = |title, scale| DashboardColumn { title, meaning: "what was measured", scale };
    Dashboard { columns: vec![column("gradient RMS", LOG), column("dead units", SHARE)], rows }
}

fn row<'a>(layer: &'a str, values: [f64; 2]) -> DashboardRow<'a> {
    DashboardRow { layer, values: values.to_vec(), flags: Vec::new() }
}

fn draw_board(rows: Vec<DashboardRow<'_>>) -> Image {
    let caption = Caption { layer: "layers", step: Step::new(94), epoch: Some(1) };
    dashboard(&board(rows), &caption).unwrap()
}

/// Stretches of the colours of cells in a line of pixels: colour and length.
fn stretches(image: &Image, y: usize) -> Vec<([u8; 3], usize)> {
    let mut found: Vec<([u8; 3], usize)> = Vec::new();
    let mut last = None;
    for x in 0..image.width() as usize {
        let color = pixel(image, x, y);
        match found.last_mut() {
            Some((previous, length)) if last == Some(color) && *previous == color => *length += 1,
            _ if [BAR, EMPTY, FLOOR, NON_FINITE].contains(&color) => found.push((color, 1)),
            _ => {}
        }
        last = Some(color);
    }
    found
}

#[test]
fn bars_are_as_long_as_their_numbers() {
    let rows = [[1e-4, 0.25], [1e-9, f64::NAN], [f64::INFINITY, 1.0]];
    let image = draw_board(rows.map(|values| row("conv", values)).to_vec());
    // The first line of pixels of each row's cells, above the letters.
    let lines: Vec<usize> = (0..image.height() as usize)
        .filter(|&y| stretches(&image, y).iter().any(|(_, length)| *length > 15))
        .collect();
    let first: Vec<usize> = lines.iter().copied().filter(|y| !lines.contains(&(y - 1))).collect();
    let seen: Vec<Vec<([u8; 3], usize)>> = first[..3].iter().map(|&y| stretches(&image, y)).collect();
    assert_eq!(
        seen,
        [
            vec![(BAR, 38), (EMPTY, 38), (BAR, 19), (EMPTY, 57)],
            vec![(FLOOR, 76), (EMPTY, 76)],
            vec![(NON_FINITE, 76), (BAR, 76)],
        ]
    );
}

#[test]
fn layers_with_findings_are_shown_first_and_the_picture_stays_small() {
    let names: Vec<String> = (0..400).map(|n| format!("layer{n}")).collect();
    let critical = [200, 30, 45];
    let mut rows: Vec<DashboardRow<'_>> = names.iter().map(|name| row(name, [0.1, 0.5])).collect();
    let plain = draw_board(rows.clone());
    for n in [7, 201, 398] {
        rows[n].flags = vec![Flag { rule: "dead_relu", color: FlagColor::Critical }];
    }
    let flagged = draw_board(rows);
    let count = |image: &Image| image.pixels().as_chunks().0.iter().filter(|p| **p == critical).count();
    assert_eq!(count(&plain), 0);
    // Three rows and the key, each with the same letter on the same ground.
    assert!(count(&flagged) > 4 * 150 && count(&flagged) % 4 == 0, "{}", count(&flagged));
    for image in [plain, flagged] {
        let (width, height) = (image.width(), image.height());
        assert!((400..=900).contains(&width) && (1400..=1600).contains(&height), "{width} x {height}");
    }
    let six = "a_rule_with_a_name_that_is_longer_than_all_of_ours";
    let many = (0..400).map(|n| DashboardRow {
        flags: ["a", "b", "c", "d", "e", "f", "g", "h", "i", six]
            .map(|rule| Flag { rule, color: FlagColor::Info })
            .to_vec(),
        ..row(&names[n], [0.1, 0.5])
    });
    let image = draw_board(many.collect());
    assert!(image.width() <= 900 && image.height() <= 1600, "{} x {}", image.width(), image.height());
}

#[test]
fn dashboards_that_cannot_be_drawn_say_why() {
    let caption = caption(1);
    let short = DashboardRow { layer: "conv", values: vec![1.0], flags: Vec::new() };
    let cases =
        [(Vec::new(), "0 layers and 2 columns"), (vec![short], "layer `conv`: 1 values found for 2 columns")];
    for (rows, expected) in cases {
        let error = dashboard(&board(rows), &caption).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
