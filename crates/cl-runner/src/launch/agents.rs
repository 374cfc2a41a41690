//! The agents of a launch: from configuration to what a supervisor can start.

use std::collections::BTreeMap;
use std::path::Path;

use cl_agent::{AgentSpec, ResolveError, Surroundings};
use cl_config::{AgentConfig, Config, Environment, SecretSource, TokenError};
use cl_storage::ledger::AccountKey;
use cl_storage::redact::Redactor;
use secrecy::{ExposeSecret as _, SecretString};

/// An agent of a launch, or why it cannot be used.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentEntry {
    /// It can be started.
    Ready(Box<LaunchAgent>),
    /// It cannot; the text says why and what to do.
    Unavailable(String),
}

/// An agent that can be started, with its secrets.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
pub struct LaunchAgent {
    /// How to start and understand it.
    pub spec: AgentSpec,
    /// Its token.
    token: Option<String>,
    /// Where the token was found.
    pub token_source: Option<SecretSource>,
    /// Secret variables of its configuration.
    secret_env: BTreeMap<String, String>,
    /// The label of the account that it uses.
    #[serde(default)]
    pub account: String,
}

impl std::fmt::Debug for LaunchAgent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LaunchAgent")
            .field("spec", &self.spec)
            .finish_non_exhaustive()
    }
}

impl LaunchAgent {
    /// Returns the token.
    pub(crate) fn token(&self) -> Option<SecretString> {
        self.token.clone().map(SecretString::from)
    }

    /// Returns the secret variables of its configuration.
    pub(crate) fn secret_env(&self) -> BTreeMap<String, SecretString> {
        self.secret_env
            .iter()
            .map(|(name, value)| (name.clone(), SecretString::from(value.clone())))
            .collect()
    }

    /// Returns whose usage limits hold for it; `None` if it has no usable label.
    pub fn account_key(&self) -> Option<AccountKey> {
        AccountKey::parse(self.spec.kind.as_str(), &self.account).ok()
    }

    /// Returns what masks its secrets in everything that is written, and `more`.
    pub fn redactor(&self, more: impl IntoIterator<Item = SecretString>) -> Redactor {
        let own = self.token.iter().chain(self.secret_env.values());
        let own = own.cloned().map(SecretString::from);
        Redactor::new(own.chain(more))
    }

    /// Returns where its secrets were found, by variable.
    pub(crate) fn secret_sources(&self) -> BTreeMap<String, SecretSource> {
        let token = self
            .spec
            .token_vars
            .first()
            .cloned()
            .zip(self.token_source.clone());
        let variables = self.secret_env.keys().map(|name| {
            let key = format!("agents.{}.env.{name}", self.spec.name);
            (name.clone(), SecretSource::Inline(key))
        });
        token.into_iter().chain(variables).collect()
    }
}

/// Why an agent cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PrepareError {
    /// It cannot be started.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// Its token cannot be had.
    #[error("agent {agent:?}: its token cannot be had")]
    Token {
        /// The agent.
        agent: String,
        /// Why.
        #[source]
        source: TokenError,
    },
}

/// Prepares every configured and built-in agent; `wanted` must be usable.
pub fn prepare_agents(
    config: &Config,
    environment: &Environment,
    executable: &Path,
    wanted: &str,
) -> Result<BTreeMap<String, AgentEntry>, PrepareError> {
    let around = Surroundings {
        environment,
        executable,
        is_root: rustix::process::geteuid().is_root(),
    };
    let built_in = cl_config::AgentKind::BUILT_IN
        .iter()
        .map(|kind| kind.as_str());
    let names = config
        .agents
        .keys()
        .map(String::as_str)
        .chain(built_in)
        .chain([wanted]);
    let mut entries = BTreeMap::new();
    for name in names {
        let Some(agent) = config.agent(name).filter(|_| !entries.contains_key(name)) else {
            continue;
        };
        let entry = match prepare(name, agent, &around) {
            Ok(agent) => AgentEntry::Ready(Box::new(agent)),
            Err(error) if name == wanted => return Err(error),
            Err(error) => AgentEntry::Unavailable(error_text(&error)),
        };
        entries.insert(name.to_owned(), entry);
    }
    Ok(entries)
}

/// Prepares one agent: a configured or built-in one, else the program of that name.
pub fn prepare_named(
    config: &Config,
    environment: &Environment,
    executable: &Path,
    name: &str,
) -> Result<LaunchAgent, PrepareError> {
    let around = Surroundings {
        environment,
        executable,
        is_root: rustix::process::geteuid().is_root(),
    };
    if let Some(agent) = config.agent(name) {
        return prepare(name, agent, &around);
    }
    let mut program = AgentConfig::new(cl_config::AgentKind::Command);
    program.command = vec![name.to_owned()];
    prepare(name, &program, &around)
}

/// Returns every secret of the entries, for masking.
pub fn secret_values(entries: &BTreeMap<String, AgentEntry>) -> Vec<SecretString> {
    let ready = entries.values().filter_map(|entry| match entry {
        AgentEntry::Ready(agent) => Some(agent),
        AgentEntry::Unavailable(_) => None,
    });
    ready
        .flat_map(|agent| agent.token.iter().chain(agent.secret_env.values()))
        .cloned()
        .map(SecretString::from)
        .collect()
}

/// Returns the variables whose names and values are text.
pub(crate) fn text_variables(environment: &Environment) -> BTreeMap<String, String> {
    environment
        .variables()
        .filter_map(|(name, value)| Some((name.to_str()?.to_owned(), value.to_str()?.to_owned())))
        .collect()
}

/// Returns an error and its causes as one line.
pub fn error_text(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

fn prepare(
    name: &str,
    agent: &AgentConfig,
    around: &Surroundings<'_>,
) -> Result<LaunchAgent, PrepareError> {
    let spec = cl_agent::resolve(name, agent, around)?;
    let token = agent
        .token
        .as_ref()
        .map(cl_config::AgentToken::read)
        .transpose();
    let token = token.map_err(|source| PrepareError::Token {
        agent: name.to_owned(),
        source,
    })?;
    let secret = |value: &SecretString| value.expose_secret().to_owned();
    Ok(LaunchAgent {
        spec,
        token: token.as_ref().map(secret),
        token_source: agent.token.as_ref().map(|token| token.source().clone()),
        secret_env: agent
            .env
            .iter()
            .filter(|(_, value)| value.is_secret)
            .map(|(name, value)| (name.clone(), secret(&value.value)))
            .collect(),
        account: agent.account.clone().unwrap_or_else(|| name.to_owned()),
    })
}
