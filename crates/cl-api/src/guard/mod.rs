//! Who may come in, and what may come along.
//!
//! Every request passes [`protect`], which asks in this order: is it meant for this server
//! ([`names`]), is it a browser's question about permission ([`cors`]), may the page behind it
//! change anything ([`origin`]), and does it have credentials ([`key`], [`session`])? Whoever
//! shows wrong ones often has to wait ([`attempts`]). Answers get the headers that keep
//! browsers from doing more with them than they should ([`dress`]).
//!
//! What handlers need themselves: [`Body`] and [`OptionalBody`], bodies by the rules;
//! [`Browser`], for what the web UI does not offer; [`RequestId`].
//!
//! Nothing here writes a token, a code or a cookie into a log, and handlers of the API do not
//! see them: they are taken out of the request.

mod attempts;
mod body;
mod browser;
mod cors;
mod dress;
mod key;
mod login;
mod names;
mod origin;
mod session;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body as Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use cl_config::Serving;
use cl_storage::Clock;
use cl_wire::{Problem, ProblemCode};
use http_body_util::Limited;

use crate::answer::{Answer, Refusal};
use attempts::Attempts;
use login::Codes;
use names::Names;
use session::Sessions;

pub(crate) use body::{Body, OptionalBody, read as read_body};
pub(crate) use browser::Browser;
pub(crate) use dress::RequestId;
pub(crate) use key::Key;
pub(crate) use login::routes;

/// The address that a request came from; absent where no socket is involved.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// What decides who may come in.
#[derive(Debug)]
pub(crate) struct Guard {
    key: Key,
    names: Names,
    /// Origins that may call from a browser, or `*`.
    origins: Vec<String>,
    max_body_bytes: usize,
    /// Where clients of this machine reach the server, with a slash at the end.
    base_url: String,
    sessions: Sessions,
    codes: Mutex<Codes>,
    attempts: Mutex<Attempts>,
    clock: Arc<dyn Clock>,
}

impl Guard {
    /// Puts together what guards a server that listens on `address`.
    ///
    /// # Errors
    ///
    /// The server can be reached from other machines and has no key of its owner's.
    pub(crate) fn new(
        key: Key,
        serving: &Serving,
        address: SocketAddr,
        base_url: &str,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Problem> {
        // A name is only known to lead to loopback once it was looked up.
        key.must_do_for(&serving.host, address.ip())?;
        let api = &serving.config.api;
        Ok(Self {
            sessions: Sessions::new(&key, address.port()),
            names: Names::new(&serving.host, &api.hosts, address),
            origins: api.cors_origins.clone(),
            max_body_bytes: usize::try_from(api.limits.max_body_bytes).unwrap_or(usize::MAX),
            base_url: base_url.to_owned(),
            codes: Mutex::default(),
            attempts: Mutex::default(),
            key,
            clock,
        })
    }

    /// Returns a link that logs a browser in, once.
    ///
    /// # Errors
    ///
    /// Where the kernel has no randomness to give.
    pub(crate) fn login_url(&self) -> std::io::Result<String> {
        let code = locked(&self.codes).make(Instant::now())?;
        Ok(format!("{}ui/login?code={code}", self.base_url))
    }

    /// Decides whether a request may come in.
    fn judge(&self, head: &Head<'_>) -> Answer<()> {
        if changes(head.method) {
            origin::may_change(head.headers, &self.origins)?;
        }
        if is_open(head.method, head.path) {
            return Ok(());
        }
        match self.key.shown(head.headers) {
            key::Shown::Right => {
                let now = Instant::now();
                match locked(&self.attempts).succeeded(head.peer, now) {
                    Some(wait) => Err(too_many(wait)),
                    None => Ok(()),
                }
            }
            key::Shown::Wrong => Err(self.failed(head.peer)),
            key::Shown::Nothing => {
                let is_own = origin::is_own_page(head.headers);
                if is_own && self.sessions.hold(head.headers, self.clock.now()) {
                    return Ok(());
                }
                Err(unauthorized())
            }
        }
    }

    /// Counts credentials that were wrong, and says what is answered.
    fn failed(&self, peer: IpAddr) -> Refusal {
        match locked(&self.attempts).failed(peer, Instant::now()) {
            Some(wait) => too_many(wait),
            None => unauthorized(),
        }
    }
}

/// What is looked at of a request.
struct Head<'a> {
    method: &'a Method,
    path: &'a str,
    headers: &'a HeaderMap,
    peer: IpAddr,
}

