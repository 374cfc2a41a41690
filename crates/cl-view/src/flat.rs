//! Which runs a client needs in order to show a part of a project, as one flat list.
//!
//! For clients that nest runs themselves: the list holds what they asked for, and of the rest
//! what connects it. `GET /api/projects/{p}/tree` answers the same question better.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use cl_storage::run_info::RunStatus;
use cl_storage::{RunId, TaskId};
use cl_wire::projects::FlatRun;
use jiff::Timestamp;

/// What is asked for; without any part of it, all runs are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// What runs.
    pub active_only: bool,
    /// The runs of this task.
    pub task: Option<TaskId>,
    /// Only so many of them, the latest; 0 for all.
    pub task_limit: usize,
}

/// Chooses among `runs`, which are all of a project; by start, then id.
///
/// Pure: the order of `runs` does not matter.
pub fn choose(mut runs: Vec<FlatRun>, wanted: &Wanted) -> Vec<FlatRun> {
    runs.sort_by(|a, b| (a.start_time, &a.id).cmp(&(b.start_time, &b.id)));
    runs.dedup_by(|a, b| a.id == b.id);
    if !wanted.active_only && wanted.task.is_none() {
        return runs;
    }
    let chosen = Web::of(&runs).choose(wanted);
    let mut at = 0;
    runs.retain(|_| {
        at += 1;
        chosen.contains(&(at - 1))
    });
    runs
}

/// Runs, and what hangs on what.
struct Web<'a> {
    runs: &'a [FlatRun],
    places: HashMap<&'a RunId, usize>,
    below: Vec<Vec<usize>>,
}

impl<'a> Web<'a> {
    fn of(runs: &'a [FlatRun]) -> Self {
        let places: HashMap<&RunId, usize> = (runs.iter().enumerate())
            .map(|(at, run)| (&run.id, at))
            .collect();
        let mut below = vec![Vec::new(); runs.len()];
        for (at, run) in runs.iter().enumerate() {
            let parent = run.parent_run_id.as_ref();
            if let Some(parent) = parent.and_then(|id| places.get(id)) {
                below[*parent].push(at);
            }
        }
        Self {
            runs,
            places,
            below,
        }
    }

    fn choose(&self, wanted: &Wanted) -> BTreeSet<usize> {
        let mut seeds = BTreeSet::new();
        let mut selected = Vec::new();
        if let Some(task) = &wanted.task {
            selected = self.latest_of(task, wanted.task_limit);
            seeds.extend(&selected);
        }
        if wanted.active_only {
            let is_active = |at: &usize| self.runs[*at].status == RunStatus::Running;
            seeds.extend((0..self.runs.len()).filter(is_active));
        }
        let is_idle = wanted.active_only && wanted.task.is_none() && seeds.is_empty();
        if is_idle {
            seeds.extend(self.latest_per_task((0..self.runs.len()).collect()));
        }
        let mut chosen = seeds.clone();
        if wanted.task.is_some() && wanted.task_limit > 0 {
            self.add_anchors_above(&selected, &mut chosen);
        } else if wanted.active_only && wanted.task.is_none() {
            self.add_anchors_everywhere(&mut chosen);
        }
        let replaced = self.add_ancestors(&mut chosen);
        let tops = seeds.into_iter().chain(replaced).collect();
        self.add_descendants(tops, is_idle, &mut chosen);
        chosen
    }

    /// Returns the `limit` latest runs of a task; all for 0.
    fn latest_of(&self, task: &TaskId, limit: usize) -> Vec<usize> {
        let is_its = |at: &usize| self.runs[*at].task_id == *task;
        let mut its: Vec<usize> = (0..self.runs.len()).filter(is_its).collect();
        its.sort_by(|a, b| self.age(*b).cmp(&self.age(*a)));
        if limit > 0 {
            its.truncate(limit);
        }
        its
    }

    /// Returns the latest of each task among some runs.
    fn latest_per_task(&self, among: Vec<usize>) -> Vec<usize> {
        let mut latest: BTreeMap<&TaskId, usize> = BTreeMap::new();
        for at in among {
            let known = latest.entry(&self.runs[at].task_id).or_insert(at);
            if self.age(at) > self.age(*known) {
                *known = at;
            }
        }
        latest.into_values().collect()
    }

