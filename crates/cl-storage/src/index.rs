//! What listings need to know of tasks that have ended, so that their records need not be read again.
//!
//! One file per project below `<root>/.conductor/index/`; derived, may be deleted
//! at any time. Only ended tasks are in it. It is written by owners that have
//! given a task up ([`note_end`]) and by [`sweep`], never by readers. Losing an
//! entry, or the whole file, costs time and nothing else.
//!
//! ```text
//! <project>.index      header, then a line per task: checksum, id, fields; the last line of a task counts
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
//! - `task-state.yaml`, `launch.yaml`, `STOP-REQUESTED`, `TASK-CONFIG.yaml`, each `run-info.yaml`: all of it.
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
//! A bus only says when something happened last. Whether there is one is in the
//! entry, because one that appears changes the folder; one that is there is looked at.
//!
//! When the first source is looked at, all of them were unchanged, because each
//! later look finds its source unchanged since before: the state that is shown
//! existed at one moment of the reading.

mod line;

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use crate::durable::{self, Mode};
use crate::failure::Failure;
use crate::folder::OpenFolder;
use crate::id::{RunId, TaskId};
use crate::layout::{ProjectDir, Root, TaskDir};
use crate::lock;
use crate::look;
use crate::open_task::record_of;
use crate::owner::OwnerState;
use crate::run_info::RunStatus;
use crate::snapshot::TaskView;
use crate::status::{Claim, TaskStatus};
use crate::task_state::{ClaimRecord, ParentTask};

/// First line of an index; one of another build is ignored and replaced.
const HEADER: &str = concat!("conductor-index 3 ", env!("CARGO_PKG_VERSION"), "\n");
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
#[derive(Debug, Clone, PartialEq)]
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
    /// The claim that was judged last.
    pub claim: Option<ClaimRecord>,
    /// What it depended on.
    pub depends_on: Vec<TaskId>,
    /// The newest change; never stored, because a bus can grow at any time.
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
            claim: state.and_then(|state| state.claim.clone()),
            depends_on: view.depends_on.clone(),
            last_activity: view.last_activity,
        })
    }
}

/// What a look at a file or folder finds; one that is missing has inode 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Look {
    inode: u64,
    size: u64,
    seconds: i64,
    nanoseconds: i64,
}

impl Look {
    /// Looks at `path` below the open `folder`; also returns its mtime in seconds.
    fn at(folder: &OpenFolder, path: &str) -> io::Result<(Self, Option<i64>)> {
        let Some(found) = folder.look(OsStr::new(path))? else {
            return Ok((Self::default(), None));
        };
        let look = Self {
            inode: found.id.inode,
            size: found.len,
            seconds: found.changed.0,
            nanoseconds: found.changed.1,
        };
        Ok((look, Some(found.modified.0)))
    }

    /// The ctime in nanoseconds since 1970.
    fn changed_at(&self) -> i128 {
        nanoseconds(self.seconds, self.nanoseconds)
    }
}

/// A file or folder that an entry was made from: its path below the task's folder.
type Source<'a> = (std::borrow::Cow<'a, str>, Look);

/// Room for the name of a source; a longer one is fine.
const LONGEST_NAME: usize = 64;

/// The task's folder itself, as a source.
const FOLDER: &str = ".";

fn nanoseconds(seconds: i64, fraction: i64) -> i128 {
    i128::from(seconds) * 1_000_000_000 + i128::from(fraction)
}

/// Opens the folder below which sources are looked at.
fn open_folder(path: &Path) -> io::Result<OpenFolder> {
    OpenFolder::open(path)
}

/// The index of one project, as it was when it was opened.
#[derive(Debug, Default)]
pub struct ProjectIndex {
    text: String,
    /// Where in `text` each task's line stands; its checksum is still to be proven.
    lines: HashMap<String, Range<usize>>,
    /// The project's folder.
    folder: Option<OpenFolder>,
}

