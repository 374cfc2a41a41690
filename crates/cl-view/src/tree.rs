//! The tree of a project: what stands below what.
//!
//! The only builder of it. A task stands below the task whose message it answers, else below
//! the one whose agent launched it. Within a task, a run stands below the one that has
//! replaced it, else below the one that launched it. What would stand below itself, however
//! many stand between, stands at the top: nothing is ever lost. Whoever stands below a task
//! that is not here gets a row for that one.
//!
//! Pure: the same tasks make the same tree, in whatever order they come.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};

use cl_storage::run_info::RunStatus;
use cl_storage::status::TaskStatus;
use cl_storage::{ProjectId, RunId, TaskId};
use cl_wire::TaskRow;
use cl_wire::projects::ThreadParent;
use cl_wire::tree::{Counts, Node, Place, ProjectStatus, Row, RunNode, TaskNode, Tree};
use jiff::Timestamp;

/// How many rows a tree has at the most, unless more of them are active.
pub const MOST_ROWS: usize = 4000;
/// So much of a run's id is shown.
const RUN_LABEL: usize = 14;

/// A task that is to stand in the tree.
#[derive(Debug, Clone, Copy)]
pub struct Member<'a> {
    /// The task as it is shown.
    pub row: &'a TaskRow,
    /// The message that it answers.
    pub thread_parent: Option<&'a ThreadParent>,
}

/// What of a project is to be shown.
#[derive(Debug, Clone, Copy)]
pub struct Wish<'a> {
    /// The task whose runs are shown whatever else is left out.
    pub selected: Option<&'a TaskId>,
    /// How many rows there are at the most; those of active tasks are always there.
    pub most_rows: usize,
}

/// Builds the tree of `project`.
///
/// `runs_of` returns the runs of one of the `members`; it is only asked for those that are shown.
pub fn build(
    project: &ProjectId,
    members: &[Member<'_>],
    problems: Vec<String>,
    wish: Wish<'_>,
    runs_of: impl Fn(&TaskRow) -> Vec<RunNode>,
) -> Tree {
    let mut grove = Grove::of(project, members);
    let truncated = grove.cut(wish);
    let rows = grove.rows(runs_of);
    let last_activity = members.iter().filter_map(|member| member.row.last_activity);
    Tree {
        project_id: project.clone(),
        status: status_of(&rows),
        last_activity: last_activity.max(),
        counts: grove.counts(),
        rows,
        truncated,
        problems,
    }
}

/// A task with what stands below it.
struct Stem<'a> {
    id: &'a TaskId,
    /// None for one that is not here.
    member: Option<Member<'a>>,
    above: Option<usize>,
    place: Place,
    below: Vec<usize>,
    last_activity: Option<Timestamp>,
    shows_runs: bool,
    is_shown: bool,
    /// It, or something below it, is active or was selected.
    is_kept: bool,
}

/// The tasks of a project, in order.
struct Grove<'a> {
    stems: Vec<Stem<'a>>,
    roots: Vec<usize>,
}

