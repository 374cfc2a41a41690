//! Reading what there is: the projects, and all tasks of one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cl_storage::index::ProjectIndex;
use cl_storage::queue;
use cl_storage::{ProjectId, TaskId};

use super::Change;
use super::project::Project;
use super::reading::{Found, look_at};
use super::tasks::Tasks;
use super::truth::{Truth, key_of, watch_all};

/// Projects with more tasks than this keep the runs of ended ones on disk until they are asked for.
const MANY_TASKS: usize = 3000;

impl Truth {
    /// Reads one more project, `wanted` if it is one that is not read yet; tells whether
    /// that was the last.
    pub(super) fn build(&mut self, wanted: Option<&ProjectId>) -> bool {
        if self.is_built {
            return true;
        }
        if !self.is_listed {
            self.watch_own();
            self.refresh_queue();
            self.old.scan(self.now());
            self.list();
            self.is_listed = true;
        }
        let is_left = |id: &&ProjectId| self.projects.get(*id).is_some_and(|p| !p.is_loaded);
        let next = wanted
            .filter(is_left)
            .or_else(|| self.projects.keys().find(is_left));
        if let Some(next) = next.cloned() {
            self.load(&next);
        }
        if self.projects.values().all(|project| project.is_loaded) {
            self.is_built = true;
            self.changes.clear();
            self.is_changed = true;
            self.settle();
        }
        self.is_built
    }

    /// Watches the folders that are not those of a project.
    pub(super) fn watch_own(&mut self) {
        let own = self.root.conductor_folder();
        let queue = queue::folder_of(&self.root);
        for folder in [self.root.path(), &own, &queue] {
            self.watches.watch(folder);
        }
    }

    /// Lists the projects; new ones are read if everything else was.
    pub(super) fn list(&mut self) {
        self.root_look = look_at([self.root.path()], self.now());
        let mut listed = BTreeMap::new();
        let problem = match self.root.projects() {
            Ok(dirs) => {
                listed.extend(dirs.into_iter().map(|dir| (dir.id().clone(), Some(dir))));
                None
            }
            Err(error) => Some(cl_view::chain(&error)),
        };
        if self.problem != problem {
            self.problem.clone_from(&problem);
            self.is_changed = true;
        }
        if problem.is_some() {
            // What cannot be listed is not gone.
            return;
        }
        for project in self.old.projects() {
            listed.entry(project.clone()).or_insert(None);
        }
        let known: Vec<ProjectId> = self.projects.keys().cloned().collect();
        for id in known.iter().filter(|id| !listed.contains_key(id)) {
            self.drop_project(id);
        }
        for (id, dir) in listed {
            let has_dir = |project: &Project| project.dir.is_some();
            let known = self.projects.get(&id);
            if known.is_some_and(|project| has_dir(project) != dir.is_some()) {
                self.drop_project(&id);
            }
            let project = self.projects.entry(id.clone()).or_default();
            project.dir = dir;
            if self.is_built && !project.is_loaded {
                self.load(&id);
            }
        }
    }

    fn drop_project(&mut self, id: &ProjectId) {
        let Some(project) = self.projects.remove(id) else {
            return;
        };
        self.watches.unwatch(&self.root.path().join(id.as_str()));
        for folder in project.live.values().flat_map(|live| &live.folders) {
            self.watches.unwatch(folder);
        }
        for entry in project.tasks.values() {
            self.runs -= entry.row.runs;
            self.link_children(&key_of(entry), Some(entry), None);
        }
        self.changes.push(Change::ProjectGone(id.clone()));
        self.is_changed = true;
    }

    /// Reads all tasks of a project.
    fn load(&mut self, id: &ProjectId) {
        let now = self.now();
        let Some(mut project) = self.projects.remove(id) else {
            return;
        };
        let mut dirs = Vec::new();
        let mut index = ProjectIndex::default();
        if let Some(dir) = &project.dir {
            self.watches.watch(dir.path());
            project.look = look_at([dir.path()], now);
            match dir.tasks() {
                Ok(tasks) => dirs = tasks,
                Err(error) => project.problem = Some(cl_view::chain(&error)),
            }
            index = ProjectIndex::open(&self.root, dir);
        }
        let old = self.old.tasks.iter().filter(|((of, _), _)| of == id);
        let mut ids: BTreeSet<TaskId> = dirs.iter().map(|dir| dir.id().clone()).collect();
        dirs.extend(
            old.map(|(_, dir)| dir)
                .filter(|dir| ids.insert(dir.id().clone()))
                .cloned(),
        );
        dirs.sort_by(|a, b| a.id().cmp(b.id()));
        drop(ids);

        let mut reader = self.reader();
        reader.leaves_runs |= dirs.len() > MANY_TASKS;
        let found = cl_view::in_two_halves(&dirs, |task| reader.read(task, &index));
        if self.is_built {
            self.changes.push(Change::Project(id.clone()));
        }
        let mut entries = Vec::with_capacity(found.len());
        for (dir, found) in dirs.iter().zip(found) {
            let task = dir.id();
            let Found {
                entry,
                live,
                superseded_by,
                is_unindexed,
            } = match found {
                Ok(found) => found,
                Err(problem) => {
                    project.failed.insert(task.clone(), problem);
                    continue;
                }
            };
            project.unindexed += usize::from(is_unindexed);
            if let Some(successor) = superseded_by {
                project.superseded.insert(task.clone(), successor);
            }
            if let Some(live) = live {
                project.live.insert(task.clone(), live);
            }
            if !entry.row.blocked_by.is_empty() {
                project.blocked.insert(task.clone());
            }
            self.runs += entry.row.runs;
            self.link_children(&key_of(&entry), None, Some(&entry));
            // Nobody has seen the root without what was there at the start.
            if self.is_built {
                self.changes.push(Change::Task(Arc::clone(&entry)));
            }
            entries.push(entry);
        }
        project.tasks = Tasks::of_sorted(&entries);
        project.is_loaded = true;
        project.is_changed = true;
        project.are_chains_stale = true;
        for (task, live) in &project.live {
            if watch_all(&mut self.watches, live) {
                // What changed before the watch is told by nobody.
                self.dirty.insert((id.clone(), task.clone()));
            }
        }
        self.projects.insert(id.clone(), project);
    }
}
