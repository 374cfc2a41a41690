//! Commands about what several runs came to.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::OutputArgs;

/// `output`: print what a run left, or one of its sub-commands.
#[derive(Debug, Args)]
pub struct OutputCall {
    /// What to do instead of printing what one run left.
    #[command(subcommand)]
    pub command: Option<OutputCommand>,
    /// What to print.
    #[command(flatten)]
    pub print: OutputArgs,
}

/// What to do with the answers of several runs.
#[derive(Debug, Subcommand)]
pub enum OutputCommand {
    /// Make one document of the answers of several runs
    Synthesize(SynthesizeArgs),
}

/// `output synthesize`.
#[derive(Debug, Args)]
pub struct SynthesizeArgs {
    /// Ids of runs, or absolute paths of run folders, in the order of the document; repeatable
    #[arg(
        long = "runs",
        alias = "run-dir",
        value_name = "RUN",
        value_delimiter = ',',
        required = true
    )]
    pub runs: Vec<String>,
    /// How the answers become one
    #[arg(long, value_name = "HOW", default_value = "concatenate", value_enum)]
    pub strategy: Strategy,
    /// Write the document to this file instead of standard output; whole or not at all
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Fail if a run has left no answer, and write nothing
    #[arg(long)]
    pub strict: bool,
    /// Post to the task's bus, as a FACT, what was made of which runs
    #[arg(long)]
    pub post_fact: bool,
}

/// How the answers of several runs become one document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Strategy {
    /// One after the other
    #[value(alias = "concat")]
    Concatenate,
    /// Each paragraph once, with the runs that say it
    Merge,
    /// What more than half of the runs say: their verdicts, else their whole answers
    Vote,
    /// Reserved: needs an agent that reads the answers
    #[value(hide = true)]
    Reduce,
}

impl Strategy {
    /// Returns the word used in options and output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Concatenate => "concatenate",
            Self::Merge => "merge",
            Self::Vote => "vote",
            Self::Reduce => "reduce",
        }
    }
}

/// `review`.
#[derive(Debug, Subcommand)]
pub enum ReviewCommand {
    /// Tell whether enough reviewers approve and none rejects
    ///
    /// Looks at messages of type DECISION and REVIEW that the named runs have posted. Each run
    /// has one vote, its latest; a rejection outweighs any number of approvals. A vote is the
    /// message's meta entry `verdict`, else a line that consists of a verdict such as
    /// `VERDICT: pass` or APPROVED, or JSON with the key `verdict`. Ends with 0 if the quorum is
    /// met and with 1 if not.
    Quorum(QuorumArgs),
    /// Let reviewers judge what a run has left, and tell whether enough approve
    ///
    /// Each reviewer is a job of its own, one after the other; its verdict is read from its answer
    /// and posted to the bus of the reviewed task as a REVIEW.
    Run(ReviewRunArgs),
}

/// `review run`.
#[derive(Debug, Args)]
pub struct ReviewRunArgs {
    /// The run to review
    #[arg(value_name = "RUN")]
    pub run: String,
    /// An agent that reviews; repeatable [default: the default agent]
    #[arg(long = "reviewer", value_name = "NAME", value_delimiter = ',')]
    pub reviewers: Vec<String>,
    /// How many must approve [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub required: Option<u32>,
    /// What the reviewers are to look at in particular
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub prompt: Option<String>,
}

/// `review quorum`.
#[derive(Debug, Args)]
pub struct QuorumArgs {
    /// The ids of the reviewers' runs; repeatable
    #[arg(
        long = "runs",
        value_name = "RUN",
        value_delimiter = ',',
        required = true
    )]
    pub runs: Vec<String>,
    /// How many must approve
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    pub required: u32,
}
