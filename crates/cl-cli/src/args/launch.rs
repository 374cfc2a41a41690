//! Commands that run, stop and recover.

use std::path::PathBuf;
use std::time::Duration;

use cl_storage::budget::Usd;
use clap::{Args, Subcommand, ValueEnum};

use super::value;
use super::{BatchArgs, CancelArgs, DeleteArgs, ShowArgs, UnblockArgs, UncancelArgs, WakeArgs};

/// `task`: run one, or one of its sub-commands.
#[derive(Debug, Args)]
pub struct TaskArgs {
    /// What to do with a task instead of running one.
    #[command(subcommand)]
    pub command: Option<TaskCommand>,
    /// How to run it.
    #[command(flatten)]
    pub run: RunArgs,
}

/// What to do with a task.
#[derive(Debug, Subcommand)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one per process, and boxes would hide the grammar"
)]
pub enum TaskCommand {
    /// Take up a task that has ended or was stopped
    Resume(ResumeArgs),
    /// Stop a task and what its agents have started
    Stop(StopArgs),
    /// End a task's wait for a usage limit: try again now
    Wake(WakeArgs),
    /// Show one task: runs, lineage, markers, owner, result
    Show(ShowArgs),
    /// Delete a task with its runs and messages
    Delete(DeleteArgs),
    /// Give a task up for good and keep its folder
    Cancel(CancelArgs),
    /// Take the giving up of a task back
    Uncancel(UncancelArgs),
    /// Let a task begin without the tasks that it waits for
    Unblock(UnblockArgs),
}

/// How to run a task.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The id of the task [default: made up and announced]
    #[arg(value_name = "TASK")]
    pub id: Option<String>,
    /// What every launch takes.
    #[command(flatten)]
    pub launch: LaunchArgs,
    /// What the restart loop takes.
    #[command(flatten)]
    pub restart: LoopArgs,
}

/// `task resume`.
#[derive(Debug, Args)]
pub struct ResumeArgs {
    /// The id of the task
    #[arg(value_name = "TASK")]
    pub id: Option<String>,
    /// Clear the markers only; do not start an attempt
    #[arg(long)]
    pub no_start: bool,
    /// Take it up although it was given up with `task cancel`
    #[arg(long)]
    pub force: bool,
    /// What every launch takes.
    #[command(flatten)]
    pub launch: LaunchArgs,
    /// What the restart loop takes.
    #[command(flatten)]
    pub restart: LoopArgs,
}

/// `job`: one run, or one of its sub-commands.
#[derive(Debug, Args)]
pub struct JobArgs {
    /// What to do instead of one run.
    #[command(subcommand)]
    pub command: Option<JobCommand>,
    /// The id of the task that holds the run [default: made up and announced]
    #[arg(value_name = "TASK")]
    pub id: Option<String>,
    /// What every launch takes.
    #[command(flatten)]
    pub launch: LaunchArgs,
}

/// What to do instead of one run.
#[derive(Debug, Subcommand)]
pub enum JobCommand {
    /// Run an agent once for each of several prompts
    Batch(BatchArgs),
}