impl ProjectIndex {
    /// Reads the index of `project`; whatever is wrong with it, it is then empty.
    pub fn open(root: &Root, project: &ProjectDir) -> Self {
        let files = Files::of(root, project.id().as_str());
        let bytes = root
            .check_own_folder("index")
            .and_then(|()| read_bounded(&files.index));
        let opened = bytes.and_then(|bytes| {
            let folder = Some(open_folder(project.path())?);
            Ok(Self {
                folder,
                ..Self::parse(bytes)
            })
        });
        opened.unwrap_or_else(|error| {
            if error.kind() != io::ErrorKind::NotFound {
                tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "ignored an index that cannot be read"
                );
            }
            Self::default()
        })
    }

    fn parse(bytes: Vec<u8>) -> Self {
        // A damaged character damages its line.
        let text = String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        let mut lines = HashMap::new();
        if !text.starts_with(HEADER) {
            tracing::debug!("ignored an index of another version, or none");
            return Self::default();
        }
        let mut start = HEADER.len();
        // What has no line feed was not written to its end.
        while let Some(length) = text[start..].find('\n') {
            let line = start..start + length;
            if let Some(task) = task_of(&text[line.clone()]) {
                lines.insert(task.to_owned(), line);
            }
            start += length + 1;
        }
        Self {
            text,
            lines,
            folder: None,
        }
    }

    /// Returns the fields of `task`, if its line is whole.
    fn fields(&self, task: &str) -> Option<&str> {
        proven(self.text.get(self.lines.get(task)?.clone())?)
    }

    /// Returns what is shown of `task` if it has ended and nothing of it has changed since.
    pub fn find(&self, task: &TaskDir) -> Option<Ended> {
        let id = task.id().as_str();
        let mut entry = line::Reader::new(self.fields(id)?);
        let mut ended = line::read_ended(&mut entry).ok()?;
        let folder = self.folder.as_ref()?;
        let shown = ended.latest_run.as_ref().map(record_of);
        let (mut newest, mut of_folder) = (None, None);
        let mut path = String::with_capacity(id.len() + LONGEST_NAME);
        let has_bus = entry.text()? == "bus";
        while let Some((name, then)) = line::read_source(&mut entry).ok()? {
            // The folder itself is looked at by its name, which may have become a link.
            path.clear();
            path.push_str(id);
            if name != FOLDER {
                path.push('/');
                path.push_str(name);
            }
            let (now, modified) = Look::at(folder, &path).ok()?;
            if now != then {
                return None;
            }
            if name == FOLDER {
                of_folder = modified;
            } else if name == STATE || shown.as_deref() == Some(name) {
                newest = newest.max(modified);
            }
        }
        if has_bus {
            path.replace_range(.., &format!("{id}/{}", crate::layout::TASK_BUS));
            newest = newest.max(Look::at(folder, &path).ok()?.1);
        }
        let activity = newest.or(of_folder);
        ended.last_activity = activity.and_then(|at| Timestamp::from_second(at).ok());
        Some(ended)
    }
}

const STATE: &str = "task-state.yaml";

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = open_regular(path)?;
    let length = file.metadata()?.len();
    if length > LARGEST_INDEX {
        return Err(io::Error::other("larger than 256 MiB"));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Opens a regular file for reading: follows no link, and waits for no writer of a pipe.
fn open_regular(path: &Path) -> io::Result<fs::File> {
    let file = durable::open_real(path)?;
    check_regular(&file)?;
    Ok(file)
}

fn check_regular(file: &fs::File) -> io::Result<()> {
    if file.metadata()?.is_file() {
        Ok(())
    } else {
        Err(io::Error::other("not a regular file"))
    }
}

/// Returns the task that a line is about, whatever its checksum says.
fn task_of(line: &str) -> Option<&str> {
    let (head, _) = line.split_once('\t')?;
    Some(head.split_once(' ')?.1)
}

/// Returns the fields behind checksum and task; `None` if the checksum is another.
fn proven(line: &str) -> Option<&str> {
    let (sum, rest) = line.split_once(' ')?;
    if u64::from_str_radix(sum, 16).ok()? != line::checksum(rest.as_bytes()) {
        return None;
    }
    rest.split_once('\t').map(|(_, fields)| fields)
}

struct Files {
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
        let text = io::read_to_string(open_regular(&files.pending)?)?;
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
    root.ensure_own_folder("index")?;
    let file = durable::open_append(&files.pending, Mode::Private)?;
    check_regular(&file)?;
    lock::scoped(file, &files.pending, WRITER_WAIT, |file| {
        operation(&files, file)
    })
    .map_err(io::Error::other)?
}

/// The file system's time, from the write that has just been made.
fn time_of(file: &fs::File) -> io::Result<i128> {
    let (seconds, fraction) = look::Look::of(file)?.modified;
    Ok(nanoseconds(seconds, fraction))
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
        // Giving a task up changes its folder: one look spares the reading of all of it.
        if is_young(&task, now) {
            young.push(task.id().clone());
            continue;
        }
        // A task that cannot be read is none of the index's business.
        let Ok(Some(entry)) = entry_of(root, &task) else {
            continue;
        };
        let is_settled = |source: &Source<'_>| source.1.changed_at() < now - SETTLED_AFTER;
        if !entry.sources.iter().all(is_settled) {
            young.push(task.id().clone());
            continue;
        }
        if let Some(fields) = line::write(&entry.ended, entry.has_bus, &entry.sources) {
            let rest = format!("{}\t{fields}", task.id());
            if rest.len() <= LONGEST_LINE {
                line::push(&mut lines, &rest);
            }
        }
    }
    (lines, young)
}

