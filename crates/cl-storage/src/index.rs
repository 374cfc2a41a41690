//! What listings need to know of tasks that have ended, so that their records need not be read again.
//!
//! One file per project below `<root>/.conductor/index/`; derived, may be deleted
//! at any time. Only ended tasks are in it. It is written by owners that have
//! given a task up ([`note_end`]) and by [`sweep`], never by readers. Losing an
//! entry, or the whole file, costs time and nothing else.
//!
//! ```text
//! <project>.index      header, then a line per task: checksum, id, JSON; a later line of a task counts
//! <project>.pending    lock of the writers, and the tasks that ended too recently to be described
//! ```
//!
//! # Why an entry is never stale
//!
//! An entry holds inode, size and change time (ctime, which no program can set)
//! of every *source*, and is used only if each is still the same:
//!
//! - the task's folder: a marker, an owner or a record that appears, vanishes or
//!   is replaced by rename changes its ctime; so does replacing the folder itself;
//! - the `runs` folder: the set of runs, and each run folder's identity;
//! - `task-state.yaml`, `launch.yaml`, `STOP-REQUESTED` and each `run-info.yaml`:
//!   their content, also if written in place.
//!
//! Tasks with an owner record, with children, with a run that is not recorded as
//! ended, or with anything unreadable are left out, so nothing outside the
//! sources (a process, another task) can change what an entry says. Sources are
//! looked at *before* the records are read, and an entry is only made if all of
//! them had last changed two seconds before: a change after the look has a later
//! ctime even where file times are coarse. "Now" is the file system's time, taken
//! from a write to the pending file, so neither a clock that jumps nor one of
//! another machine matters. A source with a ctime in the future is not trusted.
//!
//! When the first source is looked at, all of them were unchanged, because each
//! later look finds its source unchanged since before: the state that is shown
//! existed at one moment of the reading.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use crate::durable::{self, Mode};
use crate::failure::Failure;
use crate::id::{RunId, TaskId};
use crate::layout::{ProjectDir, Root, TaskDir};
use crate::lock;
use crate::owner::OwnerState;
use crate::run_info::RunStatus;
use crate::snapshot::TaskView;
use crate::status::{Claim, TaskStatus};
use crate::task_state::ParentTask;

/// First line of an index; one of another build is ignored and replaced.
const HEADER: &str = concat!("conductor-index 1 ", env!("CARGO_PKG_VERSION"), "\n");
/// How long ago, in nanoseconds, a source must have changed for its ctime to tell changes apart.
const SETTLED_AFTER: i128 = 2_000_000_000;
/// A task whose entry would be longer is always read from its files.
const LONGEST_LINE: usize = 32 * 1024;
/// How many ended tasks one owner describes at the most.
const MOST_AT_ONCE: usize = 64;
/// An index below this size is not worth compacting.
const SMALL_INDEX: u64 = 1024 * 1024;
/// A larger index is ignored, and replaced by the next sweep.
const LARGEST_INDEX: u64 = 256 * 1024 * 1024;
/// How long a writer waits for another one.
const WRITER_WAIT: Duration = Duration::from_millis(200);

/// What listings show of a task that has ended.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Ended {
    /// The one status.
    pub status: TaskStatus,
    /// Exit code of the run shown.
    pub exit_code: Option<i32>,
    /// The run shown.
    pub latest_run: Option<RunId>,
    /// Its status.
    pub latest_status: Option<RunStatus>,
    /// `task` or `job`, if it was launched by us.
    pub kind: Option<String>,
    /// How many runs there are.
    pub runs: usize,
    /// `DONE` is there, and no gate still has to judge it.
    pub is_done: bool,
    /// Attempts of the last launch.
    pub attempts: Option<u32>,
    /// The agent's configured name or kind.
    pub agent: Option<String>,
    /// Why it failed.
    pub failure: Option<Failure>,
    /// The task that launched it.
    pub parent: Option<ParentTask>,
    /// The newest change; never stored, because a bus can grow at any time.
    #[serde(skip)]
    pub last_activity: Option<Timestamp>,
}

