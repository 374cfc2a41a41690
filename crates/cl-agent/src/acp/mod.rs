//! Agents that speak the Agent Client Protocol (ACP): JSON-RPC over their standard streams.
//!
//! Such an agent does not read a prompt and end; somebody has to hold a conversation
//! with it. A run is therefore performed by a worker of ours ([`SUB_COMMAND`]), which the
//! supervisor starts, limits and ends like any agent's program. The worker starts the
//! agent as its child, asks it for one turn, and prints JSON lines of its own.
//!
//! What is said next is decided by the `Conversation`, which knows neither processes nor
//! time; the worker carries it out. Both are left out of a build without the feature
//! `acp` ([`IS_BUILT`]); the words of the stream are always there, because records of
//! runs outlive builds.
//!
//! # What the worker prints
//!
//! One object per line, told apart by `type`; a reader skips what it does not know.
//!
//! | `type` | fields | when |
//! |---|---|---|
//! | `start` | `version` (1), `program` | first |
//! | `agent` | `name`, `release`, `protocol` | the agent has introduced itself |
//! | `session` | `session_id`, `resumed` | there is a session |
//! | `model` | `model` | the agent says which model answers |
//! | `text` | `text` | a piece of the answer |
//! | `thought` | `text` | a piece of what the model thought, no part of the answer |
//! | `tool_call` | `id`, `title` | a tool is used |
//! | `tool_end` | `id`, `status` | it is not used any more |
//! | `plan` | `entries`: `[{content, status}]` | the agent has made or changed its plan |
//! | `permission` | `title`, `allowed`, `option?` | the agent has asked, and was answered |
//! | `alive` | | the agent says something else; every five seconds at most |
//! | `usage` | `input_tokens`, `output_tokens`, `cache_read_tokens`, `cache_write_tokens`, `cost_usd?` | behind the answer; counted from the start of the session |
//! | `error` | `kind?`, `message`, `status?` | last, if it failed |
//! | `end` | `stop_reason` | last, if the agent has ended its turn |
//!
//! The exit code is 0 behind an `end` with `end_turn`, 1 behind everything else and 2 if
//! the worker was called in a wrong way.
//!
//! Bounds: a message of the agent ([`MESSAGE_CAP_BYTES`]), what waits to be read by it
//! ([`UNREAD_CAP_BYTES`]), lines that are no messages ([`MOST_STRAY_LINES`]), requests
//! that are refused ([`MOST_REFUSALS`]), the prompt ([`PROMPT_CAP_BYTES`]), the time until
//! the turn begins ([`BEGIN_WITHIN`]), and each step of the end.

#[cfg(feature = "acp")]
mod conversation;
mod event;
#[cfg(feature = "acp")]
mod message;
#[cfg(feature = "acp")]
mod opening;
#[cfg(feature = "acp")]
mod settings;
#[cfg(test)]
#[cfg(feature = "acp")]
mod tests;
#[cfg(feature = "acp")]
mod update;

#[cfg(feature = "acp")]
pub use conversation::{Conversation, Step};
pub use event::{Event, PlanEntry};
#[cfg(feature = "acp")]
pub use message::{LineCutter, TooLong};
#[cfg(feature = "acp")]
pub use settings::{Settings, SettingsError};

/// Whether this build can speak the protocol.
pub const IS_BUILT: bool = cfg!(feature = "acp");

/// The hidden sub-command of the worker.
pub const SUB_COMMAND: &str = "__acp-agent";

/// The version of the protocol that is spoken.
pub const PROTOCOL_VERSION: u64 = 1;

/// The longest message of an agent, in one line.
pub const MESSAGE_CAP_BYTES: usize = 16 * 1024 * 1024;

/// The longest prompt.
pub const PROMPT_CAP_BYTES: u64 = 16 * 1024 * 1024;

/// How much may wait until the agent reads it; a prompt may be twice as long as JSON.
pub const UNREAD_CAP_BYTES: usize = 3 * 16 * 1024 * 1024;

/// How many lines that are no messages an agent may print.
pub const MOST_STRAY_LINES: u32 = 100;

/// How many requests may be refused in one run.
pub const MOST_REFUSALS: u32 = 1000;

/// How long an agent may take until its turn begins.
///
/// Agents that are fetched by a package runner at their start need minutes.
pub const BEGIN_WITHIN: std::time::Duration = std::time::Duration::from_mins(5);
