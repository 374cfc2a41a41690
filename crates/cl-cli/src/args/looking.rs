//! Commands that only look.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::value;

/// `list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only tasks of this status; active, done and pending are understood too
    #[arg(long, value_name = "STATUS")]
    pub status: Option<String>,
    /// Only tasks that do not begin because of others, with the reason
    #[arg(long, conflicts_with = "status")]
    pub blocked: bool,
    /// With --blocked, also those that will begin by themselves
    #[arg(long, requires = "blocked")]
    pub all: bool,
}

/// `status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// The id of a task [default: every task of the project]
    #[arg(value_name = "TASK")]
    pub id: Option<String>,
    /// Only tasks of this status; without a value, print the bare word of the one task
    #[arg(long, value_name = "STATUS", num_args = 0..=1, default_missing_value = "")]
    pub status: Option<String>,
    /// Print tab-separated fields without a header
    #[arg(long, conflicts_with = "json")]
    pub concise: bool,
    /// Tell what each task is doing, and how long it has said nothing that matters
    #[arg(long)]
    pub activity: bool,
    /// From when on a task that reports nothing that matters counts as adrift; with --activity
    #[arg(long, value_name = "DURATION", default_value = "20m", value_parser = value::duration)]
    pub drift_after: Duration,
}

/// `task show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The id of the task
    #[arg(value_name = "TASK")]
    pub id: Option<String>,
}

/// `ps`.
#[derive(Debug, Args)]
pub struct PsArgs {
    /// Show the processes of all projects, as without --project
    #[arg(long)]
    pub all: bool,
}

/// `watch`.
#[derive(Debug, Args)]
pub struct WatchArgs {
    /// The tasks to wait for [default: every task of the project]
    #[arg(value_name = "TASK")]
    pub ids: Vec<String>,
    /// How long to wait; 0 is for ever
    #[arg(long, value_name = "DURATION", default_value = "30m", value_parser = value::duration)]
    pub timeout: Duration,
    /// How often to look
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = value::duration)]
    pub interval: Duration,
    /// What to wait for
    #[arg(long, value_name = "WHAT", default_value = "done", value_enum)]
    pub until: Until,
}

/// What `watch` waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Until {
    /// Every task has ended
    Done,
    /// No task has anything that runs
    Idle,
    /// One task has failed, or every task has ended
    AnyFailed,
}

/// `output`.
#[derive(Debug, Args)]
pub struct OutputArgs {
    /// The id of the task
    #[arg(value_name = "TASK")]
    pub id: Option<String>,
    /// The run [default: the newest]
    #[arg(long, value_name = "RUN")]
    pub run: Option<String>,
    /// What to print
    #[arg(long, value_name = "WHAT", default_value = "output", value_enum)]
    pub file: OutputFile,
    /// Only the last lines; 0 is all
    #[arg(long, value_name = "LINES", default_value_t = 0)]
    pub tail: usize,
    /// Go on until the run has ended
    #[arg(short, long)]
    pub follow: bool,
    /// Print the bytes as they are: secrets are not masked, events do not become text
    #[arg(long)]
    pub raw: bool,
}

/// What a run left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OutputFile {
    /// The answer, or the raw output where there is none yet
    Output,
    /// The agent's standard output
    Stdout,
    /// The agent's standard error
    Stderr,
    /// The prompt
    Prompt,
}

/// `logs`.
#[derive(Debug, Args)]
pub struct LogsArgs {
    /// The id of the task
    #[arg(value_name = "TASK")]
    pub id: Option<String>,
    /// Print the end of every run's standard output instead of the supervisor's log
    #[arg(long)]
    pub runs: bool,
    /// Only the last lines; 0 is all
    #[arg(long, value_name = "LINES", default_value_t = 200)]
    pub tail: usize,
    /// Go on until the task has ended
    #[arg(short, long)]
    pub follow: bool,
    /// Do not mask secrets
    #[arg(long)]
    pub raw: bool,
}

/// `validate`.
#[derive(Debug, Args)]
pub struct ValidateArgs {
    /// Only this agent
    #[arg(long, value_name = "NAME")]
    pub agent: Option<String>,
    /// Read every token, not only look for it
    #[arg(long)]
    pub check_tokens: bool,
    /// Treat warnings as errors
    #[arg(long)]
    pub strict: bool,
}

/// `config`.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print the settings in effect
    Show {
        /// Print where each value came from
        #[arg(long)]
        origin: bool,
    },
    /// Print the path of the config file in use
    Path,
    /// Print the JSON schema of the config file
    Schema,
    /// Write a first config file, all of it comments, unless there is one
    Init,
    /// Print a file of the earlier implementation (HCL) as YAML
    Migrate {
        /// The file; without it the one below the home folder
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
}

/// A shell that completion scripts are made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// Bash
    Bash,
    /// Z shell
    Zsh,
    /// Fish
    Fish,
    /// `PowerShell`
    #[value(name = "powershell")]
    PowerShell,
}
