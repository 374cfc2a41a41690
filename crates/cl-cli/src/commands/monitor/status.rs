//! `monitor --status`.

use cl_storage::ProjectDir;
use serde_json::json;

use super::post::{self, Who};
use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::scope::Scope;

/// Says who is the monitor.
pub(super) fn tell(
    ctx: &mut Context,
    scope: &Scope,
    project: &ProjectDir,
) -> Result<Exit, CliError> {
    let who = post::who(project)?;
    let lockfile = post::lock_path(project);
    if ctx.console.is_json() {
        let plate = match &who {
            Who::Named(plate) => Some(plate),
            Who::Nobody | Who::Unnamed => None,
        };
        ctx.console.json(&json!({
            "running": !matches!(who, Who::Nobody), "project": project.id(), "root": scope.root().path(),
            "pid": plate.map(|plate| plate.pid), "started_at": plate.map(|plate| plate.started_at),
            "todo": plate.map(|plate| &plate.todo), "host": plate.map(|plate| &plate.host),
            "lockfile": lockfile,
        }))?;
        return Ok(Exit::Success);
    }
    match who {
        Who::Nobody => ctx.console.line("no monitor running")?,
        Who::Unnamed => ctx.console.line(format_args!(
            "monitor running for project {}; it does not say more in {}",
            project.id(),
            lockfile.display()
        ))?,
        Who::Named(plate) => ctx.console.line(format_args!(
            "monitor running for project {}: PID {} on {} since {}, list {}",
            project.id(),
            plate.pid,
            plate.host,
            plate.started_at,
            plate.todo.display()
        ))?,
    }
    Ok(Exit::Success)
}