/// What every launch takes.
#[derive(Debug, Clone, Default, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of its own on the command line"
)]
pub struct LaunchArgs {
    /// The agent, by name or type [default: from the configuration]
    #[arg(long, value_name = "NAME")]
    pub agent: Option<String>,
    /// What the agent is asked to do
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub prompt: Option<String>,
    /// A file with what the agent is asked to do, - for standard input; wins over --prompt
    #[arg(long, value_name = "FILE")]
    pub prompt_file: Option<PathBuf>,
    /// The folder the agent works in [default: the current folder]
    #[arg(long, value_name = "DIR", alias = "project-root")]
    pub cwd: Option<PathBuf>,
    /// Stop an attempt that is silent for this long; 0 is never [default: from the configuration]
    #[arg(long, value_name = "DURATION", alias = "timeout", value_parser = value::duration)]
    pub idle_timeout: Option<Duration>,
    /// Stop an attempt after this long; 0 is never [default: from the configuration]
    #[arg(long, value_name = "DURATION", value_parser = value::duration)]
    pub max_duration: Option<Duration>,
    /// Stop the task after this long in all, waiting included; 0 is never [default: from the configuration]
    #[arg(long, value_name = "DURATION", value_parser = value::duration)]
    pub max_task_duration: Option<Duration>,
    /// Stop the task when it has used this much money, as far as its agents tell [default: from the configuration]
    #[arg(long, value_name = "USD", value_parser = value::money)]
    pub max_cost: Option<Usd>,
    /// Stop the task when it has used so many tokens [default: from the configuration]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub max_tokens: Option<u64>,
    /// How long a finished task waits for the tasks its agents have started [default: 300s]
    #[arg(long, value_name = "DURATION", value_parser = value::duration)]
    pub child_wait_timeout: Option<Duration>,
    /// What happens to those that still run then [default: leave]
    #[arg(long, value_name = "WHAT", value_enum)]
    pub on_child_timeout: Option<ChildTimeout>,
    /// How long an agent that is asked to end may take before it is killed [default: 10s]
    #[arg(long, value_name = "DURATION", value_parser = value::duration)]
    pub grace: Option<Duration>,
    /// Start it, print its id and return
    #[arg(long, conflicts_with = "follow")]
    pub detach: bool,
    /// Print the agent's output while it runs
    #[arg(short, long)]
    pub follow: bool,
    /// Show a notification on this terminal when the task ends
    #[arg(long, conflicts_with = "detach")]
    pub notify: bool,
    /// Go on with the conversation of the last attempt, where the agent can
    #[arg(long)]
    pub resume_session: bool,
    /// The run that this one is a child of [default: the enclosing run]
    #[arg(long, value_name = "RUN")]
    pub parent_run_id: Option<String>,
    /// The run that this one repeats
    #[arg(long, value_name = "RUN")]
    pub previous_run_id: Option<String>,
    /// A variable for the agent; repeatable, not for secrets
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = value::pair, allow_hyphen_values = true)]
    pub env: Vec<(String, String)>,
    /// A task that must be done first; repeatable, takes comma lists, "" is none [default: as stored]
    #[arg(long, value_name = "TASK")]
    pub depends_on: Option<Vec<String>>,
    /// How often a blocked task looks at the tasks it waits for [default: 2s]
    #[arg(long, value_name = "DURATION", value_parser = value::duration)]
    pub dependency_poll_interval: Option<Duration>,
    /// What happens once those can make no progress for ten minutes [default: wait]
    #[arg(long, value_name = "WHAT", value_enum)]
    pub on_deadlock: Option<Deadlock>,
    /// Stop an attempt that writes more than this [default: from the configuration]
    #[arg(long, value_name = "BYTES", value_parser = value::size)]
    pub max_output_bytes: Option<u64>,
}

/// What the restart loop takes.
#[derive(Debug, Clone, Args)]
pub struct LoopArgs {
    /// How many attempts are made at the most [default: 100, or from the configuration]
    #[arg(
        long,
        value_name = "N",
        alias = "max-restarts",
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub max_attempts: Option<u32>,
    /// The pause between two attempts [default: 1s]
    #[arg(long, value_name = "DURATION", value_parser = value::duration)]
    pub restart_delay: Option<Duration>,
    /// A command that must succeed before DONE is believed; repeatable
    #[arg(long = "gate", value_name = "COMMAND", value_parser = value::command, allow_hyphen_values = true)]
    pub gates: Vec<String>,
    /// Refuse DONE when nothing in the working folder has changed
    #[arg(long)]
    pub require_change: bool,
    /// How often gates may refuse before the task fails [default: 5]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_gate_failures: Option<u32>,
}

/// What happens to child tasks that still run when waiting for them ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ChildTimeout {
    /// They go on.
    Leave,
    /// They are stopped.
    Stop,
}

/// What a task does whose dependencies can make no progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Deadlock {
    /// It calls somebody and goes on waiting.
    Wait,
    /// It calls somebody and fails.
    Fail,
}

/// `stop` and `task stop`.
#[derive(Debug, Args)]
pub struct StopArgs {
    /// The id of the task
    #[arg(value_name = "TASK")]
    pub id: Option<String>,
    /// Only if this run is the active one; repeatable
    #[arg(
        long = "run",
        alias = "runs",
        value_name = "RUN",
        value_delimiter = ','
    )]
    pub runs: Vec<String>,
    /// How long an agent may take to end before it is killed
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = value::duration)]
    pub grace: Duration,
    /// Kill at once
    #[arg(long, conflicts_with = "no_kill")]
    pub force: bool,
    /// Ask only; never kill
    #[arg(long)]
    pub no_kill: bool,
    /// How long the monitor leaves the task alone [default: 60s, or from the configuration]
    #[arg(long, value_name = "DURATION", value_parser = value::duration, conflicts_with = "no_restart")]
    pub suppress_for: Option<Duration>,
    /// Keep the monitor from starting the task until somebody starts or resumes it
    #[arg(long)]
    pub no_restart: bool,
}

/// `recover`.
#[derive(Debug, Args)]
pub struct RecoverArgs {
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}
