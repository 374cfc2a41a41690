//! From files to [`Node`]s, and watching them cheaply.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::{Blocker, Facts, Graph, Node, Standing, standing};
use crate::id::TaskId;
use crate::layout::{ProjectDir, Root, TaskDir};
use crate::look::Look;
use crate::marker::{self, Marker};
use crate::owner::OwnerState;
use crate::process::ProcessIdentity;
use crate::snapshot::{self, TaskView};

/// File times are coarse: a folder that changed within this may change again unseen.
const SETTLED_AFTER: Duration = Duration::from_secs(2);

/// Looks at one task; one that cannot be looked at is a zombie, and told.
fn look_at(
    root: &Root,
    project: &ProjectDir,
    id: &TaskId,
    now: Timestamp,
) -> (Node, Option<TaskView>) {
    let view = project
        .task(id)
        .and_then(|task| snapshot::read_dependency(root, &task, now));
    match view {
        Ok(view) if !view.task.exists() => (Node::missing(), None),
        Ok(view) => (node_of(&view), Some(view)),
        Err(error) => {
            tracing::warn!(task = %id, error = &error as &dyn std::error::Error, "a dependency cannot be looked at");
            let node = Node {
                standing: Standing::Zombie,
                ..Node::missing()
            };
            (node, None)
        }
    }
}

/// Returns how a task stands that was looked at.
fn node_of(view: &TaskView) -> Node {
    Node {
        standing: standing(&Facts {
            status: view.status,
            kind: view.launch.as_ref().map(|launch| launch.kind.as_str()),
            owner: view.owner_state,
            is_active: view.is_active(),
            has_runs: !view.runs.is_empty(),
            goes_on: view.goes_on,
        }),
        depends_on: view.gating.clone(),
        superseded_by: superseded_by(view),
    }
}

/// Returns the task that counts in the place of one that was given up.
pub fn superseded_by(view: &TaskView) -> Option<TaskId> {
    if !view.markers.has(Marker::Cancelled) {
        return None;
    }
    marker::cancellation(&view.task)?.superseded_by
}

/// Returns a graph over the tasks of `project` as they are now.
pub fn graph_of<'a>(root: &'a Root, project: &'a ProjectDir, now: Timestamp) -> Graph<'a> {
    Graph::new(move |id| look_at(root, project, id, now).0)
}

/// Returns those of `dependencies` that keep `task` from beginning.
pub(crate) fn blockers_of(
    root: &Root,
    task: &TaskDir,
    dependencies: &[TaskId],
    now: Timestamp,
) -> Vec<Blocker> {
    if dependencies.is_empty() {
        return Vec::new();
    }
    match root.project(task.project()) {
        Ok(project) => graph_of(root, &project, now).blockers(dependencies),
        Err(_) => Vec::new(),
    }
}

/// What a task's folder looked like when it was read.
#[derive(Debug)]
struct Known {
    look: Option<(u64, i64, i64)>,
    since: Instant,
    /// Later looks at an unchanged folder need not read it again.
    is_settled: bool,
    /// What else the answer depends on: whose death no file tells.
    owner: Option<ProcessIdentity>,
    node: Node,
}

/// Looks at the same tasks again and again, and reads only what has changed.
///
/// Everything that matters about a task is made, removed or replaced in its folder,
/// whose change time tells; only the death of its owner is asked for separately.
#[derive(Debug)]
pub struct Lookout {
    root: Root,
    project: ProjectDir,
    known: RefCell<BTreeMap<TaskId, Known>>,
    reads: std::cell::Cell<u64>,
}

impl Lookout {
    /// Returns a lookout of tasks of `project` that has not looked yet.
    pub fn new(root: Root, project: ProjectDir) -> Self {
        Self {
            root,
            project,
            known: RefCell::default(),
            reads: std::cell::Cell::default(),
        }
    }

    /// Returns a graph over the tasks as they are now.
    pub fn graph(&self, now: Timestamp) -> Graph<'_> {
        Graph::new(move |id| self.look(id, now))
    }

    /// Returns how often a task was read, and not only looked at.
    pub fn reads(&self) -> u64 {
        self.reads.get()
    }

    fn look(&self, id: &TaskId, now: Timestamp) -> Node {
        let path = self.project.path().join(id.as_str());
        let look = Look::at(&path)
            .ok()
            .map(|look| (look.id.inode, look.changed.0, look.changed.1));
        let mut known = self.known.borrow_mut();
        let mut since = Instant::now();
        if let Some(known) = known.get(id).filter(|known| known.look == look) {
            let owner_lives = known.owner.as_ref().is_none_or(ProcessIdentity::is_alive);
            if known.is_settled && owner_lives {
                return known.node.clone();
            }
            since = known.since;
        }
        self.reads.set(self.reads.get() + 1);
        let (node, view) = look_at(&self.root, &self.project, id, now);
        let owner = view
            .as_ref()
            .filter(|view| view.owner_state == OwnerState::Alive);
        let owner = owner
            .and_then(|view| view.owner.as_ref())
            .map(crate::owner::Owner::identity);
        // An agent without an owner, or a child, can end without a trace in this folder.
        let is_told_by_files = view
            .as_ref()
            .is_none_or(|view| owner.is_some() || !view.is_active());
        known.insert(
            id.clone(),
            Known {
                look,
                since,
                is_settled: is_told_by_files && since.elapsed() >= SETTLED_AFTER,
                owner,
                node: node.clone(),
            },
        );
        node
    }
}
