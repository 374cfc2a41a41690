//! The kinds of agent, how a prompt reaches them, and what their stdout looks like.

use std::fmt;

use serde::{Deserialize, Serialize};

pub use cl_config::{AgentKind, PromptChannel};

/// The kind is known, and this build was made without it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "this build has no agents of type {0}; build it with `cargo build --release --features {0}`, or without `--no-default-features`"
)]
pub struct LeftOut(pub &'static str);

/// The format of what the agent prints to its standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Dialect {
    /// Claude Code's `stream-json`.
    Claude,
    /// `codex exec --json`.
    Codex,
    /// Gemini CLI's `stream-json`.
    Gemini,
    /// `opencode run --format json`.
    Opencode,
    /// Qwen Code's `stream-json`.
    Qwen,
    /// Copilot CLI's `--output-format json`.
    Copilot,
    /// Pi's `--mode json`.
    Pi,
    /// Our own worker for services; see [`crate::rest`].
    Rest,
    /// Our own worker for agents that speak the Agent Client Protocol; see [`crate::acp`].
    Acp,
    /// One JSON object per line, read through a [`JsonlMapping`](crate::JsonlMapping).
    Jsonl,
    /// Plain text: all of it is the answer.
    Text,
}

impl Dialect {
    /// The formats that belong to one program each, in the order in which they are listed.
    pub const OF_PROGRAMS: [Self; 7] = [
        Self::Claude,
        Self::Codex,
        Self::Gemini,
        Self::Opencode,
        Self::Qwen,
        Self::Copilot,
        Self::Pi,
    ];

    /// Returns the word used in the config and in scripts.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Claude => "claude",
            Self::Codex => "codex",
            Self::Gemini => "gemini",
            Self::Opencode => "opencode",
            Self::Qwen => "qwen",
            Self::Copilot => "copilot",
            Self::Pi => "pi",
            Self::Rest => "rest",
            Self::Acp => "acp",
            Self::Jsonl => "jsonl",
            Self::Text => "text",
        }
    }

    /// Returns the file, in the run's folder, that says what was used, if the stream does not.
    pub fn usage_file(self) -> Option<&'static str> {
        (self == Self::Copilot).then_some("agent-usage.json")
    }

    /// Returns whether a finished run always ends with an event that says so.
    pub fn has_closing_event(self) -> bool {
        !matches!(self, Self::Jsonl | Self::Text)
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
