//! `recover`: tasks whose supervisor died.

use cl_conduct::Settings;
use cl_conduct::recovery::{self, Recovered, RecoveryError};
use cl_runner::recover::{Action, Recovery, plan};
use cl_runner::settle::SettleError;
use cl_storage::{Clock, Root};
use serde_json::json;

use super::launching;
use crate::args::RecoverArgs;
use crate::context::Context;
use crate::error::{CliError, Exit};

/// Takes up or marks every lost task below the root.
pub fn run(ctx: &mut Context, args: &RecoverArgs) -> Result<Exit, CliError> {
    let scope = ctx.scope()?;
    if !scope.has_root()? {
        return Ok(tell_end(ctx, 0, false));
    }
    if !args.dry_run {
        take_over_queue(ctx, scope.root())?;
    }
    let settings = launching::settings(ctx)?;
    let on_lost = settings.config.defaults.on_lost;
    let mut recoveries = plan(scope.root(), on_lost, &*ctx.clock)?;
    let (project, tasks) = (ctx.global.project.clone(), ctx.global.tasks.clone());
    recoveries.retain(|found| {
        project
            .as_ref()
            .is_none_or(|id| found.task.project().as_str() == id)
    });
    recoveries
        .retain(|found| tasks.is_empty() || tasks.iter().any(|id| found.task.id().as_str() == id));
    if recoveries.is_empty() {
        super::ps::check_named(ctx, &scope)?;
    }
    let mut failed = false;
    for recovery in &recoveries {
        let outcome = if args.dry_run {
            Outcome::Planned
        } else {
            act(scope.root(), recovery, &settings, &*ctx.clock)
        };
        failed |= matches!(outcome, Outcome::Failed(_));
        tell(ctx, recovery, &outcome)?;
    }
    if !args.dry_run {
        cl_runner::notify::start::kick(scope.root());
        for project in scope.root().projects()? {
            cl_storage::index::sweep(scope.root(), &project);
        }
        cl_runner::process::leaf::remove_all_dead();
    }
    Ok(tell_end(ctx, recoveries.len(), failed))
}

/// Takes over what the earlier implementation had queued.
fn take_over_queue(ctx: &mut Context, root: &Root) -> Result<(), CliError> {
    let taken = cl_storage::queue::import_planner(root, ctx.now()).map_err(|error| {
        CliError::failed("could not take over root-task-planner.yaml").caused_by(error)
    })?;
    if taken > 0 {
        ctx.console.note(format_args!(
            "{taken} tasks of root-task-planner.yaml are queued for a server"
        ));
    }
    Ok(())
}

/// What became of a lost task.
#[derive(Debug)]
enum Outcome {
    /// Nothing: it is only told what would be done.
    Planned,
    /// What was decided.
    Done,
    /// Another one has taken it up since it was looked at.
    TakenUp,
    /// It could not be done.
    Failed(CliError),
}

fn act(root: &Root, recovery: &Recovery, settings: &Settings, clock: &dyn Clock) -> Outcome {
    match recovery::recover(root, recovery, settings, clock) {
        Ok(Recovered::Done(_)) => Outcome::Done,
        Ok(Recovered::TakenUp) => Outcome::TakenUp,
        Err(error) => Outcome::Failed(explained(error)),
    }
}

fn explained(error: RecoveryError) -> CliError {
    match error {
        RecoveryError::Agent(error) => launching::order_error(error),
        RecoveryError::Launch(error) => launching::launch_error(error),
        RecoveryError::Adopt(error) => super::import::adopt_error(error),
        RecoveryError::Settle(error) => {
            let exit = match &error {
                SettleError::Own(_) => Exit::Conflict,
                _ => Exit::Failed,
            };
            CliError::new(exit, "could not settle it").caused_by(error)
        }
        RecoveryError::Unreadable(error) => {
            CliError::failed("could not tell how it was launched").caused_by(error)
        }
        other => CliError::failed(other.to_string()),
    }
}

fn tell(ctx: &mut Context, recovery: &Recovery, outcome: &Outcome) -> Result<(), CliError> {
    let (task, project) = (recovery.task.id(), recovery.task.project());
    let (action, reason) = match &recovery.action {
        Action::Resume => ("resume", None),
        Action::Watch => ("watch", None),
        Action::Mark(reason) => ("mark", Some(reason.as_str())),
        Action::RecordStop => ("record_stop", None),
    };
    if ctx.console.is_json() {
        let error = match outcome {
            Outcome::Failed(error) => Some(error.chain()),
            _ => None,
        };
        return ctx.console.json(&json!({
            "project": project, "task": task, "action": action, "reason": reason, "error": error,
            "dry_run": matches!(outcome, Outcome::Planned),
            "taken_up_by_another": matches!(outcome, Outcome::TakenUp),
        }));
    }
    let (would, done) = match recovery.action {
        Action::Resume => ("would resume", "resumed"),
        Action::Watch => (
            "would watch its adopted process again",
            "its adopted process is watched again",
        ),
        Action::Mark(_) => ("would mark as failed", "marked as failed"),
        Action::RecordStop => (
            "would record as stopped, as somebody had wished",
            "recorded as stopped, as somebody had wished",
        ),
    };
    let because = reason.map_or_else(String::new, |reason| format!(", because {reason}"));
    let what = match outcome {
        Outcome::Planned => format!("{would}{because}"),
        Outcome::Done => format!("{done}{because}"),
        Outcome::TakenUp => "another one has taken it up meanwhile".to_owned(),
        Outcome::Failed(error) => {
            let error = error.chain();
            ctx.console
                .note(format_args!("{task} ({project}): {action} failed: {error}"));
            return Ok(());
        }
    };
    ctx.console.line(format_args!("{task} ({project}): {what}"))
}

fn tell_end(ctx: &mut Context, found: usize, failed: bool) -> Exit {
    if found == 0 && !ctx.console.is_json() {
        ctx.console.note("no task has lost its supervisor");
    }
    if failed { Exit::Failed } else { Exit::Success }
}
