//! Reads the headers that writers usually make, without the YAML library.
//!
//! Nearly all headers have the keys of `docs/dev/bus.md` in that order, one line
//! each, with values that need no quotes or quotes around nothing special. For
//! those a look at each line is enough, and ten times as fast. Whatever is not
//! exactly of this form is left to the library; what is must mean the same to both.

use std::collections::BTreeMap;

use cl_storage::MessageId;

use super::{Header, timestamp};
use crate::message::Message;
use crate::record::{ESCAPE_BACKSLASH, ESCAPE_KEY};

/// Reads a header of the usual form; `None` if it has another one.
pub(super) fn parse(text: &str) -> Option<Header> {
    let mut lines = Lines {
        rest: text.strip_suffix('\n')?,
        is_done: false,
    };
    let id = MessageId::parse(lines.value("msg_id")?).ok()?;
    let time = lines.value("ts")?;
    let kind = lines.value("type").filter(|kind| !kind.trim().is_empty())?;
    let mut message = Message {
        timestamp: timestamp(Some(time), &id),
        id,
        kind: kind.trim().to_owned(),
        project_id: lines.value("project_id")?.to_owned(),
        task_id: lines.value("task_id")?.to_owned(),
        run_id: lines.value("run_id")?.to_owned(),
        issue_id: lines.optional("issue_id")?.to_owned(),
        parents: Vec::new(),
        links: Vec::new(),
        meta: BTreeMap::new(),
        body: String::new(),
        truncated: false,
        edited: false,
        lossy: false,
        raw_body: None,
    };
    // Empty names make the library look for those of old.
    if message.project_id.is_empty() {
        return None;
    }
    let mut escaped = false;
    if lines.take("meta:") {
        while let Some(line) = lines.indented() {
            let (key, value) = pair(line)?;
            if key == ESCAPE_KEY && value == ESCAPE_BACKSLASH {
                escaped = true;
            } else if message
                .meta
                .insert(key.to_owned(), value.to_owned())
                .is_some()
            {
                return None;
            }
        }
        // An empty mapping is none.
        if message.meta.is_empty() && !escaped {
            return None;
        }
    }
    let has_length = !lines.is_done;
    let body_bytes = if has_length {
        Some(lines.value("body_bytes")?.parse().ok()?)
    } else {
        None
    };
    lines.is_done.then_some(Header {
        message,
        body_bytes,
        escaped,
    })
}

/// The lines of a header that have not been read.
struct Lines<'a> {
    rest: &'a str,
    is_done: bool,
}

impl<'a> Lines<'a> {
    /// Returns the next line.
    fn peek(&self) -> Option<&'a str> {
        let end = memchr::memchr(b'\n', self.rest.as_bytes()).unwrap_or(self.rest.len());
        self.rest.get(..end).filter(|_| !self.is_done)
    }

    fn advance(&mut self, len: usize) {
        match self.rest.get(len + 1..) {
            Some(rest) => self.rest = rest,
            None => self.is_done = true,
        }
    }

    /// Takes the next line if it is exactly `line`.
    fn take(&mut self, line: &str) -> bool {
        let is_next = self.peek() == Some(line);
        if is_next {
            self.advance(line.len());
        }
        is_next
    }

    /// Takes the value of `key`, which must stand on the next line.
    fn value(&mut self, key: &str) -> Option<&'a str> {
        let value = self.peek()?.strip_prefix(key)?.strip_prefix(": ")?;
        self.advance(key.len() + 2 + value.len());
        scalar(value)
    }

    /// Takes the value of `key`, or an empty text if the next line has another key.
    fn optional(&mut self, key: &str) -> Option<&'a str> {
        let has_key = |line: &str| {
            line.strip_prefix(key)
                .is_some_and(|rest| rest.starts_with(':'))
        };
        if self.peek().is_some_and(has_key) {
            self.value(key)
        } else {
            Some("")
        }
    }

    /// Takes the next line if it stands four columns in, and returns it from there.
    fn indented(&mut self) -> Option<&'a str> {
        let line = self.peek()?.strip_prefix("    ")?;
        self.advance(line.len() + 4);
        Some(line)
    }
}