impl Ended {
    /// Returns what is shown of `view`; `None` unless the task has ended and can
    /// only change through its own files.
    pub fn of(view: &TaskView) -> Option<Self> {
        let state = view.state.as_ref();
        let has_ended = view.status.is_terminal()
            && view.owner_state == OwnerState::None
            && view.problems.is_empty()
            && state.is_none_or(|state| state.children.is_empty())
            && view.runs.iter().all(|run| {
                let status = run.info.as_ref().map(|info| info.status);
                matches!(status, Ok(RunStatus::Completed | RunStatus::Failed))
            });
        if !has_ended {
            return None;
        }
        let shown = view.shown_run();
        Some(Self {
            status: view.status,
            exit_code: shown.and_then(|run| {
                let code = run.info.as_ref().ok()?.exit_code;
                (code >= 0).then_some(code)
            }),
            latest_run: shown.map(|run| run.run.id().clone()),
            latest_status: shown.map(|run| run.status),
            kind: view.launch.as_ref().map(|launch| launch.kind.clone()),
            runs: view.runs.len(),
            is_done: view.claim == Claim::Stands,
            attempts: state.map(|state| state.attempts.this_launch),
            agent: view.agent(),
            failure: view.failure(),
            parent: view.launch.as_ref().and_then(|l| l.parent.clone()),
            last_activity: view.last_activity(),
        })
    }
}

/// A file or folder that an entry was made from: path below the task's folder,
/// inode, size, ctime in seconds and nanoseconds. One that is missing has inode 0.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
struct Source(String, u64, u64, i64, i64);

impl Source {
    /// Looks at `name` below the task's folder `task`; also returns its mtime in seconds.
    fn look(task: &str, name: &str) -> io::Result<(Self, Option<i64>)> {
        let path = format!("{task}/{name}");
        match fs::symlink_metadata(path.trim_end_matches('/')) {
            Ok(meta) => {
                let (seconds, nanoseconds) = (meta.ctime(), meta.ctime_nsec());
                let name = name.to_owned();
                let source = Self(name, meta.ino(), meta.size(), seconds, nanoseconds);
                Ok((source, Some(meta.mtime())))
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                Ok((Self(name.to_owned(), 0, 0, 0, 0), None))
            }
            Err(e) => Err(e),
        }
    }

    /// The ctime in nanoseconds since 1970.
    fn changed_at(&self) -> i128 {
        nanoseconds(self.3, self.4)
    }
}

fn nanoseconds(seconds: i64, fraction: i64) -> i128 {
    i128::from(seconds) * 1_000_000_000 + i128::from(fraction)
}

#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Entry {
    sources: Vec<Source>,
    ended: Ended,
}

/// The index of one project, as it was when it was opened.
#[derive(Debug, Default)]
pub struct ProjectIndex {
    text: String,
    /// Where in `text` each task's entry stands.
    entries: HashMap<String, std::ops::Range<usize>>,
}

impl ProjectIndex {
    /// Reads the index of `project`; whatever is wrong with it, it is then empty.
    pub fn open(root: &Root, project: &ProjectDir) -> Self {
        let path = Files::of(root, project.id().as_str()).index;
        match read_bounded(&path) {
            Ok(bytes) => Self::parse(&bytes),
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound {
                    tracing::debug!(
                        error = &error as &dyn std::error::Error,
                        "ignored an index that cannot be read"
                    );
                }
                Self::default()
            }
        }
    }

    fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let mut entries = HashMap::new();
        if !text.starts_with(HEADER) {
            tracing::debug!("ignored an index of another version, or none");
            return Self::default();
        }
        let mut start = HEADER.len();
        // What has no line feed was not written to its end.
        while let Some(length) = text[start..].find('\n') {
            if let Some((task, entry)) = split_line(&text[start..start + length]) {
                let end = start + length;
                entries.insert(task.to_owned(), end - entry.len()..end);
            }
            start += length + 1;
        }
        Self { text, entries }
    }

    /// Returns what is shown of `task` if it has ended and nothing of it has changed since.
    pub fn find(&self, task: &TaskDir) -> Option<Ended> {
        let range = self.entries.get(task.id().as_str())?;
        let Entry { sources, mut ended } =
            serde_json::from_str(self.text.get(range.clone())?).ok()?;
        let folder = task.path().to_str()?;
        let shown = ended.latest_run.as_ref().map(record_of);
        let (mut newest, mut of_folder) = (None, None);
        for source in sources {
            let (now, modified) = Source::look(folder, &source.0).ok()?;
            if now != source {
                return None;
            }
            if source.0.is_empty() {
                of_folder = modified;
            } else if source.0 == STATE || Some(&source.0) == shown.as_ref() {
                newest = newest.max(modified);
            }
        }
        let (_, of_bus) = Source::look(folder, crate::layout::TASK_BUS).ok()?;
        let activity = newest.max(of_bus).or(of_folder);
        ended.last_activity = activity.and_then(|at| Timestamp::from_second(at).ok());
        Some(ended)
    }
}

