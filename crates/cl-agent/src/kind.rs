//! The kinds of agent, how a prompt reaches them, and what their stdout looks like.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A kind of agent that this build can speak to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AgentKind {
    /// Claude Code.
    Claude,
    /// Codex CLI.
    Codex,
    /// Gemini CLI.
    Gemini,
    /// OpenCode.
    Opencode,
    /// Qwen Code.
    Qwen,
    /// GitHub Copilot CLI.
    Copilot,
    /// Pi.
    Pi,
    /// The Perplexity service.
    Perplexity,
    /// The xAI service.
    Xai,
    /// A program that speaks the Agent Client Protocol.
    Acp,
    /// Any other program, described in the config.
    Command,
    /// The built-in agent that plays a script.
    Scripted,
}

impl AgentKind {
    /// Every kind, in the order in which they are listed to users.
    pub const ALL: [Self; 12] = [
        Self::Claude,
        Self::Codex,
        Self::Gemini,
        Self::Opencode,
        Self::Qwen,
        Self::Copilot,
        Self::Pi,
        Self::Perplexity,
        Self::Xai,
        Self::Acp,
        Self::Command,
        Self::Scripted,
    ];

    /// Returns the word used in the config, in files and in output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Claude => "claude",
            Self::Codex => "codex",
            Self::Gemini => "gemini",
            Self::Opencode => "opencode",
            Self::Qwen => "qwen",
            Self::Copilot => "copilot",
            Self::Pi => "pi",
            Self::Perplexity => "perplexity",
            Self::Xai => "xai",
            Self::Acp => "acp",
            Self::Command => "command",
            Self::Scripted => "scripted",
        }
    }
}

impl AgentKind {
    /// Returns whether this is a service that answers a question and can do nothing else.
    ///
    /// It runs no commands and writes no files, so it cannot say itself that a task is done.
    pub fn is_service(self) -> bool {
        matches!(self, Self::Perplexity | Self::Xai)
    }

    /// Returns whether a run is performed by a worker of ours, which is this very program.
    pub fn has_worker(self) -> bool {
        self.is_service() || self == Self::Acp
    }
}

impl fmt::Display for AgentKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a word names no kind of agent that can be run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KindError {
    /// The kind exists, but this build cannot run it.
    #[error(
        "agents of type {0} are not supported by this version; use claude, codex, gemini, opencode, qwen, copilot, pi, perplexity, xai, acp, command or scripted"
    )]
    Unsupported(&'static str),
    /// The kind is known, and this build was made without it.
    #[error(
        "this build has no agents of type {0}; build it with `cargo build --release --features {0}`, or without `--no-default-features`"
    )]
    LeftOut(&'static str),
    /// Nobody knows this kind.
    #[error(
        "unknown agent type {0:?}; known are claude, codex, gemini, opencode, qwen, copilot, pi, perplexity, xai, acp, command and scripted"
    )]
    Unknown(String),
}

impl FromStr for AgentKind {
    type Err = KindError;

    fn from_str(text: &str) -> Result<Self, KindError> {
        match cl_config::AgentKind::from_name(text) {
            Some(kind) => Self::try_from(kind),
            None => Err(KindError::Unknown(text.chars().take(80).collect())),
        }
    }
}

impl TryFrom<cl_config::AgentKind> for AgentKind {
    type Error = KindError;

    fn try_from(kind: cl_config::AgentKind) -> Result<Self, KindError> {
        match kind {
            cl_config::AgentKind::Claude => Ok(Self::Claude),
            cl_config::AgentKind::Codex => Ok(Self::Codex),
            cl_config::AgentKind::Gemini => Ok(Self::Gemini),
            cl_config::AgentKind::Opencode => Ok(Self::Opencode),
            cl_config::AgentKind::Qwen => Ok(Self::Qwen),
            cl_config::AgentKind::Copilot => Ok(Self::Copilot),
            cl_config::AgentKind::Pi => Ok(Self::Pi),
            cl_config::AgentKind::Acp => Ok(Self::Acp),
            cl_config::AgentKind::Command => Ok(Self::Command),
            cl_config::AgentKind::Scripted => Ok(Self::Scripted),
            cl_config::AgentKind::Perplexity => Ok(Self::Perplexity),
            cl_config::AgentKind::Xai => Ok(Self::Xai),
        }
    }
}

/// How the prompt reaches the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PromptChannel {
    /// The prompt file is the agent's standard input.
    Stdin,
    /// The whole prompt is one argument; standard input is empty.
    Argument,
    /// The path of the prompt file is one argument; standard input is empty.
    File,
}

impl From<cl_config::PromptChannel> for PromptChannel {
    fn from(channel: cl_config::PromptChannel) -> Self {
        match channel {
            cl_config::PromptChannel::Stdin => Self::Stdin,
            cl_config::PromptChannel::Argument => Self::Argument,
            cl_config::PromptChannel::File => Self::File,
        }
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_parses_back_and_serialises_as_its_word() {
        for kind in AgentKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
            assert_eq!(serde_json::to_string(&kind).unwrap(), format!("\"{kind}\""));
        }
        assert_eq!(" Claude ".parse(), Ok(AgentKind::Claude));
    }

    #[test]
    fn a_kind_that_nobody_knows_is_an_error() {
        assert!(matches!(
            "clode".parse::<AgentKind>(),
            Err(KindError::Unknown(_))
        ));
    }
}
