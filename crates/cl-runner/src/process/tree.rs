//! Finding every process that belongs to a run.
//!
//! Five nets, because each has a hole: the descendants of the agent by parent
//! (lost when a middle process dies), its process group and session (left by
//! `setsid`), the run's marker in the environment (cleared by some tools), the
//! orphans that a supervisor inherits as a subreaper (only its own, only
//! while it lives), and the control group of a dead supervisor, where it had one
//! ([`super::leaf`]).
//!
//! Excepted are live owners of tasks below the same root and the runs of other
//! tasks, each with everything below it: they are accounted for elsewhere.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use cl_storage::process::{self, InitialEnvironment, ProcessIdentity, ProcessStat};
use cl_storage::slot::RUN_MARKER;
use cl_storage::{ProjectId, RunId, TaskId, owner::Owner};

use super::leaf;
use super::pids::PidSpan;
use crate::launch::SUPERVISED_TASK;

/// The variable in an agent's environment that names its task's folder.
pub(super) const TASK_MARKER: &str = "JRUN_TASK_FOLDER";

/// How many ancestors of a process are looked at.
const DEEPEST: usize = 4096;

/// Which processes to look for.
#[derive(Debug, Clone)]
pub struct Search<'a> {
    /// The run whose marker counts.
    pub run: &'a RunId,
    /// The agent, if it is known.
    pub agent: Option<&'a ProcessIdentity>,
    /// Count orphans adopted by this process; only for the run's supervisor.
    pub adopted_by: Option<i32>,
    /// The run's supervisor: if it is dead, everything in its control group counts.
    pub supervisor: Option<&'a ProcessIdentity>,
    /// The root below which owners are excepted.
    pub root: &'a Path,
}

impl Search<'_> {
    /// A live supervisor is in its leaf itself, and finds everything without it.
    fn leaf(&self) -> Option<leaf::Name> {
        let dead = self.supervisor.filter(|process| !process.is_alive())?;
        leaf::Name::of(dead)
    }
}

/// Returns every live process of a run, in no particular order.
///
/// A snapshot: processes may be born meanwhile, so callers that end them look
/// again until nothing is found.
pub fn find(search: &Search<'_>) -> Vec<ProcessIdentity> {
    find_with(search, &HashSet::new())
}

/// Like [`find`], and counts the processes in `known` and what descends from them.
///
/// Without a subreaper, a process that cleared its environment and left its
/// session is lost from sight when its parent ends; whoever ends a tree step by
/// step hands in what it saw before.
pub(crate) fn find_with(
    search: &Search<'_>,
    known: &HashSet<ProcessIdentity>,
) -> Vec<ProcessIdentity> {
    find_in(Table::read(), search, known)
}

/// Like [`find`], for the supervisor of a run that has no descendants any more.
///
/// What is left then are processes that strangers have started with the run's marker.
/// They are younger than the agent, so if `before`, taken just before the agent was
/// started, says that numbers have only grown since, those with lower ones need no look:
/// a supervisor that starts one agent after the other does not go through all processes
/// of the machine for each.
pub(crate) fn find_strangers(
    search: &Search<'_>,
    before: Option<&PidSpan>,
) -> Vec<ProcessIdentity> {
    let younger = search
        .agent
        .filter(|agent| before.is_some_and(|before| before.has_grown_from(agent.pid)));
    let table = match younger {
        Some(agent) => Table::read_above(agent.pid),
        None => Table::read(),
    };
    find_in(table, search, &HashSet::new())
}

fn find_in(
    table: Option<Table>,
    search: &Search<'_>,
    known: &HashSet<ProcessIdentity>,
) -> Vec<ProcessIdentity> {
    let Some(table) = table else {
        // What cannot be looked at is not known to be dead.
        return search
            .agent
            .filter(|agent| agent.is_alive())
            .cloned()
            .into_iter()
            .collect();
    };
    let mut found: HashSet<i32> = HashSet::new();
    let mut excepted: HashSet<i32> = HashSet::new();
    let me = i32::try_from(std::process::id()).unwrap_or(0);
    let leaf = search.leaf();
    excepted.insert(me);
    for (&pid, stat) in &table.processes {
        if pid == me {
            continue;
        }
        match table.verdict(pid, stat, search) {
            Verdict::Ours => {
                found.insert(pid);
            }
            Verdict::Excepted => {
                excepted.insert(pid);
            }
            Verdict::Unrelated => {
                let identity = table.identity(pid).filter(|_| !known.is_empty());
                let is_known = identity.is_some_and(|identity| known.contains(&identity));
                if is_known || leaf.as_ref().is_some_and(|leaf| leaf.holds(pid)) {
                    found.insert(pid);
                }
            }
        }
    }
    // Descendants follow their nearest judged ancestor.
    let mut ours: Vec<i32> = Vec::new();
    for &pid in table.processes.keys() {
        if table.belongs(pid, &found, &excepted) {
            ours.push(pid);
        }
    }
    ours.into_iter()
        .filter_map(|pid| table.identity(pid))
        .collect()
}

enum Verdict {
    Ours,
    Excepted,
    Unrelated,
}

/// The processes of the machine at one moment, without those that have ended.
pub(super) struct Table {
    processes: HashMap<i32, ProcessStat>,
}

impl Table {
    pub(super) fn read() -> Option<Self> {
        Self::read_above(0)
    }

