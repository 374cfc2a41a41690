//! Formatting, lints and tests.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use xshell::cmd;

use crate::workspace::{TEST_HOOKS, Workspace, into_process};

/// Formats all code.
pub(crate) fn format(workspace: &Workspace) -> Result<String> {
    workspace.cargo("fmt").arg("--all").run()?;
    Ok("fmt: done".to_owned())
}

/// Fails where `cargo fmt` would change something.
pub(crate) fn format_check(workspace: &Workspace) -> Result<String> {
    workspace.cargo("fmt").args(["--all", "--check"]).run()?;
    Ok("fmt: nothing to change".to_owned())
}

/// Runs clippy over every target, with all features and with none: what is compiled out must be clean too.
pub(crate) fn lint(workspace: &Workspace) -> Result<String> {
    for features in [&["--features", TEST_HOOKS][..], &["--no-default-features"]] {
        workspace
            .cargo("clippy")
            .args(["--workspace", "--all-targets"])
            .args(features)
            .args(["--", "--deny", "warnings"])
            .run()?;
    }
    Ok("lint: no warnings, with all features and with none".to_owned())
}

/// Runs the tests and, unless a filter picks some of them, the doctests.
pub(crate) fn test(workspace: &Workspace, filter: &[String]) -> Result<String> {
    let cargo = workspace.cargo("nextest");
    if cargo
        .arg("--version")
        .quiet()
        .ignore_stderr()
        .read()
        .is_err()
    {
        bail!("cargo-nextest is missing: cargo install cargo-nextest --locked");
    }
    let run = workspace
        .cargo("nextest")
        .args(["run", "--workspace", "--features", TEST_HOOKS])
        .args(["--config-file", "xtask/nextest.toml"])
        .args(filter);
    let (log, is_success) = run_and_keep(into_process(run), Kept::Stderr)?;
    let tests = log.iter().rev().find_map(|line| nextest_counts(line));
    if !is_success {
        bail!(
            "tests failed: {}",
            tests.as_deref().unwrap_or("the run was not finished")
        );
    }
    let tests = tests.context("the test runner printed no summary")?;
    if !filter.is_empty() {
        return Ok(format!("test: {tests}"));
    }

    let run = workspace
        .cargo("test")
        .args(["--doc", "--workspace", "--features", TEST_HOOKS]);
    let (log, is_success) = run_and_keep(into_process(run), Kept::Stdout)?;
    let doctests = doctest_counts(&log);
    if !is_success {
        bail!("doctests failed: {doctests}");
    }
    Ok(format!("test: {tests}; doctests: {doctests}"))
}

/// Which stream is read while it is passed on.
#[derive(Debug, Clone, Copy)]
enum Kept {
    Stdout,
    Stderr,
}

/// Runs a command whose output stays visible, and returns the lines of one stream and whether it ended well.
fn run_and_keep(mut process: std::process::Command, kept: Kept) -> Result<(Vec<String>, bool)> {
    process.stdin(Stdio::null());
    match kept {
        Kept::Stdout => process.stdout(Stdio::piped()),
        Kept::Stderr => process.stderr(Stdio::piped()),
    };
    let mut child = process.spawn().context("could not start cargo")?;
    let mut lines = Vec::new();
    match kept {
        Kept::Stdout => {
            let stream = child.stdout.take().expect("stdout was asked for");
            pass_on(BufReader::new(stream), std::io::stdout(), &mut lines)?;
        }
        Kept::Stderr => {
            let stream = child.stderr.take().expect("stderr was asked for");
            pass_on(BufReader::new(stream), std::io::stderr(), &mut lines)?;
        }
    }
    let status = child.wait().context("could not wait for cargo")?;
    Ok((lines, status.success()))
}

fn pass_on(from: impl BufRead, mut to: impl Write, lines: &mut Vec<String>) -> Result<()> {
    for line in from.split(b'\n') {
        let line = String::from_utf8_lossy(&line?).into_owned();
        writeln!(to, "{line}")?;
        lines.push(line);
    }
    Ok(())
}

/// Takes the counts from the runner's summary: `Summary [ 1.2s] 8 tests run: 8 passed, 1 skipped`.
fn nextest_counts(line: &str) -> Option<String> {
    let (_, rest) = line.trim_start().strip_prefix("Summary")?.split_once(']')?;
    Some(rest.trim().to_owned())
}

/// Adds up the result lines: `test result: ok. 2 passed; 0 failed; 1 ignored; …`.
fn doctest_counts(log: &[String]) -> String {
    let mut sums = [0_u64; 3];
    for line in log {
        let Some(result) = line.strip_prefix("test result: ") else {
            continue;
        };
        let counts = result.split_once(". ").map_or("", |(_, counts)| counts);
        for part in counts.split(';') {
            let mut words = part.split_whitespace();
            let count = words.next().and_then(|word| word.parse::<u64>().ok());
            let slot = match words.next() {
                Some("passed") => 0,
                Some("failed") => 1,
                Some("ignored") => 2,
                _ => continue,
            };
            sums[slot] += count.unwrap_or_default();
        }
    }
    let [passed, failed, ignored] = sums;
    format!("{passed} passed, {failed} failed, {ignored} ignored")
}

/// Returns the commit that is checked out, for reports.
pub(crate) fn commit(workspace: &Workspace) -> String {
    cmd!(workspace.shell(), "git rev-parse --short HEAD")
        .quiet()
        .ignore_stderr()
        .read()
        .unwrap_or_else(|_| "unknown".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_the_test_runner_are_read() {
        let counts = nextest_counts("     Summary [   0.007s] 2 tests run: 2 passed, 0 skipped");
        assert_eq!(counts.as_deref(), Some("2 tests run: 2 passed, 0 skipped"));
        assert_eq!(
            nextest_counts("        PASS [   0.005s] crate tests::a"),
            None
        );
    }

    #[test]
    fn counts_of_doctests_are_added_up() {
        let log = [
            "running 2 tests".to_owned(),
            "test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out".to_owned(),
            "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out".to_owned(),
        ];
        assert_eq!(doctest_counts(&log), "5 passed, 0 failed, 1 ignored");
        assert_eq!(doctest_counts(&[]), "0 passed, 0 failed, 0 ignored");
    }
}