const STATE: &str = "task-state.yaml";

fn record_of(run: &RunId) -> String {
    format!("runs/{run}/run-info.yaml")
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    if fs::symlink_metadata(path)?.len() > LARGEST_INDEX {
        return Err(io::Error::other("larger than 256 MiB"));
    }
    fs::read(path)
}

/// Splits `<checksum> <task> <entry>`; `None` if the checksum is another.
fn split_line(line: &str) -> Option<(&str, &str)> {
    let (sum, rest) = line.split_once(' ')?;
    if u64::from_str_radix(sum, 16).ok()? != checksum(rest.as_bytes()) {
        return None;
    }
    rest.split_once(' ')
}

fn push_line(text: &mut String, rest: &str) {
    let sum = checksum(rest.as_bytes());
    // Writing to a String cannot fail.
    writeln!(text, "{sum:016x} {rest}").unwrap_or_default();
}

/// FNV-1a, 64 bits: against torn and damaged lines, not against malice.
fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

struct Files {
    folder: PathBuf,
    index: PathBuf,
    pending: PathBuf,
    /// The folder of the project's tasks.
    project: PathBuf,
}

impl Files {
    fn of(root: &Root, project: &str) -> Self {
        let folder = root.conductor_folder().join("index");
        Self {
            index: folder.join(format!("{project}.index")),
            pending: folder.join(format!("{project}.pending")),
            project: root.path().join(project),
            folder,
        }
    }
}

/// Takes note that `task` has ended, and describes the tasks noted earlier.
///
/// For the owner that has just given it up. A task is described by whoever ends
/// the next one, because its files must be two seconds old by then. Failing costs
/// later listings time and is only logged. Blocks for 200 ms at the most.
pub fn note_end(root: &Root, task: &TaskDir) {
    note_end_aged(root, task, 0);
}

/// Takes note as [`note_end`] does, as if `age` nanoseconds had passed since.
fn note_end_aged(root: &Root, task: &TaskDir, age: i128) {
    let result = with_pending(root, task.project().as_str(), |files, pending| {
        durable::append(pending, format!("{}\n", task.id()).as_bytes())?;
        let now = time_of(pending)? + age;
        let text = fs::read_to_string(&files.pending)?;
        let mut noted: Vec<TaskId> = text
            .lines()
            .filter_map(|line| TaskId::parse_existing(line).ok())
            .collect();
        noted.sort();
        noted.dedup();
        let later = noted.split_off(noted.len().min(MOST_AT_ONCE));
        let dirs = noted
            .iter()
            .filter_map(|id| root.task(task.project(), id).ok());
        let (lines, young) = describe(root, dirs, now);
        append(files, &lines)?;
        keep_pending(pending, &young, &later)
    });
    log(result);
}

/// Describes every ended task of `project` anew, in place of what was there.
///
/// Reads all records; failing costs later listings time and is only logged.
pub fn sweep(root: &Root, project: &ProjectDir) {
    sweep_aged(root, project, 0);
}

/// Sweeps as if `age` nanoseconds had passed since.
fn sweep_aged(root: &Root, project: &ProjectDir, age: i128) {
    let result = with_pending(root, project.id().as_str(), |files, pending| {
        durable::append(pending, b"\n")?;
        let now = time_of(pending)? + age;
        let dirs = project.tasks().map_err(io::Error::other)?;
        let (lines, young) = describe(root, dirs.into_iter(), now);
        let text = format!("{HEADER}{lines}");
        durable::replace(&files.index, text.as_bytes(), Mode::Private)?;
        keep_pending(pending, &young, &[])
    });
    log(result);
}

fn log(result: io::Result<()>) {
    if let Err(error) = result {
        tracing::debug!(
            error = &error as &dyn std::error::Error,
            "could not write the index of ended tasks"
        );
    }
}

fn with_pending(
    root: &Root,
    project: &str,
    operation: impl FnOnce(&Files, &fs::File) -> io::Result<()>,
) -> io::Result<()> {
    let files = Files::of(root, project);
    durable::create_folders(&files.folder, Mode::Private)?;
    let file = durable::open_append(&files.pending, Mode::Private)?;
    lock::scoped(file, &files.pending, WRITER_WAIT, |file| {
        operation(&files, file)
    })
    .map_err(io::Error::other)?
}

