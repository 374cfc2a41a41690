//! One try of one delivery.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use cl_agent::rest::tls;
use cl_config::{Config, Environment, Flags, Webhook, WebhookFormat};
use cl_storage::digest::hmac_sha256_hex;
use cl_storage::redact::Redactor;
use cl_storage::spool::{Delivery, Target};
use secrecy::ExposeSecret as _;
use tokio::process::Command;
use tokio::time::timeout;

use super::event::slack;

/// Why a try failed, without secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failed {
    pub(super) why: String,
    /// Whether another try can help.
    pub(super) can_repeat: bool,
}

impl Failed {
    fn passing(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            can_repeat: true,
        }
    }
}

/// Tries to deliver once. Bounded by the configured time.
pub(super) async fn deliver(delivery: &Delivery, environment: &Environment) -> Result<(), Failed> {
    let config = load(&delivery.config, environment)?;
    match delivery.target {
        Target::Webhook => {
            let hook = config
                .webhook
                .as_ref()
                .ok_or_else(|| gone("webhook.url", delivery))?;
            post(hook, delivery, environment).await
        }
        Target::Command => {
            let command = config.notify.command.as_deref();
            let command = command.ok_or_else(|| gone("notify.command", delivery))?;
            let env = hook_environment(&config.notify.inherit_env, environment);
            run(command, config.notify.timeout, delivery, &env).await
        }
    }
}

/// Settings may be in the middle of a change, so this passes.
fn load(path: &Path, environment: &Environment) -> Result<Config, Failed> {
    let flags = Flags::new(Some(path.to_owned()));
    cl_config::load(&flags, environment)
        .map(|loaded| loaded.config)
        .map_err(|_| Failed::passing(format!("{} cannot be read", path.display())))
}

fn gone(key: &str, delivery: &Delivery) -> Failed {
    Failed::passing(format!(
        "{} says nothing of {key} any more",
        delivery.config.display()
    ))
}

async fn post(
    hook: &Webhook,
    delivery: &Delivery,
    environment: &Environment,
) -> Result<(), Failed> {
    let invalid = |why: String| Failed {
        why,
        can_repeat: false,
    };
    let url = reqwest::Url::parse(hook.url.expose_secret())
        .map_err(|_| invalid("the address is not one".to_owned()))?;
    let place = place(&url);
    let ca_files: Vec<String> = tls::CA_VARIABLES
        .iter()
        .filter_map(|name| environment.get(name).map(str::to_owned))
        .collect();
    let client = tls::client(&url, &ca_files, "conductor-loop/1.0").map_err(Failed::passing)?;
    let body = match hook.format {
        WebhookFormat::Conductor => delivery.payload.to_string(),
        WebhookFormat::Slack => slack(&delivery.payload).to_string(),
    };
    let mut request = client
        .post(url.clone())
        .timeout(hook.timeout)
        .header("Content-Type", "application/json")
        .header("X-Conductor-Delivery", &delivery.id);
    if let Some(secret) = &hook.secret {
        let code = hmac_sha256_hex(secret.expose_secret().as_bytes(), body.as_bytes());
        request = request.header("X-Conductor-Signature", format!("sha256={code}"));
    }
    match request.body(body).send().await {
        Ok(response) if response.status().is_success() => Ok(()),
        Ok(response) => {
            let status = response.status().as_u16();
            Err(Failed {
                why: format!("{place} answered with status {status}"),
                can_repeat: matches!(status, 408 | 429 | 500..=599),
            })
        }
        Err(error) => {
            let redactor = Redactor::new(hook.secret.clone());
            let why = format!("{place}: {}", tls::causes(&error));
            Err(Failed::passing(redactor.redact(&why)))
        }
    }
}

/// Returns an address as it may be shown: paths of chat services are secrets, too.
fn place(url: &reqwest::Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let port = url
        .port()
        .map(|port| format!(":{port}"))
        .unwrap_or_default();
    format!("{}://{host}{port}", url.scheme())
}

/// Returns what the command may know: no agent's token and nothing of a run.
///
/// Who happens to start the sender must not decide what it finds.
fn hook_environment(inherit: &[String], environment: &Environment) -> BTreeMap<String, String> {
    cl_agent::environment_of_hook(&crate::launch_text_variables(environment), inherit)
}

async fn run(
    command: &str,
    limit: Duration,
    delivery: &Delivery,
    env: &BTreeMap<String, String>,
) -> Result<(), Failed> {
    use tokio::io::AsyncWriteExt as _;
    let text = |error: std::io::Error| Failed::passing(format!("the command: {error}"));
    let mut line = Command::new("/bin/sh");
    line.args(["-c", command])
        .env_clear()
        .envs(env)
        .env(
            "CONDUCTOR_EVENT",
            delivery.payload["event"].as_str().unwrap_or_default(),
        )
        .env("CONDUCTOR_DELIVERY", &delivery.id)
        .current_dir(delivery.config.parent().unwrap_or(Path::new("/")))
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .process_group(0)
        .kill_on_drop(true);
    let mut child = line.spawn().map_err(text)?;
    let group = child.id().and_then(|pid| i32::try_from(pid).ok());
    let stdin = child.stdin.take();
    let told = async {
        if let Some(mut stdin) = stdin {
            // A command that does not want to know does not read.
            stdin
                .write_all(format!("{}\n", delivery.payload).as_bytes())
                .await
                .unwrap_or_default();
        }
        child.wait().await
    };
    match timeout(limit, told).await {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(Failed::passing(format!("the command ended with {status}"))),
        Ok(Err(error)) => Err(text(error)),
        Err(_) => {
            // Not reaped yet, so the number is still that of our child's group.
            if let Some(pid) = group.and_then(rustix::process::Pid::from_raw) {
                rustix::process::kill_process_group(pid, rustix::process::Signal::KILL)
                    .unwrap_or_default();
            }
            Err(Failed::passing(format!(
                "the command took longer than {limit:?}"
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_of_an_address_holds_no_secret() {
        for (url, shown) in [
            (
                "https://user:canary@h.example/services/canary?key=canary",
                "https://h.example",
            ),
            ("http://127.0.0.1:81/x", "http://127.0.0.1:81"),
        ] {
            assert_eq!(place(&reqwest::Url::parse(url).unwrap()), shown);
        }
    }
}
