//! What is told of requests afterwards: metrics, the access log, the audit.
//!
//! ```text
//! request ──► observed ──► guard ──► audited ──► handler
//!             counts, times           writes down who wants what, then what became of it
//! ```
//!
//! - A request that the guard refuses is counted and logged, and is in no audit: nothing was
//!   asked of anything.
//! - The audit of a change is on disk before the change is begun. If that fails the change is
//!   made all the same, and the log says so.
//! - A server that changes nothing writes neither an access log nor an audit.
//! - Only paths are logged, never queries: codes to log in with stand there.

mod access;
mod audit;
mod metrics;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use cl_storage::{Clock, MessageId, Root};
use hyper::body::{Frame, SizeHint};

use crate::app::App;
use crate::guard;
use access::AccessLog;

pub(crate) use audit::{Audit, AuditFilter, trail};
pub(crate) use metrics::{Metrics, follow};

/// What handlers tell of an answer beside its body.
#[derive(Debug, Clone, Default)]
pub(crate) struct About {
    /// The message that was posted.
    pub(crate) message_id: Option<MessageId>,
}

/// Why a request was refused, beside the answer that says so.
#[derive(Debug, Clone)]
pub(crate) struct Reason(pub(crate) String);

/// What the inside of the server found out about a request.
#[derive(Debug, Clone, Default)]
struct Found {
    /// The pattern of its path.
    endpoint: Option<Arc<str>>,
    ids: Ids,
}

/// What a request is about, as it says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Ids {
    project: Option<String>,
    task: Option<String>,
    run: Option<String>,
}

impl Ids {
    fn of(parameters: &axum::extract::RawPathParams) -> Self {
        let find = |wanted: &str| {
            let mut all = parameters.iter();
            all.find_map(|(name, value)| (name == wanted).then(|| value.to_owned()))
        };
        Self {
            project: find("project_id"),
            task: find("task_id"),
            run: find("run_id"),
        }
    }
}

/// What counts and logs requests.
#[derive(Debug)]
pub(crate) struct Observer {
    metrics: Arc<Metrics>,
    access: Option<AccessLog>,
    clock: Arc<dyn Clock>,
}

impl Observer {
    /// Observes what is asked of a server of `root`; one that changes nothing writes no file.
    pub(crate) fn new(
        metrics: Arc<Metrics>,
        root: &Root,
        is_read_only: bool,
        clock: Arc<dyn Clock>,
    ) -> std::io::Result<Self> {
        let access = if is_read_only {
            None
        } else {
            Some(AccessLog::start(root, Arc::clone(&metrics))?)
        };
        Ok(Self {
            metrics,
            access,
            clock,
        })
    }
}

/// Has everything that `router` is asked counted and logged.
pub(crate) fn observe(router: Router, observer: Observer) -> Router {
    router.layer(axum::middleware::from_fn_with_state(
        Arc::new(observer),
        observed,
    ))
}

async fn observed(State(observer): State<Arc<Observer>>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let response = next.run(request).await;
    let found = response.extensions().get::<Found>().cloned();
    let id = response.headers().get("x-request-id");
    let id = id.and_then(|id| id.to_str().ok()).unwrap_or_default();
    let is_stream = is_stream(response.headers());
    let told = Told {
        request_id: id.to_owned(),
        path,
        status: response.status(),
        found: found.unwrap_or_default(),
        method,
    };
    observer.metrics.answered(&told, began.elapsed());
    let end = End {
        told,
        began,
        bytes: 0,
        streams: is_stream.then(|| observer.metrics.stream_begins()),
        observer,
    };
    response.map(|body| Body::new(Counted { body, end }))
}

fn is_stream(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
}

/// What is told of a request.
#[derive(Debug)]
struct Told {
    request_id: String,
    method: Method,
    path: String,
    status: StatusCode,
    found: Found,
}

/// A body whose end is the end of its request.
#[derive(Debug)]
struct Counted {
    body: Body,
    end: End,
}

#[derive(Debug)]
struct End {
    told: Told,
    began: Instant,
    bytes: u64,
    /// Counted among the streams as long as it is there.
    streams: Option<metrics::Stream>,
    observer: Arc<Observer>,
}

impl Drop for End {
    fn drop(&mut self) {
        self.streams = None;
        let took = self.began.elapsed();
        let now = self.observer.clock.now();
        let line = || access::line(&self.told, now, self.bytes, took);
        if access::is_quiet(&self.told) {
            tracing::debug!(target: "access", "{}", line());
            return;
        }
        if let Some(log) = &self.observer.access {
            log.tell(line());
        } else {
            tracing::info!(target: "access", "{}", line());
        }
    }
}

impl hyper::body::Body for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
        {
            self.end.bytes += data.len() as u64;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Has what `router` is asked to change written down.
pub(crate) fn audited(router: Router, app: App) -> Router {
    router.layer(axum::middleware::from_fn_with_state(app, each))
}

async fn each(State(app): State<App>, mut request: Request, next: Next) -> Response {
    use axum::RequestExt as _;
    let endpoint = request.extensions().get::<MatchedPath>();
    let endpoint: Option<Arc<str>> = endpoint.map(|path| path.as_str().into());
    let parameters = request.extract_parts::<axum::extract::RawPathParams>();
    let ids = parameters.await.map(|all| Ids::of(&all));
    let mut found = Found {
        endpoint,
        ids: ids.unwrap_or_default(),
    };
    // Where nothing is changed, nothing is written down either.
    let is_change = guard::changes(request.method())
        && request.uri().path().starts_with("/api/")
        && !app.serving.is_read_only;
    let mut response = match &found.endpoint {
        Some(endpoint) if is_change => {
            let endpoint = Arc::clone(endpoint);
            match audit::change(&app, &endpoint, &mut found.ids, request, next).await {
                Ok(response) => response,
                Err(refusal) => refusal.into_response(),
            }
        }
        _ => next.run(request).await,
    };
    response.extensions_mut().insert(found);
    response
}

/// Returns seconds, for people and machines alike.
fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}
