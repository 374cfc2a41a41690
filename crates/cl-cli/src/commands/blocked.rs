//! `list --blocked`: which tasks do not begin, and why.

use std::collections::BTreeMap;

use cl_storage::dependencies::{self, Blocked, Facts, Node, remedies, report, standing};
use cl_storage::task_config::TaskConfig;
use cl_storage::{ProjectDir, TaskId, marker};
use serde_json::{Value, json};

use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::view::{Grid, Survey, TaskRow};

/// Prints the blocked tasks of `survey`, which holds all of the project's.
pub(super) fn run(
    ctx: &mut Context,
    project: &ProjectDir,
    survey: &Survey,
    all: bool,
) -> Result<Exit, CliError> {
    let mut nodes = BTreeMap::new();
    for row in survey.rows.iter().filter(|row| !row.legacy) {
        nodes.insert(row.task_id.clone(), node(project, row));
    }
    let mut found = report(&nodes);
    found.retain(|blocked| all || blocked.is_stuck);
    let rows: BTreeMap<&TaskId, &TaskRow> =
        survey.rows.iter().map(|row| (&row.task_id, row)).collect();
    let found: Vec<(&TaskRow, Blocked)> = found
        .into_iter()
        .filter_map(|blocked| Some((*rows.get(&blocked.task)?, blocked)))
        .collect();
    if ctx.console.is_json() {
        let blocked: Vec<Value> = found
            .iter()
            .map(|(row, it)| to_json(project, row, it))
            .collect();
        ctx.console.json(&json!({"blocked": blocked}))?;
    } else if found.is_empty() {
        ctx.console.line(format_args!(
            "No blocked tasks in project {}.",
            project.id()
        ))?;
    } else {
        print(ctx, &found)?;
    }
    Ok(Exit::Success)
}

/// Returns the task of a row as the decisions see it.
fn node(project: &ProjectDir, row: &TaskRow) -> Node {
    let standing = standing(&Facts {
        status: row.status,
        kind: row.kind.as_deref(),
        owner: row.owner,
        is_active: row.active,
        has_runs: row.runs > 0,
        goes_on: row.goes_on,
    });
    let task = project.task(&row.task_id).ok();
    let is_cancelled = standing == dependencies::Standing::Cancelled;
    let config = task.as_ref().filter(|_| !row.depends_on.is_empty());
    Node {
        standing,
        // What cannot be read was told with the row.
        depends_on: config
            .and_then(|task| TaskConfig::read(task).ok())
            .map(|config| config.gating())
            .unwrap_or_default(),
        superseded_by: task
            .filter(|_| is_cancelled)
            .and_then(|task| marker::cancellation(&task)?.superseded_by),
    }
}

/// Returns what can be done about it.
fn hint(project: &ProjectDir, blocked: &Blocked) -> String {
    if !blocked.is_stuck {
        return "it begins by itself when the tasks it waits for are done".to_owned();
    }
    let [one, other] = remedies(project.id(), &blocked.chain);
    format!("{one}, or {other}")
}

fn to_json(project: &ProjectDir, row: &TaskRow, blocked: &Blocked) -> Value {
    let by: Vec<&TaskId> = blocked.blocked_by.iter().map(|by| &by.task).collect();
    json!({
        "task_id": row.task_id,
        "status": row.status,
        "depends_on": row.depends_on,
        "blocked_by": by,
        "chain": blocked.chain.path,
        "reason": blocked.chain.reason,
        "hint": hint(project, blocked),
    })
}

fn print(ctx: &mut Context, found: &[(&TaskRow, Blocked)]) -> Result<(), CliError> {
    let mut grid = Grid::new(&["TASK_ID", "STATUS", "BLOCKED_BY", "CHAIN", "REASON"]);
    for (row, blocked) in found {
        let by: Vec<&str> = (blocked.blocked_by.iter())
            .map(|by| by.task.as_str())
            .collect();
        let by = if by.is_empty() {
            "-".to_owned()
        } else {
            by.join(",")
        };
        let cells = vec![
            row.task_id.to_string(),
            row.status.to_string(),
            by,
            blocked.chain.to_string(),
            blocked.chain.reason.to_string(),
        ];
        grid.row(cells, row.status.as_str());
    }
    grid.print(&mut ctx.console)
}
