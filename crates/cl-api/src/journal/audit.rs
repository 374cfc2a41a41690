//! The audit: who wanted to change what, and what became of it.
//!
//! Each change is two lines with the same id: one without a status, on disk before the change
//! is begun, and one with it. A change without the second line was cut off: it may have been
//! made.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError};

use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use cl_storage::logbook::{Keeping, Logbook};
use cl_storage::redact::{MASK, Redactor};
use cl_storage::{ProjectId, Root, RunId, TaskId};
use cl_wire::audit::{AuditEntry, AuditTrail};
use serde_json::Value;

use super::{About, Ids, Reason};
use crate::answer::{Answer, blocking};
use crate::app::App;
use crate::guard::{self, Peer, RequestId};

/// How much of a text of a request is kept, in characters.
const KEPT_TEXT: usize = 4096;
/// How much of the values in a request is kept, one within the other.
const DEEPEST: usize = 16;
/// How many lines are looked through for those that were asked for.
const LOOKED_THROUGH: usize = 100_000;
/// Names that hold one of these are of secrets.
const SECRET_WORDS: [&str; 11] = [
    "token",
    "secret",
    "password",
    "passwd",
    "api_key",
    "apikey",
    "auth",
    "cookie",
    "session",
    "private_key",
    "access_key",
];

/// Where changes are written down.
#[derive(Debug)]
pub(crate) struct Audit {
    book: Mutex<Logbook>,
    root: Root,
    redactor: Redactor,
}

impl Audit {
    /// Writes below `root`, without what `redactor` knows.
    pub(crate) fn new(root: &Root, redactor: Redactor) -> Self {
        Self {
            book: Mutex::new(Logbook::audit(root)),
            root: root.clone(),
            redactor,
        }
    }

    /// Returns what clears texts of secrets.
    pub(crate) fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// Appends an entry; a failure is only logged.
    fn append(&self, entry: &AuditEntry, keeping: Keeping) -> bool {
        let written = serde_json::to_string(entry)
            .map_err(std::io::Error::other)
            .and_then(|line| {
                self.root.ensure().map_err(std::io::Error::other)?;
                let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
                book.append(&line, keeping)
            });
        if let Err(error) = &written {
            tracing::error!(%error, request_id = entry.request_id, "a change is in no audit");
        }
        written.is_ok()
    }

    /// Returns a value of a request without secrets, and not too large.
    fn cleared(&self, value: Value, depth: usize) -> Value {
        match value {
            _ if depth > DEEPEST => Value::from("...[TRUNCATED]"),
            Value::String(text) => Value::from(self.cleared_text(&text)),
            Value::Array(values) => {
                let cleared = values
                    .into_iter()
                    .map(|value| self.cleared(value, depth + 1));
                cleared.collect()
            }
            Value::Object(pairs) => {
                let cleared = pairs.into_iter().map(|(key, value)| {
                    let value = if is_secret(&key) && !value.is_null() {
                        Value::from(MASK)
                    } else {
                        self.cleared(value, depth + 1)
                    };
                    (self.cleared_text(&key), value)
                });
                Value::Object(cleared.collect())
            }
            plain => plain,
        }
    }

    fn cleared_text(&self, text: &str) -> String {
        // First without secrets, so that none is cut in two.
        let text = without_bearers(&self.redactor.redact(text));
        match text.char_indices().nth(KEPT_TEXT) {
            Some((end, _)) => format!("{}...[TRUNCATED]", &text[..end]),
            None => text,
        }
    }
}

/// Returns `text` with what stands behind each `Bearer` masked.
fn without_bearers(text: &str) -> String {
    const WORD: &str = "bearer ";
    let lower = text.to_ascii_lowercase();
    let mut masked = String::with_capacity(text.len());
    let mut from = 0;
    while let Some(found) = lower[from..].find(WORD) {
        let start = from + found + WORD.len();
        let length = text[start..].find(char::is_whitespace);
        masked.push_str(&text[from..start]);
        from = length.map_or(text.len(), |length| start + length);
        if from > start {
            masked.push_str(MASK);
        }
    }
    masked.push_str(&text[from..]);
    masked
}

