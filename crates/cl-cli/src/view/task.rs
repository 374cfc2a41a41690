//! One task as it is shown.

use cl_storage::dependencies::joined;
use cl_storage::index::Ended;
use cl_storage::owner::OwnerState;
use cl_storage::run_info::RunStatus;
use cl_storage::snapshot::TaskView;
use cl_storage::status::{Claim, TaskStatus};
use cl_storage::task_state::ClaimRecord;
use cl_storage::{ProjectId, RunId, TaskDir, TaskId};
use jiff::Timestamp;
use serde::Serialize;

use super::facts::{ChildRef, ClaimFact, FailureFact, ParentRef};
use super::problem::describe_record_error;

/// One task as it is shown; also its one JSON form.
#[derive(Debug, Serialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a key of its own that users read"
)]
pub(crate) struct TaskRow {
    pub(crate) project_id: ProjectId,
    pub(crate) task_id: TaskId,
    pub(crate) status: TaskStatus,
    pub(crate) exit_code: Option<i32>,
    pub(crate) latest_run: Option<RunId>,
    /// The status of that run.
    pub(crate) latest_status: Option<&'static str>,
    /// `task` for a restart loop, `job` for a single run.
    pub(crate) kind: Option<String>,
    /// An owner, an agent or a child is alive.
    pub(crate) active: bool,
    /// How many runs there are.
    pub(crate) runs: usize,
    pub(crate) done: bool,
    /// What the gates said of the last claim to be done.
    pub(crate) claim: Option<ClaimFact>,
    /// It is done, but nothing was seen of any work.
    pub(crate) suspicious: bool,
    pub(crate) pid_alive: Option<bool>,
    pub(crate) owner: OwnerState,
    /// It lost its owner, and `recover` goes on with it.
    #[serde(skip)]
    pub(crate) goes_on: bool,
    /// What its owner waits for: a slot, children, a limit, a delay.
    pub(crate) waiting_for: Option<String>,
    pub(crate) wake_at: Option<Timestamp>,
    /// Attempts of the present launch.
    pub(crate) attempts: Option<u32>,
    pub(crate) agent: Option<String>,
    pub(crate) failure: Option<FailureFact>,
    pub(crate) parent: Option<ParentRef>,
    pub(crate) children: Vec<ChildRef>,
    pub(crate) depends_on: Vec<TaskId>,
    pub(crate) blocked_by: Vec<TaskId>,
    /// The way to what keeps it from ever beginning; empty if it may begin by itself.
    pub(crate) deadlocked_by: Vec<TaskId>,
    /// Its place among those that wait for a run slot, from one.
    pub(crate) queue_position: Option<usize>,
    pub(crate) last_activity: Option<Timestamp>,
    /// Of the old flat layout, and only read.
    pub(crate) legacy: bool,
    pub(crate) problems: Vec<String>,
}

impl TaskRow {
    /// Makes the row of a task.
    pub(crate) fn new(view: &TaskView) -> Self {
        let latest = view.shown_run();
        let state = view.state.as_ref();
        let is_owned = view.owner_state == OwnerState::Alive;
        let launch = view.launch.as_ref();
        let claim = state.and_then(|state| state.claim.clone());
        Self {
            project_id: view.task.project().clone(),
            task_id: view.task.id().clone(),
            status: view.status,
            exit_code: latest.and_then(|run| {
                let code = run.info.as_ref().ok()?.exit_code;
                (code >= 0).then_some(code)
            }),
            latest_run: latest.map(|run| run.run.id().clone()),
            latest_status: latest.map(|run| run.status.as_str()),
            kind: launch.map(|launch| launch.kind.clone()),
            active: view.is_active(),
            runs: view.runs.len(),
            done: view.claim == Claim::Stands,
            suspicious: is_suspicious(view.claim == Claim::Stands, claim.as_ref()),
            claim: claim.map(ClaimFact::from),
            pid_alive: latest.map(|run| run.is_active),
            owner: view.owner_state,
            goes_on: view.goes_on,
            waiting_for: view.waiting_for().map(str::to_owned),
            wake_at: (state.filter(|_| is_owned || view.goes_on)).and_then(|state| state.wake_at),
            attempts: state.map(|state| state.attempts.this_launch),
            agent: view.agent(),
            failure: view.failure().map(FailureFact::from),
            parent: launch
                .and_then(|launch| launch.parent.clone())
                .map(|parent| ParentRef {
                    project_id: parent.project,
                    task_id: parent.task,
                    run_id: parent.run,
                }),
            children: children(view),
            depends_on: view.depends_on.clone(),
            blocked_by: (view.blocked_by.iter())
                .map(|blocker| blocker.task.clone())
                .collect(),
            deadlocked_by: Vec::new(),
            queue_position: None,
            last_activity: view.last_activity,
            legacy: view.task.is_flat(),
            problems: problems(view),
        }
    }

