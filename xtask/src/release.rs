//! What a release binary must and must not contain.
//!
//! Crash points and the clock file exist for tests: they end a process at a named place, or move its clock. A shipped
//! binary that obeyed them would hand both powers to whoever sets its environment.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use xshell::cmd;

use crate::workspace::Workspace;

/// Names that only the test hooks know.
const TEST_MARKERS: &[&str] = &[
    "CL_CRASH_POINT",
    "CL_CLOCK_FILE",
    "CL_FAULT",
    "CL_POWER_LOSS",
];
const BINARIES: &[&str] = &["run-agent", "conductor"];
/// Names the build; set by release builds.
const BUILD_ID: &str = "CONDUCTOR_BUILD_ID";

/// The release profile without what takes the optimizer long.
const PROFILE: &str = "release-contents";

/// Builds both binaries as for a release and checks their contents and their version.
pub(crate) fn check(workspace: &Workspace) -> Result<String> {
    let mut build = workspace.cargo("build").args(["--profile", PROFILE]);
    for name in BINARIES {
        build = build.args(["--package", name]);
    }
    build.run()?;

    let build_id = workspace.shell().var(BUILD_ID).ok();
    let mut said = Vec::new();
    for name in BINARIES {
        let path = workspace.binary(PROFILE, name)?;
        check_contents(&path)?;
        let output = cmd!(workspace.shell(), "{path} version").quiet().read()?;
        let line = output.lines().next().unwrap_or_default();
        check_version(name, line, build_id.as_deref())?;
        said.push(line.to_owned());
    }
    Ok(format!("release-check: {}, no test hooks", said.join(", ")))
}

fn check_contents(path: &Path) -> Result<()> {
    let bytes =
        std::fs::read(path).with_context(|| format!("could not read {}", path.display()))?;
    for marker in TEST_MARKERS {
        ensure!(
            !contains(&bytes, marker.as_bytes()),
            "{} holds {marker}: it was built with the test hooks",
            path.display()
        );
    }
    Ok(())
}

fn contains(bytes: &[u8], pattern: &[u8]) -> bool {
    bytes.windows(pattern.len()).any(|window| window == pattern)
}

/// Checks the first line of `version`: a snapshot of this line of development, or exactly the build that was asked for.
fn check_version(name: &str, line: &str, build_id: Option<&str>) -> Result<()> {
    let version = line
        .strip_prefix(name)
        .and_then(|rest| rest.strip_prefix(' '))
        .with_context(|| format!("`{name} version` says {line:?}, not its name and version"))?;
    match build_id.filter(|id| !id.is_empty()) {
        Some(id) if version == id => Ok(()),
        Some(id) => bail!("`{name} version` says {version}, but {BUILD_ID} is {id}"),
        None if is_snapshot(version) => Ok(()),
        None => bail!("`{name} version` says {version}, not 0.76.<n>-SNAPSHOT or that with a hash"),
    }
}

/// Tells whether the text is `0.76.<n>-SNAPSHOT`, perhaps followed by `-<hash>`.
fn is_snapshot(version: &str) -> bool {
    let Some((patch, rest)) = version
        .strip_prefix("0.76.")
        .and_then(|rest| rest.split_once("-SNAPSHOT"))
    else {
        return false;
    };
    let is_number = !patch.is_empty() && patch.bytes().all(|byte| byte.is_ascii_digit());
    let is_hash = |hash: &str| {
        !hash.is_empty()
            && hash
                .bytes()
                .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    is_number && (rest.is_empty() || rest.strip_prefix('-').is_some_and(is_hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_line(line: &str, build_id: Option<&str>, is_good: bool) {
        let result = check_version("run-agent", line, build_id);
        assert_eq!(result.is_ok(), is_good, "{result:?}");
    }

    #[test]
    fn snapshots_are_recognised() {
        check_line("run-agent 0.76.0-SNAPSHOT", None, true);
        check_line("run-agent 0.76.12-SNAPSHOT-1a2b3c4", None, true);
        check_line("run-agent 0.76.0", None, false);
        check_line("run-agent dev", None, false);
        check_line("run-agent 0.76.x-SNAPSHOT", None, false);
        check_line("run-agent 0.76.0-SNAPSHOT-", None, false);
        check_line("run-agent 0.76.0-SNAPSHOT-xyz", None, false);
        check_line("conductor 0.76.0-SNAPSHOT", None, false);
        check_line("", None, false);
    }

    #[test]
    fn named_build_must_say_its_name() {
        check_line("run-agent v0.76.9", Some("v0.76.9"), true);
        check_line("run-agent 0.76.0-SNAPSHOT", Some("v0.76.9"), false);
        check_line("run-agent 0.76.0-SNAPSHOT", Some(""), true);
    }

    #[test]
    fn test_hooks_in_a_binary_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("binary");
        std::fs::write(&path, b"\x7fELF\0CL_CRASH_POIN\0T").unwrap();
        check_contents(&path).unwrap();
        for marker in TEST_MARKERS {
            std::fs::write(&path, format!("\x7fELF\0{marker}\0")).unwrap();
            check_contents(&path).unwrap_err();
        }
    }
}
