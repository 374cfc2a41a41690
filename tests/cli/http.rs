//! Asking a server from a test, without a client of ours.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use cl_storage::server::ServerRecord;
use serde_json::Value;

/// Sends a request with the token of the home folder; returns the status and the body.
#[track_caller]
pub(crate) fn ask(
    server: &ServerRecord,
    token: &str,
    line: &str,
    headers: &str,
    body: Option<&Value>,
) -> (u16, Value) {
    let url = server.api_url.trim_start_matches("http://");
    let authority = url.trim_end_matches('/');
    let body = body.map(Value::to_string).unwrap_or_default();
    let mut stream = TcpStream::connect(authority).unwrap();
    write!(
        stream,
        "{line} HTTP/1.1\r\nHost: {authority}\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    // A server that is replaced cuts its connections.
    stream.read_to_string(&mut answer).unwrap_or_default();
    let status = answer.split(' ').nth(1).and_then(|word| word.parse().ok());
    let body = answer.split("\r\n\r\n").nth(1).unwrap_or_default();
    (
        status.unwrap_or_default(),
        serde_json::from_str(body).unwrap_or_default(),
    )
}
