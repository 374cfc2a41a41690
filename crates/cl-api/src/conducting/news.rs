//! Which changes are worth a look at the queue.

use std::collections::HashMap;

use cl_storage::status::TaskStatus;
use cl_storage::{ProjectId, TaskId};

use super::lost::Key;
use crate::state::{Change, TaskEntry};

/// What is active, so that a task whose files only grow wakes nobody.
#[derive(Debug, Default)]
pub(super) struct Active(HashMap<Key, TaskStatus>);

impl Active {
    /// Tells whether `change` may make room or unblock what waits; otherwise a later look is
    /// soon enough.
    pub(super) fn is_news(&mut self, change: &Change) -> bool {
        match change {
            Change::Task(entry) => self.is_news_of(entry),
            Change::TaskGone(project, task) => {
                self.0.remove(&key(project, task));
                true
            }
            Change::Project(_) | Change::ProjectGone(_) | Change::Queue => true,
        }
    }

    fn is_news_of(&mut self, entry: &TaskEntry) -> bool {
        let row = &entry.row;
        let key = key(&row.project_id, &row.task_id);
        if row.active {
            return self.0.insert(key, row.status) != Some(row.status);
        }
        self.0.remove(&key);
        true
    }
}

fn key(project: &ProjectId, task: &TaskId) -> Key {
    (project.clone(), task.clone())
}
