//! The built-in agent: the running program itself, playing a script.

use super::{Adapter, Arg, Told};
use crate::kind::{AgentKind, Dialect, PromptChannel};

pub(super) static ADAPTER: Adapter = Adapter {
    kind: AgentKind::Scripted,
    program: "",
    args: &[
        Arg::Word(crate::scripted::SUB_COMMAND),
        Arg::Script("--script"),
        Arg::Model("--model"),
        Arg::Resume("--resume"),
        Arg::Extra,
        Arg::Prompt,
    ],
    prompt: PromptChannel::Stdin,
    stdin_mark: None,
    prompt_flag: None,
    dialect: Dialect::Text,
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
    install_hint: "it is built in",
};
