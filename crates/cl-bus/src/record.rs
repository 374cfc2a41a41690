//! Turns a draft into the bytes of a record.

use std::collections::BTreeMap;
use std::io::Write as _;

use cl_storage::MessageId;
use cl_storage::yaml::Mapping;
use jiff::Timestamp;

use crate::escape;
use crate::message::{Draft, Link, Message, Parent};

/// The meta key that says how the body is escaped.
pub(crate) const ESCAPE_KEY: &str = "body_escape";
/// The only escape there is: one more backslash, see [`crate::escape`].
pub(crate) const ESCAPE_BACKSLASH: &str = "backslash";

/// The meta key by which a repaired copy says what was wrong with a body.
const DAMAGE_KEY: &str = "damage";

/// A record that lacks only what the holder of the lock gives it: id and time.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// The header from the type to the run.
    head: String,
    /// Whether the message's own id stands as its issue.
    is_own_issue: bool,
    /// The rest of the header, the closing line, the body and its terminator.
    tail: Vec<u8>,
    /// When it happened; the time of the append if `None`.
    pub(crate) timestamp: Option<Timestamp>,
}

/// Room for opening line, id (twice) and time, and the names of those keys.
const ID_AND_TIME_BYTES: usize = 256;

impl Prepared {
    pub(crate) fn new(draft: &Draft) -> Self {
        let stored = escape::escape(&draft.body);
        let is_escaped = stored.len() != draft.body.len();
        let mut tail = header_tail(draft, stored.len(), is_escaped).into_bytes();
        tail.reserve_exact(b"---\n".len() + stored.len() + 1);
        tail.extend_from_slice(b"---\n");
        tail.extend_from_slice(&stored);
        tail.push(b'\n');
        Self {
            head: header_head(draft),
            is_own_issue: draft.kind == "ISSUE" && draft.issue_id.is_empty(),
            tail,
            timestamp: draft.timestamp,
        }
    }

    /// Returns how many bytes the record has at the most.
    pub(crate) fn bytes_at_most(&self) -> usize {
        ID_AND_TIME_BYTES + self.head.len() + self.tail.len()
    }

    /// Writes the record, from its opening line to the body's terminator.
    ///
    /// The id is one that the bus made, which needs no quotes.
    pub(crate) fn write(&self, id: &MessageId, timestamp: Timestamp, out: &mut Vec<u8>) {
        out.extend_from_slice(b"---\nmsg_id: ");
        out.extend_from_slice(id.as_str().as_bytes());
        // Writing to memory cannot fail.
        writeln!(out, "\nts: {timestamp}").unwrap_or_default();
        out.extend_from_slice(self.head.as_bytes());
        if self.is_own_issue {
            writeln!(out, "issue_id: {id}").unwrap_or_default();
        }
        out.extend_from_slice(&self.tail);
    }
}

/// Writes the record of a message that was read, with its own id and time.
///
/// A body that is not whole becomes whole, and the meta data says what it was.
pub(crate) fn encode_again(message: &Message, out: &mut Vec<u8>) {
    let stored = escape::escape(message.body_bytes());
    let is_escaped = stored.len() != message.body_bytes().len();
    let mut meta = message.meta.clone();
    if message.truncated {
        meta.insert(DAMAGE_KEY.to_owned(), "truncated".to_owned());
    } else if message.edited {
        meta.insert(DAMAGE_KEY.to_owned(), "edited".to_owned());
    }
    let mut header = Mapping::new();
    header
        .text("msg_id", message.id.as_str())
        .plain("ts", message.timestamp)
        .text("type", &message.kind)
        .text("project_id", &message.project_id)
        .text("task_id", &message.task_id)
        .text("run_id", &message.run_id)
        .text_unless_empty("issue_id", &message.issue_id)
        .mappings("parents", &message.parents, write_parent)
        .mappings("links", &message.links, write_link)
        .mapping("meta", |out| write_meta(out, &meta, is_escaped))
        .plain("body_bytes", stored.len());
    out.extend_from_slice(b"---\n");
    out.extend_from_slice(header.finish().as_bytes());
    out.extend_from_slice(b"---\n");
    out.extend_from_slice(&stored);
    out.push(b'\n');
}

/// Returns how many bytes the header of `draft` can have at the most.
pub(crate) fn header_bytes_at_most(draft: &Draft) -> usize {
    ID_AND_TIME_BYTES + header_head(draft).len() + header_tail(draft, usize::MAX, true).len()
}

fn header_head(draft: &Draft) -> String {
    let mut header = Mapping::new();
    header
        .text("type", &draft.kind)
        .text("project_id", draft.project_id.as_str())
        .text(
            "task_id",
            draft.task_id.as_ref().map_or("", |id| id.as_str()),
        )
        .text("run_id", draft.run_id.as_ref().map_or("", |id| id.as_str()));
    header.finish()
}

fn header_tail(draft: &Draft, body_bytes: usize, escaped: bool) -> String {
    let mut header = Mapping::new();
    header
        .text_unless_empty("issue_id", &draft.issue_id)
        .mappings("parents", &draft.parents, write_parent)
        .mappings("links", &draft.links, write_link)
        .mapping("meta", |meta| {
            write_meta(meta, &draft.meta, escaped);
        })
        .plain("body_bytes", body_bytes);
    header.finish()
}

fn write_parent(out: &mut Mapping, parent: &Parent) {
    out.text("msg_id", parent.msg_id.as_str())
        .text_unless_empty("kind", &parent.kind)
        .mapping("meta", |meta| write_meta(meta, &parent.meta, false));
}

fn write_link(out: &mut Mapping, link: &Link) {
    out.text("url", &link.url)
        .text_unless_empty("label", &link.label)
        .text_unless_empty("kind", &link.kind);
}

fn write_meta(out: &mut Mapping, meta: &BTreeMap<String, String>, escaped: bool) {
    let mut keys: BTreeMap<&str, &str> = meta
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    if escaped {
        keys.insert(ESCAPE_KEY, ESCAPE_BACKSLASH);
    }
    for (key, value) in keys {
        out.text(key, value);
    }
}
