//! A threshold of a rule under its name.

use std::ops::RangeInclusive;

use crate::render::number;

/// A threshold of a rule under its name, with what it may be: this is how [`RuleSet`](super::RuleSet) reads and writes
/// the settings of rules that it does not know.
///
/// ```
/// use convscope::rules::Setting;
///
/// let mut share = 0.5;
/// let mut setting = Setting::number("share", &mut share, 0.0..=1.0, "share of silent units");
/// assert!(setting.set_number(2.0).unwrap_err().contains("expected 0 to 1"));
/// setting.set_number(0.25).unwrap();
/// assert_eq!(share, 0.25);
/// ```
#[derive(Debug)]
pub struct Setting<'r> {
    name: &'static str,
    value: Value<'r>,
    range: RangeInclusive<f64>,
    about: &'static str,
}

#[derive(Debug)]
enum Value<'r> {
    Number(&'r mut f64),
    Whole(&'r mut u64),
    Switch(&'r mut bool),
}

impl<'r> Setting<'r> {
    /// A number within `range`. `about`: what it means, in a few words.
    pub fn number(
        name: &'static str,
        value: &'r mut f64,
        range: RangeInclusive<f64>,
        about: &'static str,
    ) -> Setting<'r> {
        Setting { name, value: Value::Number(value), range, about }
    }

    /// A whole number within `range`.
    pub fn whole(
        name: &'static str,
        value: &'r mut u64,
        range: RangeInclusive<u64>,
        about: &'static str,
    ) -> Setting<'r> {
        let range = *range.start() as f64..=*range.end() as f64;
        Setting { name, value: Value::Whole(value), range, about }
    }

    /// True or false.
    pub fn switch(name: &'static str, value: &'r mut bool, about: &'static str) -> Setting<'r> {
        Setting { name, value: Value::Switch(value), range: 0.0..=1.0, about }
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What it means.
    pub fn about(&self) -> &'static str {
        self.about
    }

    /// What it may be, in words: `0 to 1`, `a whole number from 1 to 100`, `true or false`.
    pub fn expected(&self) -> String {
        let (low, high) = (number(*self.range.start()), number(*self.range.end()));
        match self.value {
            Value::Number(_) => format!("{low} to {high}"),
            Value::Whole(_) => format!("a whole number from {low} to {high}"),
            Value::Switch(_) => "true or false".to_owned(),
        }
    }

    /// The value as it stands in TOML; it is read back as the same number.
    pub fn to_toml(&self) -> String {
        match &self.value {
            // With a point or an exponent, which TOML asks of a number that is not whole.
            Value::Number(value) => format!("{value:?}"),
            Value::Whole(value) => value.to_string(),
            Value::Switch(value) => value.to_string(),
        }
    }

    /// Sets a number, whole or not.
    ///
    /// # Errors
    /// What was found and expected, where it is out of range, not whole, or this is true or false. Nothing is changed.
    pub fn set_number(&mut self, number: f64) -> Result<(), String> {
        let fits = self.range.contains(&number);
        match &mut self.value {
            Value::Number(value) if fits => **value = number,
            // Whole numbers above 2⁵³ are in no range that makes sense here.
            Value::Whole(value) if fits && number.fract() == 0.0 => **value = number as u64,
            _ => return Err(format!("found {number:?}, expected {}", self.expected())),
        }
        Ok(())
    }

    /// Sets true or false.
    ///
    /// # Errors
    /// What was found and expected, where this is a number. Nothing is changed.
    pub fn set_switch(&mut self, on: bool) -> Result<(), String> {
        match &mut self.value {
            Value::Switch(value) => **value = on,
            _ => return Err(format!("found {on}, expected {}", self.expected())),
        }
        Ok(())
    }
}
