//! Rules about the text of the repository that no compiler checks.
//!
//! Each rule is a pure function over the files it is given. The same check runs as `cargo xtask tidy` and as an
//! ordinary test of this crate. A rule's own words are put together from pieces, so that this folder passes its rules.

mod links;
mod named_tests;
mod secrets;
mod size;
mod structure;
mod text;

use std::fmt;

use anyhow::{Context, Result, bail};

use crate::workspace::Workspace;

/// Checks all files of the repository and fails with every finding.
pub(crate) fn check(workspace: &Workspace) -> Result<String> {
    let tree = Tree::read(workspace)?;
    let found = findings(&tree);
    for finding in &found {
        eprintln!("{finding}");
    }
    if !found.is_empty() {
        bail!("{} finding(s)", found.len());
    }
    Ok(format!(
        "tidy: {} files, nothing to report",
        tree.paths.len()
    ))
}

/// The files of the repository.
#[derive(Debug, Default)]
struct Tree {
    /// Every file, binary ones too, relative to the top.
    paths: Vec<String>,
    /// The files that are text.
    files: Vec<File>,
    /// The checkout's own absolute path, which no file should name.
    root: String,
}

/// One text file.
#[derive(Debug)]
struct File {
    path: String,
    text: String,
}

/// A broken rule, with its place.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    path: String,
    /// Counts from one; zero stands for the whole file.
    line: usize,
    what: String,
}

impl Tree {
    fn read(workspace: &Workspace) -> Result<Self> {
        let paths = workspace.files()?;
        let mut files = Vec::new();
        for path in &paths {
            let absolute = workspace.root().join(path);
            let bytes = match std::fs::read(&absolute) {
                Ok(bytes) => bytes,
                // Gone between the listing and now: someone is editing.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => {
                    return Err(error).with_context(|| format!("could not read {path}"));
                }
            };
            if bytes.contains(&0) {
                continue;
            }
            if let Ok(text) = String::from_utf8(bytes) {
                files.push(File {
                    path: path.clone(),
                    text,
                });
            }
        }
        Ok(Self {
            paths,
            files,
            root: workspace.root().display().to_string(),
        })
    }
}

impl File {
    fn has_extension(&self, extensions: &[&str]) -> bool {
        self.path
            .rsplit_once('.')
            .is_some_and(|(_, extension)| extensions.contains(&extension))
    }

    /// Tells whether the file's bytes are evidence: recorded streams, expected outputs, corpora of bad input.
    fn is_evidence(&self) -> bool {
        let folders = ["fixtures", "golden", "corpus", "snapshots"];
        self.path.split('/').any(|part| folders.contains(&part)) || self.has_extension(&["snap"])
    }

    fn finding(&self, line: usize, what: impl Into<String>) -> Finding {
        Finding {
            path: self.path.clone(),
            line,
            what: what.into(),
        }
    }

    /// Numbers the lines from one.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text
            .split('\n')
            .enumerate()
            .map(|(index, line)| (index + 1, line))
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.what),
            line => write!(f, "{}:{line}: {}", self.path, self.what),
        }
    }
}

/// Applies every rule.
fn findings(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in &tree.files {
        found.extend(text::check(file, &tree.root));
        found.extend(secrets::check(file));
        found.extend(links::check(file, &tree.paths));
    }
    found.extend(size::check(&tree.files));
    found.extend(structure::check(tree));
    found.extend(named_tests::check(tree));
    found.sort_by(|a, b| (&a.path, a.line).cmp(&(&b.path, b.line)));
    found
}

#[cfg(test)]
fn file(path: &str, text: &str) -> File {
    File {
        path: path.to_owned(),
        text: text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repository_is_tidy() {
        let workspace = Workspace::open().unwrap();
        let found = findings(&Tree::read(&workspace).unwrap());
        let report: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert!(report.is_empty(), "{}", report.join("\n"));
    }

    #[test]
    fn finding_names_its_place() {
        let sample = file("a.rs", "");
        assert_eq!(sample.finding(3, "what").to_string(), "a.rs:3: what");
        assert_eq!(sample.finding(0, "what").to_string(), "a.rs: what");
    }
}
