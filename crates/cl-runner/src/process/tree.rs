//! Finding every process that belongs to a run.
//!
//! Four nets, because each has a hole: the descendants of the agent by parent
//! (lost when a middle process dies), its process group and session (left by
//! `setsid`), the run's marker in the environment (cleared by some tools), and
//! the orphans that a supervisor inherits as a subreaper (only its own, only
//! while it lives).
//!
//! Excepted are live owners of tasks below the same root and the runs of other
//! tasks, each with everything below it: they are accounted for elsewhere.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use cl_storage::process::{self, ProcessIdentity, ProcessStat};
use cl_storage::slot::RUN_MARKER;
use cl_storage::{RunId, owner::Owner};

use crate::launch::SUPERVISED_TASK;

/// The variable in an agent's environment that names its task's folder.
const TASK_MARKER: &str = "JRUN_TASK_FOLDER";

/// Which processes to look for.
#[derive(Debug, Clone)]
pub struct Search<'a> {
    /// The run whose marker counts.
    pub run: &'a RunId,
    /// The agent, if it is known.
    pub agent: Option<&'a ProcessIdentity>,
    /// Count orphans adopted by this process; only for the run's supervisor.
    pub adopted_by: Option<i32>,
    /// The root below which owners are excepted.
    pub root: &'a Path,
}

/// Returns every live process of a run, in no particular order.
///
/// A snapshot: processes may be born meanwhile, so callers that end them look
/// again until nothing is found.
pub fn find(search: &Search<'_>) -> Vec<ProcessIdentity> {
    let table = Table::read();
    let mut found: HashSet<i32> = HashSet::new();
    let mut excepted: HashSet<i32> = HashSet::new();
    let me = i32::try_from(std::process::id()).unwrap_or(0);
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
            Verdict::Unrelated => {}
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

struct Table {
    processes: HashMap<i32, ProcessStat>,
}

impl Table {
    fn read() -> Self {
        let pids = process::all_pids().unwrap_or_default();
        let processes = pids
            .into_iter()
            .filter_map(|pid| Some((pid, ProcessStat::read(pid).ok()??)))
            .filter(|(_, stat)| !stat.is_zombie())
            .collect();
        Self { processes }
    }

    fn verdict(&self, pid: i32, stat: &ProcessStat, search: &Search<'_>) -> Verdict {
        if let Some(task) = process::environment_value(pid, SUPERVISED_TASK) {
            return if owns(pid, Path::new(&task), search.root) {
                Verdict::Excepted
            } else {
                self.by_place(pid, stat, search)
            };
        }
        match process::environment_value(pid, RUN_MARKER) {
            Some(run) if run == search.run.as_str() => Verdict::Ours,
            // An empty marker is no run; another run's process is accounted for
            // there, unless that is in another root: those end with the attempt.
            Some(run) if !run.is_empty() && is_below(pid, search.root) => Verdict::Excepted,
            _ => self.by_place(pid, stat, search),
        }
    }

    fn by_place(&self, pid: i32, stat: &ProcessStat, search: &Search<'_>) -> Verdict {
        let is_agent_family = search.agent.is_some_and(|agent| {
            let same_group = stat.group == agent.pid || stat.session == agent.pid;
            // A group or session with the agent's number that was founded before
            // the agent belongs to an earlier process with the same pid.
            pid == agent.pid && self.identity(pid).as_ref() == Some(agent)
                || same_group && Self::is_younger(stat, agent)
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
        let agent_ticks = agent
            .start
            .to_string()
            .rsplit(':')
            .next()
            .and_then(|t| t.parse::<u64>().ok());
        agent_ticks.is_some_and(|ticks| stat.start_ticks >= ticks)
    }

    /// Walks up from `pid` to the nearest process with a verdict.
    fn belongs(&self, pid: i32, found: &HashSet<i32>, excepted: &HashSet<i32>) -> bool {
        let mut at = pid;
        for _ in 0..4096 {
            if excepted.contains(&at) {
                return false;
            }
            if found.contains(&at) {
                return true;
            }
            match self.processes.get(&at) {
                Some(stat) if stat.parent > 1 && stat.parent != at => at = stat.parent,
                _ => return false,
            }
        }
        false
    }

    fn identity(&self, pid: i32) -> Option<ProcessIdentity> {
        let identity = ProcessIdentity::of(pid).ok()??;
        // The pid may have been reused since the table was read.
        let ticks = self.processes.get(&pid)?.start_ticks;
        identity
            .start
            .to_string()
            .ends_with(&format!(":{ticks}"))
            .then_some(identity)
    }
}

/// Tells whether the task that `pid` works for is below `root`, by its environment.
fn is_below(pid: i32, root: &Path) -> bool {
    process::environment_value(pid, TASK_MARKER)
        .is_some_and(|task| Path::new(&task).starts_with(root))
}

/// Tells whether `pid` is the recorded owner of the task at `folder`, below `root`.
fn owns(pid: i32, folder: &Path, root: &Path) -> bool {
    let Ok(relative) = folder.strip_prefix(root) else {
        return false;
    };
    let mut parts = relative.iter().filter_map(|part| part.to_str());
    let (Some(project), Some(task), None) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let task = cl_storage::ProjectId::parse(project)
        .ok()
        .zip(cl_storage::TaskId::parse_existing(task).ok());
    let Some((project, task)) = task else {
        return false;
    };
    let dir = cl_storage::Root::at(root).and_then(|root| root.task(&project, &task));
    let owner = dir.ok().and_then(|dir| Owner::read(&dir).ok().flatten());
    owner.is_some_and(|owner| owner.pid == pid && owner.is_alive())
}
