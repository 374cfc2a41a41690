//! Whether this commit may be released.
//!
//! Every check runs, also after one has failed, each as a process of its own whose output stands in
//! `target/release-gate/<name>.log`. A check that was skipped is not one that passed.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::Serialize;
use xshell::cmd;

use crate::workspace::{Depth, Workspace};

/// What is to be done.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Only this check
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// A check that may be skipped; can be repeated
    #[arg(long, value_name = "NAME")]
    allow_skip: Vec<String>,
    /// Print the verdicts as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "verdict", content = "reason")]
enum Verdict {
    Pass,
    Fail(String),
    Skipped(String),
}

#[derive(Debug, Serialize)]
struct Line {
    name: &'static str,
    #[serde(flatten)]
    verdict: Verdict,
    /// A skip that was allowed does not count.
    counts: bool,
}

enum Check {
    /// This program with these arguments.
    Xtask(&'static [&'static str]),
    /// Cargo with these arguments.
    Cargo(&'static [&'static str]),
    /// What is found out here.
    Own(fn(&Workspace) -> Result<Verdict>),
}

const CHECKS: &[(&str, Check)] = &[
    ("clean-tree", Check::Own(clean_tree)),
    ("version", Check::Own(version)),
    ("secrets", Check::Xtask(&["secrets"])),
    ("hygiene", Check::Xtask(&["hygiene"])),
    ("ci", Check::Xtask(&["ci"])),
    ("startup", Check::Xtask(&["smoke", "startup"])),
    ("agents", Check::Xtask(&["smoke", "agents"])),
    (
        "documented-commands",
        Check::Cargo(&[
            "test",
            "--package",
            "run-agent",
            "--test",
            "cli",
            "documented",
        ]),
    ),
    (
        "help",
        Check::Cargo(&["test", "--package", "cl-cli", "--test", "it"]),
    ),
];

/// Runs the checks; an error if any failed, or was skipped without leave.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let names: Vec<&str> = CHECKS.iter().map(|(name, _)| *name).collect();
    for name in options.allow_skip.iter().chain(&options.only) {
        if !names.contains(&name.as_str()) {
            bail!("there is no check `{name}`; there are {}", names.join(", "));
        }
    }
    let target = workspace.metadata(Depth::Workspace)?.target_directory;
    let logs = target.join("release-gate").into_std_path_buf();
    fs::create_dir_all(&logs).with_context(|| format!("could not make {}", logs.display()))?;
    let mut lines = Vec::new();
    for (name, check) in CHECKS {
        let verdict = match &options.only {
            Some(only) if only != name => continue,
            _ => judge(workspace, check, &logs.join(format!("{name}.log"))),
        };
        let verdict = verdict.unwrap_or_else(|error| Verdict::Fail(format!("{error:#}")));
        let counts = counts(&verdict, options.allow_skip.iter().any(|skip| skip == name));
        if !options.json {
            println!("{}", text(name, &verdict));
        }
        lines.push(Line {
            name,
            verdict,
            counts,
        });
    }
    let against = lines.iter().filter(|line| line.counts).count();
    if options.json {
        let ready = is_ready(against, options.only.as_deref());
        let whole = serde_json::json!({ "ready": ready, "checks": lines });
        println!("{whole:#}");
    } else if is_ready(against, options.only.as_deref()) {
        println!("RESULT: READY FOR RELEASE");
    } else if against == 0 {
        println!("RESULT: OPEN: one of {} checks was made", CHECKS.len());
    }
    if against > 0 {
        bail!("RESULT: NOT READY: {against} of {} checks", lines.len());
    }
    Ok(())
}

/// Tells whether the release may be made: one check alone never says so.
fn is_ready(against: usize, only: Option<&str>) -> bool {
    against == 0 && only.is_none()
}

/// Tells whether a verdict speaks against the release.
fn counts(verdict: &Verdict, may_be_skipped: bool) -> bool {
    match verdict {
        Verdict::Pass => false,
        Verdict::Fail(_) => true,
        Verdict::Skipped(_) => !may_be_skipped,
    }
}

fn text(name: &str, verdict: &Verdict) -> String {
    match verdict {
        Verdict::Pass => format!("[PASS] {name}"),
        Verdict::Fail(reason) => format!("[FAIL] {name}: {reason}"),
        Verdict::Skipped(reason) => format!("[SKIP] {name}: {reason}"),
    }
}

fn judge(workspace: &Workspace, check: &Check, log: &Path) -> Result<Verdict> {
    let (program, arguments) = match check {
        Check::Own(look) => {
            return look(workspace);
        }
        Check::Xtask(arguments) => (std::env::current_exe()?, *arguments),
        Check::Cargo(arguments) => {
            let cargo = workspace.shell().var("CARGO");
            (cargo.unwrap_or_else(|_| "cargo".into()).into(), *arguments)
        }
    };
    let output = File::create(log)?;
    #[expect(clippy::disallowed_methods, reason = "a check is a process of its own")]
    let status = Command::new(program)
        .args(arguments)
        .current_dir(workspace.root())
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .status()?;
    if !status.success() {
        let reason = format!("it ended with {status}; see {}", log.display());
        return Ok(Verdict::Fail(reason));
    }
    let said = fs::read_to_string(log).unwrap_or_default();
    Ok(skipped(&said).map_or(Verdict::Pass, Verdict::Skipped))
}

