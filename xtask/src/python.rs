//! The user's Python, its pip, and the virtual environment with TensorBoard.

use crate::{
    Result,
    advice::{self, Tool},
    install::Part,
};
use std::{
    ffi::OsString,
    fs,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// A virtual environment at the root.
#[derive(Clone, Copy, Debug)]
pub struct Environment {
    folder: &'static str,
    /// What goes into it, below the root. All but the first may be absent.
    requirements: &'static [&'static str],
    /// What it is for and how much is fetched, for who waits.
    about: &'static str,
}

/// Stock TensorBoard, and what the tests need.
pub const TENSORBOARD: Environment = Environment {
    folder: ".venv",
    requirements: &["xtask/requirements.txt", "tests/conformance/requirements.txt"],
    about: "TensorBoard (about 100 MB, once)",
};

/// captum and the whole of PyTorch. On Linux the index's wheel needs the libraries of CUDA to be imported at all.
pub const CAPTUM: Environment = Environment {
    folder: ".venv-captum",
    requirements: &["tests/conformance/captum/requirements.txt"],
    about: "captum and PyTorch (on Linux about 5 GB on the disk, once)",
};

/// Holds the requirements that an environment was made for. Written last.
const STAMP: &str = "made-for";

/// A Python 3 that runs.
#[derive(Clone, Debug)]
pub struct Python {
    program: PathBuf,
}

impl Python {
    /// The first Python 3 on PATH.
    pub fn find() -> Result<Python> {
        ["python3", "python"]
            .into_iter()
            .find_map(|name| own_path(name).map(|program| Python { program }))
            .ok_or_else(|| advice::missing(Tool::Python))
    }

    /// The interpreter.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// An error that says how to get pip if it is missing.
    pub fn require_pip(&self) -> Result {
        if advice::runs(&self.program, &["-m", "pip", "--version"]) {
            Ok(())
        } else {
            Err(advice::missing(Tool::Pip))
        }
    }

    /// Runs pip with its progress shown and its temporary files in `folder` (they are as large as the wheel).
    pub fn pip(&self, args: &[OsString], folder: &Path) -> Result {
        let failed = |error: std::io::Error| format!("cannot run pip: {error}");
        let mut child = Command::new(&self.program)
            .args(["-m", "pip"])
            .args(args)
            .envs(["TMPDIR", "TEMP", "TMP"].map(|name| (name, folder)))
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let complaints = child.stderr.take().map(echo).unwrap_or_default();
        if child.wait().map_err(failed)?.success() {
            Ok(())
        } else {
            let wanted = args.last().map(|last| last.to_string_lossy().into_owned()).unwrap_or_default();
            Err(explain(&wanted, &complaints))
        }
    }
}

/// The path that a Python 3 of this name gives for itself (the name may be that of a script which chooses among several).
fn own_path(name: &str) -> Option<PathBuf> {
    const SCRIPT: &str = "import sys; sys.version_info[0] == 3 and print(sys.executable)";
    let output = Command::new(name).args(["-c", SCRIPT]).stdin(Stdio::null()).output().ok()?;
    let path = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (output.status.success() && !path.is_empty()).then(|| path.into())
}

/// Shows what a child writes while it writes it, and returns it.
fn echo(stream: impl Read) -> String {
    let mut all = String::new();
    for line in BufReader::new(stream).split(b'\n').map_while(std::result::Result::ok) {
        let line = String::from_utf8_lossy(&line);
        eprintln!("{line}");
        all.push_str(&line);
        all.push('\n');
    }
    all
}

