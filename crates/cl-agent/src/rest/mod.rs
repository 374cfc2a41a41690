//! Agents that are a service: one question over HTTP, the answer streamed back.
//!
//! A run is performed by a worker process of its own ([`SUB_COMMAND`]), which the
//! supervisor starts, limits and ends like the program of any other agent. Only the
//! worker touches the network. It reads the prompt from standard input, its settings
//! from arguments and environment ([`Settings`]), and prints its own JSON lines.
//!
//! # What the worker prints
//!
//! One object per line, told apart by `type`; a reader skips what it does not know.
//!
//! | `type` | fields | when |
//! |---|---|---|
//! | `start` | `version` (1), `service`, `model`, `url` | first |
//! | `model` | `model` | the service says which model answers |
//! | `text` | `text` | a piece of the answer |
//! | `reasoning` | `text` | a piece of what the model thought, no part of the answer |
//! | `alive` | | the service sends something else; every five seconds at most |
//! | `citations` | `sources`: `[{url, title?}]` | once, behind the text |
//! | `usage` | `input_tokens`, `output_tokens`, `cache_read_tokens`, `cost_usd?` | once, behind the text |
//! | `error` | `kind`, `message`, `status?`, `retry_at?` | last, if it failed |
//! | `end` | `finish_reason` | last, if it did not |
//!
//! The exit code is 0 behind `end`, 1 behind `error` and 2 if the worker was called
//! in a wrong way. Tries that failed are noted on standard error.
//!
//! Bounds: the prompt ([`PROMPT_CAP_BYTES`]), an event of the service
//! ([`EVENT_CAP_BYTES`]), an answer in one piece ([`BODY_CAP_BYTES`]), an error body
//! ([`ERROR_CAP_BYTES`]), the tries ([`TRIES`]) and each pause between them.

mod answer;
mod client;
mod endpoint;
mod event;
mod retry;
mod settings;
mod sse;
pub mod tls;

pub use client::ask;
pub use event::{Event, Source};
pub use retry::TRIES;
pub use settings::{Settings, SettingsError};

/// The hidden sub-command of the worker.
pub const SUB_COMMAND: &str = "__rest-agent";

/// The variable that tells the worker for how long the service may be silent, in
/// milliseconds; zero is for ever.
pub const IDLE_VARIABLE: &str = "CONDUCTOR_REST_IDLE_MS";

/// The variable that tells the worker how long all may take, in milliseconds; zero is for ever.
pub const TOTAL_VARIABLE: &str = "CONDUCTOR_REST_TOTAL_MS";

/// How long a service may be silent, unless somebody says otherwise.
pub const IDLE: std::time::Duration = std::time::Duration::from_mins(1);

/// How long an answer may take, unless somebody says otherwise.
///
/// Models that think need minutes; two, as earlier, were too short.
pub const TOTAL: std::time::Duration = std::time::Duration::from_mins(10);

/// The longest prompt.
pub const PROMPT_CAP_BYTES: u64 = 16 * 1024 * 1024;

/// The longest event of a streamed answer.
pub const EVENT_CAP_BYTES: usize = 1024 * 1024;

/// The longest answer that comes in one piece.
pub const BODY_CAP_BYTES: usize = 16 * 1024 * 1024;

/// How much of an error body is read.
pub const ERROR_CAP_BYTES: usize = 8 * 1024;
