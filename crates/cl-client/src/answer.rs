//! From HTTP answers to what was asked for.

use std::collections::BTreeMap;
use std::time::Duration;

use cl_wire::problem::Detail;
use cl_wire::{Problem, ProblemCode};
use reqwest::header::{CONTENT_TYPE, HeaderMap, LOCATION, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::{ClientError, Refusal, chain};

/// How much of a foreign answer is looked at.
const FOREIGN: usize = 64 * 1024;

/// What is known of a question while its answer is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    /// The server, for people.
    pub(crate) server: &'a str,
    /// The question, for people.
    pub(crate) request: &'a str,
    /// The largest body.
    pub(crate) largest: usize,
}

impl Asked<'_> {
    /// Understands why there is no answer at all.
    pub(crate) fn no_answer(self, error: reqwest::Error) -> ClientError {
        let error = error.without_url();
        if error.is_connect() || error.is_builder() {
            return ClientError::Unreachable {
                server: self.server.to_owned(),
                source: Box::new(error),
            };
        }
        let text = chain(&error);
        // The HTTP library keeps the kind of its errors to itself.
        if ["invalid HTTP", "message head is too large", "HTTP/0.9"]
            .iter()
            .any(|known| text.contains(known))
        {
            return self.not_ours(None, "it does not speak HTTP".to_owned());
        }
        self.broken(&text)
    }

    /// Reads a body in JSON; nothing counts as `null`.
    pub(crate) async fn json<T: DeserializeOwned>(
        self,
        response: Response,
    ) -> Result<T, ClientError> {
        let response = self.accepted(response).await?;
        let status = response.status();
        let kind = content_type(response.headers());
        if status != StatusCode::NO_CONTENT && !is_json(&kind) {
            return Err(self.foreign(response).await);
        }
        let body = self.body(response).await?;
        let text = if body.is_empty() { b"null" } else { &*body };
        serde_json::from_slice(text).map_err(|error| ClientError::Protocol {
            request: self.request.to_owned(),
            what: format!("it does not hold what it should: {error}"),
            may_pass: false,
        })
    }

    /// Reads a body as it is.
    pub(crate) async fn bytes(self, response: Response) -> Result<Vec<u8>, ClientError> {
        let response = self.accepted(response).await?;
        self.body(response).await
    }

    /// Makes an error of any answer that is not the one that was asked for.
    pub(crate) async fn accepted(self, response: Response) -> Result<Response, ClientError> {
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        if status.is_redirection() && status != StatusCode::NOT_MODIFIED {
            let to = response.headers().get(LOCATION);
            let to = to.and_then(|to| to.to_str().ok()).unwrap_or("nowhere");
            let what = format!("it leads to {}", harmless(to));
            return Err(self.not_ours(Some(status), what));
        }
        if !is_json(&content_type(response.headers())) {
            return Err(self.foreign(response).await);
        }
        let retry_after = retry_after(response.headers());
        let request_id = response.headers().get("x-request-id");
        let request_id = request_id.and_then(|id| id.to_str().ok()).map(harmless);
        let body = self.body(response).await?;
        let Some(problem) = problem(&body, status) else {
            let what = format!("it answers {status} with JSON that is not ours");
            return Err(self.not_ours(Some(status), what));
        };
        Err(ClientError::Refused(Box::new(Refusal {
            problem,
            status: status.as_u16(),
            retry_after,
            request_id,
        })))
    }

    async fn body(self, mut response: Response) -> Result<Vec<u8>, ClientError> {
        let told = response.content_length().unwrap_or(0);
        if usize::try_from(told).map_or(true, |told| told > self.largest) {
            return Err(self.too_large());
        }
        let mut body = Vec::with_capacity(usize::try_from(told).unwrap_or(0).min(FOREIGN));
        loop {
            match response.chunk().await {
                Ok(Some(piece)) if body.len() + piece.len() > self.largest => {
                    return Err(self.too_large());
                }
                Ok(Some(piece)) => body.extend_from_slice(&piece),
                Ok(None) => return Ok(body),
                Err(error) => return Err(self.broken(&chain(&error.without_url()))),
            }
        }
    }

    /// Says what a program answers that is not ours.
    pub(crate) async fn foreign(self, mut response: Response) -> ClientError {
        let status = response.status();
        let kind = content_type(response.headers());
        let mut start = Vec::new();
        while start.len() < FOREIGN
            && let Ok(Some(piece)) = response.chunk().await
        {
            start.extend_from_slice(&piece[..piece.len().min(FOREIGN)]);
        }
        let title = title(&String::from_utf8_lossy(&start));
        let kind = if kind.is_empty() {
            "a body of unknown type".to_owned()
        } else {
            harmless(&kind)
        };
        let what = match title {
            Some(title) => format!("it answers {status} with {kind}, {title:?}"),
            None => format!("it answers {status} with {kind}"),
        };
        self.not_ours(Some(status), what)
    }

    /// Something answers that is not ours.
    pub(crate) fn not_ours(self, status: Option<StatusCode>, what: String) -> ClientError {
        ClientError::NotOurs {
            server: self.server.to_owned(),
            status: status.map(|status| status.as_u16()),
            what,
        }
    }

    /// The connection ended before the answer did.
    pub(crate) fn broken(self, why: &str) -> ClientError {
        ClientError::Protocol {
            request: self.request.to_owned(),
            what: format!("the connection ended early ({why})"),
            may_pass: true,
        }
    }

    fn too_large(self) -> ClientError {
        ClientError::Protocol {
            request: self.request.to_owned(),
            what: format!("it has more than {} bytes", self.largest),
            may_pass: false,
        }
    }
}

