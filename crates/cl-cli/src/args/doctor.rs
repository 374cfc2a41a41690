//! Commands that look for what is wrong.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::value;

/// `doctor`.
#[derive(Debug, Args)]
#[command(subcommand_negates_reqs = true)]
pub struct DoctorArgs {
    /// One agent, as `doctor agents AGENT` looks at it.
    #[command(flatten)]
    pub agents: DoctorAgentsArgs,
    /// What to look at instead of everything.
    #[command(subcommand)]
    pub command: Option<DoctorCommand>,
}

/// What to look at.
#[derive(Debug, Subcommand)]
pub enum DoctorCommand {
    /// Look for damage below the root, changing nothing
    ///
    /// Ends with 0 if nothing of level error was found, with 1 otherwise.
    Storage,
    /// Ask the agents' programs about their version and flags; no tokens are used without --live
    ///
    /// Ends with 0 if every agent that is named or configured can be used, with 1 otherwise.
    Agents(DoctorAgentsArgs),
    /// Try what this machine offers for keeping track of processes
    ///
    /// Ends with 1 if something is missing without which agents cannot be accounted for.
    Processes,
}

/// `doctor agents`.
#[derive(Debug, Args)]
pub struct DoctorAgentsArgs {
    /// The agent, by name or type [default: all that are configured or installed]
    #[arg(value_name = "AGENT")]
    pub agent: Option<String>,
    /// Run the agent on a tiny prompt in a scratch folder, which spends tokens
    #[arg(long)]
    pub live: bool,
    /// How long the agent may take to answer
    #[arg(long, value_name = "DURATION", default_value = "2m", requires = "live", value_parser = limit)]
    pub timeout: Duration,
}

/// Reads a time limit, which is not none.
fn limit(text: &str) -> Result<Duration, String> {
    match value::duration(text)? {
        Duration::ZERO => Err("the limit must be above zero".to_owned()),
        limit => Ok(limit),
    }
}
