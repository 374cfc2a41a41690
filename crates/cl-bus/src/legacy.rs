//! Reads the one-line messages of hand-kept logs: `[<time>] TYPE: text`.

use std::collections::BTreeMap;

use cl_storage::MessageId;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::message::{Message, is_type};

/// How the ids of legacy lines start.
pub(crate) const PREFIX: &str = "LEGACY-LINE-";

/// The type of a line that names none.
const DEFAULT_TYPE: &str = "INFO";

/// What one legacy line says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LegacyLine<'a> {
    timestamp: Timestamp,
    kind: String,
    text: &'a str,
}

impl LegacyLine<'_> {
    /// Makes the message of this line, which is the `number`-th of its file.
    pub(crate) fn into_message(self, number: u64) -> Message {
        Message {
            id: id_of(number),
            timestamp: self.timestamp,
            kind: self.kind,
            project_id: String::new(),
            task_id: String::new(),
            run_id: String::new(),
            issue_id: String::new(),
            parents: Vec::new(),
            links: Vec::new(),
            meta: BTreeMap::new(),
            body: self.text.to_owned(),
            truncated: false,
            edited: false,
            lossy: false,
            raw_body: None,
        }
    }
}

/// Returns the id of the legacy line with this number along its bus.
pub(crate) fn id_of(number: u64) -> MessageId {
    let id = format!("{PREFIX}{number:09}");
    MessageId::parse(&id).expect("letters, hyphens and digits are a message id")
}

/// Returns the number of a legacy line; `None` for the id of a record.
pub(crate) fn number_of(id: &MessageId) -> Option<u64> {
    id.as_str().strip_prefix(PREFIX)?.parse().ok()
}

/// Reads a line without its end; `None` if it is no message.
pub(crate) fn parse(line: &[u8]) -> Option<LegacyLine<'_>> {
    let line = std::str::from_utf8(line).ok()?.trim_end_matches('\r');
    let (time, rest) = line.strip_prefix('[')?.split_once(']')?;
    let timestamp = parse_time(time.trim())?;
    let rest = rest.trim();
    let (kind, text) = match rest.split_once(':') {
        Some((kind, text)) if is_type(kind.trim()) => (kind.trim().to_uppercase(), text.trim()),
        _ => (DEFAULT_TYPE.to_owned(), rest),
    };
    (!text.is_empty()).then_some(LegacyLine {
        timestamp,
        kind,
        text,
    })
}

/// Reads RFC 3339, or a date and time that is taken for UTC.
fn parse_time(text: &str) -> Option<Timestamp> {
    if let Ok(time) = text.parse() {
        return Some(time);
    }
    let layouts = ["%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S"];
    let time = layouts
        .iter()
        .find_map(|layout| DateTime::strptime(layout, text).ok())?;
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_line(line: &str, expected: Option<(&str, &str, &str)>) {
        let found = parse(line.as_bytes());
        let found = found
            .as_ref()
            .map(|l| (l.timestamp.to_string(), l.kind.as_str(), l.text));
        let found = found
            .as_ref()
            .map(|(time, kind, text)| (time.as_str(), *kind, *text));
        assert_eq!(found, expected, "{line:?}");
    }

    #[test]
    fn lines() {
        let at = "2026-02-01T10:00:00Z";
        check_line("[2026-02-01 10:00:00] FACT: x", Some((at, "FACT", "x")));
        check_line(
            "[2026-02-01T10:00:00] fact:x: y",
            Some((at, "FACT", "x: y")),
        );
        check_line(
            "[2026-02-01T11:00:00+01:00] a/b-c_1: x\r",
            Some((at, "A/B-C_1", "x")),
        );
        check_line(
            "[2026-02-01 10:00:00] just text",
            Some((at, "INFO", "just text")),
        );
        check_line(
            "[2026-02-01 10:00:00] two words: x",
            Some((at, "INFO", "two words: x")),
        );
        check_line("[2026-02-01 10:00:00] FACT:  ", None);
        check_line("[2026-02-01 10:00:00]", None);
        check_line("[bad] FACT: x", None);
        check_line("FACT: x", None);
        check_line(" [2026-02-01 10:00:00] FACT: x", None);
        check_line("[2026-02-30 10:00:00] FACT: x", None);
        check_line("", None);
    }
}
