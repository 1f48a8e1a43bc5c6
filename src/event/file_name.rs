//! Names of event files and of the folders that hold them.

use std::{
    ffi::{OsStr, OsString},
    process,
    sync::atomic::{AtomicU64, Ordering},
};

use crate::error::{Error, Result};

/// What makes a file an event file, anywhere in its name.
const INFIX: &str = "tfevents";
/// What every writer's file names begin with, before the infix.
const BEGINNING: &str = "events.out.";
/// Longest host name that is kept.
const MAX_HOST: usize = 64;

/// Whether TensorBoard takes a file of this name for an event file.
pub(crate) fn is_event_file(name: &OsStr) -> bool {
    name.to_string_lossy().contains(INFIX)
}

/// An event file's name, changed so that TensorBoard does not take it for one.
pub(super) fn without_infix(name: &str) -> String {
    name.replace(INFIX, "tf-events")
}

/// A new name `events.out.tfevents.{secs}.{host}.{pid}.{uid}{suffix}` that sorts after the event files `existing`, as
/// TensorBoard reads the files of a run in the order of their names.
pub(super) fn next_file_name(now_secs: u64, existing: &[OsString], suffix: &str) -> String {
    static UID: AtomicU64 = AtomicU64::new(0);
    let uid = UID.fetch_add(1, Ordering::Relaxed);
    let name = |secs: u64| {
        format!("{BEGINNING}{INFIX}.{secs:010}.{}.{}.{uid}{suffix}", sanitized_host(), process::id())
    };
    let Some(last) =
        existing.iter().filter(|name| is_event_file(name)).map(|name| name.to_string_lossy()).max()
    else {
        return name(now_secs);
    };
    let candidate = name(now_secs);
    if *candidate > *last {
        return candidate;
    }
    // A restart within a second, or a clock that was set back: one second after the last file.
    let last_secs = seconds(&last);
    let candidate = name(last_secs.unwrap_or(now_secs).saturating_add(1));
    if *candidate <= *last {
        tracing::warn!(
            "event file {candidate} sorts before {last} of the same folder; TensorBoard may show their values in \
             the wrong order. Use an own folder for each run"
        );
    }
    candidate
}

/// The time in the name of an event file.
fn seconds(name: &str) -> Option<u64> {
    name.strip_prefix(BEGINNING)?.strip_prefix(INFIX)?.strip_prefix('.')?.split('.').next()?.parse().ok()
}

/// This machine's name, with what could hurt in a file name replaced.
pub(crate) fn sanitized_host() -> String {
    sanitize(&gethostname::gethostname().to_string_lossy())
}

fn sanitize(host: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '-' };
    let host: String = host.chars().map(plain).take(MAX_HOST).collect();
    if host.is_empty() || host.contains(INFIX) { "localhost".to_owned() } else { host }
}

/// Refuses names of run folders that TensorBoard cannot read or that lead out of the folder above.
///
/// A good name is a folder or several with `/` between, such as `train` or `fold_1/train`. Every function that takes the
/// name of a run or sub-run checks it so; this is for programs that want to check what they were given beforehand.
///
/// ```
/// use convscope::event::check_run_name;
///
/// assert!(check_run_name("fold_1/train").is_ok());
/// assert!(check_run_name("../train").is_err());
/// ```
///
/// # Errors
/// An absolute path, an empty, `.` or `..` folder, `tfevents` in the name, or a character that not every operating
/// system takes.
pub fn check_run_name(name: &str) -> Result<()> {
    let refuse = |why: &str| Err(Error::invalid("run name", format!("`{name}` {why}")));
    if name.contains(INFIX) {
        return refuse(&format!(
            "contains `{INFIX}`; TensorBoard would take the folder for an event file. Use another name"
        ));
    }
    if name.starts_with('/') || name.contains('\\') || name.contains('\0') || name.contains(':') {
        return refuse("is no relative path with `/` between its folders, such as `train` or `fold_1/train`");
    }
    if name.split('/').any(|folder| matches!(folder, "" | "." | "..")) {
        return refuse(
            "has an empty, `.` or `..` folder in it; use plain names, such as `train` or `fold_1/train`",
        );
    }
    Ok(())
}

/// Refuses suffixes that are no part of a file name, or that hide the file from TensorBoard.
pub(crate) fn check_suffix(suffix: &str) -> Result<()> {
    let refuse = |why: &str| Err(Error::invalid("file name suffix", format!("`{suffix}` {why}")));
    if suffix.contains(['/', '\\', '\0', ':']) {
        return refuse("contains a character that a file name cannot have");
    }
    if suffix.ends_with(".profile-empty") {
        return refuse("ends in `.profile-empty`; TensorBoard ignores such files");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn os(names: &[&str]) -> Vec<OsString> {
        names.iter().map(OsString::from).collect()
    }

    #[test]
    fn ten_digits_host_pid_uid_suffix() {
        let name = next_file_name(1_500, &[], ".mine");
        let parts: Vec<&str> = name.split('.').collect();
        assert_eq!(parts[..4], ["events", "out", "tfevents", "0000001500"]);
        assert_eq!(parts[5], process::id().to_string());
        assert_eq!(parts[7], "mine");
        assert_ne!(name, next_file_name(1_500, &[], ".mine"), "the counter makes names unique");
    }

    #[test]
    fn sorts_after_what_is_there() {
        // A process with a smaller number or a clock in the future must not win.
        for last in ["events.out.tfevents.0000001500.zzz.9.0", "events.out.tfevents.0000009999.a.1.0"] {
            let existing = os(&["zzz.txt", "events.out.tfevents.0000000001.a.1.0", last]);
            let name = next_file_name(1_500, &existing, "");
            assert!(*name > *last, "{name} sorts before {last}");
        }
    }

    #[test]
    fn other_files_do_not_matter() {
        let name = next_file_name(1_500, &os(&["zzz", "model.toml"]), "");
        assert!(name.starts_with("events.out.tfevents.0000001500."), "{name}");
    }

    #[test]
    fn hosts_are_made_harmless() {
        assert_eq!(sanitize("node-1.cluster/ä"), "node-1-cluster--");
        assert_eq!(sanitize(""), "localhost");
        assert_eq!(sanitize("tfevents"), "localhost");
        assert_eq!(sanitize(&"a".repeat(300)).len(), MAX_HOST);
    }

    #[test]
    fn run_names() {
        for good in ["train", "fold_1/train", "2026-11-23_14-05-09_host", "a b"] {
            check_run_name(good).unwrap();
        }
        for bad in ["", ".", "..", "a/../b", "/a", "a//b", "a/", "my.tfevents.run", "a\\b", "a\0", "C:"] {
            assert!(check_run_name(bad).is_err(), "`{bad}` was taken");
        }
    }

    #[test]
    fn suffixes() {
        check_suffix("").unwrap();
        check_suffix(".v2").unwrap();
        for bad in ["/x", "a\\b", ".profile-empty"] {
            assert!(check_suffix(bad).is_err(), "`{bad}` was taken");
        }
    }
}
