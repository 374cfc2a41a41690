//! Reads a thread.

use cl_bus::Damage;
use cl_bus::view::{self, SourceBus};
use cl_storage::MessageId;
use serde_json::json;

use super::{project, skipped, warn_about_damage};
use crate::args::ReadArgs;
use crate::commands::bus::target;
use crate::context::Context;
use crate::error::{CliError, Exit};

/// How many messages are shown if nothing else is asked for.
const USUAL_LIMIT: usize = 200;

/// Prints the thread of `id` among the buses of the project.
pub(super) fn read(ctx: &mut Context, args: &ReadArgs, id: &MessageId) -> Result<Exit, CliError> {
    let scope = ctx.scope()?;
    let buses = if args.bus.is_some() {
        let target = target::find(ctx, &scope, args.bus.as_deref())?;
        vec![SourceBus {
            name: target.path.display().to_string(),
            path: target.path,
        }]
    } else {
        project::buses(&scope.existing_project()?)?
    };
    let thread = view::thread(&buses, id, args.limit.unwrap_or(USUAL_LIMIT));
    for (source, error) in &thread.failed {
        project::tell_failed(ctx, source, error);
    }
    let damage: Vec<&Damage> = thread.damage.iter().map(|(_, damage)| damage).collect();
    warn_about_damage(ctx, &damage);
    if thread.items.is_empty() {
        return Err(
            CliError::not_found(format!("{id} is on no bus that was read"))
                .hint("name its project with --project"),
        );
    }
    if ctx.console.is_json() {
        let rows = thread.items.iter().map(project::row);
        return ctx
            .console
            .json(&json!({
                "thread": id,
                "messages": rows.collect::<Vec<_>>(),
                "has_more": thread.has_more,
                "missing": thread.missing,
                "skipped_entries": skipped(damage),
                "failed": project::failed(&thread.failed),
            }))
            .map(|()| Exit::Success);
    }
    for item in &thread.items {
        project::row(item).print(ctx)?;
    }
    if thread.has_more {
        ctx.console
            .note("There are more messages in this thread; --limit N shows more");
    }
    Ok(Exit::Success)
}
