//! From what the index knows of tasks and runs to what both families show of them.

use std::collections::BTreeMap;

use cl_storage::run_info::RunStatus;
use cl_storage::status::TaskStatus;
use cl_storage::{RunDir, TaskId};
use cl_wire::projects::{FlatRun, Run, RunFile, TaskDetail, TaskItem, TaskState};
use cl_wire::tree::RunNode;
use cl_wire::v1::{self, Ownership, RunResponse};

use crate::app::App;
use crate::state::{RunFacts, TaskEntry};

/// What is shown of an agent that no record names.
const UNKNOWN: &str = "unknown";
/// How a run has ended that has not.
const NOT_ENDED: i32 = -1;

fn agent(run: &RunFacts) -> String {
    let agent = run.agent.as_ref().or(run.kind.as_ref());
    agent.map_or(UNKNOWN, |agent| &**agent).to_owned()
}

fn exit_code(run: &RunFacts) -> i32 {
    run.exit_code.unwrap_or(NOT_ENDED)
}

fn ownership(run: &RunFacts) -> Option<Ownership> {
    run.is_external.map(|is_external| {
        if is_external {
            Ownership::External
        } else {
            Ownership::Managed
        }
    })
}

fn text(text: Option<&str>) -> Option<String> {
    text.map(str::to_owned)
}

/// Returns a run as the v1 family shows it.
pub(super) fn run_response(entry: &TaskEntry, run: &RunFacts) -> RunResponse {
    RunResponse {
        run_id: run.id.clone(),
        project_id: entry.row.project_id.clone(),
        task_id: entry.row.task_id.clone(),
        status: run.status,
        process_ownership: ownership(run),
        start_time: run.start,
        end_time: run.end,
        exit_code: exit_code(run),
        agent_version: text(run.version.as_deref()),
        error_summary: text(run.error.as_deref()),
    }
}

/// Returns a task as the v1 family shows it, without its runs.
pub(super) fn v1_task(entry: &TaskEntry) -> v1::Task {
    let row = &entry.row;
    v1::Task {
        project_id: row.project_id.clone(),
        task_id: row.task_id.clone(),
        status: row.status,
        queue_position: row.queue_position,
        last_activity: row.last_activity,
        depends_on: row.depends_on.clone(),
        blocked_by: row.blocked_by.clone(),
        runs: Vec::new(),
    }
}

/// Returns a run as the project family shows it, without its files.
pub(super) fn run(run: &RunFacts) -> Run {
    Run {
        id: run.id.clone(),
        agent: agent(run),
        agent_version: text(run.version.as_deref()),
        status: run.status,
        process_ownership: ownership(run),
        exit_code: exit_code(run),
        start_time: run.start,
        end_time: run.end,
        parent_run_id: run.parent.clone(),
        previous_run_id: run.previous.clone(),
        error_summary: text(run.error.as_deref()),
        files: None,
    }
}

/// Returns the files of a run that are there. Blocks.
pub(super) fn files(run: &RunDir) -> Vec<RunFile> {
    let all = [
        ("output.md", "output", run.output()),
        ("stdout", "stdout", run.stdout()),
        ("stderr", "stderr", run.stderr()),
        ("prompt", "prompt", run.prompt()),
    ];
    let found = all.into_iter().filter_map(|(name, label, path)| {
        let found = path
            .symlink_metadata()
            .ok()
            .filter(std::fs::Metadata::is_file)?;
        Some(RunFile {
            name: name.to_owned(),
            label: label.to_owned(),
            size: found.len(),
        })
    });
    found.collect()
}

/// Returns a run in the list of runs that clients nest themselves.
pub(super) fn flat_run(task: &TaskId, run: &RunFacts) -> FlatRun {
    FlatRun {
        id: run.id.clone(),
        task_id: task.clone(),
        agent: agent(run),
        status: run.status,
        exit_code: exit_code(run),
        start_time: run.start,
        end_time: run.end,
        parent_run_id: run.parent.clone(),
        previous_run_id: run.previous.clone(),
    }
}