/// Splits a line of a mapping whose key needs no quotes.
fn pair(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line.split_once(": ")?;
    let key = scalar(key).filter(|_| !key.starts_with(['"', '\'']))?;
    Some((key, scalar(value)?))
}

/// Returns the text that a scalar on one line means, if that is plain to see.
fn scalar(value: &str) -> Option<&str> {
    let is_printable = |text: &str| text.bytes().all(|b| (b' '..=b'~').contains(&b));
    if let Some(quoted) = value.strip_prefix('"') {
        let text = quoted.strip_suffix('"')?;
        return (is_printable(text) && !text.contains(['"', '\\'])).then_some(text);
    }
    if let Some(quoted) = value.strip_prefix('\'') {
        let text = quoted.strip_suffix('\'')?;
        return (is_printable(text) && !text.contains('\'')).then_some(text);
    }
    let is_plain = value.bytes().enumerate().all(|(at, b)| {
        b.is_ascii_alphanumeric()
            || (at > 0 && matches!(b, b'_' | b'.' | b'/' | b':' | b'+' | b'-'))
    });
    let means_itself =
        !value.is_empty() && !value.ends_with(':') && !value.eq_ignore_ascii_case("null");
    (is_plain && means_itself).then_some(value)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use proptest::prelude::*;

    use super::super::parse_yaml;
    use super::*;

    const SCALARS: [&str; 32] = [
        "MSG-20260223-191710-184887000-PID67946-0001",
        "FACT",
        "my-project",
        "\"\"",
        "''",
        "17",
        "1e3",
        "0x1F",
        "~",
        "null",
        "NULL",
        "true",
        "no",
        "2026-02-01T10:00:00Z",
        "\"2026-02-01T10:00:00Z\"",
        "'one: two'",
        "one: two",
        "a:",
        "a:b",
        "a #b",
        "\"a\\n\"",
        "'it''s'",
        "[a]",
        "{a: b}",
        "*a",
        "&a",
        "- a",
        "|",
        "\u{e9}t\u{e9}",
        "\"\u{e9}\"",
        "a ",
        "1_000",
    ];
    const KEYS: [&str; 12] = [
        "msg_id",
        "ts",
        "type",
        "project_id",
        "task_id",
        "run_id",
        "issue_id",
        "body_bytes",
        "project",
        "x",
        "    a",
        "    b",
    ];

    /// Headers near the usual form: its keys in order, with a few lines changed.
    fn any_header() -> impl Strategy<Value = String> {
        let scalar = || proptest::sample::select(SCALARS.to_vec());
        let usual = (scalar(), scalar(), scalar(), scalar(), scalar(), scalar());
        let line = (proptest::sample::select(KEYS.to_vec()), scalar());
        let has_meta = any::<bool>();
        (usual, has_meta, proptest::collection::vec(line, 0..4)).prop_map(|(usual, has_meta, more)| {
            let (id, ts, kind, project, task, run) = usual;
            let mut text = format!(
                "msg_id: {id}\nts: {ts}\ntype: {kind}\nproject_id: {project}\ntask_id: {task}\nrun_id: {run}\n"
            );
            if has_meta {
                text.push_str("meta:\n");
            }
            for (key, value) in more {
                writeln!(text, "{key}: {value}").unwrap();
            }
            text
        })
    }

    proptest! {
        #[test]
        fn the_library_agrees(text in any_header()) {
            if let Some(header) = parse(&text) {
                let slow = parse_yaml(&text).expect("what is usual is YAML");
                prop_assert_eq!(header.message, slow.message);
                prop_assert_eq!(header.body_bytes, slow.body_bytes);
                prop_assert_eq!(header.escaped, slow.escaped);
            }
        }
    }

    #[test]
    fn what_our_writers_make_is_usual() {
        let text = "msg_id: MSG-1\nts: 2026-02-23T19:17:10.184887Z\ntype: FACT\nproject_id: p\n\
                    task_id: \"\"\nrun_id: \"\"\nissue_id: I-1\nmeta:\n    body_escape: backslash\n    \
                    why: 'one: two'\nbody_bytes: 12\n";
        let header = parse(text).unwrap();
        assert!(header.escaped);
        assert_eq!(header.body_bytes, Some(12));
        assert_eq!(header.message.issue_id, "I-1");
        assert_eq!(header.message.meta["why"], "one: two");
    }
}
