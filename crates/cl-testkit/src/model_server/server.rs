//! The listening side: one thread, one port, any number of connections up to a cap.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response as HttpResponse};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinSet};

use super::answer::{self, Answer, Ending, ReplyContext, Response};
use super::api::{AnswerTarget, Target};
use super::conversation::Conversation;
use super::log::{RecordedRequest, RequestLog, TooFewRequests};
use super::script::Script;

/// Connections open at the same time; more wait to be accepted.
pub const CONNECTION_CAP: usize = 256;

/// Bytes of a request body that are read; a longer one is answered with status 413.
///
/// Long conversations of agents reach some hundred kilobytes.
pub const BODY_CAP_BYTES: usize = 32 * 1024 * 1024;

/// How long accepting rests after a failure, for lack of descriptors as a rule.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A stand-in model server on a loopback port, stopped when dropped.
#[derive(Debug)]
pub struct ModelServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    /// Ends the thread's loop, by being dropped.
    stop: Option<oneshot::Sender<Infallible>>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl ModelServer {
    /// Binds a free port of the loopback address and starts answering.
    pub fn start(script: Script) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()?;
        let shared = Arc::new(Shared {
            script: Mutex::new(Playing {
                script,
                next_number: 1,
            }),
            log: RequestLog::default(),
        });
        let (stop, stopped) = oneshot::channel();
        let served = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("model-server".to_owned())
            .spawn(move || runtime.block_on(serve(listener, served, stopped)))?;
        Ok(Self {
            address,
            shared,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// The address to give to an agent, `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The socket address the server listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The requests seen so far, the oldest first.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.shared.log.requests()
    }

    /// How many requests were seen, also those the log no longer keeps.
    pub fn request_count(&self) -> usize {
        self.shared.log.count()
    }

    /// Blocks until `count` requests were seen in all, at most until the deadline.
    ///
    /// A request is seen when its body has arrived, before it is answered.
    pub fn wait_for_requests(
        &self,
        count: usize,
        deadline: Duration,
    ) -> Result<Vec<RecordedRequest>, TooFewRequests> {
        self.shared.log.wait_for_count(count, deadline)
    }

    /// Blocks until the requests satisfy a condition, at most until the deadline.
    pub fn wait_until(
        &self,
        deadline: Duration,
        enough: impl FnMut(&[RecordedRequest]) -> bool,
    ) -> Result<Vec<RecordedRequest>, TooFewRequests> {
        self.shared.log.wait_until(deadline, enough)
    }

    /// Replaces the script; requests from now on start at its beginning.
    pub fn play(&self, script: Script) {
        self.shared.lock().script = script;
    }
}

impl Drop for ModelServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        let Some(thread) = self.thread.take() else {
            return;
        };
        // A failure in the thread is a bug of the server; while another panic is on
        // its way, that one says more.
        match thread.join() {
            _ if thread::panicking() => {}
            Ok(Ok(())) => {}
            Ok(Err(error)) => panic!("the model server could not listen: {error}"),
            Err(panicked) => std::panic::resume_unwind(panicked),
        }
    }
}

/// What the connections share with the handle.
#[derive(Debug)]
struct Shared {
    script: Mutex<Playing>,
    log: RequestLog,
}

#[derive(Debug)]
struct Playing {
    script: Script,
    next_number: u64,
}

impl Shared {
    /// A panic while a turn was taken leaves at worst a turn unused.
    fn lock(&self) -> std::sync::MutexGuard<'_, Playing> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records a request and decides its answer.
    fn answer(&self, mut request: RecordedRequest, body: &Bytes) -> Answer {
        let target = Target::of(&request.method, &request.path);
        if let Target::Answer(AnswerTarget { api, .. }) = &target {
            request.api = Some(*api);
        }
        match serde_json::from_slice(body) {
            Ok(json) => request.body = json,
            Err(_) if body.is_empty() => {}
            Err(_) => request.body = Value::from(String::from_utf8_lossy(body)),
        }
        let answer = match target {
            Target::Answer(target) if request.body.is_object() => {
                let conversation = Conversation::read(&target, &request.body);
                let mut playing = self.lock();
                let turn = playing.script.take_turn(&conversation);
                let ctx = ReplyContext {
                    model: conversation.model.clone(),
                    number: playing.next_number,
                    usage: playing.script.usage(),
                };
                playing.next_number += 1;
                drop(playing);
                request.took_turn = turn.is_some();
                answer::plan(turn, &target, &conversation, &ctx)
            }
            Target::Answer(target) => {
                let refusal = answer::error(target.api, 400, "the body is not a JSON object");
                Answer::Send(refusal)
            }
            Target::CountTokens(api) => {
                Answer::Send(answer::token_count(api, self.lock().script.usage()))
            }
            Target::Models => Answer::Send(answer::models()),
            Target::Unknown => Answer::Send(answer::not_found()),
        };
        // Logged before it is answered: whoever has an answer finds its request.
        self.log.push(request, body.len());
        answer
    }
}

