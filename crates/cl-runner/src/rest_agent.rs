//! The worker that asks a service, as a process of its own.
//!
//! A supervisor starts it like any agent's program and ends it like one; it owns
//! nothing, records nothing, and only it touches the network.

use std::ffi::OsString;
use std::io::{self, Read as _, Write as _};

use cl_agent::rest::{PROMPT_CAP_BYTES, Settings, ask};
use cl_config::Environment;
use cl_storage::SystemClock;

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
) -> Result<(Settings, String, tokio::runtime::Runtime), String> {
    let args: Vec<String> = args
        .iter()
        .map(|arg| arg.to_string_lossy().into_owned())
        .collect();
    let variables = crate::launch_text_variables(environment);
    let settings = Settings::read(&args, &variables).map_err(|e| e.to_string())?;
    let mut prompt = Vec::new();
    io::stdin()
        .take(PROMPT_CAP_BYTES + 1)
        .read_to_end(&mut prompt)
        .map_err(|e| format!("could not read the prompt: {e}"))?;
    if prompt.len() as u64 > PROMPT_CAP_BYTES {
        return Err(format!("the prompt has more than {PROMPT_CAP_BYTES} bytes"));
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| format!("could not start: {e}"))?;
    let prompt = String::from_utf8_lossy(&prompt).into_owned();
    Ok((settings, prompt, runtime))
}

/// Prints a line at once: people follow the file.
fn print(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(format!("{line}\n").as_bytes())?;
    out.flush()
}

fn tell(line: &str) {
    // There is no other place to say it.
    writeln!(io::stderr(), "{line}").unwrap_or_default();
}
