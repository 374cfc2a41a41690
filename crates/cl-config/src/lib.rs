//! What the user asked for: one YAML file, the environment and flags.
//!
//! [`load()`] finds the file, reports every problem in it at once with its place,
//! lays the environment over it and returns a [`Loaded`]: the [`Config`], where
//! each value came from, and warnings. No file at all is fine; the defaults and
//! the agents found on the search path then do.
//!
//! Invariants it upholds:
//!
//! - The first file found is the only one read; files are never merged.
//! - An unknown key, a wrong type or a bad value is an error, never a guess.
//! - One table, in [`mod@schema`], is what the reader follows, what the JSON schema
//!   and the reference are made from, and what the tests check against.
//! - Secrets are kept in `SecretString` and never printed: not by `Debug`, not
//!   in error texts or quoted source lines, not by [`show`].
//! - The environment is read once, in [`Environment::from_process`].
//! - It writes nothing, starts no threads and links no async runtime.
//!
//! Map of the modules: the settings in [`model`] and [`agent`], the environment
//! in [`environment`], where files are looked for in [`search`], reading in
//! [`mod@load`], the position-keeping tree in `tree`, the key table in [`mod@schema`],
//! problems in [`error`], secrets in [`secret`], the gates of a single task in `task_gates`, choosing an agent in
//! [`select`], whose limits agents share in `accounts`, provenance in [`origin`], durations in [`duration`], files of the
//! earlier implementation in `legacy`.

#![warn(missing_docs)]

mod accounts;
pub mod agent;
pub mod duration;
pub mod environment;
pub mod error;
mod legacy;
pub mod load;
pub mod model;
pub mod origin;
mod overlay;
mod read;
pub mod schema;
pub mod search;
pub mod secret;
pub mod select;
mod serving;
mod task_gates;
mod tree;

pub use accounts::AccountNames;
pub use agent::{
    AgentConfig, AgentKind, EnvValue, JsonPath, OutputFormat, OutputMap, PromptChannel,
};
pub use duration::{DurationError, LONGEST_DURATION, parse_age, parse_duration};
pub use environment::Environment;
pub use error::{ConfigError, Place, Problem, Warning, render, render_warning};
pub use load::{Flags, Loaded, TEMPLATE, Translation, load, translate};
pub use model::{
    Api, ApiLimits, Config, ControlGroup, Defaults, Delegation, Diversification, Gate, Limits,
    Notify, NotifyEvent, OnLost, Retry, RetryAction, Sse, Storage, TurnStrategy, Update, Webhook,
    WebhookFormat,
};
pub use origin::{Entry, Origin, Origins, show, show_text};
pub use schema::schema;
pub use search::{Source, home_config_path, paths_searched};
pub use secret::{
    AgentToken, SecretSource, TokenError, TokenReport, TokenState, resolve_secret, token_reports,
    token_variable,
};
pub use select::{AgentChoice, ChosenBy, SelectAgentError, find_on_path, select_agent};
pub use serving::{Operation, Serving};
pub use task_gates::task_gates;
