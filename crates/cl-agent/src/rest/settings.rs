//! What the worker is to do, from its arguments and its environment.

use std::collections::BTreeMap;
use std::time::Duration;

use secrecy::SecretString;
use serde_json::{Value, json};

use super::endpoint::Service;
use super::{IDLE, IDLE_VARIABLE, TOTAL, TOTAL_VARIABLE};

/// One question to one service.
#[derive(Debug)]
pub struct Settings {
    pub(super) service: &'static Service,
    pub(super) url: reqwest::Url,
    pub(super) model: String,
    /// None is told as a failure of the run, which says how to provide one.
    pub(super) token: Option<SecretString>,
    /// None is for ever.
    pub(super) idle: Option<Duration>,
    pub(super) total: Option<Duration>,
    /// Certificates to trust besides the system's, as paths of PEM files.
    pub(super) ca_files: Vec<String>,
}

/// Why the worker cannot ask anything.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The arguments are not those of a worker.
    #[error("{0}")]
    Usage(String),
    /// The address is none.
    #[error("{0:?} is not an address that can be asked; write https://host/path")]
    Url(String),
}

impl Settings {
    /// Reads arguments, without the sub-command, and the environment.
    ///
    /// An argument beats a variable, a variable beats the service's default.
    pub fn read(args: &[String], env: &BTreeMap<String, String>) -> Result<Self, SettingsError> {
        let mut args = args.iter();
        let name = args.next().map(String::as_str).unwrap_or_default();
        let service = Service::named(name)
            .ok_or_else(|| SettingsError::Usage(format!("no service is called {name:?}")))?;
        let (mut model, mut base) = (None, None);
        while let Some(flag) = args.next() {
            let value = args
                .next()
                .cloned()
                .ok_or_else(|| SettingsError::Usage(format!("{flag} needs a value")))?;
            match flag.as_str() {
                "--model" => model = Some(value),
                "--base-url" => base = Some(value),
                other => return Err(SettingsError::Usage(format!("unknown argument {other}"))),
            }
        }
        let var = |name: &str| {
            let value = env.get(name)?.trim();
            (!value.is_empty()).then(|| value.to_owned())
        };
        let base = base
            .or_else(|| service.url_vars.iter().find_map(|name| var(name)))
            .unwrap_or_else(|| service.base_url.to_owned());
        let url = parse_url(&service.endpoint(base.trim()))?;
        Ok(Self {
            service,
            url,
            model: model
                .or_else(|| var(service.model_var?))
                .unwrap_or_else(|| service.model.to_owned()),
            token: var(service.token_var).map(SecretString::from),
            idle: limit(var(IDLE_VARIABLE), IDLE),
            total: limit(var(TOTAL_VARIABLE), TOTAL),
            ca_files: super::tls::CA_VARIABLES
                .iter()
                .filter_map(|name| var(name))
                .collect(),
        })
    }

    /// Returns the address as it may be shown: without user, password and query.
    pub(super) fn shown_url(&self) -> String {
        let mut url = self.url.clone();
        url.set_query(None);
        // Both fail for addresses without a host only, which are refused earlier.
        url.set_username("").unwrap_or_default();
        url.set_password(None).unwrap_or_default();
        url.to_string()
    }

    /// Returns the body of the request.
    pub(super) fn body(&self, prompt: &str) -> Value {
        let mut body = json!({
            "model": self.model,
            "messages": [{"role": "user", "content": prompt}],
            "stream": true,
        });
        if self.service.wants_usage_option {
            body["stream_options"] = json!({"include_usage": true});
        }
        body
    }
}

fn parse_url(text: &str) -> Result<reqwest::Url, SettingsError> {
    // The text may hold a password before the host and a key in its query.
    let shown = || {
        let before_query = text.split('?').next().unwrap_or_default();
        before_query.split('@').next_back().unwrap_or_default()
    };
    reqwest::Url::parse(text)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        .ok_or_else(|| SettingsError::Url(shown().chars().take(200).collect()))
}

fn limit(value: Option<String>, default: Duration) -> Option<Duration> {
    match value.and_then(|text| text.parse().ok()) {
        None => Some(default),
        Some(0) => None,
        Some(millis) => Some(Duration::from_millis(millis)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret as _;

    fn read(args: &[&str], env: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        let args: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
        let env = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        Settings::read(&args, &env.collect())
    }

    #[test]
    fn an_argument_beats_a_variable_and_that_the_default() {
        let xai = |args: &[&str], env: &[(&str, &str)]| {
            let found = read(args, env).unwrap();
            (found.url.to_string(), found.model)
        };
        let default = "https://api.x.ai/v1/chat/completions".to_owned();
        assert_eq!(xai(&["xai"], &[]), (default, "grok-4".to_owned()));
        let env = [
            ("XAI_API_BASE", "http://c/v1"),
            ("XAI_BASE_URL", "http://b/v1"),
            ("XAI_API_ENDPOINT", " "),
            ("XAI_MODEL", "grok-x"),
        ];
        let expected = "http://b/v1/chat/completions".to_owned();
        assert_eq!(xai(&["xai"], &env), (expected, "grok-x".to_owned()));
        let args = ["xai", "--model", "m", "--base-url", "http://a"];
        let expected = "http://a/v1/chat/completions".to_owned();
        assert_eq!(xai(&args, &env), (expected, "m".to_owned()));
    }

    #[test]
    fn each_service_takes_its_own_token_only() {
        let env = [
            ("XAI_API_KEY", "canary-x"),
            ("PERPLEXITY_API_KEY", "canary-p"),
        ];
        for (name, token) in [("xai", "canary-x"), ("perplexity", "canary-p")] {
            let found = read(&[name], &env).unwrap();
            assert_eq!(found.token.as_ref().unwrap().expose_secret(), token);
            assert!(!format!("{found:?}").contains("canary"), "{found:?}");
        }
        assert!(
            read(&["xai"], &[("XAI_API_KEY", " ")])
                .unwrap()
                .token
                .is_none()
        );
    }

    #[test]
    fn limits_have_defaults_and_zero_is_none() {
        let found = read(&["perplexity"], &[]).unwrap();
        assert_eq!((found.idle, found.total), (Some(IDLE), Some(TOTAL)));
        let env = [(IDLE_VARIABLE, "0"), (TOTAL_VARIABLE, "1500")];
        let found = read(&["perplexity"], &env).unwrap();
        let total = Duration::from_millis(1500);
        assert_eq!((found.idle, found.total), (None, Some(total)));
    }

    #[test]
    fn what_is_no_question_is_refused_without_its_password() {
        for args in [
            &[][..],
            &["claude"],
            &["xai", "--model"],
            &["xai", "--x", "y"],
        ] {
            assert!(matches!(read(args, &[]), Err(SettingsError::Usage(_))));
        }
        for url in ["ftp://h", "h", "http://user:canary@"] {
            let error = read(&["xai", "--base-url", url], &[]).unwrap_err();
            assert!(matches!(error, SettingsError::Url(_)), "{error}");
            assert!(!error.to_string().contains("canary"), "{error}");
        }
        let url = "http://user:canary@h/v1?key=canary";
        let found = read(&["xai", "--base-url", url], &[]).unwrap();
        assert_eq!(found.shown_url(), "http://h/v1/chat/completions");
    }

    #[test]
    fn usage_is_asked_for_where_it_must_be() {
        let body = |name| read(&[name], &[]).unwrap().body("p");
        assert_eq!(body("xai")["stream_options"]["include_usage"], true);
        assert_eq!(body("perplexity").get("stream_options"), None);
        assert_eq!(body("xai")["messages"][0]["content"], "p");
    }
}
