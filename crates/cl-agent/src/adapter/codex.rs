//! Codex CLI (facts observed on 0.169.0).
//!
//! Flags of a resumed run stand behind `resume` and before the thread id; the
//! last `-` makes it read the prompt from standard input. A thread id cannot be
//! chosen, and a resumed run goes on under the same one.

use super::{Adapter, Arg};
use crate::kind::{AgentKind, Dialect, PromptChannel};
use crate::version::Version;

pub(super) static ADAPTER: Adapter = Adapter {
    kind: AgentKind::Codex,
    program: "codex",
    args: &[
        Arg::Word("exec"),
        Arg::WhenResuming("resume"),
        Arg::Word("--json"),
        Arg::Word("--dangerously-bypass-approvals-and-sandbox"),
        Arg::Word("--skip-git-repo-check"),
        Arg::Model("-m"),
        Arg::Extra,
        Arg::Session,
        Arg::Prompt,
    ],
    prompt: PromptChannel::Stdin,
    stdin_mark: Some("-"),
    prompt_flag: None,
    dialect: Dialect::Codex,
    resumes: true,
    version_args: &["--version"],
    minimum_version: Some(Version::new(0, 1, 0)),
    token_var: Some("OPENAI_API_KEY"),
    secret_vars: &["OPENAI_API_KEY", "CODEX_API_KEY"],
    env: &[
        "CODEX_*",
        "OPENAI_API_KEY",
        "OPENAI_ORG_ID",
        "OPENAI_ORGANIZATION",
        "OPENAI_PROJECT",
        "OPENAI_BASE_URL",
        "RUST_LOG",
    ],
    switched_env: &[],
    root_switch: None,
    install_hint: "install it with `npm install -g @openai/codex`",
};
