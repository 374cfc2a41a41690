//! What a gate found, `gates/<n>.yaml`: on disk before the gate's word is believed.
//!
//! Written once by the task's owner and never changed. Its output stands beside it
//! in `<n>.out`; nothing in the record is a secret. Digests bind the command, the rest of
//! the record and the output to each other and to the claim in `task-state.yaml`, so that
//! [`Evidence::flaws`] can tell which part was changed or lost since. They show accidents
//! and careless hands; whoever rewrites all of it together is not found out.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::PathBuf;

use jiff::Timestamp;

use crate::digest::Sha256Stream;
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
    /// SHA-256 over the name, the command, how it was started, where and for how long; empty in
    /// records of earlier builds.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub command_sha256: String,
    /// SHA-256 over everything above; empty in records of earlier builds.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub seal: String,
}

/// A part of a piece of evidence that is not what it was when it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flaw {
    /// The name, the command, its folder or its limit.
    Command,
    /// Another part of the record, or it is not the record that the claim names.
    Record,
    /// The file with what the gate printed is gone, or cannot be read.
    OutputMissing,
    /// That file holds something else.
    OutputChanged,
    /// The working tree that the claim names is not the one that the last gate left.
    Tree,
}

impl Flaw {
    /// Returns whether the command must not be run again on the word of the record.
    pub fn is_of_record(self) -> bool {
        matches!(self, Self::Command | Self::Record)
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Command => "its command was changed since",
            Self::Record => "its record was changed since",
            Self::OutputMissing => "its output is missing",
            Self::OutputChanged => "its output was changed since",
            Self::Tree => "the claim names another working tree than it left",
        })
    }
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

    /// Binds the parts to each other; to be called when all else is filled in.
    pub fn seal(&mut self) {
        self.command_sha256 = self.digest_of_command();
        self.seal = self.digest_of_all();
    }

    /// Returns what does not hold of this evidence, which a claim names by `seal`.
    ///
    /// Reads the output to its end, in bounded memory. Of records and claims of earlier builds,
    /// which have no seals, only the output can be checked.
    pub fn flaws(&self, task: &TaskDir, seal: Option<&str>) -> Vec<Flaw> {
        let mut flaws = Vec::new();
        let is_sealed = seal.is_some() || !self.seal.is_empty();
        if is_sealed && self.command_sha256 != self.digest_of_command() {
            flaws.push(Flaw::Command);
        } else if is_sealed
            && (self.seal != self.digest_of_all() || seal.is_some_and(|seal| seal != self.seal))
        {
            flaws.push(Flaw::Record);
        }
        let is_name = !self.output.contains('/');
        match digest_of_file(&task.gates_folder().join(&self.output)) {
            _ if !is_name => flaws.push(Flaw::OutputMissing),
            Ok((bytes, digest)) if bytes == self.output_bytes && digest == self.output_sha256 => {}
            Ok(_) => flaws.push(Flaw::OutputChanged),
            Err(_) => flaws.push(Flaw::OutputMissing),
        }
        flaws
    }

    fn digest_of_command(&self) -> String {
        let mut digest = Sha256Stream::default();
        let cwd = self.cwd.to_string_lossy();
        let limit = self.timeout_ms.to_string();
        let argv = self.argv.iter().map(String::as_str);
        let texts = [self.name.as_str(), &self.run, &cwd, &limit];
        for text in texts.into_iter().chain(argv) {
            digest.update(&(text.len() as u64).to_be_bytes());
            digest.update(text.as_bytes());
        }
        digest.finish()
    }

    /// Over the record as JSON, whose keys stand in the order of the fields.
    fn digest_of_all(&self) -> String {
        let unsealed = Self {
            seal: String::new(),
            ..self.clone()
        };
        let text = serde_json::to_vec(&unsealed).unwrap_or_default();
        crate::digest::sha256_hex(&text)
    }

    /// Writes it as the evidence `number` of `task`; returns after it is on disk. Only for the owner.
    pub fn write(&self, task: &TaskDir, number: u32) -> Result<(), RecordError> {
        record::write(&path(task, number), self, Mode::Shared)
    }
}

/// Returns size and SHA-256 of a regular file.
fn digest_of_file(path: &std::path::Path) -> io::Result<(u64, String)> {
    if !std::fs::symlink_metadata(path)?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut file = File::open(path)?;
    let mut digest = Sha256Stream::default();
    let mut buffer = vec![0; 64 * 1024];
    let mut bytes = 0;
    loop {
        let read = match file.read(&mut buffer) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        };
        if read == 0 {
            return Ok((bytes, digest.finish()));
        }
        bytes += read as u64;
        digest.update(&buffer[..read]);
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

    #[test]
    fn each_part_that_was_changed_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(folder.path()).unwrap();
        let project = ProjectId::parse("p").unwrap();
        let id = TaskId::parse("task-20260101-000000-abc").unwrap();
        let task = root.task(&project, &id).unwrap();
        task.ensure().unwrap();
        std::fs::create_dir(task.gates_folder()).unwrap();
        let output = task.gates_folder().join("3.out");
        std::fs::write(&output, "ok").unwrap();
        std::fs::write(path(&task, 3), GOLDEN).unwrap();
        let old = Evidence::read(&task, 3).unwrap().unwrap();
        assert_eq!(old.flaws(&task, None), [Flaw::OutputChanged], "no seal");
        let mut good = Evidence {
            output_sha256: crate::digest::sha256_hex(b"ok"),
            ..old
        };
        good.seal();
        let seal = good.seal.clone();
        good.write(&task, 4).unwrap();
        let read = Evidence::read(&task, 4).unwrap().unwrap();
        assert_eq!(read, good);
        let check = |change: fn(&mut Evidence), expected: &[Flaw]| {
            let mut changed = good.clone();
            change(&mut changed);
            assert_eq!(changed.flaws(&task, Some(&seal)), expected, "{changed:?}");
        };
        check(|_| {}, &[]);
        check(|e| e.run = "true".into(), &[Flaw::Command]);
        check(|e| e.argv[2] = "true".into(), &[Flaw::Command]);
        check(|e| e.cwd = "/".into(), &[Flaw::Command]);
        check(|e| e.tree_after = "git:0".into(), &[Flaw::Record]);
        check(|e| e.exit_code = Some(0), &[Flaw::Record]);
        check(|e| e.seal.clear(), &[Flaw::Record]);
        check(Evidence::seal, &[]);
        // Sealed anew, it is not the record that the claim names.
        let reseal: fn(&mut Evidence) = |e| {
            e.run = "true".into();
            e.seal();
        };
        check(reseal, &[Flaw::Record]);
        std::fs::write(&output, "no").unwrap();
        check(|_| {}, &[Flaw::OutputChanged]);
        std::fs::remove_file(&output).unwrap();
        check(|_| {}, &[Flaw::OutputMissing]);
    }
}
