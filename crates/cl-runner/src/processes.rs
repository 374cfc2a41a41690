//! Every process that belongs to tasks below a root, for people.

use cl_storage::process::{ProcessIdentity, ProcessStat};
use cl_storage::snapshot::TaskView;
use cl_storage::{Clock, LayoutError, ProjectId, Root, RunId, TaskId};

use crate::process::tree::{self, Search};

/// What a process is to its task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The task's supervisor.
    Supervisor,
    /// The agent.
    Agent,
    /// Something that the agent started.
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
    pub owner: cl_storage::owner::OwnerState,
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
}

/// Lists the processes of every task below `root`, supervisors first in each task.
pub fn list(root: &Root, clock: &dyn Clock) -> Result<Vec<ProcessRow>, LayoutError> {
    let mut rows = Vec::new();
    for project in root.projects()? {
        for view in crate::recover::readable(root, &project, clock.now())? {
            rows.extend(of_task(root, &view));
        }
    }
    Ok(rows)
}

fn of_task(root: &Root, view: &TaskView) -> Vec<ProcessRow> {
    let mut rows = Vec::new();
    if let Some(owner) = view.owner.as_ref().filter(|owner| owner.is_alive()) {
        rows.extend(row(view, None, &owner.identity(), Role::Supervisor));
    }
    for run in view.runs.iter().filter(|run| run.is_active) {
        // An agent whose record is damaged is found by its environment alone.
        let info = run
            .info
            .as_ref()
            .ok()
            .filter(|info| info.has_agent_process());
        let agent = info.and_then(|info| {
            let (pid, start) = (info.pid, info.process_start.clone()?);
            Some(ProcessIdentity { pid, start })
        });
        let search = Search {
            run: run.run.id(),
            agent: agent.as_ref(),
            adopted_by: None,
            root: root.path(),
        };
        let mut found = tree::find(&search);
        found.sort_by_key(|process| process.pid);
        for process in found {
            let role = if agent.as_ref() == Some(&process) {
                Role::Agent
            } else {
                Role::Descendant
            };
            rows.extend(row(view, Some(run.run.id()), &process, role));
        }
    }
    rows
}

fn row(
    view: &TaskView,
    run: Option<&RunId>,
    process: &ProcessIdentity,
    role: Role,
) -> Option<ProcessRow> {
    let stat = ProcessStat::read(process.pid).ok()??;
    let ticks = rustix::param::clock_ticks_per_second().max(1);
    Some(ProcessRow {
        project: view.task.project().clone(),
        task: view.task.id().clone(),
        run: run.cloned(),
        owner: view.owner_state,
        role,
        pid: process.pid,
        parent_pid: stat.parent,
        name: stat.name,
        age_seconds: uptime_seconds().saturating_sub(stat.start_ticks / ticks),
        cpu_ms: stat.cpu_ticks.saturating_mul(1000) / ticks,
        rss_bytes: stat
            .resident_pages
            .saturating_mul(rustix::param::page_size() as u64),
    })
}

fn uptime_seconds() -> u64 {
    let text = std::fs::read_to_string("/proc/uptime").unwrap_or_default();
    text.split('.')
        .next()
        .and_then(|seconds| seconds.parse().ok())
        .unwrap_or(0)
}
