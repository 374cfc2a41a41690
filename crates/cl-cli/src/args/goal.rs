//! `goal`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// What to do with a goal.
#[derive(Debug, Subcommand)]
pub enum GoalCommand {
    /// Write down the tasks that a goal is cut into; asks no model
    Decompose(DecomposeArgs),
    /// Start the tasks of such a file in the order of their dependencies, and wait for them
    Apply(ApplyArgs),
}

/// Where the goal comes from.
#[derive(Debug, Clone, Default, Args)]
pub struct GoalText {
    /// The goal
    #[arg(
        long,
        value_name = "TEXT",
        allow_hyphen_values = true,
        conflicts_with = "goal_file"
    )]
    pub goal: Option<String>,
    /// A file with the goal
    #[arg(long, value_name = "FILE")]
    pub goal_file: Option<PathBuf>,
}

/// `goal decompose`.
#[derive(Debug, Args)]
pub struct DecomposeArgs {
    /// The goal.
    #[command(flatten)]
    pub text: GoalText,
    /// How it is cut
    #[arg(long, value_name = "NAME", default_value = "rlm")]
    pub strategy: String,
    /// The template whose stages the tasks cover
    #[arg(long, value_name = "NAME", default_value = "THE_PROMPT_v5")]
    pub template: String,
    /// How many tasks may run at once, up to 16; 0 is the default
    #[arg(
        long,
        value_name = "N",
        default_value_t = 6,
        value_parser = clap::value_parser!(u32).range(0..=16)
    )]
    pub max_parallel: u32,
    /// Write to this file, as JSON if it is called so, else as YAML; - is standard output
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// `goal apply`.
#[derive(Debug, Args)]
pub struct ApplyArgs {
    /// The file that `goal decompose` has written
    #[arg(value_name = "SPEC")]
    pub spec: PathBuf,
    /// The goal, where the file does not hold all of it.
    #[command(flatten)]
    pub text: GoalText,
    /// Use this agent for all tasks [default: the one that the file prefers, if it is configured]
    #[arg(long, value_name = "NAME")]
    pub agent: Option<String>,
    /// The folder the agents work in [default: the current folder]
    #[arg(long, value_name = "DIR", alias = "project-root")]
    pub cwd: Option<PathBuf>,
    /// How many tasks may run at once [default: as the file says]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=16))]
    pub max_parallel: Option<u32>,
    /// Say what would be started, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}
