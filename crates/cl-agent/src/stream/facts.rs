//! What the readers of all dialects collect.

use cl_storage::ledger::WindowReport;
use cl_storage::{FailureKind, Usage};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};
use serde_json::Value;

use super::spending::Spending;

/// How much of what an agent said is kept; the end counts more than the start.
const KEPT_TEXT: usize = 16 * 1024 * 1024;

/// More usage windows than any service has.
const MOST_WINDOWS: usize = 16;

/// Nobody reads a stream that is older.
const OLDEST: SignedDuration = SignedDuration::from_hours(31 * 24);

/// So much two clocks may differ.
const NEWEST: SignedDuration = SignedDuration::from_hours(1);

/// Everything that a stream has told so far.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) session_id: Option<String>,
    pub(super) model: Option<String>,
    pub(super) usage: Option<Usage>,
    /// What was used beyond `usage`, told message by message.
    pub(super) spending: Spending,
    /// What the agent said, in order.
    pub(super) said: Said,
    /// The part of it since the last call of a tool, where no event holds the answer whole.
    pub(super) said_last: Said,
    /// The answer, where an event holds it whole; beats `said`.
    pub(super) answer: Option<String>,
    pub(super) tool: Option<String>,
    /// The closing event, if it was the last thing of importance.
    pub(super) closing: Option<Closing>,
    /// The last error that an event reported, retries included.
    pub(super) error: Option<Reported>,
    /// A usage window was reported as closed.
    pub(super) limit: Option<ClosedWindow>,
    /// What was told of usage windows last, each once.
    pub(super) windows: Vec<WindowReport>,
    /// When the stream is read: what `in two hours` counts from.
    pub(super) now: Option<Timestamp>,
    /// Where times of day are meant; the system's zone if nothing is said.
    pub(super) zone: Option<TimeZone>,
    /// The last line before any event that is none itself.
    pub(super) plain_line: Option<String>,
    /// How many events were understood.
    pub(super) events: u64,
}

/// What a closing event says.
#[derive(Debug)]
pub(super) enum Closing {
    /// All went well.
    Success,
    /// It did not.
    Failed(Reported),
}

/// An error as the agent program reported it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reported {
    /// The kind, where the event names it beyond doubt.
    pub(crate) kind: Option<FailureKind>,
    /// The kind to fall back to.
    pub(crate) otherwise: Option<FailureKind>,
    /// HTTP status of the model service.
    pub(crate) status: Option<u16>,
    /// The error's type or code, a word.
    pub(crate) code: Option<String>,
    /// Its text.
    pub(crate) text: String,
    /// When trying again makes sense, if that was told.
    pub(crate) retry_at: Option<Timestamp>,
    /// All that the event says, where the text is a part of it.
    pub(crate) whole: Option<String>,
}

/// A usage window that is used up.
#[derive(Debug, Clone)]
pub(super) struct ClosedWindow {
    /// Its name.
    pub(super) window: String,
    /// When it opens again, if that was told.
    pub(super) opens_at: Option<Timestamp>,
}

impl Facts {
    /// Returns when an event was written that tells its own time.
    ///
    /// A stream can be read long after it was written, and `in two hours` counts from
    /// then. A time that cannot be one is not believed.
    pub(super) fn told_at(&self, event: Option<Timestamp>) -> Option<Zoned> {
        let Some(now) = self.zoned_now() else {
            return event.map(|event| event.to_zoned(TimeZone::UTC));
        };
        let age = event.map(|event| now.timestamp().duration_since(event));
        let is_possible = |age: &SignedDuration| (-NEWEST..=OLDEST).contains(age);
        Some(match (event, age.filter(is_possible)) {
            (Some(event), Some(_)) => event.to_zoned(now.time_zone().clone()),
            _ => now,
        })
    }

    /// Returns when the stream is read, where times of day are meant.
    pub(super) fn zoned_now(&self) -> Option<Zoned> {
        let zone = || self.zone.clone().unwrap_or_else(TimeZone::system);
        Some(self.now?.to_zoned(zone()))
    }