/// The file system's time, from the write that has just been made.
fn time_of(file: &fs::File) -> io::Result<i128> {
    let meta = file.metadata()?;
    Ok(nanoseconds(meta.mtime(), meta.mtime_nsec()))
}

/// Leaves in the pending file what is still to be described.
fn keep_pending(pending: &fs::File, young: &[TaskId], later: &[TaskId]) -> io::Result<()> {
    let lines = young.iter().chain(later).map(|id| format!("{id}\n"));
    durable::take_back(pending, 0)?;
    durable::append(pending, lines.collect::<String>().as_bytes())
}

/// Returns the lines of the tasks that have ended, and the tasks that changed too recently.
fn describe(root: &Root, tasks: impl Iterator<Item = TaskDir>, now: i128) -> (String, Vec<TaskId>) {
    let (mut lines, mut young) = (String::new(), Vec::new());
    for task in tasks {
        // A task that cannot be read is none of the index's business.
        let Ok(Some(entry)) = entry_of(root, &task) else {
            continue;
        };
        let is_settled = |source: &Source| source.changed_at() < now - SETTLED_AFTER;
        if !entry.sources.iter().all(is_settled) {
            young.push(task.id().clone());
            continue;
        }
        if let Ok(json) = serde_json::to_string(&entry) {
            let rest = format!("{} {json}", task.id());
            if rest.len() <= LONGEST_LINE {
                push_line(&mut lines, &rest);
            }
        }
    }
    (lines, young)
}

/// Looks at the sources of `task`, then reads it; `None` if it has not ended.
fn entry_of(root: &Root, task: &TaskDir) -> io::Result<Option<Entry>> {
    let Some(folder) = task.path().to_str() else {
        return Ok(None);
    };
    let mut sources = Vec::new();
    for name in ["", "runs", STATE, "launch.yaml", "STOP-REQUESTED"] {
        sources.push(Source::look(folder, name)?.0);
    }
    let runs = task.runs().map_err(io::Error::other)?;
    for run in &runs {
        let source = Source::look(folder, &record_of(run.id()))?.0;
        if source.1 == 0 {
            return Ok(None);
        }
        sources.push(source);
    }
    // Time must not matter: an old timed stop marker ends by itself.
    let (early, late) = (Timestamp::MIN, Timestamp::MAX);
    let view = TaskView::read(root, task, late).map_err(io::Error::other)?;
    let markers = crate::marker::Markers::read(task, early)?;
    if markers != view.markers || view.runs.len() != runs.len() {
        return Ok(None);
    }
    // What is missing is covered by the folder that would hold it.
    sources.retain(|source| source.1 != 0);
    let ended = Ended::of(&view);
    Ok(ended.map(|ended| Entry { sources, ended }))
}

/// Adds lines to the index, and compacts it when most of it is out of date.
fn append(files: &Files, lines: &str) -> io::Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    let text = match read_start(&files.index) {
        Ok(start) if start == HEADER.as_bytes() => {
            let mut file = durable::open_append(&files.index, Mode::Private)?;
            file.write_all(lines.as_bytes())?;
            let length = file.metadata()?.len();
            // A power of two is passed once for each doubling.
            let before = length.saturating_sub(lines.len() as u64);
            let has_doubled = before / SMALL_INDEX == 0 || before.ilog2() < length.ilog2();
            if length < SMALL_INDEX || !has_doubled {
                return Ok(());
            }
            compacted(&read_bounded(&files.index)?, &files.project)
        }
        _ => format!("{HEADER}{lines}"),
    };
    durable::replace(&files.index, text.as_bytes(), Mode::Private)
}

fn read_start(path: &Path) -> io::Result<Vec<u8>> {
    use std::io::Read as _;
    let mut start = Vec::new();
    fs::File::open(path)?
        .take(HEADER.len() as u64)
        .read_to_end(&mut start)?;
    Ok(start)
}

/// Returns the index with one line for each task that still has a folder.
fn compacted(bytes: &[u8], project: &Path) -> String {
    let index = ProjectIndex::parse(bytes);
    let mut text = HEADER.to_owned();
    for (task, range) in &index.entries {
        if project.join(task).is_dir() {
            let rest = format!("{task} {}", &index.text[range.clone()]);
            push_line(&mut text, &rest);
        }
    }
    text
}

#[cfg(test)]
mod tests;