    /// Makes the row of a task that has ended; the same as from a look at its files.
    pub(crate) fn of_ended(task: &TaskDir, ended: Ended) -> Self {
        Self {
            project_id: task.project().clone(),
            task_id: task.id().clone(),
            status: ended.status,
            exit_code: ended.exit_code,
            latest_status: ended.latest_status.map(RunStatus::as_str),
            pid_alive: ended.latest_run.is_some().then_some(false),
            latest_run: ended.latest_run,
            kind: ended.kind,
            active: false,
            runs: ended.runs,
            done: ended.is_done,
            suspicious: is_suspicious(ended.is_done, ended.claim.as_ref()),
            claim: ended.claim.map(ClaimFact::from),
            owner: OwnerState::None,
            goes_on: false,
            waiting_for: None,
            wake_at: None,
            attempts: ended.attempts,
            agent: ended.agent,
            failure: ended.failure.map(FailureFact::from),
            parent: ended.parent.map(|parent| ParentRef {
                project_id: parent.project,
                task_id: parent.task,
                run_id: parent.run,
            }),
            children: Vec::new(),
            depends_on: ended.depends_on,
            blocked_by: Vec::new(),
            deadlocked_by: Vec::new(),
            queue_position: None,
            last_activity: ended.last_activity,
            legacy: false,
            problems: Vec::new(),
        }
    }

    /// Tells whether nothing more will happen by itself.
    pub(crate) fn is_terminal(&self) -> bool {
        self.status.is_terminal()
    }

    /// Tells whether it ended as wished.
    ///
    /// A restart loop that ended without `DONE` gave up; a single run did not.
    pub(crate) fn is_success(&self) -> bool {
        match self.status {
            TaskStatus::AllFinished | TaskStatus::Cancelled => true,
            TaskStatus::Completed => self.kind.as_deref() != Some("task"),
            _ => false,
        }
    }

    /// Returns the id, set in under its parent's.
    pub(crate) fn indented_id(&self, level: usize) -> String {
        let indent = "  ".repeat(level.saturating_sub(1));
        let branch = if level > 0 { "└ " } else { "" };
        format!("{indent}{branch}{}", self.task_id)
    }

    /// Returns the status, with the place in the queue where there is one.
    pub(crate) fn status_text(&self) -> String {
        match self.queue_position {
            Some(position) if self.status == TaskStatus::Queued => {
                format!("{} ({position}.)", self.status)
            }
            _ => self.status.to_string(),
        }
    }

    /// Returns the exit code, or `-`.
    pub(crate) fn exit_text(&self) -> String {
        or_dash(self.exit_code.as_ref())
    }

    /// Returns the id of the latest run, or `-`.
    pub(crate) fn latest_text(&self) -> String {
        or_dash(self.latest_run.as_ref())
    }