impl<'a> Grove<'a> {
    fn of(project: &ProjectId, members: &[Member<'a>]) -> Self {
        let mut sorted: BTreeMap<&TaskId, Member<'a>> = BTreeMap::new();
        for member in members {
            sorted.insert(&member.row.task_id, *member);
        }
        let parents: BTreeMap<&TaskId, (&TaskId, Place)> = sorted
            .iter()
            .filter_map(|(id, member)| Some((*id, parent_of(project, member)?)))
            .collect();
        let mut stems: Vec<Stem<'a>> = Vec::with_capacity(sorted.len());
        let mut places: HashMap<&TaskId, usize> = HashMap::with_capacity(sorted.len());
        let missing = parents.values().map(|(parent, _)| *parent);
        let missing: Vec<&TaskId> = missing.filter(|id| !sorted.contains_key(id)).collect();
        let here = sorted.iter().map(|(id, member)| (*id, Some(*member)));
        for (id, member) in here.chain(missing.into_iter().map(|id| (id, None))) {
            if places.contains_key(id) {
                continue;
            }
            places.insert(id, stems.len());
            stems.push(Stem {
                id,
                member,
                above: None,
                place: Place::Root,
                below: Vec::new(),
                last_activity: member.and_then(|member| member.row.last_activity),
                shows_runs: true,
                is_shown: true,
                is_kept: false,
            });
        }
        let above = |at: usize| {
            let (parent, _) = parents.get(stems[at].id)?;
            places.get(*parent).copied()
        };
        let in_rings = rings(stems.len(), above);
        for (id, (parent, place)) in &parents {
            let (at, parent) = (places[*id], places[*parent]);
            if !in_rings.contains(&at) {
                stems[at].above = Some(parent);
                stems[at].place = *place;
                stems[parent].below.push(at);
            }
        }
        let mut grove = Self {
            roots: (0..stems.len())
                .filter(|at| stems[*at].above.is_none())
                .collect(),
            stems,
        };
        grove.sort();
        grove
    }

    /// Those where something happened last come first.
    fn sort(&mut self) {
        for at in 0..self.stems.len() {
            if self.stems[at].member.is_none() {
                let below = self.stems[at].below.iter();
                let latest = below.filter_map(|at| self.stems[*at].last_activity).max();
                self.stems[at].last_activity = latest;
            }
        }
        let keys: Vec<_> = self
            .stems
            .iter()
            .map(|stem| Reverse((stem.last_activity, stem.id.clone())))
            .collect();
        for stem in &mut self.stems {
            stem.below.sort_by(|a, b| keys[*a].cmp(&keys[*b]));
        }
        self.roots.sort_by(|a, b| keys[*a].cmp(&keys[*b]));
    }

    /// Returns all that are shown, each before what is below it.
    fn in_order(&self) -> Vec<usize> {
        let mut order = Vec::with_capacity(self.stems.len());
        let mut stack: Vec<usize> = self.roots.iter().rev().copied().collect();
        while let Some(at) = stack.pop() {
            if self.stems[at].is_shown {
                order.push(at);
                stack.extend(self.stems[at].below.iter().rev());
            }
        }
        order
    }

    /// Leaves out what is too much, the last first: runs, then tasks; tells whether it did.
    fn cut(&mut self, wish: Wish<'_>) -> bool {
        let order = self.in_order();
        for at in order.iter().rev() {
            let stem = &self.stems[*at];
            let is_active = stem.member.is_some_and(|member| member.row.active);
            let is_kept = stem.is_kept || is_active || wish.selected == Some(stem.id);
            let above = stem.above;
            self.stems[*at].is_kept = is_kept;
            if let Some(above) = above.filter(|_| is_kept) {
                self.stems[above].is_kept = true;
            }
        }
        let is_own = |stem: &Stem<'_>| {
            stem.member.is_some_and(|member| member.row.active) || wish.selected == Some(stem.id)
        };
        let run_rows = |stem: &Stem<'_>| match stem.member.map_or(0, |member| member.row.runs) {
            0 | 1 => 0,
            runs => runs,
        };
        let mut count: usize = self.stems.iter().map(|stem| 1 + run_rows(stem)).sum();
        let mut is_cut = false;
        for at in order.iter().rev() {
            let stem = &mut self.stems[*at];
            if count <= wish.most_rows {
                return is_cut;
            }
            if !is_own(stem) && run_rows(stem) > 0 {
                stem.shows_runs = false;
                count -= run_rows(stem);
                is_cut = true;
            }
        }
        // Below one that is left out everything was left out before it.
        for at in order.iter().rev() {
            if count <= wish.most_rows {
                break;
            }
            if !self.stems[*at].is_kept {
                self.stems[*at].is_shown = false;
                count -= 1;
                is_cut = true;
            }
        }
        is_cut
    }

    fn rows(&self, runs_of: impl Fn(&TaskRow) -> Vec<RunNode>) -> Vec<Row> {
        let mut rows: Vec<Row> = Vec::new();
        let mut rows_of: HashMap<usize, usize> = HashMap::new();
        for at in self.in_order() {
            let stem = &self.stems[at];
            let above = stem.above.map(|above| rows_of[&above]);
            rows_of.insert(at, rows.len());
            let runs = match stem.member {
                Some(member) if stem.shows_runs || member.row.runs == 1 => runs_of(member.row),
                _ => Vec::new(),
            };
            push_task(&mut rows, stem, above, runs);
        }
        for at in (0..rows.len()).rev() {
            let (below, active) = (
                rows[at].below,
                rows[at].active_below || is_active(&rows[at]),
            );
            if let Some(above) = rows[at].parent {
                rows[above].below += below + 1;
                rows[above].active_below |= active;
            }
        }
        rows
    }

    fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for stem in &self.stems {
            let Some(member) = stem.member else { continue };
            let row = member.row;
            counts.tasks += 1;
            counts.root_tasks += usize::from(stem.above.is_none());
            counts.active += usize::from(row.active);
            counts.runs += row.runs;
            match row.status {
                TaskStatus::Queued => counts.queued += 1,
                TaskStatus::Blocked => counts.blocked += 1,
                TaskStatus::Completed | TaskStatus::AllFinished => counts.completed += 1,
                TaskStatus::Failed => counts.failed += 1,
                _ => {}
            }
        }
        counts
    }
}