/// Tells whether a value of this name is kept out, whatever it is.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('-', "_");
    let name = name.replace("author_", "").replace("tokens", "");
    name != "author" && SECRET_WORDS.iter().any(|word| name.contains(word))
}

/// Lets a change be made, with a line before and one behind it.
pub(super) async fn change(
    app: &App,
    endpoint: &str,
    ids: &mut Ids,
    request: Request,
    next: Next,
) -> Answer<Response> {
    let (parts, body) = request.into_parts();
    let bytes = guard::read_body(Request::from_parts(parts.clone(), body), app).await?;
    // No request is anything else, and readers of the trail are promised an object.
    let payload: Option<Value> = serde_json::from_slice(&bytes).ok().filter(Value::is_object);
    if let Some(payload) = &payload {
        let said = |name: &str| payload.get(name)?.as_str().map(str::to_owned);
        ids.project = ids.project.take().or_else(|| said("project_id"));
        ids.task = ids.task.take().or_else(|| said("task_id"));
        ids.run = ids.run.take().or_else(|| said("run_id"));
    }
    let audit = &app.audit;
    let id = parts.extensions.get::<RequestId>();
    let id = id.map_or_else(String::new, |id| id.as_str().to_owned());
    let mut entry = AuditEntry {
        timestamp: app.now(),
        request_id: id.clone(),
        correlation_id: id,
        method: parts.method.as_str().to_owned(),
        path: audit.cleared_text(parts.uri.path()),
        endpoint: format!("{} {endpoint}", parts.method),
        remote_addr: (parts.extensions.get::<Peer>()).map(|peer| peer.0.to_string()),
        // What is no id stands in the payload or the path.
        project_id: (ids.project.as_deref()).and_then(|id| ProjectId::parse(id).ok()),
        task_id: (ids.task.as_deref()).and_then(|id| TaskId::parse_existing(id).ok()),
        run_id: (ids.run.as_deref()).and_then(|id| RunId::parse(id).ok()),
        message_id: None,
        payload: payload.map(|payload| audit.cleared(payload, 0)),
        status: None,
        problem: None,
    };
    entry = write(app, entry, Keeping::Disk).await?;
    let response = next
        .run(Request::from_parts(parts, Body::from(bytes)))
        .await;
    let about = response.extensions().get::<About>().cloned();
    let reason = response.extensions().get::<Reason>();
    entry.timestamp = app.now();
    entry.message_id = about.and_then(|about| about.message_id);
    entry.status = Some(response.status().as_u16());
    entry.problem = reason.map(|reason| audit.cleared_text(&reason.0));
    write(app, entry, Keeping::Later).await?;
    Ok(response)
}

async fn write(app: &App, entry: AuditEntry, keeping: Keeping) -> Answer<AuditEntry> {
    let app = app.clone();
    blocking(move || {
        if !app.audit.append(&entry, keeping) {
            app.metrics.audit_failed();
        }
        Ok(entry)
    })
    .await
}

/// What of the audit is wanted.
#[derive(Debug, Default)]
pub(crate) struct AuditFilter {
    pub(crate) limit: usize,
    pub(crate) project: Option<ProjectId>,
    pub(crate) task: Option<TaskId>,
    pub(crate) request: Option<String>,
}

impl AuditFilter {
    fn admits(&self, entry: &AuditEntry) -> bool {
        let same = |wanted: &Option<String>, found: &str| {
            wanted.as_deref().is_none_or(|wanted| wanted == found)
        };
        same(&self.request, &entry.request_id)
            && (self.project.is_none() || self.project == entry.project_id)
            && (self.task.is_none() || self.task == entry.task_id)
    }
}

