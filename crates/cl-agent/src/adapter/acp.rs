//! Programs that speak the Agent Client Protocol, through a worker of our own.
//!
//! The worker is the running program itself with a hidden sub-command; what the config
//! names is its last arguments. Which agent it is, and so which variable holds its
//! token, is not known.

use super::{Adapter, Arg, Told};
use crate::kind::{AgentKind, Dialect, PromptChannel};

pub(super) static ADAPTER: Adapter = Adapter {
    kind: AgentKind::Acp,
    program: "",
    args: &[
        Arg::Model("--model"),
        Arg::Resume("--session"),
        Arg::Word("--"),
        Arg::Extra,
        Arg::Prompt,
    ],
    prompt: PromptChannel::Stdin,
    stdin_mark: None,
    prompt_flag: None,
    dialect: Dialect::Acp,
    resumes: true,
    version_args: &[],
    help_args: &[],
    verified_version: None,
    logins: &[],
    tokens: Told::Stream,
    cost: Told::Stream,
    own_temporary_folder: false,
    minimum_version: None,
    token_vars: &[],
    token_by_provider: false,
    base_url_var: None,
    secret_vars: &[],
    quiet_env: &[],
    env: &[],
    switched_env: &[],
    root_switch: None,
    install_hint: "set `command` of this agent to the program's absolute path",
};
