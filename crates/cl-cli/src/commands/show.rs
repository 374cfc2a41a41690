//! `task show`: everything about one task.

use cl_storage::dependencies::joined;
use cl_storage::marker::Marker;
use cl_storage::owner::OwnerState;
use cl_wire::shown::TaskShown;

use super::list::print_runs;
use crate::backend::{self, Need};
use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::view::{ActivityFact, TaskText as _, duration_text, local_text, warn_about};

/// Shows one task.
pub fn run(ctx: &mut Context) -> Result<Exit, CliError> {
    let scope = ctx.scope()?;
    let backend = backend::open(ctx, Need::Look)?;
    let shown = backend.show(ctx, &scope)?;
    warn_about(&mut ctx.console, &shown.problems);
    if ctx.console.is_json() {
        ctx.console.json(&shown)?;
        return Ok(Exit::Success);
    }
    for (name, value) in facts(&shown) {
        ctx.console.line(format_args!("{name:<11} {value}"))?;
    }
    let activity = shown.activity.clone();
    let activity = activity.and_then(|it| serde_json::from_value::<ActivityFact>(it).ok());
    if let Some(doing) = activity.filter(|doing| doing.state.is_some()) {
        let silent = doing.silent_seconds.unwrap_or(0);
        let silent = duration_text(i64::try_from(silent).unwrap_or(i64::MAX));
        let word = doing.word();
        ctx.console.line(format_args!(
            "{:<11} {word}, silent for {silent}",
            "activity"
        ))?;
    }
    if !shown.runs.is_empty() {
        ctx.console.line("")?;
        print_runs(ctx, &shown.runs)?;
    }
    Ok(Exit::Success)
}

/// Returns the lines of the text form; what is not known is left out.
fn facts(shown: &TaskShown) -> Vec<(&'static str, String)> {
    let row = &shown.task;
    let mut facts = vec![
        ("task", row.task_id.to_string()),
        ("project", row.project_id.to_string()),
        ("status", row.status_text()),
    ];
    let note = row.note();
    if !note.is_empty() {
        facts.push(("note", note));
    }
    facts.push(("folder", shown.path.clone()));
    if let Some(owner) = &shown.owner {
        let state = match owner.state {
            OwnerState::Alive => "alive",
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
        .filter(|marker| shown.markers.get(&cl_view::marker_key(*marker)) == Some(&true))
        .map(Marker::file_name)
        .collect();
    if !present.is_empty() {
        facts.push(("markers", present.join(", ")));
    }
    if shown.done_is_no_file {
        facts.push((
            "markers",
            "DONE is not a regular file and does not count".to_owned(),
        ));
    }
    if let Some(launch) = &shown.launch {
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
    if let Some(said) = &shown.cancelled {
        let (at, reason) = (local_text(said.at), &said.reason);
        let successor = said
            .superseded_by
            .as_ref()
            .map(|id| format!(", superseded by {id}"));
        let successor = successor.unwrap_or_default();
        facts.push(("cancelled", format!("{at}: {reason}{successor}")));
    }
    for child in &row.children {
        let state = if child.active { "active" } else { "ended" };
        facts.push(("child", format!("{} ({state})", child.task_id)));
    }
    if let Some(state) = &shown.state {
        let attempts = &state.attempts;
        let (now, total) = (attempts.this_launch, attempts.total);
        facts.push(("attempts", format!("{now} in this launch, {total} in all")));
        if state.gate_failures > 0 {
            let (count, gate) = (state.gate_failures, &state.last_gate);
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
            let word = &result.status;
            let (code, at) = (result.exit_code, local_text(result.ended_at));
            facts.push(("result", format!("{word}, exit code {code}, {at}")));
        }
    }
    facts
}
