//! `bus`.

use std::path::PathBuf;

use cl_bus::After;
use cl_bus::view::Cut;
use cl_storage::{IdError, MessageId, RunId};
use clap::{Args, Subcommand, ValueEnum};

use super::{SinceTime, value};

/// What to do with a bus.
#[derive(Debug, Subcommand)]
pub enum BusCommand {
    /// Post a message; its body comes from --body, a file or standard input
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
    /// The text, from a file; above 1 MiB it is attached, up to 64 MiB
    #[arg(long, value_name = "FILE", conflicts_with = "body")]
    pub body_file: Option<PathBuf>,
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
    #[arg(long, value_name = "FILE", conflicts_with = "all")]
    pub bus: Option<PathBuf>,
    /// The messages of the project and of all its tasks as one
    #[arg(long)]
    pub all: bool,
    /// Only messages behind this one: its id, or the cursor of an earlier answer
    #[arg(long, value_name = "CURSOR|ID", value_parser = place)]
    pub after: Option<Place>,
    /// Only messages before this one: its id, or the cursor of an earlier answer
    #[arg(long, value_name = "CURSOR|ID", value_parser = place, conflicts_with = "follow")]
    pub before: Option<Place>,
    /// Only messages not older than this time or duration, such as 24h; or behind this message
    #[arg(long, value_name = "TIME|DURATION|ID", value_parser = since)]
    pub since: Option<Since>,
    /// At the most so many messages: the first ones behind --after or --since, else the last
    #[arg(long, value_name = "N", value_parser = count, conflicts_with_all = ["tail", "follow"])]
    pub limit: Option<usize>,
    /// Only the last messages; 0 is all [default: 20, or all with --after, --since or --issue]
    #[arg(long, value_name = "N")]
    pub tail: Option<usize>,
    /// Only messages of these types; repeatable
    #[arg(long = "type", value_name = "TYPE", value_delimiter = ',')]
    pub kinds: Vec<String>,
    /// Only messages whose body holds this text, in any case
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub text: Option<String>,
    /// Only messages of this run
    #[arg(long, value_name = "RUN", value_parser = run)]
    pub run: Option<RunId>,
    /// Only messages about this issue, and the one that opened it
    #[arg(long, value_name = "ID")]
    pub issue: Option<String>,
    /// Only what hangs together with this message by its parents, on all buses of the project
    #[arg(
        long,
        value_name = "ID",
        value_parser = message_id,
        conflicts_with_all = [
            "after", "before", "since", "tail", "kinds", "text", "run", "issue", "follow",
        ]
    )]
    pub thread: Option<MessageId>,
    /// Go on until ended
    #[arg(short, long)]
    pub follow: bool,
}

/// A place on a bus, or on several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A message.
    Message(After),
    /// A place on every bus of a project.
    Cut(Cut),
}

fn place(text: &str) -> Result<Place, String> {
    let text = text.trim();
    if Cut::is_meant(text) {
        return text
            .parse()
            .map(Place::Cut)
            .map_err(|e: IdError| e.to_string());
    }
    if let Ok(cursor) = text.parse() {
        return Ok(Place::Message(After::Cursor(cursor)));
    }
    MessageId::parse(text)
        .map(|id| Place::Message(After::Id(id)))
        .map_err(|error| error.to_string())
}

/// Where reading starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Since {
    /// Behind this message.
    Place(Place),
    /// At this time.
    Time(SinceTime),
}

fn since(text: &str) -> Result<Since, String> {
    if let Ok(time) = value::timestamp(text) {
        return Ok(Since::Time(SinceTime::At(time)));
    }
    if let Ok(age) = value::age(text) {
        return Ok(Since::Time(SinceTime::Ago(age)));
    }
    place(text).map(Since::Place)
}

fn count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if count > 0 => Ok(count),
        _ => Err("must be a number of messages, at least 1".to_owned()),
    }
}

fn message_id(text: &str) -> Result<MessageId, String> {
    MessageId::parse(text.trim()).map_err(|error| error.to_string())
}

fn run(text: &str) -> Result<RunId, String> {
    RunId::parse(text).map_err(|error| error.to_string())
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
    /// Copy every message, those of archives included, to this new file
    #[arg(long, value_name = "FILE")]
    pub repair_to: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_an_id_or_a_cursor() {
        let id = MessageId::parse("MSG-1").unwrap();
        assert_eq!(place("MSG-1"), Ok(Place::Message(After::Id(id))));
        assert!(matches!(
            place("12:MSG-1"),
            Ok(Place::Message(After::Cursor(cursor))) if cursor.position == 12
        ));
        assert!(matches!(
            place(&Cut::default().to_string()),
            Ok(Place::Cut(_))
        ));
        for wrong in ["", "a b", "buses-1.x", "buses-9.e30"] {
            assert!(place(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn since_is_a_time_a_duration_or_a_place() {
        for time in ["2026-01-01T00:00:00Z", "24h", "7d"] {
            assert!(matches!(since(time), Ok(Since::Time(_))), "{time}");
        }
        assert!(matches!(since("MSG-1"), Ok(Since::Place(_))));
    }
}