/// Reads back the changes that are `wanted`, the newest first; both lines of one are one entry.
///
/// Blocks. Lines that cannot be read are counted.
pub(crate) fn trail(root: &Root, wanted: &AuditFilter) -> std::io::Result<AuditTrail> {
    let mut trail = AuditTrail::default();
    // Ends whose beginning has not been met, by id and pattern.
    let mut ends: HashMap<(String, String), usize> = HashMap::new();
    let mut looked_at = 0;
    Logbook::audit(root).newest_first(&mut |line| {
        looked_at += 1;
        if looked_at > LOOKED_THROUGH {
            trail.has_more = true;
            return ControlFlow::Break(());
        }
        let Ok(entry) = serde_json::from_str::<AuditEntry>(line) else {
            trail.unreadable += 1;
            return ControlFlow::Continue(());
        };
        if !wanted.admits(&entry) {
            return ControlFlow::Continue(());
        }
        let key = (entry.request_id.clone(), entry.endpoint.clone());
        if entry.status.is_none()
            && let Some(end) = ends.remove(&key)
        {
            // It was asked for then.
            trail.entries[end].timestamp = entry.timestamp;
            return ControlFlow::Continue(());
        }
        if trail.entries.len() == wanted.limit {
            trail.has_more = true;
            // The beginnings of what is shown may stand further back.
            return if ends.is_empty() {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            };
        }
        if entry.status.is_some() {
            ends.insert(key, trail.entries.len());
        }
        trail.entries.push(entry);
        ControlFlow::Continue(())
    })?;
    Ok(trail)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn audit() -> (tempfile::TempDir, Audit) {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(&folder.path().join("root")).unwrap();
        let secret = "canary-secret-1".to_owned().into();
        (folder, Audit::new(&root, Redactor::new([secret])))
    }

    fn entry(id: &str, status: Option<u16>) -> AuditEntry {
        AuditEntry {
            timestamp: jiff::Timestamp::UNIX_EPOCH,
            request_id: id.to_owned(),
            correlation_id: id.to_owned(),
            method: "POST".to_owned(),
            path: "/api/v1/messages".to_owned(),
            endpoint: "POST /api/v1/messages".to_owned(),
            remote_addr: None,
            project_id: None,
            task_id: None,
            run_id: None,
            message_id: None,
            payload: None,
            status,
            problem: None,
        }
    }

    #[test]
    fn no_secret_is_written_down() {
        let (_folder, audit) = audit();
        let payload = json!({
            "body": "use canary-secret-1 and Bearer abcdefghijkl",
            "config": {"MY_TOKEN": "x", "PLAIN": "y", "more": [{"password": 7}]},
            "long": "é".repeat(5000),
        });
        let cleared = audit.cleared(payload, 0);
        let text = cleared.to_string();
        assert!(
            !text.contains("canary") && !text.contains("abcdefghijkl"),
            "{text}"
        );
        assert_eq!(cleared["config"]["MY_TOKEN"], MASK);
        assert_eq!(cleared["config"]["PLAIN"], "y");
        assert_eq!(cleared["config"]["more"][0]["password"], MASK);
        let long = cleared["long"].as_str().unwrap();
        assert_eq!(long, format!("{}...[TRUNCATED]", "é".repeat(4096)));
    }

    #[test]
    fn both_lines_of_a_change_are_one_entry() {
        let (_folder, audit) = audit();
        for (id, status) in [
            ("a", None),
            ("a", Some(201)),
            ("b", None),
            ("c", None),
            ("c", Some(404)),
        ] {
            assert!(audit.append(&entry(id, status), Keeping::Later));
        }
        let shown = |limit: usize| {
            let wanted = AuditFilter {
                limit,
                ..AuditFilter::default()
            };
            let trail = trail(&audit.root, &wanted).unwrap();
            let entries = trail.entries.iter();
            let entries: Vec<_> = entries.map(|e| (e.request_id.clone(), e.status)).collect();
            (entries, trail.has_more)
        };
        let all = [
            ("c".to_owned(), Some(404)),
            ("b".to_owned(), None),
            ("a".to_owned(), Some(201)),
        ];
        assert_eq!(shown(9), (all.to_vec(), false));
        assert_eq!(shown(2), (all[..2].to_vec(), true));
        assert_eq!(shown(1), (all[..1].to_vec(), true));
    }
}
