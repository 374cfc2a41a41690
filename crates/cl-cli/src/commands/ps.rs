//! `ps`: every process that belongs to a task.

use cl_runner::processes::{self, ProcessRow, Role};
use cl_storage::owner::OwnerState;
use serde_json::json;

use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::view::Grid;

/// Lists the processes of all tasks, or of the project or task named.
pub fn run(ctx: &mut Context) -> Result<Exit, CliError> {
    let scope = ctx.scope()?;
    let mut rows = if scope.has_root()? {
        processes::list(scope.root(), &*ctx.clock)?
    } else {
        Vec::new()
    };
    let project = ctx.global.project.clone();
    let tasks = ctx.global.tasks.clone();
    rows.retain(|row| project.as_ref().is_none_or(|id| row.project.as_str() == id));
    rows.retain(|row| tasks.is_empty() || tasks.iter().any(|id| row.task.as_str() == id));
    if ctx.console.is_json() {
        ctx.console.json(&json!({ "processes": rows }))?;
        return Ok(Exit::Success);
    }
    if rows.is_empty() {
        ctx.console.note("no task has a process");
        return Ok(Exit::Success);
    }
    let mut table = Grid::new(&[
        "PID", "PPID", "ROLE", "AGE", "CPU", "RSS", "NAME", "TASK", "RUN", "OWNER", "NOTE",
    ]);
    for row in &rows {
        table.row(cells(row), "");
    }
    table.print(&mut ctx.console)?;
    Ok(Exit::Success)
}

fn cells(row: &ProcessRow) -> Vec<String> {
    let role = match row.role {
        Role::Supervisor => "supervisor",
        Role::Agent => "agent",
        Role::Gate => "gate",
        Role::Descendant => "descendant",
    };
    let owner = match row.owner {
        OwnerState::Alive => "alive",
        OwnerState::Lost => "lost",
        OwnerState::None => "none",
    };
    vec![
        row.pid.to_string(),
        row.parent_pid.to_string(),
        role.to_owned(),
        format!("{}s", row.age_seconds),
        format!("{}.{:02}s", row.cpu_ms / 1000, row.cpu_ms % 1000 / 10),
        format!("{}M", row.rss_bytes / (1024 * 1024)),
        row.name.clone(),
        row.task.to_string(),
        row.run
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        owner.to_owned(),
        row.note.unwrap_or_default().to_owned(),
    ]
}
