//! `recover`: tasks whose supervisor died.

use cl_runner::launch::{LaunchFile, Mode};
use cl_runner::recover::{Action, Recovery, plan};
use cl_runner::settle::{Reason, SettleError, settle_lost};
use cl_storage::owner::{Owner, OwnerState};
use cl_storage::{Root, TaskDir};
use serde_json::json;

use super::launching::{self, Order};
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
    let on_lost = ctx.config()?.config.defaults.on_lost;
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
        } else if !is_lost(&recovery.task) {
            Outcome::TakenUp
        } else {
            match act(ctx, scope.root(), recovery) {
                Ok(()) => Outcome::Done,
                Err(error) if error.exit() == Exit::Conflict && !is_lost(&recovery.task) => {
                    Outcome::TakenUp
                }
                Err(error) => Outcome::Failed(error),
            }
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

/// Tells whether `task` is still lost. One whose owner cannot be read may be.
fn is_lost(task: &TaskDir) -> bool {
    Owner::read(task).map_or(true, |owner| {
        OwnerState::of(owner.as_ref()) == OwnerState::Lost
    })
}

fn act(ctx: &mut Context, root: &Root, recovery: &Recovery) -> Result<(), CliError> {
    match &recovery.action {
        Action::Resume => resume(ctx, &recovery.task),
        Action::Watch => {
            let executable = std::path::Path::new("/proc/self/exe");
            let secrets = ctx.config()?.config.all_secrets();
            let watching = cl_runner::adopt::take_up(root, &recovery.task, secrets, executable);
            watching.map(drop).map_err(super::import::adopt_error)
        }
        Action::Mark(_) | Action::RecordStop => {
            let reason = match &recovery.action {
                Action::RecordStop => Reason::Stopped {
                    by: "recover, after an earlier wish to stop".to_owned(),
                },
                _ => Reason::Lost,
            };
            let grace = std::time::Duration::from_secs(10);
            settle_lost(root, &recovery.task, &reason, grace, &*ctx.clock)
                .map(drop)
                .map_err(|error| {
                    let exit = match &error {
                        SettleError::Own(_) => Exit::Conflict,
                        _ => Exit::Failed,
                    };
                    CliError::new(exit, "could not settle it").caused_by(error)
                })
        }
    }
}

fn resume(ctx: &mut Context, task: &TaskDir) -> Result<(), CliError> {
    let file = LaunchFile::read(task)
        .map_err(|error| CliError::failed("could not tell how it was launched").caused_by(error))?
        .ok_or_else(|| CliError::failed("it is not known how it was launched"))?;
    let order = Order {
        kind: file.kind,
        mode: Mode::Recover,
        task: task.clone(),
        prompt: file.prompt,
        cwd: file.cwd,
        policy: file.policy,
        agent: Some(file.agent_name),
        extra_env: file.env,
        parent_run: None,
        parent: file.parent,
        depth: file.depth,
        previous_run: None,
        depends_on: None,
        takes_up_cancelled: false,
        is_detached: true,
        step: None,
    };
    let ready = launching::ready(ctx, order.agent.as_deref())?;
    launching::launch_supervised(ctx, order, ready).map(drop)
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