/// Returns the task that one stands below.
fn parent_of<'a>(project: &ProjectId, member: &Member<'a>) -> Option<(&'a TaskId, Place)> {
    let is_other = |id: &&TaskId| **id != member.row.task_id;
    let thread = member.thread_parent;
    let thread = thread.filter(|thread| thread.project_id == *project);
    if let Some(above) = thread.map(|thread| &thread.task_id).filter(is_other) {
        return Some((above, Place::Thread));
    }
    let launcher = member.row.parent.as_ref();
    let launcher = launcher.filter(|parent| parent.project_id == *project);
    let above = launcher.map(|parent| &parent.task_id).filter(is_other)?;
    Some((above, Place::Child))
}

/// Returns those that stand above themselves.
fn rings(count: usize, above: impl Fn(usize) -> Option<usize>) -> HashSet<usize> {
    const NEW: usize = usize::MAX;
    let mut walk_of = vec![NEW; count];
    let mut found = HashSet::new();
    for start in 0..count {
        let mut at = start;
        while walk_of[at] == NEW {
            walk_of[at] = start;
            match above(at) {
                Some(next) => at = next,
                None => break,
            }
        }
        // Whoever is met for the second time on one walk is in a ring.
        if walk_of[at] == start && above(at).is_some() {
            let mut member = at;
            while found.insert(member) {
                match above(member) {
                    Some(next) => member = next,
                    None => break,
                }
            }
        }
    }
    found
}

fn push_task(rows: &mut Vec<Row>, stem: &Stem<'_>, above: Option<usize>, runs: Vec<RunNode>) {
    let level = above.map_or(0, |above| rows[above].level + 1);
    let own = rows.len();
    let mut node = task_node(stem, &runs);
    let runs = match <[RunNode; 1]>::try_from(runs) {
        Ok([only]) => {
            node.only_run = Some(Box::new(only));
            Vec::new()
        }
        Err(runs) => runs,
    };
    rows.push(Row {
        key: stem.id.to_string(),
        level,
        parent: above,
        below: 0,
        active_below: false,
        place: stem.place,
        label: task_label(stem.id.as_str()).to_owned(),
        node: Node::Task(Box::new(node)),
    });
    push_runs(rows, own, runs);
}

fn task_node(stem: &Stem<'_>, runs: &[RunNode]) -> TaskNode {
    let row = stem.member.map(|member| member.row);
    let latest_run = row.and_then(|row| row.latest_run.clone());
    let latest = runs
        .iter()
        .find(|run| Some(&run.run_id) == latest_run.as_ref());
    let failure = row.and_then(|row| row.failure.as_ref());
    TaskNode {
        task_id: stem.id.clone(),
        status: row.map_or(TaskStatus::Unknown, |row| row.status),
        active: row.is_some_and(|row| row.active),
        done: row.is_some_and(|row| row.done),
        suspicious: row.is_some_and(|row| row.suspicious),
        missing: row.is_none(),
        last_activity: stem.last_activity,
        agent: row.and_then(|row| row.agent.clone()),
        runs: row.map_or(0, |row| row.runs),
        restarts: runs
            .iter()
            .filter(|run| run.previous_run_id.is_some())
            .count(),
        started: latest.and_then(|run| run.started),
        ended: latest.and_then(|run| run.ended),
        latest_run,
        only_run: None,
        waiting_for: row.and_then(|row| row.waiting_for.clone()),
        wake_at: row.and_then(|row| row.wake_at),
        queue_position: row.and_then(|row| row.queue_position),
        blocked_by: row.map(|row| row.blocked_by.clone()).unwrap_or_default(),
        failure: failure.map(|failure| failure.kind),
        launched_by: row.and_then(|row| row.parent.clone()),
        thread_parent: stem.member.and_then(|member| member.thread_parent.cloned()),
        problems: row.map(|row| row.problems.clone()).unwrap_or_default(),
    }
}

