//! Commands about tasks that wait for each other, and about giving them up.

use std::time::Duration;

use clap::Args;

use super::value;

/// `task cancel`.
#[derive(Debug, Args)]
pub struct CancelArgs {
    /// The id of the task
    #[arg(value_name = "TASK")]
    pub id: Option<String>,
    /// Why it is given up
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub reason: String,
    /// The task that counts in its place for those that depend on it
    #[arg(long, value_name = "TASK")]
    pub superseded_by: Option<String>,
    /// Stop an active run first
    #[arg(long)]
    pub force: bool,
    /// How long an agent may take to end before it is killed
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = value::duration)]
    pub grace: Duration,
}

/// `task uncancel`.
#[derive(Debug, Args)]
pub struct UncancelArgs {
    /// The id of the task
    #[arg(value_name = "TASK")]
    pub id: Option<String>,
}

/// `task unblock`.
#[derive(Debug, Args)]
pub struct UnblockArgs {
    /// The id of the task
    #[arg(value_name = "TASK")]
    pub id: Option<String>,
    /// Only this dependency; repeatable, takes comma lists [default: all]
    #[arg(long = "dependency", value_name = "TASK")]
    pub dependencies: Vec<String>,
    /// Why they no longer count
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        allow_hyphen_values = true
    )]
    pub reason: String,
}
