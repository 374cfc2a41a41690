//! Programs that speak the Agent Client Protocol, through a worker of our own.
//!
//! The worker is the running program itself with a hidden sub-command; what the config
//! names is its last arguments. Which agent it is, and so which variable holds its
//! token, is not known.

use super::{Adapter, Arg, Told};
use crate::kind::{AgentKind, Dialect};

pub(super) static ADAPTER: Adapter = Adapter {
    kind: AgentKind::Acp,
    args: &[
        Arg::Model("--model"),
        Arg::Resume("--session"),
        Arg::Word("--"),
        Arg::Extra,
        Arg::Prompt,
    ],
    dialect: Dialect::Acp,
    resumes: true,
    tokens: Told::Stream,
    cost: Told::Stream,
    install_hint: "set `command` of this agent to the program's absolute path",
    ..super::UNKNOWN
};
