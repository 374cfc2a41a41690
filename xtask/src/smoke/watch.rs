//! Processes and files that must or must not be there.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Command lines of running processes that hold `text`, for people to read.
pub(super) fn command_lines_with(text: &str) -> Vec<String> {
    proc_files("cmdline")
        .filter(|(_, content)| holds(content, text))
        .map(|(pid, content)| format!("{pid}: {}", readable(&content)))
        .collect()
}

/// The command line of one process, empty if there is none.
pub(super) fn command_line_of(pid: &str) -> String {
    let content = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    readable(&content)
}

/// Ids of running processes whose environment holds the variable with this value.
pub(super) fn processes_with_variable(name: &str, value: &str) -> Vec<u32> {
    let entry = format!("{name}={value}");
    proc_files("environ")
        .filter(|(_, content)| {
            content
                .split(|byte| *byte == 0)
                .any(|variable| variable == entry.as_bytes())
        })
        .map(|(pid, _)| pid)
        .collect()
}

/// How many files lie below `folder`, and which of them hold `text`.
pub(super) fn files_with(folder: &Path, text: &str) -> Result<(usize, Vec<PathBuf>)> {
    let mut found = Vec::new();
    let mut count = 0;
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder)
            .with_context(|| format!("could not list {}", folder.display()))?;
        for entry in entries {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                count += 1;
                let content = std::fs::read(entry.path())
                    .with_context(|| format!("could not read {}", entry.path().display()))?;
                if holds(&content, text) {
                    found.push(entry.path());
                }
            }
        }
    }
    found.sort();
    Ok((count, found))
}

fn readable(words: &[u8]) -> String {
    let words = String::from_utf8_lossy(words).replace('\0', " ");
    words.trim().to_owned()
}

fn holds(content: &[u8], text: &str) -> bool {
    content
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}

/// Reads one file of every process; a process that ends meanwhile is passed over.
fn proc_files(file: &'static str) -> impl Iterator<Item = (u32, Vec<u8>)> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(move |entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let content = std::fs::read(entry.path().join(file)).ok()?;
        Some((pid, content))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_process_is_seen() {
        let me = std::process::id();
        let program = std::env::args().next().unwrap();
        let lines = command_lines_with(&program);
        assert!(
            lines.iter().any(|line| line.starts_with(&format!("{me}:"))),
            "{lines:?}"
        );
        assert!(command_line_of(&me.to_string()).contains(&program));
        let variables = std::fs::read_to_string("/proc/self/environ").unwrap();
        let (name, value) = variables
            .split('\0')
            .find_map(|v| v.split_once('='))
            .unwrap();
        assert!(processes_with_variable(name, value).contains(&me));
        assert!(!processes_with_variable(name, "elsewhere").contains(&me));
    }

    #[test]
    fn text_is_found_in_files_at_any_depth() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("a/b");
        std::fs::create_dir_all(&deep).unwrap();
        std::fs::write(folder.path().join("clean"), "nothing").unwrap();
        std::fs::write(deep.join("dirty"), b"\0 a canary \xff").unwrap();
        let (count, found) = files_with(folder.path(), "canary").unwrap();
        assert_eq!((count, found), (2, vec![deep.join("dirty")]));
    }
}
