//! A plot on its canvas: grid, curves, and where their names go.

use super::{
    canvas::{Canvas, Rect, Rgb},
    line_plot::{Curve, CurveMarks, LinePlot, ReferenceLine, colors, drawable, full_name},
    page::{FAINT, INK, PAPER},
    plot_axis::{Axis, is_drawable},
    text::{self, Font},
};

const GRID: Rgb = [225, 226, 228];
/// What lies at or below the floor of a logarithmic axis.
const STRIP: Rgb = [214, 214, 214];

/// The axes on the canvas.
pub(super) struct Drawing {
    /// Where curves lie.
    area: Rect,
    /// Where all lies.
    body: Rect,
    font: Font,
    x: Axis,
    y: Axis,
}

impl Drawing {
    pub fn new(plot: &LinePlot<'_>, shown: &[Curve<'_>], font: Font, body: Rect) -> Drawing {
        let (head, foot) = (font.line() + 5, 2 * font.line() + 6);
        let longest =
            shown.iter().map(|curve| full_name(curve, usize::MAX).chars().count()).max().unwrap_or(0);
        let right = (longest * font.advance() + name_indent(font)).min(body.width * 2 / 5);
        let height = body.height - head - foot;
        let of_lines = |is_vertical: bool| {
            plot.lines.iter().filter(move |line| line.is_vertical == is_vertical).map(|line| line.at)
        };
        let values = shown.iter().flat_map(drawable).map(|(_, y)| y).chain(of_lines(false));
        let y = plot.y.fit(values, height, 5, true);
        let labels = y.ticks.iter().map(|(_, label)| label.len()).chain(y.strip_label().map(|l| l.len()));
        let left = labels.max().unwrap_or(0) * font.advance() + 7;
        let width = body.width - left - right;
        let values = shown.iter().flat_map(drawable).map(|(x, _)| x).chain(of_lines(true));
        let x = plot.x.fit(values, width, 4, false);
        Drawing { area: Rect::new(body.x + left, body.y + head, width, height), body, font, x, y }
    }

    fn column(&self, x: f64) -> f64 {
        self.area.x as f64 + self.x.pixel(x)
    }

    fn row(&self, y: f64) -> f64 {
        (self.area.y + self.area.height - 1) as f64 - self.y.pixel(y)
    }

    pub fn draw_grid(&self, canvas: &mut Canvas, plot: &LinePlot<'_>) {
        let (font, Rect { x, y, width, height }) = (self.font, self.area);
        let foot = y + height - 1;
        canvas.fill(Rect::new(x, foot + 1 - self.y.strip, width, self.y.strip), STRIP);
        canvas.fill(Rect::new(x, y, self.x.strip, height), STRIP);
        let mut number = |row: usize, label: &str| {
            let left = x.saturating_sub(font.measure(label) + 5);
            text::draw(canvas, (left, row.saturating_sub(font.height() / 2)), label, font, false, FAINT);
        };
        if let Some(label) = self.y.strip_label() {
            number(foot - self.y.strip / 2, &label);
        }
        // Beside the strip there is no room for the number at its end.
        let clear =
            if self.y.strip > 0 { foot.saturating_sub(self.y.strip / 2 + font.height()) } else { foot };
        let rows = self.y.ticks.iter().map(|(tick, label)| (self.row(*tick).round() as usize, label));
        let rows: Vec<_> = rows.collect();
        rows.iter().filter(|(row, _)| *row <= clear).for_each(|(row, label)| number(*row, label));
        for (row, _) in rows {
            canvas.fill(Rect::new(x, row, width, 1), GRID);
        }
        self.draw_columns(canvas);
        canvas.fill(Rect::new(x, foot, width, 1), FAINT);
        canvas.fill(Rect::new(x, y, 1, height), FAINT);
        let title = |title: &str, room: usize| text::shorten(title, room / font.advance());
        let name = title(plot.x.title, self.body.width);
        // Below the middle of the axis, as far as the picture reaches.
        let most = (self.body.x + self.body.width).saturating_sub(font.measure(&name));
        let left =
            (x + width / 2).saturating_sub(font.measure(&name) / 2).clamp(self.body.x, most.max(self.body.x));
        text::draw(canvas, (left, foot + 5 + font.line()), &name, font, false, FAINT);
        let name = title(plot.y.title, self.body.width);
        text::draw(canvas, (self.body.x, self.body.y), &name, font, false, FAINT);
    }

    /// Numbers and lines of the horizontal axis; numbers that would touch the one before are left out.
    fn draw_columns(&self, canvas: &mut Canvas) {
        let (font, Rect { x, y, height, .. }) = (self.font, self.area);
        let foot = y + height - 1;
        let strip = self.x.strip_label().map(|label| (x + self.x.strip / 2, label));
        let ticks =
            self.x.ticks.iter().map(|(tick, label)| (self.column(*tick).round() as usize, label.clone()));
        let mut free = 0;
        for (number, (column, label)) in strip.into_iter().chain(ticks).enumerate() {
            if number > 0 || self.x.strip == 0 {
                canvas.fill(Rect::new(column, y, 1, height), GRID);
            }
            canvas.fill(Rect::new(column, foot, 1, 4), FAINT);
            let left = column.saturating_sub(font.measure(&label) / 2);
            if left >= free {
                text::draw(canvas, (left, foot + 5), &label, font, false, FAINT);
                free = left + font.measure(&label) + font.advance();
            }
        }
    }

    pub fn draw_line(&self, canvas: &mut Canvas, line: &ReferenceLine<'_>) {
        let Rect { x, y, width, height } = self.area;
        let color = line_color(line);
        if line.is_vertical && self.x.holds(line.at) {
            let column = self.column(line.at).round() as usize;
            (0..height).step_by(6).for_each(|dot| canvas.fill(Rect::new(column, y + dot, 1, 3), color));
        } else if !line.is_vertical && self.y.holds(line.at) {
            let row = self.row(line.at).round() as usize;
            (0..width).step_by(6).for_each(|dot| canvas.fill(Rect::new(x + dot, row, 3, 1), color));
        }
    }

    /// Where fewest other things are, of a few places at the line.
    pub fn draw_line_label(&self, canvas: &mut Canvas, line: &ReferenceLine<'_>) {
        let Rect { x, y, width, height } = self.area;
        let label = text::shorten(line.label, width.saturating_sub(6) / self.font.advance());
        let (wide, high) = (self.font.measure(&label), self.font.height());
        let (right, bottom) = (x + width - wide.min(width), y + height - high.min(height));
        let places: Vec<(usize, usize)> = if line.is_vertical {
            if !self.x.holds(line.at) {
                return;
            }
            let column = self.column(line.at).round() as usize;
            let beside = [column + 4, column.saturating_sub(wide + 3)].into_iter();
            let fits = beside.filter(|left| (x..=right).contains(left)).chain([right.min(column)]);
            let rows = [y + 2, y + height / 4, y + height / 2, y + height * 3 / 4];
            fits.flat_map(|left| rows.map(|row| (left, row.min(bottom)))).collect()
        } else {
            if !self.y.holds(line.at) {
                return;
            }
            let row = self.row(line.at).round() as usize;
            let beside = [row.saturating_sub(high + 1), row + 2].into_iter();
            let fits = beside.filter(|top| (y..=bottom).contains(top)).chain([bottom.min(row)]);
            let columns = [right.saturating_sub(2), x + 3, x + (width - wide.min(width)) / 2];
            fits.flat_map(|top| columns.map(|left| (left.max(x), top))).collect()
        };
        let ground = [PAPER, GRID, STRIP];
        let taken = |&(left, top): &(usize, usize)| {
            let pixels = (top..top + high).flat_map(|y| (left..left + wide).map(move |x| (x, y)));
            pixels.filter(|&(x, y)| canvas.get(x, y).is_some_and(|color| !ground.contains(&color))).count()
        };
        if let Some(at) = places.into_iter().min_by_key(taken) {
            text::draw(canvas, at, &label, self.font, false, INK);
        }
    }

    /// A line two pixels wide, broken where there is no value, with marks.
    pub fn draw_curve(&self, canvas: &mut Canvas, curve: &Curve<'_>, color: Rgb) {
        let is_point = |(x, y): (f64, f64)| is_drawable(x) && is_drawable(y);
        let on_canvas = |(x, y)| (self.column(x), self.row(y));
        for pair in curve.points.windows(2) {
            if curve.is_joined && is_point(pair[0]) && is_point(pair[1]) {
                self.draw_stroke(canvas, on_canvas(pair[0]), on_canvas(pair[1]), color);
            }
        }
        let has =
            |place: Option<usize>| place.and_then(|at| curve.points.get(at)).is_some_and(|p| is_point(*p));
        let is_end = |at: usize| {
            let (before, after) = (&curve.points[..at], &curve.points[at + 1..]);
            !before.iter().any(|p| is_point(*p)) || !after.iter().any(|p| is_point(*p))
        };
        for (at, &(x, y)) in curve.points.iter().enumerate().filter(|(_, point)| is_point(**point)) {
            let is_alone = !has(at.checked_sub(1)) && !has(at.checked_add(1));
            let is_marked = match curve.marks {
                _ if !curve.is_joined => true,
                CurveMarks::All => true,
                CurveMarks::Ends => is_alone || is_end(at),
                CurveMarks::None => is_alone,
            };
            if is_marked && self.x.holds(x) && self.y.holds(y) {
                let side = if self.font == Font::Small { 5 } else { 7 };
                let corner = |pixel: f64| (pixel.round() as usize).saturating_sub(side / 2);
                canvas.fill(Rect::new(corner(self.column(x)), corner(self.row(y)), side, side), color);
            }
        }
    }

    fn draw_stroke(&self, canvas: &mut Canvas, from: (f64, f64), to: (f64, f64), color: Rgb) {
        let Some((from, to)) = clip(from, to, self.area) else { return };
        let round = |(x, y): (f64, f64)| (x.round().max(0.0) as usize, y.round().max(0.0) as usize);
        let is_steep = (to.1 - from.1).abs() > (to.0 - from.0).abs();
        let (from, to) = (round(from), round(to));
        canvas.line(from, to, color);
        let aside = |(x, y): (usize, usize)| if is_steep { (x + 1, y) } else { (x, y + 1) };
        canvas.line(aside(from), aside(to), color);
    }

    /// The name beside the end of each curve, pushed apart where they would lie on one another.
    pub fn draw_names(&self, canvas: &mut Canvas, curves: &[Curve<'_>]) {
        let font = self.font;
        let (top, foot) = (self.area.y, self.area.y + self.area.height);
        let left = self.area.x + self.area.width + 6;
        let room =
            (self.body.x + self.body.width).saturating_sub(left + name_indent(font) - 6) / font.advance();
        let mut names: Vec<(usize, String, Rgb)> = (curves.iter().zip(colors()))
            .map(|(curve, color)| {
                let end = drawable(curve).last().map_or(foot as f64, |(_, y)| self.row(y));
                (end.clamp(top as f64, foot as f64) as usize, full_name(curve, room), color)
            })
            .collect();
        names.sort_by_key(|(row, ..)| *row);
        let mut free = top.saturating_sub(font.height() / 2);
        for (number, (row, name, color)) in names.iter().enumerate() {
            let lowest = (foot + font.height() / 2).saturating_sub((names.len() - number) * font.line());
            let at = row.saturating_sub(font.height() / 2).min(lowest).max(free);
            let side = font.height() / 2 + 1;
            canvas.fill(Rect::new(left, at + (font.height() - side) / 2, side, side), *color);
            text::draw(canvas, (left + name_indent(font) - 6, at), name, font, false, INK);
            free = at + font.line();
        }
    }
}

