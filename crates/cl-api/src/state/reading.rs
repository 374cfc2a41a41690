//! From the files of one task to its entry.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use cl_storage::index::ProjectIndex;
use cl_storage::look::Look;
use cl_storage::marker::{self, Marker, Markers};
use cl_storage::owner::OwnerState;
use cl_storage::process::ProcessIdentity;
use cl_storage::queue::Queue;
use cl_storage::run_info::RunStatus;
use cl_storage::snapshot::{RunView, TaskView};
use cl_storage::status::TaskStatus;
use cl_storage::{ProjectId, Root, TaskDir, TaskId};
use cl_wire::TaskRow;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::{RunFacts, TaskEntry};

/// File times are coarse: what changed within this before a look may change again unseen.
const SETTLED_AFTER_SECONDS: i64 = 2;
/// So many names of agents and versions are shared.
const MOST_NAMES: usize = 1024;

/// What a task's files looked like before they were read; 0 is like nothing.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Its folder, the folder of its runs, its bus.
    pub(super) folders: AtomicU64,
    /// Every file that counts; 0 until it was first looked at.
    pub(super) files: AtomicU64,
    /// When they were read, in seconds since 1970.
    pub(super) at: AtomicI64,
}

impl Seen {
    /// Looks at the folders of `task` before it is read.
    fn before_reading(task: &TaskDir, now: Timestamp) -> Self {
        Self {
            folders: AtomicU64::new(look_at_folders(task.path(), now)),
            files: AtomicU64::new(0),
            at: AtomicI64::new(now.as_second()),
        }
    }

    /// Tells whether the folders of `task` look as they did.
    pub(super) fn is_same_in_folders(&self, task: &TaskDir, now: Timestamp) -> bool {
        self.folders.load(Ordering::Relaxed) == look_at_folders(task.path(), now)
    }

    /// Tells whether all files of `task` look as they did.
    pub(super) fn is_same_in_files(&self, task: &TaskDir, now: Timestamp) -> bool {
        let (look, newest) = look_at_files(task, now);
        match self.files.swap(look, Ordering::Relaxed) {
            0 => newest < self.at.load(Ordering::Relaxed) - SETTLED_AFTER_SECONDS,
            before => before == look,
        }
    }
}

impl Seen {
    /// Takes what a later look found.
    pub(super) fn take_over(&self, later: &Self) {
        let copy = |from: &AtomicU64, to: &AtomicU64| {
            to.store(from.load(Ordering::Relaxed), Ordering::Relaxed);
        };
        copy(&later.folders, &self.folders);
        copy(&later.files, &self.files);
        let at = later.at.load(Ordering::Relaxed);
        self.at.store(at, Ordering::Relaxed);
    }
}

impl Clone for Seen {
    fn clone(&self) -> Self {
        let copy = |number: &AtomicU64| AtomicU64::new(number.load(Ordering::Relaxed));
        Self {
            folders: copy(&self.folders),
            files: copy(&self.files),
            at: AtomicI64::new(self.at.load(Ordering::Relaxed)),
        }
    }
}

/// What can end a task's present state without a trace in its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Life {
    /// Nothing.
    Files,
    /// The death of its owner.
    Owner(ProcessIdentity),
    /// The death of an agent that nobody owns; it is read again each time.
    Agent,
    /// Time that passes.
    Time,
}

/// What is known of a task that has not ended, or may change by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Live {
    /// What its files do not tell.
    pub(super) life: Life,
    /// The dependencies that nobody has lifted.
    pub(super) gating: Vec<TaskId>,
    /// The folders in which something may happen.
    pub(super) folders: Vec<PathBuf>,
    /// The files that grow.
    pub(super) growing: Vec<PathBuf>,
    /// What all those looked like at the last glance.
    pub(super) look: u64,
}

/// What was found of a task.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) entry: Arc<TaskEntry>,
    pub(super) live: Option<Box<Live>>,
    /// The task that counts in its place, if it was given up.
    pub(super) superseded_by: Option<TaskId>,
    /// It has ended, and the index on disk does not know.
    pub(super) is_unindexed: bool,
}

/// Names that many runs share.
#[derive(Debug, Default)]
pub(super) struct Names(Mutex<HashSet<Arc<str>>>);

impl Names {
    fn share(&self, text: &str) -> Option<Arc<str>> {
        if text.is_empty() {
            return None;
        }
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(name) = names.get(text) {
            return Some(Arc::clone(name));
        }
        let name: Arc<str> = text.into();
        if names.len() < MOST_NAMES {
            names.insert(Arc::clone(&name));
        }
        Some(name)
    }

    /// Returns what listings show of the runs of `view`.
    pub(super) fn facts(&self, view: &TaskView) -> Arc<[RunFacts]> {
        view.runs.iter().map(|run| self.fact(run)).collect()
    }

