//! The lines that the worker prints, for its writing and its reading side.

use cl_storage::FailureKind;
use serde::{Deserialize, Serialize};

/// A line of the worker; see [the module](super) for their meaning.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[expect(
    missing_docs,
    reason = "the table of the module says what each field is"
)]
pub enum Event {
    Start {
        version: u32,
        program: String,
    },
    Agent {
        name: String,
        release: String,
        protocol: u64,
    },
    Session {
        session_id: String,
        resumed: bool,
    },
    Model {
        model: String,
    },
    Text {
        text: String,
    },
    Thought {
        text: String,
    },
    ToolCall {
        id: String,
        title: String,
    },
    ToolEnd {
        id: String,
        status: String,
    },
    Plan {
        entries: Vec<PlanEntry>,
    },
    Permission {
        title: String,
        allowed: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        option: Option<String>,
    },
    Alive,
    Usage {
        #[serde(default)]
        input_tokens: u64,
        #[serde(default)]
        output_tokens: u64,
        #[serde(default)]
        cache_read_tokens: u64,
        #[serde(default)]
        cache_write_tokens: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cost_usd: Option<f64>,
    },
    Error {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kind: Option<FailureKind>,
        message: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<u16>,
    },
    End {
        stop_reason: String,
    },
}

/// A step of an agent's plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanEntry {
    /// What is to be done.
    pub content: String,
    /// `pending`, `in_progress` or `completed`.
    pub status: String,
}
