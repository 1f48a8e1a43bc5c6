//! Folders that are there whole or not at all: made aside under a name of their own, checked, then renamed into place.
//! Two processes may do so at once; the second finds the work done and drops its own.

use crate::Result;
use std::{
    fs, io,
    path::{Path, PathBuf},
    process,
    time::{Duration, SystemTime},
};

/// A process that has written nothing for so long has been interrupted.
const SURELY_ABANDONED: Duration = Duration::from_secs(3600);

/// Where the work is done already, a mistake costs a process that stalls no more than a second start.
const PROBABLY_ABANDONED: Duration = Duration::from_secs(120);

/// A folder in the making. It is removed when dropped.
#[derive(Debug)]
pub struct Part {
    path: PathBuf,
}

impl Part {
    /// An empty folder beside `target`, on the same disk, so that a rename is one atomic step. Also clears away what
    /// interrupted processes left there.
    pub fn beside(target: &Path) -> Result<Part> {
        let folder = target.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(|error| cannot("make", folder, &error))?;
        remove_abandoned(target, SURELY_ABANDONED);
        for attempt in 0.. {
            let path = part_path(target, attempt);
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Part { path }),
                // Another machine's process of the same id, in a shared home.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && attempt < 100 => {}
                Err(error) => return Err(cannot("make", &path, &error)),
            }
        }
        unreachable!("the loop ends by returning")
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Moves `made`, which lies in this folder, to `target`, unless a process has put a `whole` one there meanwhile.
    pub fn publish(self, made: &Path, target: &Path, whole: impl Fn(&Path) -> bool) -> Result {
        self.put(made, target, whole)?;
        remove_abandoned(target, PROBABLY_ABANDONED);
        Ok(())
    }

    fn put(&self, made: &Path, target: &Path, whole: impl Fn(&Path) -> bool) -> Result {
        for _ in 0..10 {
            match fs::rename(made, target) {
                Ok(()) => return Ok(()),
                Err(_) if whole(target) => return Ok(()),
                Err(error) if fs::symlink_metadata(target).is_err() => {
                    return Err(cannot("make", target, &error));
                }
                Err(_) => {
                    // Something stale is in the way: it goes with this folder.
                    let old = self.path.join("old");
                    fs::rename(target, &old).map_err(|error| cannot("replace", target, &error))?;
                    let _ = fs::remove_dir_all(&old);
                }
            }
        }
        Err(format!("{} is being replaced by other processes again and again; try again", target.display()))
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Makes `link` point to `target`, in one step, also where it pointed elsewhere before.
#[cfg(unix)]
pub fn link(target: &Path, link: &Path) -> Result {
    let part = Part::beside(link)?;
    let fresh = part.path().join("link");
    std::os::unix::fs::symlink(target, &fresh).map_err(|error| cannot("make", &fresh, &error))?;
    fs::rename(&fresh, link).map_err(|error| cannot("make", link, &error))
}

fn part_path(target: &Path, attempt: usize) -> PathBuf {
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(format!(".part-{}", process::id()));
    if attempt > 0 {
        name.push(format!("-{attempt}"));
    }
    target.with_file_name(name)
}

/// Removes the unfinished folders of `target` in which nothing has been written for `age`.
fn remove_abandoned(target: &Path, age: Duration) {
    let prefix = format!("{}.part-", target.file_name().unwrap_or_default().to_string_lossy());
    let Some(Ok(siblings)) = target.parent().map(fs::read_dir) else { return };
    for sibling in siblings.flatten() {
        if sibling.file_name().to_string_lossy().starts_with(&prefix)
            && newest(&sibling.path())
                .is_some_and(|time| SystemTime::now().duration_since(time).is_ok_and(|idle| idle > age))
        {
            let _ = fs::remove_dir_all(sibling.path());
        }
    }
}

/// When something was last written in `folder`.
fn newest(folder: &Path) -> Option<SystemTime> {
    let own = fs::symlink_metadata(folder).ok()?.modified().ok()?;
    let inside = fs::read_dir(folder).ok().into_iter().flatten().flatten();
    let times = inside.filter_map(|entry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => newest(&entry.path()),
        _ => entry.metadata().ok()?.modified().ok(),
    });
    times.chain([own]).max()
}

