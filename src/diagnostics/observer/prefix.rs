//! Where the network lies in its store.

use std::collections::BTreeSet;

/// What stands before the names of `layers` in the paths of their parameters: empty for a network in the root, `net.` for
/// one in the sub-path `net`. `None` where no beginning fits all layers, and where several do, as with two networks of one
/// architecture in a store.
pub(super) fn prefix<'a>(layers: &[&str], paths: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let paths: BTreeSet<&str> = paths.into_iter().map(|path| split(path).0).collect();
    let fits = |prefix: &str| layers.iter().all(|layer| paths.contains(format!("{prefix}{layer}").as_str()));
    let first = layers.first()?;
    if fits("") {
        return Some(String::new());
    }
    let mut prefixes = paths.iter().filter_map(|path| path.strip_suffix(first));
    let mut prefixes = prefixes.by_ref().filter(|prefix| prefix.ends_with(['.', '/']) && fits(prefix));
    match (prefixes.next(), prefixes.next()) {
        (Some(prefix), None) => Some(prefix.to_owned()),
        _ => None,
    }
}

/// Layer and last part of a path.
pub(super) fn split(path: &str) -> (&str, &str) {
    path.rsplit_once(['.', '/']).unwrap_or((path, path))
}

#[cfg(test)]
mod tests {
    use super::prefix;

    #[test]
    fn the_whole_network_decides() {
        let resnet = ["bn1.weight", "layer1.0.bn1.weight", "layer1.0.bn1.bias", "fc.weight"];
        let layers = ["bn1", "layer1.0.bn1", "fc"];
        assert_eq!(prefix(&layers, resnet).as_deref(), Some(""));
        let below: Vec<String> = resnet.iter().map(|path| format!("net.{path}")).collect();
        let below = || below.iter().map(String::as_str);
        // `bn1` alone would also fit `net.layer1.0.`.
        assert_eq!(prefix(&layers, below()).as_deref(), Some("net."));
        assert_eq!(prefix(&layers, below().chain(["other.bn1.weight"])).as_deref(), Some("net."));
        assert_eq!(prefix(&["bn1"], below()), None, "it fits two");
        assert_eq!(prefix(&["bn1", "head"], resnet), None);
        assert_eq!(prefix(&["n1"], ["net.bn1.weight"]), None, "names are whole");
        assert_eq!(prefix(&[], resnet), None);
    }
}
