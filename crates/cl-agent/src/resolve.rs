//! From a config entry to an agent that can be started.

use std::path::{Path, PathBuf};
use std::time::Duration;

use cl_config::{AgentConfig, Environment, OutputFormat, find_on_path};
use secrecy::ExposeSecret as _;

use crate::acp;
use crate::adapter::{adapter, copilot};
use crate::kind::{AgentKind, Dialect, LeftOut};
use crate::scripted::{Script, ScriptError};
use crate::spec::AgentSpec;
use crate::stream::JsonlMapping;

/// How many bytes of a script are read at the most.
const LARGEST_SCRIPT: u64 = 16 * 1024 * 1024;

/// What the machine looks like to [`resolve`].
#[derive(Debug, Clone, Copy)]
pub struct Surroundings<'a> {
    /// The environment that agents would inherit from; its `PATH` is searched.
    pub environment: &'a Environment,
    /// The running executable, which is also the scripted agent.
    pub executable: &'a Path,
    /// Whether agents would run as the superuser.
    pub is_root: bool,
}

/// Why an agent cannot be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// This build cannot run its type.
    #[error("agent \"{agent}\" cannot be used")]
    Kind {
        /// Name of the agent.
        agent: String,
        /// Which type.
        source: LeftOut,
    },
    /// The program is not there.
    #[error("agent \"{agent}\": program \"{program}\" was not found in PATH ({path}); {hint}")]
    ProgramMissing {
        /// Name of the agent.
        agent: String,
        /// The program that was looked for.
        program: String,
        /// The `PATH` that was searched.
        path: String,
        /// What to do about it.
        hint: String,
    },
    /// The program is named by its path, and there is no executable file.
    #[error("agent \"{agent}\": {} is not an executable file; {hint}", program.display())]
    NotExecutable {
        /// Name of the agent.
        agent: String,
        /// The path.
        program: PathBuf,
        /// What to do about it.
        hint: String,
    },
    /// Something that this kind cannot do without is not configured.
    #[error("agent \"{agent}\" of type {kind} needs `{key}` in the config")]
    KeyMissing {
        /// Name of the agent.
        agent: String,
        /// Its kind.
        kind: AgentKind,
        /// The missing key.
        key: &'static str,
    },
    /// The script of a scripted agent cannot be read.
    #[error("agent \"{agent}\": could not read the script {}", script.display())]
    ScriptUnreadable {
        /// Name of the agent.
        agent: String,
        /// The path.
        script: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The script of a scripted agent is not one.
    #[error("agent \"{agent}\": {} is not a script", script.display())]
    ScriptInvalid {
        /// Name of the agent.
        agent: String,
        /// The path.
        script: PathBuf,
        /// What is wrong with it.
        #[source]
        source: ScriptError,
    },
    /// The program refuses to run as root.
    #[error(
        "agent \"{agent}\": {kind} refuses to run unattended as root unless {switch}=1 says that this machine is a sandbox; set it in the environment or under `agents.{agent}.env`, or run as another user"
    )]
    RefusesRoot {
        /// Name of the agent.
        agent: String,
        /// Its kind.
        kind: AgentKind,
        /// The variable that allows it.
        switch: &'static str,
    },
}

