//! `run import`.

use std::path::{Path, PathBuf};

use cl_runner::adopt::{AdoptError, AdoptOrder, ProcessOwnership, adopt};
use cl_storage::redact::Redactor;
use cl_storage::snapshot::TaskView;
use serde_json::json;

use super::launching;
use crate::args::{ImportArgs, OwnershipArg};
use crate::context::Context;
use crate::error::{CliError, Exit};

/// Adopts a process that somebody else has started.
pub fn run(ctx: &mut Context, args: &ImportArgs) -> Result<Exit, CliError> {
    let scope = ctx.scope()?;
    let project = launching::project(ctx, &scope)?;
    let agent = args.agent.trim().to_lowercase();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if agent.is_empty() || !agent.chars().all(is_plain) {
        return Err(
            CliError::usage(format!("--agent {:?} is no type of agent", args.agent))
                .hint("name one in plain letters, such as claude or codex"),
        );
    }
    let redactor = Redactor::new(ctx.config()?.config.all_secrets());
    let secrets = ctx.config()?.config.all_secrets();
    let commandline = args.command_line.clone().unwrap_or_default();
    let order = AdoptOrder {
        pid: args.pid,
        agent,
        stdout: source(ctx, "--stdout", args.stdout.as_deref())?,
        stderr: source(ctx, "--stderr", args.stderr.as_deref())?,
        ownership: match args.ownership {
            OwnershipArg::External => ProcessOwnership::External,
            OwnershipArg::Managed => ProcessOwnership::Managed,
        },
        commandline: redactor.redact(&commandline).into_owned(),
        parent_run: scope.parent_run.as_ref().map(|run| run.value.clone()),
    };
    let id = launching::new_task_id(ctx, &scope, &project);
    let task = scope.root().task(&project, id.as_ref())?;
    let launched = adopt(
        scope.root(),
        &task,
        order,
        secrets,
        Path::new("/proc/self/exe"),
    );
    let launched = launched.map_err(adopt_error)?;
    let view = TaskView::read(scope.root(), &task, ctx.now())?;
    let run = view.latest_run().map(|run| run.run.id().clone());
    if ctx.console.is_json() {
        ctx.console.json(&json!({
            "project": task.project(),
            "task": task.id(),
            "run_id": run,
            "pid": args.pid,
            "ownership": match args.ownership {
                OwnershipArg::External => "external",
                OwnershipArg::Managed => "managed",
            },
            "watcher_pid": launched.supervisor.pid,
        }))?;
        return Ok(Exit::Success);
    }
    id.announce(ctx);
    if let Some(run) = run {
        ctx.console.line(run)?;
    }
    Ok(Exit::Success)
}

/// Returns the absolute path of a log, which may be still to come; its folder must be there.
fn source(ctx: &Context, flag: &str, path: Option<&Path>) -> Result<Option<PathBuf>, CliError> {
    let Some(path) = path.map(|path| ctx.absolute(path)) else {
        return Ok(None);
    };
    if path.is_dir() {
        return Err(
            CliError::usage(format!("{flag}: {} is a folder", path.display()))
                .hint("name the file that the process writes to"),
        );
    }
    if !path.parent().is_some_and(Path::is_dir) {
        return Err(CliError::not_found(format!(
            "{flag}: the folder of {} does not exist",
            path.display()
        )));
    }
    Ok(Some(path))
}

/// Returns the error of a watcher that did not begin.
pub(super) fn adopt_error(error: AdoptError) -> CliError {
    match error {
        AdoptError::Dead(_) => CliError::not_found(error.to_string()),
        AdoptError::Own(_) | AdoptError::Init | AdoptError::Kernel(_) => {
            CliError::usage(error.to_string()).hint("name the process of an agent")
        }
        AdoptError::Forbidden(_) => CliError::conflict(error.to_string())
            .hint("run the command as the user to whom the process belongs"),
        AdoptError::Known { .. } => CliError::conflict(error.to_string())
            .hint("`run-agent ps` shows what works for which task"),
        AdoptError::Launch(error) => launching::launch_error(error),
        error => CliError::failed("the process was not adopted").caused_by(error),
    }
}
