//! Every process that belongs to tasks below a root, for people.

use std::collections::HashSet;

use cl_storage::owner::OwnerState;
use cl_storage::process::{ProcessIdentity, ProcessStat};
use cl_storage::snapshot::{RunView, TaskView};
use cl_storage::{Clock, LayoutError, ProjectId, Root, RunId, TaskId};

use crate::process::census::{self, Part, Place};
use crate::process::tree::{self, Search};

/// What a process is to its task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The task's supervisor.
    Supervisor,
    /// The agent.
    Agent,
    /// A gate, or something that it started.
    Gate,
    /// Something that the agent started, or that the supervisor has adopted.
    Descendant,
}

/// One process of a task.
#[derive(Debug, Clone, serde::Serialize)]
pub struct ProcessRow {
    /// The project.
    pub project: ProjectId,
    /// The task.
    pub task: TaskId,
    /// The run; none for supervisors.
    pub run: Option<RunId>,
    /// Whether the task's owner is alive, lost or none.
    pub owner: OwnerState,
    /// What the process is.
    pub role: Role,
    /// Its id.
    pub pid: i32,
    /// Its parent.
    pub parent_pid: i32,
    /// Name of its executable, cut by the kernel.
    pub name: String,
    /// Age in seconds.
    pub age_seconds: u64,
    /// Processor time in milliseconds.
    pub cpu_ms: u64,
    /// Resident memory in bytes.
    pub rss_bytes: u64,
    /// What is wrong with it.
    pub note: Option<&'static str>,
}

/// What is said of a process whose task's folder was deleted.
const FOLDER_IS_GONE: &str = "folder is gone";

/// Lists the processes of every task below `root`, each task's together, supervisors first.
pub fn list(root: &Root, clock: &dyn Clock) -> Result<Vec<ProcessRow>, LayoutError> {
    let mut census = census::take(root.path());
    census.sort_by_key(|(process, place)| (place.part != Part::Supervisor, process.pid));
    let mut rows = Vec::new();
    for project in root.projects()? {
        for view in crate::recover::readable(root, &project, clock.now())? {
            let (own, others): (Vec<_>, _) = census.into_iter().partition(|(_, place)| {
                place.task == *view.task.id() && place.project == *view.task.project()
            });
            census = others;
            rows.extend(of_task(root, &view, &own));
        }
    }
    // A task that cannot be looked at is there all the same.
    for (process, place) in &census {
        let is_there = root.task(&place.project, &place.task)?.exists();
        let row = row(place, OwnerState::None, process, role(place.part));
        rows.extend(row.map(|row| ProcessRow {
            note: (!is_there).then_some(FOLDER_IS_GONE),
            ..row
        }));
    }
    Ok(rows)
}

fn role(part: Part) -> Role {
    match part {
        Part::Supervisor => Role::Supervisor,
        Part::Gate => Role::Gate,
        Part::Work => Role::Descendant,
    }
}

fn of_task(root: &Root, view: &TaskView, census: &[(ProcessIdentity, Place)]) -> Vec<ProcessRow> {
    let mut found: Vec<(ProcessIdentity, Place, Role)> = Vec::new();
    let place = |run: Option<&RunId>, part| Place {
        project: view.task.project().clone(),
        task: view.task.id().clone(),
        run: run.cloned(),
        part,
    };
    if let Some(owner) = view.owner.as_ref().filter(|owner| owner.is_alive()) {
        let place = place(None, Part::Supervisor);
        found.push((owner.identity(), place, Role::Supervisor));
    }
    for run in view.runs.iter().filter(|run| run.is_active) {
        let agent = agent_of(run);
        let search = Search {
            run: run.run.id(),
            agent: agent.as_ref(),
            adopted_by: None,
            root: root.path(),
        };
        let mut processes = tree::find(&search);
        processes.sort_by_key(|process| process.pid);
        for process in processes {
            let role = if agent.as_ref() == Some(&process) {
                Role::Agent
            } else {
                Role::Descendant
            };
            found.push((process, place(Some(run.run.id()), Part::Work), role));
        }
    }
    let known: HashSet<ProcessIdentity> = found.iter().map(|(known, ..)| known.clone()).collect();
    let more = census
        .iter()
        .filter(|(process, _)| !known.contains(process));
    found.extend(more.map(|(process, place)| (process.clone(), place.clone(), role(place.part))));
    found
        .iter()
        .filter_map(|(process, place, role)| row(place, view.owner_state, process, *role))
        .collect()
}

/// Returns the recorded agent; one whose record is damaged is found by its environment alone.
fn agent_of(run: &RunView) -> Option<ProcessIdentity> {
    let info = run.info.as_ref().ok()?;
    if info.pid <= 0 {
        // The worker of a service, which records name without a number.
        return cl_storage::pid_file::read(&run.run);
    }
    let start = info.process_start.clone()?;
    info.has_agent_process().then_some(ProcessIdentity {
        pid: info.pid,
        start,
    })
}

fn row(
    place: &Place,
    owner: OwnerState,
    process: &ProcessIdentity,
    role: Role,
) -> Option<ProcessRow> {
    let stat = ProcessStat::read(process.pid).ok()??;
    let ticks = rustix::param::clock_ticks_per_second().max(1);
    Some(ProcessRow {
        project: place.project.clone(),
        task: place.task.clone(),
        run: place.run.clone(),
        owner,
        role,
        pid: process.pid,
        parent_pid: stat.parent,
        name: stat.name,
        age_seconds: uptime_seconds().saturating_sub(stat.start_ticks / ticks),
        cpu_ms: stat.cpu_ticks.saturating_mul(1000) / ticks,
        rss_bytes: stat
            .resident_pages
            .saturating_mul(rustix::param::page_size() as u64),
        note: None,
    })
}

fn uptime_seconds() -> u64 {
    let text = std::fs::read_to_string("/proc/uptime").unwrap_or_default();
    text.split('.')
        .next()
        .and_then(|seconds| seconds.parse().ok())
        .unwrap_or(0)
}
