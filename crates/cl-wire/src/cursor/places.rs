//! A place in a stream that many files feed.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use cl_storage::{MessageId, RunId};
use jiff::Timestamp;

use super::packed::{Reader, Writer};
use super::{BadCursor, RunCursor, base64};

/// How the text of this version starts.
const PREFIX: &str = "places-1.";

/// The most runs and buses that are named.
///
/// The text travels with every event and comes back in a header; proxies refuse headers of
/// more than 8 KiB, and a run needs about 30 bytes, a bus about 50.
pub const MOST_PLACES: usize = 128;

/// The longest text that is taken.
const LONGEST_TEXT: usize = 64 * 1024;

/// No id is longer.
const LONGEST_ID: usize = 255;

/// A place in a stream that many runs and buses feed: one place for each of them.
///
/// A run that is not named was sent whole if it had ended by the time that the place
/// [covers](Places::settled), and not at all otherwise; of a bus that is not named, what
/// was posted by then was sent. So runs are forgotten once they have ended and all of them
/// was sent, and the text stays short however long a stream lives.
///
/// Runs are told apart by their ids alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    settled: Timestamp,
    runs: BTreeMap<RunId, RunCursor>,
    buses: BTreeMap<String, MessageId>,
}

/// As many runs and buses are named as can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a place can name {MOST_PLACES} runs and buses and not more")]
pub struct Full;

impl Places {
    /// Begins at `now`: nothing is named yet.
    pub fn new(now: Timestamp) -> Self {
        let mut places = Self {
            settled: Timestamp::UNIX_EPOCH,
            runs: BTreeMap::new(),
            buses: BTreeMap::new(),
        };
        places.settle(now);
        places
    }

    /// Returns the time up to which whatever is not named was sent, in milliseconds.
    pub fn settled(&self) -> Timestamp {
        self.settled
    }

    /// Says that whatever is not named was sent up to `now`; never goes back.
    pub fn settle(&mut self, now: Timestamp) {
        let millis = now.as_millisecond().max(0);
        let now = Timestamp::from_millisecond(millis).unwrap_or(now);
        self.settled = self.settled.max(now);
    }

    /// Returns how far a run was sent, if it is named.
    pub fn run(&self, run: &RunId) -> Option<RunCursor> {
        self.runs.get(run).copied()
    }

    /// Returns the runs that are named.
    pub fn runs(&self) -> impl Iterator<Item = (&RunId, RunCursor)> {
        self.runs.iter().map(|(run, place)| (run, *place))
    }

    /// Says how far a run was sent.
    pub fn set_run(&mut self, run: &RunId, place: RunCursor) -> Result<(), Full> {
        if let Some(known) = self.runs.get_mut(run) {
            *known = place;
            return Ok(());
        }
        self.has_room()?;
        self.runs.insert(run.clone(), place);
        Ok(())
    }

    /// Stops naming a run: it has ended and was sent whole, or is gone.
    pub fn forget_run(&mut self, run: &RunId) {
        self.runs.remove(run);
    }

    /// Returns the last message of the bus `name` that was sent, if it is named.
    pub fn bus(&self, name: &str) -> Option<&MessageId> {
        self.buses.get(name)
    }

    /// Returns the buses that are named.
    pub fn buses(&self) -> impl Iterator<Item = (&str, &MessageId)> {
        self.buses.iter().map(|(name, id)| (name.as_str(), id))
    }

    /// Says which message of the bus `name` was sent last.
    pub fn set_bus(&mut self, name: &str, id: MessageId) -> Result<(), Full> {
        if let Some(known) = self.buses.get_mut(name) {
            *known = id;
            return Ok(());
        }
        self.has_room()?;
        if name.len() > LONGEST_ID {
            return Err(Full);
        }
        self.buses.insert(name.to_owned(), id);
        Ok(())
    }

    /// Stops naming a bus: nothing was posted on it for long, or it is gone.
    pub fn forget_bus(&mut self, name: &str) {
        self.buses.remove(name);
    }

    fn has_room(&self) -> Result<(), Full> {
        if self.runs.len() + self.buses.len() < MOST_PLACES {
            Ok(())
        } else {
            Err(Full)
        }
    }

    fn pack(&self) -> Vec<u8> {
        let mut to = Writer::default();
        to.number(u64::try_from(self.settled.as_millisecond()).unwrap_or(0));
        to.number(self.runs.len() as u64);
        let mut last = "";
        for (run, place) in &self.runs {
            to.text(last, run.as_str());
            to.number(place.stdout);
            to.number(place.stderr);
            last = run.as_str();
        }
        to.number(self.buses.len() as u64);
        let (mut last, mut last_id) = ("", "");
        for (name, id) in &self.buses {
            to.text(last, name);
            to.text(last_id, id.as_str());
            (last, last_id) = (name, id.as_str());
        }
        to.into_bytes()
    }

