//! `serve stop` and `serve status`: the server that is at work on the root.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::time::{Duration, Instant};

use cl_runner::service::{self, End};
use cl_storage::Root;
use cl_storage::process::ProcessIdentity;
use cl_storage::server::{self, NamedProcess, ServerRecord};
use serde_json::json;

use crate::args::ServeStopArgs;
use crate::context::Context;
use crate::error::{CliError, Exit};

/// How long the server may take to answer `serve status`.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// How long a killed process may take to be gone.
const KILL_WITHIN: Duration = Duration::from_secs(5);

/// Returns what the server of `root` said of itself, if it said anything and has not ended well.
pub(crate) fn record(root: &Root) -> Result<Option<ServerRecord>, CliError> {
    ServerRecord::read(root).map_err(|error| {
        let path = server::record_path(root);
        CliError::failed(format!("could not read {}", path.display())).caused_by(error)
    })
}

/// Returns the server that is at work on `root`, or says that there is none.
pub(crate) fn running(root: &Root) -> Result<ServerRecord, CliError> {
    record(root)?
        .filter(ServerRecord::is_alive)
        .ok_or_else(|| none_at(root))
}

fn none_at(root: &Root) -> CliError {
    let path = root.path().display();
    CliError::not_found(format!("no server is at work on {path}"))
        .hint("`run-agent serve --daemon` starts one; --root names another root")
}

/// Ends the server.
pub(super) fn stop(ctx: &mut Context, args: &ServeStopArgs) -> Result<Exit, CliError> {
    let root = ctx.scope()?.root().clone();
    let record = record(&root)?.ok_or_else(|| none_at(&root))?;
    // The keeper comes first: it would start the server again. It passes the wish on.
    let keeper = record.keeper.as_ref().map(NamedProcess::identity);
    let processes: Vec<ProcessIdentity> = keeper
        .into_iter()
        .chain([record.identity()])
        .filter(ProcessIdentity::is_alive)
        .collect();
    if processes.is_empty() {
        return Err(none_at(&root));
    }
    let until = Instant::now() + args.timeout;
    let mut was_killed = false;
    for (index, process) in processes.iter().enumerate() {
        let left = until.saturating_duration_since(Instant::now());
        // Only the first is asked: the keeper has passed it on.
        let is_over = if index == 0 {
            service::end(process, End::Asked, left)
        } else {
            service::ends_within(process, left)
        };
        if is_over {
            continue;
        }
        if !args.force {
            return Err(CliError::new(
                Exit::Timeout,
                format!("the server (process {}) has not ended in time", record.pid),
            )
            .hint("--timeout waits longer, --force kills it"));
        }
        was_killed = true;
        if !service::end(process, End::Forced, KILL_WITHIN) {
            let message = format!("process {} could not be killed", process.pid);
            return Err(CliError::failed(message));
        }
    }
    if ctx.console.is_json() {
        ctx.console.json(&json!({
            "root": root.path(),
            "pid": record.pid,
            "api_url": record.api_url,
            "outcome": if was_killed { "killed" } else { "ended" },
        }))?;
    } else {
        let how = if was_killed { "Killed" } else { "Ended" };
        ctx.console.line(format_args!(
            "{how} the server at {} (process {})",
            record.api_url, record.pid
        ))?;
    }
    Ok(Exit::Success)
}

/// Shows whether there is a server, and whether it answers.
pub(super) fn status(ctx: &mut Context) -> Result<Exit, CliError> {
    let root = ctx.scope()?.root().clone();
    let record = record(&root)?;
    let problem = match &record {
        Some(record) if record.is_alive() => ask(&record.api_url).err(),
        _ => None,
    };
    let (state, exit) = match (&record, &problem) {
        (Some(record), Some(_)) if record.is_alive() => ("silent", Exit::Failed),
        (Some(record), _) if record.is_alive() => ("running", Exit::Success),
        // Its file would be gone if it had ended as it should.
        (Some(_), _) => ("died", Exit::NotFound),
        (None, _) => ("stopped", Exit::NotFound),
    };
    if ctx.console.is_json() {
        let of = record.as_ref();
        ctx.console.json(&json!({
            "root": root.path(),
            "state": state,
            "pid": of.map(|it| it.pid),
            "keeper_pid": of.and_then(|it| it.keeper.as_ref()).map(|it| it.pid),
            "api_url": of.map(|it| &it.api_url),
            "ui_url": of.map(|it| &it.ui_url),
            "version": of.map(|it| &it.program_version),
            "started_at": of.map(|it| it.started_at),
            "problem": problem,
        }))?;
        return Ok(exit);
    }
    let path = root.path().display();
    match record {
        None => ctx.console.line(format_args!("{path} is not served"))?,
        Some(record) => {
            let (pid, url) = (record.pid, &record.api_url);
            match state {
                "running" => ctx.console.line(format_args!(
                    "{path} is served at {url} by process {pid}, version {}, since {}",
                    record.program_version, record.started_at
                ))?,
                "silent" => ctx.console.line(format_args!(
                    "{path} is served at {url} by process {pid}, which does not answer: {}",
                    problem.unwrap_or_default()
                ))?,
                _ => ctx.console.line(format_args!(
                    "{path} is not served: process {pid} has died without saying so"
                ))?,
            }
        }
    }
    Ok(exit)
}

/// Asks the server at `url` whether it answers; returns why not.
fn ask(url: &str) -> Result<(), String> {
    let address = address_of(url).ok_or_else(|| format!("{url} cannot be looked up"))?;
    service::probe(address, ANSWER_WITHIN).map_err(|error| error.to_string())
}

fn address_of(url: &str) -> Option<SocketAddr> {
    let authority = url.strip_prefix("http://")?.trim_end_matches('/');
    authority.to_socket_addrs().ok()?.next()
}
