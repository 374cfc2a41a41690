//! The settings as the rest of the program sees them: checked, with defaults.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use crate::agent::{AgentConfig, AgentKind};
use cl_storage::budget::Budget;

/// Everything that can be configured.
#[derive(Debug, Clone)]
pub struct Config {
    /// The configured agents by name.
    pub agents: BTreeMap<String, AgentConfig>,
    /// What holds where neither a flag nor an agent's entry says otherwise.
    pub defaults: Defaults,
    /// The HTTP server.
    pub api: Api,
    /// Where data is kept.
    pub storage: Storage,
    /// The webhook; none if no URL is configured.
    pub webhook: Option<Webhook>,
    /// Other ways of being told about events.
    pub notify: Notify,
    /// Limits on tasks that start tasks.
    pub delegation: Delegation,
    /// Whether the server may replace its own program.
    pub update: Update,
    /// What is done about usage limits of agents.
    pub limits: Limits,
    /// Entries for agents that need no configuration, by their name.
    pub(crate) built_in: BTreeMap<&'static str, AgentConfig>,
}

impl Config {
    /// Returns the configured or built-in agent named exactly `name`.
    pub fn agent(&self, name: &str) -> Option<&AgentConfig> {
        self.agents.get(name).or_else(|| self.built_in.get(name))
    }

    /// Returns how long `agent` may be silent before it is stopped; none means for ever.
    ///
    /// The agent's own `timeout` wins over `defaults.timeout`; 0 switches it off.
    pub fn idle_timeout(&self, agent: &AgentConfig) -> Option<Duration> {
        agent
            .timeout
            .or(self.defaults.timeout)
            .filter(|limit| !limit.is_zero())
    }
}

impl Default for Config {
    /// Returns the settings of someone who has configured nothing.
    fn default() -> Self {
        let built_in = AgentKind::BUILT_IN
            .into_iter()
            .map(|kind| (kind.as_str(), AgentConfig::new(kind)));
        Self {
            agents: BTreeMap::new(),
            defaults: Defaults::default(),
            api: Api::default(),
            storage: Storage::default(),
            webhook: None,
            notify: Notify::default(),
            delegation: Delegation::default(),
            update: Update::default(),
            limits: Limits::default(),
            built_in: built_in.collect(),
        }
    }
}

/// What holds where neither a flag nor an agent's entry says otherwise.
#[derive(Debug, Clone, PartialEq)]
pub struct Defaults {
    /// The agent to use, by name or type.
    pub agent: Option<String>,
    /// How long an agent may be silent before it is stopped.
    pub timeout: Option<Duration>,
    /// How long one attempt may take in all.
    pub max_duration: Option<Duration>,
    /// How long one task may take in all.
    pub max_task_duration: Option<Duration>,
    /// How many root attempts may run at once on this root; none is unlimited.
    pub max_concurrent_runs: Option<NonZeroU32>,
    /// How many root tasks the server admits at once; none is unlimited.
    pub max_concurrent_root_tasks: Option<NonZeroU32>,
    /// How many attempts the restart loop makes.
    pub max_attempts: u32,
    /// How many attempts a task gets on one day, over all its launches; none is unlimited.
    pub max_attempts_total: Option<NonZeroU32>,
    /// What follows a failure, by the word for its kind; only what was given.
    pub retry: BTreeMap<String, Retry>,
    /// How much output one attempt may write before it is stopped.
    pub max_output_bytes: u64,
    /// What happens to tasks whose supervisor died.
    pub on_lost: OnLost,
    /// How long the monitor leaves a stopped task alone.
    pub stop_suppression: Duration,
    /// Whether what a supervisor starts is kept in a control group.
    pub control_group: ControlGroup,
    /// The checks that must pass before a DONE is believed.
    pub gates: Vec<Gate>,
    /// Whether a DONE without any change in the working folder is refused.
    pub require_change: bool,
    /// How much a task may use.
    pub budget: Budget,
    /// How agents take turns; none if not configured.
    pub diversification: Option<Diversification>,
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            agent: None,
            timeout: None,
            max_duration: None,
            max_task_duration: None,
            max_concurrent_runs: None,
            max_concurrent_root_tasks: None,
            max_attempts: 100,
            max_attempts_total: None,
            retry: BTreeMap::new(),
            max_output_bytes: 1 << 30,
            on_lost: OnLost::default(),
            stop_suppression: Duration::from_mins(1),
            control_group: ControlGroup::default(),
            gates: Vec::new(),
            require_change: false,
            budget: Budget::default(),
            diversification: None,
        }
    }
}

