//! What to type when something that the repository cannot fetch by itself is missing.

use crate::Result;
use std::{
    env,
    ffi::{OsStr, OsString},
    path::Path,
    process::{Command, Stdio},
};

/// What must be on the machine beforehand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// A C++ compiler, for libtorch's wrapper.
    Cxx,
    /// Python 3.
    Python,
    /// Its package installer.
    Pip,
    /// Its virtual environments.
    Venv,
}

/// Package managers, the way to install a [`Tool`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manager {
    Apt,
    Dnf,
    Pacman,
    Zypper,
    MacOs,
    Windows,
    Unknown,
}

impl Manager {
    fn here() -> Manager {
        match env::consts::OS {
            "macos" => Manager::MacOs,
            "windows" => Manager::Windows,
            _ => [
                ("apt-get", Manager::Apt),
                ("dnf", Manager::Dnf),
                ("pacman", Manager::Pacman),
                ("zypper", Manager::Zypper),
            ]
            .into_iter()
            .find(|(program, _)| is_on_path(program))
            .map_or(Manager::Unknown, |(_, manager)| manager),
        }
    }

    fn command(self, tool: Tool) -> &'static str {
        match (self, tool) {
            (Manager::Apt, Tool::Cxx) => "sudo apt-get install g++",
            (Manager::Apt, Tool::Python) => "sudo apt-get install python3 python3-pip",
            (Manager::Apt, Tool::Pip) => "sudo apt-get install python3-pip",
            (Manager::Apt, Tool::Venv) => "sudo apt-get install python3-venv",
            (Manager::Dnf, Tool::Cxx) => "sudo dnf install gcc-c++",
            (Manager::Zypper, Tool::Cxx) => "sudo zypper install gcc-c++",
            (Manager::Dnf, _) => "sudo dnf install python3 python3-pip",
            (Manager::Zypper, _) => "sudo zypper install python3 python3-pip",
            (Manager::Pacman, Tool::Cxx) => "sudo pacman -S gcc",
            (Manager::Pacman, _) => "sudo pacman -S python python-pip",
            (Manager::MacOs, Tool::Cxx | Tool::Python) => "xcode-select --install",
            (Manager::Windows, Tool::Cxx) => "winget install Microsoft.VisualStudio.2022.BuildTools",
            (Manager::Windows, Tool::Python) => "winget install Python.Python.3.13",
            (Manager::MacOs | Manager::Windows, Tool::Pip | Tool::Venv) => "python3 -m ensurepip --upgrade",
            (Manager::Unknown, Tool::Cxx) => "(your package manager) install g++",
            (Manager::Unknown, _) => "(your package manager) install python3 python3-pip",
        }
    }
}

/// The sentence for a missing tool: what, what for, how to get it.
pub fn missing(tool: Tool) -> String {
    sentence(tool, Manager::here())
}

fn sentence(tool: Tool, manager: Manager) -> String {
    let what = match tool {
        Tool::Cxx => "no C++ compiler was found, and libtorch's wrapper is C++",
        Tool::Python => "no Python 3 was found, and libtorch and TensorBoard are fetched with its pip",
        Tool::Pip => "Python 3 has no pip, which fetches libtorch and TensorBoard",
        Tool::Venv => "Python 3 cannot make a virtual environment, which TensorBoard is put in",
    };
    format!("{what}; get it with: {}", manager.command(tool))
}

/// An error that says so if no C++ compiler is there: before half a gigabyte is fetched for it.
pub fn require_cxx() -> Result {
    // With MSVC the compiler is not on PATH, and where it is missing xtask itself could not be linked.
    if cfg!(target_env = "msvc") {
        return Ok(());
    }
    let compiler = compiler_name(env::var_os("CXX"));
    if runs(&compiler, &["--version"]) {
        return Ok(());
    }
    match env::var_os("CXX") {
        Some(_) => {
            Err(format!("the C++ compiler that CXX names does not run: {}", Path::new(&compiler).display()))
        }
        None => Err(missing(Tool::Cxx)),
    }
}

/// What `tests/browser/pages.py` starts.
const BROWSER: [&str; 2] = ["/usr/bin/chromium", "/usr/bin/chromedriver"];

/// The sentence for a missing browser, if all tests are wanted (`args` choose none) and it is not there.
pub fn missing_browser(args: &[OsString]) -> Option<String> {
    let missing: Vec<&str> = BROWSER.into_iter().filter(|program| !Path::new(program).exists()).collect();
    (!missing.is_empty() && !chooses_tests(args)).then(|| no_browser(&missing))
}

fn no_browser(missing: &[&str]) -> String {
    format!(
        "no {}, with which two tests look at the dashboards; get Chromium and its driver (Debian: sudo apt-get install \
         chromium chromium-driver)",
        missing.join(" and no ")
    )
}

/// Whether arguments of `cargo test` say which tests to run: a name, or an option that is about more than how they run.
fn chooses_tests(args: &[OsString]) -> bool {
    const HOW: [&str; 7] =
        ["--", "--release", "--locked", "--offline", "--no-fail-fast", "--nocapture", "--verbose"];
    args.iter().any(|arg| !HOW.iter().any(|how| arg == how))
}

/// The compiler that the `cc` crate takes: the first word of CXX (the others are flags or a wrapper's), else `c++`.
fn compiler_name(cxx: Option<OsString>) -> OsString {
    let Some(cxx) = cxx else { return "c++".into() };
    if Path::new(&cxx).exists() {
        return cxx; // a path with blanks
    }
    cxx.to_string_lossy().split_whitespace().next().map_or_else(|| "c++".into(), OsString::from)
}

/// Whether `program args` starts and succeeds.
pub fn runs(program: impl AsRef<OsStr>, args: &[&str]) -> bool {
    Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn is_on_path(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentence_names_what_is_missing_and_the_command() {
        assert_eq!(
            sentence(Tool::Cxx, Manager::Apt),
            "no C++ compiler was found, and libtorch's wrapper is C++; get it with: sudo apt-get install g++"
        );
        assert!(sentence(Tool::Pip, Manager::Apt).ends_with("sudo apt-get install python3-pip"));
        assert!(sentence(Tool::Cxx, Manager::MacOs).ends_with("xcode-select --install"));
        assert!(sentence(Tool::Python, Manager::Windows).contains("winget install"));
    }

    #[test]
    fn the_compiler_is_found_as_the_cc_crate_finds_it() {
        assert_eq!(compiler_name(None), "c++");
        assert_eq!(compiler_name(Some("clang++".into())), "clang++");
        assert_eq!(compiler_name(Some("ccache g++ -O1".into())), "ccache");
        assert_eq!(compiler_name(Some("".into())), "c++");
    }

    #[test]
    fn the_browser_is_needed_unless_tests_are_chosen() {
        let chooses =
            |line: &str| chooses_tests(&line.split_whitespace().map(OsString::from).collect::<Vec<_>>());
        for all in ["", "--release", "--locked --no-fail-fast -- --nocapture"] {
            assert!(!chooses(all), "{all}");
        }
        for some in ["--lib", "--test data", "histogram", "-- --skip every_page_shows_our_tags"] {
            assert!(chooses(some), "{some}");
        }
        let sentence = no_browser(&BROWSER);
        assert!(sentence.starts_with("no /usr/bin/chromium and no /usr/bin/chromedriver, "), "{sentence}");
        assert!(sentence.contains("sudo apt-get install chromium chromium-driver"), "{sentence}");
    }

    #[test]
    fn a_program_that_is_not_there_does_not_run() {
        assert!(!runs("no-such-program-anywhere", &["--version"]));
    }
}