/// Makes an agent concrete: finds its program and checks what would fail later.
///
/// Everything of `config` is taken over except its secrets, whose names only stand
/// in the result.
pub fn resolve(
    agent: &str,
    config: &AgentConfig,
    around: &Surroundings<'_>,
) -> Result<AgentSpec, ResolveError> {
    let kind = config.kind;
    check_built(agent, kind, acp::IS_BUILT)?;
    let table = adapter(kind);
    let (script, script_dialect) = find_script(agent, config, kind)?;
    let (secret_env, env): (Vec<_>, Vec<_>) =
        config.env.iter().partition(|(_, value)| value.is_secret);
    let program = find_program(agent, config, kind, around)?;
    let mut spec = AgentSpec {
        name: agent.to_owned(),
        kind,
        program,
        prompt: match kind {
            AgentKind::Command => config.prompt,
            _ => table.prompt,
        },
        dialect: match (kind, config.output) {
            (AgentKind::Command, OutputFormat::Jsonl) => Dialect::Jsonl,
            _ => script_dialect.unwrap_or(table.dialect),
        },
        command_args: config.command.get(1..).unwrap_or_default().to_vec(),
        args: config.args.clone(),
        model: config.model.clone(),
        base_url: config.base_url.clone(),
        mapping: (kind == AgentKind::Command && config.output == OutputFormat::Jsonl)
            .then(|| JsonlMapping::from(&config.output_map)),
        env: env
            .into_iter()
            .map(|(name, value)| (name.clone(), value.value.expose_secret().to_owned()))
            .collect(),
        secret_env: secret_env
            .into_iter()
            .map(|(name, _)| name.clone())
            .collect(),
        inherit_env: config.inherit_env.clone(),
        token_vars: token_vars(config, kind, around.environment),
        is_keyed: config.token.is_some()
            || config.base_url.is_some()
            || table
                .token_vars
                .iter()
                .any(|var| config.env.contains_key(*var)),
        is_plain: false,
        script,
        resume_args: config.resume_args.clone(),
        model_args: config.model_args.clone(),
        version_args: version_args(config, kind),
        timeout_ms: config
            .timeout
            .map(|timeout: Duration| u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX)),
    };
    if kind == AgentKind::Acp {
        lend_to_worker(&mut spec, config, around);
    }
    check_root(&spec, around)?;
    Ok(spec)
}

/// Refuses a kind that this build was made without.
fn check_built(agent: &str, kind: AgentKind, has_acp: bool) -> Result<(), ResolveError> {
    if kind != AgentKind::Acp || has_acp {
        return Ok(());
    }
    Err(ResolveError::Kind {
        agent: agent.to_owned(),
        source: LeftOut(kind.as_str()),
    })
}

/// Makes the worker the program, and the agent's program its argument.
fn lend_to_worker(spec: &mut AgentSpec, config: &AgentConfig, around: &Surroundings<'_>) {
    let agent = std::mem::replace(&mut spec.program, around.executable.to_owned());
    let words = std::mem::replace(&mut spec.command_args, vec![acp::SUB_COMMAND.to_owned()]);
    if let Some(mode) = &config.mode {
        spec.command_args
            .extend(["--mode".to_owned(), mode.clone()]);
    }
    if !config.allows_permissions {
        let flags = ["--permissions", "reject"].map(str::to_owned);
        spec.command_args.extend(flags);
    }
    spec.args = std::iter::once(agent.to_string_lossy().into_owned())
        .chain(words)
        .chain(config.args.iter().cloned())
        .collect();
}

fn check_root(spec: &AgentSpec, around: &Surroundings<'_>) -> Result<(), ResolveError> {
    let Some(switch) = spec.adapter().root_switch.filter(|_| around.is_root) else {
        return Ok(());
    };
    let value = spec
        .env
        .get(switch)
        .map(String::as_str)
        .or_else(|| around.environment.get(switch));
    if value.is_some_and(|value| value.trim() == "1") {
        return Ok(());
    }
    Err(ResolveError::RefusesRoot {
        agent: spec.name.clone(),
        kind: spec.kind,
        switch,
    })
}

/// Returns the variables that the program takes its token from, as it is set up here.
fn token_vars(config: &AgentConfig, kind: AgentKind, environment: &Environment) -> Vec<String> {
    let table = adapter(kind);
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    if table.token_by_provider
        && let Some((provider, _)) = config.model.as_deref().and_then(|m| m.split_once('/'))
    {
        return provider_token_vars(provider);
    }
    let is_own_provider = || {
        config.base_url.is_some()
            || config.env.contains_key(copilot::PROVIDER_URL)
            || environment.get(copilot::PROVIDER_URL).is_some()
    };
    if kind == AgentKind::Copilot && is_own_provider() {
        return names(&[copilot::PROVIDER_TOKEN]);
    }
    names(table.token_vars)
}