/// What happens to a task whose supervisor died without finishing it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnLost {
    /// Detached and server-submitted tasks are resumed, others marked.
    #[default]
    Resume,
    /// Every lost task is only marked as failed.
    Mark,
}

/// Whether what a supervisor starts is kept in a control group (Linux, version 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ControlGroup {
    /// Where one can be made.
    #[default]
    Auto,
    /// Never.
    Off,
}

/// A command that must succeed before a DONE is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gate {
    /// What the check is called in messages; the command itself if not given.
    pub name: String,
    /// The command, run by a shell.
    pub run: String,
    /// How long it may take; none is the runner's default.
    pub timeout: Option<Duration>,
    /// The folder to run it in, relative to the task's working folder.
    pub cwd: Option<PathBuf>,
}

impl Gate {
    /// Returns a gate that is named like its command.
    pub fn from_command(run: impl Into<String>) -> Self {
        let run = run.into();
        Self {
            name: run.clone(),
            run,
            timeout: None,
            cwd: None,
        }
    }
}

/// How agents take turns when no agent is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diversification {
    /// Whether the policy is used.
    pub enabled: bool,
    /// How the next agent is chosen.
    pub strategy: TurnStrategy,
    /// The agents that take part, by name and in order; never empty unless no
    /// agent is configured.
    pub agents: Vec<String>,
    /// One weight per agent.
    pub weights: Vec<NonZeroU32>,
    /// Whether a failed attempt is repeated once with the next agent.
    pub fallback_on_failure: bool,
    /// The agents that go on while the usage limit of another one lasts.
    pub on_limit: Vec<String>,
}

/// What follows one kind of failure; nothing that was not given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Retry {
    /// What is done.
    pub action: Option<RetryAction>,
    /// How many attempts in a row may fail like this; 0 is no limit of its own.
    pub attempts: Option<u32>,
    /// The pause after the first.
    pub backoff: Option<Duration>,
    /// The longest pause.
    pub max_backoff: Option<Duration>,
}

/// What is done after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryAction {
    /// Another attempt, after a pause.
    Retry,
    /// Another attempt, when the usage limit is over.
    Wait,
    /// Another attempt with another agent; the end if there is none.
    Switch,
    /// The end.
    Stop,
}

/// What is done about usage limits of agents.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Whether a task waits for the end of a limit and goes on by itself.
    pub auto_resume: bool,
    /// From how many percent of a window on no attempt is started; none is never.
    pub stop_at_percent: Option<u8>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            auto_resume: true,
            stop_at_percent: None,
        }
    }
}

/// How the agent of a launch that names none is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TurnStrategy {
    /// One after the other, across all launches below the root.
    #[default]
    RoundRobin,
    /// At random, in proportion to the weights.
    Weighted,
}

/// The HTTP server.
#[derive(Debug, Clone)]
pub struct Api {
    /// The address to listen on.
    pub host: String,
    /// The port to listen on.
    pub port: u16,
    /// Web origins that may call the server, or `*`.
    pub cors_origins: Vec<String>,
    /// Further names by which clients reach the server, with or without a port.
    pub hosts: Vec<String>,
    /// Whether callers must show the key.
    pub auth_enabled: bool,
    /// The key that callers must show.
    pub api_key: Option<SecretString>,
    /// Event streams.
    pub sse: Sse,
    /// How much of whom the server takes.
    pub limits: ApiLimits,
}

impl Default for Api {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            port: 14355,
            cors_origins: Vec::new(),
            hosts: Vec::new(),
            auth_enabled: false,
            api_key: None,
            sse: Sse::default(),
            limits: ApiLimits::default(),
        }
    }
}

impl Api {
    /// Whether the host is reachable from this machine alone.
    pub fn is_loopback(&self) -> bool {
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        host.eq_ignore_ascii_case("localhost")
            || host
                .parse::<std::net::IpAddr>()
                .is_ok_and(|address| address.is_loopback())
    }
}

/// Event streams of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sse {
    /// How often files are looked at for new output.
    pub poll_interval: Duration,
    /// How often folders are looked at for new runs.
    pub discovery_interval: Duration,
    /// How often an idle stream gets a sign of life.
    pub heartbeat_interval: Duration,
    /// How many clients may follow one run at once.
    pub max_clients_per_run: u32,
}

