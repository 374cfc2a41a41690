//! The thread that keeps the index true.
//!
//! It sleeps until a notification comes or it is time for a look that no notification asks for:
//!
//! - each second at the processes whose end would change something, if there are any;
//! - each ten seconds a *glance*: the folders of the root, of projects and of tasks that have
//!   not ended, whether they have changed, and a *stroll*: a short walk along ended tasks, which
//!   goes on where the last one ended. A stroll has a bound in time, a small one while nobody
//!   reads the index;
//! - each minute a list of everything;
//! - each second a glance if folders cannot be watched.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

use cl_storage::index;
use cl_storage::{ProjectId, TaskDir, TaskId};

use super::index::Shared;
use super::reading::{Life, Seen, look_at};
use super::truth::{Key, Truth};
use super::watches::Event;

/// How often the keeper looks without being told to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// Between two glances.
    pub(super) glance: Duration,
    /// Between two lists of everything.
    pub(super) list: Duration,
    /// Between two looks at processes, and between two glances without notifications.
    pub(super) second: Duration,
    /// Notifications that come within this are followed together.
    pub(super) gather: Duration,
    /// So many times as long as a glance took, there is none.
    pub(super) rest: u32,
    /// How long a stroll takes while somebody reads the index, and while nobody does.
    pub(super) stroll: (Duration, Duration),
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            glance: Duration::from_secs(10),
            list: Duration::from_mins(1),
            second: Duration::from_secs(1),
            gather: Duration::from_millis(10),
            rest: 50,
            // A five-hundredth of the time, and a five-thousandth.
            stroll: (Duration::from_millis(20), Duration::from_millis(2)),
        }
    }
}

/// A keeper that fails is started again so often.
const MOST_STARTS: usize = 3;
/// So many ended tasks that the index on disk does not know make it worth writing.
const WORTH_A_SWEEP: usize = 200;
/// Of a stroll, the part in which all files of a task are looked at and not only its folders.
const THOROUGH_PART: u32 = 4;

/// Keeps the index of `shared` until it ends.
pub(super) fn run(shared: &Arc<Shared>, events: &Receiver<Event>) {
    for _ in 0..MOST_STARTS {
        let mut keeper = Keeper::new(shared);
        if catch_unwind(AssertUnwindSafe(|| keeper.run(events))).is_ok() {
            return;
        }
        tracing::error!("the thread that keeps the index failed; it begins again");
        shared.lost.store(true, Ordering::Release);
    }
    tracing::error!("the index is no longer kept");
    shared.has_failed.store(true, Ordering::Release);
}

struct Keeper<'a> {
    shared: &'a Arc<Shared>,
    pace: Pace,
    next_glance: Instant,
    next_list: Instant,
    next_second: Instant,
    /// Tasks whose growing files have grown, until the next second.
    grown: Vec<Key>,
    /// Where the strolls are: behind this task.
    strolls: [Option<Key>; 2],
}

impl<'a> Keeper<'a> {
    fn new(shared: &'a Arc<Shared>) -> Self {
        let (now, pace) = (Instant::now(), shared.pace);
        Self {
            shared,
            pace,
            next_glance: now + pace.glance,
            next_list: now + pace.list,
            next_second: now + pace.second,
            grown: Vec::new(),
            strolls: [None, None],
        }
    }

    fn run(&mut self, events: &Receiver<Event>) {
        while !self.shared.build_some(None) {
            if self.is_ending() {
                return;
            }
        }
        std::thread::scope(|scope| {
            let shared = self.shared;
            let sweep = std::thread::Builder::new().name("index-sweep".to_owned());
            if let Err(error) = sweep.spawn_scoped(scope, || write_index(shared)) {
                tracing::debug!(%error, "the index on disk is left as it is");
            }
            self.follow(events);
        });
    }