/// Puts the runs of the task in row `task` below it.
fn push_runs(rows: &mut Vec<Row>, task: usize, mut runs: Vec<RunNode>) {
    // The newest come first.
    runs.sort_by(|a, b| (b.started, &b.run_id).cmp(&(a.started, &a.run_id)));
    runs.dedup_by(|a, b| a.run_id == b.run_id);
    let above = above_runs(&runs);
    let mut below: Vec<Vec<usize>> = vec![Vec::new(); runs.len()];
    let mut stack = Vec::new();
    for (at, above) in above.iter().enumerate() {
        match above {
            Some((above, _)) => below[*above].push(at),
            None => stack.push((at, task)),
        }
    }
    stack.reverse();
    let mut nodes: Vec<Option<RunNode>> = runs.into_iter().map(Some).collect();
    while let Some((at, parent)) = stack.pop() {
        let Some(node) = nodes[at].take() else {
            continue;
        };
        let own = rows.len();
        rows.push(Row {
            key: node.run_id.to_string(),
            level: rows[parent].level + 1,
            parent: Some(parent),
            below: 0,
            active_below: false,
            place: above[at].map_or(Place::Run, |(_, place)| place),
            label: run_label(node.run_id.as_str()),
            node: Node::Run(Box::new(node)),
        });
        stack.extend(below[at].iter().rev().map(|below| (*below, own)));
    }
}

/// Returns, for each of `runs`, the one that it stands below; `runs` has the newest first.
fn above_runs(runs: &[RunNode]) -> Vec<Option<(usize, Place)>> {
    let places: HashMap<&RunId, usize> = runs
        .iter()
        .enumerate()
        .map(|(at, run)| (&run.run_id, at))
        .collect();
    let mut above: Vec<Option<(usize, Place)>> = vec![None; runs.len()];
    for (at, run) in runs.iter().enumerate() {
        let replaced = run.previous_run_id.as_ref();
        let replaced = replaced.and_then(|id| places.get(id)).copied();
        if let Some(replaced) = replaced.filter(|replaced| *replaced != at) {
            // Of several that say so, the newest is met first.
            above[replaced].get_or_insert((at, Place::Replaced));
        }
    }
    for (at, run) in runs.iter().enumerate() {
        let launcher = run.parent_run_id.as_ref();
        let launcher = launcher.and_then(|id| places.get(id)).copied();
        if let Some(launcher) = launcher.filter(|launcher| *launcher != at) {
            above[at].get_or_insert((launcher, Place::Launched));
        }
    }
    let in_rings = rings(runs.len(), |at| above[at].map(|(above, _)| above));
    for at in in_rings {
        above[at] = None;
    }
    above
}

fn is_active(row: &Row) -> bool {
    match &row.node {
        Node::Task(task) => task.active,
        Node::Run(run) => run.status == RunStatus::Running,
    }
}

fn status_of(rows: &[Row]) -> ProjectStatus {
    let mut status = ProjectStatus::Idle;
    for row in rows.iter().filter(|row| row.parent.is_none()) {
        let Node::Task(task) = &row.node else {
            continue;
        };
        let waits = matches!(task.status, TaskStatus::Queued | TaskStatus::Blocked);
        if row.active_below || (task.active && !waits) {
            return ProjectStatus::Running;
        }
        if task.status == TaskStatus::Queued {
            status = ProjectStatus::Queued;
        }
    }
    status
}

/// Returns the part of a task's id that tells it from others.
fn task_label(id: &str) -> &str {
    let is_digits = |text: &str, count: usize| {
        text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    let mut parts = id.splitn(4, '-');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some("task"), Some(date), Some(time), Some(label))
            if is_digits(date, 8) && is_digits(time, 6) && !label.is_empty() =>
        {
            label
        }
        _ => id,
    }
}

fn run_label(id: &str) -> String {
    match id.char_indices().nth(RUN_LABEL) {
        Some((end, _)) => format!("{}…", &id[..end]),
        None => id.to_owned(),
    }
}

#[cfg(test)]
mod tests;
