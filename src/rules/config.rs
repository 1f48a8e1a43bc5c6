//! Settings of rules in TOML.

use std::fmt::Write;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    Persistence, RuleSet, Setting,
    rule_set::{Entry, Line},
};
use crate::{
    arch::did_you_mean,
    error::{Error, Result},
};

/// Sets what stands in `text`, which comes from `source`.
pub(super) fn apply(mut rules: RuleSet, text: &str, source: &str) -> Result<RuleSet> {
    if text.len() as u64 > RuleSet::MOST_BYTES {
        let why = format!("the text is too long: more than {} bytes", RuleSet::MOST_BYTES);
        return Err(Error::invalid(source, why));
    }
    let place = |offset: usize| {
        let line = 1 + text.bytes().take(offset).filter(|&byte| byte == b'\n').count();
        format!("{source}:{line}")
    };
    let root = DeTable::parse(text).map_err(|error| {
        let at = error.span().map_or_else(|| source.to_owned(), |span| place(span.start));
        Error::invalid(at, format!("not TOML: {}", error.message()))
    })?;
    for (name, value) in in_order(root.get_ref()) {
        let at = place(name.span().start);
        let name = name.get_ref();
        let index = rules.entries.iter().position(|entry| entry.name() == name).ok_or_else(|| {
            let near = did_you_mean(name, rules.names());
            Error::invalid(format!("{at}: rule `{name}`"), format!("is unknown{near}"))
        })?;
        let DeValue::Table(table) = value.get_ref() else {
            let why = format!("expected a table: `[{name}]` and its settings on the lines behind it");
            return Err(Error::invalid(format!("{at}: rule `{name}`"), why));
        };
        set(&mut rules.entries[index], table, &place)?;
    }
    Ok(rules)
}

/// The entries of a table as they stand in the text.
fn in_order<'t>(
    table: &'t DeTable<'t>,
) -> Vec<(&'t Spanned<std::borrow::Cow<'t, str>>, &'t Spanned<DeValue<'t>>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}

/// Sets the fields of one table.
fn set(entry: &mut Entry, table: &DeTable<'_>, place: &dyn Fn(usize) -> String) -> Result<()> {
    let rule = entry.name().to_owned();
    let mut general = General::of(entry);
    let mut last = 0;
    for (name, value) in in_order(table) {
        last = name.span().start;
        let refused = |why: String| {
            let field = name.get_ref();
            Error::invalid(format!("{}: rule `{rule}`: field `{field}`", place(last)), why)
        };
        let mut settings = general.settings();
        settings.extend(entry.rule.settings());
        let known: Vec<&str> = settings.iter().map(Setting::name).collect();
        let unknown =
            || refused(format!("is unknown{}", did_you_mean(name.get_ref(), known.iter().copied())));
        let index = known.iter().position(|known| known == name.get_ref()).ok_or_else(unknown)?;
        put(&mut settings[index], value.get_ref()).map_err(refused)?;
    }
    let Persistence { raise, of, .. } = general.persistence;
    if raise > of {
        let why = format!(
            "`raise` is {raise} and `of` is {of}: {raise} of {of} can never be; expected `raise` at most `of`"
        );
        return Err(Error::invalid(format!("{}: rule `{rule}`", place(last)), why));
    }
    entry.enabled = general.enabled;
    entry.persistence = general.persistence;
    entry.read_settings();
    Ok(())
}

/// Gives a setting a value.
fn put(setting: &mut Setting<'_>, value: &DeValue<'_>) -> std::result::Result<(), String> {
    let number = match value {
        DeValue::Boolean(on) => return setting.set_switch(*on),
        DeValue::Float(float) => float.as_str().parse().ok(),
        DeValue::Integer(whole) => {
            i64::from_str_radix(whole.as_str(), whole.radix()).ok().map(|whole| whole as f64)
        }
        _ => None,
    };
    let expected = setting.expected();
    number.ok_or_else(|| format!("expected {expected}")).and_then(|number| setting.set_number(number))
}

/// What every rule has.
struct General {
    enabled: bool,
    persistence: Persistence,
}

impl General {
    fn of(entry: &Entry) -> General {
        General { enabled: entry.enabled, persistence: entry.persistence }
    }

    fn settings(&mut self) -> Vec<Setting<'_>> {
        let Persistence { warm_up, raise, of, clear } = &mut self.persistence;
        let most = Persistence::MOST;
        vec![
            Setting::switch("enabled", &mut self.enabled, "whether the rule looks at all"),
            Setting::whole(
                "warm_up",
                warm_up,
                0..=Persistence::LONGEST_WARM_UP,
                "steps at the beginning that do not count",
            ),
            Setting::whole("raise", raise, 1..=most, "an alarm after so many symptoms ..."),
            Setting::whole("of", of, 1..=most, "... in so many examinations"),
            Setting::whole("clear", clear, 1..=most, "over after so many examinations without it"),
        ]
    }
}

/// All settings of all rules.
pub(super) fn to_toml(rules: &RuleSet) -> String {
    let mut text = String::from(
        "# Rules and their thresholds. What is left out stays as it is here.\n\
         # Every rule: `enabled`; `warm_up`: steps at the beginning of the training that do not count; an alarm when\n\
         # `raise` of the last `of` examinations show the symptom, over after `clear` examinations without it.\n",
    );
    for entry in &rules.entries {
        let name = entry.name();
        let _ = write!(text, "\n{}[{}]\n", comment(entry.rule.about()), key(name));
        for setting in General::of(entry).settings() {
            let _ = writeln!(text, "{} = {}", setting.name(), setting.to_toml());
        }
        for Line { name, value, expected, about } in &entry.settings {
            let _ = writeln!(text, "{} = {value} # {about}; {expected}", key(name));
        }
    }
    text
}

/// A sentence as comment lines.
fn comment(text: &str) -> String {
    text.lines().map(|line| format!("# {line}\n")).collect()
}

/// A name as a TOML key: in quotes where it has characters that need them.
fn key(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if !name.is_empty() && name.chars().all(plain) {
        return name.to_owned();
    }
    toml::Value::from(name).to_string()
}
