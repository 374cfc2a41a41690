//! What a message is, as read and as about to be written.

use std::collections::BTreeMap;

use cl_storage::{MessageId, ProjectId, RunId, TaskId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::record;

/// The most bytes that a body may have.
///
/// Larger content belongs into a file that a link names: every reader holds
/// whole bodies in memory, and agents pay for each of them.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;

/// The most bytes that a header may have, for writers and readers.
pub const MAX_HEADER_BYTES: usize = 64 * 1024;

/// One message as it stands on a bus; also its one JSON form.
///
/// Project, task, run and issue are the text found in the file: messages of other
/// writers may hold ids that our parsers refuse, or none (an empty text).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The id, unique on its bus.
    #[serde(rename = "msg_id")]
    pub id: MessageId,
    /// When the message was made, by its writer's clock.
    pub timestamp: Timestamp,
    /// What sort of message it is: `FACT`, `PROGRESS`, `RUN_START`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// The project; empty in legacy lines.
    pub project_id: String,
    /// The task, or an empty text.
    pub task_id: String,
    /// The run, or an empty text.
    pub run_id: String,
    /// The issue that the message is about, or an empty text.
    pub issue_id: String,
    /// The messages that this one answers or depends on.
    pub parents: Vec<Parent>,
    /// Places that the message points to.
    pub links: Vec<Link>,
    /// Further facts, by name.
    pub meta: BTreeMap<String, String>,
    /// The body; bytes that are no UTF-8 are replaced, see [`Message::body_bytes`].
    pub body: String,
    /// Whether the body is not complete: its writer died, or it has more than the
    /// 16 MiB that a reader holds.
    #[serde(default)]
    pub truncated: bool,
    /// Whether the body is not the one that was posted: somebody edited the file.
    #[serde(default)]
    pub edited: bool,
    /// Whether the body holds bytes that are no UTF-8.
    #[serde(default)]
    pub lossy: bool,
    /// The exact bytes of the body where [`Message::body`] cannot hold them.
    #[serde(skip)]
    pub(crate) raw_body: Option<Vec<u8>>,
}

impl Message {
    /// Returns the exact bytes of the body.
    pub fn body_bytes(&self) -> &[u8] {
        self.raw_body.as_deref().unwrap_or(self.body.as_bytes())
    }
}

/// A message that another one refers to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    /// The id of that message.
    pub msg_id: MessageId,
    /// How the two are related: `answers`, `depends_on`, …; may be empty.
    #[serde(default)]
    pub kind: String,
    /// Further facts about the relation.
    #[serde(default)]
    pub meta: BTreeMap<String, String>,
}

impl Parent {
    /// Makes a reference to `msg_id` of the given kind.
    pub fn new(msg_id: MessageId, kind: impl Into<String>) -> Self {
        Self {
            msg_id,
            kind: kind.into(),
            meta: BTreeMap::new(),
        }
    }
}

/// A place that a message points to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Link {
    /// A URL or a path.
    pub url: String,
    /// What a reader is shown; may be empty.
    #[serde(default)]
    pub label: String,
    /// What stands there: `run_info`, `output`, …; may be empty.
    #[serde(default)]
    pub kind: String,
}

/// A message that is about to be posted.
///
/// The bus adds the id and, unless one is given, the time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// What sort of message it is: letters, digits and `_ / -`.
    pub kind: String,
    /// The project it belongs to.
    pub project_id: ProjectId,
    /// The task it belongs to.
    pub task_id: Option<TaskId>,
    /// The run it belongs to.
    pub run_id: Option<RunId>,
    /// The issue it is about; an `ISSUE` without one names itself.
    pub issue_id: String,
    /// The messages it refers to.
    pub parents: Vec<Parent>,
    /// The places it points to.
    pub links: Vec<Link>,
    /// Further facts, by name; `body_escape` is the bus's own.
    pub meta: BTreeMap<String, String>,
    /// When it happened; the time of the append if `None`.
    pub timestamp: Option<Timestamp>,
    /// The body, any bytes.
    pub body: Vec<u8>,
}

impl Draft {
    /// Starts a message with what every message has.
    pub fn new(kind: impl Into<String>, project_id: ProjectId, body: impl Into<Vec<u8>>) -> Self {
        Self {
            kind: kind.into(),
            project_id,
            task_id: None,
            run_id: None,
            issue_id: String::new(),
            parents: Vec::new(),
            links: Vec::new(),
            meta: BTreeMap::new(),
            timestamp: None,
            body: body.into(),
        }
    }

    /// Sets the task.
    #[must_use]
    pub fn task(mut self, task_id: TaskId) -> Self {
        self.task_id = Some(task_id);
        self
    }

    /// Sets the run.
    #[must_use]
    pub fn run(mut self, run_id: RunId) -> Self {
        self.run_id = Some(run_id);
        self
    }

    /// Adds one fact to the meta data.
    #[must_use]
    pub fn meta(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.meta.insert(name.into(), value.into());
        self
    }

    /// Adds a link.
    #[must_use]
    pub fn link(mut self, link: Link) -> Self {
        self.links.push(link);
        self
    }

    /// Adds a reference to another message.
    #[must_use]
    pub fn parent(mut self, parent: Parent) -> Self {
        self.parents.push(parent);
        self
    }