    /// What makes one run later than another.
    fn age(&self, at: usize) -> (Option<Timestamp>, Option<Timestamp>, &RunId) {
        let run = &self.runs[at];
        (run.end_time.max(run.start_time), run.start_time, &run.id)
    }

    /// Returns the runs that one hangs on: the one that launched it, and the one it follows.
    fn above(&self, at: usize) -> [Option<usize>; 2] {
        let run = &self.runs[at];
        [&run.parent_run_id, &run.previous_run_id]
            .map(|id| id.as_ref().and_then(|id| self.places.get(id)).copied())
    }

    /// Tells whether a run was launched by one of another task.
    fn is_anchor(&self, at: usize) -> bool {
        let [parent, _] = self.above(at);
        parent.is_some_and(|parent| self.runs[parent].task_id != self.runs[at].task_id)
    }

    /// Adds, for each task on the way up from `selected`, what connects it to another one.
    fn add_anchors_above(&self, selected: &[usize], chosen: &mut BTreeSet<usize>) {
        let mut way: BTreeSet<usize> = selected.iter().copied().collect();
        self.add_ancestors(&mut way);
        let anchors: Vec<usize> = (0..self.runs.len())
            .filter(|at| self.is_anchor(*at))
            .collect();
        let mut looked_at = BTreeSet::new();
        loop {
            let met = way.iter().map(|at| &self.runs[*at].task_id);
            let Some(task) = met.filter(|task| !looked_at.contains(*task)).min().cloned() else {
                return;
            };
            looked_at.insert(task.clone());
            let is_its = |at: &usize| self.runs[*at].task_id == task;
            if chosen.iter().any(|at| is_its(at) && self.is_anchor(*at)) {
                continue;
            }
            let its: Vec<usize> = anchors.iter().copied().filter(is_its).collect();
            let reference = way.iter().copied().filter(is_its);
            let reference = reference.max_by_key(|at| self.age(*at));
            let reference = reference.and_then(|at| self.runs[at].start_time);
            let latest = |among: &dyn Fn(&usize) -> bool| {
                let found = its.iter().copied().filter(among);
                found.max_by_key(|at| self.age(*at))
            };
            let best = latest(&|at| way.contains(at))
                .or_else(|| latest(&|at| self.runs[*at].start_time <= reference))
                .or_else(|| latest(&|_| true));
            if let Some(best) = best {
                chosen.insert(best);
                way.insert(best);
                self.add_ancestors(&mut way);
            }
        }
    }

    /// Adds, for each task that has none among `chosen`, the latest run that connects it to another.
    fn add_anchors_everywhere(&self, chosen: &mut BTreeSet<usize>) {
        let has_one: BTreeSet<&TaskId> = chosen
            .iter()
            .filter(|at| self.is_anchor(**at))
            .map(|at| &self.runs[*at].task_id)
            .collect();
        let lacks = |at: &usize| self.is_anchor(*at) && !has_one.contains(&self.runs[*at].task_id);
        let anchors = (0..self.runs.len()).filter(lacks).collect();
        chosen.extend(self.latest_per_task(anchors));
    }

    /// Adds all that `chosen` hang on; returns those that were reached as followed by another.
    fn add_ancestors(&self, chosen: &mut BTreeSet<usize>) -> BTreeSet<usize> {
        let mut replaced = BTreeSet::new();
        let mut stack: Vec<usize> = chosen.iter().copied().collect();
        while let Some(at) = stack.pop() {
            let above = self.above(at);
            replaced.extend(above[1]);
            for above in above.into_iter().flatten() {
                if chosen.insert(above) {
                    stack.push(above);
                }
            }
        }
        replaced
    }

    /// Adds all that hangs on `tops`, but for what says nothing of an idle project.
    fn add_descendants(&self, tops: BTreeSet<usize>, is_idle: bool, chosen: &mut BTreeSet<usize>) {
        let mut seen = tops.clone();
        let mut stack: Vec<usize> = tops.into_iter().collect();
        while let Some(at) = stack.pop() {
            for below in &self.below[at] {
                let is_leaf = self.below[*below].is_empty()
                    && self.runs[*below].task_id == self.runs[at].task_id;
                if (is_idle && is_leaf) || !seen.insert(*below) {
                    continue;
                }
                chosen.insert(*below);
                stack.push(*below);
            }
        }
    }
}

#[cfg(test)]
mod tests;
