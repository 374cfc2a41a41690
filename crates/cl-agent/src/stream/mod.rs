//! What an agent printed, understood while it is being printed.

use std::borrow::Cow;
use std::collections::BTreeMap;

use cl_storage::{Failure, FailureKind, Usage};
use serde::{Deserialize, Serialize};

use crate::kind::Dialect;

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Exit {
    /// With this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

/// How a run went, as told by its stream and its end together.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Whether the agent did what it set out to do; not whether the task is done.
    pub success: bool,
    /// Why not; present exactly when `success` is false.
    pub failure: Option<Failure>,
    /// The agent's answer.
    pub final_text: Option<String>,
    /// The agent's own name for the conversation.
    pub session_id: Option<String>,
    /// The model that answered, if the stream names it.
    pub model: Option<String>,
    /// What was used, as reported.
    pub usage: Option<Usage>,
    /// Whether `usage` is the total of the session rather than of this run; see [`usage_since`].
    pub usage_is_cumulative_per_session: bool,
    /// Whether the closing event was seen; always true for dialects without one.
    pub complete: bool,
    /// Whether anything but blanks came out on standard output.
    pub produced_output: bool,
}

/// The state of a running agent, for display.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The last line that the agent said.
    pub last_line: Option<String>,
    /// The tool in use.
    pub tool: Option<String>,
    /// The agent's own name for the conversation.
    pub session_id: Option<String>,
    /// The model, if the stream names it.
    pub model: Option<String>,
}

/// Where the fields of a [`Dialect::Jsonl`] stream are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct JsonlMapping {
    /// Paths by field name.
    pub paths: BTreeMap<String, String>,
}

/// Reads the standard output of one run piece by piece.
#[derive(Debug)]
pub struct StreamParser {
    dialect: Dialect,
    produced_output: bool,
}

impl StreamParser {
    /// Returns a parser for output in `dialect`.
    pub fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            produced_output: false,
        }
    }

    /// Sets how [`Dialect::Jsonl`] is read; other dialects ignore it.
    #[must_use]
    pub fn with_mapping(self, _mapping: JsonlMapping) -> Self {
        self
    }

    /// Takes the next bytes; they may end anywhere, even inside a character.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.produced_output |= bytes.iter().any(|b| !b.is_ascii_whitespace());
    }

    /// Returns the state so far, for display.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::default()
    }

    /// Returns whether the agent has said that this was all.
    pub fn closing_event_seen(&self) -> bool {
        false
    }

    /// Decides how the run went.
    ///
    /// `stderr_tail` is the end of what the agent wrote to its standard error; a
    /// first line that is cut does no harm.
    pub fn finish(self, exit: Exit, _stderr_tail: &[u8]) -> Outcome {
        let success = exit == Exit::Code(0);
        Outcome {
            success,
            failure: (!success).then(|| Failure::new(FailureKind::AgentCrash, Cow::Borrowed(""))),
            final_text: None,
            session_id: None,
            model: None,
            usage: None,
            usage_is_cumulative_per_session: self.dialect == Dialect::Codex,
            complete: !self.dialect.has_closing_event(),
            produced_output: self.produced_output,
        }
    }
}

/// Returns what one run used, given the totals of its session after and before it.
pub fn usage_since(total: &Usage, previous: &Usage) -> Usage {
    Usage {
        input_tokens: total.input_tokens.saturating_sub(previous.input_tokens),
        output_tokens: total.output_tokens.saturating_sub(previous.output_tokens),
        cache_read_tokens: total
            .cache_read_tokens
            .saturating_sub(previous.cache_read_tokens),
        cache_write_tokens: total
            .cache_write_tokens
            .saturating_sub(previous.cache_write_tokens),
        cost_usd: total
            .cost_usd
            .map(|cost| (cost - previous.cost_usd.unwrap_or(0.0)).max(0.0)),
        turns: total
            .turns
            .map(|turns| turns.saturating_sub(previous.turns.unwrap_or(0))),
    }
}
