//! Which tasks of a project are blocked, and by what.

use std::collections::{BTreeMap, BTreeSet};

use super::{Blocker, Chain, Graph, Node, Standing};
use crate::id::{ProjectId, TaskId};

/// A task that does not begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocked {
    /// The task.
    pub task: TaskId,
    /// Its dependencies that are not satisfied; none for a culprit that only blocks others.
    pub blocked_by: Vec<Blocker>,
    /// The way to the first culprit.
    pub chain: Chain,
    /// Nothing around it is at work: it does not begin by itself.
    pub is_stuck: bool,
}

/// Returns the tasks that do not begin, sorted by id: those that wait for others,
/// and those that others wait for and that nobody runs.
pub fn report(nodes: &BTreeMap<TaskId, Node>) -> Vec<Blocked> {
    let mut graph = Graph::of(nodes);
    let around_work = around_work(&mut graph, nodes);
    let mut found = BTreeMap::new();
    for (task, node) in nodes {
        let is_open = !node.standing.goes_on() && node.standing != Standing::Cancelled;
        let blocked_by = graph.blockers(&node.depends_on);
        if !is_open || blocked_by.is_empty() {
            continue;
        }
        let Some(chain) = graph.chain(task, &node.depends_on) else {
            continue;
        };
        let is_stuck = !around_work.contains(task);
        let blocked = Blocked {
            task: task.clone(),
            blocked_by,
            chain,
            is_stuck,
        };
        found.insert(task.clone(), blocked);
    }
    let culprits: Vec<Blocked> = found
        .values()
        .filter(|blocked| blocked.is_stuck)
        .filter_map(|blocked| culprit(nodes, &blocked.chain))
        .collect();
    for culprit in culprits {
        found.entry(culprit.task.clone()).or_insert(culprit);
    }
    found.into_values().collect()
}

/// Returns the two commands of which one ends a deadlock: what to do about the culprit,
/// and how to go on without waiting for it.
pub fn remedies(project: &ProjectId, chain: &Chain) -> [String; 2] {
    let (Some(first), Some(culprit)) = (chain.path.first(), chain.culprit()) else {
        return [String::new(), String::new()];
    };
    // What is not there cannot be given up; the one that waits for it can.
    let given_up = match chain.reason {
        Standing::Missing | Standing::Cancelled => first,
        _ => culprit,
    };
    let cancel = format!("run-agent task cancel {given_up} --project {project} --reason TEXT");
    let other = if first == culprit {
        format!("run-agent task resume {culprit} --project {project}")
    } else {
        format!("run-agent task unblock {first} --project {project}")
    };
    [cancel, other]
}

/// Returns the end of a chain as a task of its own, if it is one that could be run.
fn culprit(nodes: &BTreeMap<TaskId, Node>, chain: &Chain) -> Option<Blocked> {
    let task = chain.culprit()?;
    let standing = nodes.get(task)?.standing;
    let could_run = matches!(
        standing,
        Standing::NeverStarted | Standing::Failed | Standing::Zombie
    );
    could_run.then(|| Blocked {
        task: task.clone(),
        blocked_by: Vec::new(),
        chain: Chain {
            path: vec![task.clone()],
            reason: standing,
        },
        is_stuck: true,
    })
}

/// Returns the tasks that are at work, wait for one that is, or are waited for by one.
fn around_work(graph: &mut Graph<'_>, nodes: &BTreeMap<TaskId, Node>) -> BTreeSet<TaskId> {
    let mut before: BTreeMap<TaskId, Vec<TaskId>> = BTreeMap::new();
    let mut after: BTreeMap<TaskId, Vec<TaskId>> = BTreeMap::new();
    for (task, node) in nodes {
        for named in &node.depends_on {
            for dependency in BTreeSet::from([named.clone(), graph.counting(named)]) {
                let behind = after.entry(dependency.clone()).or_default();
                behind.push(task.clone());
                before.entry(task.clone()).or_default().push(dependency);
            }
        }
    }
    let is_at_work = |node: &Node| node.standing.goes_on() && node.standing != Standing::Done;
    let at_work = nodes.iter().filter(|(_, node)| is_at_work(node));
    let at_work: Vec<TaskId> = at_work.map(|(task, _)| task.clone()).collect();
    let mut around = reached(&before, at_work.clone());
    around.append(&mut reached(&after, at_work));
    around
}

/// Returns what can be reached along `edges`, the starts included.
fn reached(edges: &BTreeMap<TaskId, Vec<TaskId>>, starts: Vec<TaskId>) -> BTreeSet<TaskId> {
    let mut seen = BTreeSet::new();
    let mut left = starts;
    while let Some(at) = left.pop() {
        if let Some(next) = edges.get(&at).filter(|_| !seen.contains(&at)) {
            left.extend(next.iter().filter(|id| !seen.contains(*id)).cloned());
        }
        seen.insert(at);
    }
    seen
}
