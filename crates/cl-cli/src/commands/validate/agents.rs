//! Checking the agents: their programs, versions and tokens.

use std::path::Path;

use cl_agent::{ProgramStamp, ResolveError, Surroundings, VersionCache, version_warning};
use cl_config::{
    AgentChoice, AgentKind, ChosenBy, Loaded, TokenState, select_agent, token_reports,
};
use cl_storage::Root;
use serde::Serialize;

use super::{Finding, Level};
use crate::args::ValidateArgs;
use crate::context::Context;
use crate::error::CliError;

/// What is known about one agent.
#[derive(Debug, Serialize)]
pub(super) struct AgentReport {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    /// Whether it is used when none is named.
    default: bool,
    /// Whether it is in the config file.
    configured: bool,
    /// Whether it could be started.
    found: bool,
    program: Option<String>,
    /// What the program said of its version when it last ran; none if it never did.
    version: Option<String>,
    token: TokenFact,
}

/// Where an agent's token comes from, never what it is.
#[derive(Debug, Serialize)]
struct TokenFact {
    source: Option<String>,
    /// `not_configured`, `usable`, `exposed`, `unusable` or `not_checked`.
    state: &'static str,
}

impl std::fmt::Display for AgentReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mark = if self.found { "✓" } else { "✗" };
        let (name, kind) = (&self.name, &self.kind);
        let version = self.version.as_deref().unwrap_or("version not known yet");
        let program = match (&self.program, self.found) {
            (Some(program), _) => program.as_str(),
            (None, true) => "built in",
            (None, false) => "not found",
        };
        let token = match &self.token.source {
            Some(source) => format!("token: {source} ({})", self.token.state),
            None => "token: its own login".to_owned(),
        };
        write!(f, "{mark} {name} ({kind}): {program}, {version}, {token}")?;
        if self.default {
            f.write_str(", default")?;
        }
        Ok(())
    }
}

/// Looks at the agents that are configured and at those that need no configuration.
pub(super) fn look(
    ctx: &Context,
    args: &ValidateArgs,
    loaded: &Loaded,
    root: Option<&Root>,
    findings: &mut Vec<Finding>,
) -> Result<Vec<AgentReport>, CliError> {
    let config = &loaded.config;
    let named = args.agent.as_deref();
    let chosen = match select_agent(config, named, &ctx.environment) {
        Ok(choice) => Some(choice),
        Err(error) if named.is_some() => {
            return Err(CliError::not_found(error.to_string())
                .hint("`run-agent validate` without --agent lists the agents"));
        }
        Err(error) => {
            findings.push(Finding::new(Level::Error, "agents", error.to_string()));
            None
        }
    };
    let mut choices: Vec<AgentChoice> = match (&chosen, named) {
        (Some(choice), Some(_)) => vec![choice.clone()],
        _ => config.agents.iter().map(configured).collect(),
    };
    if named.is_none() {
        let missing = AgentKind::BUILT_IN.into_iter().filter_map(|kind| {
            let agent = config.agent(kind.as_str())?;
            let is_new = !config.agents.contains_key(kind.as_str());
            is_new.then(|| configured((&kind.as_str().to_owned(), agent)))
        });
        choices.extend(missing);
    }
    let executable = std::env::current_exe().map_err(|error| {
        CliError::failed("could not find this program's own file").caused_by(error)
    })?;
    let cache = root.map(|root| root.conductor_folder().join("agent-versions.json"));
    let cache = cache.map(|path| VersionCache::load(&path));
    let looker = Looker {
        ctx,
        loaded,
        executable: &executable,
        versions: cache.unwrap_or_default(),
        default: chosen.map(|choice| choice.name),
        checks_tokens: args.check_tokens,
        is_named: named.is_some(),
    };
    Ok(choices
        .iter()
        .map(|choice| looker.look(choice, findings))
        .collect())
}

fn configured((name, agent): (&String, &cl_config::AgentConfig)) -> AgentChoice {
    AgentChoice {
        name: name.clone(),
        agent: agent.clone(),
        by: ChosenBy::Request,
    }
}

struct Looker<'a> {
    ctx: &'a Context,
    loaded: &'a Loaded,
    executable: &'a Path,
    versions: VersionCache,
    default: Option<String>,
    checks_tokens: bool,
    is_named: bool,
}

