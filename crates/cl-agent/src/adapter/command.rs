//! Any other program: the config names it, its arguments and its output.

use super::{Adapter, Arg, Told};
use crate::kind::{AgentKind, Dialect, PromptChannel};

pub(super) static ADAPTER: Adapter = Adapter {
    kind: AgentKind::Command,
    program: "",
    args: &[Arg::ConfigModel, Arg::Extra, Arg::ConfigResume, Arg::Prompt],
    prompt: PromptChannel::Stdin,
    stdin_mark: None,
    prompt_flag: None,
    dialect: Dialect::Text,
    resumes: false,
    version_args: &[],
    help_args: &[],
    verified_version: None,
    logins: &[],
    tokens: Told::No,
    cost: Told::No,
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