/// Returns the type of a body without its parameters.
pub(crate) fn content_type(headers: &HeaderMap) -> String {
    let kind = headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
    let kind = kind.unwrap_or_default().split(';').next();
    kind.unwrap_or_default().trim().to_ascii_lowercase()
}

fn is_json(kind: &str) -> bool {
    kind == "application/json"
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}

/// Understands a refusal: ours, and those of earlier servers.
fn problem(body: &[u8], status: StatusCode) -> Option<Problem> {
    /// `error` is an object, or a word beside the message.
    #[derive(Deserialize)]
    struct Envelope {
        error: serde_json::Value,
        #[serde(default)]
        message: Option<String>,
    }
    #[derive(Deserialize)]
    struct Inner {
        code: String,
        message: String,
        #[serde(default)]
        hint: Option<String>,
        #[serde(default)]
        details: BTreeMap<String, String>,
    }
    let envelope: Envelope = serde_json::from_slice(body).ok()?;
    if envelope.error.is_string() {
        return Some(Problem::new(code_of(status), envelope.message?));
    }
    let inner: Inner = serde_json::from_value(envelope.error).ok()?;
    let code = serde_json::from_value(inner.code.into()).unwrap_or_else(|_| code_of(status));
    Some(Problem {
        error: Detail {
            code,
            message: inner.message.clone(),
            hint: inner.hint,
            details: inner.details,
        },
        message: inner.message,
    })
}

/// Returns the code that stands for a status, where the server's own is not known.
fn code_of(status: StatusCode) -> ProblemCode {
    let same = ProblemCode::ALL
        .into_iter()
        .find(|code| code.status() == status.as_u16());
    same.unwrap_or(if status.is_client_error() {
        ProblemCode::BadRequest
    } else {
        ProblemCode::Internal
    })
}

/// Returns the title of a page, or its first line if it is short text.
fn title(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let found = match (lower.find("<title>"), lower.find("</title>")) {
        (Some(start), Some(end)) if start < end => &text[start + 7..end],
        _ if lower.contains('<') => return None,
        _ => text.lines().next()?,
    };
    Some(harmless(found)).filter(|title| !title.is_empty())
}

/// Returns text of others so that it can be shown: short and without control characters.
fn harmless(text: &str) -> String {
    let plain = text.chars().filter(|c| !c.is_control());
    let short: String = plain.take(120).collect();
    short.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(status: u16, body: &str, code: ProblemCode, message: &str) {
        let status = StatusCode::from_u16(status).unwrap();
        let problem = problem(body.as_bytes(), status).unwrap();
        assert_eq!((problem.code(), problem.message.as_str()), (code, message));
    }

    #[test]
    fn refusals_of_all_servers_are_understood() {
        check(
            409,
            r#"{"error":{"code":"CONFLICT","message":"m","details":{"a":"b"}}}"#,
            ProblemCode::Conflict,
            "m",
        );
        check(
            401,
            r#"{"error":"unauthorized","message":"valid API key required"}"#,
            ProblemCode::Unauthorized,
            "valid API key required",
        );
        // A later server may know more codes.
        check(
            423,
            r#"{"error":{"code":"LOCKED","message":"m"},"message":"m"}"#,
            ProblemCode::BadRequest,
            "m",
        );
        check(
            503,
            r#"{"error":{"code":"BUSY","message":"m"},"message":"m"}"#,
            ProblemCode::Unavailable,
            "m",
        );
        for body in ["", "[]", r#"{"detail":"x"}"#, r#"{"error":7}"#] {
            assert_eq!(problem(body.as_bytes(), StatusCode::CONFLICT), None);
        }
    }

    #[test]
    fn pages_are_called_by_their_title() {
        let page = "<html><HEAD><title>502 Bad\x1b[31m Gateway</title>";
        assert_eq!(title(page).as_deref(), Some("502 Bad[31m Gateway"));
        assert_eq!(title("<html>"), None);
        assert_eq!(
            title("404 page not found\n").as_deref(),
            Some("404 page not found")
        );
        assert_eq!(title(""), None);
        assert_eq!(title("</title><title>é"), None);
    }
}
