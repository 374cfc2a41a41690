//! Runs that are not made by a restart loop: wrapped sessions and adopted processes.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::value;

/// `wrap`.
#[derive(Debug, Args)]
pub struct WrapArgs {
    /// The agent, by name or type, or a program
    #[arg(long, value_name = "NAME")]
    pub agent: String,
    /// The folder it works in [default: the current folder]
    #[arg(long, value_name = "DIR")]
    pub cwd: Option<PathBuf>,
    /// What the task's TASK.md says, if it has none yet
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub task_prompt: Option<String>,
    /// End the session after this long; 0 is never
    #[arg(long, value_name = "DURATION", alias = "timeout", value_parser = value::duration)]
    pub max_duration: Option<Duration>,
    /// How long the session may take to end before it is killed
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = value::duration)]
    pub grace: Duration,
    /// Keep everything that is shown in the run's agent-stdout.txt
    #[arg(long)]
    pub capture: bool,
    /// The run that this one is a child of [default: the enclosing run]
    #[arg(long, value_name = "RUN")]
    pub parent_run_id: Option<String>,
    /// The run that this one goes on from
    #[arg(long, value_name = "RUN")]
    pub previous_run_id: Option<String>,
    /// What the agent's program is given
    #[arg(value_name = "ARGS", last = true, allow_hyphen_values = true)]
    pub args: Vec<String>,
}

/// `run`.
#[derive(Debug, Subcommand)]
pub enum RunCommand {
    /// Adopt a process that somebody else has started, as a run of its own
    ///
    /// A small process watches it, copies what is added to its logs and records its end. Nobody
    /// but its parent learns its exit code, so that stays -1.
    Import(ImportArgs),
}

/// `run import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// The process
    #[arg(long, value_name = "PID", value_parser = clap::value_parser!(i32).range(1..))]
    pub pid: i32,
    /// The kind of agent that it is
    #[arg(long, value_name = "TYPE")]
    pub agent: String,
    /// The file that its standard output goes to
    #[arg(long, value_name = "FILE")]
    pub stdout: Option<PathBuf>,
    /// The file that its standard error goes to
    #[arg(long, value_name = "FILE")]
    pub stderr: Option<PathBuf>,
    /// Who may end it
    #[arg(long, value_name = "WHO", value_enum, default_value = "external")]
    pub ownership: OwnershipArg,
    /// How it was called, for the record
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub command_line: Option<String>,
    /// The run that this one is a child of [default: the enclosing run]
    #[arg(long, value_name = "RUN")]
    pub parent_run_id: Option<String>,
}

/// Who may end an adopted process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OwnershipArg {
    /// Whoever has started it; `stop` refuses
    External,
    /// `stop` does
    Managed,
}
