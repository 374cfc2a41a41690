//! Which tasks wait for which, and whether they ever will be served.
//!
//! Decisions here are pure: they weigh [`Node`]s, which [`look`] reads from disk.
//! A dependency is satisfied by a task whose `DONE` counts, or by a single run that
//! has ended well. A task that was given up may name a successor, and then that one
//! counts in its place, and the successor's successor, as far as that leads.

mod look;
mod report;
mod store;

use std::collections::{BTreeMap, BTreeSet};

pub(crate) use look::blockers_of;
pub use look::superseded_by;
pub use look::{Lookout, graph_of};
pub use report::{Blocked, remedies, report};
pub use store::{DependencyError, Stored, locked, set_dependencies, update};

use crate::id::TaskId;
use crate::owner::OwnerState;
use crate::status::TaskStatus;

/// Where a task stands for those that depend on it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It satisfies dependencies.
    Done,
    /// Its owner or an agent is at work.
    Running,
    /// It waits for a run slot.
    Queued,
    /// Its owner waits for a limit to end.
    Waiting,
    /// Its owner waits for other tasks.
    Blocked,
    /// It failed, and nothing will be tried again.
    Failed,
    /// It was given up.
    Cancelled,
    /// It has no folder.
    Missing,
    /// It has a folder, and nobody ever ran it.
    NeverStarted,
    /// Nobody runs it, and it ended neither well nor badly: stopped, lost, without a claim.
    Zombie,
}

impl Standing {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Done,
        Self::Running,
        Self::Queued,
        Self::Waiting,
        Self::Blocked,
        Self::Failed,
        Self::Cancelled,
        Self::Missing,
        Self::NeverStarted,
        Self::Zombie,
    ];

    /// Returns the word used in output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Running => "running",
            Self::Queued => "queued",
            Self::Waiting => "waiting",
            Self::Blocked => "blocked",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Missing => "missing",
            Self::NeverStarted => "never-started",
            Self::Zombie => "zombie",
        }
    }

    /// Tells whether it goes on by itself, whatever other tasks do.
    pub fn goes_on(self) -> bool {
        matches!(
            self,
            Self::Done | Self::Running | Self::Queued | Self::Waiting
        )
    }

    /// Tells whether a task that depends on such a one is worth a warning when it is launched.
    pub fn is_worth_a_warning(self) -> bool {
        matches!(
            self,
            Self::Missing | Self::Cancelled | Self::Failed | Self::Zombie
        )
    }
}

impl std::fmt::Display for Standing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What decides how a task stands for others.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The one status.
    pub status: TaskStatus,
    /// `task` or `job`; none where it was not launched by us.
    pub kind: Option<&'a str>,
    /// Whether somebody runs it.
    pub owner: OwnerState,
    /// An owner, an agent or a child is alive.
    pub is_active: bool,
    /// There is any run.
    pub has_runs: bool,
    /// Its supervisor died, and `recover` goes on with it.
    pub goes_on: bool,
}

/// Returns where a task stands whose folder is there.
pub fn standing(facts: &Facts<'_>) -> Standing {
    let ended_without_owner = || {
        if facts.owner == OwnerState::None && !facts.has_runs {
            Standing::NeverStarted
        } else {
            Standing::Zombie
        }
    };
    match facts.status {
        TaskStatus::Queued => Standing::Queued,
        TaskStatus::Blocked if facts.owner == OwnerState::Alive || facts.goes_on => {
            Standing::Blocked
        }
        TaskStatus::Waiting => Standing::Waiting,
        _ if facts.is_active => Standing::Running,
        // Its claim waits for its gates: it has not ended.
        TaskStatus::Running if facts.goes_on => Standing::Running,
        TaskStatus::AllFinished => Standing::Done,
        // A restart loop that ended without a claim gave up; a single run did not.
        TaskStatus::Completed if facts.kind != Some("task") => Standing::Done,
        TaskStatus::Cancelled => Standing::Cancelled,
        TaskStatus::Failed => Standing::Failed,
        TaskStatus::Idle | TaskStatus::Blocked => ended_without_owner(),
        _ => Standing::Zombie,
    }
}

