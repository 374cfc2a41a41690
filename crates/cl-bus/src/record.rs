//! Turns a draft into the bytes of a record.

use std::collections::BTreeMap;

use cl_storage::MessageId;
use cl_storage::yaml::Mapping;
use jiff::Timestamp;

use crate::escape;
use crate::message::{Draft, Link, Parent};

/// The meta key that says how the body is escaped.
pub(crate) const ESCAPE_KEY: &str = "body_escape";
/// The only escape there is: one more backslash, see [`crate::escape`].
pub(crate) const ESCAPE_BACKSLASH: &str = "backslash";

/// Returns the record of `draft`, from its opening line to the body's terminator.
pub(crate) fn encode(draft: &Draft, id: &MessageId, timestamp: Timestamp) -> Vec<u8> {
    let stored = escape::escape(&draft.body);
    let escaped = stored.len() != draft.body.len();
    let header = header(draft, id, timestamp, stored.len(), escaped);
    let mut record = Vec::with_capacity(header.len() + stored.len() + 9);
    record.extend_from_slice(b"---\n");
    record.extend_from_slice(header.as_bytes());
    record.extend_from_slice(b"---\n");
    record.extend_from_slice(&stored);
    record.push(b'\n');
    record
}

/// Returns how many bytes the header of `draft` can have at the most.
pub(crate) fn header_bytes_at_most(draft: &Draft) -> usize {
    // As long as the ids and times that the bus makes, or a little longer.
    const ID_BYTES: usize = 64;
    let id = "x".repeat(ID_BYTES);
    let id = MessageId::parse(&id).expect("letters are a valid message id");
    header(draft, &id, Timestamp::MAX, usize::MAX, true).len()
}

fn header(
    draft: &Draft,
    id: &MessageId,
    timestamp: Timestamp,
    body_bytes: usize,
    escaped: bool,
) -> String {
    let issue_id = if draft.kind == "ISSUE" && draft.issue_id.is_empty() {
        id.as_str()
    } else {
        &draft.issue_id
    };
    let mut header = Mapping::new();
    header
        .text("msg_id", id.as_str())
        .plain("ts", timestamp)
        .text("type", &draft.kind)
        .text("project_id", draft.project_id.as_str())
        .text(
            "task_id",
            draft.task_id.as_ref().map_or("", |id| id.as_str()),
        )
        .text("run_id", draft.run_id.as_ref().map_or("", |id| id.as_str()))
        .text_unless_empty("issue_id", issue_id)
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
