//! A server under many clients at once: readers, submitters, followers of streams.
//!
//! Nothing is measured against a goal here. What fails is an answer of 500 or more, one that nobody
//! expects, a broken connection, a task that is lost or runs twice, and a line or message that a
//! follower does not get, or gets twice or out of order.
//!
//! - [`tally`]: what was answered, and how long that took
//! - [`traffic`]: the clients
//! - [`week`]: many runs on disk, clients that come and go, and what the server holds meanwhile

mod tally;
mod traffic;
mod week;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use cl_testkit::bench_server::shell_agent;

use self::tally::Tally;
use crate::workspace::Workspace;

/// Lines that each agent prints.
const LINES: u32 = 100;
/// The project of all tasks that are submitted.
const PROJECT: &str = "load";

/// What is to be done.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How many tasks are submitted
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    tasks: u32,
    /// How many clients read at once; half as many submit, and eight follow streams
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=64))]
    clients: u32,
    /// For how many seconds at the most
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// Instead: 100 000 runs on disk, tasks that begin, end and are deleted, 20 clients that come and
    /// go; memory and open files must not grow
    #[arg(long, conflicts_with_all = ["tasks", "clients", "seconds"])]
    week: bool,
    /// For how many minutes
    #[arg(long, value_name = "MINUTES", default_value_t = 10, requires = "week", value_parser = clap::value_parser!(u64).range(1..=120))]
    minutes: u64,
    /// Take the binary of the dev profile, which is built sooner
    #[arg(long)]
    dev: bool,
}

/// Does what the options say.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<String> {
    let program = build(workspace, options.dev)?;
    let folder = program
        .parent()
        .and_then(Path::parent)
        .context("the binary has no target folder")?
        .join("load-test");
    std::fs::create_dir_all(&folder)?;
    if options.week {
        let length = Duration::from_secs(60 * options.minutes);
        return week::run(&program, &folder, length);
    }
    let own = tempfile::tempdir_in(&folder)?;
    let load = traffic::Load {
        tasks: options.tasks,
        readers: options.clients,
        limit: Duration::from_secs(options.seconds),
    };
    let tally = traffic::run(&program, own.path(), &load)?;
    conclude(&tally)
}

fn build(workspace: &Workspace, dev: bool) -> Result<PathBuf> {
    if dev {
        return workspace.build_dev("run-agent");
    }
    let build = workspace.cargo("build");
    build.args(["--release", "--package", "run-agent"]).run()?;
    workspace.binary("release", "run-agent")
}

/// Prints what was answered, and fails if anything of it was wrong.
fn conclude(tally: &Tally) -> Result<String> {
    print!("{}", tally.table());
    for fault in tally.faults() {
        println!("fault: {fault}");
    }
    let faults = tally.fault_count();
    ensure!(faults == 0, "{faults} faults under load");
    Ok(format!("load-test: {}", tally.summary()))
}

/// Returns the configuration of the server: an agent that prints numbered lines.
fn settings(lines: u32) -> String {
    let script = format!(
        "echo $JRUN_TASK_ID >>began; i=0; while [ $i -lt {lines} ]; do echo line $i of $JRUN_TASK_ID; \
         i=$((i+1)); done; touch $JRUN_TASK_FOLDER/DONE"
    );
    let agent = shell_agent("talker", &script);
    format!(
        "agents:\n{agent}defaults: {{max_concurrent_runs: 8}}\n\
         api: {{sse: {{heartbeat_interval_s: 1}}}}\n"
    )
}
