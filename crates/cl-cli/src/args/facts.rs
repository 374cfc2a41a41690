//! `facts`.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use jiff::{SignedDuration, Timestamp};

use super::value;

/// What to do with facts.
#[derive(Debug, Subcommand)]
pub enum FactsCommand {
    /// List facts of tasks, of the project and of all projects
    List(FactsListArgs),
    /// Copy the facts of a project's tasks to PROJECT-FACTS.md, each once
    Promote(PromoteArgs),
}

/// `facts list`.
#[derive(Debug, Args)]
pub struct FactsListArgs {
    /// Whose facts
    #[arg(long, value_name = "SCOPE", default_value = "all", value_enum)]
    pub scope: FactScope,
    /// Only what was stated later than this time, or within this duration, such as 24h
    #[arg(long, value_name = "TIME", value_parser = since)]
    pub since: Option<SinceTime>,
    /// Only the latest ones; 0 is all
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub limit: usize,
}

/// `facts promote`.
#[derive(Debug, Args)]
pub struct PromoteArgs {
    /// Print what would be promoted and write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// The type of messages to promote, in any case
    #[arg(long, value_name = "TYPE", default_value = "FACT")]
    pub filter_type: String,
    /// Only what was stated later than this time, or within this duration, such as 24h
    #[arg(long, value_name = "TIME", value_parser = since)]
    pub since: Option<SinceTime>,
    /// Promote the project's own facts to GLOBAL-FACTS.md, for all projects
    #[arg(long)]
    pub global: bool,
}

/// Whose facts are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FactScope {
    /// Those on the buses and in the files of tasks
    Task,
    /// Those on the bus and in the files of the project, and the promoted ones
    Project,
    /// Those promoted for all projects
    Global,
    /// All of these, a promoted one only where it comes from
    All,
}

/// A point in time, as it was typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SinceTime {
    /// This time.
    At(Timestamp),
    /// This long ago.
    Ago(Duration),
}

impl SinceTime {
    /// Returns the point in time, or the earliest there is if it lies before that.
    pub fn before(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(time) => time,
            Self::Ago(duration) => SignedDuration::try_from(duration)
                .ok()
                .and_then(|duration| now.checked_sub(duration).ok())
                .unwrap_or(Timestamp::MIN),
        }
    }
}

/// Reads a point in time or an age.
pub(super) fn since(text: &str) -> Result<SinceTime, String> {
    if let Ok(time) = value::timestamp(text) {
        return Ok(SinceTime::At(time));
    }
    cl_config::parse_age(text).map(SinceTime::Ago).map_err(|_| {
        "must be a time such as 2026-01-31T12:00:00Z or a duration such as 24h".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_a_time_or_a_duration() {
        let now: Timestamp = "2026-01-02T12:00:00Z".parse().unwrap();
        let yesterday: Timestamp = "2026-01-01T12:00:00Z".parse().unwrap();
        assert_eq!(since("24h").unwrap().before(now), yesterday);
        assert_eq!(
            since("2026-01-01T12:00:00Z").unwrap().before(now),
            yesterday
        );
        assert!(since("2562047h").unwrap().before(now) < yesterday);
        assert!(since("99999999h").is_err());
        assert!(since("yesterday").unwrap_err().contains("24h"));
    }
}
