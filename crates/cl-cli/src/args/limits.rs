//! Commands about usage limits.

use clap::{Args, Subcommand};

/// `limits`.
#[derive(Debug, Args)]
pub struct LimitsArgs {
    /// What to do instead of showing them.
    #[command(subcommand)]
    pub command: Option<LimitsCommand>,
}

/// What to do with what is known of limits.
#[derive(Debug, Subcommand)]
pub enum LimitsCommand {
    /// Forget what is known of an agent's limits and failures; waiting tasks go on
    Clear(ClearLimitsArgs),
}

/// `limits clear`.
#[derive(Debug, Args)]
pub struct ClearLimitsArgs {
    /// The agent: a name of the configuration, an account or a type
    #[arg(value_name = "AGENT")]
    pub agent: String,
}

/// `task wake`.
#[derive(Debug, Args)]
pub struct WakeArgs {
    /// The id of the task
    #[arg(value_name = "TASK")]
    pub id: Option<String>,
}
