//! How one kind of agent is spoken to: command line, environment, output.
//!
//! Every agent program has its table in [`mod@adapter`]; a config entry becomes an
//! [`AgentSpec`], which says all that is needed to start it except its secrets.
//! [`AgentSpec::command_line`] and [`environment()`] are pure; so is the
//! [`StreamParser`], which turns what the agent printed into an [`Outcome`].
//!
//! Invariants:
//!
//! - No process is started or signalled here, and no environment is read. Only
//!   [`rest`] uses the network, in a process of its own.
//! - Secrets are arguments of one function, [`environment()`]; [`RunnerVars`], the
//!   only type that holds some, is neither printed with them nor written anywhere.
//! - Success is decided from the last event *and* the exit code; a stream
//!   without its closing event is never a success.
//! - Failures are recognised only in what the agent program itself reports, never
//!   in tool output, file contents or the prompt.
//! - Memory is bounded whatever an agent prints.
//!
//! Map of the modules: the words for agents, prompts and formats in [`kind`], what
//! is known about each program in [`mod@adapter`], from settings to an
//! [`AgentSpec`] in [`mod@resolve`], the command line in [`spec`], variables in
//! [`mod@environment`], output in [`stream`], versions in [`version`], flags in
//! [`help`], the agent that plays a script in [`scripted`], agents that are a
//! service in [`rest`], agents that want a conversation in [`acp`].

pub mod acp;
pub mod adapter;
pub mod environment;
pub mod help;
pub mod kind;
pub mod resolve;
pub mod rest;
pub mod scripted;
pub mod spec;
pub mod stream;
pub mod version;

pub use adapter::{Adapter, Told, adapter};
pub use environment::{RunnerVars, environment, environment_of_hook};
pub use kind::{AgentKind, Dialect, LeftOut, PromptChannel};
pub use resolve::{ResolveError, Surroundings, resolve};
pub use spec::{AgentSpec, CommandLine, CommandRequest, Stdin};
pub use stream::{Exit, JsonlMapping, Outcome, Snapshot, StreamParser, usage_in_file, usage_since};
pub use version::{ProgramStamp, Version, VersionCache, version_warning};
