//! `facts`: what tasks found out.

mod list;
mod promote;

pub use list::list;
pub use promote::promote;

use cl_bus::facts::{Fact, Origin, PromoteError, SheetError, Warning};
use serde_json::{Value, json};

use crate::context::Context;
use crate::error::{CliError, Exit};

/// Returns what identifies a fact, as JSON.
fn describe(fact: &Fact) -> Value {
    json!({
        "hash": fact.hash,
        "title": fact.title,
        "origin": fact.origin,
        "project": fact.project,
        "task": fact.task,
        "source": fact.source,
        "timestamp": fact.time,
    })
}

/// Returns where a fact comes from, for a line of text.
fn place(fact: &Fact) -> &str {
    match fact.origin {
        _ if !fact.task.is_empty() => &fact.task,
        Origin::GlobalFacts if fact.project.is_empty() => "(global)",
        _ => &fact.project,
    }
}

fn tell(ctx: &mut Context, warnings: &[Warning]) {
    for warning in warnings {
        ctx.console.warn(warning);
    }
}

impl From<SheetError> for CliError {
    fn from(error: SheetError) -> Self {
        match error {
            SheetError::NotRegular(_) => Self::new(Exit::Conflict, error.to_string())
                .hint("promoted facts stand in a regular file; move away what stands there"),
            error => Self::failed("could not use the promoted facts").caused_by(error),
        }
    }
}

impl From<PromoteError> for CliError {
    fn from(error: PromoteError) -> Self {
        match error {
            PromoteError::Sheet(error) => error.into(),
            PromoteError::Lock(error) if error.is_timeout() => {
                Self::conflict("somebody else is promoting facts")
                    .caused_by(error)
                    .hint("nothing was written; try again")
            }
            error => Self::failed("the facts were not promoted")
                .caused_by(error)
                .hint("make room on the disk or correct the permissions, and try again"),
        }
    }
}
