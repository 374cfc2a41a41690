//! Finds damage below a root and explains it; changes nothing.
//!
//! One exception: to see whether locks work, a file is made and removed again.

mod system;
mod tree;

use std::fmt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::layout::Root;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Something does not work, or a task waits for somebody.
    Error,
    /// Something may go wrong, or is left lying about.
    Warning,
}

impl Level {
    /// Returns the word used in output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// What kind of thing was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Code {
    /// The system does not let us look.
    Unreadable,
    /// A record does not hold what it should.
    DamagedRecord,
    /// A record is of a newer format.
    NewerRecord,
    /// A message bus has damaged stretches.
    DamagedBus,
    /// What is known of an account's limits is damaged.
    DamagedLimits,
    /// An entry of the queue is damaged.
    DamagedQueueEntry,
    /// The count of whose turn it is is damaged.
    DamagedTurns,
    /// A damaged file was set aside.
    SetAside,
    /// A run folder has no record.
    Unrecorded,
    /// A supervisor died.
    OwnerLost,
    /// A run is recorded as running and is not.
    DeadRunning,
    /// A temporary file or folder was left.
    Leftover,
    /// Something else stands where a marker would be.
    MarkerNotAFile,
    /// Something else stands where a file must be.
    NotAFile,
    /// Something else stands where a folder must be.
    NotAFolder,
    /// A record says what cannot be of its place.
    ContradictoryRecord,
    /// A task has made attempts, and the folder of its runs is gone.
    RunsMissing,
    /// Messages of a task that has ended never reached its bus.
    UnpostedMessages,
    /// A folder that looks like a task has a name that no new task may have.
    MisnamedTask,
    /// A folder of old runs that the configuration names is not there.
    MissingExtraRoot,
    /// A symbolic link stands where a folder must be.
    LinkedFolder,
    /// A symbolic link stands among our files.
    LinkedFile,
    /// Others may look into the root.
    OpenRoot,
    /// Others may read what is private.
    OpenFile,
    /// Times that cannot be.
    OddTimes,
    /// Other machines may use the file system.
    NetworkFileSystem,
    /// The file system does not last.
    PassingFileSystem,
    /// A lock does not keep others out.
    LocksDoNothing,
    /// Nothing can be written.
    ReadOnly,
    /// The disk will soon be full.
    LowSpace,
    /// The disk is nearly full.
    NoSpace,
}

impl Code {
    /// Returns how bad it is.
    pub fn level(self) -> Level {
        match self {
            Self::Unreadable
            | Self::DamagedRecord
            | Self::DamagedBus
            | Self::DamagedLimits
            | Self::DamagedQueueEntry
            | Self::DamagedTurns
            | Self::OwnerLost
            | Self::MarkerNotAFile
            | Self::NotAFile
            | Self::NotAFolder
            | Self::ContradictoryRecord
            | Self::LinkedFolder
            | Self::LocksDoNothing
            | Self::NoSpace => Level::Error,
            Self::NewerRecord
            | Self::Unrecorded
            | Self::DeadRunning
            | Self::RunsMissing
            | Self::UnpostedMessages
            | Self::MisnamedTask
            | Self::MissingExtraRoot
            | Self::Leftover
            | Self::SetAside
            | Self::LinkedFile
            | Self::OpenRoot
            | Self::OpenFile
            | Self::OddTimes
            | Self::NetworkFileSystem
            | Self::PassingFileSystem
            | Self::ReadOnly
            | Self::LowSpace => Level::Warning,
        }
    }