    /// Returns `DONE` or `-`.
    pub(crate) fn done_text(&self) -> &'static str {
        if self.done { "DONE" } else { "-" }
    }

    /// Returns `true`, `false` or `-`.
    pub(crate) fn alive_text(&self) -> &'static str {
        match self.pid_alive {
            Some(true) => "true",
            Some(false) => "false",
            None => "-",
        }
    }

    /// Returns the tasks that stand in the way, or `-`.
    pub(crate) fn blocked_text(&self) -> String {
        if self.blocked_by.is_empty() {
            return "-".to_owned();
        }
        let ids: Vec<&str> = self.blocked_by.iter().map(TaskId::as_str).collect();
        ids.join(",")
    }

    /// Returns what is special about it: a lost owner, a wait, a failure.
    pub(crate) fn note(&self) -> String {
        let mut notes = Vec::new();
        if self.owner == OwnerState::Lost {
            let what = if self.goes_on {
                "goes on with it"
            } else {
                "records its end"
            };
            notes.push(format!("owner: lost, `run-agent recover` {what}"));
        }
        if let Some(what) = &self.waiting_for {
            let until = self
                .wake_at
                .map(|at| format!(" until {}", super::local_text(at)));
            notes.push(format!("waits for {what}{}", until.unwrap_or_default()));
        }
        if !self.deadlocked_by.is_empty() {
            notes.push(format!(
                "deadlocked: {}",
                joined(&self.deadlocked_by, " -> ")
            ));
        }
        // What a lost task goes on from is no failure of it.
        let has_failed = !(self.status.is_success() || (self.goes_on && !self.is_terminal()));
        if let Some(failure) = self.failure.as_ref().filter(|_| has_failed) {
            notes.push(failure.to_string());
        }
        if let Some(claim) = self
            .claim
            .as_ref()
            .filter(|claim| self.done && claim.gates > 0)
        {
            notes.push(format!("done ({}/{} gates)", claim.passed, claim.gates));
        }
        if self.suspicious {
            notes.push("suspicious: no change, no tool, no word".to_owned());
        }
        if self.legacy {
            notes.push("old layout".to_owned());
        }
        if !self.problems.is_empty() {
            notes.push("damaged records".to_owned());
        }
        notes.join("; ")
    }
}

fn is_suspicious(is_done: bool, claim: Option<&ClaimRecord>) -> bool {
    is_done && claim.is_some_and(|claim| claim.suspicious)
}

fn or_dash(value: Option<&impl ToString>) -> String {
    value.map_or_else(|| "-".to_owned(), ToString::to_string)
}

fn children(view: &TaskView) -> Vec<ChildRef> {
    let all = view.state.iter().flat_map(|state| &state.children);
    all.map(|child| ChildRef {
        project_id: child.project.clone(),
        task_id: child.task.clone(),
        parent_run_id: child.parent_run.clone(),
        active: view.active_children.contains(child),
    })
    .collect()
}

fn problems(view: &TaskView) -> Vec<String> {
    let runs = view.runs.iter().filter_map(|run| run.info.as_ref().err());
    view.problems
        .iter()
        .chain(runs)
        .map(describe_record_error)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use cl_storage::run_info::{self, RunInfo};
    use cl_storage::{Root, marker};

    #[test]
    fn an_ended_task_has_the_same_row_with_and_without_index() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(folder.path()).unwrap();
        let project = ProjectId::parse("p").unwrap();
        let id = TaskId::parse("task-20260101-000000-abc").unwrap();
        let task = root.task(&project, &id).unwrap();
        task.ensure().unwrap();
        let check = || {
            let view = TaskView::read(&root, &task, Timestamp::UNIX_EPOCH).unwrap();
            let ended = Ended::of(&view).unwrap();
            let rows = [TaskRow::new(&view), TaskRow::of_ended(&task, ended)];
            let [read, indexed] = rows.map(|row| serde_json::to_value(row).unwrap());
            assert_eq!(read, indexed);
        };
        for second in 1..3 {
            let now = Timestamp::from_second(second).unwrap();
            let run = task.create_run(now).unwrap();
            let mut info = RunInfo::preparing(&run, "scripted", now);
            info.status = RunStatus::Failed;
            info.exit_code = 1;
            info.failure = Some(cl_storage::Failure::new(
                cl_storage::FailureKind::AgentCrash,
                "exited",
            ));
            run_info::create(&run, &info).unwrap();
            check();
        }
        marker::create_done(&task).unwrap();
        check();
    }
}
