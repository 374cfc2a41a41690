//! What the index knows, and how it gets to know it.
//!
//! One lock is around all of it. Whoever holds the lock reads files, changes what is known,
//! and publishes a new [`View`]; so a later reading is never overwritten by an earlier one, and
//! who asked for a look finds it in the view when the lock is free again.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, RwLock};

use cl_storage::index::ProjectIndex;
use cl_storage::layout::LayoutError;
use cl_storage::queue::{self, Queue};
use cl_storage::{Clock, ProjectId, Root, TaskDir, TaskId};
use jiff::Timestamp;
use tokio::sync::broadcast;

use super::old::Old;
use super::project::Project;
use super::reading::{Live, Names, Positions, Reader, look_at, place};
use super::watches::Watches;
use super::{Change, TaskEntry, View};

/// A chain of tasks that change because of each other is followed so far at once.
const MOST_ROUNDS: usize = 16;
/// Roots with more runs than this keep those of ended tasks on disk until they are asked for.
const MANY_RUNS: usize = 10_000;

/// A task by its project and id.
pub(super) type Key = (ProjectId, TaskId);

/// What readers have without the lock.
#[derive(Debug)]
pub(super) struct Published {
    pub(super) view: RwLock<Arc<View>>,
    pub(super) changes: broadcast::Sender<Change>,
    pub(super) names: Names,
    /// Why not all is watched, and how many folders are.
    pub(super) watching: std::sync::Mutex<(Option<String>, usize)>,
}

/// What the index knows.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own about the reading"
)]
pub(super) struct Truth {
    pub(super) root: Root,
    clock: Arc<dyn Clock>,
    published: Arc<Published>,
    pub(super) watches: Watches,
    pub(super) projects: BTreeMap<ProjectId, Project>,
    /// The projects are known, if not what is in them.
    pub(super) is_listed: bool,
    /// Everything was read once; from then on, changes are told.
    pub(super) is_built: bool,
    /// Why the root cannot be listed.
    pub(super) problem: Option<String>,
    pub(super) root_look: u64,
    pub(super) old: Old,
    pub(super) queue: Queue,
    pub(super) queue_look: u64,
    positions: Positions,
    /// The tasks that name a task as their child.
    parents: HashMap<Key, BTreeSet<Key>>,
    /// Tasks that must be looked at.
    pub(super) dirty: BTreeSet<Key>,
    /// Projects that may be new or gone.
    pub(super) dirty_projects: BTreeSet<ProjectId>,
    /// The root must be listed, the queue looked at.
    pub(super) is_root_dirty: bool,
    pub(super) is_queue_dirty: bool,
    version: u64,
    pub(super) changes: Vec<Change>,
    /// What stands beside the projects has changed.
    pub(super) is_changed: bool,
    pub(super) runs: usize,
}

