//! What is known about each kind of agent, as data.
//!
//! One module per kind holds one [`Adapter`] value; nothing here has behaviour.
//! A fact that was seen on a real program names the version it was seen on.

mod acp;
mod claude;
mod codex;
mod command;
pub(crate) mod copilot;
mod gemini;
mod opencode;
mod pi;
mod qwen;
mod rest;
mod scripted;

use crate::kind::{AgentKind, Dialect, PromptChannel};
use crate::version::Version;

/// Everything that distinguishes one kind of agent from another.
#[derive(Debug)]
pub struct Adapter {
    /// The kind that this is the table of.
    pub kind: AgentKind,
    /// Name of the program looked up on `PATH`; empty where the config must name it.
    pub program: &'static str,
    /// The argument list of a run.
    pub args: &'static [Arg],
    /// How the prompt is handed over, unless the config says otherwise.
    pub prompt: PromptChannel,
    /// Last argument that makes the program read its standard input, if it wants one.
    pub stdin_mark: Option<&'static str>,
    /// Flag before a prompt that is an argument, if it wants one.
    pub prompt_flag: Option<&'static str>,
    /// What the program prints, unless the config says otherwise.
    pub dialect: Dialect,
    /// Whether a session can be resumed.
    pub resumes: bool,
    /// Arguments that make the program print its version; empty if it has none.
    pub version_args: &'static [&'static str],
    /// Arguments that make the program print the help of what a run uses; empty if it has none.
    pub help_args: &'static [&'static str],
    /// The version that the facts of this table were observed on.
    pub verified_version: Option<Version>,
    /// Where the program keeps its own login.
    pub logins: &'static [Login],
    /// Where a run's tokens are told.
    pub tokens: Told,
    /// Where a run's cost is told.
    pub cost: Told,
    /// Whether runs get a temporary folder of their own, because the program leaves secrets in it.
    pub own_temporary_folder: bool,
    /// Older versions than this are warned about.
    pub minimum_version: Option<Version>,
    /// Variables through which the program takes its token; all of them are set.
    pub token_vars: &'static [&'static str],
    /// Where the program looks for its token depends on the provider that the model's name starts with.
    pub token_by_provider: bool,
    /// Variable through which the program takes another server's URL.
    pub base_url_var: Option<&'static str>,
    /// Every variable that holds a secret of this agent.
    pub secret_vars: &'static [&'static str],
    /// Variables set for every run unless somebody has set them: nothing is asked, fetched or updated.
    pub quiet_env: &'static [(&'static str, &'static str)],
    /// Inherited variables, as names and `PREFIX_*`.
    pub env: &'static [&'static str],
    /// Inherited variables that depend on a switch: (switch, patterns).
    pub switched_env: &'static [(&'static str, &'static [&'static str])],
    /// Variable without which the program refuses to run as root.
    pub root_switch: Option<&'static str>,
    /// What to tell a user who does not have the program.
    pub install_hint: &'static str,
}

/// The table of a program of which nothing is known; others begin with it.
const UNKNOWN: Adapter = Adapter {
    kind: AgentKind::Command,
    program: "",
    args: &[],
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
    install_hint: "",
};

/// A file whose presence means that somebody has logged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Login {
    /// Variable that names the folder, if one does.
    pub folder_var: Option<&'static str>,
    /// The folder otherwise, below the home.
    pub folder: &'static str,
    /// The file in it.
    pub file: &'static str,
}

/// Where a program tells something about a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Told {
    /// In its stream.
    Stream,
    /// In a file.
    File,
    /// Nowhere.
    No,
}

/// One piece of an argument list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arg {
    /// A fixed argument.
    Word(&'static str),
    /// A flag and the model, if a model is configured.
    Model(&'static str),
    /// A flag and the session to resume, if there is one.
    Resume(&'static str),
    /// The session to resume behind this prefix, as one argument, if there is one.
    ResumeJoined(&'static str),
    /// A flag and its value for a stream of events; without them output is plain text.
    Stream(&'static str, &'static str),
    /// A flag and the path of the file of [`Dialect::usage_file`].
    UsageFile(&'static str),
    /// A flag and its value, if the config has a token or a server, and the user's arguments lack the flag.
    WhenKeyed(&'static str, &'static str),
    /// A fixed argument of resumed runs only.
    WhenResuming(&'static str),
    /// The session to resume as an argument of its own, if there is one.
    Session,
    /// A flag and the script, if there is one.
    Script(&'static str),
    /// A flag and `key="URL"`, if another server is configured.
    BaseUrl(&'static str, &'static str),
    /// A flag and the URL, if another server is configured.
    Url(&'static str),
    /// The arguments of the config.
    Extra,
    /// The config's own arguments that choose a model, if a model is configured.
    ConfigModel,
    /// The config's own arguments that resume a session, if there is one.
    ConfigResume,
    /// The prompt or the path of its file, where that is how it is handed over.
    Prompt,
}

/// Returns the table of `kind`.
pub fn adapter(kind: AgentKind) -> &'static Adapter {
    match kind {
        AgentKind::Claude => &claude::ADAPTER,
        AgentKind::Codex => &codex::ADAPTER,
        AgentKind::Gemini => &gemini::ADAPTER,
        AgentKind::Opencode => &opencode::ADAPTER,
        AgentKind::Qwen => &qwen::ADAPTER,
        AgentKind::Copilot => &copilot::ADAPTER,
        AgentKind::Pi => &pi::ADAPTER,
        AgentKind::Perplexity => &rest::PERPLEXITY,
        AgentKind::Xai => &rest::XAI,
        AgentKind::Acp => &acp::ADAPTER,
        AgentKind::Command => &command::ADAPTER,
        AgentKind::Scripted => &scripted::ADAPTER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_is_that_of_its_kind_and_consistent() {
        for kind in AgentKind::ALL {
            let table = adapter(kind);
            assert_eq!(table.kind, kind);
            let resumes = table
                .args
                .iter()
                .any(|arg| matches!(arg, Arg::Resume(_) | Arg::ResumeJoined(_) | Arg::Session));
            assert_eq!(resumes, table.resumes, "{kind}");
            assert!(table.args.contains(&Arg::Extra), "{kind}");
            let is_program = !table.program.is_empty();
            assert_eq!(table.verified_version.is_some(), is_program, "{kind}");
            assert_eq!(!table.help_args.is_empty(), is_program, "{kind}");
            assert_eq!(!table.logins.is_empty(), is_program, "{kind}");
            assert_eq!(
                table.tokens == Told::File,
                table.dialect.usage_file().is_some()
            );
            assert!(
                table
                    .token_vars
                    .iter()
                    .all(|var| table.secret_vars.contains(var)),
                "{kind}"
            );
        }
    }
}
