//! Perplexity and xAI: services without a CLI, asked by a worker of our own.
//!
//! The worker is the running program itself with a hidden sub-command, so a run of
//! such an agent is a process like any other (from the services' documentation;
//! not verified against them).

use super::{Adapter, Arg, Told};
use crate::kind::{AgentKind, Dialect};

/// What the workers of all services have in common.
const WORKER: Adapter = Adapter {
    dialect: Dialect::Rest,
    tokens: Told::Stream,
    install_hint: "it is built in",
    ..super::UNKNOWN
};

pub(super) static PERPLEXITY: Adapter = Adapter {
    kind: AgentKind::Perplexity,
    args: &[
        Arg::Word(crate::rest::SUB_COMMAND),
        Arg::Word("perplexity"),
        Arg::Model("--model"),
        Arg::Url("--base-url"),
        Arg::Extra,
        Arg::Prompt,
    ],
    token_vars: &["PERPLEXITY_API_KEY"],
    secret_vars: &["PERPLEXITY_API_KEY"],
    env: &["PERPLEXITY_API_KEY"],
    ..WORKER
};

pub(super) static XAI: Adapter = Adapter {
    kind: AgentKind::Xai,
    args: &[
        Arg::Word(crate::rest::SUB_COMMAND),
        Arg::Word("xai"),
        Arg::Model("--model"),
        Arg::Url("--base-url"),
        Arg::Extra,
        Arg::Prompt,
    ],
    token_vars: &["XAI_API_KEY"],
    secret_vars: &["XAI_API_KEY"],
    env: &[
        "XAI_API_KEY",
        "XAI_API_ENDPOINT",
        "XAI_BASE_URL",
        "XAI_API_BASE",
        "XAI_MODEL",
    ],
    ..WORKER
};
