//! What stands between a file of weights and the variables that it is for.

use std::{collections::BTreeMap, fmt::Write as _, path::Path};

use tch::Tensor;

use super::{dtype, header::Entry};
use crate::{
    arch::nearby,
    error::{Error, Result},
    params::Filter,
};

/// So many tensors are listed of each kind of difference, then only their number. ResNet-152 has 777 without BatchNorm's
/// counters.
const MOST_LISTED: usize = 1000;
/// For so many missing tensors at most, names like theirs are looked for: more are no slips of the pen.
const MOST_COMPARED: usize = 50;
/// PyTorch counts the batches that BatchNorm saw, but uses the count only for a momentum of `None`.
const IGNORED: &str = "num_batches_tracked";

/// All differences, each in words.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Differences {
    /// That all names of one side begin with something that those of the other lack.
    prefix: Option<String>,
    missing: Vec<String>,
    unexpected: Vec<String>,
    shapes: Vec<String>,
    kinds: Vec<String>,
}

impl Differences {
    pub(super) fn between(
        variables: &[&(String, Tensor)],
        entries: &BTreeMap<String, Entry>,
        filter: &Filter,
    ) -> Differences {
        let counts_batches = |name: &str| name.rsplit('.').next() == Some(IGNORED);
        let mut wanted: Vec<(&str, &Tensor)> =
            variables.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
        let mut found: BTreeMap<&str, &Entry> = entries
            .iter()
            .filter(|(name, _)| filter.matches(name) && !counts_batches(name))
            .map(|(name, entry)| (name.as_str(), entry))
            .collect();
        let mut differences = Differences::default();

        let [of_file, of_model] = prefixes(&wanted, &found);
        if !of_file.is_empty() {
            differences.prefix = Some(format!(
                "all names in the file begin with `{of_file}` and those of the model do not (`DataParallel` and \
                 `torch.compile` add such a prefix): export the state dict of the module inside"
            ));
        } else if !of_model.is_empty() {
            differences.prefix = Some(format!(
                "all names of the model begin with `{of_model}` and those in the file do not: add it when exporting"
            ));
        }
        found = found.into_iter().map(|(name, entry)| (&name[of_file.len()..], entry)).collect();
        wanted = wanted.into_iter().map(|(name, tensor)| (&name[of_model.len()..], tensor)).collect();

        let mut missing = Vec::new();
        for (name, variable) in wanted {
            match found.remove(name) {
                None => missing.push((name, variable.size())),
                Some(entry) => differences.compare(name, variable, entry),
            }
        }
        differences.missing = describe_missing(&missing, &found);
        differences.unexpected =
            found.into_iter().map(|(name, entry)| described(name, &entry.size)).collect();
        differences
    }

    fn compare(&mut self, name: &str, variable: &Tensor, entry: &Entry) {
        let size = variable.size();
        if size != entry.size {
            let found = &entry.size;
            self.shapes.push(format!("`{name}` {found:?} in the file and {size:?} in the model"));
        }
        if !entry.kind().is_some_and(|kind| dtype::converts(kind, variable.kind())) {
            let found = entry.dtype.escape_debug();
            self.kinds.push(format!("`{name}` {found} in the file and {:?} in the model", variable.kind()));
        }
    }

    /// # Errors
    /// If there are differences: all of them.
    pub(super) fn check(&self, model: &str, path: &Path) -> Result<()> {
        if *self == Differences::default() {
            return Ok(());
        }
        let mut why = format!("these weights do not fit {model}, and nothing was loaded");
        if let Some(prefix) = &self.prefix {
            write!(why, "; {prefix}").ok();
        }
        for (what, tensors) in [
            ("in the model and not in the file", &self.missing),
            ("in the file and not in the model", &self.unexpected),
            ("of another shape", &self.shapes),
            ("of a kind that cannot be converted", &self.kinds),
        ] {
            if tensors.is_empty() {
                continue;
            }
            write!(
                why,
                "; {} {what}: {}",
                tensors.len(),
                tensors[..tensors.len().min(MOST_LISTED)].join(", ")
            )
            .ok();
            if let Some(more @ 1..) = tensors.len().checked_sub(MOST_LISTED) {
                write!(why, " and {more} more").ok();
            }
        }
        Err(Error::invalid(path.display().to_string(), why))
    }
}

/// What all names of the file and all names of the model begin with, if without it some of them are the same, and with it
/// none. At most one of the two is not empty.
fn prefixes<'a>(wanted: &[(&'a str, &Tensor)], found: &BTreeMap<&'a str, &Entry>) -> [&'a str; 2] {
    let model: BTreeMap<&str, ()> = wanted.iter().map(|(name, _)| (*name, ())).collect();
    if model.keys().any(|name| found.contains_key(name)) {
        return ["", ""];
    }
    let of_file = shared_prefixes(found)
        .find(|prefix| found.keys().any(|name| model.contains_key(&name[prefix.len()..])));
    let of_model = shared_prefixes(&model)
        .find(|prefix| model.keys().any(|name| found.contains_key(&name[prefix.len()..])));
    match (of_file, of_model) {
        (Some(of_file), _) => [of_file, ""],
        (None, of_model) => ["", of_model.unwrap_or_default()],
    }
}

/// What all names begin with, up to each of their common dots.
fn shared_prefixes<'a, T>(names: &BTreeMap<&'a str, T>) -> impl Iterator<Item = &'a str> {
    // Between the first and the last in order, all others lie.
    let ends = names.first_key_value().zip(names.last_key_value());
    let (first, last) = ends.map_or(("", ""), |((first, _), (last, _))| (*first, *last));
    let shared = first.bytes().zip(last.bytes()).take_while(|(a, b)| a == b).count();
    first
        .match_indices('.')
        .map(|(at, _)| at + 1)
        .take_while(move |&end| end <= shared)
        .map(|end| &first[..end])
}

/// Missing tensors, with the name in the file that may be theirs: the only one of the same shape that looks alike.
fn describe_missing(missing: &[(&str, Vec<i64>)], unexpected: &BTreeMap<&str, &Entry>) -> Vec<String> {
    let looks_alike = |name: &str, size: &[i64]| {
        let mut alike = unexpected
            .iter()
            .filter(|(other, entry)| entry.size == size && nearby::distance(name, other).is_some())
            .map(|(other, _)| *other);
        alike.next().filter(|_| alike.next().is_none())
    };
    let describe = |(name, size): &(&str, Vec<i64>)| {
        let alike = (missing.len() <= MOST_COMPARED).then(|| looks_alike(name, size)).flatten();
        let hint =
            alike.map_or_else(String::new, |alike| format!(" (the file has `{}`)", alike.escape_debug()));
        described(name, size) + &hint
    };
    missing.iter().map(describe).collect()
}

/// Names from files may hold anything.
fn described(name: &str, size: &[i64]) -> String {
    format!("`{}` {size:?}", name.escape_debug())
}
