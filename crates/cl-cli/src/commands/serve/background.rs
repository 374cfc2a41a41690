//! `serve --daemon`: the server in the background.

use std::time::Duration;

use cl_runner::service::{self, LogFile, StartError};
use cl_storage::server;
use cl_wire::Announcement;

use super::{print_announcement, replaced, said_json};
use crate::context::Context;
use crate::error::{CliError, Exit};

/// How long a server may take until it listens; a large root needs some of it.
const READY_WITHIN: Duration = Duration::from_mins(1);

/// How much the log holds before it is put aside; two such files are kept.
pub(super) const LOG_BYTES: u64 = 16 * 1024 * 1024;

/// What a server in the background says when it is ready.
#[derive(serde::Deserialize)]
struct Ready {
    pid: u32,
    #[serde(flatten)]
    said: Announcement,
}

/// Starts the server in the background, and returns when it listens.
pub(super) fn start(ctx: &mut Context) -> Result<Exit, CliError> {
    let root = ctx.scope()?.root().clone();
    let args = replaced("--daemon", "--in-background");
    ctx.console.flush()?;
    let started = match service::start_in_background(ctx.binary.name(), &args, READY_WITHIN) {
        Ok(started) => started,
        // It has said why, on this standard error.
        Err(StartError::Ended { code }) => return Ok(Exit::Passed(code)),
        Err(error) => {
            let exit = match error {
                StartError::TimedOut { .. } => Exit::Timeout,
                _ => Exit::Failed,
            };
            let log = server::log_path(&root);
            return Err(CliError::new(exit, "the server is not in the background")
                .caused_by(error)
                .hint(format!("its log is {}", log.display())));
        }
    };
    let ready: Ready = serde_json::from_str(&started.line).map_err(|error| {
        CliError::failed("the server in the background says something else than it should")
            .caused_by(error)
    })?;
    let log = server::log_path(&root);
    if ctx.console.is_json() {
        let said = said_json(ready.pid, &ready.said, Some(&log));
        ctx.console.json(&said)?;
        return Ok(Exit::Success);
    }
    print_announcement(&mut ctx.console, &ready.said)?;
    ctx.console.note(format_args!(
        "Process {}, log {}; `{} serve stop` ends it",
        ready.pid,
        log.display(),
        ctx.binary.name()
    ));
    Ok(Exit::Success)
}

/// Opens the log of a server in the background; makes the root if it is missing.
pub(super) fn log(ctx: &Context) -> Result<LogFile, CliError> {
    let root = ctx.scope()?.root().clone();
    let open = || {
        root.ensure().map_err(std::io::Error::other)?;
        server::ensure_log_folder(&root)?;
        LogFile::open(&server::log_path(&root), LOG_BYTES)
    };
    open().map_err(|error| {
        let path = server::log_path(&root);
        CliError::failed(format!("could not open the log {}", path.display())).caused_by(error)
    })
}