/// Returns a run of the tree.
pub(super) fn run_node(task: &TaskId, run: &RunFacts) -> RunNode {
    RunNode {
        run_id: run.id.clone(),
        task_id: task.clone(),
        status: run.status,
        phase: run.phase.map(|phase| phase.as_str().to_owned()),
        attempt: run.attempt,
        role: text(run.role.as_deref()),
        agent: text(run.agent.as_deref()),
        exit_code: run.exit_code,
        started: run.start,
        ended: run.end,
        parent_run_id: run.parent.clone(),
        previous_run_id: run.previous.clone(),
        failure: run.failure,
    }
}

/// Returns a task of a list, with the size of what its latest run has written. Blocks.
pub(super) fn task_item(app: &App, entry: &TaskEntry) -> TaskItem {
    let row = &entry.row;
    let runs = app.index.run_facts(entry);
    let mut run_counts: BTreeMap<RunStatus, usize> = BTreeMap::new();
    for run in &*runs {
        *run_counts.entry(run.status).or_default() += 1;
    }
    let latest = row.latest_run.as_ref();
    let latest = latest.and_then(|id| runs.iter().find(|run| run.id == *id));
    let size = latest.and_then(|run| {
        let run = entry.dir(&app.root).ok()?.run(&run.id).ok()?;
        Some(size_of(&run.stdout()).max(size_of(&run.output())))
    });
    let some = |ids: &[TaskId]| Some(ids.to_vec()).filter(|ids| !ids.is_empty());
    TaskItem {
        id: row.task_id.clone(),
        project_id: row.project_id.clone(),
        status: row.status,
        last_activity: row.last_activity,
        run_count: row.runs,
        run_counts,
        depends_on: some(&row.depends_on),
        blocked_by: some(&row.blocked_by),
        thread_parent: app.index.thread_of(entry).map(|thread| (*thread).clone()),
        done: row.done,
        last_run_status: latest.map(|run| run.status),
        last_run_exit_code: latest.map(exit_code),
        last_run_output_size: size,
        queue_position: row.queue_position,
    }
}

fn size_of(path: &std::path::Path) -> u64 {
    let found = path.symlink_metadata().ok();
    found
        .filter(std::fs::Metadata::is_file)
        .map_or(0, |found| found.len())
}

/// Returns a task with its runs, by start; with their files if `has_files`. Blocks.
pub(super) fn task_detail(app: &App, entry: &TaskEntry, has_files: bool) -> TaskDetail {
    let row = &entry.row;
    let dir = entry.dir(&app.root).ok().filter(|_| has_files);
    let facts = app.index.run_facts(entry);
    let mut sorted: Vec<&RunFacts> = facts.iter().collect();
    sorted.sort_by(|a, b| (a.start, &a.id).cmp(&(b.start, &b.id)));
    let runs = sorted.into_iter().map(|facts| {
        let folder = dir.as_ref().and_then(|dir| dir.run(&facts.id).ok());
        Run {
            files: has_files.then(|| folder.map(|run| files(&run)).unwrap_or_default()),
            ..run(facts)
        }
    });
    TaskDetail {
        id: row.task_id.clone(),
        project_id: row.project_id.clone(),
        status: row.status,
        queue_position: row.queue_position,
        last_activity: row.last_activity,
        created_at: entry.created_at,
        done: row.done,
        state: state(entry),
        depends_on: row.depends_on.clone(),
        blocked_by: row.blocked_by.clone(),
        thread_parent: app.index.thread_of(entry).map(|thread| (*thread).clone()),
        runs: runs.collect(),
    }
}

fn state(entry: &TaskEntry) -> TaskState {
    match entry.row.status {
        TaskStatus::Running | TaskStatus::PartialFailure | TaskStatus::Waiting => {
            TaskState::Running
        }
        TaskStatus::Queued => TaskState::Queued,
        TaskStatus::Blocked => TaskState::Blocked,
        _ if entry.row.done => TaskState::Done,
        _ => TaskState::Idle,
    }
}
