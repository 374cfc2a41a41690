//! A receiver of webhooks on a loopback port of its own.

use std::collections::VecDeque;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// The largest body that is read.
const LARGEST_BODY: u64 = 1024 * 1024;

/// A client that is silent for this long is given up.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(10);

/// What arrived.
#[derive(Debug, Clone)]
pub struct Received {
    /// Method and path, as in the first line.
    pub line: String,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// The status it was answered with.
    pub answered: u16,
}

impl Received {
    /// Returns the value of a header; empty if it is not there.
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map_or("", |(_, value)| value.as_str())
    }

    /// Returns the body as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }
}

#[derive(Debug, Default)]
struct State {
    /// Used up one by one, and then `always`.
    first: VecDeque<u16>,
    always: u16,
    received: Vec<Received>,
}

/// A receiver; it stops listening when it is dropped.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Receiver {
    /// Starts a receiver that answers with each of `first` once, and then with 200.
    ///
    /// Status 0 stands for never answering.
    pub fn start(first: &[u16]) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let state = Arc::new(Mutex::new(State {
            first: first.iter().copied().collect(),
            always: 200,
            received: Vec::new(),
        }));
        let is_over = Arc::new(AtomicBool::new(false));
        let (shared, over) = (Arc::clone(&state), Arc::clone(&is_over));
        let thread = std::thread::Builder::new()
            .name("receiver".to_owned())
            .spawn(move || {
                // Held open on purpose: their clients wait for an answer.
                let mut silent = Vec::new();
                for stream in listener.incoming() {
                    if over.load(Ordering::Acquire) {
                        return;
                    }
                    // A client that breaks off is none.
                    if let Ok(Some(stream)) = stream.and_then(|stream| take(stream, &shared)) {
                        silent.push(stream);
                    }
                }
            })?;
        Ok(Self {
            address,
            state,
            is_over,
            thread: Some(thread),
        })
    }

    /// Returns its address, `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers everything with `status` from now on.
    pub fn always(&self, status: u16) {
        let mut state = lock(&self.state);
        state.first.clear();
        state.always = status;
    }

    /// Returns everything that has arrived, in order.
    pub fn received(&self) -> Vec<Received> {
        lock(&self.state).received.clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Release);
        // Wakes the thread from its waiting.
        TcpStream::connect(self.address).ok();
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes one request; returns its connection if it is not to be answered.
fn take(stream: TcpStream, state: &Mutex<State>) -> io::Result<Option<TcpStream>> {
    stream.set_read_timeout(Some(CLIENT_TIMEOUT))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut headers = Vec::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.trim_end().split_once(':') else {
            break;
        };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers
        .iter()
        .find(|(name, _)| name == "content-length")
        .and_then(|(_, value)| value.parse().ok())
        .unwrap_or(0)
        .min(LARGEST_BODY);
    let mut body = Vec::new();
    reader.take(length).read_to_end(&mut body)?;
    if line.is_empty() {
        return Ok(None);
    }
    let mut state = lock(state);
    let status = state.first.pop_front().unwrap_or(state.always);
    state.received.push(Received {
        line: line.trim_end().to_owned(),
        headers,
        body,
        answered: status,
    });
    drop(state);
    if status == 0 {
        return Ok(Some(stream));
    }
    let mut stream = stream;
    write!(
        stream,
        "HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    )?;
    Ok(None)
}
