//! Configurations of the page Projector.

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader, Read as _},
    path::Path,
};

use super::{
    Rule,
    finding::{Findings, Place},
    values::png_size,
};

/// The name that TensorBoard looks for.
pub(super) const CONFIG: &str = "projector_config.pbtxt";
/// Largest configuration that is read: ten thousands of embeddings.
const MAX_CONFIG: u64 = 16 << 20;
/// Folder of the page in that of a run.
const PLUGIN_FOLDER: &str = "plugins/org_tensorflow_tensorboard_projector";
/// Largest width and height of a picture of sprites.
const MAX_SPRITE: u64 = 8192;
/// Bytes of a PNG file up to its width and height.
const PNG_HEADER: u64 = 24;
/// Most zeros of the files of a configuration that are looked at.
const MAX_ZEROS: u64 = 64 << 20;

/// Looks whether a configuration can be read, and whether the files that it names are there, below its own folder.
pub(super) fn check(findings: &mut Findings, config: &Path) {
    let place = Place::file(config);
    let text = match read(config) {
        Ok(Ok(text)) => text,
        Ok(Err(why)) => return findings.add(Rule::ProjectorConfig, place, || why),
        Err(error) => return findings.add(Rule::Unreadable, place, || error.to_string()),
    };
    let folder = config.parent().unwrap_or(Path::new("."));
    let mut zeros = MAX_ZEROS;
    for (key, named) in text.lines().filter_map(asset) {
        // Each file is a finding of its own.
        let place = Place { tag: Some(&named), ..place };
        if let Some(why) = refused(folder, &named) {
            findings.add(Rule::ProjectorAsset, place, || why);
            continue;
        }
        match key {
            "tensor_path" if is_zero(&folder.join(&named), &mut zeros) => {
                findings.add(Rule::ProjectorZeros, place, || "all its bytes are zero".to_owned());
            }
            "image_path" => sprite(findings, place, &folder.join(&named)),
            _ => {}
        }
    }
}

/// Whether TensorBoard finds a configuration: in the folder of a run, or in the folder that the page has in it.
pub(super) fn is_found(config: &Path, is_run: impl Fn(&Path) -> bool) -> bool {
    let folder = config.parent().unwrap_or(Path::new(""));
    let is_plugin = folder.ends_with(PLUGIN_FOLDER);
    let run = if is_plugin { folder.ancestors().nth(2).unwrap_or(folder) } else { folder };
    is_run(run)
}

/// Whether a file has nothing but zeros, as far as there are bytes left to look at.
fn is_zero(file: &Path, left: &mut u64) -> bool {
    let Ok(file) = File::open(file) else { return false };
    let mut file = BufReader::new(file).take(*left);
    let mut read = 0;
    loop {
        let bytes = match file.fill_buf() {
            Ok(bytes) if bytes.iter().all(|&byte| byte == 0) => bytes.len(),
            _ => return false,
        };
        if bytes == 0 {
            return read > 0;
        }
        file.consume(bytes);
        read += bytes;
        *left = left.saturating_sub(bytes as u64);
    }
}

fn sprite(findings: &mut Findings, place: Place<'_>, file: &Path) {
    let mut header = Vec::new();
    let read = File::open(file).and_then(|file| file.take(PNG_HEADER).read_to_end(&mut header));
    let size = png_size(&header).filter(|_| read.is_ok());
    if let Some((width, height)) = size.filter(|&(width, height)| width.max(height) > MAX_SPRITE) {
        findings.add(Rule::ProjectorSprite, place, || {
            format!("{width} x {height}, {MAX_SPRITE} x {MAX_SPRITE} at most expected")
        });
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

/// Field and file of a line such as `tensor_path: "a.tsv"`.
fn asset(line: &str) -> Option<(&str, String)> {
    let (key, value) = line.trim().split_once(':')?;
    let value = value.trim().strip_prefix('"')?.strip_suffix('"')?;
    key.ends_with("_path").then(|| (key, value.replace("\\\"", "\"").replace("\\\\", "\\")))
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
