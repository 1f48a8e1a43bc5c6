//! The program as its user meets it: run as a process, in a folder of its own.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value as Json;

/// A command of the program, and the folder that it runs in.
pub struct Program {
    folder: tempfile::TempDir,
    command: &'static str,
}

impl Program {
    pub fn new(command: &'static str) -> Program {
        Program { folder: tempfile::tempdir().unwrap(), command }
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    pub fn command(&self, args: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_convscope"));
        command
            .current_dir(self.folder())
            .arg(self.command)
            .args(args.split_whitespace())
            .stdin(Stdio::null());
        command
    }

    pub fn run(&self, args: &str) -> Output {
        self.command(args).output().unwrap()
    }

    /// The standard output of a command that ends well and says nothing else.
    pub fn good(&self, args: &str) -> String {
        let output = self.run(args);
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{args}");
        assert_eq!(output.status.code(), Some(0), "{args}");
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(!text.contains('\x1b'), "no colours but on a terminal");
        text
    }

    /// The same as JSON.
    #[allow(dead_code)] // not all who include this file ask for JSON
    pub fn json(&self, args: &str) -> Json {
        serde_json::from_str(&self.good(args)).unwrap()
    }

    /// Exit code and complaint of a command that fails.
    pub fn bad(&self, args: &str) -> (Option<i32>, String) {
        let output = self.run(args);
        assert_eq!(String::from_utf8_lossy(&output.stdout), "", "{args}");
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    }
}
