//! Which server is asked, as whom and with how much patience.

use std::net::IpAddr;
use std::time::Duration;

use reqwest::header::HeaderValue;
use reqwest::{Url, redirect};

use crate::client::{Client, Limits};
use crate::error::chain;

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long an answer may take, with its body.
const ANSWER: Duration = Duration::from_secs(30);
/// How long a stream may be silent; servers send a heartbeat every 15 s or more often.
const SILENCE: Duration = Duration::from_secs(45);
/// How long a stream tries to connect again.
const GIVE_UP: Duration = Duration::from_mins(10);
/// The largest body; files of runs are asked for in parts.
const LARGEST_BODY: usize = 64 * 1024 * 1024;

/// Why no client can be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BadServer {
    /// The address is none.
    #[error("{address:?} is no address of a server: {reason}")]
    Address {
        /// The address, without what may be a password.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The token or the name of the program does not fit into a header.
    #[error("the {0} holds characters that cannot be sent")]
    Header(&'static str),
    /// No encrypted connection is possible.
    #[error("no connection can be made: {0}")]
    Tls(String),
}

/// Says which server is asked, as whom and with how much patience.
#[derive(Debug, Clone)]
pub struct Builder {
    base: Url,
    token: Option<HeaderValue>,
    user_agent: String,
    connect: Duration,
    limits: Limits,
}

impl Builder {
    /// Begins with the address of a server, such as `http://127.0.0.1:14355`.
    ///
    /// A path is kept, so that a server may stand behind a proxy. Without a scheme `http`
    /// is meant.
    pub fn new(address: &str) -> Result<Self, BadServer> {
        let address = address.trim();
        let bad = |reason: &str| BadServer::Address {
            // Whatever stands before an `@` may be a password.
            address: address.rsplit('@').next().unwrap_or_default().to_owned(),
            reason: reason.to_owned(),
        };
        let whole = if address.contains("://") {
            address.to_owned()
        } else {
            format!("http://{address}")
        };
        let url = Url::parse(&whole).map_err(|error| bad(&error.to_string()))?;
        let host = whole.split_once("://").map_or("", |(_, rest)| rest);
        let host = host.split([':', '/', '?', '#']).next().unwrap_or_default();
        if host.bytes().all(|byte| byte.is_ascii_digit()) && !host.is_empty() {
            // As an address it would be that of some other machine.
            return Err(bad("it is a number and names no machine"));
        }
        if !matches!(url.scheme(), "http" | "https") {
            return Err(bad("it begins neither with http:// nor with https://"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(bad(
                "it holds a name or password; give the key apart from it",
            ));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(bad("it holds a query or fragment"));
        }
        Ok(Self {
            base: url,
            token: None,
            user_agent: concat!("conductor-loop/", env!("CARGO_PKG_VERSION")).to_owned(),
            connect: CONNECT,
            limits: Limits {
                answer: ANSWER,
                silence: SILENCE,
                give_up: Some(GIVE_UP),
                body: LARGEST_BODY,
            },
        })
    }

    /// Shows a token to the server, and to nobody else.
    pub fn token(mut self, token: &str) -> Result<Self, BadServer> {
        let header = HeaderValue::from_str(&format!("Bearer {}", token.trim()));
        let mut header = header.map_err(|_| BadServer::Header("token"))?;
        header.set_sensitive(true);
        self.token = Some(header);
        Ok(self)
    }

    /// Says what program asks.
    #[must_use]
    pub fn user_agent(mut self, name: &str) -> Self {
        name.clone_into(&mut self.user_agent);
        self
    }

    /// Says how long connecting may take.
    #[must_use]
    pub fn connect_within(mut self, time: Duration) -> Self {
        self.connect = time;
        self
    }

    /// Says how long an answer may take, with its body.
    #[must_use]
    pub fn answer_within(mut self, time: Duration) -> Self {
        self.limits.answer = time;
        self
    }

    /// Says how long a stream may be silent before it counts as broken.
    #[must_use]
    pub fn silent_for(mut self, time: Duration) -> Self {
        self.limits.silence = time;
        self
    }

    /// Says how long a stream tries to connect again; `None` for ever.
    #[must_use]
    pub fn give_up_after(mut self, time: Option<Duration>) -> Self {
        self.limits.give_up = time;
        self
    }

    /// Says how large a body may be.
    #[must_use]
    pub fn body_up_to(mut self, bytes: usize) -> Self {
        self.limits.body = bytes;
        self
    }

    /// Tells whether the address is on this machine.
    pub fn is_local(&self) -> bool {
        is_loopback(&self.base)
    }

    /// Makes the client; connects to nobody yet.
    pub fn build(self) -> Result<Client, BadServer> {
        // Only fails if there is a provider already, which is as good.
        rustls::crypto::ring::default_provider()
            .install_default()
            .unwrap_or_default();
        let agent = HeaderValue::from_str(&self.user_agent);
        let agent = agent.map_err(|_| BadServer::Header("name of the program"))?;
        let mut http = reqwest::Client::builder()
            .connect_timeout(self.connect)
            // A redirect would carry the token, or a question, to a place nobody has named.
            .redirect(redirect::Policy::none())
            .user_agent(agent);
        let is_plain = self.base.scheme() == "http";
        if is_plain || is_loopback(&self.base) {
            // A proxy would read the token of a plain question.
            http = http.no_proxy();
        }
        if is_plain {
            // Loading the certificates of the machine takes time and may fail.
            http = http.tls_certs_only([]);
        }
        let http = http.build();
        let http = http.map_err(|error| BadServer::Tls(chain(&error)))?;
        Ok(Client::new(http, self.base, self.token, self.limits))
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let plain = host.trim_start_matches('[').trim_end_matches(']');
    plain.eq_ignore_ascii_case("localhost")
        || plain.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(address: &str, base: &str, is_local: bool) {
        let builder = Builder::new(address).unwrap();
        assert_eq!(builder.base.as_str(), base);
        assert_eq!(builder.is_local(), is_local);
    }

    #[test]
    fn addresses_are_understood() {
        check("http://127.0.0.1:14355", "http://127.0.0.1:14355/", true);
        check(" localhost:14355 ", "http://localhost:14355/", true);
        check("http://[::1]:8/", "http://[::1]:8/", true);
        check(
            "https://host.example/loop",
            "https://host.example/loop",
            false,
        );
    }

    #[test]
    fn other_texts_are_refused_without_telling_passwords() {
        for address in [
            "",
            "ftp://h",
            "http://",
            "http://h?a=b",
            "http://h#a",
            "http://me:canary@h/",
            "unix:///x",
            "14355",
            "http://14355/",
            "0:14355",
        ] {
            let error = Builder::new(address).err();
            let error = error.unwrap_or_else(|| panic!("{address} is taken"));
            assert!(!error.to_string().contains("canary"), "{error}");
        }
    }

    #[test]
    fn tokens_are_never_shown() {
        let builder = Builder::new("http://localhost").unwrap();
        assert!(builder.clone().token("a\nb").is_err());
        let builder = builder.token("canary-token").unwrap();
        assert!(!format!("{builder:?}").contains("canary"));
        let client = builder.build().unwrap();
        assert!(!format!("{client:?}").contains("canary"));
    }
}
