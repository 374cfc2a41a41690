//! `cargo xtask secrets`: looks for credentials in files, in what is staged, and in git's history.
//!
//! No other program is needed but git. A finding never repeats what it found.

mod hooks;
mod rules;
mod sources;

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde::{Deserialize, Serialize};
use xshell::Shell;

pub(crate) use self::hooks::install as install_hooks;
pub(crate) use self::rules::{FAKE, scan};
use crate::workspace::Workspace;

/// What is looked through.
#[derive(Debug, Default, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "flags of a command line, three of which exclude each other"
)]
pub(crate) struct Options {
    /// Look through what the next commit would hold
    #[arg(long, conflicts_with_all = ["worktree", "history", "paths"])]
    staged: bool,
    /// Look through the files of the work tree, and ignored ones that may hold secrets [default]
    #[arg(long, conflicts_with_all = ["history", "paths"])]
    worktree: bool,
    /// Look through every line that any commit has added, and the commits' messages
    #[arg(long, conflicts_with = "paths")]
    history: bool,
    /// Look through these files and folders only
    #[arg(long, num_args = 1.., value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// With --history, only these commits, as `git log` takes them
    #[arg(
        long,
        requires = "history",
        value_name = "RANGE",
        allow_hyphen_values = true
    )]
    range: Vec<String>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    /// Leave out what stands in this file, an earlier document of --json
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
}

/// Something that looks like a live credential, with its place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Finding {
    /// The commit that added it; none in files and in what is staged.
    commit: Option<String>,
    /// The file, with forward slashes; `(message)` is a commit's message.
    path: String,
    /// Counts from one.
    line: usize,
    rule: String,
    /// The first six and the last two characters.
    excerpt: String,
    /// Tells the same token in the same file again, wherever it moves.
    fingerprint: String,
}

/// The document of `--json`.
#[derive(Debug, Serialize, Deserialize)]
struct Report {
    version: u32,
    findings: Vec<Finding>,
    /// How many files, or commits, were looked through.
    looked_at: usize,
    /// What could not be looked through.
    skipped: Vec<String>,
}

/// What was found, and how much was looked through.
#[derive(Debug, Default)]
struct Scan {
    findings: BTreeSet<Finding>,
    looked_at: usize,
    skipped: Vec<String>,
}

impl Scan {
    /// Looks through one line.
    fn line(&mut self, commit: Option<&str>, path: &str, line: usize, text: &str) {
        for hit in rules::scan(text) {
            let token = &text[hit.at];
            let print = format!("{path}\n{}\n{token}", hit.rule);
            self.findings.insert(Finding {
                commit: commit.map(str::to_owned),
                path: path.to_owned(),
                line,
                excerpt: rules::excerpt(token),
                fingerprint: cl_storage::digest::sha256_hex(print.as_bytes())[..16].to_owned(),
                rule: hit.rule,
            });
        }
    }

    /// Looks through all lines of a file's content.
    fn content(&mut self, path: &str, bytes: &[u8]) {
        self.looked_at += 1;
        for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
            self.line(None, path, index + 1, &String::from_utf8_lossy(line));
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(commit) = &self.commit {
            write!(f, "{}:", &commit[..commit.len().min(12)])?;
        }
        write!(
            f,
            "{}:{}: {}: {}",
            self.path, self.line, self.rule, self.excerpt
        )
    }
}

/// Looks through what `options` say; prints the findings and fails if there are any.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<String> {
    let scan = look(workspace.shell(), workspace.root(), options)?;
    let known = options.baseline.as_deref().map(baseline).transpose()?;
    let known = known.unwrap_or_default();
    let findings: Vec<Finding> = (scan.findings.into_iter())
        .filter(|finding| !known.contains(&finding.fingerprint))
        .collect();
    let (count, looked_at) = (findings.len(), scan.looked_at);
    if !options.json {
        for finding in &findings {
            eprintln!("{finding}");
        }
        for path in &scan.skipped {
            eprintln!("skipped: {path}");
        }
    }
    let report = Report {
        version: 1,
        findings,
        looked_at,
        skipped: scan.skipped,
    };
    let text = serde_json::to_string_pretty(&report).context("could not write JSON")?;
    if count > 0 {
        if options.json {
            println!("{text}");
        }
        bail!(
            "{count} finding(s); a made-up secret says so with one of: {}; a line may end in `secret-scan:allow REASON`; \
             one that is real must be revoked, docs/dev/security.md says how",
            FAKE.join(", ")
        );
    }
    Ok(if options.json {
        text
    } else if options.history {
        format!("secrets: {looked_at} commits, nothing to report")
    } else {
        format!("secrets: {looked_at} files, nothing to report")
    })
}

/// The check of `ci`: the work tree and the whole history.
pub(crate) fn check(workspace: &Workspace) -> Result<String> {
    run(workspace, &Options::default())?;
    let history = Options {
        history: true,
        ..Options::default()
    };
    run(workspace, &history)
}

/// Looks through the repository at `root`, in which `shell` stands.
fn look(shell: &Shell, root: &Path, options: &Options) -> Result<Scan> {
    let mut scan = Scan::default();
    if options.staged {
        sources::staged(shell, &mut scan)?;
    } else if options.history {
        sources::history(shell, &options.range, &mut scan)?;
    } else if options.paths.is_empty() {
        sources::work_tree(shell, root, &mut scan)?;
    } else {
        for path in &options.paths {
            sources::path(&root.join(path), &mut scan)?;
        }
    }
    Ok(scan)
}

/// Returns the fingerprints of an earlier report.
fn baseline(path: &Path) -> Result<BTreeSet<String>> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("could not read {shown}"))?;
    let report: Report =
        serde_json::from_str(&text).with_context(|| format!("{shown} is no report of --json"))?;
    let prints = report.findings.into_iter();
    Ok(prints.map(|finding| finding.fingerprint).collect())
}

#[cfg(test)]
mod tests;
