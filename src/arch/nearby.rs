//! What a misspelled name may have meant.

/// A longer name is like no other: comparing takes time that grows with the product of both lengths.
const LONGEST: usize = 64;
/// So many names are listed, then only their number.
const MOST_NAMES: usize = 30;
/// So many names with a beginning in common are all listed.
const LARGEST_FAMILY: usize = 12;

/// `; did you mean `conv2d`?` with those of `known` that begin like `found`, if they are few, or up to three that
/// look like it; else all of `known`.
pub(crate) fn did_you_mean<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let mut known: Vec<&str> = known.into_iter().collect();
    known.sort_unstable();
    known.dedup();
    let mut near: Vec<(usize, &str)> =
        known.iter().filter_map(|name| Some((distance(found, name)?, *name))).collect();
    near.sort_unstable();
    let asked = plain(found);
    let begins = |name: &&str| !asked.is_empty() && plain(name).starts_with(&asked);
    let mut family: Vec<&str> = known.iter().copied().filter(begins).collect();
    if (2..=LARGEST_FAMILY).contains(&family.len()) && near.first().is_some_and(|(distance, _)| *distance > 0)
    {
        family.sort_by_key(|name| by_number(name));
        return format!("; did you mean {}?", quoted(&family));
    }
    // What is exactly right but for its spelling leaves no doubt.
    let best = near.first().map_or(0, |(distance, _)| *distance);
    near.retain(|(distance, _)| *distance <= best * 2);
    near.truncate(3);
    if near.is_empty() {
        return format!("; known are {}", quoted(&known));
    }
    let near: Vec<&str> = near.into_iter().map(|(_, name)| name).collect();
    format!("; did you mean {}?", quoted(&near))
}

/// Sorts `resnet18` before `resnet101`.
fn by_number(name: &str) -> (&str, u64, &str) {
    let (stem, rest) = name.split_at(name.find(|c: char| c.is_ascii_digit()).unwrap_or(name.len()));
    let (number, rest) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len()));
    (stem, number.parse().unwrap_or(0), rest)
}

/// The first of the names in back ticks, and how many more there are.
pub(crate) fn quoted(names: &[&str]) -> String {
    let listed = names.iter().take(MOST_NAMES).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    match names.len().checked_sub(MOST_NAMES) {
        None | Some(0) => listed,
        Some(more) => format!("{listed} and {more} more"),
    }
}

/// How far a name is from what was found, if it is near at all. Case, `_` and `-` do not count.
pub(crate) fn distance(found: &str, name: &str) -> Option<usize> {
    if found.len() > LONGEST {
        return None;
    }
    let (found, name) = (plain(found), plain(name));
    if !found.is_empty() && (name.starts_with(&found) || found.starts_with(&name)) {
        return Some(usize::from(name != found));
    }
    let edits = edits(&found, &name);
    (edits <= name.len().div_ceil(3).min(name.len() / 2)).then_some(edits + 1)
}

/// A name without what does not count in it.
pub(super) fn plain(name: &str) -> Vec<char> {
    name.chars().filter(|c| !matches!(c, '_' | '-')).flat_map(char::to_lowercase).collect()
}

/// Levenshtein's distance.
fn edits(a: &[char], b: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substitute = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substitute.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edit_distance_of_known_pairs() {
        for (a, b, expected) in
            [("", "", 0), ("kitten", "sitting", 3), ("flaw", "lawn", 2), ("abc", "", 3), ("", "ab", 2)]
        {
            let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
            assert_eq!(edits(&a, &b), expected, "{a:?} {b:?}");
        }
    }

    #[test]
    fn many_and_long_names_stay_a_short_message() {
        let names: Vec<String> = (0..40).map(|number| format!("layer{number}")).collect();
        let message = did_you_mean("zebra", names.iter().map(String::as_str));
        assert!(message.ends_with(" and 10 more"), "{message}");
        // Half a megabyte each: their distance alone would take minutes.
        let (found, known) = ("a".repeat(500_000), "b".repeat(500_000));
        assert!(did_you_mean(&found, [known.as_str()]).starts_with("; known are `bbb"));
    }

    #[test]
    fn a_family_is_listed_as_a_whole() {
        let known = ["resnet101", "resnet18", "resnet34", "resnet50", "resnet50_v1", "vgg11"];
        assert_eq!(
            did_you_mean("ResNet", known),
            "; did you mean `resnet18`, `resnet34`, `resnet50`, `resnet50_v1`, `resnet101`?"
        );
        assert_eq!(did_you_mean("resnet_50", known), "; did you mean `resnet50`?");
    }

    #[test]
    fn spelling_of_other_libraries_is_recognised() {
        let known = ["conv2d", "batch_norm2d", "max_pool2d", "avg_pool2d", "relu"];
        for (found, meant) in [
            ("Conv2D", "conv2d"),
            ("BatchNorm2d", "batch_norm2d"),
            ("maxpool2d", "max_pool2d"),
            ("conv", "conv2d"),
        ] {
            assert_eq!(did_you_mean(found, known), format!("; did you mean `{meant}`?"), "{found}");
        }
        assert!(did_you_mean("zebra", known).starts_with("; known are `avg_pool2d`, `batch_norm2d`"));
    }
}
