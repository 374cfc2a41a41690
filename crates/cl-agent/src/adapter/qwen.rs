//! Qwen Code (facts observed on 0.24.4).
//!
//! The prompt is simply piped in. Without a chosen way to log in it refuses to
//! start, and a key in the environment is no choice: with a token or a server of
//! the config it is told to use that, else what its own settings say. A refusal for too many requests is repeated
//! without end, with pauses of minutes: `args: [--max-wall-time, 2h]` or the
//! limits of the runner end that.

use super::{Adapter, Arg, Login, Told};
use crate::kind::{AgentKind, Dialect, PromptChannel};
use crate::version::Version;

pub(super) static ADAPTER: Adapter = Adapter {
    kind: AgentKind::Qwen,
    program: "qwen",
    args: &[
        Arg::WhenKeyed("--auth-type", "openai"),
        Arg::Word("--approval-mode"),
        Arg::Word("yolo"),
        Arg::Word("--output-format"),
        Arg::Word("stream-json"),
        Arg::Model("--model"),
        Arg::Resume("--resume"),
        Arg::Extra,
        Arg::Prompt,
    ],
    prompt: PromptChannel::Stdin,
    stdin_mark: None,
    prompt_flag: None,
    dialect: Dialect::Qwen,
    resumes: true,
    version_args: &["--version"],
    help_args: &["--help"],
    verified_version: Some(Version::new(0, 24, 4)),
    logins: &[Login {
        folder_var: None,
        folder: ".qwen",
        file: "oauth_creds.json",
    }],
    tokens: Told::Stream,
    cost: Told::No,
    own_temporary_folder: false,
    minimum_version: Some(Version::new(0, 1, 0)),
    token_vars: &["OPENAI_API_KEY"],
    token_by_provider: false,
    base_url_var: Some("OPENAI_BASE_URL"),
    secret_vars: &[
        "OPENAI_API_KEY",
        "DASHSCOPE_API_KEY",
        "BAILIAN_CODING_PLAN_API_KEY",
    ],
    quiet_env: &[("QWEN_CODE_SUPPRESS_YOLO_WARNING", "1")],
    env: &[
        "QWEN_*",
        "OPENAI_API_KEY",
        "OPENAI_BASE_URL",
        "OPENAI_MODEL",
        "DASHSCOPE_API_KEY",
        "BAILIAN_CODING_PLAN_API_KEY",
    ],
    switched_env: &[],
    root_switch: None,
    install_hint: "install it with `npm install -g @qwen-code/qwen-code`",
};
