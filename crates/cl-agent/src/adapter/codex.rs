//! Codex CLI (facts observed on 0.169.0).
//!
//! Flags of a resumed run stand behind `resume` and before the thread id; the
//! last `-` makes it read the prompt from standard input. A thread id cannot be
//! chosen, and a resumed run goes on under the same one.
//!
//! `OPENAI_BASE_URL` is ignored by this version; another server is the setting
//! `openai_base_url`, and then the token is taken from `CODEX_API_KEY`. Older
//! versions took `OPENAI_API_KEY`, so a configured token is passed as both.
//!
//! By default its shell tool starts login shells. Their start-up files may set
//! `PATH` anew (Debian's do), and then the agent does not find `run-agent`: with
//! `allow_login_shell=false` the tool keeps the environment it was given.

use super::{Adapter, Arg, Login, Told};
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
        Arg::Word("-c"),
        Arg::Word("allow_login_shell=false"),
        Arg::Model("-m"),
        Arg::BaseUrl("-c", "openai_base_url"),
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
    help_args: &["exec", "--help"],
    verified_version: Some(Version::new(0, 169, 0)),
    logins: &[Login {
        folder_var: Some("CODEX_HOME"),
        folder: ".codex",
        file: "auth.json",
    }],
    tokens: Told::Stream,
    cost: Told::No,
    own_temporary_folder: false,
    minimum_version: Some(Version::new(0, 1, 0)),
    token_vars: &["OPENAI_API_KEY", "CODEX_API_KEY"],
    token_by_provider: false,
    base_url_var: None,
    secret_vars: &["OPENAI_API_KEY", "CODEX_API_KEY"],
    quiet_env: &[],
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