/// One sentence about why pip failed.
fn explain(wanted: &str, complaints: &str) -> String {
    const UNREACHABLE: [&str; 12] = [
        "Failed to establish a new connection",
        "Temporary failure in name resolution",
        "getaddrinfo failed",
        "Network is unreachable",
        "Connection refused",
        "ConnectTimeoutError",
        "Read timed out",
        "Cannot connect to proxy",
        "Connection reset by peer",
        "Connection broken",
        "Connection aborted",
        "SSLError",
    ];
    let has = |text: &str| complaints.contains(text);
    if has("No space left on device") || has("Errno 28") {
        return format!(
            "the disk is full: fetching {wanted} needs about 1.2 GB; make room and run this again"
        );
    }
    if UNREACHABLE.iter().copied().any(has) {
        return format!(
            "no network: pip could not reach the package index for {wanted}; connect (behind a proxy: set HTTPS_PROXY) \
             and run this again"
        );
    }
    if has("No matching distribution found") {
        return format!(
            "the package index that pip uses has no {wanted} for this platform; see its settings with: \
             python3 -m pip config list"
        );
    }
    let last = complaints.lines().rev().find_map(|line| line.strip_prefix("ERROR: "));
    format!("pip could not fetch {wanted}: {}", last.unwrap_or("its output is above"))
}

/// Sees to it that an environment holds the required packages, and returns its interpreter. Does nothing, and needs no
/// network, if it does.
pub fn ensure_venv(root: &Path, environment: &Environment) -> Result<PathBuf> {
    let venv = root.join(environment.folder);
    let wanted = requirements(root, environment)?;
    if is_made_for(&venv, &wanted) {
        return Ok(interpreter(&venv));
    }
    let python = Python::find()?;
    python.require_pip()?;
    println!("making {} with {}", venv.display(), environment.about);
    let part = Part::beside(&venv)?;
    let made = part.path().join("venv");
    create(&python, &made)?;
    fill(root, environment, &python, &made, part.path())?;
    move_scripts(&made, &venv)?;
    fs::write(made.join(STAMP), &wanted)
        .map_err(|error| format!("cannot write to {}: {error}", made.display()))?;
    part.publish(&made, &venv, |path| is_made_for(path, &wanted))?;
    Ok(interpreter(&venv))
}

/// The text of all requirement files.
fn requirements(root: &Path, environment: &Environment) -> Result<String> {
    let mut all = String::new();
    for (index, name) in environment.requirements.iter().enumerate() {
        match fs::read_to_string(root.join(name)) {
            Ok(text) => all.push_str(&text),
            Err(_) if index > 0 => {}
            Err(error) => return Err(format!("cannot read {name}: {error}")),
        }
    }
    Ok(all)
}

fn is_made_for(venv: &Path, wanted: &str) -> bool {
    // The interpreter is a link to the system's: an upgrade of that leaves the link dangling.
    interpreter(venv).exists() && fs::read_to_string(venv.join(STAMP)).is_ok_and(|stamp| stamp == wanted)
}

fn interpreter(venv: &Path) -> PathBuf {
    if cfg!(windows) { venv.join("Scripts").join("python.exe") } else { venv.join("bin/python") }
}

fn create(python: &Python, venv: &Path) -> Result {
    let make = |flags: &[&str]| {
        let status = Command::new(&python.program).args(["-m", "venv"]).args(flags).arg(venv).output();
        status.is_ok_and(|output| output.status.success())
    };
    // Without a pip of its own it needs no package beyond Python and pip on Debian, but a pip that can work on another
    // environment (since 22.3).
    if can_install_elsewhere(python) && make(&["--without-pip"]) {
        return Ok(());
    }
    if make(&[]) { Ok(()) } else { Err(advice::missing(Tool::Venv)) }
}

fn can_install_elsewhere(python: &Python) -> bool {
    advice::runs(&python.program, &["-m", "pip", "--python", &python.program.to_string_lossy(), "--version"])
}

fn fill(root: &Path, environment: &Environment, python: &Python, venv: &Path, folder: &Path) -> Result {
    let inside = interpreter(venv);
    let mut args: Vec<OsString> = Vec::new();
    let own = Python { program: inside.clone() };
    let runner = if own.require_pip().is_ok() {
        &own
    } else {
        args.extend(["--python".into(), inside.into()]);
        python
    };
    args.extend(["install", "--disable-pip-version-check", "--only-binary=:all:"].map(OsString::from));
    for name in environment.requirements.iter().filter(|name| root.join(name).exists()) {
        args.extend(["--requirement".into(), root.join(name).into()]);
    }
    runner.pip(&args, folder)
}

