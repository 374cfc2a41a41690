//! The hidden sub-commands; nothing has happened in the process before them.

use std::ffi::OsString;
use std::process::ExitCode;

use cl_config::Environment;

/// Runs the supervisor of one task.
pub fn supervise(_args: &[OsString]) -> ExitCode {
    to_exit_code(cl_runner::supervise(Environment::from_process))
}

/// Plays a script as an agent.
pub fn scripted_agent(args: &[OsString]) -> ExitCode {
    match Environment::from_process() {
        Ok(environment) => to_exit_code(cl_runner::scripted::play_script(args, &environment)),
        Err(_) => ExitCode::FAILURE,
    }
}

/// Asks a service, as the agent of a run.
pub fn rest_agent(args: &[OsString]) -> ExitCode {
    match Environment::from_process() {
        Ok(environment) => to_exit_code(cl_runner::rest_agent::answer(args, &environment)),
        Err(_) => ExitCode::FAILURE,
    }
}

/// Holds a conversation with an agent, as the worker of a run.
pub fn acp_agent(args: &[OsString]) -> ExitCode {
    match Environment::from_process() {
        Ok(environment) => to_exit_code(cl_runner::acp_agent::converse(args, &environment)),
        Err(_) => ExitCode::FAILURE,
    }
}

/// Watches an adopted process.
pub fn watch_adopted() -> ExitCode {
    to_exit_code(cl_runner::adopt::watch_adopted())
}

/// Becomes the program of a wrapped session.
pub fn become_wrapped(args: &[OsString]) -> ExitCode {
    to_exit_code(cl_runner::wrap::become_wrapped(args))
}

/// Delivers the notifications that wait below a root.
pub fn send_notifications(args: &[OsString]) -> ExitCode {
    match (args.first(), Environment::from_process()) {
        (Some(root), Ok(environment)) => {
            to_exit_code(cl_runner::notify::sender::run(root.as_ref(), &environment))
        }
        _ => ExitCode::FAILURE,
    }
}

fn to_exit_code(code: i32) -> ExitCode {
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}
