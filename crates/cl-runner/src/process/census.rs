//! Which task each process of the machine works for.
//!
//! By its mark, the task's folder in its environment, or else by its nearest marked
//! ancestor: a live supervisor is the ancestor of everything that it has adopted,
//! marked or not. Last by the control group that it shares with a marked process. What
//! has lost all three is not found.

use std::collections::HashMap;
use std::path::Path;

use cl_storage::process::{InitialEnvironment, ProcessIdentity};
use cl_storage::slot::RUN_MARKER;
use cl_storage::{ProjectId, RunId, TaskDir, TaskId};

use super::leaf;
use super::tree::{self, TASK_MARKER, Table};
use crate::launch::SUPERVISED_TASK;

/// The variable in a gate's environment that names the gate.
pub(crate) const GATE_MARKER: &str = "JRUN_GATE";

/// What a process is to its task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// It was started to supervise it.
    Supervisor,
    /// It belongs to a gate.
    Gate,
    /// It belongs to an agent, or to nobody known.
    Work,
}

/// The task that a process works for.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) project: ProjectId,
    pub(crate) task: TaskId,
    /// The run that its mark names.
    pub(crate) run: Option<RunId>,
    pub(crate) part: Part,
}

/// Returns every live process that works for a task below `root`, but not this one.
pub(crate) fn take(root: &Path) -> Vec<(ProcessIdentity, Place)> {
    let Some(table) = Table::read() else {
        return Vec::new();
    };
    let me = i32::try_from(std::process::id()).unwrap_or(0);
    let marked: HashMap<i32, Place> = (table.pids())
        .filter_map(|pid| Some((pid, marked_place(pid, root)?)))
        .collect();
    let leaves: HashMap<String, i32> = (marked.keys())
        .filter_map(|pid| Some((leaf::of_process(*pid)?, *pid)))
        .collect();
    let others = table.pids().filter(|pid| *pid != me);
    others
        .filter_map(|pid| {
            let ancestor = table.ancestry(pid).find(|at| marked.contains_key(at));
            let in_leaf = || leaves.get(&leaf::of_process(pid)?).copied();
            let nearest = ancestor.or_else(in_leaf)?;
            let mut place = marked.get(&nearest)?.clone();
            if nearest != pid && place.part == Part::Supervisor {
                place.part = Part::Work;
            }
            Some((table.identity(pid)?, place))
        })
        .collect()
}

/// What this process has below it.
#[derive(Debug, Default)]
pub(crate) struct Below {
    /// Supervisors of other tasks, the topmost ones.
    pub(crate) supervisors: Vec<ProcessIdentity>,
    /// Everything else, without what the supervisors have below them.
    pub(crate) own: Vec<ProcessIdentity>,
}

/// Returns every live descendant of this process.
pub(crate) fn below_me(root: &Path) -> Below {
    let mut below = Below::default();
    let Some(table) = Table::read() else {
        return below;
    };
    let me = i32::try_from(std::process::id()).unwrap_or(0);
    let is_supervisor =
        |pid: &i32| marked_place(*pid, root).is_some_and(|place| place.part == Part::Supervisor);
    for pid in table.pids().filter(|pid| *pid != me) {
        let line: Vec<i32> = table.ancestry(pid).take_while(|at| *at != me).collect();
        if !table.ancestry(pid).any(|at| at == me) || line[1..].iter().any(is_supervisor) {
            continue;
        }
        let Some(identity) = table.identity(pid) else {
            continue;
        };
        if is_supervisor(&pid) {
            below.supervisors.push(identity);
        } else {
            below.own.push(identity);
        }
    }
    below
}

/// Returns every live process that works for `task`, except what works for others.
pub(crate) fn of_task(root: &Path, task: &TaskDir) -> Vec<ProcessIdentity> {
    let found = take(root).into_iter();
    found
        .filter_map(|(process, place)| is_for(&place, task).then_some(process))
        .collect()
}

/// Returns every live process that carries the mark of a gate of `task`, or descends
/// from one.
pub(crate) fn gates_of(root: &Path, task: &TaskDir) -> Vec<ProcessIdentity> {
    let is_gate = |place: &Place| place.part == Part::Gate && is_for(place, task);
    let found = take(root).into_iter();
    found
        .filter_map(|(process, place)| is_gate(&place).then_some(process))
        .collect()
}

fn is_for(place: &Place, task: &TaskDir) -> bool {
    place.task == *task.id() && place.project == *task.project()
}

fn marked_place(pid: i32, root: &Path) -> Option<Place> {
    let environment = InitialEnvironment::of(pid)?;
    let value = |name| environment.value(name).filter(|value| !value.is_empty());
    let (folder, part) = match value(TASK_MARKER) {
        Some(folder) if value(GATE_MARKER).is_some() => (folder, Part::Gate),
        Some(folder) => (folder, Part::Work),
        // Agents never have this one alone.
        None => (value(SUPERVISED_TASK)?, Part::Supervisor),
    };
    let (project, task) = tree::task_at(Path::new(&folder), root)?;
    let run = value(RUN_MARKER).filter(|_| part != Part::Supervisor);
    Some(Place {
        project,
        task,
        run: run.and_then(|run| RunId::parse(&run).ok()),
        part,
    })
}
