//! Connections: where the server listens, and how much of whom it takes.
//!
//! One connection beyond the configured number is taken and waits for a place, for which those on
//! which nothing goes on make room ([`room`]); more wait in the kernel's queue and cost nothing.
//! Slow clients are cut off by the socket itself
//! ([`pace`]). When the server ends it stops listening first, then streams end, then requests
//! get their time; what is left after that is cut off.
//!
//! Whoever asks for a change and goes away before the answer has asked for it all the same: the
//! change is made as a whole, and its connection counts until then. A look is given up.

mod bind;
mod crowd;
mod pace;
mod room;

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use cl_config::ApiLimits;
use cl_wire::ProblemCode;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use crate::answer::Refusal;
use crate::guard::Peer;
use crate::operation::Pulse;
use crowd::Crowd;
use pace::{Answered, Pace, Paced};
use room::Room;

pub(crate) use bind::{Listeners, bind};

/// How long requests get to end when the server does.
pub(crate) const GRACE: Duration = Duration::from_secs(5);
/// How soon a connection is taken after one could not be, at first and at the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// How long a connection that is to make room may take for what it has begun to ask.
const LAST_CHANCE: Duration = Duration::from_millis(100);

/// Takes connections until `ending`, then lets those that are there end.
///
/// Listens anew, on the same addresses, whenever `anew` says so; connections stay.
pub(crate) async fn accept(
    mut listeners: Listeners,
    router: Router,
    limits: &ApiLimits,
    ending: CancellationToken,
    mut anew: mpsc::Receiver<()>,
    pulse: Arc<Pulse>,
) {
    let connections = TaskTracker::new();
    let abandoned = CancellationToken::new();
    let room = Room::new(limits.max_connections);
    let crowd = Crowd::new(limits.max_connections_per_address);
    let server = Server {
        router,
        limits: Arc::new(limits.clone()),
        ending: ending.clone(),
        abandoned: abandoned.clone(),
        answering: connections.clone(),
    };
    let mut pause = FIRST_PAUSE;
    loop {
        let accepted = tokio::select! {
            // A listener that only fails is ready each time: the wish to listen anew comes before it.
            biased;
            () = ending.cancelled() => break,
            Some(()) = anew.recv() => {
                match listen_anew(listeners, &ending).await {
                    Some(listening) => listeners = listening,
                    None => return drain(connections, &abandoned).await,
                }
                pause = FIRST_PAUSE;
                continue;
            }
            // An accept that was not finished has taken no connection.
            accepted = listeners.accept() => accepted,
        };
        let (stream, from) = match accepted {
            Ok(accepted) => accepted,
            Err(error) if is_of_one_connection(&error) => continue,
            Err(error) => {
                tracing::warn!(%error, "cannot take connections");
                if !rest(pause, &ending).await {
                    break;
                }
                pause = (pause * 2).min(LONGEST_PAUSE);
                continue;
            }
        };
        pause = FIRST_PAUSE;
        let from = from.ip().to_canonical();
        let Some(seat) = crowd.enter(from) else {
            tracing::debug!(%from, "has too many connections");
            continue;
        };
        let pace = Pace::new();
        pulse.is_full(room.is_full());
        let place = tokio::select! {
            // A place that was not given is given to the next who asks.
            place = room.enter(&pace) => place,
            () = ending.cancelled() => break,
        };
        pulse.is_full(false);
        pace.wait_anew();
        // Only the delay of small answers is lost where this cannot be had.
        stream.set_nodelay(true).ok();
        let places = Arc::new((place, seat));
        connections.spawn(server.clone().serve(stream, from, pace, places));
    }
    drop(listeners);
    drain(connections, &abandoned).await;
}

/// Listens anew, trying until that succeeds; none if the server ends before.
async fn listen_anew(listeners: Listeners, ending: &CancellationToken) -> Option<Listeners> {
    let mut listening = listeners.anew().await;
    loop {
        let again = match listening {
            Ok(listeners) => {
                tracing::info!(address = %listeners.address(), "listens anew");
                return Some(listeners);
            }
            Err((again, error)) => {
                tracing::warn!(%error, "cannot listen anew");
                again
            }
        };
        if !rest(LONGEST_PAUSE, ending).await {
            return None;
        }
        listening = again.listen().await;
    }
}

/// Waits for `pause`; false if the server ends before.
async fn rest(pause: Duration, ending: &CancellationToken) -> bool {
    tokio::select! {
        // Both only wait.
        () = tokio::time::sleep(pause) => true,
        () = ending.cancelled() => false,
    }
}

