//! The core view of one task: what `task show --json` prints and servers answer.

use std::time::Duration;

use cl_runner::cancel::Cancelled;
use cl_runner::stop::StopReport;
use cl_runner::unblock::Unblocked;
use cl_storage::marker::{self, Marker, Presence};
use cl_storage::snapshot::TaskView;
use cl_storage::{Root, RunId, TaskDir};
use cl_wire::TaskRow;
use cl_wire::changes::{TaskCancelled, TaskUnblocked};
use cl_wire::facts::ResultFact;
use cl_wire::shown::{
    CancellationShown, LaunchShown, OwnerShown, RunListing, StateShown, StopAnswer, StopOutcome,
    TaskActivity, TaskShown, TaskStopped,
};
use jiff::Timestamp;

use crate::{ActivityFact, complete, run_row, task_row};

/// From when on a task that reports nothing that matters counts as adrift.
const DRIFT_AFTER: Duration = Duration::from_mins(20);

/// Makes the core view of the giving up of `task`.
pub fn cancelled(task: &TaskDir, cancelled: Cancelled) -> TaskCancelled {
    let outcome = if cancelled.is_new {
        "cancelled"
    } else {
        "already_cancelled"
    };
    let said = cancelled.cancellation;
    TaskCancelled {
        cancelled_at: said.at,
        outcome: outcome.to_owned(),
        project: task.project().clone(),
        reason: said.reason,
        stopped: cancelled.has_stopped,
        superseded_by: said.superseded_by,
        task: task.id().clone(),
    }
}

/// Makes the core view of the lifting of dependencies of `task`.
pub fn unblocked(task: &TaskDir, unblocked: Unblocked) -> TaskUnblocked {
    TaskUnblocked {
        gating: unblocked.config.gating(),
        depends_on: unblocked.config.depends_on,
        project: task.project().clone(),
        task: task.id().clone(),
        unblocked: unblocked.lifted,
    }
}

/// Makes the core view of a task; reads files beside those of `view`.
pub fn show(root: &Root, view: TaskView, now: Timestamp) -> TaskShown {
    let mut rows = [task_row(&view)];
    complete(root, &mut rows, now);
    let [task] = rows;
    let views = [view];
    let activity = ActivityFact::of(root, &views, DRIFT_AFTER, now).pop();
    let [view] = views;
    TaskShown {
        // Plain facts always become JSON.
        activity: activity.and_then(|activity| serde_json::to_value(activity).ok()),
        cancelled: marker::cancellation(&view.task).map(|said| CancellationShown {
            at: said.at,
            reason: said.reason,
            superseded_by: said.superseded_by,
        }),
        done_is_no_file: view.markers.done == Presence::NotAFile,
        launch: view.launch.as_ref().map(|launch| LaunchShown {
            agent_name: launch.agent_name.clone(),
            depth: launch.depth,
            kind: launch.kind.clone(),
            launch_id: launch.launch_id.clone(),
            launched_at: launch.launched_at,
            origin: launch.origin.clone(),
        }),
        markers: Marker::ALL
            .into_iter()
            .map(|marker| (marker_key(marker), view.markers.has(marker)))
            .collect(),
        owner: view.owner.as_ref().map(|owner| OwnerShown {
            launch_id: owner.launch_id.clone(),
            pid: owner.pid,
            since: owner.since,
            state: view.owner_state,
        }),
        path: view.task.path().display().to_string(),
        problems: task.problems.clone(),
        runs: view.runs.iter().map(|run| run_row(run, now)).collect(),
        state: view.state.as_ref().map(|state| StateShown {
            agent: state.agent.clone(),
            attempts: state.attempts.clone(),
            gate_failures: state.gate_failures.count,
            last_gate: state.gate_failures.last_gate.clone(),
            launch_id: state.launch_id.clone(),
            limit: state.limit.clone(),
            result: state.result.clone().map(ResultFact::from),
            stop: state.stop.clone(),
            waiting_for: state.waiting_for.clone(),
            wake_at: state.wake_at,
        }),
        task,
    }
}

/// Tells what the tasks of `rows` are doing; those that cannot be read are left out, and those
/// of the old layout do nothing.
pub fn activities(
    root: &Root,
    rows: &[TaskRow],
    drift_after: Duration,
    now: Timestamp,
) -> Vec<TaskActivity> {
    let ours = rows.iter().filter(|row| !row.legacy);
    let views: Vec<TaskView> = ours
        .filter_map(|row| {
            let task = root.task(&row.project_id, &row.task_id).ok()?;
            TaskView::read(root, &task, now).ok()
        })
        .collect();
    let facts = ActivityFact::of(root, &views, drift_after, now);
    let told = views.iter().zip(facts).map(|(view, fact)| TaskActivity {
        // Plain facts always become JSON.
        activity: serde_json::to_value(fact).unwrap_or_default(),
        project_id: view.task.project().clone(),
        task_id: view.task.id().clone(),
    });
    told.collect()
}

/// Returns the key by which JSON names a marker.
pub fn marker_key(marker: Marker) -> String {
    marker.file_name().to_ascii_lowercase().replace('-', "_")
}

/// Lists the runs of a task, oldest first.
pub fn run_listing(view: &TaskView, now: Timestamp) -> RunListing {
    let runs: Vec<_> = view.runs.iter().map(|run| run_row(run, now)).collect();
    RunListing {
        problems: runs.iter().filter_map(|run| run.problem.clone()).collect(),
        runs,
    }
}

/// Tells that none of the runs that were named is active, so that nothing was stopped.
pub fn not_among(task: &TaskDir) -> StopAnswer {
    let nothing = StopReport::NothingRunning { is_marked: false };
    StopAnswer {
        is_other_run: true,
        ..stop_answer(task, &nothing, Vec::new())
    }
}

/// Tells what became of a wish to stop `task`, of which `runs` were active.
pub fn stop_answer(task: &TaskDir, report: &StopReport, runs: Vec<RunId>) -> StopAnswer {
    let mut answer = StopAnswer {
        ended: 0,
        left_children: 0,
        is_marked: false,
        is_other_run: false,
        owner: None,
        stopped: TaskStopped {
            children: 0,
            outcome: StopOutcome::NothingRunning,
            project: task.project().clone(),
            runs,
            survivors: 0,
            task: task.id().clone(),
        },
    };
    let stopped = &mut answer.stopped;
    stopped.outcome = match report {
        StopReport::NothingRunning { is_marked } => {
            answer.is_marked = *is_marked;
            StopOutcome::NothingRunning
        }
        StopReport::StillRunning => StopOutcome::StillRunning,
        StopReport::Stopped {
            survivors,
            left_children,
        } => {
            (stopped.survivors, answer.left_children) = (*survivors, *left_children);
            StopOutcome::Stopped
        }
        StopReport::ChildrenStopped {
            children,
            survivors,
        } => {
            (stopped.survivors, stopped.children) = (*survivors, *children);
            StopOutcome::ChildrenStopped
        }
        StopReport::EndedDeleted { ended, survivors } => {
            (stopped.survivors, answer.ended) = (*survivors, *ended);
            StopOutcome::EndedDeleted
        }
        StopReport::SettledLost {
            owner,
            ended,
            survivors,
            children,
        } => {
            (stopped.survivors, stopped.children) = (*survivors, *children);
            (answer.ended, answer.owner) = (*ended, Some(*owner));
            StopOutcome::EndedLost
        }
    };
    answer
}
