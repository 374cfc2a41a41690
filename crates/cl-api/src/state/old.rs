//! Folders of the old flat layout, which the configuration names: shown, never changed.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;

use cl_storage::{ProjectId, TaskDir, TaskId, legacy};
use jiff::Timestamp;

use super::reading;

/// The tasks of old folders.
#[derive(Debug, Default)]
pub(super) struct Old {
    folders: Vec<PathBuf>,
    /// What they looked like before they were scanned.
    look: u64,
    /// The tasks; of those with one name, the first.
    pub(super) tasks: BTreeMap<(ProjectId, TaskId), TaskDir>,
    /// What could not be read.
    pub(super) problems: Vec<String>,
}

impl Old {
    /// Returns one of `folders`, each once by whatever path, which it has not looked at yet.
    pub(super) fn new(folders: Vec<PathBuf>) -> Self {
        let mut seen = HashSet::new();
        let is_first = |folder: &PathBuf| {
            let real = std::fs::canonicalize(folder);
            seen.insert(real.unwrap_or_else(|_| folder.clone()))
        };
        Self {
            folders: folders.into_iter().filter(is_first).collect(),
            ..Self::default()
        }
    }

    /// Looks again if the folders have changed; returns the tasks that came and went.
    pub(super) fn scan(&mut self, now: Timestamp) -> Vec<(ProjectId, TaskId)> {
        if self.folders.is_empty() {
            return Vec::new();
        }
        let runs: Vec<PathBuf> = self
            .folders
            .iter()
            .map(|folder| folder.join("runs"))
            .collect();
        let look = reading::look_at(runs.iter().map(PathBuf::as_path), now);
        if look != 0 && look == self.look {
            return Vec::new();
        }
        self.look = look;
        let before = std::mem::take(&mut self.tasks);
        self.problems.clear();
        for folder in &self.folders {
            let found = legacy::scan(folder);
            self.problems.extend(found.problems);
            for task in found.tasks {
                let key = (task.project().clone(), task.id().clone());
                if let Some(first) = self.tasks.get(&key) {
                    let (this, first) = (task.path().display(), first.path().display());
                    self.problems
                        .push(format!("{this} is left out: {first} has the same id"));
                    continue;
                }
                self.tasks.insert(key, task);
            }
        }
        let is_new = |(key, task): &(&(ProjectId, TaskId), &TaskDir)| before.get(key) != Some(task);
        let came = self.tasks.iter().filter(is_new);
        let gone = before.keys().filter(|key| !self.tasks.contains_key(key));
        came.map(|(key, _)| key).chain(gone).cloned().collect()
    }

    /// Returns the projects that have such tasks.
    pub(super) fn projects(&self) -> impl Iterator<Item = &ProjectId> {
        self.tasks.keys().map(|(project, _)| project)
    }
}