    fn follow(&mut self, events: &Receiver<Event>) {
        let mut last = Instant::now();
        while !self.is_ending() {
            match self.next_event(events) {
                Ok(event) => {
                    let mut truth = self.shared.truth();
                    self.take(&mut truth, event);
                    drop(truth);
                    // What belongs together comes together.
                    let rest = self.pace.gather.saturating_sub(last.elapsed());
                    if !rest.is_zero() {
                        std::thread::sleep(rest);
                    }
                    let mut truth = self.shared.truth();
                    for event in events.try_iter() {
                        self.take(&mut truth, event);
                    }
                    truth.settle();
                    drop(truth);
                    last = Instant::now();
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.look_by_time();
        }
    }

    fn is_ending(&self) -> bool {
        self.shared.is_ending.load(Ordering::Acquire)
    }

    fn next_event(&self, events: &Receiver<Event>) -> Result<Event, RecvTimeoutError> {
        if self.shared.lost.swap(false, Ordering::AcqRel) {
            return Ok(Event::Lost);
        }
        let truth = self.shared.truth();
        let mut until = self.next_glance;
        if self.has_seconds(&truth) {
            until = until.min(self.next_second);
        }
        drop(truth);
        events.recv_timeout(until.saturating_duration_since(Instant::now()))
    }

    /// Tells whether anything must be looked at each second.
    fn has_seconds(&self, truth: &Truth) -> bool {
        !self.grown.is_empty()
            || truth.watches.problem().is_some()
            || truth.queue.depends_on_processes()
            || truth
                .projects
                .values()
                .any(super::project::Project::has_lives)
    }

    fn take(&mut self, truth: &mut Truth, event: Event) {
        match event {
            Event::Changed(path) => mark(truth, &path),
            Event::Gone(path) => {
                truth.watches.forget(&path);
                mark(truth, &path);
            }
            Event::Grown(path) => {
                let key = task_of(truth, &path);
                self.grown
                    .extend(key.filter(|key| !self.grown.contains(key)));
            }
            Event::Lost => {
                glance(truth);
                list_all(truth);
            }
            Event::Wake => {}
        }
    }

    fn look_by_time(&mut self) {
        let now = Instant::now();
        let ears = &self.shared.ears;
        if ears.take_changed() || now >= self.next_glance {
            ears.settle(&mut self.shared.truth().watches);
        }
        if now >= self.next_second {
            let mut truth = self.shared.truth();
            let started = Instant::now();
            if self.has_seconds(&truth) {
                look_at_lives(&mut truth);
                truth.dirty.extend(self.grown.drain(..));
                if truth.watches.problem().is_some() {
                    glance(&mut truth);
                }
                truth.settle();
            }
            self.next_second = now + self.pace.second.max(started.elapsed() * self.pace.rest);
        }
        if now >= self.next_glance {
            let mut truth = self.shared.truth();
            let started = Instant::now();
            if truth.watches.forgives() {
                watch_again(&mut truth);
            }
            truth.watch_own();
            glance(&mut truth);
            if now >= self.next_list {
                self.next_list = now + self.pace.list;
                list_all(&mut truth);
            }
            self.stroll(&mut truth);
            truth.settle();
            self.next_glance = now + self.pace.glance.max(started.elapsed() * self.pace.rest);
        }
    }

    /// Walks along ended tasks for a while.
    fn stroll(&mut self, truth: &mut Truth) {
        let (busy, idle) = self.pace.stroll;
        let is_read = self.shared.is_asked.swap(false, Ordering::Relaxed)
            || self.shared.published.changes.receiver_count() > 0;
        let time = if is_read { busy } else { idle };
        let now = truth.now();
        let thorough = time / THOROUGH_PART;
        walk(
            truth,
            &mut self.strolls[0],
            time.saturating_sub(thorough),
            |task, seen| seen.is_same_in_folders(task, now),
        );
        walk(truth, &mut self.strolls[1], thorough, |task, seen| {
            seen.is_same_in_files(task, now)
        });
    }
}

/// Describes ended tasks on disk that are not described there, so that the next start and every
/// listing are fast.
fn write_index(shared: &Shared) {
    if shared.is_read_only {
        return;
    }
    let truth = shared.truth();
    let worth = truth
        .projects
        .values()
        .filter(|project| project.unindexed >= WORTH_A_SWEEP);
    let dirs: Vec<_> = worth.filter_map(|project| project.dir.clone()).collect();
    drop(truth);
    for dir in dirs {
        if !shared.is_ending.load(Ordering::Acquire) {
            index::sweep(&shared.root, &dir);
        }
    }
}

/// Goes on from `at` along ended tasks, for `time` or once around; those that are not `same` as
/// before are looked at.
fn walk(
    truth: &mut Truth,
    at: &mut Option<Key>,
    time: Duration,
    same: impl Fn(&TaskDir, &Seen) -> bool,
) {
    let started = Instant::now();
    let begin = at.take();
    let mut changed = Vec::new();
    let from = begin.as_ref().map(|(project, _)| project.clone());
    let mut behind = begin.map(|(_, task)| task);
    'all: for (id, project) in &truth.projects {
        if from.as_ref().is_some_and(|from| id < from) {
            continue;
        }
        if from.as_ref() != Some(id) {
            behind = None;
        }
        for entry in project.tasks.after(behind.as_ref()) {
            let task = &entry.row.task_id;
            // Those that have not ended are looked at in each glance.
            if project.live.contains_key(task) {
                continue;
            }
            if entry
                .dir(&truth.root)
                .is_ok_and(|dir| !same(&dir, &entry.seen))
            {
                changed.push((id.clone(), task.clone()));
            }
            if started.elapsed() >= time {
                *at = Some((id.clone(), task.clone()));
                break 'all;
            }
        }
    }
    truth.dirty.extend(changed);
}

/// Takes note of what must be looked at because of a change at `path`.
fn mark(truth: &mut Truth, path: &Path) {
    let Ok(below) = path.strip_prefix(truth.root.path()) else {
        return;
    };
    let mut names = below.iter().map(|name| name.to_str().unwrap_or_default());
    match (names.next(), names.next()) {
        (None, _) => truth.is_root_dirty = true,
        (Some(".conductor"), None | Some("queue")) => truth.is_queue_dirty = true,
        (Some(project), None) => truth.dirty_projects.extend(ProjectId::parse(project).ok()),
        (Some(_), Some(_)) => truth.dirty.extend(task_of(truth, path)),
    }
}

/// Returns the task in whose folder `path` is.
fn task_of(truth: &Truth, path: &Path) -> Option<Key> {
    let below = path.strip_prefix(truth.root.path()).ok()?;
    let mut names = below.iter().map(|name| name.to_str().unwrap_or_default());
    let project = ProjectId::parse(names.next()?).ok()?;
    let task = TaskId::parse_existing(names.next()?).ok()?;
    Some((project, task))
}

/// Looks at those that can end without a trace.
fn look_at_lives(truth: &mut Truth) {
    if truth.queue.depends_on_processes() {
        truth.refresh_queue();
    }
    let mut ended = Vec::new();
    for (id, project) in &truth.projects {
        for (task, live) in &project.live {
            let may_have_ended = match &live.life {
                Life::Owner(owner) => !owner.is_alive(),
                Life::Agent => true,
                Life::Files | Life::Time => false,
            };
            if may_have_ended {
                ended.push((id.clone(), task.clone()));
            }
        }
    }
    truth.dirty.extend(ended);
}

/// Looks whether anything that is not ended has changed.
fn glance(truth: &mut Truth) {
    let now = truth.now();
    let came_and_went = truth.old.scan(now);
    if !came_and_went.is_empty() {
        truth.note_old_problems();
        truth.dirty.extend(came_and_went);
        truth.list();
    }
    let is_other = |before: u64, look: u64| look == 0 || look != before;
    if is_other(truth.root_look, look_at([truth.root.path()], now)) {
        truth.list();
    }
    let queue = cl_storage::queue::folder_of(&truth.root);
    if is_other(truth.queue_look, look_at([&*queue], now)) {
        truth.refresh_queue();
    }
    let mut changed = Vec::new();
    let mut unlisted = Vec::new();
    for (id, project) in &mut truth.projects {
        if let Some(dir) = &project.dir {
            truth.watches.watch(dir.path());
            if is_other(project.look, look_at([dir.path()], now)) {
                unlisted.push(id.clone());
            }
        }
        for task in &project.unsure {
            changed.push((id.clone(), task.clone()));
        }
        for (task, live) in &mut project.live {
            let paths = live.folders.iter().chain(&live.growing);
            let look = look_at(paths.map(PathBuf::as_path), now);
            let is_of_time = matches!(live.life, Life::Time | Life::Agent);
            if is_other(live.look, look) || is_of_time {
                changed.push((id.clone(), task.clone()));
            }
            live.look = look;
        }
    }
    truth.dirty.extend(changed);
    for id in unlisted {
        list_project(truth, &id);
    }
}

fn list_all(truth: &mut Truth) {
    truth.list();
    let projects: Vec<ProjectId> = truth.projects.keys().cloned().collect();
    for id in projects {
        list_project(truth, &id);
    }
}

/// Compares the tasks of a project with its folder.
fn list_project(truth: &mut Truth, id: &ProjectId) {
    let now = truth.now();
    let Some(project) = truth.projects.get_mut(id) else {
        return;
    };
    let Some(dir) = &project.dir else { return };
    project.look = look_at([dir.path()], now);
    let listed = match dir.tasks() {
        Ok(listed) => listed,
        Err(error) => {
            let problem = Some(cl_view::chain(&error));
            project.is_changed |= project.problem != problem;
            project.problem = problem;
            // What cannot be listed is not gone.
            return;
        }
    };
    project.is_changed |= project.problem.take().is_some();
    let is_failed = |task: &TaskId| project.failed.contains_key(task);
    let mut ids = listed.iter().map(TaskDir::id).peekable();
    let mut differ = Vec::new();
    // Both are in order.
    for entry in project.tasks.values() {
        let known = &entry.row.task_id;
        while let Some(new) = ids.next_if(|id| *id < known) {
            differ.push(new.clone());
        }
        let is_listed = ids.next_if(|id| *id == known).is_some();
        if !is_listed && entry.old.is_none() {
            differ.push(known.clone());
        }
    }
    differ.extend(ids.cloned());
    let gone = project
        .failed
        .keys()
        .filter(|task| !project.tasks.contains_key(task));
    let gone: Vec<TaskId> = gone.cloned().collect();
    differ.retain(|task| !is_failed(task));
    // Those that could not be read are tried again.
    differ.extend(gone);
    truth
        .dirty
        .extend(differ.into_iter().map(|task| (id.clone(), task)));
}

/// Watches again what should be watched, after the system had run out.
fn watch_again(truth: &mut Truth) {
    truth.watch_own();
    let mut unwatched = Vec::new();
    for (id, project) in &truth.projects {
        for (task, live) in &project.live {
            for folder in &live.folders {
                if truth.watches.watch(folder) {
                    unwatched.push((id.clone(), task.clone()));
                }
            }
        }
    }
    truth.dirty.extend(unwatched);
}

/// Takes the lock; whoever panicked with it left what was known before.
pub(super) fn lock(truth: &std::sync::Mutex<Truth>) -> MutexGuard<'_, Truth> {
    truth
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
