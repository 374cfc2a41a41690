//! A client of one stream.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use cl_wire::events::Stream;
use cl_wire::sse::{Decoder, Event, Part};

use super::json;
use crate::http::Connection;
use crate::server::Server;

/// How long a test waits for an event.
const PATIENCE: Duration = Duration::from_mins(1);

/// A client of one stream.
pub(crate) struct Client {
    connection: Connection,
    decoder: Decoder,
    ready: VecDeque<Event>,
    /// The place of the last event.
    pub(crate) last_id: Option<String>,
    has_ended: bool,
}

impl Client {
    #[track_caller]
    pub(crate) fn open(server: &Server, path: &str, last_id: Option<&str>) -> Self {
        let mut request = server.request("GET", path);
        if let Some(last_id) = last_id {
            request = request.header("last-event-id", last_id);
        }
        let mut connection = server.connect();
        connection.send(request.bytes());
        let head = connection.head().unwrap();
        assert_eq!(head.status, 200, "{path}");
        assert_eq!(head.header("content-type"), Some("text/event-stream"));
        assert_eq!(head.header("cache-control"), Some("no-cache"));
        // The head does not wait for the first event.
        let first = connection.chunk().unwrap();
        assert!(first.starts_with(b": ok\n"), "{first:?}");
        Self {
            connection,
            decoder: Decoder::default(),
            ready: VecDeque::new(),
            last_id: last_id.map(str::to_owned),
            has_ended: false,
        }
    }

    /// Returns the next event; none at the end of the stream.
    #[track_caller]
    pub(crate) fn next(&mut self) -> Option<Event> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(event) = self.ready.pop_front() {
                if let Some(id) = &event.id {
                    self.last_id = Some(id.clone());
                }
                return Some(event);
            }
            assert!(Instant::now() < deadline, "no event came");
            let Some(chunk) = self.connection.chunk() else {
                self.has_ended = true;
                return None;
            };
            let mut parts = Vec::new();
            self.decoder.feed(&chunk, &mut parts).unwrap();
            for part in parts {
                if let Part::Event(event) = part {
                    self.ready.push_back(event);
                }
            }
        }
    }

    /// Returns the next event with this name, passing over others.
    #[track_caller]
    pub(crate) fn next_named(&mut self, name: &str) -> Event {
        let deadline = Instant::now() + PATIENCE;
        loop {
            assert!(Instant::now() < deadline, "no {name} came");
            let event = self.next().expect("the stream goes on");
            if event.name() == name {
                return event;
            }
        }
    }

    /// Returns the next line of a run.
    #[track_caller]
    pub(super) fn line(&mut self) -> (String, Stream, String) {
        let event = self.next_named("log");
        let line: cl_wire::events::LogLine = serde_json::from_str(&event.data).unwrap();
        (line.run_id.to_string(), line.stream, line.line)
    }

    #[track_caller]
    pub(super) fn expect_lines(&mut self, expected: impl IntoIterator<Item = String>) {
        for expected in expected {
            assert_eq!(self.line().2, expected);
        }
    }

    /// Returns the text of the next message.
    #[track_caller]
    pub(super) fn message(&mut self) -> String {
        json(&self.next_named("message"))["body"]
            .as_str()
            .unwrap()
            .to_owned()
    }
}
