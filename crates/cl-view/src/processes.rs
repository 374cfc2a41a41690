//! The processes of tasks, as they are shown.

use std::collections::HashSet;

use cl_runner::activity::{self, Activity, Cpu};
use cl_runner::processes::{ProcessRow, Role};
use cl_storage::snapshot::TaskView;
use cl_storage::{LayoutError, ProjectId, Root, TaskId};
use cl_wire::ps;
use jiff::Timestamp;

/// Shows processes with what their tasks are doing. Reads the files of those tasks.
pub fn processes(
    root: &Root,
    rows: &[ProcessRow],
    now: Timestamp,
) -> Result<ps::Processes, LayoutError> {
    Ok(ps::Processes {
        tasks: activities(root, rows, now)?,
        ..processes_alone(rows)
    })
}

/// Shows processes, and nothing of what their tasks are doing.
pub fn processes_alone(rows: &[ProcessRow]) -> ps::Processes {
    let processes: Vec<ps::ProcessRow> = rows.iter().map(process).collect();
    ps::Processes {
        tasks: Vec::new(),
        totals: totals(&processes),
        processes,
    }
}

/// Leaves only the tasks that `is_meant` admits.
pub fn retain_processes(shown: &mut ps::Processes, is_meant: impl Fn(&ProjectId, &TaskId) -> bool) {
    shown.tasks.retain(|it| is_meant(&it.project, &it.task));
    shown.processes.retain(|it| is_meant(&it.project, &it.task));
    shown.totals = totals(&shown.processes);
}

/// Adds up processes.
fn totals(rows: &[ps::ProcessRow]) -> ps::ProcessTotals {
    let tasks: HashSet<_> = rows.iter().map(|row| (&row.project, &row.task)).collect();
    ps::ProcessTotals {
        processes: rows.len(),
        tasks: tasks.len(),
        cpu_ms: rows.iter().map(|row| row.cpu_ms).sum(),
        rss_bytes: rows.iter().map(|row| row.rss_bytes).sum(),
    }
}

/// Returns each task that has processes, with what it is doing.
fn activities(
    root: &Root,
    rows: &[ProcessRow],
    now: Timestamp,
) -> Result<Vec<ps::TaskActivity>, LayoutError> {
    let mut seen: HashSet<(&ProjectId, &TaskId)> = HashSet::new();
    let mut views = Vec::new();
    for row in rows {
        if seen.insert((&row.project, &row.task)) {
            let task = root.task(&row.project, &row.task)?;
            // One that was deleted does nothing any more.
            views.extend(TaskView::read(root, &task, now).ok());
        }
    }
    let doing = activity::of(root, &views, now);
    let told = views
        .iter()
        .zip(doing)
        .map(|(view, doing)| ps::TaskActivity {
            project: view.task.project().clone(),
            task: view.task.id().clone(),
            run: view.shown_run().map(|run| run.run.id().clone()),
            owner: view.owner_state,
            status: view.status,
            activity: doing.map(activity_fact),
        });
    Ok(told.collect())
}

fn activity_fact(doing: Activity) -> ps::Activity {
    let cpu = match doing.cpu {
        Cpu::Busy => "busy",
        Cpu::Still => "still",
        Cpu::Unknown => "unknown",
    };
    ps::Activity {
        cpu: cpu.to_owned(),
        latest_output_at: doing.latest_output_at,
        silent_seconds: doing.silent_seconds,
        state: doing.state.as_str().to_owned(),
        waiting_for: doing.waiting_for,
    }
}

fn process(row: &ProcessRow) -> ps::ProcessRow {
    let role = match row.role {
        Role::Supervisor => "supervisor",
        Role::Agent => "agent",
        Role::Gate => "gate",
        Role::Descendant => "descendant",
    };
    ps::ProcessRow {
        adopted: row.adopted,
        age_seconds: row.age_seconds,
        command: row.command.clone(),
        cpu_ms: row.cpu_ms,
        cpu_percent: row.cpu_percent,
        level: row.level,
        name: row.name.clone(),
        note: row.note.map(str::to_owned),
        owner: row.owner,
        parent_pid: row.parent_pid,
        pid: row.pid,
        project: row.project.clone(),
        role: role.to_owned(),
        rss_bytes: row.rss_bytes,
        run: row.run.clone(),
        state: row.state.as_str().to_owned(),
        task: row.task.clone(),
    }
}
