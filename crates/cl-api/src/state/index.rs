//! The index: follows the files below the root.

use std::hash::{BuildHasher as _, DefaultHasher, Hash as _, Hasher as _, RandomState};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use cl_storage::layout::LayoutError;
use cl_storage::run_info::RunStatus;
use cl_storage::snapshot::TaskView;
use cl_storage::{Clock, ProjectId, Root, TaskId, thread_link};
use cl_wire::RunRow;
use cl_wire::projects::ThreadParent;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use super::cache::Cache;
use super::ears::{Ear, Ears};
use super::keeper::{self, Pace, lock};
use super::old::Old;
use super::reading::Names;
use super::truth::{Published, Truth, read};
use super::watches::{Event, MakeNotifier, Sink, Watches, system_notifier};
use super::{Change, ProjectView, RunFacts, TaskEntry, View};

/// Changes that a slow reader may be behind.
const CHANGES: usize = 4096;
/// Notifications that wait to be followed; beyond, everything is looked at instead.
const EVENTS: usize = 8192;
/// How many bytes of answers are kept.
const ANSWER_BYTES: usize = 8 * 1024 * 1024;
/// How many rows of runs are kept.
const RUN_ROWS: usize = 4096;

/// What the index is to follow.
#[derive(Debug)]
pub(crate) struct Following {
    /// The root; it may not exist yet.
    pub(crate) root: Root,
    /// Folders of the old layout, whose runs are shown, too.
    pub(crate) extra_roots: Vec<PathBuf>,
    /// Nothing is written, not even what makes the next start faster.
    pub(crate) is_read_only: bool,
    /// The time.
    pub(crate) clock: Arc<dyn Clock>,
}

/// The index: follows the files below the root.
///
/// Whoever follows it [subscribes](Self::changes) first and takes a [view](Self::view) then. A
/// reader that is too slow gets `Lagged` from its receiver: it takes a new view and goes on.
/// Cloning it is cheap; it ends with the last clone.
#[derive(Debug, Clone)]
pub(crate) struct Index(Arc<Handle>);

/// The runs of tasks that somebody asked for, as they are shown.
type ShownRuns = Cache<(ProjectId, TaskId), Arc<[RunRow]>>;

/// What the clones of an index share.
#[derive(Debug)]
struct Handle {
    shared: Arc<Shared>,
    events: SyncSender<Event>,
    answers: Mutex<Cache<String, Bytes>>,
    rows: Mutex<ShownRuns>,
    nonce: u64,
}

/// What the index and its keeper share.
#[derive(Debug)]
pub(super) struct Shared {
    truth: Mutex<Truth>,
    clock: Arc<dyn Clock>,
    pub(super) root: Root,
    pub(super) is_read_only: bool,
    pub(super) pace: Pace,
    pub(super) published: Arc<Published>,
    /// Everything was read once.
    is_built: AtomicBool,
    /// Somebody has read the index lately.
    pub(super) is_asked: AtomicBool,
    /// Notifications were lost.
    pub(super) lost: Arc<AtomicBool>,
    /// Who waits for something to happen in folders.
    pub(super) ears: Arc<Ears>,
    pub(super) is_ending: AtomicBool,
    /// The keeper is no more.
    pub(super) has_failed: AtomicBool,
}

impl Shared {
    pub(super) fn truth(&self) -> MutexGuard<'_, Truth> {
        lock(&self.truth)
    }

    /// Reads one more project, `wanted` if it is not read yet; tells whether all are.
    pub(super) fn build_some(&self, wanted: Option<&ProjectId>) -> bool {
        let is_built = self.truth().build(wanted);
        if is_built {
            self.is_built.store(true, Ordering::Release);
        }
        is_built
    }

    fn is_built(&self) -> bool {
        self.is_built.load(Ordering::Acquire)
    }
}

/// How the index learns of changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mode {
    /// The system tells.
    Watching,
    /// It looks each second.
    Polling,
}

