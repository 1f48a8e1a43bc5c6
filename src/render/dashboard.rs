//! All numbers of the layers at one moment.

use super::{
    canvas::{Canvas, Rect, Rgb},
    caption::Caption,
    colormap::{NON_FINITE, contrast},
    layer_scale::{FLOOR, LayerScale},
    page::{FAINT, INK, MARGIN, Page},
    spread::spread,
    text::{self, Font},
};
use crate::{
    error::{Error, Result},
    summary::Image,
};

/// No picture is higher.
const HIGHEST: usize = 1600;
/// Columns that fit beside the names.
const MOST_COLUMNS: usize = 6;
/// Rules that the key lists.
const MOST_RULES: usize = 8;
/// Readable where a card shows the picture at two thirds of its size.
const FONT: Font = Font::Medium;
/// Longer names lose their middle.
const NAME: usize = 16;
/// A number, and some room beside it.
const CELL: usize = 80;
/// Flags that stand beside a row; of more, a plus.
const FLAGS: usize = 3;
const FLAG: usize = 16;
const ROW: usize = 22;
/// Two lines of titles.
const HEAD: usize = 40;
/// Behind the part of a cell that a number fills.
const BAR: Rgb = [168, 201, 232];
const EMPTY: Rgb = [236, 238, 240];

/// Numbers of the layers at one moment: a row for each layer, in the order of depth.
#[derive(Debug, Clone, PartialEq)]
pub struct Dashboard<'a> {
    /// What the numbers are, from left to right: six at most.
    pub columns: Vec<DashboardColumn<'a>>,
    /// The layers, the first of the forward pass on top.
    pub rows: Vec<DashboardRow<'a>>,
}

/// What one number of each layer is.
#[derive(Debug, Clone, PartialEq)]
pub struct DashboardColumn<'a> {
    /// Two short words, one above the other: `gradient RMS`. Eight characters of each are seen.
    pub title: &'a str,
    /// One line for the key: what was measured.
    pub meaning: &'a str,
    /// From a number to the length of its bar.
    pub scale: LayerScale,
}

/// The numbers of one layer.
#[derive(Debug, Clone, PartialEq)]
pub struct DashboardRow<'a> {
    /// Name of the layer.
    pub layer: &'a str,
    /// One for each column. NaN: not measured. Infinity: the layer had values that are NaN or infinite.
    pub values: Vec<f64>,
    /// What rules found in the layer, worst first.
    pub flags: Vec<Flag<'a>>,
}

/// What a rule found in a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flag<'a> {
    /// Name of the rule.
    pub rule: &'a str,
    /// How bad it is.
    pub color: FlagColor,
}

/// How bad what a rule found is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FlagColor {
    /// Worth knowing.
    Info,
    /// Training could go better.
    Warning,
    /// Training does not work.
    Critical,
}

impl FlagColor {
    /// Blue, yellow and red that colour-blind people can tell apart, of the palette that curves have.
    fn rgb(self) -> Rgb {
        match self {
            FlagColor::Info => [78, 121, 167],
            FlagColor::Warning => [237, 201, 73],
            FlagColor::Critical => [200, 30, 45],
        }
    }
}