    fn fact(&self, view: &RunView) -> RunFacts {
        let info = view.info.as_ref().ok();
        let failure = view.failure();
        let error = match (&view.info, &failure) {
            (Err(error), _) => cl_view::describe_record_error(error),
            (Ok(info), _) if !info.error_summary.is_empty() => info.error_summary.clone(),
            (_, Some(failure)) => failure.detail.clone(),
            _ => String::new(),
        };
        let name = info.map(|info| {
            if info.agent_name.is_empty() {
                &info.agent
            } else {
                &info.agent_name
            }
        });
        RunFacts {
            id: view.run.id().clone(),
            agent: name.and_then(|name| self.share(name)),
            kind: info.and_then(|info| self.share(&info.agent)),
            version: info.and_then(|info| self.share(&info.agent_version)),
            status: view.status,
            exit_code: info.map(|info| info.exit_code).filter(|code| *code >= 0),
            start: info
                .and_then(|info| info.start_time)
                .or_else(|| view.run.id().started_at()),
            end: info.and_then(|info| info.end_time),
            parent: info.and_then(|info| info.parent_run_id.clone()),
            previous: info.and_then(|info| info.previous_run_id.clone()),
            error: Some(error)
                .filter(|text| !text.is_empty())
                .map(String::into_boxed_str),
            is_external: info.map(|info| info.is_external),
            cwd: info.and_then(|info| self.share(&info.cwd)),
            phase: info
                .and_then(|info| info.phase)
                .filter(|_| view.status == RunStatus::Running),
            attempt: info.and_then(|info| info.attempt),
            role: info.and_then(|info| self.share(&info.role)),
            failure: failure.map(|failure| failure.kind),
            model: info.and_then(|info| self.share(&info.backend_model)),
            usage: info.and_then(|info| info.usage.clone()).map(Box::new),
            worth: info.filter(|info| !info.is_made_up()).map(cl_view::worth),
            digest: digest(view),
        }
    }
}

/// Stands for what a row of a run shows and the facts do not hold.
fn digest(view: &RunView) -> u64 {
    let mut hash = DefaultHasher::new();
    view.is_active.hash(&mut hash);
    if let Ok(info) = &view.info {
        info.phase.hash(&mut hash);
        (info.attempt, info.pid, info.pgid, info.depth).hash(&mut hash);
        (&info.backend_model, &info.session_id, &info.role).hash(&mut hash);
        (info.iteration, info.is_made_up()).hash(&mut hash);
        if let Some(failure) = view.failure() {
            (failure.kind.as_str(), &failure.detail, failure.retry_at).hash(&mut hash);
        }
        if let Some(usage) = &info.usage {
            let tokens = [
                usage.input_tokens,
                usage.output_tokens,
                usage.cache_read_tokens,
                usage.cache_write_tokens,
            ];
            (tokens, usage.turns).hash(&mut hash);
            usage.cost_usd.map(f64::to_bits).hash(&mut hash);
        }
    }
    hash.finish()
}

/// What reading a task takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a> {
    pub(super) root: &'a Root,
    pub(super) names: &'a Names,
    pub(super) queue: &'a Queue,
    /// The places in it.
    pub(super) positions: &'a Positions,
    pub(super) now: Timestamp,
    /// The version of the view that will show it.
    pub(super) version: u64,
    /// Runs of ended tasks are left to those who ask for them.
    pub(super) leaves_runs: bool,
}

/// Which tasks wait for a run slot, and at which place.
pub(super) type Positions = HashMap<(ProjectId, TaskId), usize>;

