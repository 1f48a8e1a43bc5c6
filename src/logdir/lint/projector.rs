//! Configurations of the page Projector.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use super::{
    Rule,
    finding::{Findings, Place},
};

/// The name that TensorBoard looks for.
pub(super) const CONFIG: &str = "projector_config.pbtxt";
/// Largest configuration that is read: ten thousands of embeddings.
const MAX_CONFIG: u64 = 16 << 20;

/// Looks whether a configuration can be read, and whether the files that it names are there, below its own folder.
pub(super) fn check(findings: &mut Findings, config: &Path) {
    let place = Place::file(config);
    let text = match read(config) {
        Ok(Ok(text)) => text,
        Ok(Err(why)) => return findings.add(Rule::ProjectorConfig, place, || why),
        Err(error) => return findings.add(Rule::Unreadable, place, || error.to_string()),
    };
    let folder = config.parent().unwrap_or(Path::new("."));
    for named in text.lines().filter_map(asset) {
        let Some(why) = refused(folder, &named) else { continue };
        // Each file is a finding of its own.
        findings.add(Rule::ProjectorAsset, Place { tag: Some(&named), ..place }, || why);
    }
}

/// The text of a configuration, or what is wrong with it.
fn read(config: &Path) -> io::Result<Result<String, String>> {
    let mut bytes = Vec::new();
    File::open(config)?.take(MAX_CONFIG + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_CONFIG {
        return Ok(Err(format!("more than {MAX_CONFIG} bytes")));
    }
    Ok(String::from_utf8(bytes).map_err(|error| error.to_string()))
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
        (_, Ok(file)) if !file.is_file() => Some(format!("it names {named}, which is no file")),
        _ => None,
    }
}