    /// Notes what was told of a window; what was told before of the same one is gone.
    pub(super) fn note_window(&mut self, report: WindowReport) {
        self.windows.retain(|known| known.window != report.window);
        if self.windows.len() < MOST_WINDOWS {
            self.windows.push(report);
        }
    }
}

/// Text that grows at its end and is bounded.
#[derive(Debug, Default)]
pub(super) struct Said {
    text: String,
    /// Whether the next piece starts a message of its own.
    is_new_message: bool,
    /// How many bytes at the start were given up.
    left_out_bytes: u64,
}

impl Said {
    /// Adds a piece of the current message, as it is.
    pub(super) fn push_piece(&mut self, piece: &str) {
        if std::mem::take(&mut self.is_new_message) && !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.push_str(piece);
        self.shorten();
    }

    /// Adds a whole message on lines of its own.
    pub(super) fn push_message(&mut self, message: &str) {
        self.end_message();
        self.push_piece(message);
        self.end_message();
    }

    /// Makes the next piece start on a new line.
    pub(super) fn end_message(&mut self) {
        self.is_new_message = true;
    }

    /// Returns the text, trimmed; none if it is blank.
    pub(super) fn trimmed(&self) -> Option<&str> {
        let text = self.text.trim();
        (!text.is_empty()).then_some(text)
    }

    /// Returns how many bytes are missing before the text.
    pub(super) fn left_out_bytes(&self) -> u64 {
        self.left_out_bytes
    }

    /// Returns the last line that is not blank.
    pub(super) fn last_line(&self) -> Option<&str> {
        self.text
            .trim_end()
            .rsplit('\n')
            .map(str::trim)
            .find(|line| !line.is_empty())
    }

    fn shorten(&mut self) {
        // Twice the limit, so that the copying is paid for by as much new text.
        if self.text.len() > 2 * KEPT_TEXT {
            let mut from = self.text.len() - KEPT_TEXT;
            while !self.text.is_char_boundary(from) {
                from += 1;
            }
            self.text.drain(..from);
            self.left_out_bytes += from as u64;
        }
    }
}

/// Returns the text at `key`, if it is a text and not blank.
pub(super) fn text<'v>(value: &'v Value, key: &str) -> Option<&'v str> {
    value
        .get(key)?
        .as_str()
        .filter(|text| !text.trim().is_empty())
}

/// Returns the number at `key`, zero if there is none.
pub(super) fn number(value: &Value, key: &str) -> u64 {
    value.get(key).and_then(Value::as_u64).unwrap_or_default()
}

/// Reads a point in time given in seconds or milliseconds since 1970.
pub(super) fn epoch(number: i64) -> Option<Timestamp> {
    if number > 100_000_000_000 {
        Timestamp::from_millisecond(number).ok()
    } else {
        Timestamp::from_second(number).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_join_as_they_are_and_messages_on_lines() {
        let mut said = Said::default();
        assert_eq!((said.trimmed(), said.last_line()), (None, None));
        for piece in ["OK", " ", "OK", "\n"] {
            said.push_piece(piece);
        }
        assert_eq!(said.trimmed(), Some("OK OK"));
        said.push_message("second");
        assert_eq!(said.trimmed(), Some("OK OK\n\nsecond"));
        assert_eq!(said.last_line(), Some("second"));
    }

    #[test]
    fn text_is_bounded_and_keeps_its_end() {
        let mut said = Said::default();
        let piece = "\u{e9}".repeat(512 * 1024);
        for _ in 0..40 {
            said.push_piece(&piece);
        }
        said.push_piece("end");
        assert!(said.text.len() <= 2 * KEPT_TEXT + piece.len());
        assert!(said.text.ends_with("\u{e9}end"));
        let all = 40 * piece.len() + 3;
        assert_eq!(said.left_out_bytes(), (all - said.text.len()) as u64);
    }

    #[test]
    fn epochs_are_seconds_or_milliseconds() {
        let second = epoch(1_769_700_000).unwrap();
        assert_eq!(epoch(1_769_700_000_000), Some(second));
        assert_eq!(second.as_second(), 1_769_700_000);
    }
}
