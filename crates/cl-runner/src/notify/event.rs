//! What is told of an event. Pure.

use cl_config::NotifyEvent;
use cl_storage::run_info::{RunInfo, RunStatus};
use cl_storage::{Failure, RunId, TaskDir};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::Event;

/// How much of an error summary is told.
const LONGEST_SUMMARY: usize = 500;

/// Returns the event of a run that has ended, in the fields of the earlier implementation.
pub(crate) fn run_stopped(info: &RunInfo) -> Event {
    let status = match info.status {
        RunStatus::Completed => "completed",
        _ => "failed",
    };
    let seconds = info.start_time.zip(info.end_time).map(|(start, end)| {
        let millis = end.duration_since(start).as_millis().max(0);
        // Longer runs than the type can hold exactly are not made.
        f64::from(u32::try_from(millis).unwrap_or(u32::MAX)) / 1000.0
    });
    let mut payload = json!({
        "event": NotifyEvent::RunStop.as_str(),
        "project_id": info.project_id,
        "task_id": info.task_id,
        "run_id": info.run_id,
        "agent_type": info.agent,
        "status": status,
        "exit_code": info.exit_code,
        "started_at": info.start_time,
        "stopped_at": info.end_time,
        "duration_seconds": seconds.unwrap_or_default(),
    });
    if !info.error_summary.is_empty() {
        let summary: String = info.error_summary.chars().take(LONGEST_SUMMARY).collect();
        payload["error_summary"] = summary.into();
    }
    if let Some(failure) = &info.failure {
        payload["failure"] = failure_value(failure);
    }
    Event {
        kind: NotifyEvent::RunStop,
        key: info.run_id.to_string(),
        payload,
    }
}

/// Returns an event of a task. `key` tells it from others of the same kind.
pub(crate) fn task_event(
    kind: NotifyEvent,
    key: &str,
    task: &TaskDir,
    run: Option<&RunId>,
    message: &str,
    failure: Option<&Failure>,
    now: Timestamp,
) -> Event {
    let message: String = message.chars().take(LONGEST_SUMMARY).collect();
    let payload = json!({
        "event": kind.as_str(),
        "project_id": task.project(),
        "task_id": task.id(),
        "run_id": run,
        "message": message,
        "failure": failure.map(failure_value),
        "occurred_at": now,
    });
    Event {
        kind,
        key: key.to_owned(),
        payload,
    }
}

fn failure_value(failure: &Failure) -> Value {
    json!({"kind": failure.kind, "detail": failure.detail, "retry_at": failure.retry_at})
}

/// Returns an event as one line for people, in the body of chat services.
pub(super) fn slack(payload: &Value) -> Value {
    let text = |key: &str| payload[key].as_str().unwrap_or_default();
    let (task, project) = (text("task_id"), text("project_id"));
    let mut line = match text("event") {
        "run_stop" => {
            let run = text("run_id");
            let status = text("status");
            let code = &payload["exit_code"];
            format!("run {run} of {task} ({project}) {status} with code {code}")
        }
        "done" => format!("task {task} ({project}) is done"),
        "failed" => format!("task {task} ({project}) has failed"),
        "needs_user" => format!("task {task} ({project}) needs you"),
        "waiting" => format!("task {task} ({project}) waits for a limit"),
        "budget" => format!("task {task} ({project}) has used up its budget"),
        other => format!("task {task} ({project}): {other}"),
    };
    let more = [text("message"), text("error_summary")];
    if let Some(more) = more.into_iter().find(|more| !more.is_empty()) {
        line = format!("{line}: {more}");
    }
    // What stands between these would be a command or a link there.
    let line = line
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    json!({"text": line})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chat_gets_one_line_without_marks_of_its_own() {
        let event = json!({"event": "failed", "task_id": "t", "project_id": "p", "message": "<!channel> & co"});
        let expected = "task t (p) has failed: &lt;!channel&gt; &amp; co";
        assert_eq!(slack(&event), json!({"text": expected}));
        let event = json!({"event": "run_stop", "run_id": "r", "task_id": "t", "project_id": "p", "status": "completed", "exit_code": 0});
        let expected = "run r of t (p) completed with code 0";
        assert_eq!(slack(&event), json!({"text": expected}));
    }
}
