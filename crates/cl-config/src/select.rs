//! Choosing the agent for a run.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use crate::agent::{AgentConfig, AgentKind};
use crate::environment::Environment;
use crate::model::Config;

/// The agent chosen for a run.
#[derive(Debug, Clone)]
pub struct AgentChoice {
    /// Its name: a key of `agents`, or that of a built-in agent.
    pub name: String,
    /// Its settings.
    pub agent: AgentConfig,
    /// Why it was chosen.
    pub by: ChosenBy,
}

/// Why an agent was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChosenBy {
    /// It was asked for by name or type.
    Request,
    /// It is `defaults.agent`.
    Default,
    /// It is the alphabetically first one configured.
    FirstConfigured,
    /// Nothing is configured, and it is the first one found on the search path.
    FoundOnPath,
}

/// Why no agent could be chosen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SelectAgentError {
    /// No agent has this name or type.
    #[error("unknown agent \"{requested}\"; known: {}", known.join(", "))]
    Unknown {
        /// What was asked for.
        requested: String,
        /// The names that would do.
        known: Vec<String>,
    },
    /// A blank name was asked for.
    #[error("agent name is empty")]
    Empty,
    /// Nothing was asked for and nothing is there.
    #[error(
        "no agent configured and none of claude, codex, gemini, opencode, qwen found on PATH; \
         install one of them or describe an agent under \"agents\" in a config file"
    )]
    NoneFound,
}

/// Chooses the agent `requested`, or the one that is used when none is named.
///
/// A request is met by the agent of exactly that name, else by the
/// alphabetically first one of that type, else by a built-in one. Without
/// a request, `defaults.agent`, then the alphabetically first configured agent, then
/// the first of [`AgentKind::GUESSED`] found on the search path.
pub fn select_agent(
    config: &Config,
    requested: Option<&str>,
    environment: &Environment,
) -> Result<AgentChoice, SelectAgentError> {
    if let Some(requested) = requested {
        return find(config, requested, ChosenBy::Request);
    }
    if let Some(default) = &config.defaults.agent {
        return find(config, default, ChosenBy::Default);
    }
    if let Some((name, agent)) = config.agents.first_key_value() {
        return Ok(choice(name, agent, ChosenBy::FirstConfigured));
    }
    AgentKind::GUESSED
        .into_iter()
        .find(|kind| find_on_path(kind.as_str(), environment).is_some())
        .and_then(|kind| Some((kind, config.built_in.get(kind.as_str())?)))
        .map(|(kind, agent)| choice(kind.as_str(), agent, ChosenBy::FoundOnPath))
        .ok_or(SelectAgentError::NoneFound)
}

fn find(config: &Config, requested: &str, by: ChosenBy) -> Result<AgentChoice, SelectAgentError> {
    let requested = requested.trim();
    if requested.is_empty() {
        return Err(SelectAgentError::Empty);
    }
    if let Some(agent) = config.agents.get(requested) {
        return Ok(choice(requested, agent, by));
    }
    let kind = AgentKind::from_name(requested);
    if let Some((name, agent)) = config
        .agents
        .iter()
        .find(|(_, agent)| Some(agent.kind) == kind)
    {
        return Ok(choice(name, agent, by));
    }
    if let Some((name, agent)) = kind.and_then(|kind| config.built_in.get_key_value(kind.as_str()))
    {
        return Ok(choice(name, agent, by));
    }
    Err(SelectAgentError::Unknown {
        requested: requested.to_owned(),
        known: known_names(config),
    })
}

fn choice(name: &str, agent: &AgentConfig, by: ChosenBy) -> AgentChoice {
    AgentChoice {
        name: name.to_owned(),
        agent: agent.clone(),
        by,
    }
}

fn known_names(config: &Config) -> Vec<String> {
    let mut names: Vec<_> = config.agents.keys().cloned().collect();
    names.extend(AgentKind::BUILT_IN.map(|kind| kind.as_str().to_owned()));
    names.sort();
    names.dedup();
    names
}

/// Returns the executable file that `program` names, or none.
///
/// A name with a slash is a path, relative to the current folder; any other is
/// looked for in the folders of `PATH`.
pub fn find_on_path(program: &str, environment: &Environment) -> Option<PathBuf> {
    let is_executable = |path: &PathBuf| {
        path.metadata()
            .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    };
    let current = environment.current_dir();
    if program.is_empty() {
        return None;
    }
    if program.contains('/') {
        return Some(current.join(program)).filter(is_executable);
    }
    std::env::split_paths(environment.get_os("PATH")?)
        .map(|folder| current.join(folder).join(program))
        .find(is_executable)
}
