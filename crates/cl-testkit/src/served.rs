//! A server of its own process, and a client that asks it.
//!
//! The client knows just enough HTTP/1.1 to be sure of what was answered before a server died:
//! it never asks twice by itself.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::following::Follower;
use crate::patience::eventually;
use crate::run_agent::{Finished, RunAgent, Running};
use crate::scenario::Scenario;

/// How long an answer may stand still.
const STANDSTILL: Duration = Duration::from_mins(1);
/// The line that says where a server listens.
const LISTENING: &str = "API listening on http://";

/// A server that listens; it is killed when this is dropped.
#[derive(Debug)]
pub struct Served {
    running: Running,
    address: SocketAddr,
    token: String,
}

impl Served {
    /// Starts a server of `scenario` on a free port, and waits until it listens.
    #[track_caller]
    pub fn start(scenario: &Scenario) -> Self {
        let command = scenario.command(&["serve", "--port", "0"]);
        Self::spawn(command, &scenario.path().join("home"))
    }

    /// Starts a server with a command that is not started yet; its home folder is `home`.
    #[track_caller]
    pub fn spawn(command: RunAgent, home: &Path) -> Self {
        let mut running = command.spawn();
        let address = eventually("a server that listens", || {
            let said = running.printed();
            let line = said.lines().find_map(|line| line.strip_prefix(LISTENING));
            // The line may be on its way.
            let address = line
                .filter(|_| said.contains("ui/"))
                .map(|line| line.trim_end_matches('/').parse());
            assert!(
                address.is_some() || !running.has_ended(),
                "the server has ended: {}",
                running.said()
            );
            address
        });
        let token = std::fs::read_to_string(home.join(".run-agent/token")).expect("a token");
        Self {
            running,
            address: address.expect("an address"),
            token: token.trim().to_owned(),
        }
    }

    /// Returns its process id.
    pub fn pid(&self) -> i32 {
        self.running.pid()
    }

    /// Returns where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the token that opens it.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Returns what it has logged so far.
    pub fn said(&self) -> String {
        self.running.said()
    }

    /// Returns a client that may ask for everything; it connects when it asks.
    pub fn caller(&self) -> Caller {
        Caller {
            address: self.address,
            token: self.token.clone(),
            stream: None,
        }
    }

    /// Kills it with SIGKILL, and waits for its end.
    pub fn kill(self) {
        self.running.signal(Signal::KILL);
        self.running.finish();
    }

    /// Asks it to end, and waits until it has.
    pub fn end(self) -> Finished {
        self.running.signal(Signal::TERM);
        self.running.finish()
    }
}

/// A client with one connection.
///
/// A clone has a connection of its own.
#[derive(Debug)]
pub struct Caller {
    address: SocketAddr,
    token: String,
    stream: Option<BufReader<TcpStream>>,
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// What came with it.
    pub body: Vec<u8>,
    /// Its `ETag`.
    pub tag: Option<String>,
}

impl Reply {
    /// Returns the body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        let parsed = serde_json::from_slice(&self.body);
        parsed.unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&self.body)))
    }

    /// Panics with the body unless the status is `status`.
    #[track_caller]
    #[expect(clippy::return_self_not_must_use, reason = "the check may be all")]
    pub fn expect(self, status: u16) -> Self {
        let body = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status, status, "{body}");
        self
    }
}

impl Caller {
    /// Asks for `path`.
    ///
    /// # Errors
    ///
    /// If the server cannot be reached, or ends before the answer is whole.
    pub fn get(&mut self, path: &str) -> io::Result<Reply> {
        self.ask("GET", path, &[], None)
    }

    /// Posts `body` to `path`, with an `Idempotency-Key` if there is one.
    ///
    /// # Errors
    ///
    /// As [`Caller::get`].
    pub fn post(&mut self, path: &str, key: Option<&str>, body: &Value) -> io::Result<Reply> {
        let headers: Vec<_> = key
            .map(|key| ("idempotency-key", key))
            .into_iter()
            .collect();
        self.ask("POST", path, &headers, Some(body))
    }

