//! What runs have used, added up.
//!
//! Keys stand in the order of the alphabet, as they have always been printed.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What runs have used, added up; `usage --json` and its endpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct UsageReport {
    /// What the rows stand for.
    pub by: UsageBy,
    /// What could not be read.
    pub problems: Vec<String>,
    /// The sums, by key.
    pub rows: Vec<UsageRow>,
    /// Only runs that began then or later are counted; `null` for all.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub since: Option<Timestamp>,
    /// The sum of all rows.
    pub total: UsageRow,
}

/// What a row of a report stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum UsageBy {
    /// An agent.
    Agent,
    /// A task.
    Task,
    /// A project.
    Project,
    /// A day, in UTC.
    Day,
    /// A model.
    Model,
}

impl UsageBy {
    /// All values.
    pub const ALL: [Self; 5] = [
        Self::Agent,
        Self::Task,
        Self::Project,
        Self::Day,
        Self::Model,
    ];

    /// Returns the word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Task => "task",
            Self::Project => "project",
            Self::Day => "day",
            Self::Model => "model",
        }
    }

    /// Returns what `word` names, if anything.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|by| by.as_str() == word)
    }
}

/// What the runs of one key used; `null` for what is not known.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct UsageRow {
    /// Tokens read from the cache of the service.
    pub cache_read_tokens: Option<u64>,
    /// Tokens written to that cache.
    pub cache_write_tokens: Option<u64>,
    /// What is known of the cost, in US dollars.
    #[schema(example = 0.5)]
    pub cost_usd: Option<f64>,
    /// Tokens read.
    #[schema(example = 1200)]
    pub input_tokens: Option<u64>,
    /// The key; left out of the total.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "claude")]
    pub key: Option<String>,
    /// Tokens written.
    #[schema(example = 300)]
    pub output_tokens: Option<u64>,
    /// How many runs there are.
    #[schema(example = 2)]
    pub runs: u64,
    /// Those that told no cost.
    pub runs_without_cost: u64,
    /// Those that told nothing of what they used.
    pub runs_without_usage: u64,
    /// Turns of the conversations.
    pub turns: Option<u32>,
    /// How much of it was for nothing.
    pub wasted: UsageSum,
}

/// What some runs used; `null` for what is not known.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct UsageSum {
    /// Tokens read from the cache of the service.
    pub cache_read_tokens: Option<u64>,
    /// Tokens written to that cache.
    pub cache_write_tokens: Option<u64>,
    /// What is known of the cost, in US dollars.
    pub cost_usd: Option<f64>,
    /// Tokens read.
    pub input_tokens: Option<u64>,
    /// Tokens written.
    pub output_tokens: Option<u64>,
    /// How many runs there are.
    pub runs: u64,
    /// Those that told no cost.
    pub runs_without_cost: u64,
    /// Those that told nothing of what they used.
    pub runs_without_usage: u64,
    /// Turns of the conversations.
    pub turns: Option<u32>,
}

/// What runs have used, along time; the answer of `GET /api/v1/usage/trend`.
///
/// A run counts where it began. Buckets in which nothing was used have no points.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct UsageTrend {
    /// What the rows stand for; never a day.
    pub by: UsageBy,
    /// How long a bucket is.
    pub bucket: UsageBucket,
    /// The time zone in which days begin.
    #[schema(example = "Europe/Berlin")]
    pub time_zone: String,
    /// When each bucket begins, in order.
    #[schema(value_type = Vec<String>)]
    pub buckets: Vec<Timestamp>,
    /// When the last one ends.
    #[schema(value_type = String, format = DateTime, example = "2026-02-24T00:00:00Z")]
    pub until: Timestamp,
    /// How many keys there are; the rows of some may be one.
    #[schema(example = 1)]
    pub keys: usize,
    /// The keys, those that cost most first; what is left of many keys stands in the last row.
    pub rows: Vec<UsageTrendRow>,
    /// The sum of all rows.
    pub total: UsageRow,
    /// What could not be read or done.
    pub problems: Vec<String>,
}

/// How long a bucket of a trend is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum UsageBucket {
    /// An hour.
    Hour,
    /// A day of the time zone.
    Day,
}

impl UsageBucket {
    /// Returns the word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }

    /// Returns what `word` names, if anything.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Hour, Self::Day]
            .into_iter()
            .find(|bucket| bucket.as_str() == word)
    }
}

/// What the runs of one key used along time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct UsageTrendRow {
    /// The key; `null` for what is left of many.
    #[schema(example = "claude")]
    pub key: Option<String>,
    /// The sum of its points.
    pub total: UsageRow,
    /// What was used, bucket after bucket.
    pub points: Vec<UsagePoint>,
}

/// What the runs used that began within one bucket; `null` for what is not known.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct UsagePoint {
    /// The place of the bucket, from zero.
    #[schema(example = 3)]
    pub bucket: usize,
    /// Tokens read from the cache of the service.
    pub cache_read_tokens: Option<u64>,
    /// Tokens written to that cache.
    pub cache_write_tokens: Option<u64>,
    /// What is known of the cost, in US dollars.
    #[schema(example = 0.5)]
    pub cost_usd: Option<f64>,
    /// Tokens read.
    #[schema(example = 1200)]
    pub input_tokens: Option<u64>,
    /// Tokens written.
    #[schema(example = 300)]
    pub output_tokens: Option<u64>,
    /// How many runs there are.
    #[schema(example = 2)]
    pub runs: u64,
    /// Those that told no cost.
    pub runs_without_cost: u64,
    /// What is known of the cost of those that were for nothing.
    pub wasted_cost_usd: Option<f64>,
}