/// Lets the connections end that are there, and cuts off those that do not.
async fn drain(connections: TaskTracker, abandoned: &CancellationToken) {
    connections.close();
    if tokio::time::timeout(GRACE, connections.wait())
        .await
        .is_err()
    {
        tracing::warn!(connections = connections.len(), "cut off at the end");
        abandoned.cancel();
        connections.wait().await;
    }
}

/// Whether the next connection may be better than the one that could not be taken.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
    )
}

/// What every connection gets.
#[derive(Debug, Clone)]
struct Server {
    router: Router,
    limits: Arc<ApiLimits>,
    ending: CancellationToken,
    abandoned: CancellationToken,
    /// Connections, and changes that outlive theirs.
    answering: TaskTracker,
}

/// What a connection takes up, and a change that outlives it.
type Places = Arc<(room::Place, crowd::Place)>;

impl Server {
    /// Answers what comes on a connection until it ends.
    async fn serve(self, stream: TcpStream, from: IpAddr, pace: Arc<Pace>, places: Places) {
        let socket = Paced::new(stream, Arc::clone(&pace), Arc::clone(&self.limits));
        let router = self.router;
        let own = Arc::clone(&pace);
        let (answering, abandoned) = (self.answering, self.abandoned.clone());
        let service = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
            pace.begin_answer();
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(Peer(from));
            let is_change = !request.method().is_safe();
            let answer = answer(router.clone(), request);
            // At once: what the connection only keeps it may drop before it has looked at it.
            let answer = if is_change {
                let (abandoned, places) = (abandoned.clone(), Arc::clone(&places));
                Answering::Change(answering.spawn(async move {
                    let answer = abandoned.run_until_cancelled(answer).await;
                    drop(places);
                    answer
                }))
            } else {
                Answering::Look(answer)
            };
            let pace = Arc::clone(&pace);
            async move {
                let response = match answer {
                    Answering::Look(answer) => Some(answer.await),
                    Answering::Change(change) => change.await.ok().flatten(),
                };
                let response = response.unwrap_or_else(failed);
                Ok::<_, Infallible>(response.map(|body| Answered::new(body, pace)))
            }
        });
        let header_bytes = usize::try_from(self.limits.max_header_bytes).unwrap_or(usize::MAX);
        let mut builder = hyper::server::conn::http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            // The socket watches the time of heads, because it knows an idle connection
            // from a slow one.
            .header_read_timeout(None)
            .max_header_size(header_bytes)
            .max_buf_size(header_bytes);
        let connection = builder.serve_connection(TokioIo::new(socket), service);
        let mut connection = std::pin::pin!(connection);
        tokio::select! {
            // The connection is polled again below; nothing of it is lost.
            _ = connection.as_mut() => return,
            () = self.ending.cancelled() => {}
            () = own.must_make_room().cancelled() => {}
        }
        connection.as_mut().graceful_shutdown();
        tokio::select! {
            // Whatever the connection ended with, there is nobody left to tell.
            _ = connection => {}
            () = self.abandoned.cancelled() => {}
            () = half_a_head(&own) => {}
        }
    }
}

/// A request that is being answered.
enum Answering<F> {
    /// It changes nothing, and is given up with its connection.
    Look(F),
    /// It goes on by itself.
    Change(JoinHandle<Option<Response>>),
}

/// Waits until a connection that is to make room does nothing but read the head of a request
/// that does not come.
async fn half_a_head(pace: &Pace) {
    pace.must_make_room().cancelled().await;
    // What was begun ends, and the connection with it.
    tokio::time::sleep(LAST_CHANCE).await;
    if pace.is_answering() {
        std::future::pending::<()>().await;
    }
}

/// Answers a request; a handler that panics is one that failed.
async fn answer(router: Router, request: hyper::Request<Body>) -> Response {
    let mut answer = Box::pin(router.oneshot(request));
    let answered =
        poll_fn(
            |cx| match catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(cx))) {
                Ok(Poll::Pending) => Poll::Pending,
                Ok(Poll::Ready(Ok(response))) => Poll::Ready(Some(response)),
                Err(_) => Poll::Ready(None),
            },
        );
    // The panic itself was reported where it happened.
    answered.await.unwrap_or_else(failed)
}

/// Says that a request was not answered.
fn failed() -> Response {
    let refusal = Refusal::new(ProblemCode::Internal, "the request failed");
    refusal.hint("the server's log says why").into_response()
}