/// How the index is.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(crate) struct IndexHealth {
    /// Not everything was read yet.
    pub(crate) is_building: bool,
    /// How it learns of changes.
    pub(crate) mode: Mode,
    /// What is wrong with it.
    pub(crate) problem: Option<String>,
    /// How many folders are watched.
    pub(crate) watched_folders: usize,
    /// The version of the present view.
    pub(crate) version: u64,
}

impl Index {
    /// Begins to follow what is below the root, until `ending`; returns at once.
    pub(crate) fn start(following: Following, ending: CancellationToken) -> Self {
        let index = Self::start_with(following, system_notifier(), Pace::default());
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let shared = Arc::clone(&index.0.shared);
            let events = index.0.events.clone();
            runtime.spawn(async move {
                ending.cancelled().await;
                end(&shared, &events);
            });
        }
        index
    }

    pub(super) fn start_with(following: Following, make: MakeNotifier, pace: Pace) -> Self {
        let (events, received) = mpsc::sync_channel(EVENTS);
        let lost = Arc::new(AtomicBool::new(false));
        let ears = Arc::new(Ears::default());
        let sink = Sink {
            events: events.clone(),
            is_full: Arc::clone(&lost),
            ears: Arc::clone(&ears),
        };
        let published = Arc::new(Published {
            view: std::sync::RwLock::default(),
            changes: broadcast::channel(CHANGES).0,
            names: Names::default(),
            watching: Mutex::default(),
        });
        let truth = Truth::new(
            following.root.clone(),
            Arc::clone(&following.clock),
            Old::new(following.extra_roots),
            Watches::new(make, sink),
            Arc::clone(&published),
        );
        let shared = Arc::new(Shared {
            truth: Mutex::new(truth),
            clock: following.clock,
            root: following.root,
            is_read_only: following.is_read_only,
            pace,
            published,
            is_built: AtomicBool::new(false),
            is_asked: AtomicBool::new(false),
            lost,
            ears,
            is_ending: AtomicBool::new(false),
            has_failed: AtomicBool::new(false),
        });
        let kept = Arc::clone(&shared);
        let spawned = std::thread::Builder::new()
            .name("index".to_owned())
            .spawn(move || keeper::run(&kept, &received));
        if let Err(error) = spawned {
            tracing::error!(%error, "the index has no thread");
            shared.has_failed.store(true, Ordering::Release);
        }
        Self(Arc::new(Handle {
            shared,
            events,
            answers: Mutex::new(Cache::new(ANSWER_BYTES)),
            rows: Mutex::new(Cache::new(RUN_ROWS)),
            // Random for each of them.
            nonce: RandomState::new().build_hasher().finish(),
        }))
    }

    /// Returns the present moment.
    ///
    /// Costs next to nothing; until everything was read once it blocks for that, and other
    /// requests go on meanwhile.
    pub(crate) fn view(&self) -> Arc<View> {
        self.0.shared.is_asked.store(true, Ordering::Relaxed);
        if !self.0.shared.is_built() {
            aside(|| while !self.0.shared.build_some(None) {});
        }
        read(&self.0.shared.published.view)
    }

    /// Returns the present moment of one project; `None` if there is no such project.
    ///
    /// Like [`Self::view`], but waits for this project only.
    pub(crate) fn project(&self, id: &ProjectId) -> Option<Arc<ProjectView>> {
        self.0.shared.is_asked.store(true, Ordering::Relaxed);
        if !self.0.shared.is_built() {
            let found = aside(|| {
                let mut truth = self.0.shared.truth();
                let is_built = truth.build(Some(id));
                (!is_built).then(|| truth.project_view(id))
            });
            if let Some(found) = found {
                return found.map(Arc::new);
            }
        }
        read(&self.0.shared.published.view)
            .projects
            .get(id)
            .cloned()
    }

    /// Tells whether not everything was read yet.
    pub(crate) fn is_building(&self) -> bool {
        !self.0.shared.is_built()
    }

    /// Follows what changes from now on.
    ///
    /// When a change arrives, the view shows it. After `Lagged`, take a new view.
    pub(crate) fn changes(&self) -> broadcast::Receiver<Change> {
        self.0.shared.published.changes.subscribe()
    }

    /// Begins to listen for what happens in folders.
    ///
    /// Sooner than [`Self::changes`], and of output and messages as well; it says where to
    /// look and nothing else.
    pub(crate) fn ear(&self) -> Ear {
        Ear::new(Arc::clone(&self.0.shared.ears), self.0.events.clone())
    }

    /// Tells whoever follows buses that this one has grown, also where nobody watches its folder.
    pub(crate) fn bus_grew(&self, bus: &Path) {
        self.0.shared.ears.ring(bus);
    }

    /// Looks at a task again at once; what was changed before the call is in the next view.
    ///
    /// Also for new projects and tasks, and for those that were deleted. Blocks for as long as
    /// the look takes.
    pub(crate) fn look_again(&self, project: &ProjectId, task: &TaskId) {
        self.look_again_at([(project, task)]);
    }

    /// Looks at several tasks at once, as [`Self::look_again`] does; at none without any.
    pub(crate) fn look_again_at<'a>(
        &self,
        tasks: impl IntoIterator<Item = (&'a ProjectId, &'a TaskId)>,
    ) {
        let mut tasks = tasks.into_iter().peekable();
        if tasks.peek().is_none() {
            return;
        }
        let mut truth = self.0.shared.truth();
        truth.is_queue_dirty = true;
        for (project, task) in tasks {
            truth.dirty_projects.insert(project.clone());
            truth.dirty.insert((project.clone(), task.clone()));
        }
        truth.settle();
        drop(truth);
        self.wake();
    }

    /// Looks at a project again at once, as [`Self::look_again`] does; its tasks are not read.
    pub(crate) fn look_again_at_project(&self, project: &ProjectId) {
        let mut truth = self.0.shared.truth();
        truth.dirty_projects.insert(project.clone());
        truth.settle();
        drop(truth);
        self.wake();
    }

    /// Lets the keeper find out when it has to look next.
    fn wake(&self) {
        // One that has no room for it is awake.
        self.0.events.try_send(Event::Wake).unwrap_or_default();
    }

    /// Returns what listings show of the runs of `entry`, oldest first.
    ///
    /// Reads files the first time that it is asked of a task that had ended before the server
    /// started, and then blocks.
    pub(crate) fn run_facts(&self, entry: &TaskEntry) -> Arc<[RunFacts]> {
        let read = || {
            let dir = entry.dir(&self.0.shared.root).ok()?;
            let now = self.0.shared.clock.now();
            let view = TaskView::read(&self.0.shared.root, &dir, now).ok()?;
            Some(self.0.shared.published.names.facts(&view))
        };
        // What cannot be read any more is about to be told.
        let facts = entry.facts.get_or_init(|| read().unwrap_or_default());
        Arc::clone(facts)
    }

    /// Returns the message that the task of `entry` answers.
    ///
    /// Reads a file the first time that it is asked; whoever makes a task writes that file
    /// before anything else shows the task.
    pub(crate) fn thread_of(&self, entry: &TaskEntry) -> Option<Arc<ThreadParent>> {
        let read = || {
            let dir = entry.dir(&self.0.shared.root).ok()?;
            let link = thread_link::read(&dir).unwrap_or_else(|error| {
                tracing::warn!(error = %cl_view::chain(&error), "a thread link cannot be read");
                None
            })?;
            Some(Arc::new(cl_view::thread_parent(link)))
        };
        entry.thread.get_or_init(read).clone()
    }

    /// Returns the runs of a task as they are shown, oldest first; `None` if there is no such task.
    ///
    /// Blocks: reads the records unless they were read not long ago.
    pub(crate) fn runs_of(
        &self,
        project: &ProjectId,
        task: &TaskId,
    ) -> Result<Option<Arc<[RunRow]>>, LayoutError> {
        let view = self.view();
        let Some(entry) = view.task(project, task) else {
            return Ok(None);
        };
        let key = (project.clone(), task.clone());
        let known = unpoisoned(&self.0.rows).get(&key, entry.version);
        if known.is_some() {
            return Ok(known);
        }
        let dir = entry.dir(&self.0.shared.root)?;
        let now = self.0.shared.clock.now();
        let read = TaskView::read(&self.0.shared.root, &dir, now)?;
        let rows = read.runs.iter().map(|run| cl_view::run_row(run, now));
        let rows: Arc<[RunRow]> = rows.collect();
        // Of those that run, the duration grows.
        let has_ended = |row: &RunRow| !matches!(row.status, RunStatus::Running) && !row.pid_alive;
        if entry.row.is_terminal() && rows.iter().all(has_ended) {
            let weight = rows.len();
            unpoisoned(&self.0.rows).put(key, entry.version, Arc::clone(&rows), weight);
        }
        Ok(Some(rows))
    }

    /// Returns what `make` made of `key` at `version`, if it is still there, or makes it.
    ///
    /// `version` is that of all that the answer shows, and `key` says all else that it depends
    /// on. For answers that are asked for again and again; those of more than 4 MiB are not kept.
    pub(crate) fn cached<E>(
        &self,
        key: &str,
        version: u64,
        make: impl FnOnce() -> Result<Bytes, E>,
    ) -> Result<Bytes, E> {
        if let Some(answer) = unpoisoned(&self.0.answers).get(key, version) {
            return Ok(answer);
        }
        let answer = make()?;
        let weight = answer.len();
        unpoisoned(&self.0.answers).put(key.to_owned(), version, answer.clone(), weight);
        Ok(answer)
    }

    /// Returns the `ETag` of an answer that shows the state at `version` and otherwise depends
    /// on `query` alone.
    ///
    /// Weak, because times that pass are not in it. Those of two servers, or of one before and
    /// after it was started again, differ.
    pub(crate) fn etag(&self, version: u64, query: &str) -> String {
        let mut hash = DefaultHasher::new();
        (self.0.nonce, query).hash(&mut hash);
        format!("W/\"{version:x}-{:016x}\"", hash.finish())
    }

    /// Tells how the index is.
    pub(crate) fn health(&self) -> IndexHealth {
        // While a project is being read the lock is held, and health must not wait.
        let (problem, watched_folders) = match self.0.shared.truth.try_lock() {
            Ok(truth) => {
                let problem = truth.watches.problem().map(str::to_owned);
                let mut known = unpoisoned(&self.0.shared.published.watching);
                *known = (problem, truth.watches.len());
                known.clone()
            }
            Err(_) => unpoisoned(&self.0.shared.published.watching).clone(),
        };
        let has_failed = self.0.shared.has_failed.load(Ordering::Acquire);
        IndexHealth {
            is_building: self.is_building(),
            mode: match problem {
                None => Mode::Watching,
                Some(_) => Mode::Polling,
            },
            problem: if has_failed {
                Some("the index is no longer kept; start the server again".to_owned())
            } else {
                problem
            },
            watched_folders,
            version: read(&self.0.shared.published.view).version,
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        end(&self.shared, &self.events);
    }
}

fn end(shared: &Shared, events: &SyncSender<Event>) {
    shared.is_ending.store(true, Ordering::Release);
    // One that has no room for it is awake.
    events.try_send(Event::Wake).unwrap_or_default();
}

fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Does what takes a while so that the runtime's other tasks go on.
fn aside<T>(work: impl FnOnce() -> T) -> T {
    use tokio::runtime::{Handle, RuntimeFlavor};
    let is_in_runtime = Handle::try_current()
        .is_ok_and(|runtime| runtime.runtime_flavor() == RuntimeFlavor::MultiThread);
    if is_in_runtime {
        tokio::task::block_in_place(work)
    } else {
        work()
    }
}
