//! What is known of the usage limits of agents, and of agents that fail.

use cl_storage::FailureKind;
use cl_storage::ledger::{Source, WindowState};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What is known of all accounts; `limits --json` and its endpoint.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Limits {
    /// The usage windows.
    pub windows: Vec<WindowRow>,
    /// The accounts whose attempts failed last.
    pub agents: Vec<HealthRow>,
    /// What could not be read.
    pub problems: Vec<String>,
}

/// One usage window of an account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WindowRow {
    /// The kind of the agent.
    #[schema(example = "claude")]
    pub agent: String,
    /// The account.
    #[schema(example = "claude")]
    pub account: String,
    /// The names in the configuration that use the account.
    pub names: Vec<String>,
    /// Which of its windows.
    #[schema(example = "five_hour")]
    pub window: String,
    /// Whether it lets requests through.
    #[schema(value_type = String, example = "rejected")]
    pub state: WindowState,
    /// How much of it is used.
    #[schema(example = 100.0)]
    pub used_percent: Option<f64>,
    /// When it begins anew.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub resets_at: Option<Timestamp>,
    /// In how many seconds that is.
    pub resets_in_seconds: Option<i64>,
    /// No attempt is started before; none if one may be.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub closed_until: Option<Timestamp>,
    /// How it is known.
    #[schema(value_type = String, example = "event")]
    pub source: Source,
    /// Since when it is known.
    #[schema(value_type = String, format = DateTime, example = "2026-02-23T20:49:01.5Z")]
    pub at: Timestamp,
    /// How long ago that is.
    #[schema(example = 12)]
    pub age_seconds: i64,
}

/// How the attempts of an account went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HealthRow {
    /// The kind of the agent.
    #[schema(example = "codex")]
    pub agent: String,
    /// The account.
    #[schema(example = "codex")]
    pub account: String,
    /// The names in the configuration that use the account.
    pub names: Vec<String>,
    /// It is left alone where another agent can be used.
    pub degraded: bool,
    /// Until when.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub degraded_until: Option<Timestamp>,
    /// How many attempts in a row have failed.
    #[schema(example = 3)]
    pub failures: u32,
    /// Why the last one did.
    #[schema(value_type = Option<String>, example = "auth")]
    pub last_kind: Option<FailureKind>,
    /// When it did.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_at: Option<Timestamp>,
}

/// The accounts whose limits were forgotten.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Forgotten {
    /// Each of them.
    pub cleared: Vec<ForgottenAccount>,
}

/// An account whose limits were forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ForgottenAccount {
    /// The kind of the agent.
    #[schema(example = "claude")]
    pub agent: String,
    /// The account.
    #[schema(example = "claude")]
    pub account: String,
    /// Where its file is kept, if that was damaged.
    pub damaged_copy: Option<String>,
}
