//! Why a run failed, and what it used.

use jiff::Timestamp;

/// The kinds of failure that policy and users tell apart.
///
/// Written in snake case; a kind that this build does not know reads as
/// [`FailureKind::Unknown`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FailureKind {
    /// A usage window of the account is used up; it opens again at a known time.
    LimitWindow,
    /// The account has no credit left.
    LimitCredit,
    /// An administrator's limit.
    LimitAdmin,
    /// The model service is overloaded.
    Overloaded,
    /// A passing failure of the model service or of the way to it.
    ApiTransient,
    /// The service refused the credentials, or there are none.
    Auth,
    /// The conversation no longer fits the model's context.
    ContextOverflow,
    /// The agent's own limit on turns.
    MaxTurns,
    /// A limit on money or tokens.
    MaxBudget,
    /// The agent ended by itself with an error code or by a signal.
    AgentCrash,
    /// The agent could not be started.
    SpawnFailed,
    /// No output for longer than the idle limit.
    Stall,
    /// The run took longer than its maximum duration.
    Timeout,
    /// The agent wrote more than the output limit.
    OutputLimit,
    /// The agent was not allowed what it needed.
    PermissionBlocked,
    /// The agent waits for a person.
    InputRequired,
    /// A gate refused the agent's claim to be done.
    GateFailed,
    /// A merge met a conflict.
    MergeConflict,
    /// The agent ended well but did not say that the task is done.
    CleanExitNotDone,
    /// Somebody asked to stop.
    Cancelled,
    /// The tasks that it depends on can make no progress.
    Deadlock,
    /// The supervisor died before it could record the end.
    RunnerLost,
    /// Anything else; the detail holds what the agent said.
    #[serde(other)]
    Unknown,
}

impl FailureKind {
    /// Returns the word used in files and output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LimitWindow => "limit_window",
            Self::LimitCredit => "limit_credit",
            Self::LimitAdmin => "limit_admin",
            Self::Overloaded => "overloaded",
            Self::ApiTransient => "api_transient",
            Self::Auth => "auth",
            Self::ContextOverflow => "context_overflow",
            Self::MaxTurns => "max_turns",
            Self::MaxBudget => "max_budget",
            Self::AgentCrash => "agent_crash",
            Self::SpawnFailed => "spawn_failed",
            Self::Stall => "stall",
            Self::Timeout => "timeout",
            Self::OutputLimit => "output_limit",
            Self::PermissionBlocked => "permission_blocked",
            Self::InputRequired => "input_required",
            Self::GateFailed => "gate_failed",
            Self::MergeConflict => "merge_conflict",
            Self::CleanExitNotDone => "clean_exit_not_done",
            Self::Cancelled => "cancelled",
            Self::Deadlock => "deadlock",
            Self::RunnerLost => "runner_lost",
            Self::Unknown => "unknown",
        }
    }
}

impl std::fmt::Display for FailureKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A failure as it is recorded.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Failure {
    /// What kind of failure it is.
    pub kind: FailureKind,
    /// One line about it, without secrets; may be empty.
    #[serde(default)]
    pub detail: String,
    /// When trying again makes sense, if the service said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<Timestamp>,
}

impl Failure {
    /// Returns a failure without a retry time; `detail` is cut to its first line and 500 characters.
    pub fn new(kind: FailureKind, detail: impl AsRef<str>) -> Self {
        let line = detail.as_ref().trim().lines().next().unwrap_or_default();
        Self {
            kind,
            detail: line.chars().take(500).collect(),
            retry_at: None,
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.detail.is_empty() {
            write!(f, "{}", self.kind)
        } else {
            write!(f, "{}: {}", self.kind, self.detail)
        }
    }
}

/// Tokens, money and turns that one run used, as far as its agent told.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Tokens sent, without those read from a cache where the agent tells them apart.
    pub input_tokens: u64,
    /// Tokens received.
    pub output_tokens: u64,
    /// Tokens read from the provider's cache.
    pub cache_read_tokens: u64,
    /// Tokens written to the provider's cache.
    pub cache_write_tokens: u64,
    /// Cost in US dollars, if the agent told it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
    /// Turns of the conversation, if the agent told them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turns: Option<u32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_the_serialised_ones_and_new_kinds_read_as_unknown() {
        for kind in [
            FailureKind::LimitWindow,
            FailureKind::CleanExitNotDone,
            FailureKind::Unknown,
        ] {
            assert_eq!(serde_json::to_string(&kind).unwrap(), format!("\"{kind}\""));
        }
        let kind: FailureKind = serde_json::from_str("\"from_the_future\"").unwrap();
        assert_eq!(kind, FailureKind::Unknown);
    }
}