impl Truth {
    pub(super) fn new(
        root: Root,
        clock: Arc<dyn Clock>,
        old: Old,
        watches: Watches,
        published: Arc<Published>,
    ) -> Self {
        Self {
            root,
            clock,
            published,
            watches,
            projects: BTreeMap::new(),
            is_listed: false,
            is_built: false,
            problem: None,
            root_look: 0,
            old,
            queue: Queue::default(),
            queue_look: 0,
            positions: HashMap::new(),
            parents: HashMap::new(),
            dirty: BTreeSet::new(),
            dirty_projects: BTreeSet::new(),
            is_root_dirty: false,
            is_queue_dirty: false,
            // That of what is shown of single projects before everything is read.
            version: 1,
            changes: Vec::new(),
            is_changed: true,
            runs: 0,
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(super) fn reader(&self) -> Reader<'_> {
        Reader {
            root: &self.root,
            names: &self.published.names,
            queue: &self.queue,
            positions: &self.positions,
            now: self.now(),
            version: self.version + 1,
            leaves_runs: self.runs > MANY_RUNS,
        }
    }

    /// Looks at the queue again; its tasks are moved to their places.
    pub(super) fn refresh_queue(&mut self) {
        self.queue_look = look_at([&*queue::folder_of(&self.root)], self.now());
        let queue = match Queue::read_again(&self.root, &self.queue) {
            Ok(queue) => queue,
            Err(error) => {
                tracing::warn!(%error, "could not look at the queue");
                Queue::default()
            }
        };
        if queue.has_trusted() {
            // The next glance looks closely.
            self.queue_look = 0;
        }
        self.queue = queue;
        let positions = self.queue.positions();
        let before = std::mem::replace(&mut self.positions, positions);
        let mut moved = Vec::new();
        for (key, position) in &self.positions {
            match before.get(key) {
                None => {
                    self.dirty.insert(key.clone());
                }
                Some(earlier) if earlier != position => moved.push((key.clone(), *position)),
                Some(_) => {}
            }
        }
        let left = before
            .into_keys()
            .filter(|key| !self.positions.contains_key(key));
        self.dirty.extend(left);
        let version = self.version + 1;
        let mut has_moved = false;
        for ((project, task), position) in moved {
            let Some(project) = self.projects.get_mut(&project) else {
                continue;
            };
            if let Some(entry) = project.tasks.get(&task) {
                let mut row = entry.row.clone();
                place(&mut row, Some(position));
                let entry = entry.with_row(row, version);
                project.tasks.insert(Arc::new(entry));
                project.is_changed = true;
                has_moved = true;
            }
        }
        if has_moved {
            self.changes.push(Change::Queue);
        }
    }

    /// Looks at everything that must be looked at, and publishes what came of it.
    pub(super) fn settle(&mut self) {
        for project in std::mem::take(&mut self.dirty_projects) {
            self.look_at_project(&project);
        }
        if std::mem::take(&mut self.is_root_dirty) {
            self.watch_own();
            self.list();
        }
        if std::mem::take(&mut self.is_queue_dirty) {
            self.watch_own();
            self.refresh_queue();
        }
        for _ in 0..MOST_ROUNDS {
            let batch = std::mem::take(&mut self.dirty);
            if batch.is_empty() {
                break;
            }
            for key in batch {
                self.look(&key);
            }
        }
        self.refresh_chains();
        self.publish();
    }

    /// Returns the folder of a task; `None` if there is no such task.
    fn dir_of(&mut self, (project_id, id): &Key) -> Result<Option<TaskDir>, LayoutError> {
        let Some(project) = self.projects.get_mut(project_id) else {
            return Ok(None);
        };
        project.unsure.remove(id);
        let key = (project_id.clone(), id.clone());
        let of_root = match &project.dir {
            Some(dir) => match dir.task(id) {
                Ok(task) => Some(task).filter(TaskDir::exists),
                // Listings leave such folders out.
                Err(LayoutError::Symlink(_) | LayoutError::NotAFolder(_)) => None,
                Err(error) => return Err(error),
            },
            None => None,
        };
        let Some(task) = of_root else {
            return Ok(self.old.tasks.get(&key).cloned());
        };
        let is_task = TaskId::parse(id.as_str()).is_ok()
            || [task.prompt(), task.config(), task.runs_folder()]
                .iter()
                .any(|path| path.exists());
        if !is_task {
            project.unsure.insert(id.clone());
        }
        Ok(is_task.then_some(task))
    }

    /// Looks at one task.
    fn look(&mut self, key: &Key) {
        let is_loaded = |project: &Project| project.is_loaded;
        if !self.projects.get(&key.0).is_some_and(is_loaded) {
            return;
        }
        let found = match self.dir_of(key) {
            Ok(None) => None,
            Ok(Some(dir)) => Some(self.reader().read(&dir, &ProjectIndex::default())),
            Err(error) => {
                let problem = cl_view::chain(&error);
                Some(Err(format!("task {} cannot be read: {problem}", key.1)))
            }
        };
        let Some(project) = self.projects.get_mut(&key.0) else {
            return;
        };
        let (_, id) = key;
        let node = project.node(id);
        let before = project.tasks.get(id).cloned();
        let problem = found
            .as_ref()
            .and_then(|found| found.as_ref().err())
            .cloned();
        let was = match problem {
            Some(problem) => project.failed.insert(id.clone(), problem.clone()) != Some(problem),
            None => project.failed.remove(id).is_some(),
        };
        project.is_changed |= was;
        let found = found.and_then(Result::ok);
        let (entry, live, superseded_by) = match found {
            Some(found) => (Some(found.entry), found.live, found.superseded_by),
            None => (None, None, None),
        };
        match superseded_by {
            Some(successor) => project.superseded.insert(id.clone(), successor),
            None => project.superseded.remove(id),
        };
        let lived = match &live {
            Some(live) => project.live.insert(id.clone(), live.clone()),
            None => project.live.remove(id),
        };
        if follow(&mut self.watches, lived.as_deref(), live.as_deref()) {
            // What changed before the watch is told by nobody.
            self.dirty.insert(key.clone());
        }
        self.put(key, before.as_deref(), entry);
        let Some(project) = self.projects.get_mut(&key.0) else {
            return;
        };
        if project.node(id) != node {
            project.are_chains_stale |= !project.blocked.is_empty();
            let dependents = project.dependents(id).into_iter();
            self.dirty
                .extend(dependents.map(|task| (key.0.clone(), task)));
        }
    }

    /// Puts what was read of a task in the place of what is known.
    fn put(&mut self, key: &Key, before: Option<&TaskEntry>, entry: Option<Arc<TaskEntry>>) {
        let Some(project) = self.projects.get_mut(&key.0) else {
            return;
        };
        let Some(mut entry) = entry else {
            if before.is_some() {
                project.tasks.remove(&key.1);
                project.blocked.remove(&key.1);
                project.is_changed = true;
                self.changes
                    .push(Change::TaskGone(key.0.clone(), key.1.clone()));
                self.replaced(key, before, None);
            }
            return;
        };
        if entry.row.blocked_by.is_empty() {
            project.blocked.remove(&key.1);
        } else {
            project.are_chains_stale |= project.blocked.insert(key.1.clone());
            // Until it is found out again.
            if let (Some(before), Some(entry)) = (before, Arc::get_mut(&mut entry)) {
                entry
                    .row
                    .deadlocked_by
                    .clone_from(&before.row.deadlocked_by);
            }
        }
        if let Some(before) = before
            && before.is_shown_as(&entry)
        {
            before.seen.take_over(&entry.seen);
            return;
        }
        project.tasks.insert(Arc::clone(&entry));
        project.is_changed = true;
        self.changes.push(Change::Task(Arc::clone(&entry)));
        self.replaced(key, before, Some(&entry));
    }

    /// Looks at those that show something of a task that is another than before.
    fn replaced(&mut self, key: &Key, before: Option<&TaskEntry>, entry: Option<&TaskEntry>) {
        let runs = |entry: Option<&TaskEntry>| entry.map_or(0, |entry| entry.row.runs);
        self.runs = (self.runs + runs(entry)).saturating_sub(runs(before));
        self.link_children(key, before, entry);
        let is_active = |entry: Option<&TaskEntry>| entry.is_some_and(|entry| entry.row.active);
        if is_active(before) != is_active(entry) || before.is_none() || entry.is_none() {
            self.dirty
                .extend(self.parents.get(key).into_iter().flatten().cloned());
        }
    }

    /// Takes note of the children that a task names.
    pub(super) fn link_children(
        &mut self,
        key: &Key,
        before: Option<&TaskEntry>,
        now: Option<&TaskEntry>,
    ) {
        let children = |entry: Option<&TaskEntry>| -> BTreeSet<Key> {
            let named = entry.into_iter().flat_map(|entry| &entry.row.children);
            named
                .map(|child| (child.project_id.clone(), child.task_id.clone()))
                .collect()
        };
        let (before, now) = (children(before), children(now));
        for child in before.difference(&now) {
            if let Some(parents) = self.parents.get_mut(child) {
                parents.remove(key);
                if parents.is_empty() {
                    self.parents.remove(child);
                }
            }
        }
        for child in now.difference(&before) {
            self.parents
                .entry(child.clone())
                .or_default()
                .insert(key.clone());
        }
    }

    /// Finds out again what blocked tasks are stuck behind, where that may have changed.
    fn refresh_chains(&mut self) {
        let version = self.version + 1;
        for project in self.projects.values_mut() {
            if !std::mem::take(&mut project.are_chains_stale) {
                continue;
            }
            for (entry, behind) in project.moved_chains() {
                let mut row = entry.row.clone();
                row.deadlocked_by = behind;
                let entry = Arc::new(entry.with_row(row, version));
                project.tasks.insert(Arc::clone(&entry));
                project.is_changed = true;
                self.changes.push(Change::Task(entry));
            }
        }
    }

    /// Shows readers what is known, if that is something else than before.
    fn publish(&mut self) {
        if !self.is_built {
            return;
        }
        let is_changed = |project: &Project| project.is_changed;
        if self.is_changed || self.projects.values().any(is_changed) {
            self.version += 1;
            self.is_changed = false;
            let mut view = View::clone(&read(&self.published.view));
            view.version = self.version;
            view.problems = self
                .problem
                .iter()
                .chain(&self.old.problems)
                .cloned()
                .collect();
            view.projects.retain(|id, _| self.projects.contains_key(id));
            for (id, project) in &mut self.projects {
                if std::mem::take(&mut project.is_changed) {
                    let shown = Arc::new(project.view(id, self.version));
                    view.projects.insert(id.clone(), shown);
                }
            }
            let mut published =
                (self.published.view.write()).unwrap_or_else(std::sync::PoisonError::into_inner);
            *published = Arc::new(view);
        }
        for change in self.changes.drain(..) {
            // Nobody listens.
            self.published.changes.send(change).ok();
        }
    }

    /// Returns what there is of one project by now, which may not be published yet.
    pub(super) fn project_view(&self, id: &ProjectId) -> Option<super::ProjectView> {
        let project = self.projects.get(id)?;
        Some(project.view(id, self.version))
    }

    /// Takes note that the problems of old folders may be others.
    pub(super) fn note_old_problems(&mut self) {
        self.is_changed = true;
    }

    fn look_at_project(&mut self, id: &ProjectId) {
        let is_there = self.root.project(id).is_ok_and(|dir| dir.path().is_dir());
        let is_known = self
            .projects
            .get(id)
            .is_some_and(|project| project.dir.is_some());
        if self.is_listed && is_there != is_known {
            self.list();
        }
    }
}

/// Returns the published view.
pub(super) fn read(view: &RwLock<Arc<View>>) -> Arc<View> {
    let view = view
        .read()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    Arc::clone(&view)
}

pub(super) fn key_of(entry: &TaskEntry) -> Key {
    (entry.row.project_id.clone(), entry.row.task_id.clone())
}

pub(super) fn watch_all(watches: &mut Watches, live: &Live) -> bool {
    let mut is_new = false;
    for folder in &live.folders {
        is_new |= watches.watch(folder);
    }
    is_new
}

/// Watches the folders of what is to be followed, and no others; tells whether one is new.
fn follow(watches: &mut Watches, before: Option<&Live>, now: Option<&Live>) -> bool {
    let folders = |live: Option<&Live>| live.map_or_else(Vec::new, |live| live.folders.clone());
    let wanted = folders(now);
    for folder in folders(before) {
        if !wanted.contains(&folder) {
            watches.unwatch(&folder);
        }
    }
    now.is_some_and(|live| watch_all(watches, live))
}
