//! The body of an answer that is a stream of events.
//!
//! The stream is a future that lives in the body: hyper asks the body for the next piece when
//! the client has room for it, and so runs the stream. A client that takes nothing stops its
//! stream at the next [`Outlet::flush`]; the socket gives up on it after
//! `api.limits.write_timeout`, and with the connection the stream is dropped, wherever it is.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use cl_wire::events::{Heartbeat, name};
use cl_wire::sse::{self, Event};
use hyper::body::Frame;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::seats::Seat;
use crate::app::App;

/// Events are sent together up to this size.
const PIECE: usize = 32 * 1024;
/// How many pieces wait for the socket; with the one that is being made, all that is kept.
const PIECES: usize = 1;
/// When clients whose connection broke should connect again.
const RETRY: Duration = Duration::from_secs(1);
/// The shortest time between two heartbeats, whatever is configured.
const SHORTEST_BEAT: Duration = Duration::from_millis(100);

/// Where a stream writes its events.
#[derive(Debug)]
pub(super) struct Outlet {
    pieces: mpsc::Sender<Bytes>,
    text: String,
    beat: Duration,
    next_beat: Instant,
}

impl Outlet {
    /// Adds an event; it is sent with the next [`Self::flush`].
    pub(super) fn event(&mut self, event: &Event) {
        event.encode_into(&mut self.text);
    }

    /// Adds an event with JSON.
    pub(super) fn json(&mut self, name: &str, id: Option<String>, data: &impl Serialize) {
        match Event::json(name, data) {
            Ok(mut event) => {
                event.id = id;
                self.event(&event);
            }
            // Our types have no keys but strings, and none of them fails.
            Err(error) => tracing::error!(%error, name, "an event is no JSON"),
        }
    }

    /// Sends what was added if that is worth a piece.
    pub(super) async fn flush_if_full(&mut self) {
        if self.text.len() >= PIECE {
            self.flush().await;
        }
    }

    /// Sends what was added; waits while the client takes nothing.
    pub(super) async fn flush(&mut self) {
        if self.text.is_empty() {
            return;
        }
        let text = std::mem::take(&mut self.text);
        // Nobody takes it only when the stream is being dropped.
        self.pieces.send(text.into()).await.unwrap_or_default();
        self.next_beat = Instant::now() + self.beat;
    }

    /// Waits for `something`, and sends heartbeats meanwhile.
    pub(super) async fn wait_for<T>(&mut self, something: impl Future<Output = T>) -> T {
        let mut something = std::pin::pin!(something);
        loop {
            tokio::select! {
                // It is not dropped when the other branch comes first.
                it = &mut something => return it,
                () = tokio::time::sleep_until(self.next_beat) => {
                    self.json(name::HEARTBEAT, None, &Heartbeat {});
                    self.flush().await;
                }
            }
        }
    }
}

/// Answers with the events that `stream` writes until it or the server ends.
pub(super) fn respond<S>(app: &App, seat: Seat, stream: impl FnOnce(Outlet) -> S) -> Response
where
    S: Future<Output = ()> + Send + 'static,
{
    let (pieces, received) = mpsc::channel(PIECES);
    let beat = app.serving.config.api.sse.heartbeat_interval;
    let beat = beat.max(SHORTEST_BEAT);
    let mut text = sse::comment("ok");
    text.push_str(&sse::retry(RETRY));
    let outlet = Outlet {
        pieces,
        text: String::new(),
        beat,
        next_beat: Instant::now() + beat,
    };
    let body = Streamed {
        first: Some(text.into()),
        stream: Some(Box::pin(ended_by(app.ending.clone(), stream(outlet)))),
        received,
        _seat: seat,
    };
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static(sse::CONTENT_TYPE),
        ),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (
            HeaderName::from_static("x-accel-buffering"),
            HeaderValue::from_static("no"),
        ),
    ];
    (StatusCode::OK, headers, Body::new(body)).into_response()
}

async fn ended_by(ending: CancellationToken, stream: impl Future<Output = ()>) {
    tokio::select! {
        // Its clients resume where it was, at this server or the next.
        () = ending.cancelled() => {}
        () = stream => {}
    }
}

/// The body: the stream and what it has written.
struct Streamed {
    first: Option<Bytes>,
    stream: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    received: mpsc::Receiver<Bytes>,
    _seat: Seat,
}

impl hyper::body::Body for Streamed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = &mut *self;
        if let Some(first) = this.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        // The only sender is polled here, so nothing comes while this does not run. What is
        // there is taken whatever the runtime's budget: asking again would never end.
        if let Ok(piece) = this.received.try_recv() {
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        let Some(stream) = &mut this.stream else {
            return Poll::Ready(None);
        };
        if stream.as_mut().poll(cx).is_ready() {
            this.stream = None;
        }
        match this.received.try_recv() {
            Ok(piece) => Poll::Ready(Some(Ok(Frame::data(piece)))),
            Err(_) if this.stream.is_none() => Poll::Ready(None),
            Err(_) => Poll::Pending,
        }
    }
}