/// A task as the decisions see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Where it stands.
    pub standing: Standing,
    /// What it waits for; dependencies that were lifted are left out.
    pub depends_on: Vec<TaskId>,
    /// The task that counts in its place, if it was given up.
    pub superseded_by: Option<TaskId>,
}

impl Node {
    /// Returns a task that is not there.
    pub fn missing() -> Self {
        Self {
            standing: Standing::Missing,
            depends_on: Vec::new(),
            superseded_by: None,
        }
    }
}

/// A dependency that is not satisfied.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Blocker {
    /// The dependency, as it is named.
    pub task: TaskId,
    /// Where it stands, or the task that counts in its place.
    pub standing: Standing,
}

/// The way from a task to what keeps it from beginning.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Chain {
    /// The task, what it waits for, and so on up to the first culprit.
    pub path: Vec<TaskId>,
    /// How the culprit stands.
    pub reason: Standing,
}

impl Chain {
    /// Returns the task at the end of the path.
    pub fn culprit(&self) -> Option<&TaskId> {
        self.path.last()
    }
}

impl std::fmt::Display for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&joined(&self.path, " -> "))
    }
}

/// Returns what a user is told of a dependency when the task is launched.
pub fn warning(blocker: &Blocker) -> String {
    let Blocker { task, standing } = blocker;
    format!("dependency {task} is {standing}; task will stay blocked")
}

/// Joins ids for messages.
pub fn joined(ids: &[TaskId], between: &str) -> String {
    let texts: Vec<&str> = ids.iter().map(TaskId::as_str).collect();
    texts.join(between)
}

/// Tasks and their dependencies, looked at when they are first asked for.
pub struct Graph<'a> {
    look: Box<dyn FnMut(&TaskId) -> Node + 'a>,
    seen: BTreeMap<TaskId, Node>,
    /// Tasks of which it is known that nothing makes them go on.
    stuck: BTreeSet<TaskId>,
}

impl std::fmt::Debug for Graph<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Graph")
            .field("seen", &self.seen)
            .finish_non_exhaustive()
    }
}

impl<'a> Graph<'a> {
    /// Returns a graph whose tasks are found by `look`, each once.
    pub fn new(look: impl FnMut(&TaskId) -> Node + 'a) -> Self {
        Self {
            look: Box::new(look),
            seen: BTreeMap::new(),
            stuck: BTreeSet::new(),
        }
    }

    /// Returns the graph of exactly these tasks.
    pub fn of(nodes: &'a BTreeMap<TaskId, Node>) -> Self {
        Self::new(|id| nodes.get(id).cloned().unwrap_or_else(Node::missing))
    }

    fn node(&mut self, id: &TaskId) -> &Node {
        if !self.seen.contains_key(id) {
            let node = (self.look)(id);
            self.seen.insert(id.clone(), node);
        }
        &self.seen[id]
    }

    /// Returns the task that counts in the place of `id`: itself, or its last successor.
    ///
    /// Successors that name each other lead nowhere: then it is itself.
    pub fn counting(&mut self, id: &TaskId) -> TaskId {
        let mut seen = BTreeSet::new();
        let mut at = id.clone();
        loop {
            if !seen.insert(at.clone()) {
                return id.clone();
            }
            let node = self.node(&at);
            match (node.standing, &node.superseded_by) {
                (Standing::Cancelled, Some(next)) => at = next.clone(),
                _ => return at,
            }
        }
    }

    /// Returns where `id` stands, or the task that counts in its place.
    pub fn standing(&mut self, id: &TaskId) -> Standing {
        let counting = self.counting(id);
        self.node(&counting).standing
    }

    /// Returns those of `dependencies` that are not satisfied, in their order.
    pub fn blockers(&mut self, dependencies: &[TaskId]) -> Vec<Blocker> {
        let mut blockers = Vec::new();
        for task in dependencies {
            let standing = self.standing(task);
            if standing != Standing::Done {
                blockers.push(Blocker {
                    task: task.clone(),
                    standing,
                });
            }
        }
        blockers
    }