/// Returns the line by which a check says that it, or a part of it, was skipped.
fn skipped(said: &str) -> Option<String> {
    let is_skip = |line: &&str| line.starts_with("SKIPPED") || line.contains(": SKIPPED");
    said.lines().find(is_skip).map(str::to_owned)
}

fn clean_tree(workspace: &Workspace) -> Result<Verdict> {
    let changed = cmd!(workspace.shell(), "git status --porcelain")
        .quiet()
        .read()?;
    let count = changed.lines().count();
    Ok(match count {
        0 => Verdict::Pass,
        count => Verdict::Fail(format!("{count} files differ from the commit")),
    })
}

/// Holds the version of the workspace against the changelog and the lock file.
///
/// Between two releases the changelog has no heading for the version: there is nothing to hold
/// it against yet. Whoever releases gives it one.
fn version(workspace: &Workspace) -> Result<Verdict> {
    let metadata = workspace.metadata(Depth::Workspace)?;
    let changelog = fs::read_to_string(workspace.root().join("CHANGELOG.md"))?;
    let lock = fs::read_to_string(workspace.root().join("Cargo.lock"))?;
    for package in metadata.workspace_packages() {
        let version = package.version.to_string();
        let entry = format!("name = \"{}\"\nversion = \"{version}\"", package.name);
        if !lock.contains(&entry) {
            let name = &package.name;
            let reason = format!("Cargo.lock has another version of {name}");
            return Ok(Verdict::Fail(reason));
        }
    }
    let versions = metadata.workspace_packages().into_iter();
    let versions: BTreeSet<String> = versions.map(|it| it.version.to_string()).collect();
    let tags = cmd!(workspace.shell(), "git tag --points-at HEAD")
        .quiet()
        .read()?;
    let verdicts = versions
        .iter()
        .map(|version| told(&changelog, version, &tags));
    let verdict = verdicts
        .into_iter()
        .find(|found| !matches!(found, Verdict::Pass));
    Ok(verdict.unwrap_or(Verdict::Pass))
}

/// Tells whether the changelog tells of `version`; of one that is not tagged it may do so later.
fn told(changelog: &str, version: &str, tags: &str) -> Verdict {
    if has_heading(changelog, version) {
        return Verdict::Pass;
    }
    let is_released = tags
        .lines()
        .any(|tag| tag == version || tag.strip_prefix('v') == Some(version));
    if is_released || !has_heading(changelog, "Unreleased") {
        return Verdict::Fail(format!("CHANGELOG.md has no heading for {version}"));
    }
    Verdict::Skipped(format!(
        "{version} is not released: CHANGELOG.md tells of it under [Unreleased]"
    ))
}

fn has_heading(changelog: &str, version: &str) -> bool {
    let wanted = format!("## [{version}]");
    changelog.lines().any(|line| line.starts_with(&wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_skip_counts_unless_it_is_allowed() {
        let skipped = Verdict::Skipped("no compiler".to_owned());
        assert!(counts(&skipped, false));
        assert!(!counts(&skipped, true));
        assert!(counts(&Verdict::Fail("x".to_owned()), true));
        assert!(!counts(&Verdict::Pass, false));
    }

    #[test]
    fn a_version_between_two_releases_is_not_judged() {
        let changelog = "# Changelog\n\n## [Unreleased]\n\n- x\n\n## [0.7.0] - 2026-01-01\n";
        let of = |version, tags| told(changelog, version, tags);
        assert!(matches!(of("0.7.0", "v0.7.0\n"), Verdict::Pass));
        assert!(matches!(of("0.8.0", ""), Verdict::Skipped(_)));
        assert!(matches!(of("0.8.0", "v0.7.0"), Verdict::Skipped(_)));
        assert!(matches!(of("0.8.0", "x\nv0.8.0"), Verdict::Fail(_)));
        assert!(matches!(
            told("# Changelog\n", "0.8.0", ""),
            Verdict::Fail(_)
        ));
    }

    #[test]
    fn one_check_alone_makes_no_release() {
        assert!(is_ready(0, None));
        assert!(!is_ready(1, None));
        assert!(!is_ready(0, Some("hygiene")));
    }

    #[test]
    fn skips_are_found_in_what_a_check_says() {
        assert_eq!(skipped("all fine\nnothing was skipped\n"), None);
        let said = "x\nwindows-check: SKIPPED, no compiler\n";
        let found = skipped(said).expect("a skip");
        assert_eq!(found, "windows-check: SKIPPED, no compiler");
    }

    #[test]
    fn a_version_has_its_own_heading() {
        let changelog = "# Changelog\n\n## [Unreleased]\n\n## [0.7.0] - 2026-01-01\n";
        assert!(has_heading(changelog, "0.7.0"));
        assert!(!has_heading(changelog, "0.7"));
        assert!(!has_heading(changelog, "0.8.0"));
    }
}
