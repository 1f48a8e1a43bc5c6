//! The folder that the pictures go to.

use std::{fs, io, path::Path};

use anyhow::{Context as _, bail};
use serde_json::Value as Json;

/// The file with the raw values.
pub const VALUES: &str = "explain.json";

/// Refuses a folder that holds anything, so that old and new pictures are not mixed; with `overwrite` the pictures of an
/// earlier explanation are removed, and nothing else.
pub fn prepare(folder: &Path, overwrite: bool) -> anyhow::Result<()> {
    match fs::read_dir(folder).map(|mut entries| entries.next().is_none()) {
        Ok(true) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))
        }
        Ok(false) if overwrite => remove_earlier(folder),
        Ok(false) => bail!(
            "{}: the folder is not empty: choose another `--out`, or give `--overwrite` to replace an earlier explanation",
            folder.display()
        ),
        Err(error) => Err(error).with_context(|| format!("cannot look into {}", folder.display())),
    }
}

/// Removes what an earlier explanation says it wrote, its list first.
fn remove_earlier(folder: &Path) -> anyhow::Result<()> {
    let list = folder.join(VALUES);
    let known = || -> Option<Json> { serde_json::from_slice(&fs::read(&list).ok()?).ok() };
    let Some(earlier) = known() else {
        bail!(
            "{}: it holds no {VALUES} of an earlier explanation, so nothing in it is overwritten: choose another `--out`",
            folder.display()
        );
    };
    fs::remove_file(&list).with_context(|| format!("cannot remove {}", list.display()))?;
    let listed = ["pictures", "raw"].iter().filter_map(|list| earlier[list].as_array()).flatten();
    for file in listed.filter_map(|one| one["file"].as_str()) {
        // The list may be anybody's: only pictures and numbers below the folder are touched.
        let is_ours = (file.ends_with(".png") || file.ends_with(".f32"))
            && !file.split('/').any(|part| matches!(part, "" | "." | ".."));
        if is_ours {
            fs::remove_file(folder.join(file)).ok(); // it may be gone
        }
    }
    Ok(())
}
