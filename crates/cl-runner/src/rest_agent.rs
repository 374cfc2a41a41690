//! The worker that asks a service, as a process of its own.
//!
//! A supervisor starts it like any agent's program and ends it like one; it owns
//! nothing, records nothing, and only it touches the network.

use std::ffi::OsString;

use cl_agent::rest::{PROMPT_CAP_BYTES, Settings, ask};
use cl_config::Environment;
use cl_storage::SystemClock;
use tokio::runtime::Runtime;

use crate::worker::{self, print, tell};

/// Asks a service what stands on standard input, prints its answer and returns the exit code.
///
/// `args` are those behind the hidden sub-command. 0 is an answer, 1 a failure that
/// was printed, 2 a call that makes no sense.
pub fn answer(args: &[OsString], environment: &Environment) -> i32 {
    // Started through a link of the kernel, it would be called "exe".
    rustix::thread::set_name(c"run-agent").ok();
    match prepare(args, environment) {
        Ok((settings, prompt, runtime)) => runtime.block_on(ask(
            &settings,
            &prompt,
            &mut print,
            &mut |line| tell(line),
            &SystemClock,
        )),
        Err(message) => {
            tell(&format!("Error: {message}"));
            2
        }
    }
}

fn prepare(
    args: &[OsString],
    environment: &Environment,
) -> Result<(Settings, String, Runtime), String> {
    let args = worker::texts(args);
    let variables = crate::launch_text_variables(environment);
    let settings = Settings::read(&args, &variables).map_err(|e| e.to_string())?;
    let prompt = worker::prompt(PROMPT_CAP_BYTES)?;
    let runtime = worker::runtime()?;
    Ok((settings, prompt, runtime))
}
