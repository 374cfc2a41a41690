//! The access log: a line for each request, written by a thread of its own.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use cl_storage::Root;
use cl_storage::logbook::{Keeping, Logbook};
use jiff::Timestamp;

use super::{Metrics, Told};

/// How many lines wait to be written at the most; more are lost, and counted.
const WAITING: usize = 1024;
/// How much of a path is shown.
const SHOWN: usize = 512;
/// Asked again and again by machines; told only where they fail.
const QUIET: [&str; 3] = ["/healthz", "/api/v1/health", "/metrics"];

/// Where lines are handed to the thread that writes them.
#[derive(Debug)]
pub(super) struct AccessLog {
    lines: SyncSender<String>,
    metrics: Arc<Metrics>,
}

impl AccessLog {
    /// Begins to write; the thread ends when nobody can tell it anything any more.
    pub(super) fn start(root: &Root, metrics: Arc<Metrics>) -> std::io::Result<Self> {
        let (lines, told) = sync_channel(WAITING);
        let (book, root) = (Logbook::access(root), root.clone());
        std::thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || write(&root, book, &told))?;
        Ok(Self { lines, metrics })
    }

    /// Hands a line on; never waits.
    pub(super) fn tell(&self, line: String) {
        match self.lines.try_send(line) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.metrics.lost_a_line();
            }
        }
    }
}

fn write(root: &Root, mut book: Logbook, told: &Receiver<String>) {
    let mut has_failed = false;
    while let Ok(line) = told.recv() {
        // Reading from a root that is not there does not make it.
        if !root.exists() {
            continue;
        }
        match book.append(&line, Keeping::Later) {
            Ok(()) => has_failed = false,
            // Said once for each time that it begins.
            Err(_) if has_failed => {}
            Err(error) => {
                has_failed = true;
                tracing::warn!(%error, path = %book.path().display(), "cannot write the access log");
            }
        }
    }
}

/// Tells whether a request is not worth a line.
pub(super) fn is_quiet(told: &Told) -> bool {
    told.status.is_success() && QUIET.contains(&told.path.as_str())
}

/// Makes a line: words of the form `name=value`.
pub(super) fn line(told: &Told, now: Timestamp, bytes: u64, took: Duration) -> String {
    let level = match told.status.as_u16() {
        500.. => "error",
        400.. => "warn",
        _ => "info",
    };
    let mut line = format!("ts={now} level={level} subsystem=api event=request_completed");
    let mut add = |name: &str, value: &str| {
        write!(line, " {name}={}", quoted(value)).unwrap_or_default();
    };
    add("request_id", &told.request_id);
    add("correlation_id", &told.request_id);
    add("method", told.method.as_str());
    add("path", &told.path);
    add("status", told.status.as_str());
    add("bytes", &bytes.to_string());
    add("duration_ms", &took.as_millis().to_string());
    let ids = &told.found.ids;
    for (name, id) in [
        ("project_id", &ids.project),
        ("task_id", &ids.task),
        ("run_id", &ids.run),
    ] {
        if let Some(id) = id {
            add(name, id);
        }
    }
    line
}

/// Returns a value as it stands in a line: cut, and quoted where it is not plain.
fn quoted(value: &str) -> String {
    let mut shown: String = value.chars().take(SHOWN).collect();
    if shown.len() < value.len() {
        shown.push('…');
    }
    let is_plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '=' | '\\');
    if !shown.is_empty() && shown.chars().all(is_plain) {
        return shown;
    }
    serde_json::to_string(&shown).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use axum::http::{Method, StatusCode};

    use super::*;
    use crate::journal::{Found, Ids};

    fn told(path: &str, status: StatusCode) -> Told {
        Told {
            request_id: "req-1".to_owned(),
            method: Method::GET,
            path: path.to_owned(),
            status,
            found: Found {
                endpoint: None,
                ids: Ids {
                    project: Some("p".to_owned()),
                    ..Ids::default()
                },
            },
        }
    }

    #[test]
    fn a_line_has_the_documented_words() {
        let told = told("/api/projects/p", StatusCode::OK);
        let took = Duration::from_micros(2500);
        assert_eq!(
            line(&told, Timestamp::UNIX_EPOCH, 7, took),
            "ts=1970-01-01T00:00:00Z level=info subsystem=api event=request_completed \
             request_id=req-1 correlation_id=req-1 method=GET path=/api/projects/p status=200 \
             bytes=7 duration_ms=2 project_id=p"
        );
    }

    #[test]
    fn nobody_can_write_lines_of_their_own() {
        assert_eq!(quoted("a b"), "\"a b\"");
        assert_eq!(quoted("a=b\n"), "\"a=b\\n\"");
        assert_eq!(quoted(""), "\"\"");
        assert_eq!(quoted("%0a"), "%0a");
        assert!(quoted(&"x".repeat(10_000)).chars().count() < 600);
    }

    #[test]
    fn only_health_that_is_well_is_quiet() {
        assert!(is_quiet(&told("/healthz", StatusCode::OK)));
        assert!(!is_quiet(&told("/healthz", StatusCode::FORBIDDEN)));
        assert!(!is_quiet(&told("/api/v1/version", StatusCode::OK)));
    }
}