    /// Checks everything that can be checked without the bus.
    pub fn validate(&self) -> Result<(), DraftError> {
        if self.kind.is_empty() {
            return Err(DraftError::EmptyType);
        }
        if !is_type(&self.kind) {
            return Err(DraftError::InvalidType(
                self.kind.chars().take(120).collect(),
            ));
        }
        if self.body.is_empty() && !self.kind.starts_with("RUN_") {
            return Err(DraftError::EmptyBody);
        }
        if self.body.len() > MAX_BODY_BYTES {
            return Err(DraftError::BodyTooLarge {
                bytes: self.body.len(),
            });
        }
        if self.meta.contains_key(record::ESCAPE_KEY) {
            return Err(DraftError::ReservedMeta(record::ESCAPE_KEY));
        }
        // Quoting makes a text at most ten times as long; only what could reach the
        // limit is measured exactly.
        if self.header_text_bytes() > MAX_HEADER_BYTES / 16 {
            let bytes = record::header_bytes_at_most(self);
            if bytes > MAX_HEADER_BYTES {
                return Err(DraftError::HeaderTooLarge { bytes });
            }
        }
        Ok(())
    }

    /// Counts the bytes of all texts in the header, with room for what stands around each.
    fn header_text_bytes(&self) -> usize {
        const AROUND: usize = 16;
        let pairs = |map: &BTreeMap<String, String>| {
            map.iter()
                .map(|(key, value)| key.len() + value.len() + AROUND)
                .sum::<usize>()
        };
        let parent = |parent: &Parent| {
            parent.msg_id.as_str().len() + parent.kind.len() + pairs(&parent.meta) + 2 * AROUND
        };
        let link = |link: &Link| link.url.len() + link.label.len() + link.kind.len() + 3 * AROUND;
        self.kind.len()
            + self.issue_id.len()
            + pairs(&self.meta)
            + self.parents.iter().map(parent).sum::<usize>()
            + self.links.iter().map(link).sum::<usize>()
    }
}

/// Why a message cannot be posted as it is; the author's to put right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DraftError {
    /// There is no type.
    #[error("message type is empty")]
    EmptyType,
    /// The type holds characters that it may not.
    #[error("invalid message type {0:?}: only letters, digits, '_', '/' and '-' are allowed")]
    InvalidType(String),
    /// There is no body.
    #[error("message body is empty")]
    EmptyBody,
    /// The body is larger than the limit.
    #[error(
        "message body has {bytes} bytes, the limit is {MAX_BODY_BYTES}: \
         put it into a file and post a link to that file"
    )]
    BodyTooLarge {
        /// The size of the body.
        bytes: usize,
    },
    /// The body is too large even for a file beside the bus.
    #[error(
        "message body has {bytes} bytes, the limit is {}: \
         put it into a file and post a link to that file",
        crate::attach::MAX_ATTACHMENT_BYTES
    )]
    AttachmentTooLarge {
        /// The size of the body.
        bytes: usize,
    },
    /// Meta data, parents and links together are larger than the limit.
    #[error(
        "message header has {bytes} bytes, the limit is {MAX_HEADER_BYTES}: \
         shorten its meta data, parents or links"
    )]
    HeaderTooLarge {
        /// The size of the header.
        bytes: usize,
    },
    /// A meta key that only the bus may write.
    #[error("meta key {0:?} is reserved for the bus")]
    ReservedMeta(&'static str),
}

/// Tells whether `text` may be the type of a message.
pub(crate) fn is_type(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'/' | b'-'))
}
#[cfg(test)]
mod tests {
    use super::*;

    fn draft(kind: &str, body: impl Into<Vec<u8>>) -> Draft {
        Draft::new(kind, ProjectId::parse("p").unwrap(), body)
    }

    #[track_caller]
    fn check_draft(draft: &Draft, expected: &str) {
        let found = draft
            .validate()
            .map_or_else(|e| e.to_string(), |()| "ok".into());
        assert_eq!(found, expected);
    }

    #[test]
    fn drafts_are_checked() {
        check_draft(&draft("FACT", "x"), "ok");
        check_draft(&draft("a/b-C_9", "x"), "ok");
        check_draft(&draft("RUN_STOP", ""), "ok");
        check_draft(&draft("FACT", vec![b'-'; MAX_BODY_BYTES]), "ok");
        check_draft(&draft("", "x"), "message type is empty");
        check_draft(
            &draft("A B", "x"),
            "invalid message type \"A B\": only letters, digits, '_', '/' and '-' are allowed",
        );
        check_draft(&draft("FACT", ""), "message body is empty");
        check_draft(
            &draft("FACT", vec![0; MAX_BODY_BYTES + 1]),
            "message body has 1048577 bytes, the limit is 1048576: \
             put it into a file and post a link to that file",
        );
        check_draft(
            &draft("FACT", "x").meta("body_escape", "none"),
            "meta key \"body_escape\" is reserved for the bus",
        );
        let error = draft("FACT", "x")
            .meta("k", "v".repeat(MAX_HEADER_BYTES))
            .validate();
        assert!(
            matches!(error, Err(DraftError::HeaderTooLarge { bytes }) if bytes > MAX_HEADER_BYTES),
            "{error:?}"
        );
    }
}
