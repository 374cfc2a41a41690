//! What runs and builds leave is never committed: the ignore rules and the index are held against each other.
//!
//! git itself says what is ignored; settings of the developer's machine are left out.

use std::path::Path;

use anyhow::{Context, Result, bail};
use xshell::{Cmd, Shell, cmd};

use crate::workspace::Workspace;

/// Paths as runs, builds and tests leave them; each must be ignored.
const ARTEFACTS: &[&str] = &[
    "target/debug/run-agent",
    "target-ci/release/conductor",
    "dist/run-agent.tar.gz",
    "runs/demo/task-20260101-000000-a/TASK.md",
    "runs/demo/task-20260101-000000-a/runs/20260101-0000000000-1-1/run-info.yaml",
    "run-1.log",
    "crates/cl-runner/supervisor.log",
    "logs_2/agent.txt",
    "crates/logs_a/agent.txt",
    "my-iteration-3.txt",
    "output.md",
    "output-review.md",
    "DONE",
    "config.local.yaml",
    ".env",
    "deploy/prod.env",
    "api.secret",
    "coverage.html",
    "coverage/index.html",
    "lcov/coverage.info",
    "default_1.profraw",
    "node_modules/a/index.js",
    "crates/cl-api/ui/node_modules/a/index.js",
    "crates/cl-api/ui/dist/app.js",
    "playwright-report/index.html",
    "test-results/a.json",
];

/// Paths of sources that look a little like the above; none may be ignored.
const SOURCES: &[&str] = &[
    "AGENTS.md",
    "crates/cl-runner/src/runs/mod.rs",
    "crates/cl-storage/src/target.rs",
    "crates/cl-cli/src/commands/logs.rs",
    "crates/cl-cli/src/commands/output.rs",
    "crates/cl-cli/src/env.rs",
    "crates/cl-config/src/secret.rs",
    "xtask/src/coverage.rs",
    "docs/dev/coverage.md",
    "docs/user/output.md",
    "docs/user/iterate.txt",
    "crates/cl-api/ui/src/dist.ts",
    "crates/cl-agent/tests/fixtures/session.log",
    "crates/cl-agent/tests/it/fixtures/codex/session.log",
    "crates/cl-agent/tests/it/fixtures/coverage.html",
    "crates/cl-storage/tests/fixtures/runs/demo/output.md",
];

/// Names of files that only runs make.
const RUN_FILES: &[&str] = &[
    "run-info.yaml",
    "run-info.yaml.lock",
    "pid.txt",
    "agent-stdout.txt",
    "agent-stderr.txt",
    "supervisor.log",
    "owner.yaml",
    "owner.lock",
    "launch.yaml",
    "task-state.yaml",
    "TASK-MESSAGE-BUS.md",
    "PROJECT-MESSAGE-BUS.md",
    "TASK_STATE.md",
    "ITERATE-SUMMARY.md",
    "DONE",
    "CANCELLED",
    "STOP-REQUESTED",
];

/// Folders whose files are recorded evidence, wherever they come from.
const EVIDENCE: &[&str] = &["fixtures", "golden", "corpus", "snapshots"];

/// Fails if something is tracked that runs or builds leave, or if the ignore rules let it in.
pub(crate) fn check(workspace: &Workspace) -> Result<String> {
    let found = findings(workspace.shell())?;
    for finding in &found {
        eprintln!("{finding}");
    }
    if !found.is_empty() {
        bail!("{} finding(s)", found.len());
    }
    Ok(format!(
        "hygiene: nothing tracked is an artefact; {} artefacts are ignored and {} sources are not",
        ARTEFACTS.len(),
        SOURCES.len()
    ))
}

/// Checks the work tree in which `shell` stands.
fn findings(shell: &Shell) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for path in list(&git(shell).args(["ls-files", "-ci", "--exclude-standard", "-z"]))? {
        found.push(format!("{path}: is tracked and matches an ignore rule"));
    }
    for path in list(&git(shell).args(["ls-files", "-z"]))? {
        if is_run_artefact(&path) {
            found.push(format!(
                "{path}: is tracked and looks like what a run leaves"
            ));
        }
    }
    let ignored = ignored(shell, &[ARTEFACTS, SOURCES].concat())?;
    let is_ignored = |path: &str| ignored.iter().any(|it| it == path);
    for path in ARTEFACTS.iter().filter(|path| !is_ignored(path)) {
        found.push(format!(".gitignore: does not ignore {path}"));
    }
    for path in SOURCES.iter().filter(|path| is_ignored(path)) {
        found.push(format!(".gitignore: ignores {path}, which would be source"));
    }
    Ok(found)
}

/// Starts a git command line that knows the work tree's own ignore rules only.
fn git(shell: &Shell) -> Cmd<'_> {
    cmd!(shell, "git -c core.excludesFile=/dev/null").quiet()
}