impl Reader<'_> {
    /// Reads `task`, or takes it from the index if it has ended and is there as it is now.
    pub(super) fn read(&self, task: &TaskDir, index: &ProjectIndex) -> Result<Found, String> {
        let seen = Seen::before_reading(task, self.now);
        // The index knows nothing of the queue.
        let ended = match self.position(task) {
            None => index.find(task),
            Some(_) => None,
        };
        if let Some(ended) = ended {
            let is_cancelled = ended.status == TaskStatus::Cancelled;
            let row = cl_view::ended_task_row(task, ended);
            return Ok(Found {
                entry: self.entry(task, row, None, seen),
                live: None,
                superseded_by: is_cancelled.then(|| successor(task)).flatten(),
                is_unindexed: false,
            });
        }
        let view = TaskView::read_beside(self.root, task, self.now, self.queue);
        let view = view.map_err(|error| {
            format!(
                "task {} cannot be read: {}",
                task.id(),
                cl_view::chain(&error)
            )
        })?;
        let row = cl_view::task_row(&view);
        let live = self.live(&view);
        let has_ended = live.is_none();
        let facts = (!has_ended || !self.leaves_runs).then(|| self.names.facts(&view));
        Ok(Found {
            superseded_by: cl_storage::dependencies::superseded_by(&view),
            is_unindexed: has_ended && !task.is_flat(),
            entry: self.entry(task, row, facts, seen),
            live,
        })
    }

    fn position(&self, task: &TaskDir) -> Option<usize> {
        if self.positions.is_empty() {
            return None;
        }
        let key = (task.project().clone(), task.id().clone());
        self.positions.get(&key).copied()
    }

    fn entry(
        &self,
        task: &TaskDir,
        mut row: TaskRow,
        facts: Option<Arc<[RunFacts]>>,
        seen: Seen,
    ) -> Arc<TaskEntry> {
        let own_status = row.status;
        place(&mut row, self.position(task));
        Arc::new(TaskEntry {
            created_at: created_at(task, &row),
            row,
            own_status,
            version: self.version,
            facts: facts.map_or_else(OnceLock::new, OnceLock::from),
            thread: OnceLock::new(),
            old: task.is_flat().then(|| Arc::new(task.clone())),
            seen,
        })
    }

    /// Returns what is to be followed of a task, if anything is.
    fn live(&self, view: &TaskView) -> Option<Box<Live>> {
        let has_ended =
            view.status.is_terminal() && view.owner_state == OwnerState::None && !view.is_active();
        let life = self.life(view);
        if has_ended && life == Life::Files {
            return None;
        }
        let task = &view.task;
        let mut folders = vec![task.path().to_owned()];
        let mut growing = vec![task.bus()];
        if !task.is_flat() {
            folders.push(task.runs_folder());
            let is_open = |run: &&RunView| {
                let status = run.info.as_ref().map(|info| info.status);
                !matches!(status, Ok(RunStatus::Completed | RunStatus::Failed))
            };
            for run in view.runs.iter().filter(is_open) {
                folders.push(run.run.path().to_owned());
                growing.extend([run.run.stdout(), run.run.stderr()]);
            }
        }
        Some(Box::new(Live {
            life,
            gating: view.gating.clone(),
            folders,
            growing,
            look: 0,
        }))
    }

    fn life(&self, view: &TaskView) -> Life {
        if let (OwnerState::Alive, Some(owner)) = (view.owner_state, &view.owner) {
            return Life::Owner(owner.identity());
        }
        // What is starting has no record for a few seconds.
        let has_agent = |run: &RunView| run.is_active || run.is_starting(self.now);
        let is_of_time = || {
            let always = Markers::read(&view.task, Timestamp::MAX);
            view.markers.has(Marker::StopRequested)
                && always.is_ok_and(|always| always != view.markers)
        };
        if view.runs.iter().any(has_agent) {
            Life::Agent
        } else if is_of_time() {
            Life::Time
        } else {
            Life::Files
        }
    }
}

/// Puts a task at its place in the queue, as listings show it.
pub(super) fn place(row: &mut TaskRow, position: Option<usize>) {
    row.queue_position = position;
    if position.is_some() && !row.active {
        row.status = TaskStatus::Queued;
    }
}

fn successor(task: &TaskDir) -> Option<TaskId> {
    marker::cancellation(task)?.superseded_by
}

/// Returns when a task was made: its id says so, else its prompt, else its first run.
fn created_at(task: &TaskDir, row: &TaskRow) -> Option<Timestamp> {
    let of_id = || {
        let stamp = task.id().as_str().strip_prefix("task-")?.get(..15)?;
        let time = DateTime::strptime("%Y%m%d-%H%M%S", stamp).ok()?;
        Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp())
    };
    let of_prompt = || {
        let look = Look::at(&task.prompt()).ok()?;
        Timestamp::from_second(look.modified.0).ok()
    };
    let of_run = || row.latest_run.as_ref()?.started_at();
    of_id().or_else(of_prompt).or_else(of_run)
}

/// Returns what stands for the present look of `paths`; 0 if it does not tell changes apart yet.
pub(super) fn look_at<'a>(paths: impl IntoIterator<Item = &'a Path>, now: Timestamp) -> u64 {
    let (look, newest) = look_closely(paths);
    if newest > now.as_second().saturating_sub(SETTLED_AFTER_SECONDS) {
        return 0;
    }
    look
}

/// Returns what stands for the present look of `paths`, and when they changed last, in seconds.
fn look_closely<'a>(paths: impl IntoIterator<Item = &'a Path>) -> (u64, i64) {
    let mut hash = DefaultHasher::new();
    let mut newest = i64::MIN;
    for path in paths {
        match Look::at(path) {
            Ok(look) => {
                newest = newest.max(look.changed.0);
                (look.id, look.len, look.changed).hash(&mut hash);
            }
            Err(_) => 0_u8.hash(&mut hash),
        }
    }
    (hash.finish().max(1), newest)
}

/// Looks at the folders of a task and its bus.
fn look_at_folders(task: &Path, now: Timestamp) -> u64 {
    let runs = task.join("runs");
    let bus = task.join(cl_storage::layout::TASK_BUS);
    look_at([task, &runs, &bus], now)
}

/// Looks at every file of a task that counts; 0 if that does not tell changes apart yet.
fn look_at_files(task: &TaskDir, now: Timestamp) -> (u64, i64) {
    let runs = task.runs().unwrap_or_default();
    let records: Vec<PathBuf> = runs.iter().map(cl_storage::RunDir::info).collect();
    let own = [
        task.path().to_owned(),
        task.runs_folder(),
        task.bus(),
        task.state(),
        task.launch(),
        task.config(),
        Marker::StopRequested.path(task),
    ];
    let (look, newest) = look_closely(own.iter().chain(&records).map(PathBuf::as_path));
    let is_settled = newest <= now.as_second().saturating_sub(SETTLED_AFTER_SECONDS);
    (if is_settled { look } else { 0 }, newest)
}
