//! Gemini CLI (facts observed on 0.61.0).
//!
//! The prompt is simply piped in. Without `--skip-trust` an unknown folder ends
//! the run with exit code 55. `--resume` takes the session id in the same folder.
//! Older versions do not know the stream of events. After an error it leaves the
//! whole conversation in its temporary folder.

use super::{Adapter, Arg, Login, Told};
use crate::kind::{AgentKind, Dialect, PromptChannel};
use crate::version::Version;

pub(super) static ADAPTER: Adapter = Adapter {
    kind: AgentKind::Gemini,
    program: "gemini",
    args: &[
        Arg::Word("--screen-reader"),
        Arg::Word("true"),
        Arg::Word("--approval-mode"),
        Arg::Word("yolo"),
        Arg::Word("--skip-trust"),
        Arg::Stream("--output-format", "stream-json"),
        Arg::Model("-m"),
        Arg::Resume("--resume"),
        Arg::Extra,
        Arg::Prompt,
    ],
    prompt: PromptChannel::Stdin,
    stdin_mark: None,
    prompt_flag: Some("-p"),
    dialect: Dialect::Gemini,
    resumes: true,
    version_args: &["--version"],
    help_args: &["--help"],
    verified_version: Some(Version::new(0, 61, 0)),
    logins: &[Login {
        folder_var: None,
        folder: ".gemini",
        file: "oauth_creds.json",
    }],
    tokens: Told::Stream,
    cost: Told::No,
    own_temporary_folder: true,
    minimum_version: Some(Version::new(0, 1, 0)),
    token_vars: &["GEMINI_API_KEY"],
    token_by_provider: false,
    base_url_var: Some("GOOGLE_GEMINI_BASE_URL"),
    secret_vars: &["GEMINI_API_KEY", "GOOGLE_API_KEY"],
    quiet_env: &[],
    env: &["GEMINI_*", "GOOGLE_API_KEY", "GOOGLE_GEMINI_BASE_URL"],
    switched_env: &[
        (
            "GOOGLE_GENAI_USE_VERTEXAI",
            &["GOOGLE_*", "GCLOUD_*", "CLOUD_ML_REGION"],
        ),
        ("GOOGLE_GENAI_USE_GCA", &["GOOGLE_*", "GCLOUD_*"]),
    ],
    root_switch: None,
    install_hint: "install it with `npm install -g @google/gemini-cli`",
};