impl Default for Sse {
    fn default() -> Self {
        Self {
            poll_interval: Duration::from_millis(500),
            discovery_interval: Duration::from_secs(1),
            heartbeat_interval: Duration::from_secs(30),
            max_clients_per_run: 64,
        }
    }
}

/// How much of whom the server takes; none of it is ever zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiLimits {
    /// How many connections there may be at once; more wait.
    pub max_connections: u32,
    /// How many of them another machine may have.
    pub max_connections_per_address: u32,
    /// How long the head of a request may take.
    pub header_timeout: Duration,
    /// How long a body may take.
    pub body_timeout: Duration,
    /// How long a client may take nothing of an answer.
    pub write_timeout: Duration,
    /// How long a connection may wait for its next request.
    pub idle_timeout: Duration,
    /// How large the head of a request may be.
    pub max_header_bytes: u32,
    /// How large a body may be.
    pub max_body_bytes: u32,
}

impl Default for ApiLimits {
    fn default() -> Self {
        Self {
            max_connections: 512,
            max_connections_per_address: 64,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_mins(1),
            max_header_bytes: 64 * 1024,
            max_body_bytes: 1024 * 1024,
        }
    }
}

/// Where data is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Storage {
    /// The root, absolute; none is the default below the home folder.
    pub runs_dir: Option<PathBuf>,
    /// Roots of the old flat layout, absolute, only read.
    pub extra_roots: Vec<PathBuf>,
}

impl Storage {
    /// Returns the configured root, else `~/.run-agent/runs`; none without a home folder.
    pub fn runs_dir_or_default(&self, environment: &crate::Environment) -> Option<PathBuf> {
        self.runs_dir
            .clone()
            .or_else(|| Some(environment.home()?.join(".run-agent/runs")))
    }
}

/// A URL that is told about events.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// Where the events are sent; the path of a chat service's hook is a secret.
    pub url: SecretString,
    /// The events that are sent.
    pub events: Vec<NotifyEvent>,
    /// The key that signs each body.
    pub secret: Option<SecretString>,
    /// How long one delivery may take.
    pub timeout: Duration,
    /// How the bodies look.
    pub format: WebhookFormat,
}

/// How the bodies that a webhook sends look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WebhookFormat {
    /// The fields of the event.
    #[default]
    Conductor,
    /// One line of text, as chat services take it.
    Slack,
}

/// Ways of being told about events besides the webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notify {
    /// A shell command that gets the event on its standard input.
    pub command: Option<String>,
    /// The events that the command is told.
    pub events: Vec<NotifyEvent>,
    /// How long the command may take.
    pub timeout: Duration,
    /// Whether a waiting command shows a notification on its terminal.
    pub terminal: bool,
    /// Variables that the command inherits besides the usual ones: names, or `PREFIX_*`.
    pub inherit_env: Vec<String>,
}

impl Default for Notify {
    fn default() -> Self {
        Self {
            command: None,
            events: NotifyEvent::ALL.to_vec(),
            timeout: Duration::from_secs(30),
            terminal: false,
            inherit_env: Vec::new(),
        }
    }
}

/// An event that somebody can be told about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotifyEvent {
    /// A run has ended.
    RunStop,
    /// A task has ended well.
    Done,
    /// A task has failed.
    Failed,
    /// An agent waits for a person.
    NeedsUser,
    /// A task waits for a limit to end.
    Waiting,
    /// A limit on money or tokens has ended a task.
    Budget,
}

impl NotifyEvent {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::RunStop,
        Self::Done,
        Self::Failed,
        Self::NeedsUser,
        Self::Waiting,
        Self::Budget,
    ];

    /// Returns the word used in the config, in files and in bodies.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RunStop => "run_stop",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::NeedsUser => "needs_user",
            Self::Waiting => "waiting",
            Self::Budget => "budget",
        }
    }

    /// Finds the event that `word` names.
    pub fn from_name(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.as_str() == word)
    }
}

/// Whether the server may replace its own program.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Update {
    /// It may, when somebody with its key asks for that.
    pub enabled: bool,
}

/// Limits on tasks that start tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delegation {
    /// How deep tasks may be nested.
    pub max_depth: u32,
    /// How many live children one task may have.
    pub max_children: u32,
}

impl Default for Delegation {
    fn default() -> Self {
        Self {
            max_depth: 16,
            max_children: 16,
        }
    }
}
