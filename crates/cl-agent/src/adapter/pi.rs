//! Pi (facts observed on 0.73.1).
//!
//! `-p` reads the prompt from standard input. A model is `provider/model`, and the
//! provider decides which variable the token is looked for in. A server of one's
//! own stands in `models.json`, not in a variable. Failures of the model service
//! end with exit code 0: only the stream tells them.

use super::{Adapter, Arg, Login, Told};
use crate::kind::{AgentKind, Dialect, PromptChannel};
use crate::version::Version;

pub(super) static ADAPTER: Adapter = Adapter {
    kind: AgentKind::Pi,
    program: "pi",
    args: &[
        Arg::Word("-p"),
        Arg::Word("--mode"),
        Arg::Word("json"),
        Arg::Model("--model"),
        Arg::Resume("--session"),
        Arg::Extra,
        Arg::Prompt,
    ],
    prompt: PromptChannel::Stdin,
    stdin_mark: None,
    prompt_flag: None,
    dialect: Dialect::Pi,
    resumes: true,
    version_args: &["--version"],
    help_args: &["--help"],
    verified_version: Some(Version::new(0, 73, 1)),
    logins: &[Login {
        folder_var: Some("PI_CODING_AGENT_DIR"),
        folder: ".pi/agent",
        file: "auth.json",
    }],
    tokens: Told::Stream,
    cost: Told::Stream,
    own_temporary_folder: false,
    minimum_version: Some(Version::new(0, 70, 0)),
    token_vars: &[],
    token_by_provider: true,
    base_url_var: None,
    secret_vars: &[],
    quiet_env: &[("PI_OFFLINE", "1"), ("PI_TELEMETRY", "0")],
    env: &["PI_*"],
    switched_env: &[],
    root_switch: None,
    install_hint: "install it with `npm install -g @mariozechner/pi-coding-agent`",
};
