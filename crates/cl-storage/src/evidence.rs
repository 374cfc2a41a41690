//! What a gate found, `gates/<n>.yaml`: on disk before the gate's word is believed.
//!
//! Written once by the task's owner and never changed. Its output stands beside it
//! in `<n>.out`; nothing in the record is a secret.

use std::io;
use std::path::PathBuf;

use jiff::Timestamp;

use crate::durable::Mode;
use crate::id::RunId;
use crate::layout::TaskDir;
use crate::record::{self, RecordError};

/// The newest format of evidence that this build writes.
pub const KNOWN_VERSION: u32 = 1;

/// What stands for a working tree that was not looked at.
pub const NO_TREE: &str = "none";

/// The word of a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It ended with exit code 0, and the claim was still there.
    Passed,
    /// Anything else.
    Refused,
}

/// One run of one gate.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Evidence {
    /// Format of the record.
    pub version: u32,
    /// What the gate is called.
    pub name: String,
    /// Its command.
    pub run: String,
    /// How that was started.
    pub argv: Vec<String>,
    /// Its working folder, absolute.
    pub cwd: PathBuf,
    /// How long it was allowed to take, in milliseconds.
    pub timeout_ms: u64,
    /// The launch whose claim it judged.
    pub launch_id: String,
    /// Which claim of the launch it was, from 1.
    pub claim: u32,
    /// The run before it, whose number its environment carried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<RunId>,
    /// Its word.
    pub verdict: Verdict,
    /// Why it refused; empty if it passed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Its exit code, if it ended by itself.
    pub exit_code: Option<i32>,
    /// The signal that ended it, if one did.
    pub signal: Option<i32>,
    /// When it was started.
    pub started_at: Timestamp,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// The working tree before it: `git:<tree>`, `files:<digest>` or `none`.
    pub tree: String,
    /// The working tree after it.
    pub tree_after: String,
    /// Name of the file beside the record that holds what it printed.
    pub output: String,
    /// Size of that file.
    pub output_bytes: u64,
    /// SHA-256 of that file.
    pub output_sha256: String,
    /// SHA-256 over names and values of its environment, without our own variables.
    pub environment: String,
    /// Child tasks were still at work when it ran.
    pub unquiet: bool,
}

/// Returns the file of the evidence `number` of `task`.
pub fn path(task: &TaskDir, number: u32) -> PathBuf {
    task.gates_folder().join(format!("{number}.yaml"))
}

impl Evidence {
    /// Reads the evidence `number` of `task`; `None` if there is none.
    pub fn read(task: &TaskDir, number: u32) -> Result<Option<Self>, RecordError> {
        record::read(&path(task, number), KNOWN_VERSION)
    }

    /// Writes it as the evidence `number` of `task`; returns after it is on disk. Only for the owner.
    pub fn write(&self, task: &TaskDir, number: u32) -> Result<(), RecordError> {
        record::write(&path(task, number), self, Mode::Shared)
    }
}

/// Returns the first number that no file of the gates of `task` has yet.
pub fn next_number(task: &TaskDir) -> io::Result<u32> {
    let mut highest = 0;
    let entries = match std::fs::read_dir(task.gates_folder()) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(1),
        Err(e) => return Err(e),
    };
    for entry in entries {
        let name = entry?.file_name();
        let number = name
            .to_str()
            .and_then(|name| name.split('.').next()?.parse::<u32>().ok());
        highest = highest.max(number.unwrap_or(0));
    }
    Ok(highest + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ProjectId, Root, TaskId};

    const GOLDEN: &str = "version: 1
name: tests
run: cargo test
argv:
- /bin/sh
- -c
- cargo test
cwd: /w
timeout_ms: 1800000
launch_id: l1
claim: 2
run_id: 20260101-0000000000-1-1
verdict: refused
reason: exit 101
exit_code: 101
signal: null
started_at: \"1970-01-01T00:00:00Z\"
duration_ms: 12
tree: git:4b825dc642cb6eb9a060e54bf8d69288fbee4904
tree_after: none
output: 3.out
output_bytes: 2
output_sha256: ab
environment: cd
unquiet: false
";

    #[test]
    fn the_format_is_kept_and_numbers_go_on() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(folder.path()).unwrap();
        let project = ProjectId::parse("p").unwrap();
        let id = TaskId::parse("task-20260101-000000-abc").unwrap();
        let task = root.task(&project, &id).unwrap();
        task.ensure().unwrap();
        assert_eq!(next_number(&task).unwrap(), 1);
        std::fs::create_dir(task.gates_folder()).unwrap();
        std::fs::write(path(&task, 3), GOLDEN).unwrap();
        std::fs::write(task.gates_folder().join("7.out"), "").unwrap();
        assert_eq!(next_number(&task).unwrap(), 8);
        let evidence = Evidence::read(&task, 3).unwrap().unwrap();
        assert_eq!(evidence.verdict, Verdict::Refused);
        evidence.write(&task, 4).unwrap();
        assert_eq!(std::fs::read_to_string(path(&task, 4)).unwrap(), GOLDEN);
        assert_eq!(Evidence::read(&task, 5).unwrap(), None);
        std::fs::write(path(&task, 6), GOLDEN.replace("version: 1", "version: 2")).unwrap();
        assert!(matches!(
            Evidence::read(&task, 6),
            Err(RecordError::TooNew { .. })
        ));
    }
}
