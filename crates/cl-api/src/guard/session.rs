//! The cookie of a browser that is logged in.
//!
//! Its value says until when it holds, and a code over that which only the key gives: it
//! survives restarts of the server and ends with the key, and who reads it has no key.

use std::collections::VecDeque;
use std::io;
use std::sync::Mutex;

use axum::http::{HeaderMap, header};
use cl_storage::digest::{hmac_sha256_hex, unguessable_hex};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq as _;

use super::key::Key;
use super::locked;

/// How long a browser stays logged in.
const LIFE: SignedDuration = SignedDuration::from_hours(30 * 24);
/// How many sessions are remembered as ended; the oldest are forgotten.
const ENDED: usize = 1024;

/// The browsers that are logged in.
pub(super) struct Sessions {
    /// The cookie's name. Cookies are not kept apart by port, names are.
    name: String,
    key: SecretString,
    /// The marks of sessions that were ended before their time.
    ended: Mutex<VecDeque<String>>,
}

impl Sessions {
    /// Returns the sessions of a server at `port`.
    pub(super) fn new(key: &Key, port: u16) -> Self {
        Self {
            name: format!("conductor_session_{port}"),
            key: key.derive("sessions of the web UI, 1"),
            ended: Mutex::default(),
        }
    }

    /// Begins a session; returns the cookie to set.
    ///
    /// # Errors
    ///
    /// Where the kernel has no randomness to give.
    pub(super) fn begin(&self, now: Timestamp) -> io::Result<String> {
        let mark = unguessable_hex()?;
        let until = now.as_second().saturating_add(LIFE.as_secs());
        let said = format!("1.{until}.{mark}");
        let code = self.code(&said);
        Ok(self.cookie(&format!("{said}.{code}"), LIFE.as_secs()))
    }

    /// Whether a request has a cookie that holds.
    pub(super) fn hold(&self, headers: &HeaderMap, now: Timestamp) -> bool {
        self.shown(headers).any(|value| {
            self.until(value).is_some_and(|(until, mark)| {
                until > now.as_second() && !locked(&self.ended).iter().any(|ended| ended == mark)
            })
        })
    }

    /// Ends the sessions that a request has cookies of; returns the cookie to set.
    pub(super) fn end(&self, headers: &HeaderMap) -> String {
        for (_, mark) in self.shown(headers).filter_map(|value| self.until(value)) {
            let mut ended = locked(&self.ended);
            if ended.len() >= ENDED {
                ended.pop_front();
            }
            ended.push_back(mark.to_owned());
        }
        self.cookie("", 0)
    }

    fn cookie(&self, value: &str, seconds: i64) -> String {
        let name = &self.name;
        format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict")
    }

    /// Returns the values of our cookie; a browser sends one, others may send what they like.
    fn shown<'a>(&'a self, headers: &'a HeaderMap) -> impl Iterator<Item = &'a str> {
        headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .filter(|(name, _)| *name == self.name)
            .map(|(_, value)| value)
            .take(4)
    }

    /// Returns until when a value holds, and its mark; none if its code is not ours.
    fn until<'a>(&self, value: &'a str) -> Option<(i64, &'a str)> {
        let (said, code) = value.rsplit_once('.')?;
        if !bool::from(self.code(said).as_bytes().ct_eq(code.as_bytes())) {
            return None;
        }
        let (until, mark) = said.strip_prefix("1.")?.split_once('.')?;
        Some((until.parse().ok()?, mark))
    }

    fn code(&self, said: &str) -> String {
        let text = format!("{} {said}", self.name);
        hmac_sha256_hex(self.key.expose_secret().as_bytes(), text.as_bytes())
    }
}

impl std::fmt::Debug for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sessions")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sessions(key: &str, port: u16) -> Sessions {
        Sessions {
            name: format!("conductor_session_{port}"),
            key: key.to_owned().into(),
            ended: Mutex::default(),
        }
    }

    /// Returns what a browser sends after it was sent `cookie`.
    fn sent(cookie: &str) -> HeaderMap {
        let pair = cookie.split(';').next().unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, format!("a=b; {pair}").parse().unwrap());
        headers
    }

    fn now() -> Timestamp {
        "2026-02-03T04:05:06Z".parse().unwrap()
    }

    #[test]
    fn a_session_survives_a_restart_and_expires() {
        let cookie = sessions("test-key", 1).begin(now()).unwrap();
        assert!(cookie.contains("; HttpOnly; SameSite=Strict"), "{cookie}");
        assert!(!cookie.contains("test-key"), "{cookie}");
        let restarted = sessions("test-key", 1);
        assert!(restarted.hold(&sent(&cookie), now()));
        let last = now() + (LIFE - SignedDuration::from_secs(1));
        assert!(restarted.hold(&sent(&cookie), last));
        assert!(!restarted.hold(&sent(&cookie), now() + LIFE));
    }

    #[test]
    fn other_keys_ports_and_times_do_not_hold() {
        let cookie = sessions("test-key", 1).begin(now()).unwrap();
        assert!(!sessions("test-key 2", 1).hold(&sent(&cookie), now()));
        assert!(!sessions("test-key", 2).hold(&sent(&cookie), now()));
        let renamed = cookie.replace("session_1", "session_2");
        assert!(!sessions("test-key", 2).hold(&sent(&renamed), now()));
        let until = (now() + LIFE).as_second();
        let later = cookie.replace(&until.to_string(), &(until + 1).to_string());
        assert!(!sessions("test-key", 1).hold(&sent(&later), now()));
        for odd in ["", "1", "1.2", "1.2.3", "..", "1.9999999999.x.y"] {
            let cookie = format!("conductor_session_1={odd}");
            assert!(
                !sessions("test-key", 1).hold(&sent(&cookie), now()),
                "{odd}"
            );
        }
    }

    #[test]
    fn an_ended_session_does_not_hold_and_others_do() {
        let sessions = sessions("test-key", 1);
        let first = sessions.begin(now()).unwrap();
        let second = sessions.begin(now()).unwrap();
        assert!(sessions.end(&sent(&first)).contains("Max-Age=0"));
        assert!(!sessions.hold(&sent(&first), now()));
        assert!(sessions.hold(&sent(&second), now()));
    }
}
