//! How slow a client may be.
//!
//! The socket itself watches the time, because it alone sees the first byte of a request and
//! the last one of an answer that a client does not take.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::body::Bytes;
use cl_config::ApiLimits;
use hyper::body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;
use tokio_util::sync::CancellationToken;

/// How much of what a client still sends is read after the last answer, and for how long:
/// a socket that is closed over unread bytes takes the answer back.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 4 * 1024 * 1024;

/// What is going on between a client and the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Phase {
    /// The head of a request is being read, or the first one is waited for.
    Head,
    /// A request is being answered; whoever reads its body watches the time.
    Answer,
    /// The next request is waited for.
    Idle,
}

/// What is going on on a connection, as socket and service tell each other.
#[derive(Debug)]
pub(super) struct Pace {
    phase: AtomicU8,
    /// Whoever found nothing to read during an answer. It looks again after the answer,
    /// when the time begins to count.
    reader: Mutex<Option<Waker>>,
    began: Instant,
    /// Since when the client is waited for, in microseconds after the beginning.
    waits_since: AtomicU64,
    /// There was a request.
    has_asked: AtomicBool,
    /// The client does not take what was written.
    is_stalled: AtomicBool,
    room: CancellationToken,
}

impl Pace {
    /// Begins with a head.
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            phase: AtomicU8::new(Phase::Head as u8),
            reader: Mutex::default(),
            began: Instant::now(),
            waits_since: AtomicU64::default(),
            has_asked: AtomicBool::new(false),
            is_stalled: AtomicBool::new(false),
            room: CancellationToken::new(),
        })
    }

    /// A request has come.
    pub(super) fn begin_answer(&self) {
        self.has_asked.store(true, Ordering::Relaxed);
        self.set(Phase::Answer);
    }

    /// Tells whether a request is being answered, or the client still has to take the answer.
    pub(super) fn is_answering(&self) -> bool {
        self.get() == Phase::Answer || self.is_stalled.load(Ordering::Relaxed)
    }

    /// Tells whether there ever was a request.
    pub(super) fn has_asked(&self) -> bool {
        self.has_asked.load(Ordering::Relaxed)
    }

    /// Returns since when the client is waited for; none while a request is answered, and after
    /// the connection was asked to make room.
    pub(super) fn waits_since(&self) -> Option<Instant> {
        let waits = !self.is_answering() && !self.room.is_cancelled();
        let micros = self.waits_since.load(Ordering::Relaxed);
        waits.then(|| self.began + Duration::from_micros(micros))
    }

    /// The client is waited for from now on.
    pub(super) fn wait_anew(&self) {
        let micros = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.waits_since.store(micros, Ordering::Relaxed);
    }

    /// Asks the connection to end, for the sake of others.
    pub(super) fn make_room(&self) {
        self.room.cancel();
    }

    /// Returns what is cancelled when the connection is to make room.
    pub(super) fn must_make_room(&self) -> &CancellationToken {
        &self.room
    }

    pub(super) fn end_answer(&self) {
        self.wait_anew();
        self.set(Phase::Idle);
        let reader = self.reader().take();
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    fn reader(&self) -> MutexGuard<'_, Option<Waker>> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Relaxed);
    }

    fn get(&self) -> Phase {
        match self.phase.load(Ordering::Relaxed) {
            0 => Phase::Head,
            1 => Phase::Answer,
            _ => Phase::Idle,
        }
    }
}

/// A socket whose other side may not be too slow.
#[derive(Debug)]
pub(super) struct Paced {
    stream: TcpStream,
    pace: Arc<Pace>,
    limits: Arc<ApiLimits>,
    /// Runs while a head or the next request is waited for.
    reading: Option<(Phase, Pin<Box<Sleep>>)>,
    /// Runs while the client takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
    /// Runs after the last answer, with how many bytes were read since.
    lingering: Option<(Pin<Box<Sleep>>, usize)>,
}

impl Paced {
    pub(super) fn new(stream: TcpStream, pace: Arc<Pace>, limits: Arc<ApiLimits>) -> Self {
        Self {
            stream,
            pace,
            limits,
            reading: None,
            stalled: None,
            lingering: None,
        }
    }

