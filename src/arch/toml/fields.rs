//! The fields of one TOML table, taken one after the other; what is left over is refused.

use std::ops::Range;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::arch::{
    error::ModelError,
    nearby::did_you_mean,
    padding::{Padding, Pair},
};

type Result<T> = std::result::Result<T, ModelError>;

/// A TOML text, which knows its lines.
#[derive(Clone, Copy)]
pub(super) struct Text<'t>(pub(super) &'t str);

impl<'t> Text<'t> {
    /// Line of a byte offset, counted from 1.
    pub(super) fn line(self, offset: usize) -> usize {
        1 + self.0.bytes().take(offset).filter(|&byte| byte == b'\n').count()
    }

    /// What the author wrote there, on one short line.
    fn excerpt(self, span: Range<usize>) -> String {
        const MOST: usize = 40;
        let text = self.0.get(span).unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
        match text.char_indices().nth(MOST) {
            Some((end, _)) => format!("{}...", &text[..end]),
            None => text,
        }
    }
}

/// One table: the file itself or a `[[layer]]`. Places in the text are kept as offsets: lines are counted for errors
/// alone, since each count runs through the text.
pub(super) struct Fields<'t> {
    text: Text<'t>,
    table: &'t DeTable<'t>,
    at: usize,
    layer: Option<String>,
    asked: Vec<&'static str>,
}

impl<'t> Fields<'t> {
    pub(super) fn new(text: Text<'t>, table: &'t DeTable<'t>, at: usize) -> Fields<'t> {
        Fields { text, table, at, layer: None, asked: Vec::new() }
    }

    /// Names the layer in errors from here on.
    pub(super) fn name_layer(&mut self, name: &str) {
        self.layer = Some(name.to_owned());
    }

    /// The field, if it is there.
    pub(super) fn optional(&mut self, name: &'static str) -> Option<Field<'t>> {
        self.asked.push(name);
        let value = self.table.get(name)?;
        Some(Field { text: self.text, layer: self.layer.clone(), name, value })
    }

    /// The field.
    pub(super) fn required(&mut self, name: &'static str, expected: &str) -> Result<Field<'t>> {
        self.optional(name)
            .ok_or_else(|| self.error(self.at, name, &format!("is missing, expected {expected}")))
    }

    /// Refuses fields that nobody asked for.
    pub(super) fn finish(self) -> Result<()> {
        let unknown = self
            .table
            .keys()
            .filter(|key| !self.asked.iter().any(|name| name == key.get_ref()))
            .min_by_key(|key| key.span().start);
        let Some(key) = unknown else { return Ok(()) };
        let why = format!("is unknown{}", did_you_mean(key.get_ref(), self.asked.iter().copied()));
        Err(self.error(key.span().start, key.get_ref(), &why))
    }

    fn error(&self, at: usize, field: &str, why: &str) -> ModelError {
        place(self.layer.as_deref(), field, why).line(self.text.line(at))
    }
}

/// The value of one field.
pub(super) struct Field<'t> {
    text: Text<'t>,
    layer: Option<String>,
    name: &'static str,
    value: &'t Spanned<DeValue<'t>>,
}

impl<'t> Field<'t> {
    /// An error that this is not what was expected.
    pub(super) fn wrong(&self, expected: &str) -> ModelError {
        let found = self.text.excerpt(self.value.span());
        self.error(&format!("found {found}, expected {expected}"))
    }

    /// An error about this field.
    pub(super) fn error(&self, why: &str) -> ModelError {
        place(self.layer.as_deref(), self.name, why).line(self.line())
    }

    pub(super) fn line(&self) -> usize {
        self.text.line(self.value.span().start)
    }

    pub(super) fn string(&self) -> Result<&'t str> {
        self.value.get_ref().as_str().ok_or_else(|| self.wrong("a text in quotes"))
    }

    pub(super) fn boolean(&self) -> Result<bool> {
        self.value.get_ref().as_bool().ok_or_else(|| self.wrong("true or false"))
    }

    pub(super) fn integer(&self) -> Result<i64> {
        integer(self.value.get_ref()).ok_or_else(|| self.wrong("a whole number"))
    }

    pub(super) fn float(&self) -> Result<f64> {
        let number = match self.value.get_ref() {
            DeValue::Float(float) => float.as_str().parse().ok(),
            DeValue::Integer(whole) => whole.as_str().parse().ok(),
            _ => None,
        };
        number.ok_or_else(|| self.wrong("a number"))
    }

    pub(super) fn pair(&self) -> Result<Pair> {
        let expected = "a whole number or [height, width]";
        match self.numbers().as_deref() {
            Some(&[both]) => Ok(Pair::from(both)),
            Some(&[h, w]) => Ok(Pair { h, w }),
            _ => Err(self.wrong(expected)),
        }
    }

    pub(super) fn padding(&self) -> Result<Padding> {
        if self.value.get_ref().as_str() == Some("same") {
            return Ok(Padding::Same);
        }
        match self.numbers().as_deref() {
            Some(&[all]) => Ok(Padding::from(all)),
            Some(&[h, w]) => Ok(Padding::from([h, w])),
            Some(&[top, bottom, left, right]) => Ok(Padding::from([top, bottom, left, right])),
            _ => Err(self.wrong("a whole number, [h, w], [top, bottom, left, right] or \"same\"")),
        }
    }

    /// Three whole numbers.
    pub(super) fn image(&self) -> Result<[i64; 3]> {
        match self.numbers().as_deref() {
            Some(&[channels, height, width]) => Ok([channels, height, width]),
            _ => Err(self.wrong("[channels, height, width]")),
        }
    }

    pub(super) fn strings(&self) -> Result<Vec<String>> {
        let strings = self.value.get_ref().as_array().and_then(|array| {
            array.iter().map(|item| item.get_ref().as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
        });
        strings
            .filter(|list| !list.is_empty())
            .ok_or_else(|| self.wrong("a list of layers' names, as in [\"conv1\"]"))
    }

    /// The tables of an array of tables, each with its offset in the text.
    pub(super) fn tables(&self) -> Result<Vec<(usize, &'t DeTable<'t>)>> {
        let tables = self.value.get_ref().as_array().and_then(|array| {
            array
                .iter()
                .map(|item| Some((item.span().start, item.get_ref().as_table()?)))
                .collect::<Option<Vec<_>>>()
        });
        tables.ok_or_else(|| self.wrong("tables, each headed by [[layer]]"))
    }

    /// A whole number as a list of one, or a list of whole numbers.
    fn numbers(&self) -> Option<Vec<i64>> {
        match self.value.get_ref() {
            // A list of one is not a number.
            DeValue::Array(array) if array.len() == 1 => None,
            DeValue::Array(array) => array.iter().map(|item| integer(item.get_ref())).collect(),
            single => Some(vec![integer(single)?]),
        }
    }
}

/// Line of a field of a table that begins at offset `at`; the table's line, if the field is not there.
pub(super) fn line_of(text: Text<'_>, at: usize, table: &DeTable<'_>, field: Option<&str>) -> usize {
    let key = field.and_then(|field| table.get_key_value(field));
    text.line(key.map_or(at, |(key, _)| key.span().start))
}

fn integer(value: &DeValue<'_>) -> Option<i64> {
    let whole = value.as_integer()?;
    i64::from_str_radix(whole.as_str(), whole.radix()).ok()
}

fn place(layer: Option<&str>, field: &str, why: &str) -> ModelError {
    let error = ModelError::new(why).field(field);
    layer.into_iter().fold(error, ModelError::layer)
}
