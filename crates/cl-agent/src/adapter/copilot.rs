//! GitHub Copilot CLI (facts observed on 1.0.102).
//!
//! The prompt is simply piped in. `--resume` wants its value behind `=`. Tokens
//! used are told in a file only. With a server of one's own
//! (`COPILOT_PROVIDER_BASE_URL`) the token is that server's, else GitHub's: the
//! two must not be mixed up, so only one of the variables receives it.

use super::{Adapter, Arg, Login, Told};
use crate::kind::{AgentKind, Dialect, PromptChannel};
use crate::version::Version;

/// The variable that names a server of one's own.
pub(crate) const PROVIDER_URL: &str = "COPILOT_PROVIDER_BASE_URL";

/// The variable that takes such a server's token.
pub(crate) const PROVIDER_TOKEN: &str = "COPILOT_PROVIDER_API_KEY";

pub(super) static ADAPTER: Adapter = Adapter {
    kind: AgentKind::Copilot,
    program: "copilot",
    args: &[
        Arg::Word("--output-format"),
        Arg::Word("json"),
        Arg::Word("--allow-all"),
        Arg::Word("--no-ask-user"),
        Arg::Word("--no-auto-update"),
        Arg::UsageFile("--usage-output-file"),
        Arg::Model("--model"),
        Arg::ResumeJoined("--resume="),
        Arg::Extra,
        Arg::Prompt,
    ],
    prompt: PromptChannel::Stdin,
    stdin_mark: None,
    prompt_flag: Some("-p"),
    dialect: Dialect::Copilot,
    resumes: true,
    version_args: &["--version"],
    help_args: &["--help"],
    verified_version: Some(Version::new(1, 0, 102)),
    logins: &[Login {
        folder_var: Some("COPILOT_HOME"),
        folder: ".copilot",
        file: "config.json",
    }],
    tokens: Told::File,
    cost: Told::No,
    own_temporary_folder: false,
    minimum_version: Some(Version::new(1, 0, 0)),
    token_vars: &["COPILOT_GITHUB_TOKEN"],
    token_by_provider: false,
    base_url_var: Some(PROVIDER_URL),
    secret_vars: &[
        "COPILOT_GITHUB_TOKEN",
        PROVIDER_TOKEN,
        "COPILOT_PROVIDER_BEARER_TOKEN",
    ],
    quiet_env: &[],
    env: &["COPILOT_*", "GH_TOKEN", "GITHUB_TOKEN", "GH_HOST"],
    switched_env: &[],
    root_switch: None,
    install_hint: "install it with `npm install -g @github/copilot`",
};