    fn unpack(bytes: &[u8]) -> Option<Self> {
        let mut from = Reader::new(bytes);
        let millis = i64::try_from(from.number()?).ok()?;
        let mut places = Self::new(Timestamp::from_millisecond(millis).ok()?);
        let mut last = String::new();
        for _ in 0..from.number()? {
            let text = from.text(&last, LONGEST_ID)?;
            let run = RunId::parse(&text).ok()?;
            let (stdout, stderr) = (from.number()?, from.number()?);
            if text <= last {
                return None;
            }
            places.set_run(&run, RunCursor { stdout, stderr }).ok()?;
            last = text;
        }
        let (mut last, mut last_id): (Option<String>, _) = (None, String::new());
        for _ in 0..from.number()? {
            let name = from.text(last.as_deref().unwrap_or_default(), LONGEST_ID)?;
            last_id = from.text(&last_id, LONGEST_ID)?;
            if last.is_some_and(|last| name <= last) {
                return None;
            }
            let id = MessageId::parse(&last_id).ok()?;
            places.set_bus(&name, id).ok()?;
            last = Some(name);
        }
        from.is_at_end().then_some(places)
    }
}

impl fmt::Display for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PREFIX)?;
        f.write_str(&base64::encode(&self.pack()))
    }
}

impl FromStr for Places {
    type Err = BadCursor;

    /// Reads what [`Display`](fmt::Display) writes and nothing else.
    fn from_str(text: &str) -> Result<Self, BadCursor> {
        Some(text.trim())
            .filter(|text| text.len() <= LONGEST_TEXT)
            .and_then(|text| text.strip_prefix(PREFIX))
            .and_then(base64::decode)
            .and_then(|bytes| Self::unpack(&bytes))
            .ok_or_else(|| BadCursor::new(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn now() -> Timestamp {
        "2026-02-23T20:48:58.123456789Z".parse().unwrap()
    }

    fn run(number: usize) -> RunId {
        RunId::parse(&format!(
            "20260223-204858{:04}-{}-1",
            number % 10000,
            500 + number
        ))
        .unwrap()
    }

    fn message(number: usize) -> MessageId {
        let text = format!("MSG-20260223-211000-{number:09}-PID00700-0001");
        MessageId::parse(&text).unwrap()
    }

    #[test]
    fn as_many_as_can_be_are_named_and_fit_a_header() {
        let mut places = Places::new(now());
        for number in 0..MOST_PLACES {
            let place = RunCursor {
                stdout: 1_000_000 + number as u64,
                stderr: 5_000,
            };
            places.set_run(&run(number), place).unwrap();
        }
        assert_eq!(places.set_run(&run(999), RunCursor::default()), Err(Full));
        assert_eq!(places.set_bus("project", message(1)), Err(Full));
        places.set_run(&run(3), RunCursor::default()).unwrap();
        let text = places.to_string();
        assert!(text.len() < 6 * 1024, "{}", text.len());
        assert_eq!(text.parse(), Ok(places.clone()));
        places.forget_run(&run(3));
        places.set_bus("project", message(1)).unwrap();
        assert_eq!(places.run(&run(3)), None);
        assert_eq!(places.to_string().parse(), Ok(places));
    }

    #[test]
    fn time_never_goes_back() {
        let mut places = Places::new(now());
        let at = places.settled();
        assert_eq!(at.to_string(), "2026-02-23T20:48:58.123Z");
        places.settle(Timestamp::UNIX_EPOCH);
        assert_eq!(places.settled(), at);
    }

    #[test]
    fn other_texts_are_no_places() {
        let good = Places::new(now()).to_string();
        let more = format!("{good}AA");
        let newer = good.replacen("-1.", "-2.", 1);
        let long = format!("{PREFIX}{}", "A".repeat(LONGEST_TEXT));
        for text in [
            "",
            "places-1.",
            "s=1;e=2",
            &good[..good.len() - 1],
            &more,
            &newer,
            &long,
        ] {
            assert!(text.parse::<Places>().is_err(), "{text:.40}");
        }
    }

    proptest! {
        #[test]
        fn places_are_read_as_written(
            millis in 0i64..253_000_000_000_000,
            runs in prop::collection::btree_map(0usize..5000, any::<(u64, u64)>(), 0..60),
            buses in prop::collection::btree_map("[a-zé0-9-]{0,20}", 0usize..5000, 0..60),
        ) {
            let mut places = Places::new(Timestamp::from_millisecond(millis).unwrap());
            for (number, (stdout, stderr)) in runs {
                places.set_run(&run(number), RunCursor { stdout, stderr }).unwrap();
            }
            for (name, number) in buses {
                places.set_bus(&name, message(number)).unwrap();
            }
            let text = places.to_string();
            prop_assert!(text.bytes().all(|b| b.is_ascii_graphic()));
            prop_assert_eq!(text.parse(), Ok(places));
        }

        #[test]
        fn junk_never_panics_and_a_place_has_one_text(
            bytes in prop::collection::vec(any::<u8>(), 0..80),
        ) {
            let text = format!("{PREFIX}{}", base64::encode(&bytes));
            if let Ok(places) = text.parse::<Places>() {
                prop_assert_eq!(places.settled(), Places::unpack(&bytes).unwrap().settled());
            }
            Places::unpack(&bytes);
        }

        #[test]
        fn a_flipped_byte_never_panics(at in 0usize..400, with: u8) {
            let mut places = Places::new(now());
            for number in 0..8 {
                places.set_run(&run(number), RunCursor { stdout: 7, stderr: 300 }).unwrap();
                places.set_bus(&format!("task-{number}"), message(number)).unwrap();
            }
            let mut bytes = places.pack();
            let at = at % bytes.len();
            bytes[at] ^= with;
            if let Some(read) = Places::unpack(&bytes) {
                prop_assert_eq!(read.to_string().parse(), Ok(read));
            }
        }
    }
}
