//! How a browser logs in: with a link that works once.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Extension;
use axum::extract::RawQuery;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use cl_storage::digest::{sha256_hex, unguessable_hex};
use cl_wire::LoginLink;
use jiff::SignedDuration;
use subtle::ConstantTimeEq as _;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Guard, Peer, locked};
use crate::answer::{Answer, Json, Refusal};
use crate::app::App;

/// How long a link works.
const LIFE: Duration = Duration::from_mins(10);
/// How many links may wait for their use; the oldest stop working.
const WAITING: usize = 16;

/// The codes of links that nobody has used yet; in memory only.
#[derive(Debug, Default)]
pub(super) struct Codes(VecDeque<Code>);

struct Code {
    digest: String,
    until: Instant,
}

impl Codes {
    /// Makes a code.
    ///
    /// # Errors
    ///
    /// Where the kernel has no randomness to give.
    pub(super) fn make(&mut self, now: Instant) -> std::io::Result<String> {
        let code = unguessable_hex()?;
        self.0.retain(|code| code.until > now);
        if self.0.len() >= WAITING {
            self.0.pop_front();
        }
        self.0.push_back(Code {
            digest: sha256_hex(code.as_bytes()),
            until: now + LIFE,
        });
        Ok(code)
    }

    /// Uses a code up; false if there is none such.
    fn take(&mut self, code: &str, now: Instant) -> bool {
        self.0.retain(|code| code.until > now);
        let digest = sha256_hex(code.as_bytes());
        let is_it = |code: &Code| bool::from(code.digest.as_bytes().ct_eq(digest.as_bytes()));
        let found = self.0.iter().position(is_it);
        found.and_then(|at| self.0.remove(at)).is_some()
    }
}

impl std::fmt::Debug for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Code").finish_non_exhaustive()
    }
}

/// Returns the routes of this module; they need a guard around them.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(login_link))
        .routes(routes!(login))
        .routes(routes!(logout))
}

/// Makes a link that logs a browser in, once.
#[utoipa::path(
    post,
    path = "/api/v1/admin/login-link",
    tag = "admin",
    responses((status = 200, body = LoginLink))
)]
async fn login_link(Extension(guard): Extension<Arc<Guard>>) -> Answer<Json<LoginLink>> {
    let login_url = guard
        .login_url()
        .map_err(|error| Refusal::internal("could not make a link", &error))?;
    let life = SignedDuration::try_from(LIFE).unwrap_or_default();
    Ok(Json(LoginLink {
        login_url,
        expires_at: guard.clock.now() + life,
    }))
}

/// Logs a browser in with the code of a link, and leads it to the web UI.
#[utoipa::path(
    get,
    path = "/ui/login",
    tag = "admin",
    security(()),
    params(("code" = String, Query, description = "The code of the link; it works once")),
    responses(
        (status = 303, description = "To the page, with a cookie"),
        (status = 403, content((String = "text/plain"), (cl_wire::Problem = "application/json"))),
        (status = 429, body = cl_wire::Problem)
    )
)]
async fn login(
    Extension(guard): Extension<Arc<Guard>>,
    peer: Option<Extension<Peer>>,
    method: Method,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    // Programs that look at a link before its reader does ask for the head.
    if method == Method::HEAD {
        return StatusCode::NO_CONTENT.into_response();
    }
    let query = query.unwrap_or_default();
    let code = query.split('&').find_map(|pair| pair.strip_prefix("code="));
    let is_right = code.is_some_and(|code| locked(&guard.codes).take(code, Instant::now()));
    if is_right {
        return match guard.sessions.begin(guard.clock.now()) {
            Ok(cookie) => to_ui(Some(cookie)),
            Err(error) => Refusal::internal("could not log in", &error).into_response(),
        };
    }
    if guard.sessions.hold(&headers, guard.clock.now()) {
        return to_ui(None);
    }
    if let (Some(_), Some(Extension(Peer(peer)))) = (code, peer)
        && let Some(refusal) = guard.guessed(peer)
    {
        return refusal.into_response();
    }
    let text = "This link has been used or has expired.\n\
        Run `conductor open` for a new one.\n";
    (StatusCode::FORBIDDEN, text).into_response()
}

/// Logs a browser out.
#[utoipa::path(
    post,
    path = "/ui/logout",
    tag = "admin",
    security(()),
    responses((status = 303, description = "Back to the page"))
)]
async fn logout(Extension(guard): Extension<Arc<Guard>>, headers: HeaderMap) -> Response {
    to_ui(Some(guard.sessions.end(&headers)))
}

fn to_ui(cookie: Option<String>) -> Response {
    let mut response = (StatusCode::SEE_OTHER, [(header::LOCATION, "/ui/")]).into_response();
    if let Some(cookie) = cookie.and_then(|cookie| cookie.parse().ok()) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

impl Guard {
    /// Counts a wrong code; returns what is answered if there were too many.
    fn guessed(&self, peer: IpAddr) -> Option<Refusal> {
        let wait = locked(&self.attempts).failed(peer, Instant::now());
        wait.map(super::too_many)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_works_once_and_not_for_ever() {
        let now = Instant::now();
        let mut codes = Codes::default();
        let first = codes.make(now).unwrap();
        let second = codes.make(now).unwrap();
        assert!(!codes.take("", now));
        assert!(!codes.take(&first[1..], now));
        assert!(codes.take(&first, now));
        assert!(!codes.take(&first, now));
        assert!(!codes.take(&second, now + LIFE));
        assert!(!codes.take(&second, now), "it is forgotten");
    }

    #[test]
    fn few_codes_wait() {
        let now = Instant::now();
        let mut codes = Codes::default();
        let first = codes.make(now).unwrap();
        for _ in 0..WAITING {
            codes.make(now).unwrap();
        }
        assert_eq!(codes.0.len(), WAITING);
        assert!(!codes.take(&first, now));
    }
}
