//! Tokens and other secrets: where they come from, and how to get at them.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use crate::agent::AgentConfig;
use crate::environment::Environment;
use crate::model::Config;

/// Where a secret can be found again; holds no secret itself.
///
/// This is what launch records keep, so that a resumed task gets its secrets
/// without any file of ours holding them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SecretSource {
    /// In the config file, at this dotted key.
    Inline(String),
    /// In a file of its own.
    File(PathBuf),
    /// In an environment variable.
    Variable(String),
}

impl std::fmt::Display for SecretSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Inline(key) => write!(f, "config key {key}"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Variable(name) => write!(f, "variable {name}"),
        }
    }
}

/// An agent's token: its source and, unless it is a file, its value.
///
/// `Debug` prints the source only.
#[derive(Clone)]
pub struct AgentToken {
    source: SecretSource,
    value: Option<SecretString>,
}

impl AgentToken {
    /// Returns a token whose value is known.
    pub fn known(source: SecretSource, value: SecretString) -> Self {
        Self {
            source,
            value: Some(value),
        }
    }

    /// Returns a token that stands in a file, which is read when it is needed.
    pub fn in_file(path: PathBuf) -> Self {
        Self {
            source: SecretSource::File(path),
            value: None,
        }
    }

    /// Returns where the token comes from.
    pub fn source(&self) -> &SecretSource {
        &self.source
    }

    /// Returns the token itself, reading its file if it is in one.
    pub fn read(&self) -> Result<SecretString, TokenError> {
        match (&self.value, &self.source) {
            (Some(value), _) => Ok(value.clone()),
            (None, SecretSource::File(path)) => read_token_file(path),
            (None, source) => Err(TokenError::Unset(source.clone())),
        }
    }
}

impl std::fmt::Debug for AgentToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AgentToken")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

/// Why a secret could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The token file cannot be read.
    #[error("could not read token file {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The token file is a folder, a device or the like.
    #[error("token file {} is not a regular file", .0.display())]
    NotRegular(PathBuf),
    /// The token file holds nothing but blanks.
    #[error("token file {} is empty", .0.display())]
    Empty(PathBuf),
    /// The variable or config key that held the secret is gone.
    #[error("{0} is not set")]
    Unset(SecretSource),
}

impl Config {
    /// Returns the token of the agent named `name`, reading its file if it is in one.
    ///
    /// None if the agent has no token configured or is not known: it then uses
    /// its own login.
    pub fn agent_token(&self, name: &str) -> Result<Option<SecretString>, TokenError> {
        match self.agent(name).and_then(|agent| agent.token.as_ref()) {
            Some(token) => token.read().map(Some),
            None => Ok(None),
        }
    }

    /// Returns every secret that is known, for masking.
    ///
    /// Token files that cannot be read are left out: what they hold is not known
    /// to this process either.
    pub fn all_secrets(&self) -> Vec<SecretString> {
        let agents = self.agents.values().chain(self.built_in.values());
        let mut secrets: Vec<SecretString> = agents.flat_map(agent_secrets).collect();
        secrets.extend(self.api.api_key.clone());
        if let Some(hook) = &self.webhook {
            secrets.extend(hook.secret.clone());
            secrets.push(hook.url.clone());
        }
        secrets
    }
}

fn agent_secrets(agent: &AgentConfig) -> Vec<SecretString> {
    let token = agent.token.as_ref().and_then(|token| token.read().ok());
    let variables = agent.env.values().filter(|value| value.is_secret);
    token
        .into_iter()
        .chain(variables.map(|value| value.value.clone()))
        .collect()
}

/// Finds the secret that `source` names again.
pub fn resolve_secret(
    source: &SecretSource,
    config: &Config,
    environment: &Environment,
) -> Result<SecretString, TokenError> {
    let found = match source {
        SecretSource::File(path) => return read_token_file(path),
        SecretSource::Variable(name) => environment
            .get(name)
            .map(|value| SecretString::from(value.trim().to_owned())),
        SecretSource::Inline(key) => config.inline_secret(key),
    };
    found.ok_or_else(|| TokenError::Unset(source.clone()))
}

impl Config {
    fn inline_secret(&self, key: &str) -> Option<SecretString> {
        match key {
            "api.api_key" => return self.api.api_key.clone(),
            "webhook.secret" => return self.webhook.as_ref()?.secret.clone(),
            _ => {}
        }
        let key = key.strip_prefix("agents.")?;
        if let Some(name) = key.strip_suffix(".token") {
            let token = self.agents.get(name)?.token.as_ref()?;
            return token.value.clone();
        }
        // Variable names hold no dots, agents' names may.
        let (agent, variable) = key.rsplit_once(".env.")?;
        let value = self.agents.get(agent)?.env.get(variable)?;
        Some(value.value.clone())
    }
}