/// A picture of the layers' numbers at one moment: a bar behind each number shows its place on the column's scale, and
/// letters at the right what rules found, which the key explains. Of more layers than fit, some 50, as many are
/// shown: those with flags first, the others evenly spread. At most 900 pixels wide and 1600 high.
///
/// # Errors
/// No layer or column, or more than six columns; a row with another number of values; a scale without extent.
///
/// ```
/// use convscope::{Step, render::{
///     Caption, Dashboard, DashboardColumn, DashboardRow, Flag, FlagColor, LayerScale, dashboard,
/// }};
///
/// let scale = LayerScale::Log { floor: 1e-8, top: 1.0 };
/// let gradient = DashboardColumn { title: "gradient RMS", meaning: "of the loss by the weights", scale };
/// let flags = vec![Flag { rule: "vanishing_gradient", color: FlagColor::Critical }];
/// let board = Dashboard {
///     columns: vec![gradient],
///     rows: vec![
///         DashboardRow { layer: "conv1", values: vec![3e-9], flags },
///         DashboardRow { layer: "fc", values: vec![0.02], flags: Vec::new() },
///     ],
/// };
/// let image = dashboard(&board, &Caption { layer: "layers", step: Step::new(94), epoch: Some(1) })?;
/// assert!(image.width() <= 900 && image.height() <= 1600);
/// # Ok::<(), convscope::Error>(())
/// ```
pub fn dashboard(board: &Dashboard<'_>, caption: &Caption<'_>) -> Result<Image> {
    check(board)?;
    let rules = Rules::of(&board.rows);
    let columns = board.columns.len() * CELL;
    let widest = (NAME * FONT.advance() + 8 + columns + rules.width(&board.rows)).max(MIN_WIDTH);
    let rows = chosen(&board.rows, room(key(board, &rules, widest).len()));
    let names: Vec<String> = rows.iter().map(|row| text::shorten(row.layer, NAME)).collect();
    let gutter =
        names.iter().map(|name| FONT.measure(name)).max().unwrap_or(0).max(FONT.measure("layer")) + 8;
    let width = (gutter + columns + rules.width(&board.rows)).max(MIN_WIDTH);
    let key = key(board, &rules, width);
    let body = (width, HEAD + rows.len() * ROW + 8 + key.len() * FONT.line());
    let note = note(board, rows.len());
    let page = Page { caption, note: &note, legend: None, font: FONT, width: width + 2 * MARGIN, body };
    let (mut canvas, (left, top)) = page.open()?;
    draw_head(&mut canvas, board, (left + gutter, top));
    for (row, name) in names.iter().enumerate() {
        let y = top + HEAD + row * ROW;
        text::draw(&mut canvas, (left, y + 2), name, FONT, false, INK);
        for (column, value) in rows[row].values.iter().enumerate() {
            let cell = Rect::new(left + gutter + column * CELL, y + 1, CELL - 4, ROW - 2);
            draw_number(&mut canvas, cell, *value, board.columns[column].scale);
        }
        let at = (left + gutter + columns + 4, y + 2);
        rules.draw(&mut canvas, at, &rows[row].flags);
    }
    let mut y = top + HEAD + rows.len() * ROW + 8;
    for line in &key {
        line.draw(&mut canvas, (left, y));
        y += FONT.line();
    }
    canvas.into_image()
}

/// Room for the key's lines.
const MIN_WIDTH: usize = 500;

/// Rows for which there is room above a key of so many lines and below up to four lines of caption and note.
fn room(key: usize) -> usize {
    let rest = 2 * MARGIN + (4 + key) * FONT.line() + FONT.line() + HEAD + 8;
    HIGHEST.saturating_sub(rest) / ROW
}

fn check(board: &Dashboard<'_>) -> Result<()> {
    let refuse = |why: String| Err(Error::invalid("dashboard of the layers", why));
    let (rows, columns) = (board.rows.len(), board.columns.len());
    if rows == 0 || !(1..=MOST_COLUMNS).contains(&columns) {
        return refuse(format!(
            "{rows} layers and {columns} columns found; give one layer or more, and 1 to {MOST_COLUMNS} columns"
        ));
    }
    for column in &board.columns {
        column.scale.check(&format!("column `{}` of the dashboard", column.title))?;
    }
    match board.rows.iter().find(|row| row.values.len() != columns) {
        None => Ok(()),
        Some(row) => {
            refuse(format!("layer `{}`: {} values found for {columns} columns", row.layer, row.values.len()))
        }
    }
}

/// The rows that are shown, in their order.
fn chosen<'b, 'a>(rows: &'b [DashboardRow<'a>], room: usize) -> Vec<&'b DashboardRow<'a>> {
    let (flagged, others): (Vec<usize>, Vec<usize>) =
        (0..rows.len()).partition(|&row| !rows[row].flags.is_empty());
    let mut shown = spread(&flagged, room);
    shown.extend(spread(&others, room - shown.len()));
    shown.sort_unstable();
    shown.into_iter().map(|row| &rows[row]).collect()
}

fn note(board: &Dashboard<'_>, shown: usize) -> String {
    let all = board.rows.len();
    let left_out = if shown < all {
        format!("showing {shown} of {all} layers, those with findings first; ")
    } else {
        String::new()
    };
    format!("{left_out}bars: place on the column's scale")
}

fn draw_head(canvas: &mut Canvas, board: &Dashboard<'_>, (x, y): (usize, usize)) {
    for (column, DashboardColumn { title, .. }) in board.columns.iter().enumerate() {
        let (first, second) = title.split_once(' ').unwrap_or(("", title));
        for (line, word) in [first, second].into_iter().enumerate() {
            let word = text::shorten(word, CELL / FONT.advance());
            // On the right, as the numbers.
            let x = x + (column + 1) * CELL - 6 - FONT.measure(&word);
            text::draw(canvas, (x, y + line * FONT.line()), &word, FONT, false, FAINT);
        }
    }
}