fn cannot(verb: &str, path: &Path, error: &io::Error) -> String {
    let hint = match error.kind() {
        io::ErrorKind::StorageFull => " (libtorch needs about 1.2 GB while it is unpacked)",
        _ => "",
    };
    format!("cannot {verb} {}: {error}{hint}", path.display())
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// An empty folder for a test, removed afterwards.
    pub struct Scratch(pub PathBuf);

    impl Scratch {
        pub fn new() -> Scratch {
            static COUNT: AtomicUsize = AtomicUsize::new(0);
            let number = COUNT.fetch_add(1, Ordering::Relaxed);
            let path = std::env::temp_dir().join(format!("convscope-xtask-{}-{number}", process::id()));
            fs::create_dir_all(&path).unwrap();
            Scratch(path)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn make(part: &Part, content: &str) -> PathBuf {
        let made = part.path().join("made");
        fs::create_dir(&made).unwrap();
        fs::write(made.join("content"), content).unwrap();
        made
    }

    fn content(target: &Path) -> String {
        fs::read_to_string(target.join("content")).unwrap()
    }

    #[test]
    fn a_part_that_is_not_published_leaves_nothing() {
        let scratch = Scratch::new();
        let part = Part::beside(&scratch.0.join("target")).unwrap();
        make(&part, "half");
        drop(part);
        assert_eq!(names(&scratch.0), Vec::<String>::new());
    }

    #[test]
    fn publishing_leaves_the_target_alone() {
        let scratch = Scratch::new();
        let target = scratch.0.join("deep/target");
        let part = Part::beside(&target).unwrap();
        let made = make(&part, "new");
        part.publish(&made, &target, |_| false).unwrap();
        assert_eq!(names(&scratch.0.join("deep")), ["target"]);
        assert_eq!(content(&target), "new");
    }

    #[test]
    fn the_second_of_two_drops_its_own() {
        let scratch = Scratch::new();
        let target = scratch.0.join("target");
        let (first, second) = (Part::beside(&target).unwrap(), Part::beside(&target).unwrap());
        assert_ne!(first.path(), second.path());
        let (one, two) = (make(&first, "one"), make(&second, "two"));
        first.publish(&one, &target, |_| true).unwrap();
        second.publish(&two, &target, |_| true).unwrap();
        assert_eq!(content(&target), "one");
        assert_eq!(names(&scratch.0), ["target"]);
    }

    #[test]
    fn what_is_not_whole_is_replaced() {
        let scratch = Scratch::new();
        let target = scratch.0.join("target");
        fs::create_dir(&target).unwrap();
        fs::write(target.join("content"), "half").unwrap();
        let part = Part::beside(&target).unwrap();
        let made = make(&part, "whole");
        part.publish(&made, &target, |path| content(path) == "whole").unwrap();
        assert_eq!(content(&target), "whole");
        assert_eq!(names(&scratch.0), ["target"]);
    }

    #[test]
    fn abandoned_parts_are_removed_and_busy_ones_are_kept() {
        let scratch = Scratch::new();
        let target = scratch.0.join("target");
        let other = scratch.0.join("target.part-0");
        fs::create_dir(&other).unwrap();
        fs::write(other.join("wheel"), "…").unwrap();
        remove_abandoned(&target, Duration::from_secs(3600));
        assert!(other.exists(), "another process works in it");
        std::thread::sleep(Duration::from_millis(20));
        remove_abandoned(&target, Duration::ZERO);
        assert!(!other.exists());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_replaced() {
        let scratch = Scratch::new();
        let name = scratch.0.join("name");
        link(Path::new("nowhere"), &name).unwrap();
        link(Path::new("elsewhere"), &name).unwrap();
        assert_eq!(fs::read_link(&name).unwrap(), Path::new("elsewhere"));
        assert_eq!(names(&scratch.0), ["name"]);
    }
}
