//! Runs the Python programs of the tests, under a time limit and with all their children ended afterwards.

use std::{
    env,
    ffi::OsStr,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// The environment variable that names the interpreter, for an environment other than `.venv` at the root. It must have
/// what `xtask/requirements.txt` and `tests/conformance/requirements.txt` list.
pub const PYTHON: &str = "CONVSCOPE_TEST_PYTHON";

/// How long a program may clean up after it was told to stop.
const GRACE: Duration = Duration::from_secs(20);

const STDOUT: &str = "stdout";
const STDERR: &str = "stderr";

/// What a program left.
pub struct Finished {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

/// The repository's root.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn interpreter() -> PathBuf {
    if let Some(python) = env::var_os(PYTHON) {
        return python.into();
    }
    let inside = if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" };
    let python = root().join(".venv").join(inside);
    assert!(
        python.exists(),
        "{} is missing: run `cargo xtask test`, which makes it (or set {PYTHON} to an interpreter that has the \
         packages of xtask/requirements.txt and tests/conformance/requirements.txt)",
        python.display()
    );
    python
}

/// Runs `script`, given relative to the root, to its end. Panics where it takes longer than `limit`.
pub fn run<A: AsRef<OsStr>>(
    script: &str,
    arguments: impl IntoIterator<Item = A>,
    limit: Duration,
) -> Finished {
    start(script, arguments).finish(limit)
}

/// A program that runs beside the test. Its stdin is empty but open, until it is to [`finish`](Running::finish) or is
/// dropped.
pub struct Running {
    script: String,
    group: Group,
    /// Holds what it writes.
    folder: TempDir,
}

/// Starts `script`, given relative to the root.
pub fn start<A: AsRef<OsStr>>(script: &str, arguments: impl IntoIterator<Item = A>) -> Running {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(interpreter());
    command
        .arg("-B") // no compiled files beside the sources
        .arg(root().join(script))
        .args(arguments)
        .env_remove("PYTHONPATH")
        // What the programs talk to is on this machine.
        .env("no_proxy", "localhost,127.0.0.1,::1")
        .env("NO_PROXY", "localhost,127.0.0.1,::1")
        .stdin(Stdio::piped())
        .stdout(File::create(folder.path().join(STDOUT)).unwrap())
        .stderr(File::create(folder.path().join(STDERR)).unwrap());
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    Running { script: script.to_owned(), group: Group(command.spawn().unwrap()), folder }
}

impl Running {
    /// The first line of what it writes to stdout. Panics where it ends without one, or takes longer than `limit`.
    #[allow(dead_code, reason = "not every test talks to a running program")]
    pub fn first_line(&mut self, limit: Duration) -> String {
        let deadline = Instant::now() + limit;
        loop {
            if let Some((line, _)) = self.written(STDOUT).split_once('\n') {
                return line.to_owned();
            }
            let ended = self.group.poll(Duration::from_millis(50)).is_some();
            assert!(
                !ended && Instant::now() < deadline,
                "{} has nothing to say:\n{}",
                self.script,
                self.written(STDERR)
            );
        }
    }

    /// Closes its stdin and waits for its end. Panics where it takes longer than `limit`.
    pub fn finish(mut self, limit: Duration) -> Finished {
        drop(self.group.0.stdin.take());
        let status = self.group.wait(limit);
        self.group.end();
        let (stdout, stderr) = (self.written(STDOUT), self.written(STDERR));
        let Some(status) = status else {
            panic!(
                "{} was not done after {} s; it had said:\n{stdout}\n{stderr}",
                self.script,
                limit.as_secs()
            );
        };
        Finished { status, stdout, stderr }
    }

    fn written(&self, stream: &str) -> String {
        String::from_utf8_lossy(&fs::read(self.folder.path().join(stream)).unwrap()).into_owned()
    }
}

/// A child with all of its own children: dropping it ends those that are left.
struct Group(Child);

impl Group {
    /// Waits for the child; past the limit, stops it and returns `None`.
    fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        let status = self.poll(limit);
        if status.is_none() {
            self.signal("TERM");
            self.poll(GRACE);
        }
        status
    }

    fn poll(&mut self, limit: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return Some(status);
            }
            if Instant::now() > deadline {
                return None;
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn end(&mut self) {
        self.signal("KILL");
        self.0.kill().ok();
        self.0.wait().ok();
    }

    fn signal(&self, name: &str) {
        if cfg!(unix) {
            let group = format!("-{}", self.0.id());
            // Fails where the group is empty already.
            Command::new("kill").args(["-s", name, "--", &group]).stderr(Stdio::null()).status().ok();
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.end();
    }
}
