//! `goal`: from a goal to tasks, without asking a model.

mod ahead;
mod apply;
mod prompt;
mod spec;

use std::path::Path;

use cl_storage::durable::{self, Mode};
use cl_storage::yaml;

use self::spec::{Request, STRATEGY};
use super::launching;
use super::workflow::stages;
use crate::args::{DecomposeArgs, GoalText, LaunchArgs};
use crate::context::Context;
use crate::error::{CliError, Exit};

pub use apply::run as apply;

/// Writes down the tasks that a goal is cut into.
pub fn decompose(ctx: &mut Context, args: &DecomposeArgs) -> Result<Exit, CliError> {
    let scope = ctx.scope()?;
    let project = launching::project(ctx, &scope)?;
    if args.strategy.trim() != STRATEGY {
        return Err(
            CliError::usage(format!("unknown strategy {:?}", args.strategy))
                .hint(format!("there is {STRATEGY}")),
        );
    }
    let Some(template) = stages::template(&args.template) else {
        return Err(
            CliError::usage(format!("unknown template {:?}", args.template))
                .hint(format!("there is {}", stages::TEMPLATE)),
        );
    };
    let Some(goal) = goal_text(ctx, &args.text)? else {
        return Err(CliError::usage("there is no goal").hint("give it with --goal or --goal-file"));
    };
    let source = args.text.goal_file.as_ref().map(|path| ctx.absolute(path));
    let spec = spec::decompose(&Request {
        project: &project,
        root_dir: ctx
            .global
            .root
            .as_ref()
            .map(|root| root.display().to_string()),
        template,
        max_parallel: args.max_parallel,
        rlm_document: ctx.environment.get("CONDUCTOR_RLM_SEMANTICS_DOC"),
        goal: &goal,
        source: source.map(|path| path.display().to_string()),
    });
    let failed = |error: &dyn std::fmt::Display| {
        CliError::failed(format!("could not write the tasks of the goal: {error}"))
    };
    let to_json = || serde_json::to_string_pretty(&spec).map(|text| text + "\n");
    let is_json = match &args.out {
        Some(path) if path != Path::new("-") => path
            .extension()
            .is_some_and(|ext| ext.eq_ignore_ascii_case("json")),
        _ => ctx.console.is_json(),
    };
    let text = if is_json {
        to_json().map_err(|error| failed(&error))?
    } else {
        yaml::to_text(&spec).map_err(|error| failed(&error))?
    };
    match &args.out {
        Some(path) if path != Path::new("-") => {
            let path = ctx.absolute(path);
            durable::replace(&path, text.as_bytes(), Mode::Shared).map_err(|error| {
                CliError::failed(format!("could not write {}", path.display())).caused_by(error)
            })?;
            ctx.console
                .note(format_args!("written: {}", path.display()));
        }
        _ => ctx.console.line(text.trim_end_matches('\n'))?,
    }
    Ok(Exit::Success)
}

/// Returns the goal that flags give; none if they give none.
fn goal_text(ctx: &Context, text: &GoalText) -> Result<Option<String>, CliError> {
    let given = LaunchArgs {
        prompt: text.goal.clone(),
        prompt_file: text.goal_file.clone(),
        ..LaunchArgs::default()
    };
    match launching::prompt(ctx, &given) {
        Err(error) if error.exit() == Exit::Usage => {
            Err(CliError::usage("the goal is empty, or no text").hint(error.chain()))
        }
        other => other,
    }
}
