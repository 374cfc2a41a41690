//! `monitor`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::value;

/// `monitor`.
#[derive(Debug, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "switches of a command line are independent of each other"
)]
pub struct MonitorArgs {
    /// The Markdown file whose unchecked boxes name the tasks
    #[arg(long, alias = "todos", value_name = "FILE", default_value = "TODOs.md")]
    pub todo: PathBuf,
    /// The agent of tasks that are started [default: from the configuration]
    #[arg(long, value_name = "NAME")]
    pub agent: Option<String>,
    /// The folder the agents of tasks that are started work in [default: the current folder]
    #[arg(long, value_name = "DIR", alias = "project-root")]
    pub cwd: Option<PathBuf>,
    /// How often everything is looked at, changed or not
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = value::duration)]
    pub interval: Duration,
    /// Stop and restart a run without output and messages for this long; 0 is never
    #[arg(
        long,
        alias = "stale-threshold",
        value_name = "DURATION",
        default_value = "20m",
        value_parser = value::duration
    )]
    pub stale_after: Duration,
    /// The pause between two tasks that are started
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = value::duration)]
    pub rate_limit: Duration,
    /// How often one task is started in a row without getting done
    #[arg(
        long,
        alias = "max-resumes",
        value_name = "N",
        default_value_t = 5,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub max_attempts: u32,
    /// The pause before a failed task is started again; doubles each time, up to 30m
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = value::duration)]
    pub retry_delay: Duration,
    /// How many of the tasks may run at once [default: from the configuration, else all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_parallel: Option<u32>,
    /// Take a single run that ended well and has an answer for a finished task
    #[arg(long)]
    pub finalize_on_output: bool,
    /// Look once and end
    #[arg(long)]
    pub once: bool,
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Say whether a monitor is at work on the project, and do nothing
    #[arg(long, conflicts_with_all = ["once", "dry_run"])]
    pub status: bool,
}