/// Returns where programs with many providers look for the token of one.
///
/// Nearly all of them are called `<PROVIDER>_API_KEY`.
fn provider_token_vars(provider: &str) -> Vec<String> {
    let names: &[&str] = match provider {
        "google" => &["GEMINI_API_KEY", "GOOGLE_GENERATIVE_AI_API_KEY"],
        "github-copilot" => &["COPILOT_GITHUB_TOKEN"],
        "kimi-coding" => &["KIMI_API_KEY"],
        "vercel" | "vercel-ai-gateway" => &["AI_GATEWAY_API_KEY"],
        _ => {
            let name = provider.chars().map(|c| match c {
                c if c.is_ascii_alphanumeric() => c.to_ascii_uppercase(),
                _ => '_',
            });
            return vec![format!("{}_API_KEY", name.collect::<String>())];
        }
    };
    names.iter().map(|&name| name.to_owned()).collect()
}

/// The config's arguments count for `command` agents; the others have their table.
fn version_args(config: &AgentConfig, kind: AgentKind) -> Vec<String> {
    match kind {
        AgentKind::Command => config.version_args.clone(),
        _ => adapter(kind)
            .version_args
            .iter()
            .map(|&arg| arg.to_owned())
            .collect(),
    }
}

fn find_program(
    agent: &str,
    config: &AgentConfig,
    kind: AgentKind,
    around: &Surroundings<'_>,
) -> Result<PathBuf, ResolveError> {
    if kind == AgentKind::Scripted || kind.is_service() {
        return Ok(around.executable.to_owned());
    }
    let table = adapter(kind);
    let program = match config.command.first().map(String::as_str) {
        Some(program) => program,
        None if table.program.is_empty() => {
            return Err(ResolveError::KeyMissing {
                agent: agent.to_owned(),
                kind,
                key: "command",
            });
        }
        None => table.program,
    };
    let environment = around.environment;
    if let Some(found) = find_on_path(program, environment) {
        return Ok(found);
    }
    let hint = format!(
        "{}, or set `agents.{agent}.command` to its path",
        table.install_hint
    );
    Err(if program.contains('/') {
        ResolveError::NotExecutable {
            agent: agent.to_owned(),
            program: environment.current_dir().join(program),
            hint,
        }
    } else {
        ResolveError::ProgramMissing {
            agent: agent.to_owned(),
            program: program.to_owned(),
            path: environment.get("PATH").unwrap_or_default().to_owned(),
            hint,
        }
    })
}

/// Reads a file that is small if it is a script at all.
fn read_script(path: &Path) -> std::io::Result<String> {
    use std::io::Read as _;
    let mut text = String::new();
    let file = std::fs::File::open(path)?;
    file.take(LARGEST_SCRIPT + 1).read_to_string(&mut text)?;
    if text.len() as u64 > LARGEST_SCRIPT {
        return Err(std::io::Error::other("it is larger than 16 MiB"));
    }
    Ok(text)
}

/// Reads the script once, so that a mistake in it is found before anything starts.
fn find_script(
    agent: &str,
    config: &AgentConfig,
    kind: AgentKind,
) -> Result<(Option<PathBuf>, Option<Dialect>), ResolveError> {
    if kind != AgentKind::Scripted {
        return Ok((None, None));
    }
    let Some(path) = &config.script else {
        return Err(ResolveError::KeyMissing {
            agent: agent.to_owned(),
            kind,
            key: "script",
        });
    };
    let text = read_script(path).map_err(|source| ResolveError::ScriptUnreadable {
        agent: agent.to_owned(),
        script: path.clone(),
        source,
    })?;
    let script = Script::parse(&text).map_err(|source| ResolveError::ScriptInvalid {
        agent: agent.to_owned(),
        script: path.clone(),
        source,
    })?;
    Ok((Some(path.clone()), Some(script.dialect())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_that_was_left_out_says_how_to_build_it() {
        assert!(check_built("a", AgentKind::Acp, true).is_ok());
        assert!(check_built("a", AgentKind::Claude, false).is_ok());
        let error = check_built("a", AgentKind::Acp, false).unwrap_err();
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains("--features acp"), "{error}: {cause}");
    }
}