/// What is known about one agent's token.
#[derive(Debug)]
pub struct TokenReport {
    /// The agent's name.
    pub agent: String,
    /// Where its token comes from; none if no token is configured.
    pub source: Option<SecretSource>,
    /// Whether it can be had.
    pub state: TokenState,
}

/// Whether a token can be had.
#[derive(Debug)]
#[non_exhaustive]
pub enum TokenState {
    /// None is configured: the agent uses its own login.
    NotConfigured,
    /// It is there.
    Usable,
    /// It is there, but others on this machine can read its file.
    Exposed {
        /// The permission bits of the file.
        mode: u32,
    },
    /// It cannot be had.
    Unusable(TokenError),
}

/// Checks the token of every configured agent, without showing any.
pub fn token_reports(config: &Config) -> Vec<TokenReport> {
    config
        .agents
        .iter()
        .map(|(name, agent)| TokenReport {
            agent: name.clone(),
            source: agent.token.as_ref().map(|token| token.source.clone()),
            state: agent
                .token
                .as_ref()
                .map_or(TokenState::NotConfigured, state),
        })
        .collect()
}

fn state(token: &AgentToken) -> TokenState {
    match (token.read(), &token.source) {
        (Err(error), _) => TokenState::Unusable(error),
        (Ok(_), SecretSource::File(path)) => match exposed_mode(path) {
            Some(mode) => TokenState::Exposed { mode },
            None => TokenState::Usable,
        },
        (Ok(_), _) => TokenState::Usable,
    }
}

/// Returns the variable that replaces the token of the agent named `name`.
pub fn token_variable(name: &str) -> String {
    let name: String = name
        .chars()
        .map(|c| match c.to_ascii_uppercase() {
            c if c.is_ascii_alphanumeric() => c,
            _ => '_',
        })
        .collect();
    format!("CONDUCTOR_AGENT_{name}_TOKEN")
}

/// Whether a key or variable of this name holds a secret.
pub(crate) fn is_secret_name(name: &str) -> bool {
    const WORDS: [&str; 7] = [
        "TOKEN",
        "KEY",
        "SECRET",
        "PASSWORD",
        "PASSWD",
        "CREDENTIAL",
        "AUTH",
    ];
    // Names of files and addresses hold none themselves.
    const ENDINGS: [&str; 5] = ["_FILE", "_PATH", "_DIR", "_URL", "_ENABLED"];
    let name = name.to_ascii_uppercase();
    WORDS.iter().any(|word| name.contains(word))
        && !ENDINGS.iter().any(|ending| name.ends_with(ending))
}

/// Returns the permission bits of `path` if group or others can read it.
pub(crate) fn exposed_mode(path: &Path) -> Option<u32> {
    let mode = fs::metadata(path).ok()?.permissions().mode() & 0o777;
    (mode & 0o044 != 0).then_some(mode)
}

fn read_token_file(path: &Path) -> Result<SecretString, TokenError> {
    let failed = |source| TokenError::Read {
        path: path.to_owned(),
        source,
    };
    // Looked at before it is opened: opening a pipe would wait for a writer.
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(TokenError::NotRegular(path.to_owned()));
    }
    let bytes = crate::load::read_bounded(path).map_err(failed)?;
    let text = String::from_utf8(bytes).map_err(|_| failed(io::Error::other("it is not UTF-8")))?;
    let content = SecretString::from(text);
    let token = content.expose_secret().trim();
    if token.is_empty() {
        return Err(TokenError::Empty(path.to_owned()));
    }
    Ok(SecretString::from(token.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_variables_hold_no_other_characters() {
        assert_eq!(token_variable("claude"), "CONDUCTOR_AGENT_CLAUDE_TOKEN");
        assert_eq!(
            token_variable("gpt-4.1_x"),
            "CONDUCTOR_AGENT_GPT_4_1_X_TOKEN"
        );
    }

    #[test]
    fn secrets_are_known_by_name() {
        for name in [
            "ANTHROPIC_API_KEY",
            "gh_token",
            "Password",
            "webhook_secret",
        ] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in ["RUST_LOG", "token_file", "AUTH_URL", "SSH_KEY_PATH", "PATH"] {
            assert!(!is_secret_name(name), "{name}");
        }
    }

    #[test]
    fn sources_survive_a_launch_record() {
        for source in [
            SecretSource::Inline("agents.a.token".to_owned()),
            SecretSource::File("/t".into()),
            SecretSource::Variable("V".to_owned()),
        ] {
            let text = cl_storage::yaml::to_text(&source).unwrap();
            let read: SecretSource = cl_storage::yaml::parse(&text).unwrap();
            assert_eq!(read, source, "{text}");
        }
    }
}
