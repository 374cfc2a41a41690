//! `serve`: the server in the foreground.

use std::path::PathBuf;
use std::sync::Arc;

use cl_config::Serving;
use cl_wire::{Problem, ProblemCode};

use crate::args::ServeArgs;
use crate::context::Context;
use crate::error::{CliError, Exit};

/// Serves until the process is asked to end.
pub fn run(ctx: &mut Context, args: &ServeArgs) -> Result<Exit, CliError> {
    let serving = serving(ctx, args)?;
    let serve = ctx.serve;
    let console = &mut ctx.console;
    let mut announce = |said: &cl_wire::Announcement| {
        let login = said.login_url.as_deref();
        // Whoever started the server may have closed its output; it serves all the same.
        writeln!(console.out(), "API listening on {}", said.api_url).ok();
        writeln!(
            console.out(),
            "Web UI available at {}",
            login.unwrap_or(&said.ui_url)
        )
        .ok();
        console.out().flush().ok();
    };
    serve(serving, &mut announce).map_err(of_problem)?;
    Ok(Exit::Success)
}

/// Puts together what the server is asked to be.
fn serving(ctx: &Context, args: &ServeArgs) -> Result<Serving, CliError> {
    let scope = ctx.scope()?;
    let loaded = ctx.config()?;
    let config = Arc::new(loaded.config.clone());
    let executable = std::env::current_exe().unwrap_or_else(|_| PathBuf::from(ctx.binary.name()));
    Ok(Serving {
        root: scope.root.value.path().to_owned(),
        source: loaded.source.clone(),
        environment: ctx.environment.clone(),
        executable,
        version: crate::version::stamp().to_owned(),
        host: args.host.clone().unwrap_or_else(|| config.api.host.clone()),
        port: args.port.unwrap_or(config.api.port),
        may_move: args.port.is_none(),
        is_read_only: args.read_only,
        config,
    })
}

/// Returns the error that a command ends with for a server's problem.
pub(crate) fn of_problem(problem: Problem) -> CliError {
    let exit = match problem.code() {
        ProblemCode::BadRequest => Exit::Usage,
        ProblemCode::NotFound => Exit::NotFound,
        ProblemCode::Conflict => Exit::Conflict,
        _ => Exit::Failed,
    };
    let error = CliError::new(exit, problem.message);
    match problem.error.hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}