/// Accepts connections until the handle is gone, then drops them all.
async fn serve(
    listener: std::net::TcpListener,
    shared: Arc<Shared>,
    mut stopped: oneshot::Receiver<Infallible>,
) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let mut connections = JoinSet::new();
    loop {
        // All three are cancel-safe: nothing is taken until the arm is chosen.
        tokio::select! {
            _ = &mut stopped => return Ok(()),
            Some(ended) = connections.join_next() => resume_panic(ended),
            accepted = listener.accept(), if connections.len() < CONNECTION_CAP => {
                match accepted {
                    Ok((stream, _)) => {
                        connections.spawn(converse(stream, Arc::clone(&shared)));
                    }
                    Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
                }
            }
        }
    }
}

/// Serves one connection to its end.
async fn converse(stream: TcpStream, shared: Arc<Shared>) {
    let service = service_fn(move |request| respond(request, Arc::clone(&shared)));
    // No header timeout: it would also end the idle connections agents keep open.
    let served = http1::Builder::new()
        .header_read_timeout(None)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    // An error is a client that went away or a fault that was asked for.
    drop(served);
}

fn resume_panic(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && let Ok(panicked) = error.try_into_panic()
    {
        std::panic::resume_unwind(panicked);
    }
}

async fn respond(
    request: Request<Incoming>,
    shared: Arc<Shared>,
) -> Result<HttpResponse<PacedBody>, BrokenOff> {
    let (head, body) = request.into_parts();
    let recorded = RecordedRequest {
        method: head.method.as_str().to_owned(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: head
            .headers
            .iter()
            .map(|(name, value)| {
                let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                (name.as_str().to_owned(), value)
            })
            .collect(),
        body: Value::Null,
        api: None,
        took_turn: false,
    };
    match Limited::new(body, BODY_CAP_BYTES).collect().await {
        Ok(body) => match shared.answer(recorded, &body.to_bytes()) {
            Answer::Send(response) => Ok(into_http(response)),
            Answer::Reset => Err(BrokenOff),
            Answer::Never => pending().await,
        },
        Err(error) if error.is::<LengthLimitError>() => Ok(into_http(too_large())),
        Err(_) => Err(BrokenOff),
    }
}

fn too_large() -> Response {
    Response::json(
        413,
        &serde_json::json!({"error": {"type": "request_too_large", "message": "the body is too long"}}),
    )
}

fn into_http(response: Response) -> HttpResponse<PacedBody> {
    let mut builder = HttpResponse::builder()
        .status(response.status)
        .header(CONTENT_TYPE, response.content_type)
        .header(CACHE_CONTROL, "no-cache");
    if let Some(retry_after) = response.retry_after {
        builder = builder.header(RETRY_AFTER, retry_after.as_secs());
    }
    let body = PacedBody {
        pieces: response.pieces.into(),
        length: response.length,
        ending: response.ending,
        flushed: true,
    };
    builder
        .body(body)
        .expect("scripts give statuses from 100 to 999")
}

/// A connection that is closed on purpose.
#[derive(Debug)]
struct BrokenOff;

impl std::fmt::Display for BrokenOff {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the connection is broken off")
    }
}

impl std::error::Error for BrokenOff {}

/// A body that is flushed after every piece.
///
/// Pieces written without a pause go out together, and what is still in the buffer
/// when the body fails is lost. So the body is pending once after each piece, which
/// is when hyper flushes.
#[derive(Debug)]
struct PacedBody {
    pieces: VecDeque<Bytes>,
    length: Option<u64>,
    ending: Ending,
    flushed: bool,
}

impl Body for PacedBody {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        if !self.flushed {
            self.flushed = true;
            task.waker().wake_by_ref();
            return Poll::Pending;
        }
        if let Some(piece) = self.pieces.pop_front() {
            self.flushed = false;
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        match self.ending {
            Ending::Complete => Poll::Ready(None),
            Ending::Cut => Poll::Ready(Some(Err(BrokenOff))),
            // Nobody has to wake it: it ends with its connection.
            Ending::Stall => Poll::Pending,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self.length {
            Some(length) => SizeHint::with_exact(length),
            None => SizeHint::default(),
        }
    }
}
