//! Which rules look at a training, and with which thresholds.

use std::{fmt, fs::File, io::Read, path::Path};

use super::{Observation, Persistence, Rule, Symptom, closure::Closure, config};
use crate::{
    arch::did_you_mean,
    error::{Error, Result},
};

/// Which rules look at a training, in which order, and with which thresholds.
///
/// ```
/// use convscope::rules::{Persistence, RuleSet};
///
/// let rules = RuleSet::standard()
///     .without("non_finite")?
///     .with_fn("no_loss", Persistence::at_once(), |observation| {
///         observation.last_loss().map(|_| Vec::new())
///     })
///     .configure("[vanishing_gradient]\nraise = 4\nof = 6\n")?;
/// assert!(rules.names().contains(&"no_loss") && !rules.names().contains(&"non_finite"));
/// assert_eq!(rules.persistence("vanishing_gradient").unwrap().raise, 4);
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Default)]
pub struct RuleSet {
    pub(super) entries: Vec<Entry>,
}

/// A rule of a set.
pub(super) struct Entry {
    pub(super) rule: Box<dyn Rule>,
    pub(super) enabled: bool,
    pub(super) persistence: Persistence,
    /// The rule's own settings in TOML. Nobody else can change them while the set holds the rule.
    pub(super) settings: Vec<Line>,
}

/// One setting, for writing.
pub(super) struct Line {
    pub(super) name: &'static str,
    pub(super) value: String,
    pub(super) expected: String,
    pub(super) about: &'static str,
}

impl Entry {
    fn new(rule: Box<dyn Rule>, persistence: Persistence) -> Entry {
        let persistence = persistence.in_range();
        let mut entry = Entry { rule, enabled: true, persistence, settings: Vec::new() };
        entry.read_settings();
        entry
    }

    pub(super) fn name(&self) -> &str {
        self.rule.name()
    }

    pub(super) fn explains(&self, other: &str) -> bool {
        self.rule.explains().contains(&other)
    }

    /// Takes over the values of the rule's settings.
    pub(super) fn read_settings(&mut self) {
        let line = |setting: super::Setting<'_>| Line {
            name: setting.name(),
            value: setting.to_toml(),
            expected: setting.expected(),
            about: setting.about(),
        };
        self.settings = self.rule.settings().into_iter().map(line).collect();
    }
}

impl RuleSet {
    /// A longer text of settings is not read.
    pub const MOST_BYTES: u64 = 1 << 20;

    /// No rules.
    pub fn new() -> RuleSet {
        RuleSet::default()
    }

    /// Adds a rule, in the place of one with the same name, else behind the others. A `persistence` that cannot be met
    /// (3 of 2) is mended.
    #[must_use]
    pub fn with(mut self, rule: impl Rule + 'static, persistence: Persistence) -> RuleSet {
        let entry = Entry::new(Box::new(rule), persistence);
        match self.entries.iter_mut().find(|known| known.name() == entry.name()) {
            Some(known) => *known = entry,
            None => self.entries.push(entry),
        }
        self
    }

    /// Adds a rule with the persistence that it asks for itself.
    #[must_use]
    pub fn with_rule(self, rule: impl Rule + 'static) -> RuleSet {
        let persistence = rule.persistence();
        self.with(rule, persistence)
    }

    /// Adds a function as a rule: see [`Rule::examine`] for what it returns.
    #[must_use]
    pub fn with_fn(
        self,
        name: impl Into<String>,
        persistence: Persistence,
        examine: impl FnMut(&Observation) -> Option<Vec<Symptom>> + 'static,
    ) -> RuleSet {
        self.with(Closure { name: name.into(), examine }, persistence)
    }

    /// Takes a rule out.
    ///
    /// # Errors
    /// There is no rule `name`; the error has the names that are like it.
    pub fn without(mut self, name: &str) -> Result<RuleSet> {
        let index = self.entries.iter().position(|entry| entry.name() == name);
        let index = index.ok_or_else(|| {
            Error::invalid(
                format!("rule `{name}`"),
                format!("is unknown{}", did_you_mean(name, self.names())),
            )
        })?;
        self.entries.remove(index);
        Ok(self)
    }

    /// The standard rules with settings from TOML: see [`configure`](RuleSet::configure).
    ///
    /// # Errors
    /// As those of `configure`.
    pub fn from_toml(text: &str) -> Result<RuleSet> {
        RuleSet::standard().configure(text)
    }

    /// The standard rules with settings from a TOML file: see [`configure`](RuleSet::configure).
    ///
    /// # Errors
    /// The file cannot be read, is longer than 1 MiB, or as those of `configure`.
    pub fn load(path: impl AsRef<Path>) -> Result<RuleSet> {
        let path = path.as_ref();
        let mut text = String::new();
        let file = File::open(path).map_err(|error| Error::io("open", path, error))?;
        let mut file = file.take(RuleSet::MOST_BYTES + 1);
        file.read_to_string(&mut text).map_err(|error| Error::io("read", path, error))?;
        config::apply(RuleSet::standard(), &text, &path.display().to_string())
    }

    /// Changes settings. Every rule has a table under its name, with its thresholds and with `enabled`, `warm_up`,
    /// `raise`, `of`, `clear` ([`Persistence`]); what is not written stays. [`to_toml`](RuleSet::to_toml) has them all.
    ///
    /// ```
    /// use convscope::rules::RuleSet;
    ///
    /// let error = RuleSet::from_toml("[vanishing_gradient]\nwarmup = 5").err().unwrap();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "rules:2: rule `vanishing_gradient`: field `warmup`: is unknown; did you mean `warm_up`?"
    /// );
    /// ```
    ///
    /// # Errors
    /// The text is no TOML, a table or field is unknown, or a value out of its range: the error has the line, what was
    /// found and what was expected.
    pub fn configure(self, text: &str) -> Result<RuleSet> {
        config::apply(self, text, "rules")
    }

    /// All settings as TOML, with a comment on each: what [`from_toml`](RuleSet::from_toml) reads back.
    ///
    /// ```
    /// use convscope::rules::RuleSet;
    ///
    /// let text = RuleSet::standard().to_toml();
    /// assert!(text.contains("[vanishing_gradient]\nenabled = true\n"));
    /// assert_eq!(RuleSet::from_toml(&text)?.to_toml(), text);
    /// # Ok::<(), convscope::Error>(())
    /// ```
    pub fn to_toml(&self) -> String {
        config::to_toml(self)
    }

    /// Names of the rules in their order, with those that are not enabled.
    pub fn names(&self) -> Vec<&str> {
        self.entries.iter().map(Entry::name).collect()
    }

    /// Whether there is a rule `name`, and it is enabled.
    pub fn is_enabled(&self, name: &str) -> bool {
        self.entries.iter().any(|entry| entry.enabled && entry.name() == name)
    }

    /// How often a symptom of the rule `name` has to be seen.
    pub fn persistence(&self, name: &str) -> Option<Persistence> {
        self.entries.iter().find(|entry| entry.name() == name).map(|entry| entry.persistence)
    }

    /// Names of rules whose findings follow from a finding of the rule `name`.
    pub fn explains(&self, name: &str) -> Option<&[&str]> {
        self.entries.iter().find(|entry| entry.name() == name).map(|entry| entry.rule.explains())
    }

    /// What the rule `name` looks for, in one sentence.
    pub fn about(&self, name: &str) -> Option<&str> {
        self.entries.iter().find(|entry| entry.name() == name).map(|entry| entry.rule.about())
    }
}

impl fmt::Debug for RuleSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}