fn list(command: &Cmd<'_>) -> Result<Vec<String>> {
    let text = command
        .read()
        .context("git could not answer: hygiene needs a git checkout")?;
    let paths = text.split('\0').filter(|path| !path.is_empty());
    Ok(paths.map(str::to_owned).collect())
}

/// Asks git which of `paths` are ignored; they need not exist.
fn ignored(shell: &Shell, paths: &[&str]) -> Result<Vec<String>> {
    // Without a match the exit code is 1, which a broken git shows by ignoring no sample.
    let command = git(shell)
        .args(["check-ignore", "--no-index", "--stdin", "-z"])
        .stdin(paths.join("\0"))
        .ignore_status();
    list(&command)
}

/// Tells whether only a run makes a file of this path.
fn is_run_artefact(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    let is_evidence = parts.iter().any(|part| EVIDENCE.contains(part));
    let is_run_file = Path::new(path)
        .file_name()
        .and_then(|name| name.to_str())
        .is_some_and(|name| RUN_FILES.contains(&name));
    let is_in_run = parts.iter().any(|part| is_stamped(part));
    !is_evidence && (is_run_file || is_in_run)
}

/// Tells whether a folder's name is the id of a task or of a run: `task-20260101-000000-a`, `20260101-0000000000-1-1`.
fn is_stamped(name: &str) -> bool {
    let name = name.strip_prefix("run_").unwrap_or(name);
    let stamp = name.strip_prefix("task-").unwrap_or(name);
    let mut parts = stamp.split('-');
    let mut has_digits = |lengths: std::ops::RangeInclusive<usize>| {
        parts.next().is_some_and(|part| {
            lengths.contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
        })
    };
    has_digits(8..=8) && has_digits(6..=10) && parts.next().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A repository of its own with the ignore rules of this one.
    fn repository() -> (tempfile::TempDir, Shell) {
        let folder = tempfile::tempdir().unwrap();
        let shell = Shell::new().unwrap();
        let rules = Workspace::open().unwrap().root().join(".gitignore");
        shell.copy_file(rules, folder.path()).unwrap();
        shell.change_dir(folder.path());
        cmd!(shell, "git init --quiet").run().unwrap();
        (folder, shell)
    }

    fn add(shell: &Shell, path: &str) {
        shell.write_file(path, "").unwrap();
        cmd!(shell, "git add --force {path}").quiet().run().unwrap();
    }

    #[test]
    fn repository_is_clean() {
        let found = findings(Workspace::open().unwrap().shell()).unwrap();
        assert!(found.is_empty(), "{}", found.join("\n"));
    }

    #[test]
    fn what_is_tracked_and_ignored_is_found() {
        let (_folder, shell) = repository();
        assert_eq!(findings(&shell).unwrap(), [""; 0]);
        add(&shell, "crates/cl-agent/tests/it/fixtures/a.log");
        add(&shell, "src/a.rs");
        assert_eq!(findings(&shell).unwrap(), [""; 0]);
        add(&shell, "noise.log");
        assert_eq!(
            findings(&shell).unwrap(),
            ["noise.log: is tracked and matches an ignore rule"]
        );
    }

    #[test]
    fn what_a_run_left_is_found() {
        let (_folder, shell) = repository();
        add(&shell, "docs/pid.txt");
        assert_eq!(
            findings(&shell).unwrap(),
            ["docs/pid.txt: is tracked and looks like what a run leaves"]
        );
    }

    #[test]
    fn rules_that_say_too_little_or_too_much_are_found() {
        let (_folder, shell) = repository();
        let rules = shell.read_file(".gitignore").unwrap();
        let shorter = rules.replace("/runs/\n", "");
        shell.write_file(".gitignore", shorter).unwrap();
        let found = findings(&shell).unwrap().join("\n");
        assert!(found.contains("does not ignore runs/demo/"), "{found}");
        let wider = rules.replace("/runs/\n", "runs/\n");
        shell.write_file(".gitignore", wider).unwrap();
        let found = findings(&shell).unwrap().join("\n");
        assert!(
            found.contains("ignores crates/cl-runner/src/runs/"),
            "{found}"
        );
    }

    #[test]
    fn ids_of_tasks_and_runs_are_known() {
        for path in [
            "task-20260101-000000-first/TASK.md",
            "a/20260101-0000000000-12-1/prompt.md",
            "run_20260101-000000-12/prompt.md",
            "x/DONE",
        ] {
            assert!(is_run_artefact(path), "{path}");
        }
        for path in [
            "docs/20260101-notes.md",
            "crates/a/tests/fixtures/task-20260101-000000-first/TASK.md",
            "src/task-runner.rs",
            "docs/2026-01-01-what.md",
        ] {
            assert!(!is_run_artefact(path), "{path}");
        }
    }
}
