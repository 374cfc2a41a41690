//! OpenCode (facts observed on 1.18.33).
//!
//! `run` reads the prompt from standard input. A model is `provider/model`, and the
//! provider decides which variable the token is looked for in. There is no variable
//! for another server: a provider of one's own stands in `opencode.json`.
//!
//! It asks again at once, without end, when a stream has no finish reason, and it
//! leaves its tools' processes behind whatever signal it gets: only limits from
//! outside and ending the tree help.

use super::{Adapter, Arg, Login, Told};
use crate::kind::{AgentKind, Dialect, PromptChannel};
use crate::version::Version;

pub(super) static ADAPTER: Adapter = Adapter {
    kind: AgentKind::Opencode,
    program: "opencode",
    args: &[
        Arg::Word("run"),
        Arg::Word("--format"),
        Arg::Word("json"),
        Arg::Word("--auto"),
        Arg::Model("-m"),
        Arg::Resume("--session"),
        Arg::Extra,
        Arg::Prompt,
    ],
    prompt: PromptChannel::Stdin,
    stdin_mark: None,
    prompt_flag: None,
    dialect: Dialect::Opencode,
    resumes: true,
    version_args: &["--version"],
    help_args: &["run", "--help"],
    verified_version: Some(Version::new(1, 18, 33)),
    logins: &[Login {
        folder_var: None,
        folder: ".local/share/opencode",
        file: "auth.json",
    }],
    tokens: Told::Stream,
    cost: Told::Stream,
    own_temporary_folder: false,
    minimum_version: Some(Version::new(1, 0, 0)),
    token_vars: &["OPENCODE_API_KEY"],
    token_by_provider: true,
    base_url_var: None,
    secret_vars: &["OPENCODE_API_KEY"],
    quiet_env: &[
        ("OPENCODE_DISABLE_AUTOUPDATE", "1"),
        ("OPENCODE_DISABLE_LSP_DOWNLOAD", "1"),
    ],
    env: &["OPENCODE_*"],
    switched_env: &[],
    root_switch: None,
    install_hint: "install it with `npm install -g opencode-ai`",
};
