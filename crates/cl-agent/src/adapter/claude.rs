//! Claude Code (facts observed on 2.1.329).
//!
//! `stream-json` needs `--verbose` together with `-p`. `--tools` takes a list, so
//! it must be followed by another flag. As root every way of skipping permission
//! questions is refused unless `IS_SANDBOX=1`. `--resume` needs the folder of the
//! first run and goes on under the same session id.

use super::{Adapter, Arg, Login, Told};
use crate::kind::{AgentKind, Dialect, PromptChannel};
use crate::version::Version;

pub(super) static ADAPTER: Adapter = Adapter {
    kind: AgentKind::Claude,
    program: "claude",
    args: &[
        Arg::Word("-p"),
        Arg::Word("--input-format"),
        Arg::Word("text"),
        Arg::Word("--output-format"),
        Arg::Word("stream-json"),
        Arg::Word("--verbose"),
        Arg::Word("--tools"),
        Arg::Word("default"),
        Arg::Word("--permission-mode"),
        Arg::Word("bypassPermissions"),
        Arg::Model("--model"),
        Arg::Resume("--resume"),
        Arg::Extra,
        Arg::Prompt,
    ],
    prompt: PromptChannel::Stdin,
    stdin_mark: None,
    prompt_flag: None,
    dialect: Dialect::Claude,
    resumes: true,
    version_args: &["--version"],
    help_args: &["--help"],
    verified_version: Some(Version::new(2, 1, 329)),
    logins: &[Login {
        folder_var: Some("CLAUDE_CONFIG_DIR"),
        folder: ".claude",
        file: ".credentials.json",
    }],
    tokens: Told::Stream,
    cost: Told::Stream,
    own_temporary_folder: false,
    minimum_version: Some(Version::new(1, 0, 0)),
    token_vars: &["ANTHROPIC_API_KEY"],
    token_by_provider: false,
    base_url_var: Some("ANTHROPIC_BASE_URL"),
    secret_vars: &[
        "ANTHROPIC_API_KEY",
        "ANTHROPIC_AUTH_TOKEN",
        "CLAUDE_CODE_OAUTH_TOKEN",
    ],
    quiet_env: &[],
    env: &[
        "ANTHROPIC_*",
        "CLAUDE_CODE_*",
        "CLAUDE_CONFIG_DIR",
        "IS_SANDBOX",
        "API_TIMEOUT_MS",
        "BASH_DEFAULT_TIMEOUT_MS",
        "BASH_MAX_TIMEOUT_MS",
        "BASH_MAX_OUTPUT_LENGTH",
        "MAX_THINKING_TOKENS",
        "MAX_MCP_OUTPUT_TOKENS",
        "MCP_TIMEOUT",
        "MCP_TOOL_TIMEOUT",
        "DISABLE_AUTOUPDATER",
        "DISABLE_TELEMETRY",
        "DISABLE_ERROR_REPORTING",
        "DISABLE_COST_WARNINGS",
        "DISABLE_PROMPT_CACHING",
    ],
    switched_env: &[
        ("CLAUDE_CODE_USE_BEDROCK", &["AWS_*"]),
        (
            "CLAUDE_CODE_USE_VERTEX",
            &["GOOGLE_*", "GCLOUD_*", "CLOUD_ML_REGION", "VERTEX_REGION_*"],
        ),
        ("CLAUDE_CODE_USE_FOUNDRY", &["AZURE_*"]),
    ],
    root_switch: Some("IS_SANDBOX"),
    install_hint: "install it with `npm install -g @anthropic-ai/claude-code`",
};