fn line_color(line: &ReferenceLine<'_>) -> Rgb {
    line.curve.and_then(|curve| colors().nth(curve)).unwrap_or(FAINT)
}

/// Pixels from the plot to a name: a gap and the curve's colour.
fn name_indent(font: Font) -> usize {
    6 + font.height() / 2 + 1 + 4
}

/// The part of a line that lies in `area` (Liang and Barsky 1984).
fn clip(from: (f64, f64), to: (f64, f64), area: Rect) -> Option<((f64, f64), (f64, f64))> {
    let (left, top) = (area.x as f64, area.y as f64);
    let (right, bottom) = (left + (area.width - 1) as f64, top + (area.height - 1) as f64);
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let (mut enter, mut leave) = (0.0f64, 1.0f64);
    let edges = [(-dx, from.0 - left), (dx, right - from.0), (-dy, from.1 - top), (dy, bottom - from.1)];
    for (step, room) in edges {
        // Half a pixel is rounded away.
        let room = room + 0.5;
        if step == 0.0 && room < 0.0 {
            return None;
        }
        let at = room / step;
        if step < 0.0 {
            enter = enter.max(at);
        } else if step > 0.0 {
            leave = leave.min(at);
        }
    }
    let point = |t: f64| ((from.0 + t * dx).clamp(left, right), (from.1 + t * dy).clamp(top, bottom));
    (enter <= leave).then(|| (point(enter), point(leave)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_off_at_the_edges() {
        let area = Rect::new(10, 10, 11, 11);
        assert_eq!(clip((10.0, 10.0), (20.0, 20.0), area), Some(((10.0, 10.0), (20.0, 20.0))));
        let (from, to) = clip((15.0, -100.0), (15.0, 100.0), area).unwrap();
        assert_eq!((from, to), ((15.0, 10.0), (15.0, 20.0)));
        assert_eq!(clip((0.0, 0.0), (9.0, 30.0), area), None);
        assert_eq!(clip((12.0, 30.0), (18.0, 30.0), area), None);
        assert_eq!(clip((12.0, 15.0), (12.0, 15.0), area), Some(((12.0, 15.0), (12.0, 15.0))));
    }
}
