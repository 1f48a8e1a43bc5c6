//! Command lines that can be pasted into a shell.

use std::path::Path;

/// A path as an argument in a command line that can be pasted into a shell.
pub fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@%".contains(c);
    if !text.is_empty() && text.chars().all(|c| plain(c) || (cfg!(windows) && c == '\\')) {
        text
    } else if cfg!(windows) {
        format!("\"{text}\"")
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use std::process;

    use super::*;

    #[test]
    #[cfg(unix)]
    fn shells_read_quoted_paths_back() {
        for path in ["logs", "my logs", "it's", "$HOME/`x`", "a\"b\\c", "", "日本", "-rf *"] {
            let command = format!("printf %s {}", quoted(Path::new(path)));
            let output = process::Command::new("sh").arg("-c").arg(command).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), path);
        }
    }
}
