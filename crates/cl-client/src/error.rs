//! Why a server did not give what was asked of it.

use std::fmt;
use std::time::Duration;

use cl_wire::{Problem, ProblemCode};

/// Why a server did not give what was asked of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// Nobody could be asked; nothing has happened.
    #[error("could not reach the server at {server}")]
    Unreachable {
        /// The server.
        server: String,
        /// What went wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The server said no, and why.
    #[error(transparent)]
    Refused(Box<Refusal>),
    /// Something answered that is no server of ours, or that stands before it.
    #[error("what answers at {server} is no Conductor Loop server: {what}")]
    NotOurs {
        /// The server.
        server: String,
        /// The HTTP status of the answer, if it had one.
        status: Option<u16>,
        /// What it answered.
        what: String,
    },
    /// The answer ended early, is too large or is not what was to be expected.
    ///
    /// If something was to be changed, it may have been.
    #[error("the answer to {request} cannot be used: {what}")]
    Protocol {
        /// What was asked.
        request: String,
        /// What is wrong.
        what: String,
        /// Asking again may give a better one.
        may_pass: bool,
    },
    /// There was no answer in time.
    ///
    /// If something was to be changed, it may have been or may yet be.
    #[error("there was no answer to {request} within {} s", after.as_secs_f32())]
    Timeout {
        /// What was asked.
        request: String,
        /// How long was waited.
        after: Duration,
    },
}

impl ClientError {
    /// Returns what to do about it, where that can be told.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Unreachable { .. } => {
                Some("check that the server runs there: `run-agent serve status`")
            }
            Self::Refused(refusal) => refusal.hint(),
            Self::NotOurs {
                status: Some(502..=504),
                ..
            } => Some("a proxy answers because the server behind it does not; is it running?"),
            Self::NotOurs {
                status: Some(300..=399),
                ..
            } => Some("name the address that it leads to, if you trust it"),
            Self::NotOurs { .. } => {
                Some("check address and port: another program may have taken the port")
            }
            Self::Protocol { may_pass: true, .. } | Self::Timeout { .. } => {
                Some("if something was to be changed, look whether it was before asking again")
            }
            Self::Protocol { .. } => Some("client and server may be of versions too far apart"),
        }
    }

    /// Returns the code of the problem, if the server said one.
    pub fn code(&self) -> Option<ProblemCode> {
        match self {
            Self::Refused(refusal) => Some(refusal.problem.code()),
            _ => None,
        }
    }

    /// Returns the problem, if the server said one.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Refused(refusal) => Some(&refusal.problem),
            _ => None,
        }
    }

    /// Tells whether nobody could be asked.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }

    /// Tells whether the same question may be answered later.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Timeout { .. } => true,
            Self::Refused(refusal) => matches!(refusal.status, 408 | 429 | 500..),
            Self::NotOurs { status, .. } => matches!(status, Some(429 | 500..)),
            Self::Protocol { may_pass, .. } => *may_pass,
        }
    }

    /// Returns how long the server asks to wait before the next question.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused(refusal) => refusal.retry_after,
            _ => None,
        }
    }
}

/// That a server said no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub problem: Problem,
    /// The HTTP status.
    pub status: u16,
    /// How long the server asks to wait before the next question.
    pub retry_after: Option<Duration>,
    /// What the server calls the request; its log has more about it.
    pub request_id: Option<String>,
}

impl Refusal {
    fn hint(&self) -> Option<&str> {
        let said = self.problem.error.hint.as_deref();
        said.or(match self.status {
            401 => Some("set CONDUCTOR_API_KEY to the server's key"),
            429 => Some("wait a little and ask again"),
            _ => None,
        })
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem.message)?;
        match &self.request_id {
            Some(id) if self.status >= 500 => write!(f, " (request {id})"),
            _ => Ok(()),
        }
    }
}

impl std::error::Error for Refusal {}

/// Returns an error and its causes on one line.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}
