//! The lines that the worker prints, for its writing and its reading side.

use cl_storage::FailureKind;
use jiff::Timestamp;
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
        service: String,
        model: String,
        url: String,
    },
    Model {
        model: String,
    },
    Text {
        text: String,
    },
    Reasoning {
        text: String,
    },
    Alive,
    Citations {
        sources: Vec<Source>,
    },
    Usage {
        #[serde(default)]
        input_tokens: u64,
        #[serde(default)]
        output_tokens: u64,
        #[serde(default)]
        cache_read_tokens: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cost_usd: Option<f64>,
    },
    Error {
        kind: FailureKind,
        message: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<u16>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_at: Option<Timestamp>,
    },
    End {
        finish_reason: String,
    },
}

/// A page that an answer is based on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Its address.
    pub url: String,
    /// Its title, if the service tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}
