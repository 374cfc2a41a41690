//! `task delete`.

use std::time::Duration;

use clap::Args;

use super::value;

/// `task delete`.
#[derive(Debug, Args)]
pub struct DeleteArgs {
    /// The id of the task; never taken from the surroundings
    #[arg(value_name = "TASK")]
    pub id: Option<String>,
    /// Stop the task and its children first if anything of them runs
    #[arg(long)]
    pub force: bool,
    /// Do not ask on a terminal
    #[arg(short, long)]
    pub yes: bool,
    /// How long what is stopped may take to end before it is killed
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = value::duration)]
    pub grace: Duration,
}
