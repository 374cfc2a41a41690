//! What environment variables set, over what the file says.

use std::path::PathBuf;

use cl_storage::redact::MASK;
use secrecy::SecretString;

use crate::agent::AgentConfig;
use crate::environment::Environment;
use crate::error::{Place, Problem};
use crate::origin::{Origin, Origins};
use crate::read::Outcome;
use crate::search;
use crate::secret::{AgentToken, SecretSource, token_variable};

/// Lays the environment over `outcome`; returns `CONDUCTOR_ROOT`, absolute.
pub(crate) fn apply(outcome: &mut Outcome, environment: &Environment) -> Option<PathBuf> {
    apply_tokens(outcome, environment);
    apply_api(outcome, environment);
    root(outcome, environment)
}

fn apply_tokens(outcome: &mut Outcome, environment: &Environment) {
    let config = &mut outcome.config;
    for (name, agent) in &mut config.agents {
        apply_token(&mut outcome.origins, environment, name, agent);
    }
    for (name, agent) in &mut config.built_in {
        // A configured agent of that name hides the built-in one.
        if !config.agents.contains_key(*name) {
            apply_token(&mut outcome.origins, environment, name, agent);
        }
    }
}

fn apply_token(
    origins: &mut Origins,
    environment: &Environment,
    name: &str,
    agent: &mut AgentConfig,
) {
    let variable = token_variable(name);
    let value = environment.get(&variable).map(str::trim);
    let Some(value) = value.filter(|value| !value.is_empty()) else {
        return;
    };
    let key = format!("agents.{name}.token");
    origins.remove(&format!("agents.{name}.token_file"));
    origins.set(key, MASK.to_owned(), Origin::Variable(variable.clone()));
    agent.token = Some(AgentToken::known(
        SecretSource::Variable(variable),
        SecretString::from(value.to_owned()),
    ));
}

fn apply_api(outcome: &mut Outcome, environment: &Environment) {
    let api = &mut outcome.config.api;
    let origins = &mut outcome.origins;
    let mut set = |key: &str, shown: &str, variable: &str| {
        let origin = Origin::Variable(variable.to_owned());
        origins.set(key.to_owned(), shown.to_owned(), origin);
    };
    if let Some(host) = environment.get("CONDUCTOR_HOST") {
        host.trim().clone_into(&mut api.host);
        set("api.host", &api.host, "CONDUCTOR_HOST");
    }
    if let Some(key) = environment.get("CONDUCTOR_API_KEY") {
        api.api_key = Some(SecretString::from(key.trim().to_owned()));
        api.auth_enabled = true;
        set("api.api_key", MASK, "CONDUCTOR_API_KEY");
        set("api.auth_enabled", "true", "CONDUCTOR_API_KEY");
    }
    if let Some(text) = environment.get("CONDUCTOR_PORT") {
        match text.trim().parse::<u16>() {
            // 0 stands for the default everywhere.
            Ok(0) => {}
            Ok(port) => {
                api.port = port;
                set("api.port", &port.to_string(), "CONDUCTOR_PORT");
            }
            Err(_) => outcome.problems.push(Problem {
                place: Place::Variable("CONDUCTOR_PORT".to_owned()),
                key: "api.port".to_owned(),
                message: format!("must be between 0 and 65535, got \"{text}\""),
                hint: None,
            }),
        }
    }
}

fn root(outcome: &mut Outcome, environment: &Environment) -> Option<PathBuf> {
    let value = environment.get_os("CONDUCTOR_ROOT")?;
    let Some(text) = value.to_str() else {
        return Some(environment.current_dir().join(value));
    };
    search::expand(text, environment.current_dir(), environment)
        .map_err(|message| {
            outcome.problems.push(Problem {
                place: Place::Variable("CONDUCTOR_ROOT".to_owned()),
                key: "storage.runs_dir".to_owned(),
                message,
                hint: None,
            });
        })
        .ok()
}