    /// Returns what it is, why it matters, and what to do.
    fn words(self) -> [&'static str; 3] {
        match self {
            Self::Unreadable => [
                "cannot be read",
                "what is in it is neither shown nor looked after",
                "give its owner the right to read it, or remove it",
            ],
            Self::DamagedRecord => [
                "is damaged",
                "what it says is not known, and gc leaves it alone",
                "correct the file or restore it; of a run that is over the folder may be removed",
            ],
            Self::NewerRecord => [
                "was written by a newer version",
                "this version shows it and never changes it",
                "use the newer version",
            ],
            Self::DamagedBus => [
                "has damaged stretches",
                "those messages are lost to readers; the others are not",
                "`run-agent bus check` lists the places",
            ],
            Self::DamagedLimits => [
                "is damaged",
                "what was known of the account's limits is not used, so attempts may be refused",
                "`run-agent limits clear AGENT` keeps a copy and begins anew, as the next attempt does",
            ],
            Self::DamagedQueueEntry => [
                "is damaged",
                "who waits by it is left out of the queue",
                "correct the file, or remove it and start the task again",
            ],
            Self::DamagedTurns => [
                "is damaged",
                "the agents' turns will begin anew",
                "correct the file, or remove it; the next launch that needs it keeps a copy",
            ],
            Self::SetAside => [
                "is a damaged file that was set aside",
                "what it held is not used, and a new file was begun in its place",
                "remove it when you have looked at it",
            ],
            Self::Unrecorded => [
                "has no run-info.yaml",
                "its run is shown as unknown",
                "`run-agent gc --orphans` deletes such folders when they are old",
            ],
            Self::OwnerLost => [
                "has lost its supervisor",
                "nobody goes on with the task, and an agent of it may still run",
                "`run-agent recover` takes it up, `run-agent stop` ends it",
            ],
            Self::DeadRunning => [
                "says running, but no process of it is alive",
                "it is shown as failed or completed until an owner of the task settles it",
                "`run-agent recover` settles lost tasks",
            ],
            Self::Leftover => [
                "was left by a process that died",
                "readers ignore it, and it takes room",
                "`run-agent gc` removes what a collection left; temporary files may be removed",
            ],
            Self::MarkerNotAFile => [
                "is no regular file",
                "it does not count as a marker",
                "remove it, and make the marker as a file if it is meant",
            ],
            Self::NotAFile => [
                "is no regular file",
                "commands that need the file fail or do without it",
                "move away what stands there",
            ],
            Self::NotAFolder => [
                "is no folder",
                "commands that need the folder fail",
                "move away what stands there",
            ],
            Self::ContradictoryRecord => [
                "says what cannot be",
                "the run may be shown as unknown, or as one of another task",
                "correct the file or restore it; of a run that is over the folder may be removed",
            ],
            Self::RunsMissing => [
                "is gone, and its task has made attempts",
                "the task is shown as if nothing had ever run",
                "restore the folder if it was moved away",
            ],
            Self::UnpostedMessages => [
                "holds messages that the bus could not take when the task ended",
                "the bus does not tell how the task ended",
                "the next start or resume of the task posts them; or read them there and remove the file",
            ],
            Self::MisnamedTask => [
                "looks like a task, and its name is not that of one",
                "commands that name a task refuse such a name, and the task is missed under its own",
                "give it back its name: task-<yyyymmdd>-<hhmmss>-<slug>",
            ],
            Self::MissingExtraRoot => [
                "is named by storage.extra_roots and is no folder",
                "its old runs are not listed",
                "correct the configuration, or restore the folder",
            ],
            Self::LinkedFolder => [
                "is a symbolic link where a folder must be",
                "every command refuses it, so that nothing outside the root is changed",
                "replace the link by the folder itself",
            ],
            Self::LinkedFile => [
                "is a symbolic link",
                "links are not followed, so what it points to is not seen",
                "replace the link by the file itself, or remove it",
            ],
            Self::OpenRoot => [
                "lets others in",
                "prompts, answers and messages may be secrets",
                "chmod 700 the folder",
            ],
            Self::OpenFile => [
                "may be read by others",
                "prompts and raw streams may hold secrets",
                "chmod 600 the file",
            ],
            Self::OddTimes => [
                "has times that cannot be",
                "runs may be sorted and collected at the wrong time",
                "check the clock of the machine",
            ],
            Self::NetworkFileSystem => [
                "lies on a file system that other machines may use",
                "processes are told apart on one machine only, and locks may not reach the others",
                "put the root on a local disk",
            ],
            Self::PassingFileSystem => [
                "lies on a file system that may not survive the machine or container",
                "what was acknowledged as stored can be gone after a restart",
                "put the root on a local disk",
            ],
            Self::LocksDoNothing => [
                "lies on a file system whose locks do not exclude",
                "two supervisors could run one task, and messages could be torn",
                "put the root on a local disk",
            ],
            Self::ReadOnly => [
                "cannot be written to, so locks were not tried",
                "nothing can be started or posted there",
                "give its owner the right to write, or mount it writable",
            ],
            Self::LowSpace => [
                "has little room left",
                "agents and their streams will fail when the disk is full",
                "make room; `run-agent gc` deletes old runs",
            ],
            Self::NoSpace => [
                "has almost no room left",
                "no task is started below 100 MiB",
                "make room; `run-agent gc` deletes old runs",
            ],
        }
    }
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// What kind of thing.
    pub code: Code,
    /// Where.
    pub path: PathBuf,
    /// What is wrong.
    pub what: String,
    /// Why it matters.
    pub why: &'static str,
    /// What to do.
    pub advice: &'static str,
}

impl Finding {
    /// Describes a thing of kind `code` at `path`; `detail` may be empty.
    pub fn new(code: Code, path: &Path, detail: impl fmt::Display) -> Self {
        let [what, why, advice] = code.words();
        let detail = detail.to_string();
        let what = if detail.is_empty() {
            what.to_owned()
        } else {
            format!("{what}: {detail}")
        };
        Self {
            level: code.level(),
            code,
            path: path.to_owned(),
            what,
            why,
            advice,
        }
    }
}

/// Everything that was found.
#[derive(Debug, Default)]
pub struct Report {
    /// In the order of the tree.
    pub findings: Vec<Finding>,
    /// How many projects, tasks and runs were looked at.
    pub looked_at: LookedAt,
}

/// How much was looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct LookedAt {
    /// Projects.
    pub projects: usize,
    /// Tasks.
    pub tasks: usize,
    /// Runs.
    pub runs: usize,
}

impl Report {
    fn add(&mut self, code: Code, path: &Path, detail: impl fmt::Display) {
        self.findings.push(Finding::new(code, path, detail));
    }
}

/// Looks for damage below `root`, which exists. Blocks; takes no lock of others.
pub fn examine(root: &Root, now: Timestamp) -> Report {
    let mut report = Report::default();
    system::examine(root, &mut report);
    tree::examine(root, now, &mut report);
    report
}
