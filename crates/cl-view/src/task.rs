//! From the files of one task to its row.

use cl_storage::TaskDir;
use cl_storage::index::Ended;
use cl_storage::owner::OwnerState;
use cl_storage::snapshot::TaskView;
use cl_storage::status::Claim;
use cl_storage::task_state::ClaimRecord;
use cl_wire::TaskRow;
use cl_wire::facts::{ChildRef, ClaimFact, FailureFact, ParentRef};

use crate::describe_record_error;

/// Makes the row of a task.
pub fn task_row(view: &TaskView) -> TaskRow {
    let latest = view.shown_run();
    let state = view.state.as_ref();
    let is_owned = view.owner_state == OwnerState::Alive;
    let launch = view.launch.as_ref();
    let claim = state.and_then(|state| state.claim.clone());
    TaskRow {
        project_id: view.task.project().clone(),
        task_id: view.task.id().clone(),
        status: view.status,
        exit_code: latest.and_then(|run| {
            let code = run.info.as_ref().ok()?.exit_code;
            (code >= 0).then_some(code)
        }),
        latest_run: latest.map(|run| run.run.id().clone()),
        latest_status: latest.map(|run| run.status),
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
pub fn ended_task_row(task: &TaskDir, ended: Ended) -> TaskRow {
    TaskRow {
        project_id: task.project().clone(),
        task_id: task.id().clone(),
        status: ended.status,
        exit_code: ended.exit_code,
        latest_status: ended.latest_status,
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

fn is_suspicious(is_done: bool, claim: Option<&ClaimRecord>) -> bool {
    is_done && claim.is_some_and(|claim| claim.suspicious)
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
    use cl_storage::run_info::RunStatus;
    use cl_storage::run_info::{self, RunInfo};
    use cl_storage::{ProjectId, Root, TaskId, marker};
    use jiff::Timestamp;

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
            let rows = [task_row(&view), ended_task_row(&task, ended)];
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