    /// Tells whether `id`, or anything that it waits for, goes on by itself.
    ///
    /// A task that nobody runs goes on by nothing; what it waits for does not matter.
    pub fn can_progress(&mut self, id: &TaskId) -> bool {
        let mut seen = BTreeSet::new();
        let mut left = vec![self.counting(id)];
        while let Some(at) = left.pop() {
            if self.stuck.contains(&at) || !seen.insert(at.clone()) {
                continue;
            }
            let node = self.node(&at).clone();
            if node.standing.goes_on() {
                return true;
            }
            if node.standing == Standing::Blocked {
                let blockers = self.blockers(&node.depends_on);
                if blockers.is_empty() {
                    return true;
                }
                for blocker in blockers {
                    left.push(self.counting(&blocker.task));
                }
            }
        }
        self.stuck.append(&mut seen);
        false
    }

    /// Returns why `task` never begins, if nothing that it waits for can make progress.
    pub fn deadlock(&mut self, task: &TaskId, dependencies: &[TaskId]) -> Option<Chain> {
        let blockers = self.blockers(dependencies);
        if blockers.is_empty() {
            return None;
        }
        for blocker in &blockers {
            if self.can_progress(&blocker.task) {
                return None;
            }
        }
        self.chain(task, dependencies)
    }

    /// Returns the way from `task` to the first thing that keeps it from beginning.
    ///
    /// Where there is a choice, the first dependency that cannot make progress is taken.
    pub fn chain(&mut self, task: &TaskId, dependencies: &[TaskId]) -> Option<Chain> {
        let mut chain = Chain {
            path: vec![task.clone()],
            reason: Standing::Blocked,
        };
        let mut dependencies = dependencies.to_vec();
        loop {
            let blockers = self.blockers(&dependencies);
            let stuck = blockers
                .iter()
                .position(|blocker| !self.can_progress(&blocker.task));
            // Nobody is going to run it, whether or not what it waits for ends well.
            let is_culprit = stuck.is_none() && chain.reason == Standing::NeverStarted;
            let next = blockers.get(stuck.unwrap_or(0)).filter(|_| !is_culprit);
            let Some(next) = next else {
                return (chain.path.len() > 1).then_some(chain);
            };
            let counting = self.counting(&next.task);
            let mut is_known = chain.path.contains(&next.task);
            chain.path.push(next.task.clone());
            if counting != next.task {
                is_known |= chain.path.contains(&counting);
                chain.path.push(counting.clone());
            }
            chain.reason = next.standing;
            let goes_deeper = matches!(next.standing, Standing::Blocked | Standing::NeverStarted);
            if is_known || !goes_deeper {
                return Some(chain);
            }
            dependencies = self.node(&counting).depends_on.clone();
        }
    }
}

/// Finds a cycle among tasks that name their dependencies.
///
/// Tasks are visited in the order of their ids, depth first; the cycle begins and
/// ends with the same task.
pub fn find_cycle(edges: &BTreeMap<TaskId, Vec<TaskId>>) -> Option<Vec<TaskId>> {
    let mut finished: BTreeSet<&TaskId> = BTreeSet::new();
    for start in edges.keys() {
        // The way to where the search is, with the next dependency to look at.
        let mut way: Vec<(&TaskId, usize)> = vec![(start, 0)];
        let mut on_way: BTreeSet<&TaskId> = BTreeSet::from([start]);
        while let Some((at, next)) = way.last_mut() {
            let at: &TaskId = at;
            let dependency = edges.get(at).and_then(|of| of.get(*next));
            *next += 1;
            let Some(dependency) = dependency.filter(|_| !finished.contains(at)) else {
                finished.insert(at);
                on_way.remove(at);
                way.pop();
                continue;
            };
            if on_way.contains(dependency) {
                let around = way
                    .iter()
                    .map(|(id, _)| *id)
                    .skip_while(|id| *id != dependency);
                return Some(around.chain([dependency]).cloned().collect());
            }
            if !finished.contains(dependency) {
                on_way.insert(dependency);
                way.push((dependency, 0));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests;
