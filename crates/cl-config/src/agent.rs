//! The settings of one agent.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use crate::secret::{AgentToken, is_secret_name};

/// The settings of one agent.
///
/// Its `Debug` output shows no secret.
#[derive(Debug, Clone)]
pub struct AgentConfig {
    /// How this agent is spoken to.
    pub kind: AgentKind,
    /// Where its token comes from; none means the agent's own login.
    pub token: Option<AgentToken>,
    /// The server to talk to instead of the agent's own.
    pub base_url: Option<String>,
    /// The model to ask for instead of the agent's own choice.
    pub model: Option<String>,
    /// The program and its first arguments; empty is the built-in program.
    pub command: Vec<String>,
    /// Arguments added to those the adapter makes.
    pub args: Vec<String>,
    /// Variables set for the agent.
    pub env: BTreeMap<String, EnvValue>,
    /// Names, or prefixes that end in `*`, of variables passed on to the agent.
    pub inherit_env: Vec<String>,
    /// How the prompt reaches a `command` agent.
    pub prompt: PromptChannel,
    /// What a `command` agent writes to its standard output.
    pub output: OutputFormat,
    /// Where a `command` agent's JSON lines hold what matters.
    pub output_map: OutputMap,
    /// Arguments that continue a session; `{session}` stands for its id.
    pub resume_args: Vec<String>,
    /// Arguments that choose a model; `{model}` stands for its name.
    pub model_args: Vec<String>,
    /// Arguments that make the program print its version.
    pub version_args: Vec<String>,
    /// The mode of work that an `acp` agent is asked for.
    pub mode: Option<String>,
    /// Whether an `acp` agent that asks for permission gets it.
    pub allows_permissions: bool,
    /// The script that a `scripted` agent plays, absolute.
    pub script: Option<PathBuf>,
    /// How long it may be silent before it is stopped; zero switches that off.
    pub timeout: Option<Duration>,
    /// The label of the account that it uses; none is the entry's name.
    pub account: Option<String>,
}

impl AgentConfig {
    /// Returns the settings of an agent about which nothing is configured.
    pub fn new(kind: AgentKind) -> Self {
        Self {
            kind,
            token: None,
            base_url: None,
            model: None,
            command: Vec::new(),
            args: Vec::new(),
            env: BTreeMap::new(),
            inherit_env: Vec::new(),
            prompt: PromptChannel::default(),
            output: OutputFormat::default(),
            output_map: OutputMap::default(),
            resume_args: Vec::new(),
            model_args: Vec::new(),
            version_args: vec!["--version".to_owned()],
            mode: None,
            allows_permissions: true,
            script: None,
            timeout: None,
            account: None,
        }
    }
}

/// A kind of agent: how it is spoken to.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum AgentKind {
    /// Claude Code.
    Claude,
    /// Codex.
    Codex,
    /// Gemini CLI.
    Gemini,
    /// OpenCode.
    Opencode,
    /// Qwen Code.
    Qwen,
    /// GitHub Copilot CLI.
    Copilot,
    /// Pi.
    Pi,
    /// The Perplexity service, called over HTTP.
    Perplexity,
    /// The xAI service, called over HTTP.
    Xai,
    /// A program that speaks the Agent Client Protocol.
    Acp,
    /// Any program, as described by its entry.
    Command,
    /// The built-in player of scripts.
    Scripted,
}

impl AgentKind {
    /// All kinds, in the order in which they are listed to users.
    pub const ALL: [Self; 12] = [
        Self::Claude,
        Self::Codex,
        Self::Gemini,
        Self::Opencode,
        Self::Qwen,
        Self::Copilot,
        Self::Pi,
        Self::Perplexity,
        Self::Xai,
        Self::Acp,
        Self::Command,
        Self::Scripted,
    ];

    /// The kinds that work without an entry, in the order in which they are looked for.
    pub const BUILT_IN: [Self; 7] = [
        Self::Claude,
        Self::Codex,
        Self::Gemini,
        Self::Opencode,
        Self::Qwen,
        Self::Copilot,
        Self::Pi,
    ];

    /// The built-in kinds that are looked for on the search path when nobody names an agent.
    ///
    /// Other programs are called `copilot` and `pi` as well, so these are never guessed.
    pub const GUESSED: [Self; 5] = [
        Self::Claude,
        Self::Codex,
        Self::Gemini,
        Self::Opencode,
        Self::Qwen,
    ];

