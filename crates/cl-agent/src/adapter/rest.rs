//! Perplexity and xAI: services without a CLI, asked by a worker of our own.
//!
//! The worker is the running program itself with a hidden sub-command, so a run of
//! such an agent is a process like any other (from the services' documentation;
//! not verified against them).

use super::{Adapter, Arg, Told};
use crate::kind::{AgentKind, Dialect, PromptChannel};

/// The argument list of the worker; the first word after the sub-command is the service.
macro_rules! worker {
    ($kind:expr, $word:literal, $token:literal, $env:expr) => {
        Adapter {
            kind: $kind,
            program: "",
            args: &[
                Arg::Word(crate::rest::SUB_COMMAND),
                Arg::Word($word),
                Arg::Model("--model"),
                Arg::Url("--base-url"),
                Arg::Extra,
                Arg::Prompt,
            ],
            prompt: PromptChannel::Stdin,
            stdin_mark: None,
            prompt_flag: None,
            dialect: Dialect::Rest,
            resumes: false,
            version_args: &[],
            help_args: &[],
            verified_version: None,
            logins: &[],
            tokens: Told::Stream,
            cost: Told::No,
            own_temporary_folder: false,
            minimum_version: None,
            token_vars: &[$token],
            token_by_provider: false,
            base_url_var: None,
            secret_vars: &[$token],
            quiet_env: &[],
            env: $env,
            switched_env: &[],
            root_switch: None,
            install_hint: "it is built in",
        }
    };
}

pub(super) static PERPLEXITY: Adapter = worker!(
    AgentKind::Perplexity,
    "perplexity",
    "PERPLEXITY_API_KEY",
    &["PERPLEXITY_API_KEY"]
);

pub(super) static XAI: Adapter = worker!(
    AgentKind::Xai,
    "xai",
    "XAI_API_KEY",
    &[
        "XAI_API_KEY",
        "XAI_API_ENDPOINT",
        "XAI_BASE_URL",
        "XAI_API_BASE",
        "XAI_MODEL",
    ]
);
