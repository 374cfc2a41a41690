//! A server on loopback that answers byte for byte what a test says.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use cl_client::{Builder, Client};

/// No test needs longer; one that hangs fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// A question as it came.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) line: String,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

type Answer = dyn Fn(usize, &mut TcpStream) + Send + Sync;

/// Answers until it is dropped; one question for each connection.
pub(crate) struct StandIn {
    address: SocketAddr,
    is_over: Arc<AtomicBool>,
    requests: Arc<Mutex<Vec<Request>>>,
    connections: Arc<Mutex<Vec<TcpStream>>>,
    thread: Option<JoinHandle<()>>,
}

impl StandIn {
    /// Calls `answer` with the number of the question, from zero, and the connection.
    pub(crate) fn start(answer: impl Fn(usize, &mut TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let is_over = Arc::new(AtomicBool::new(false));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let connections = Arc::new(Mutex::new(Vec::new()));
        let (over, kept) = (Arc::clone(&is_over), Arc::clone(&requests));
        let open = Arc::clone(&connections);
        let answer: Arc<Answer> = Arc::new(answer);
        let thread = std::thread::spawn(move || {
            let mut handlers = Vec::new();
            for stream in listener.incoming() {
                if over.load(Ordering::SeqCst) {
                    break;
                }
                let Ok(mut stream) = stream else { continue };
                if let Ok(same) = stream.try_clone() {
                    open.lock().expect("no test has panicked").push(same);
                }
                let (kept, answer) = (Arc::clone(&kept), Arc::clone(&answer));
                handlers.push(std::thread::spawn(move || {
                    stream.set_read_timeout(Some(PATIENCE)).expect("a bound");
                    stream.set_write_timeout(Some(PATIENCE)).expect("a bound");
                    let Some(request) = read(&stream) else { return };
                    let number = {
                        let mut all = kept.lock().expect("no test has panicked");
                        all.push(request);
                        all.len() - 1
                    };
                    answer(number, &mut stream);
                    // The clone keeps the connection open otherwise.
                    stream.shutdown(Shutdown::Both).ok();
                }));
            }
            for handler in handlers {
                handler.join().expect("the stand-in does not panic");
            }
        });
        Self {
            address,
            is_over,
            requests,
            connections,
            thread: Some(thread),
        }
    }

    /// Answers every question with the same bytes.
    pub(crate) fn always(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::start(move |_, stream| send(stream, &answer))
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn builder(&self) -> Builder {
        Builder::new(&self.url()).expect("a good address")
    }

    pub(crate) fn client(&self) -> Client {
        self.builder().build().expect("a client")
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().expect("no test has panicked").clone()
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        // Wakes it up; if nobody listens any more it needs no waking.
        TcpStream::connect(self.address).ok();
        // The client may be on this thread and cannot hang up while it waits here.
        if let Ok(open) = self.connections.lock() {
            for stream in open.iter() {
                stream.shutdown(Shutdown::Both).ok();
            }
        }
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(
                ended.is_ok() || std::thread::panicking(),
                "a handler failed"
            );
        }
    }
}

/// Sends bytes; the other side may have gone.
pub(crate) fn send(stream: &mut TcpStream, bytes: impl AsRef<[u8]>) {
    stream.write_all(bytes.as_ref()).ok();
    stream.flush().ok();
}

/// Waits until the other side has gone.
pub(crate) fn hold(stream: &mut TcpStream) {
    while matches!(stream.read(&mut [0; 64]), Ok(read) if read > 0) {}
}

/// Makes an answer with a body.
pub(crate) fn answer(status: &str, kind: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}

/// Makes an answer with a body in JSON.
pub(crate) fn json(status: &str, body: &str) -> String {
    answer(status, "application/json", body)
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let mut headers = Vec::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim_end().split_once(": ") else {
            break;
        };
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let mut request = Request {
        line: line.trim_end().to_owned(),
        headers,
        body: String::new(),
    };
    let length = request.header("content-length").unwrap_or("0");
    let mut body = vec![0; length.parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    request.body = String::from_utf8(body).ok()?;
    Some(request)
}