    /// Returns the word that stands for this kind in files and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Claude => "claude",
            Self::Codex => "codex",
            Self::Gemini => "gemini",
            Self::Opencode => "opencode",
            Self::Qwen => "qwen",
            Self::Copilot => "copilot",
            Self::Pi => "pi",
            Self::Perplexity => "perplexity",
            Self::Xai => "xai",
            Self::Acp => "acp",
            Self::Command => "command",
            Self::Scripted => "scripted",
        }
    }

    /// Returns the kind that `name` stands for; case and blanks around it do not matter.
    pub fn from_name(name: &str) -> Option<Self> {
        let name = name.trim();
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str().eq_ignore_ascii_case(name))
    }

    /// Returns the program that is run if the entry names none.
    pub fn program(self) -> Option<&'static str> {
        match self {
            Self::Claude
            | Self::Codex
            | Self::Gemini
            | Self::Opencode
            | Self::Qwen
            | Self::Copilot
            | Self::Pi => Some(self.as_str()),
            Self::Perplexity | Self::Xai | Self::Acp | Self::Command | Self::Scripted => None,
        }
    }
}

impl AgentKind {
    /// Returns whether this is a service that answers a question and can do nothing else.
    ///
    /// It runs no commands and writes no files, so it cannot say itself that a task is done.
    pub fn is_service(self) -> bool {
        matches!(self, Self::Perplexity | Self::Xai)
    }

    /// Returns whether a run is performed by a worker of ours, which is this very program.
    pub fn has_worker(self) -> bool {
        self.is_service() || self == Self::Acp
    }
}

impl std::fmt::Display for AgentKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The value of a variable set for an agent; its `Debug` output hides it.
#[derive(Debug, Clone)]
pub struct EnvValue {
    /// The value.
    pub value: SecretString,
    /// Whether the variable's name says that the value is a secret.
    pub is_secret: bool,
}

impl EnvValue {
    /// Returns the value of the variable `name`, whose name says whether it is a secret.
    pub fn new(name: &str, value: impl Into<String>) -> Self {
        Self {
            value: SecretString::from(value.into()),
            is_secret: is_secret_name(name),
        }
    }
}

/// How the prompt reaches an agent.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum PromptChannel {
    /// The prompt file is its standard input.
    #[default]
    Stdin,
    /// The whole prompt is one argument: the last one, or in place of `{prompt}`.
    Argument,
    /// The path of the prompt file is one: the last one, or in place of `{prompt_file}`.
    File,
}

/// What a `command` agent writes to its standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OutputFormat {
    /// Text, all of it the answer.
    #[default]
    Text,
    /// One JSON value per line, read with the [`OutputMap`].
    Jsonl,
}

/// Where a `command` agent's JSON lines hold what matters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OutputMap {
    /// The final answer; the last line that has it wins.
    pub final_text: Option<JsonPath>,
    /// The id of the session.
    pub session: Option<JsonPath>,
    /// The text of an error.
    pub error: Option<JsonPath>,
}

/// A dotted path into a JSON value, such as `message.content.0.text`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonPath(Vec<String>);

impl JsonPath {
    /// Reads a dotted path; none if a segment is empty.
    pub fn parse(text: &str) -> Option<Self> {
        let segments: Vec<_> = text.trim().split('.').map(str::to_owned).collect();
        let is_whole = segments.iter().all(|segment| !segment.is_empty());
        is_whole.then_some(Self(segments))
    }

    /// Returns the value this path leads to; a number is an index into a list.
    pub fn lookup<'v>(&self, value: &'v serde_json::Value) -> Option<&'v serde_json::Value> {
        self.0.iter().try_fold(value, |value, segment| match value {
            serde_json::Value::Array(items) => items.get(segment.parse::<usize>().ok()?),
            _ => value.get(segment),
        })
    }
}

impl std::fmt::Display for JsonPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.join("."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_lookup(path: &str, expected: Option<&str>) {
        let value = serde_json::json!({"a": {"b": [{"c": "found"}]}, "d": "top"});
        let found = JsonPath::parse(path).unwrap();
        assert_eq!(found.to_string(), path);
        let found = found.lookup(&value).and_then(serde_json::Value::as_str);
        assert_eq!(found, expected, "{path}");
    }

    #[test]
    fn paths_lead_through_objects_and_lists() {
        check_lookup("d", Some("top"));
        check_lookup("a.b.0.c", Some("found"));
        check_lookup("a.b.1.c", None);
        check_lookup("a.b.c", None);
        check_lookup("d.x", None);
        assert_eq!(JsonPath::parse("a..b"), None);
        assert_eq!(JsonPath::parse(" "), None);
    }

    #[test]
    fn kinds_are_found_by_name() {
        for kind in AgentKind::ALL {
            assert_eq!(AgentKind::from_name(kind.as_str()), Some(kind));
            assert_eq!(serde_json::to_string(&kind).unwrap(), format!("\"{kind}\""));
        }
        assert_eq!(AgentKind::from_name(" Claude "), Some(AgentKind::Claude));
        assert_eq!(AgentKind::from_name("claud"), None);
    }
}
