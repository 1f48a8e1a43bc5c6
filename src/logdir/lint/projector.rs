//! Configurations of the page Projector.

use std::{fs, path::Path};

use super::{
    Rule,
    finding::{Findings, Place},
};

/// The name that TensorBoard looks for.
pub(super) const CONFIG: &str = "projector_config.pbtxt";

/// Looks whether the files that a configuration names are there, and below its own folder.
pub(super) fn check(findings: &mut Findings, config: &Path) {
    let place = Place::file(config);
    let text = match fs::read_to_string(config) {
        Ok(text) => text,
        Err(error) => return findings.add(Rule::Unreadable, place, || error.to_string()),
    };
    let folder = config.parent().unwrap_or(Path::new("."));
    for named in text.lines().filter_map(asset) {
        let Some(why) = refused(folder, &named) else { continue };
        // Each file is a finding of its own.
        findings.add(Rule::ProjectorAsset, Place { tag: Some(&named), ..place }, || why);
    }
}

/// The file that a line such as `tensor_path: "a.tsv"` names.
fn asset(line: &str) -> Option<String> {
    let (key, value) = line.trim().split_once(':')?;
    let value = value.trim().strip_prefix('"')?.strip_suffix('"')?;
    key.ends_with("_path").then(|| value.replace("\\\"", "\"").replace("\\\\", "\\"))
}

fn refused(folder: &Path, named: &str) -> Option<String> {
    match (folder.canonicalize(), folder.join(named).canonicalize()) {
        (_, Err(error)) => Some(format!("it names {named}: {error}")),
        (Ok(folder), Ok(file)) if !file.starts_with(&folder) => {
            Some(format!("it names {named}, which is not below its folder"))
        }
        _ => None,
    }
}