    /// Sends one request and reads the whole answer.
    ///
    /// # Errors
    ///
    /// As [`Caller::get`].
    pub fn ask(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> io::Result<Reply> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => connect(self.address)?,
        };
        let body = body.map(Value::to_string);
        let mut head = self.head(method, path, headers);
        if let Some(body) = &body {
            let length = body.len().to_string();
            head.push_str("content-type: application/json\r\n");
            head.extend(["content-length: ", &length, "\r\n"]);
        }
        head.push_str("\r\n");
        head.push_str(body.as_deref().unwrap_or_default());
        stream.get_mut().write_all(head.as_bytes())?;
        let (reply, goes_on) = read_reply(&mut stream)?;
        self.stream = goes_on.then_some(stream);
        Ok(reply)
    }

    /// Returns a client that asks another server in the same way.
    #[must_use]
    pub fn elsewhere(&self, address: SocketAddr) -> Self {
        Self {
            address,
            ..self.clone()
        }
    }

    /// Follows the event stream at `path`, behind the event `last_id`, on a connection of its own.
    ///
    /// # Errors
    ///
    /// If the server cannot be reached, or answers with something else than a stream.
    pub fn follow(&self, path: &str, last_id: Option<&str>) -> io::Result<Follower> {
        let mut stream = connect(self.address)?;
        let place = last_id.map(|id| ("last-event-id", id));
        let mut head = self.head("GET", path, place.as_slice());
        head.push_str("\r\n");
        stream.get_mut().write_all(head.as_bytes())?;
        let head = read_head(&mut stream)?;
        if head.status != 200 || !head.is_chunked {
            return Err(io::Error::other(format!("answers {}", head.status)));
        }
        Ok(Follower::new(stream, last_id))
    }

    fn head(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> String {
        let mut head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\n",
            self.address, self.token
        );
        for &(name, value) in headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        head
    }
}

impl Clone for Caller {
    fn clone(&self) -> Self {
        Self {
            address: self.address,
            token: self.token.clone(),
            stream: None,
        }
    }
}

fn connect(address: SocketAddr) -> io::Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect_timeout(&address, STANDSTILL)?;
    stream.set_read_timeout(Some(STANDSTILL))?;
    stream.set_nodelay(true)?;
    Ok(BufReader::new(stream))
}

/// The head of an answer.
#[derive(Debug, Default)]
struct Head {
    status: u16,
    length: usize,
    is_chunked: bool,
    goes_on: bool,
    tag: Option<String>,
}

fn read_head(stream: &mut BufReader<TcpStream>) -> io::Result<Head> {
    let cut = || io::Error::from(io::ErrorKind::UnexpectedEof);
    let first = read_line(stream)?;
    let status = first.split(' ').nth(1).and_then(|code| code.parse().ok());
    let mut head = Head {
        status: status.ok_or_else(cut)?,
        goes_on: true,
        ..Head::default()
    };
    loop {
        let line = read_line(stream)?;
        let Some((name, value)) = line.split_once(": ") else {
            return if line.is_empty() {
                Ok(head)
            } else {
                Err(cut())
            };
        };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => head.length = value.parse().map_err(io::Error::other)?,
            "transfer-encoding" => head.is_chunked = value.eq_ignore_ascii_case("chunked"),
            "connection" => head.goes_on = !value.eq_ignore_ascii_case("close"),
            "etag" => head.tag = Some(value.to_owned()),
            _ => {}
        }
    }
}

/// Reads an answer, and whether another may follow on the connection.
fn read_reply(stream: &mut BufReader<TcpStream>) -> io::Result<(Reply, bool)> {
    let head = read_head(stream)?;
    let mut body = Vec::new();
    if head.is_chunked {
        loop {
            let size = usize::from_str_radix(&read_line(stream)?, 16).map_err(io::Error::other)?;
            let start = body.len();
            body.resize(start + size, 0);
            stream.read_exact(&mut body[start..])?;
            read_line(stream)?;
            if size == 0 {
                break;
            }
        }
    } else {
        // What is not modified has a length and no body.
        let length = if head.status == 304 { 0 } else { head.length };
        body.resize(length, 0);
        stream.read_exact(&mut body)?;
    }
    let reply = Reply {
        status: head.status,
        body,
        tag: head.tag,
    };
    Ok((reply, head.goes_on))
}

fn read_line(stream: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    match line.strip_suffix("\r\n") {
        Some(line) => Ok(line.to_owned()),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}
