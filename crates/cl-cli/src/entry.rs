//! The way in: from the arguments of the process to an exit code.

use std::ffi::{OsStr, OsString};
use std::process::ExitCode;

use cl_config::{Environment, Serving};
use cl_wire::{Announcement, Problem};

use crate::args;
use crate::commands;
use crate::console::{Console, Verbosity};
use crate::context::Context;
use crate::error::{CliError, Exit, is_closed_pipe};

/// The hidden sub-command that runs a task's supervisor.
pub const SUPERVISE: &str = cl_runner::launch::SUPERVISE_COMMAND;

/// The hidden sub-command that plays a script as an agent.
pub const SCRIPTED_AGENT: &str = cl_agent::scripted::SUB_COMMAND;

/// The hidden sub-command that asks a service as an agent.
pub const REST_AGENT: &str = cl_agent::rest::SUB_COMMAND;

/// The hidden sub-command that holds a conversation with an agent.
pub const ACP_AGENT: &str = cl_agent::acp::SUB_COMMAND;

/// The hidden sub-command that delivers notifications.
pub const SEND_NOTIFICATIONS: &str = cl_runner::notify::start::SUB_COMMAND;

/// Serves until it is told to end, see `cl_api::serve`; says through the second argument where.
///
/// The server is no part of this crate: programs that embed the commands need not link it.
pub type Serve = fn(Serving, &mut dyn FnMut(&Announcement)) -> Result<(), Problem>;

/// Under which name the commands are offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Binary {
    /// `run-agent`: the full command tree.
    RunAgent,
    /// `conductor`: serves without a command; with one, the same verbs against the server.
    Conductor,
}

impl Binary {
    /// Returns the name of the program.
    pub fn name(self) -> &'static str {
        match self {
            Self::RunAgent => "run-agent",
            Self::Conductor => "conductor",
        }
    }
}

/// Runs `binary` with the arguments of this process; `serve` is its server.
///
/// The hidden sub-commands come first: a supervisor must find the process as it
/// was started, without threads and without descriptors of ours.
pub fn main_entry(binary: Binary, serve: Serve) -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    match args.get(1).and_then(|arg| arg.to_str()) {
        Some(SUPERVISE) => return commands::supervise::supervise(&args[2..]),
        Some(cl_runner::adopt::ADOPT_COMMAND) => return commands::supervise::watch_adopted(),
        Some(cl_runner::wrap::WRAPPED_COMMAND) => {
            return commands::supervise::become_wrapped(&args[2..]);
        }
        Some(SCRIPTED_AGENT) => return commands::supervise::scripted_agent(&args[2..]),
        Some(ACP_AGENT) => return commands::supervise::acp_agent(&args[2..]),
        Some(REST_AGENT) => return commands::supervise::rest_agent(&args[2..]),
        Some(SEND_NOTIFICATIONS) => return commands::supervise::send_notifications(&args[2..]),
        _ => {}
    }
    let console = Console::of_process();
    match Environment::from_process() {
        Ok(environment) => run(binary, serve, args, environment, console).into(),
        Err(error) => {
            let error = CliError::failed("could not use the current folder")
                .caused_by(error)
                .hint("change to a folder that exists");
            let mut console = console;
            console.error(&error);
            error.exit().into()
        }
    }
}

/// Runs one command line and returns how it ended; everything is printed to `console`.
pub fn run(
    binary: Binary,
    serve: Serve,
    args: impl IntoIterator<Item = OsString>,
    environment: Environment,
    mut console: Console,
) -> Exit {
    let args: Vec<OsString> = args.into_iter().collect();
    // Usage errors are found before flags are known.
    let is_json = args.iter().any(|arg| arg == OsStr::new("--json"));
    console.configure(is_json, false, Verbosity::Normal);
    let cli = match args::parse(binary, args) {
        Ok(cli) => cli,
        Err(error) => return print_clap(&error, &mut console),
    };
    let verbosity = Verbosity::from_flags(cli.global.quiet, cli.global.verbose);
    let wants_color = !cli.global.no_color && environment.get_os("NO_COLOR").is_none();
    console.configure(cli.global.json, wants_color, verbosity);
    let request = match commands::request(&cli) {
        Ok(request) => request,
        Err(error) => {
            console.error(&error);
            return error.exit();
        }
    };
    if !matches!(cli.command, Some(args::Command::Serve(_))) {
        // A server logs in its own way, once it knows where.
        crate::logging::start(verbosity);
    }
    let mut context = Context::new(
        binary,
        serve,
        environment,
        cli.global.clone(),
        request,
        console,
    );
    let result = commands::run(&mut context, &cli).and_then(|exit| {
        context.console.flush()?;
        Ok(exit)
    });
    match result {
        Ok(exit) => exit,
        // Whoever read our output has seen enough.
        Err(error) if is_closed_pipe(&error) => Exit::Success,
        Err(error) => {
            context.console.error(&error);
            error.exit()
        }
    }
}

/// Prints help, a version or a usage error.
fn print_clap(error: &clap::Error, console: &mut Console) -> Exit {
    if error.use_stderr() {
        if console.is_json() {
            let text = error.to_string();
            let text = text.trim().strip_prefix("error: ").unwrap_or(text.trim());
            console.error(&CliError::usage(text));
        } else {
            // There is no other place to say it.
            write!(console.err(), "{error}").ok();
        }
        return Exit::Usage;
    }
    // Help that nobody reads to its end is no failure.
    write!(console.out(), "{error}").ok();
    console.out().flush().ok();
    Exit::Success
}