/// The programs of an environment name their interpreter by its path: names the place where it will be.
fn move_scripts(made: &Path, venv: &Path) -> Result {
    if cfg!(windows) {
        return Ok(()); // they are binaries there; `python -m` works
    }
    let (from, to) = (made.to_string_lossy(), venv.to_string_lossy());
    let failed = |path: &Path, error: std::io::Error| format!("cannot change {}: {error}", path.display());
    let bin = made.join("bin");
    for entry in fs::read_dir(&bin).map_err(|error| failed(&bin, error))?.flatten() {
        let path = entry.path();
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if let (true, Ok(text)) = (is_file, fs::read_to_string(&path)) {
            fs::write(&path, text.replace(&*from, &to)).map_err(|error| failed(&path, error))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::install::tests::Scratch;

    #[test]
    fn the_reason_of_a_failure_is_named() {
        for (complaints, expected) in [
            (
                "WARNING: Retrying (…) NewConnectionError: Failed to establish a new connection: [Errno -3] …\n\
                 ERROR: Could not find a version that satisfies the requirement torch==2.13.0 (from versions: none)\n\
                 ERROR: No matching distribution found for torch==2.13.0\n",
                "no network: ",
            ),
            (
                "ERROR: No matching distribution found for torch==2.13.0\n",
                "the package index that pip uses has no torch",
            ),
            (
                "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device\n",
                "the disk is full",
            ),
            (
                "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES\n",
                "pip could not fetch torch==2.13.0: THESE PACKAGES",
            ),
        ] {
            let message = explain("torch==2.13.0", complaints);
            assert!(message.starts_with(expected), "{message}");
            assert!(message.contains("torch==2.13.0"), "{message}");
        }
    }

    #[test]
    fn requirements_of_the_tests_are_read_if_there_are_any() {
        let scratch = Scratch::new();
        let [ours, theirs] = [0, 1].map(|place| scratch.0.join(TENSORBOARD.requirements[place]));
        assert!(requirements(&scratch.0, &TENSORBOARD).is_err());
        fs::create_dir_all(ours.parent().unwrap()).unwrap();
        fs::create_dir_all(theirs.parent().unwrap()).unwrap();
        fs::write(&ours, "a==1\n").unwrap();
        assert_eq!(requirements(&scratch.0, &TENSORBOARD).unwrap(), "a==1\n");
        fs::write(&theirs, "b==2\n").unwrap();
        assert_eq!(requirements(&scratch.0, &TENSORBOARD).unwrap(), "a==1\nb==2\n");
    }

    #[cfg(unix)]
    #[test]
    fn an_environment_is_whole_once_its_stamp_is_right() {
        let scratch = Scratch::new();
        let venv = scratch.0.join("venv");
        fs::create_dir_all(venv.join("bin")).unwrap();
        fs::write(interpreter(&venv), "").unwrap();
        assert!(!is_made_for(&venv, "a==1\n"));
        fs::write(venv.join(STAMP), "a==1\n").unwrap();
        assert!(is_made_for(&venv, "a==1\n"));
        assert!(!is_made_for(&venv, "a==2\n"), "the requirements have changed");
        fs::remove_file(interpreter(&venv)).unwrap();
        assert!(!is_made_for(&venv, "a==1\n"), "the interpreter is gone");
    }

    #[cfg(unix)]
    #[test]
    fn scripts_name_the_place_where_they_will_be() {
        let scratch = Scratch::new();
        let (made, venv) = (scratch.0.join("part/venv"), scratch.0.join(".venv"));
        fs::create_dir_all(made.join("bin")).unwrap();
        let script = made.join("bin/tensorboard");
        fs::write(&script, format!("#!{}/bin/python\nimport sys\n", made.display())).unwrap();
        move_scripts(&made, &venv).unwrap();
        let expected = format!("#!{}/bin/python\nimport sys\n", venv.display());
        assert_eq!(fs::read_to_string(script).unwrap(), expected);
    }
}