    /// Reads the processes with numbers above `lowest`.
    fn read_above(lowest: i32) -> Option<Self> {
        let pids = process::all_pids().ok()?;
        let processes = pids
            .into_iter()
            .filter(|pid| *pid > lowest)
            .filter_map(|pid| Some((pid, ProcessStat::read(pid).ok()??)))
            .filter(|(_, stat)| !stat.is_zombie())
            .collect();
        Some(Self { processes })
    }

    /// Tells whether the process cannot be the run's, without a look at its environment.
    ///
    /// Whatever belongs to a run was started after its agent. Supervisors of child tasks
    /// may be older and are ours by place if they are not recognised, so what is below
    /// `adopted_by` is always looked at.
    fn is_too_old(&self, pid: i32, stat: &ProcessStat, search: &Search<'_>) -> bool {
        let Some(agent) = search.agent.filter(|agent| agent.start.is_of_this_boot()) else {
            return false;
        };
        let is_below = |reaper| self.ancestry(pid).any(|at| at == reaper);
        stat.start_ticks < agent.start.ticks() && !search.adopted_by.is_some_and(is_below)
    }

    fn verdict(&self, pid: i32, stat: &ProcessStat, search: &Search<'_>) -> Verdict {
        if self.is_too_old(pid, stat, search) {
            return Verdict::Unrelated;
        }
        let environment = InitialEnvironment::of(pid);
        let value = |name| environment.as_ref().and_then(|all| all.value(name));
        if let Some(task) = value(SUPERVISED_TASK) {
            return if owns(pid, Path::new(&task), search.root) {
                Verdict::Excepted
            } else {
                self.by_place(pid, stat, search)
            };
        }
        if crate::notify::start::is_sender(pid, search.root) {
            return Verdict::Excepted;
        }
        let is_below =
            || value(TASK_MARKER).is_some_and(|task| Path::new(&task).starts_with(search.root));
        match value(RUN_MARKER) {
            Some(run) if run == search.run.as_str() => Verdict::Ours,
            // An empty marker is no run; another run's process is accounted for
            // there, unless that is in another root: those end with the attempt.
            Some(run) if !run.is_empty() && is_below() => Verdict::Excepted,
            _ => self.by_place(pid, stat, search),
        }
    }

    fn by_place(&self, pid: i32, stat: &ProcessStat, search: &Search<'_>) -> Verdict {
        let is_agent_family = search.agent.is_some_and(|agent| {
            let same_group = stat.group == agent.pid || stat.session == agent.pid;
            let is_agent = |pid| self.identity(pid).as_ref() == Some(agent);
            // The number of a group says nothing by itself: it may be a later one's. It
            // counts while the agent lives, and for the agent's own supervisor, which
            // knows that it has only just ended.
            let is_group_known = || {
                search.adopted_by.is_some() && !self.processes.contains_key(&agent.pid)
                    || is_agent(agent.pid)
            };
            pid == agent.pid && is_agent(pid)
                || same_group && Self::is_younger(stat, agent) && is_group_known()
        });
        let is_adopted = search
            .adopted_by
            .is_some_and(|reaper| stat.parent == reaper);
        if is_agent_family || is_adopted {
            Verdict::Ours
        } else {
            Verdict::Unrelated
        }
    }

    fn is_younger(stat: &ProcessStat, agent: &ProcessIdentity) -> bool {
        stat.start_ticks >= agent.start.ticks()
    }

    /// Walks up from `pid` to the nearest process with a verdict.
    fn belongs(&self, pid: i32, found: &HashSet<i32>, excepted: &HashSet<i32>) -> bool {
        self.ancestry(pid)
            .find(|at| excepted.contains(at) || found.contains(at))
            .is_some_and(|nearest| !excepted.contains(&nearest))
    }

    pub(super) fn pids(&self) -> impl Iterator<Item = i32> {
        self.processes.keys().copied()
    }

    /// Returns `pid` and its ancestors, nearest first, but not the first process.
    pub(super) fn ancestry(&self, pid: i32) -> impl Iterator<Item = i32> {
        let parent = |at: &i32| {
            let parent = self.processes.get(at)?.parent;
            (parent > 1 && parent != *at).then_some(parent)
        };
        // The table is no snapshot: a reused number could close a circle.
        std::iter::successors(Some(pid), parent).take(DEEPEST)
    }

    pub(super) fn identity(&self, pid: i32) -> Option<ProcessIdentity> {
        let identity = ProcessIdentity::of(pid).ok()??;
        // The pid may have been reused since the table was read.
        let ticks = self.processes.get(&pid)?.start_ticks;
        (identity.start.ticks() == ticks).then_some(identity)
    }
}

/// Tells whether `pid` is the recorded owner of the task at `folder`, below `root`.
fn owns(pid: i32, folder: &Path, root: &Path) -> bool {
    let Some((project, task)) = task_at(folder, root) else {
        return false;
    };
    let dir = cl_storage::Root::at(root).and_then(|root| root.task(&project, &task));
    // It says that it is an owner; where the record cannot be read, it is believed.
    dir.is_ok_and(|dir| match Owner::read(&dir) {
        Ok(owner) => owner.is_some_and(|owner| owner.pid == pid && owner.is_alive()),
        Err(_) => true,
    })
}

/// Returns the task whose folder below `root` is, or was, at `folder`.
pub(crate) fn task_at(folder: &Path, root: &Path) -> Option<(ProjectId, TaskId)> {
    let mut parts = folder.strip_prefix(root).ok()?.iter();
    let (project, task, None) = (parts.next()?, parts.next()?, parts.next()) else {
        return None;
    };
    let project = ProjectId::parse(project.to_str()?).ok()?;
    Some((project, TaskId::parse_existing(task.to_str()?).ok()?))
}