impl Looker<'_> {
    fn look(&self, choice: &AgentChoice, findings: &mut Vec<Finding>) -> AgentReport {
        let name = &choice.name;
        let is_configured = self.loaded.config.agents.contains_key(name);
        let is_default = self.default.as_ref() == Some(name);
        let matters = is_default || self.is_named;
        let around = Surroundings {
            environment: &self.ctx.environment,
            executable: self.executable,
            is_root: rustix::process::geteuid().is_root(),
        };
        let resolved = cl_agent::resolve(name, &choice.agent, &around);
        let found = resolved.is_ok();
        let mut program = None;
        let mut version = None;
        match resolved {
            Ok(spec) if spec.kind == cl_agent::AgentKind::Scripted => {}
            Ok(spec) if spec.kind.is_service() => {
                let token = self.key_missing(&spec, &choice.agent);
                let level = if matters {
                    Level::Error
                } else {
                    Level::Warning
                };
                findings.extend(token.map(|text| Finding::new(level, name, text)));
            }
            Ok(spec) if spec.kind == cl_agent::AgentKind::Acp => {
                // The program of the run is our own worker.
                program = spec.args.first().cloned();
            }
            Ok(spec) => {
                program = Some(spec.program.display().to_string());
                version = ProgramStamp::of(&spec.program)
                    .ok()
                    .and_then(|stamp| self.versions.get(&spec.program, &stamp))
                    .map(str::to_owned);
                let old = version
                    .as_deref()
                    .and_then(|text| version_warning(spec.kind, text));
                findings.extend(old.map(|text| Finding::new(Level::Warning, name, text)));
            }
            Err(error) => {
                let level = match (matters, is_configured) {
                    (true, _) => Level::Error,
                    (false, true) => Level::Warning,
                    (false, false) => Level::Info,
                };
                let text = match error {
                    // Nobody has asked for this agent: where it was looked for is noise.
                    ResolveError::ProgramMissing { program, hint, .. } if level == Level::Info => {
                        format!("{program} is not installed; {hint}")
                    }
                    error => CliError::failed("it cannot be started")
                        .caused_by(error)
                        .chain(),
                };
                findings.push(Finding::new(level, name, text));
            }
        }
        AgentReport {
            name: name.clone(),
            kind: choice.agent.kind.as_str().to_owned(),
            default: is_default,
            configured: is_configured,
            found,
            program,
            version,
            token: self.token(name, matters, findings),
        }
    }

    /// Says what an agent that is a service lacks: it has no login of its own.
    fn key_missing(
        &self,
        spec: &cl_agent::AgentSpec,
        agent: &cl_config::AgentConfig,
    ) -> Option<String> {
        let variable = spec.token_var()?;
        let is_there = agent.token.is_some()
            || agent.env.contains_key(variable)
            || self.ctx.environment.get(variable).is_some();
        (!is_there).then(|| {
            format!("it has no key; set `token_file` or `token` of this agent, or the variable {variable}")
        })
    }

    fn token(&self, name: &str, matters: bool, findings: &mut Vec<Finding>) -> TokenFact {
        let source = self
            .loaded
            .config
            .agent(name)
            .and_then(|agent| agent.token.as_ref())
            .map(|token| token.source().to_string());
        if source.is_some() && !self.checks_tokens && !matters {
            return TokenFact {
                source,
                state: "not_checked",
            };
        }
        let report = token_reports(&self.loaded.config)
            .into_iter()
            .find(|report| report.agent == name);
        let state = match report.map(|report| report.state) {
            None | Some(TokenState::NotConfigured) => "not_configured",
            Some(TokenState::Usable) => "usable",
            Some(TokenState::Exposed { mode }) => {
                let text = format!(
                    "its token file can be read by other users (mode {mode:03o}); `chmod 600` prevents that"
                );
                findings.push(Finding::new(Level::Warning, name, text));
                "exposed"
            }
            Some(TokenState::Unusable(error)) => {
                let level = if matters {
                    Level::Error
                } else {
                    Level::Warning
                };
                let error = CliError::failed("its token cannot be had").caused_by(error);
                findings.push(Finding::new(level, name, error.chain()));
                "unusable"
            }
            Some(_) => "not_checked",
        };
        TokenFact { source, state }
    }
}
