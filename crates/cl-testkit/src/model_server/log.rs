//! The requests a server has seen.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::api::Api;

/// Requests kept in the log; the oldest go first.
///
/// An agent that falls into a loop makes hundreds of requests in a second.
pub const LOG_CAP_REQUESTS: usize = 2_000;

/// Bytes of request bodies kept in the log, counted as they came over the wire.
pub const LOG_CAP_BYTES: usize = 64 * 1024 * 1024;

/// A request as it came in.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedRequest {
    /// The method, in capitals.
    pub method: String,
    /// The path without the query.
    pub path: String,
    /// The query without its question mark, empty if there is none.
    pub query: String,
    /// Names in lower case and values, in order of arrival.
    pub headers: Vec<(String, String)>,
    /// The body; `Null` if there is none, a string if it is not JSON.
    pub body: Value,
    /// The protocol, if the request asked for an answer of the model.
    pub api: Option<Api>,
    /// Whether the request took a turn of the script.
    pub took_turn: bool,
}

impl RecordedRequest {
    /// The value of a header; the name is matched without regard to case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// Whether the text occurs in any string of the body.
    pub fn mentions(&self, text: &str) -> bool {
        mentions(&self.body, text)
    }
}

/// The requests waited for did not come in time.
#[derive(Debug, Clone, PartialEq)]
pub struct TooFewRequests {
    /// The time that was given.
    pub waited: Duration,
    /// What came until then.
    pub seen: Vec<RecordedRequest>,
}

impl fmt::Display for TooFewRequests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the expected requests did not come within {:?}; seen so far: {}",
            self.waited,
            self.seen.len()
        )?;
        for request in &self.seen {
            write!(f, "\n  {} {}", request.method, request.path)?;
        }
        Ok(())
    }
}

impl std::error::Error for TooFewRequests {}

/// A bounded log that can be waited on.
#[derive(Debug, Default)]
pub(super) struct RequestLog {
    kept: Mutex<Kept>,
    grown: Condvar,
}

#[derive(Debug, Default)]
struct Kept {
    requests: VecDeque<(RecordedRequest, usize)>,
    bytes: usize,
    dropped: usize,
}

impl RequestLog {
    /// Adds a request whose body had `size` bytes.
    pub(super) fn push(&self, request: RecordedRequest, size: usize) {
        let mut kept = self.lock();
        kept.requests.push_back((request, size));
        kept.bytes += size;
        while kept.requests.len() > LOG_CAP_REQUESTS || kept.bytes > LOG_CAP_BYTES {
            let Some((_, size)) = kept.requests.pop_front() else {
                break;
            };
            kept.bytes -= size;
            kept.dropped += 1;
        }
        drop(kept);
        self.grown.notify_all();
    }

    pub(super) fn requests(&self) -> Vec<RecordedRequest> {
        self.lock().copied()
    }

    /// Requests ever seen, also those no longer kept.
    pub(super) fn count(&self) -> usize {
        self.lock().count()
    }

    pub(super) fn wait_for_count(
        &self,
        count: usize,
        deadline: Duration,
    ) -> Result<Vec<RecordedRequest>, TooFewRequests> {
        self.wait(deadline, |kept| kept.count() >= count)
    }

    pub(super) fn wait_until(
        &self,
        deadline: Duration,
        mut enough: impl FnMut(&[RecordedRequest]) -> bool,
    ) -> Result<Vec<RecordedRequest>, TooFewRequests> {
        self.wait(deadline, |kept| enough(&kept.copied()))
    }

    fn wait(
        &self,
        deadline: Duration,
        mut enough: impl FnMut(&Kept) -> bool,
    ) -> Result<Vec<RecordedRequest>, TooFewRequests> {
        let started = Instant::now();
        let mut kept = self.lock();
        loop {
            if enough(&kept) {
                return Ok(kept.copied());
            }
            let Some(left) = deadline.checked_sub(started.elapsed()) else {
                return Err(TooFewRequests {
                    waited: deadline,
                    seen: kept.copied(),
                });
            };
            (kept, _) = self
                .grown
                .wait_timeout(kept, left)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// A panic elsewhere leaves the log whole: each change of it is complete.
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn count(&self) -> usize {
        self.dropped + self.requests.len()
    }

    fn copied(&self) -> Vec<RecordedRequest> {
        let requests = self.requests.iter();
        requests.map(|(request, _)| request.clone()).collect()
    }
}

fn mentions(value: &Value, text: &str) -> bool {
    match value {
        Value::String(found) => found.contains(text),
        Value::Array(items) => items.iter().any(|item| mentions(item, text)),
        Value::Object(fields) => fields.values().any(|field| mentions(field, text)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(path: &str) -> RecordedRequest {
        RecordedRequest {
            method: "POST".to_owned(),
            path: path.to_owned(),
            query: String::new(),
            headers: vec![("x-api-key".to_owned(), "key".to_owned())],
            body: serde_json::json!({"messages": [{"content": "find me"}]}),
            api: None,
            took_turn: false,
        }
    }

    #[test]
    fn oldest_requests_are_dropped_but_still_counted() {
        let log = RequestLog::default();
        for n in 0..=LOG_CAP_REQUESTS {
            log.push(request(&n.to_string()), 1);
        }
        assert_eq!(log.count(), LOG_CAP_REQUESTS + 1);
        let kept = log.requests();
        assert_eq!(kept.len(), LOG_CAP_REQUESTS);
        assert_eq!(kept[0].path, "1");
    }

    #[test]
    fn large_bodies_push_out_earlier_ones() {
        let log = RequestLog::default();
        log.push(request("first"), LOG_CAP_BYTES);
        log.push(request("second"), 1);
        assert_eq!(log.requests(), [request("second")]);
    }

    #[test]
    fn waiting_ends_at_the_deadline_and_tells_what_was_seen() {
        let log = RequestLog::default();
        log.push(request("/only"), 0);
        let error = log
            .wait_for_count(2, Duration::ZERO)
            .expect_err("only one came");
        assert!(error.to_string().contains("POST /only"), "{error}");
    }

    #[test]
    fn waiting_sees_requests_of_another_thread() {
        let log = RequestLog::default();
        std::thread::scope(|scope| {
            scope.spawn(|| log.push(request("/late"), 0));
            let seen = log.wait_until(Duration::from_secs(30), |seen| !seen.is_empty());
            assert_eq!(seen, Ok(vec![request("/late")]));
        });
    }

    #[test]
    fn headers_and_texts_are_found() {
        let request = request("/");
        assert_eq!(request.header("X-Api-Key"), Some("key"));
        assert!(request.mentions("find"));
        assert!(!request.mentions("lose"));
    }
}