    /// Fails when the client has been waited for long enough.
    fn wait_for_request(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let phase = self.pace.get();
        let limit = match phase {
            Phase::Answer => {
                *self.pace.reader() = Some(cx.waker().clone());
                return Poll::Pending;
            }
            Phase::Head => self.limits.header_timeout,
            Phase::Idle => self.limits.idle_timeout,
        };
        let timer = match &mut self.reading {
            Some((known, timer)) if *known == phase => timer,
            reading => {
                let timer = Box::pin(tokio::time::sleep(limit));
                &mut reading.insert((phase, timer)).1
            }
        };
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// Fails when the client has taken nothing for long enough.
    fn wait_for_progress<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        self.pace
            .is_stalled
            .store(written.is_pending(), Ordering::Relaxed);
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let limit = self.limits.write_timeout;
        let timer = self
            .stalled
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Paced {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if read.is_pending() {
            return self.wait_for_request(cx);
        }
        if self.pace.get() == Phase::Idle && buffer.filled().len() > before {
            self.pace.wait_anew();
            self.pace.set(Phase::Head);
            // Whatever is waited for next has its time from its own beginning.
            self.reading = None;
        }
        if self.pace.get() == Phase::Answer {
            self.reading = None;
        }
        read
    }
}

impl AsyncWrite for Paced {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.wait_for_progress(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.wait_for_progress(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.lingering.is_none() {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
        }
        let mut space = [0_u8; 4096];
        loop {
            let mut buffer = ReadBuf::new(&mut space);
            match Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    let new = || (Box::pin(tokio::time::sleep(LINGER)), 0);
                    let (_, read) = self.lingering.get_or_insert_with(new);
                    *read += buffer.filled().len();
                    if *read > LINGER_BYTES {
                        return Poll::Ready(Ok(()));
                    }
                }
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending => {
                    // A client that sends nothing needs nobody to wait for it.
                    let Some((timer, _)) = &mut self.lingering else {
                        return Poll::Ready(Ok(()));
                    };
                    return timer.as_mut().poll(cx).map(Ok);
                }
            }
        }
    }
}

/// The body of an answer; when it is gone the next request is waited for.
#[derive(Debug)]
pub(super) struct Answered {
    body: Body,
    _end: End,
}

#[derive(Debug)]
struct End(Arc<Pace>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.end_answer();
    }
}

impl Answered {
    pub(super) fn new(body: Body, pace: Arc<Pace>) -> Self {
        Self {
            body,
            _end: End(pace),
        }
    }
}

impl hyper::body::Body for Answered {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    async fn pair(limits: ApiLimits) -> (Paced, TcpStream) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap());
        let client = client.await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        (Paced::new(server, Pace::new(), Arc::new(limits)), client)
    }

    fn quick() -> ApiLimits {
        ApiLimits {
            write_timeout: Duration::from_millis(100),
            header_timeout: Duration::from_millis(100),
            ..ApiLimits::default()
        }
    }

    #[tokio::test]
    async fn a_client_that_takes_nothing_is_given_up() {
        let (mut server, client) = pair(quick()).await;
        let much = vec![0; 64 * 1024 * 1024];
        let error = server.write_all(&much).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(client);
    }

    #[tokio::test]
    async fn a_client_that_says_nothing_is_given_up_unless_it_is_answered() {
        let (mut server, client) = pair(quick()).await;
        let error = server.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        let (mut server, mut other) = pair(quick()).await;
        server.pace.begin_answer();
        let reading = tokio::spawn(async move { server.read_u8().await });
        // Outlasts the time for heads by what another client's took.
        let (mut third, _held) = pair(quick()).await;
        third.read_u8().await.unwrap_err();
        other.write_all(b"x").await.unwrap();
        assert_eq!(reading.await.unwrap().unwrap(), b'x');
        drop(client);
    }

    #[tokio::test]
    async fn what_a_client_still_sends_does_not_take_the_answer_back() {
        let (mut server, mut client) = pair(ApiLimits::default()).await;
        client.write_all(&vec![0; 1024 * 1024]).await.unwrap();
        server.write_all(b"answer").await.unwrap();
        let closing = tokio::spawn(async move { server.shutdown().await });
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "answer");
        drop(client);
        closing.await.unwrap().unwrap();
    }
}
