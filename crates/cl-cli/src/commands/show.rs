//! `task show`: everything about one task.

use cl_storage::dependencies::joined;
use cl_storage::marker::{self, Marker, Presence};
use cl_storage::snapshot::TaskView;
use serde_json::{Value, json};

use super::list::print_runs;
use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::view::{
    ActivityFact, ResultFact, RunRow, TaskRow, TaskText as _, complete, duration_text, local_text,
    run_row, task_row, warn_about,
};

/// From when on a task that reports nothing that matters counts as adrift.
const DRIFT_AFTER: std::time::Duration = std::time::Duration::from_mins(20);

/// Shows one task.
pub fn run(ctx: &mut Context) -> Result<Exit, CliError> {
    let scope = ctx.scope()?;
    let task = scope.existing_task()?;
    let now = ctx.now();
    let view = TaskView::read(scope.root(), &task, now)?;
    let mut rows = [task_row(&view)];
    complete(scope.root(), &mut rows, now);
    let [row] = rows;
    let runs: Vec<RunRow> = view.runs.iter().map(|run| run_row(run, now)).collect();
    warn_about(&mut ctx.console, &row.problems);
    let views = [view];
    let mut activity = ActivityFact::of(scope.root(), &views, DRIFT_AFTER, now);
    let ([view], activity) = (views, activity.pop());
    if ctx.console.is_json() {
        let mut document = to_json(&view, &row, &runs);
        document["activity"] = serde_json::to_value(&activity).map_err(|error| {
            CliError::failed("could not print what the task is doing").caused_by(error)
        })?;
        ctx.console.json(&document)?;
        return Ok(Exit::Success);
    }
    print_facts(ctx, &view, &row)?;
    if let Some(doing) = activity.filter(|doing| doing.state.is_some()) {
        let silent = doing.silent_seconds.unwrap_or(0);
        let silent = duration_text(i64::try_from(silent).unwrap_or(i64::MAX));
        let word = doing.word();
        ctx.console.line(format_args!(
            "{:<11} {word}, silent for {silent}",
            "activity"
        ))?;
    }
    if !runs.is_empty() {
        ctx.console.line("")?;
        print_runs(ctx, &runs)?;
    }
    Ok(Exit::Success)
}

fn to_json(view: &TaskView, row: &TaskRow, runs: &[RunRow]) -> Value {
    let owner = view.owner.as_ref().map(|owner| {
        json!({
            "state": view.owner_state,
            "pid": owner.pid,
            "since": owner.since,
            "launch_id": owner.launch_id,
        })
    });
    let state = view.state.as_ref().map(|state| {
        json!({
            "launch_id": state.launch_id,
            "attempts": state.attempts,
            "gate_failures": state.gate_failures.count,
            "last_gate": state.gate_failures.last_gate,
            "waiting_for": state.waiting_for,
            "wake_at": state.wake_at,
            "limit": state.limit,
            "agent": state.agent,
            "stop": state.stop,
            "result": state.result.clone().map(ResultFact::from),
        })
    });
    let launch = view.launch.as_ref().map(|launch| {
        json!({
            "launch_id": launch.launch_id,
            "kind": launch.kind,
            "origin": launch.origin,
            "launched_at": launch.launched_at,
            "agent_name": launch.agent_name,
            "depth": launch.depth,
        })
    });
    json!({
        "task": row,
        "path": view.task.path(),
        "markers": markers(view).into_iter().collect::<serde_json::Map<_, _>>(),
        "owner": owner,
        "launch": launch,
        "state": state,
        "runs": runs,
        "problems": row.problems,
    })
}

fn markers(view: &TaskView) -> Vec<(String, Value)> {
    Marker::ALL
        .into_iter()
        .map(|marker| {
            let name = marker.file_name().to_ascii_lowercase().replace('-', "_");
            (name, Value::Bool(view.markers.has(marker)))
        })
        .collect()
}

fn print_facts(ctx: &mut Context, view: &TaskView, row: &TaskRow) -> Result<(), CliError> {
    for (name, value) in facts(view, row) {
        ctx.console.line(format_args!("{name:<11} {value}"))?;
    }
    Ok(())
}

/// Returns the lines of the text form; what is not known is left out.
fn facts(view: &TaskView, row: &TaskRow) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("task", row.task_id.to_string()),
        ("project", row.project_id.to_string()),
        ("status", row.status_text()),
    ];
    let note = row.note();
    if !note.is_empty() {
        facts.push(("note", note));
    }
    facts.push(("folder", view.task.path().display().to_string()));
    if let Some(owner) = &view.owner {
        let state = match view.owner_state {
            cl_storage::owner::OwnerState::Alive => "alive",
            _ => "lost",
        };
        let since = local_text(owner.since);
        facts.push((
            "owner",
            format!("{state}, pid {}, since {since}", owner.pid),
        ));
    }
    let present: Vec<&str> = Marker::ALL
        .into_iter()
        .filter(|marker| view.markers.has(*marker))
        .map(Marker::file_name)
        .collect();
    if !present.is_empty() {
        facts.push(("markers", present.join(", ")));
    }
    if view.markers.done == Presence::NotAFile {
        facts.push((
            "markers",
            "DONE is not a regular file and does not count".to_owned(),
        ));
    }
    if let Some(launch) = &view.launch {
        let (kind, origin) = (&launch.kind, &launch.origin);
        let (agent, at) = (&launch.agent_name, local_text(launch.launched_at));
        facts.push(("launched", format!("{kind}, {origin}, agent {agent}, {at}")));
    }
    if let Some(parent) = &row.parent {
        facts.push((
            "parent",
            format!("{} (run {})", parent.task_id, parent.run_id),
        ));
    }
    if !row.depends_on.is_empty() {
        facts.push(("depends on", joined(&row.depends_on, ", ")));
    }
    if !row.blocked_by.is_empty() {
        facts.push(("blocked by", joined(&row.blocked_by, ", ")));
    }
    if let Some(said) = marker::cancellation(&view.task) {
        let (at, reason) = (local_text(said.at), &said.reason);
        let successor = said.superseded_by.map(|id| format!(", superseded by {id}"));
        let successor = successor.unwrap_or_default();
        facts.push(("cancelled", format!("{at}: {reason}{successor}")));
    }
    for child in &row.children {
        let state = if child.active { "active" } else { "ended" };
        facts.push(("child", format!("{} ({state})", child.task_id)));
    }
    if let Some(state) = &view.state {
        let attempts = &state.attempts;
        let (now, total) = (attempts.this_launch, attempts.total);
        facts.push(("attempts", format!("{now} in this launch, {total} in all")));
        if state.gate_failures.count > 0 {
            let (count, gate) = (state.gate_failures.count, &state.gate_failures.last_gate);
            facts.push(("gates", format!("refused {count} times, last: {gate}")));
        }
        if let Some(claim) = row.claim.as_ref().filter(|claim| claim.gates > 0) {
            let (passed, all, number) = (claim.passed, claim.gates, claim.number);
            let text = format!("{passed} of {all} passed for claim {number}");
            facts.push(("evidence", text));
        }
        if let Some(stop) = &state.stop {
            let (by, at) = (&stop.by, local_text(stop.requested_at));
            facts.push(("stop", format!("asked for by {by}, {at}")));
        }
        if let Some(result) = &state.result {
            let word = result.status.as_str();
            let (code, at) = (result.exit_code, local_text(result.ended_at));
            facts.push(("result", format!("{word}, exit code {code}, {at}")));
        }
    }
    facts
}