/// Tells whether the folder of `task` has changed too recently for an entry.
fn is_young(task: &TaskDir, now: i128) -> bool {
    look::Look::at(task.path())
        .is_ok_and(|found| nanoseconds(found.changed.0, found.changed.1) >= now - SETTLED_AFTER)
}

struct Entry {
    sources: Vec<Source<'static>>,
    /// A bus that appears changes the folder; one that is there may grow.
    has_bus: bool,
    ended: Ended,
}

/// Looks at the sources of `task`, then reads it; `None` if it has not ended.
fn entry_of(root: &Root, task: &TaskDir) -> io::Result<Option<Entry>> {
    let folder = match open_folder(task.path()) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let mut sources = Vec::new();
    let files = [
        STATE,
        "launch.yaml",
        "STOP-REQUESTED",
        crate::layout::TASK_CONFIG,
    ];
    for name in [FOLDER, "runs"].into_iter().chain(files) {
        sources.push((name.into(), Look::at(&folder, name)?.0));
    }
    let has_bus = Look::at(&folder, crate::layout::TASK_BUS)?.1.is_some();
    let runs = task.runs().map_err(io::Error::other)?;
    for run in &runs {
        let name = record_of(run.id());
        let look = Look::at(&folder, &name)?.0;
        if look.inode == 0 {
            return Ok(None);
        }
        sources.push((name.into(), look));
    }
    // Time must not matter: a timed stop marker ends by itself.
    let (early, late) = (Timestamp::MIN, Timestamp::MAX);
    let view = TaskView::read(root, task, late).map_err(io::Error::other)?;
    if view.runs.len() != runs.len() {
        return Ok(None);
    }
    let ended = Ended::of(&view);
    if crate::marker::Markers::read(task, early)? != view.markers {
        let before = TaskView::read(root, task, early).map_err(io::Error::other)?;
        if Ended::of(&before) != ended {
            return Ok(None);
        }
    }
    // What is missing is covered by the folder that would hold it.
    sources.retain(|(_, look)| look.inode != 0);
    Ok(ended.map(|ended| Entry {
        sources,
        has_bus,
        ended,
    }))
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
    let mut start = Vec::new();
    open_regular(path)?
        .take(HEADER.len() as u64)
        .read_to_end(&mut start)?;
    Ok(start)
}

/// Returns the index with one line for each task that still has a folder.
fn compacted(bytes: &[u8], project: &Path) -> String {
    let index = ProjectIndex::parse(bytes.to_vec());
    let mut text = HEADER.to_owned();
    for task in index.lines.keys() {
        let fields = index.fields(task).filter(|_| project.join(task).is_dir());
        if let Some(fields) = fields {
            line::push(&mut text, &format!("{task}\t{fields}"));
        }
    }
    text
}

#[cfg(test)]
mod tests;
