//! Commands about what was proven and what was used.

use clap::{Args, ValueEnum};

use super::facts::{self, SinceTime};

/// `verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The id of the task
    #[arg(value_name = "TASK")]
    pub id: Option<String>,
}

/// `usage`.
#[derive(Debug, Args)]
pub struct UsageArgs {
    /// What to add up by
    #[arg(long, value_name = "WHAT", default_value = "agent", value_enum)]
    pub by: UsageBy,
    /// Only runs that began at or after this time, or this long ago
    #[arg(long, value_name = "TIME", value_parser = facts::since, conflicts_with = "days")]
    pub since: Option<SinceTime>,
    /// Only runs that began on the last N days of UTC, today included
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub days: Option<u32>,
}

/// What usage is added up by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum UsageBy {
    /// The configured name of the agent
    Agent,
    /// The task
    Task,
    /// The project
    Project,
    /// The day of UTC on which the run began
    Day,
    /// The model
    Model,
}
