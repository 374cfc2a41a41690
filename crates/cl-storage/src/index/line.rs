//! One line of the index: fields with a tab between them, read without a parser.
//!
//! A field that is not there is `-`. Text that could be taken for something else
//! stands as a JSON string, and what is nested as JSON.

use std::fmt::Write as _;
use std::str::FromStr;

use super::{Ended, Look, Source};
use crate::id::RunId;
use crate::run_info::RunStatus;
use crate::status::TaskStatus;

const NOTHING: &str = "-";

/// Adds `rest` as a line, behind its checksum.
pub(super) fn push(text: &mut String, rest: &str) {
    let sum = checksum(rest.as_bytes());
    // Writing to a String cannot fail.
    writeln!(text, "{sum:016x} {rest}").unwrap_or_default();
}

/// FNV-1a, 64 bits: against torn and damaged lines, not against malice.
pub(super) fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Returns the fields of an entry; `None` if a value has no text.
pub(super) fn write(ended: &Ended, has_bus: bool, sources: &[Source<'_>]) -> Option<String> {
    let number = |number: Option<i64>| number.map_or_else(|| NOTHING.to_owned(), |n| n.to_string());
    let mut line = [
        ended.status.as_str().to_owned(),
        number(ended.exit_code.map(i64::from)),
        text(ended.latest_run.as_ref().map(RunId::as_str))?,
        text(ended.latest_status.map(RunStatus::as_str))?,
        text(ended.kind.as_deref())?,
        ended.runs.to_string(),
        if ended.is_done { "done" } else { NOTHING }.to_owned(),
        number(ended.attempts.map(i64::from)),
        text(ended.agent.as_deref())?,
        nested(ended.failure.as_ref())?,
        nested(ended.parent.as_ref())?,
        nested(ended.claim.as_ref())?,
        nested(Some(&ended.depends_on).filter(|ids| !ids.is_empty()))?,
        if has_bus { "bus" } else { NOTHING }.to_owned(),
    ]
    .join("\t");
    for (name, look) in sources {
        let Look {
            inode,
            size,
            seconds,
            nanoseconds,
        } = look;
        // Writing to a String cannot fail.
        write!(line, "\t{name} {inode} {size} {seconds} {nanoseconds}").unwrap_or_default();
    }
    Some(line)
}

fn text(text: Option<&str>) -> Option<String> {
    match text {
        None => Some(NOTHING.to_owned()),
        Some(text) if is_plain(text) => Some(text.to_owned()),
        Some(text) => serde_json::to_string(text).ok(),
    }
}

/// Tells whether the text can stand as it is.
fn is_plain(text: &str) -> bool {
    text != NOTHING && !text.starts_with('"') && !text.contains(char::is_control)
}

fn nested(value: Option<&impl serde::Serialize>) -> Option<String> {
    match value {
        None => Some(NOTHING.to_owned()),
        Some(value) => serde_json::to_string(value).ok(),
    }
}

/// A field is not what it should be.
#[derive(Debug)]
pub(super) struct NotAnEntry;

/// What is left to read of a line.
pub(super) struct Reader<'a>(std::str::Split<'a, char>);

impl<'a> Reader<'a> {
    pub(super) fn new(fields: &'a str) -> Self {
        Self(fields.split('\t'))
    }

    /// Returns the next field as it stands.
    pub(super) fn text(&mut self) -> Option<&'a str> {
        self.0.next()
    }

    /// Reads the next field, which may say that there is nothing.
    fn optional<T>(
        &mut self,
        read: impl FnOnce(&'a str) -> Option<T>,
    ) -> Result<Option<T>, NotAnEntry> {
        match self.text().ok_or(NotAnEntry)? {
            NOTHING => Ok(None),
            field => read(field).map(Some).ok_or(NotAnEntry),
        }
    }
}

/// Reads what is shown of a task.
pub(super) fn read_ended(fields: &mut Reader<'_>) -> Result<Ended, NotAnEntry> {
    let status = fields.text().and_then(status).ok_or(NotAnEntry)?;
    Ok(Ended {
        status,
        exit_code: fields.optional(number)?,
        latest_run: fields.optional(|id| RunId::parse(id).ok())?,
        latest_status: fields.optional(|word| Some(RunStatus::parse(word)))?,
        kind: fields.optional(unescape)?,
        runs: fields.text().and_then(number).ok_or(NotAnEntry)?,
        is_done: fields.text().ok_or(NotAnEntry)? == "done",
        attempts: fields.optional(number)?,
        agent: fields.optional(unescape)?,
        failure: fields.optional(|json| serde_json::from_str(json).ok())?,
        parent: fields.optional(|json| serde_json::from_str(json).ok())?,
        claim: fields.optional(|json| serde_json::from_str(json).ok())?,
        depends_on: (fields.optional(|json| serde_json::from_str(json).ok())?).unwrap_or_default(),
        last_activity: None,
    })
}

/// Reads the next source; `None` behind the last one.
pub(super) fn read_source<'a>(
    fields: &mut Reader<'a>,
) -> Result<Option<(&'a str, Look)>, NotAnEntry> {
    fields
        .text()
        .map(|field| source(field).ok_or(NotAnEntry))
        .transpose()
}

fn source(field: &str) -> Option<(&str, Look)> {
    let mut parts = field.split(' ');
    let name = parts.next()?;
    let look = Look {
        inode: number(parts.next()?)?,
        size: number(parts.next()?)?,
        seconds: number(parts.next()?)?,
        nanoseconds: number(parts.next()?)?,
    };
    parts.next().is_none().then_some((name, look))
}

fn number<N: FromStr>(text: &str) -> Option<N> {
    text.parse().ok()
}

fn status(word: &str) -> Option<TaskStatus> {
    TaskStatus::ALL
        .into_iter()
        .find(|status| status.as_str() == word)
}

fn unescape(field: &str) -> Option<String> {
    if field.starts_with('"') {
        serde_json::from_str(field).ok()
    } else {
        Some(field.to_owned())
    }
}