/// Lets only those requests reach `router` that may come in.
pub(crate) fn protect(router: Router, guard: Arc<Guard>) -> Router {
    router.layer(axum::middleware::from_fn_with_state(guard, admit))
}

async fn admit(State(guard): State<Arc<Guard>>, mut request: Request, next: Next) -> Response {
    let id = RequestId::of(request.headers(), guard.clock.now());
    let allowed = cors::allowed(request.headers(), &guard.origins);
    let is_ui = is_ui(request.uri().path());
    request.extensions_mut().insert(id.clone());
    // A message whose end is told by chunks may carry a second, hidden length: what follows it
    // on this connection is not taken for a request.
    let is_chunked = request.headers().contains_key(header::TRANSFER_ENCODING);
    let mut response = match pass(&guard, request, next).await {
        Ok(response) => response,
        Err(refusal) => refusal.into_response(),
    };
    let headers = response.headers_mut();
    if is_chunked {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    cors::dress(headers, allowed.as_ref());
    dress::dress(headers, &id, is_ui);
    response
}

async fn pass(guard: &Arc<Guard>, mut request: Request, next: Next) -> Answer<Response> {
    guard
        .names
        .must_be_meant(request.uri(), request.headers())?;
    if request.method() == Method::OPTIONS {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let peer = request.extensions().get::<Peer>();
    guard.judge(&Head {
        method: request.method(),
        path: request.uri().path(),
        headers: request.headers(),
        peer: peer.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |peer| peer.0),
    })?;
    let limit = guard.max_body_bytes;
    body::must_fit(request.headers(), limit)?;
    request.headers_mut().remove(header::AUTHORIZATION);
    request.headers_mut().remove(key::API_KEY);
    if !is_ui(request.uri().path()) {
        request.headers_mut().remove(header::COOKIE);
    }
    request.extensions_mut().insert(Arc::clone(guard));
    Ok(next
        .run(request.map(|body| Bytes::new(Limited::new(body, limit))))
        .await)
}

/// Tells whether a request that is let in may change something, by its method.
pub(crate) fn changes(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD)
}

/// Whether anybody may ask for this.
fn is_open(method: &Method, path: &str) -> bool {
    const OPEN: [&str; 4] = ["/api/v1/health", "/api/v1/version", "/metrics", "/healthz"];
    is_ui(path) || (!changes(method) && OPEN.contains(&path))
}

/// Whether the web UI answers there.
fn is_ui(path: &str) -> bool {
    path == "/" || path == "/ui" || path.starts_with("/ui/")
}

fn unauthorized() -> Refusal {
    Refusal::new(ProblemCode::Unauthorized, "valid API key required")
        .hint("send the token as `Authorization: Bearer …`; browsers get in with `conductor open`")
}

fn too_many(wait: Duration) -> Refusal {
    let seconds = wait.as_secs().max(1);
    Refusal::new(
        ProblemCode::TooManyRequests,
        "wrong credentials too often from this address",
    )
    .retry_after(seconds)
}

/// Takes a lock whose holders never panic half-way.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_paths_are_open() {
        for (method, path, expected) in [
            (Method::GET, "/api/v1/health", true),
            (Method::HEAD, "/healthz", true),
            (Method::POST, "/api/v1/health", false),
            (Method::GET, "/api/v1/health/", false),
            (Method::GET, "/api/v1/healthz", false),
            (Method::GET, "/metrics", true),
            (Method::GET, "/", true),
            (Method::GET, "/ui", true),
            (Method::GET, "/ui/assets/a.js", true),
            (Method::GET, "/uix", false),
            (Method::GET, "//", false),
            (Method::GET, "/api/v1/tasks", false),
            (Method::GET, "/api/ui/", false),
        ] {
            assert_eq!(is_open(&method, path), expected, "{method} {path}");
        }
    }
}