/// A number before a bar.
fn draw_number(canvas: &mut Canvas, cell: Rect, value: f64, scale: LayerScale) {
    canvas.fill(cell, EMPTY);
    let (label, ground) = if value.is_nan() {
        ("-".to_owned(), EMPTY)
    } else if value.is_infinite() {
        canvas.fill(cell, NON_FINITE);
        ("NaN".to_owned(), NON_FINITE)
    } else if scale.is_floor(value) {
        canvas.fill(cell, FLOOR);
        (text::number(value), FLOOR)
    } else {
        let length = (scale.unit(value) * cell.width as f64).round() as usize;
        canvas.fill(Rect::new(cell.x, cell.y, length, cell.height), BAR);
        (text::number(value), BAR)
    };
    let x = cell.x + cell.width - FONT.measure(&label).min(cell.width) - 2;
    text::draw(canvas, (x, cell.y + 1), &label, FONT, false, contrast(ground));
}

/// The rules that found something, each with its letter.
struct Rules<'a> {
    names: Vec<&'a str>,
}

impl<'a> Rules<'a> {
    /// By how bad what they found is, then by name.
    fn of(rows: &[DashboardRow<'a>]) -> Rules<'a> {
        let mut worst: Vec<(FlagColor, &str)> = Vec::new();
        for flag in rows.iter().flat_map(|row| &row.flags) {
            match worst.iter_mut().find(|(_, rule)| *rule == flag.rule) {
                Some((color, _)) => *color = flag.color.max(*color),
                None => worst.push((flag.color, flag.rule)),
            }
        }
        worst.sort_by(|(a, x), (b, y)| b.cmp(a).then(x.cmp(y)));
        Rules { names: worst.into_iter().map(|(_, rule)| rule).collect() }
    }

    /// Room for the flags beside the rows.
    fn width(&self, rows: &[DashboardRow<'_>]) -> usize {
        let most = rows.iter().map(|row| row.flags.len()).max().unwrap_or(0);
        4 + most.min(FLAGS + 1) * (FLAG + 2)
    }

    /// `A` for the first; beyond those that the key lists, `?`.
    fn letter(&self, rule: &str) -> char {
        let place = self.names.iter().position(|name| *name == rule);
        place.filter(|place| *place < MOST_RULES).map_or('?', |place| (b'A' + place as u8) as char)
    }

    fn draw(&self, canvas: &mut Canvas, (x, y): (usize, usize), flags: &[Flag<'_>]) {
        for (place, flag) in flags.iter().take(FLAGS).enumerate() {
            draw_flag(canvas, (x + place * (FLAG + 2), y), self.letter(flag.rule), flag.color);
        }
        if flags.len() > FLAGS {
            text::draw(canvas, (x + FLAGS * (FLAG + 2), y), "+", FONT, false, INK);
        }
    }
}

fn draw_flag(canvas: &mut Canvas, (x, y): (usize, usize), letter: char, color: FlagColor) {
    let ground = color.rgb();
    canvas.fill(Rect::new(x, y, FLAG, FONT.height()), ground);
    let left = x + (FLAG - FONT.advance()) / 2;
    text::draw(canvas, (left, y), &letter.to_string(), FONT, true, contrast(ground));
}

/// A line below the rows.
enum KeyLine {
    Text(String),
    Flag { letter: char, color: FlagColor, rule: String },
}

impl KeyLine {
    fn draw(&self, canvas: &mut Canvas, (x, y): (usize, usize)) {
        match self {
            KeyLine::Text(line) => text::draw(canvas, (x, y), line, FONT, false, INK),
            KeyLine::Flag { letter, color, rule } => {
                draw_flag(canvas, (x, y), *letter, *color);
                text::draw(canvas, (x + FLAG + 8, y), rule, FONT, false, INK);
            }
        }
    }
}

/// What the columns and the letters mean.
fn key(board: &Dashboard<'_>, rules: &Rules<'_>, width: usize) -> Vec<KeyLine> {
    let most = width / FONT.advance();
    let column = |column: &DashboardColumn<'_>| {
        format!("{}: {}, {}", column.title, column.meaning, column.scale.words())
    };
    let columns = board.columns.iter().flat_map(|c| text::wrap(&column(c), most)).map(KeyLine::Text);
    let worst = |rule: &str| {
        let flags = board.rows.iter().flat_map(|row| &row.flags).filter(|flag| flag.rule == rule);
        flags.map(|flag| flag.color).max().unwrap_or(FlagColor::Info)
    };
    let flags = rules.names.iter().take(MOST_RULES).map(|rule| KeyLine::Flag {
        letter: rules.letter(rule),
        color: worst(rule),
        rule: text::shorten(rule, most.saturating_sub(4)),
    });
    let more = rules.names.len().saturating_sub(MOST_RULES);
    let more =
        (more > 0).then(|| KeyLine::Text(format!("?: {more} more rules, listed in the text `diagnosis`")));
    columns.chain(flags).chain(more).collect()
}
