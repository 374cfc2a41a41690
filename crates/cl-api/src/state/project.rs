//! What the index knows of one project.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cl_storage::dependencies::{Facts, Graph, Node, Standing, standing};
use cl_storage::{ProjectDir, ProjectId, TaskId};

use super::reading::{Life, Live};
use super::tasks::Tasks;
use super::{ProjectView, TaskEntry};

/// What the index knows of one project.
#[derive(Debug, Default)]
pub(super) struct Project {
    /// Its folder; none if only old folders know it.
    pub(super) dir: Option<ProjectDir>,
    /// Its tasks have been read.
    pub(super) is_loaded: bool,
    /// It is another than the one that was shown last.
    pub(super) is_changed: bool,
    pub(super) tasks: Tasks,
    /// Those that have not ended, or may change by themselves.
    pub(super) live: BTreeMap<TaskId, Box<Live>>,
    /// What counts in the place of tasks that were given up.
    pub(super) superseded: BTreeMap<TaskId, TaskId>,
    /// Those that wait for others.
    pub(super) blocked: BTreeSet<TaskId>,
    /// What the blocked ones are stuck behind must be found out again.
    pub(super) are_chains_stale: bool,
    /// Those that cannot be read at all, and why.
    pub(super) failed: BTreeMap<TaskId, String>,
    /// Folders that may become tasks.
    pub(super) unsure: BTreeSet<TaskId>,
    /// Why it cannot be listed.
    pub(super) problem: Option<String>,
    /// What its folder looked like before it was listed.
    pub(super) look: u64,
    /// How many ended tasks the index on disk did not know.
    pub(super) unindexed: usize,
}

impl Project {
    /// Returns how a task stands for those that depend on it.
    pub(super) fn node(&self, id: &TaskId) -> Node {
        let Some(entry) = self.tasks.get(id) else {
            let mut node = Node::missing();
            if self.failed.contains_key(id) {
                node.standing = Standing::Zombie;
            }
            return node;
        };
        let row = &entry.row;
        let facts = Facts {
            status: entry.own_status,
            kind: row.kind.as_deref(),
            owner: row.owner,
            is_active: row.active,
            has_runs: row.runs > 0,
            goes_on: row.goes_on,
        };
        Node {
            standing: standing(&facts),
            // What has ended waits for nothing.
            depends_on: self
                .live
                .get(id)
                .map_or_else(Vec::new, |live| live.gating.clone()),
            superseded_by: self.superseded.get(id).cloned(),
        }
    }

    /// Returns the tasks that are not begun or blocked and depend on `id`, also by way of the
    /// successors of others.
    pub(super) fn dependents(&self, id: &TaskId) -> Vec<TaskId> {
        let mut counts = BTreeSet::from([id]);
        // Each round finds at least one more, or is the last.
        loop {
            let leads_there =
                |(from, to): &(&TaskId, &TaskId)| counts.contains(to) && !counts.contains(from);
            let more: Vec<&TaskId> = (self.superseded.iter())
                .filter(leads_there)
                .map(|(from, _)| from)
                .collect();
            if more.is_empty() {
                break;
            }
            counts.extend(more);
        }
        let depends = |live: &Live| live.gating.iter().any(|on| counts.contains(on));
        let found = self.live.iter().filter(|(_, live)| depends(live));
        found.map(|(id, _)| id.clone()).collect()
    }

    /// Returns what each blocked task is stuck behind, where that is another than is shown.
    pub(super) fn moved_chains(&self) -> Vec<(Arc<TaskEntry>, Vec<TaskId>)> {
        let mut graph = Graph::new(|id| self.node(id));
        let mut moved = Vec::new();
        for id in &self.blocked {
            let Some(entry) = self.tasks.get(id) else {
                continue;
            };
            let gating = self.live.get(id).map_or(&[][..], |live| &live.gating);
            let chain = graph.deadlock(id, gating);
            let behind = chain.map(|chain| chain.path.into_iter().skip(1).collect());
            let behind: Vec<TaskId> = behind.unwrap_or_default();
            if behind != entry.row.deadlocked_by {
                moved.push((Arc::clone(entry), behind));
            }
        }
        moved
    }

    /// Tells whether a process could end unseen.
    pub(super) fn has_lives(&self) -> bool {
        let of_process = |live: &Live| matches!(live.life, Life::Owner(_) | Life::Agent);
        self.live.values().any(|live| of_process(live))
    }

    /// Returns what readers see of it.
    pub(super) fn view(&self, id: &ProjectId, version: u64) -> ProjectView {
        let problems = self.failed.values().chain(&self.problem);
        ProjectView {
            id: id.clone(),
            version,
            tasks: self.tasks.clone(),
            problems: problems.cloned().collect(),
            is_legacy: self.dir.is_none(),
        }
    }
}
