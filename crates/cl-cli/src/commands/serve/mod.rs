//! `serve`: the server in the foreground or in the background, and what is done with it.

mod background;
mod settings;
mod state;
mod unit;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use cl_config::{Operation, Serving};
use cl_runner::service::{self, Keeping, LogFile};
use cl_storage::Root;
use cl_storage::update::{UpdateJournal, UpdateStep};
use cl_wire::{Announcement, Problem, ProblemCode};
use serde_json::{Value, json};

pub(super) use state::running;

use crate::args::{ServeArgs, ServeCall, ServeCommand};
use crate::context::Context;
use crate::error::{CliError, Exit};

/// Serves until the process is asked to end, or does something with the server there is.
pub fn run(ctx: &mut Context, call: &ServeCall) -> Result<Exit, CliError> {
    let args = &call.serve;
    match &call.command {
        Some(ServeCommand::Stop(args)) => state::stop(ctx, args),
        Some(ServeCommand::Status) => state::status(ctx),
        Some(ServeCommand::Unit(args)) => unit::run(ctx, args),
        None if args.print_config => settings::print(ctx, args),
        None if args.daemon => background::start(ctx),
        None if args.supervise => keep(ctx, args),
        None => serve(ctx, args),
    }
}

/// Serves in this process.
fn serve(ctx: &mut Context, args: &ServeArgs) -> Result<Exit, CliError> {
    let serving = serving(ctx, args)?;
    let log = if args.in_background {
        Some(background::log(ctx)?)
    } else {
        None
    };
    let redactor = crate::view::redactor(ctx);
    crate::logging::start_for_server(ctx.console.verbosity(), redactor, log.clone());
    let serve = ctx.serve;
    let console = &mut ctx.console;
    // Whoever started the server may have closed its output; it serves all the same.
    let mut announce = |said: &Announcement| match &log {
        Some(log) => {
            // Whoever started it knows where its log is.
            let said = said_json(std::process::id(), said, None);
            writeln!(console.out(), "{said}").ok();
            console.out().flush().ok();
            // The starter has read all that it waits for.
            if let Err(error) = log.take_standard_streams() {
                tracing::warn!(%error, "standard error does not lead to the log");
            }
        }
        None if console.is_json() => {
            let said = said_json(std::process::id(), said, None);
            console.json(&said).ok();
            console.out().flush().ok();
        }
        None => {
            print_announcement(console, said).ok();
            console.out().flush().ok();
        }
    };
    serve(serving, &mut announce).map_err(of_problem)?;
    Ok(Exit::Success)
}

/// Starts the server as a child, and again when it fails.
fn keep(ctx: &mut Context, args: &ServeArgs) -> Result<Exit, CliError> {
    // What is wrong with them is told once, here.
    serving(ctx, args)?;
    let log = if args.in_background {
        background::log(ctx)?;
        Some(cl_storage::server::log_path(ctx.scope()?.root()))
    } else {
        None
    };
    let root = ctx.scope()?.root().clone();
    let name = ctx.binary.name();
    let (console, clock) = (&mut ctx.console, &ctx.clock);
    let mut tell = |line: &str| match &log {
        // The server puts its log aside when it is full, so it is opened for each line.
        Some(path) => {
            if let Ok(mut file) = LogFile::open(path, background::LOG_BYTES) {
                use std::io::Write as _;
                writeln!(file, "{} keeper: {line}", clock.now()).ok();
            }
        }
        None => console.warn(line),
    };
    let mut started = || {
        if let Some(path) = &log
            && let Ok(file) = LogFile::open(path, background::LOG_BYTES)
        {
            // Only the server answers whoever started this.
            file.take_standard_streams().ok();
        }
    };
    let code = service::keep_going(Keeping {
        name,
        program: &mut || program(&root),
        args: &replaced("--supervise", "--kept"),
        tell: &mut tell,
        started: &mut started,
        is_announced_once: args.in_background,
    })
    .map_err(|error| CliError::failed("could not keep the server going").caused_by(error))?;
    Ok(match code {
        0 => Exit::Success,
        code => Exit::Passed(code),
    })
}

/// Returns the program that serves `root` next.
///
/// The server may have replaced its own. While a new build has not yet shown that it is well,
/// this one is started, which takes the update back.
fn program(root: &Root) -> PathBuf {
    match UpdateJournal::read(root) {
        Ok(Some(journal)) if journal.step != UpdateStep::Applying && journal.link.exists() => {
            journal.link
        }
        _ => PathBuf::from("/proc/self/exe"),
    }
}

/// Returns the arguments of this process with one flag in the place of another.
fn replaced(flag: &str, by: &str) -> Vec<OsString> {
    let swap = |arg: OsString| if arg == flag { by.into() } else { arg };
    arguments().into_iter().map(swap).collect()
}

/// Returns the arguments of this process without its name.
fn arguments() -> Vec<OsString> {
    std::env::args_os().skip(1).collect()
}

/// Puts together what the server is asked to be.
fn serving(ctx: &Context, args: &ServeArgs) -> Result<Serving, CliError> {
    let scope = ctx.scope()?;
    let loaded = ctx.config()?;
    let config = Arc::new(loaded.config.clone());
    let executable = std::env::current_exe().unwrap_or_else(|_| PathBuf::from(ctx.binary.name()));
    let is_default = loaded.origins.of("api.port") == cl_config::Origin::Default;
    let interval = args.watchdog_interval;
    Ok(Serving {
        root: scope.root.value.path().to_owned(),
        source: loaded.source.clone(),
        environment: ctx.environment.clone(),
        executable,
        version: crate::version::stamp().to_owned(),
        host: args.host.clone().unwrap_or_else(|| config.api.host.clone()),
        port: args.port.unwrap_or(config.api.port),
        may_move: args.port.is_none() && is_default,
        is_read_only: args.read_only,
        operation: Operation {
            watchdog_interval: Some(interval.unwrap_or(Operation::WATCHDOG_INTERVAL))
                .filter(|interval| !interval.is_zero()),
            watchdog_failures: args
                .watchdog_max_failures
                .unwrap_or(Operation::WATCHDOG_FAILURES),
            is_kept: args.kept,
            arguments: arguments(),
        },
        config,
    })
}

/// What the server `pid` says of itself, as JSON; it has a log file only in the background.
fn said_json(pid: u32, said: &Announcement, log: Option<&std::path::Path>) -> Value {
    json!({
        "pid": pid,
        "api_url": said.api_url,
        "ui_url": said.ui_url,
        "login_url": said.login_url,
        "log": log,
    })
}

fn print_announcement(
    console: &mut crate::console::Console,
    said: &Announcement,
) -> Result<(), CliError> {
    console.line(format_args!("API listening on {}", said.api_url))?;
    let ui = said.login_url.as_deref().unwrap_or(&said.ui_url);
    console.line(format_args!("Web UI available at {ui}"))
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
