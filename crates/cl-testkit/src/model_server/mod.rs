//! A stand-in for the model services that coding agents talk to.
//!
//! A [`ModelServer`] listens on a loopback port of its own and speaks four wire
//! protocols at once, each streamed and not: Anthropic Messages, `OpenAI` Responses,
//! `OpenAI` Chat Completions and Gemini. What it answers is a [`Script`] of [`Turn`]s:
//! a text, a call of the agent's shell tool, a call of any other tool, or a
//! [`Fault`]. Every request is kept and can be asked for.
//!
//! ```no_run
//! use cl_testkit::model_server::{Fault, ModelServer, Script, Turn};
//!
//! let server = ModelServer::start(Script::new([
//!     Turn::Fault(Fault::RateLimited { retry_after: None }),
//!     Turn::shell("echo hello > hello.txt"),
//!     Turn::text("The file is there."),
//! ]))?;
//! let base_url = server.url();
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # Which turn answers which request
//!
//! * A request *takes a turn* if it offers a shell tool. One that offers none (agents
//!   ask for titles, summaries and routing on the side) gets a short text at once and
//!   moves nothing, unless its turns were made with [`Turns::for_plain_requests`].
//! * [`Turns`] are used in the order in which such requests arrive, one each. A fault
//!   is used up by the request it answers, so a client that tries again gets the turn
//!   after it. When all are used up, the last word is repeated without end.
//! * With [`Turns::by_tool_results`] the place in the list is read from the request:
//!   as many turns are behind it as tool results since the last words of the user.
//!   Every new prompt starts the list anew, in whatever order conversations arrive.
//! * One server can serve many agents: [`Script::when_prompt_contains`] gives the
//!   conversations with a marker in them turns and a position of their own.
//!
//! # Limits
//!
//! Request bodies are read up to [`BODY_CAP_BYTES`], at most [`CONNECTION_CAP`]
//! connections are open, and the log keeps the last [`LOG_CAP_REQUESTS`] requests and
//! no more than [`LOG_CAP_BYTES`] of their bodies. Dropping the server ends its thread,
//! and with it every connection, also those that hang on purpose.

mod answer;
mod anthropic;
mod api;
mod arguments;
mod chat;
mod conversation;
mod gemini;
mod log;
mod responses;
mod script;
mod server;
#[cfg(test)]
mod tests;

pub use api::Api;
pub use log::{LOG_CAP_BYTES, LOG_CAP_REQUESTS, RecordedRequest, TooFewRequests};
pub use script::{Fault, Script, Turn, Turns, Usage};
pub use server::{BODY_CAP_BYTES, CONNECTION_CAP, ModelServer};
