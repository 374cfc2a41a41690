//! `bus`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use jiff::Timestamp;

use super::value;

/// What to do with a bus.
#[derive(Debug, Subcommand)]
pub enum BusCommand {
    /// Post a message; its body comes from --body or from standard input
    Post(PostArgs),
    /// Print messages
    Read(ReadArgs),
    /// Print the path of the bus that would be used
    Discover(DiscoverArgs),
    /// Look for damage in a bus file
    Check(CheckArgs),
}

/// `bus post`.
#[derive(Debug, Args)]
pub struct PostArgs {
    /// What sort of message it is: FACT, PROGRESS, DECISION, QUESTION, ERROR, …
    #[arg(long = "type", value_name = "TYPE", default_value = "INFO")]
    pub kind: String,
    /// The text [default: standard input]
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub body: Option<String>,
    /// The run that says it [default: the enclosing run]
    #[arg(long, value_name = "RUN")]
    pub run: Option<String>,
    /// Any bus file, also one outside the root
    #[arg(long, value_name = "FILE")]
    pub bus: Option<PathBuf>,
    /// A further fact; repeatable
    #[arg(long, value_name = "NAME=VALUE", value_parser = value::pair, allow_hyphen_values = true)]
    pub meta: Vec<(String, String)>,
    /// A message that this one answers, as ID or KIND:ID; repeatable
    #[arg(long = "parent", value_name = "ID")]
    pub parents: Vec<String>,
    /// A place that it points to, a URL or a path; repeatable
    #[arg(long = "link", value_name = "URL", allow_hyphen_values = true)]
    pub links: Vec<String>,
    /// The issue that it is about
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    pub issue: Option<String>,
    /// Post even if the bus belongs to another project or task, or the file holds other text
    #[arg(long)]
    pub force: bool,
    /// When the message counts as posted
    #[arg(long, value_name = "WHERE", default_value = "disk", value_enum)]
    pub durability: DurabilityArg,
}

/// When a message counts as posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DurabilityArg {
    /// When it has reached the disk
    Disk,
    /// When the system has it
    Os,
}

/// `bus read`.
#[derive(Debug, Args)]
pub struct ReadArgs {
    /// Any bus file, also one outside the root
    #[arg(long, value_name = "FILE")]
    pub bus: Option<PathBuf>,
    /// Only the last messages; 0 is all [default: 20, or all with --since]
    #[arg(long, value_name = "N")]
    pub tail: Option<usize>,
    /// All messages
    #[arg(long, conflicts_with = "tail")]
    pub all: bool,
    /// Only messages of these types
    #[arg(long = "type", value_name = "TYPE", value_delimiter = ',')]
    pub kinds: Vec<String>,
    /// Only messages after this message, or not older than this time
    #[arg(long, value_name = "ID|TIME", value_parser = since)]
    pub since: Option<Since>,
    /// Go on until ended
    #[arg(short, long)]
    pub follow: bool,
}

/// Where reading starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Since {
    /// After this message.
    Message(cl_storage::MessageId),
    /// At this time.
    Time(Timestamp),
}

fn since(text: &str) -> Result<Since, String> {
    if let Ok(time) = value::timestamp(text) {
        return Ok(Since::Time(time));
    }
    cl_storage::MessageId::parse(text)
        .map(Since::Message)
        .map_err(|error| error.to_string())
}

/// `bus discover`.
#[derive(Debug, Args)]
pub struct DiscoverArgs {
    /// Look from this folder upwards only [default: as every bus command does]
    #[arg(long, value_name = "DIR")]
    pub from: Option<PathBuf>,
}

/// `bus check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Any bus file, also one outside the root
    #[arg(long, value_name = "FILE")]
    pub bus: Option<PathBuf>,
}
