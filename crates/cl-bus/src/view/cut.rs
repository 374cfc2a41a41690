//! A place in a view: one place on each of its buses.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use cl_storage::IdError;

use super::stream::{Backward, Key, Stream as _};
use super::{Item, SourceBus};
use crate::filter::Filter;
use crate::forward;
use crate::history::History;
use crate::read::{self, After, Cursor, Edge, Entry, Query, ReadError};

/// How the text of every cut of this version starts.
const PREFIX: &str = "buses-1.";
/// The longest text that is taken for a cut; one bus needs about 130 bytes.
const MAX_TEXT_BYTES: usize = 4 * 1024 * 1024;

/// A place in a view: on each bus the last message before it.
///
/// Of a bus that is not named, everything stands behind the cut, so a bus that is
/// made later is read from its start. The text is opaque: a version, then base64url.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cut {
    places: BTreeMap<String, Cursor>,
}

impl Cut {
    /// Returns the last message of the bus `name` before this cut.
    pub fn place(&self, name: &str) -> Option<&Cursor> {
        self.places.get(name)
    }

    /// Returns the names of the buses of which something stands before this cut.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.places.keys().map(String::as_str)
    }

    /// Moves the cut behind `item`, on its bus.
    pub fn pass(&mut self, item: &Item) {
        self.set(&item.source, Some(item.entry.cursor()));
    }

    /// Tells whether `text` is meant as a cut, of this version or another.
    pub fn is_meant(text: &str) -> bool {
        text.starts_with("buses-")
    }

    /// Finds the cut right behind the message `wanted`, wherever among `buses` it
    /// stands; `None` if it is nowhere.
    pub fn behind(buses: &[SourceBus], wanted: &After) -> Result<Option<Self>, ReadError> {
        Self::at(buses, wanted, true)
    }

    /// Finds the cut right before the message `wanted`; `None` if it is nowhere.
    pub fn ahead_of(buses: &[SourceBus], wanted: &After) -> Result<Option<Self>, ReadError> {
        Self::at(buses, wanted, false)
    }

    /// On the other buses the cut goes before the last messages that are later.
    fn at(buses: &[SourceBus], wanted: &After, is_behind: bool) -> Result<Option<Self>, ReadError> {
        let Some((at, found)) = find(buses, wanted)? else {
            return Ok(None);
        };
        let key = Key::of(&found, at);
        let mut cut = Self::default();
        for (index, bus) in buses.iter().enumerate() {
            let place = if index != at {
                last_before(bus, index, &key)?
            } else if is_behind {
                Some(found.cursor())
            } else {
                predecessor(&bus.path, &found)?
            };
            cut.set(&bus.name, place);
        }
        Ok(Some(cut))
    }

    pub(super) fn set(&mut self, name: &str, place: Option<Cursor>) {
        match place {
            Some(place) => self.places.insert(name.to_owned(), place),
            None => self.places.remove(name),
        };
    }
}

/// Looks for a message on every bus.
fn find(buses: &[SourceBus], wanted: &After) -> Result<Option<(usize, Entry)>, ReadError> {
    for (at, bus) in buses.iter().enumerate() {
        // A bus that cannot be read does not hide the message on another one.
        let Ok(mut history) = History::open(&bus.path) else {
            continue;
        };
        let place = match forward::bound(&mut history, Some(wanted), &bus.path) {
            Ok(place) => place,
            Err(error) if error.is_unknown_message() => continue,
            Err(error) => return Err(error),
        };
        if let Some(place) = place
            && let Some(entry) = forward::entry_at(&mut history, place)?
        {
            return Ok(Some((at, entry)));
        }
    }
    Ok(None)
}

/// Returns the last message of `bus` that is not later than `key`.
fn last_before(bus: &SourceBus, index: usize, key: &Key) -> Result<Option<Cursor>, ReadError> {
    let mut stream = Backward::new(&bus.path, None, None);
    let all = Filter::default();
    while let Some(head) = stream.head(&all)? {
        if Key::of(head, index) < *key {
            return Ok(Some(head.cursor()));
        }
        stream.pop();
    }
    Ok(None)
}

/// Returns the message that stands before `entry`.
fn predecessor(path: &Path, entry: &Entry) -> Result<Option<Cursor>, ReadError> {
    let query = Query {
        before: Some(After::Cursor(entry.cursor())),
        limit: Some(1),
        keep: Edge::Newest,
        ..Query::default()
    };
    let page = read::answer(path, &query)?;
    Ok(page.entries.last().map(Entry::cursor))
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let json = serde_json::to_vec(&self.places).map_err(|_| fmt::Error)?;
        write!(f, "{PREFIX}{}", to_base64(&json))
    }
}

impl FromStr for Cut {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let places = text
            .strip_prefix(PREFIX)
            .filter(|rest| rest.len() <= MAX_TEXT_BYTES)
            .and_then(from_base64)
            .and_then(|json| serde_json::from_slice(&json).ok());
        places
            .map(|places| Self { places })
            .ok_or_else(|| IdError::Invalid {
                kind: "cursor",
                text: text.chars().take(120).collect(),
                rule: "must be one that an earlier answer gave, whole",
            })
    }
}

impl TryFrom<String> for Cut {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<Cut> for String {
    fn from(cut: Cut) -> Self {
        cut.to_string()
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Encodes as base64url without padding.
fn to_base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let mut bits = [0; 4];
        bits[1..=chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes(bits);
        for digit in 0..=chunk.len() {
            let value = bits >> (18 - 6 * digit) & 0x3f;
            text.push(char::from(ALPHABET[value as usize]));
        }
    }
    text
}

fn from_base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 2);
    for chunk in text.as_bytes().chunks(4) {
        let mut bits = 0_u32;
        for (digit, letter) in chunk.iter().enumerate() {
            let value = ALPHABET.iter().position(|known| known == letter)?;
            bits |= u32::try_from(value).ok()? << (18 - 6 * digit);
        }
        let count = chunk.len().checked_sub(1).filter(|count| *count > 0)?;
        bytes.extend_from_slice(&bits.to_be_bytes()[1..=count]);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_of_the_standard() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg"),
            ("fo", "Zm8"),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
            ("\u{7ff}\u{7ff}", "37_fvw"),
        ] {
            assert_eq!(to_base64(bytes.as_bytes()), text);
            assert_eq!(from_base64(text).unwrap(), bytes.as_bytes());
        }
        for wrong in ["Z", "Zm9vY", "Z=", "ä"] {
            assert_eq!(from_base64(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_cut_is_read_back_from_its_text() {
        let mut cut = Cut::default();
        cut.set("project", "12:MSG-1".parse().ok());
        cut.set("task-x", "0:MSG-2".parse().ok());
        let text = cut.to_string();
        assert_eq!(text.parse::<Cut>().unwrap(), cut);
        assert!(Cut::is_meant(&text));
        for wrong in [
            "",
            "12:MSG-1",
            "buses-2.e30",
            "buses-1.",
            "buses-1.W10",
            &text[..text.len() - 3],
        ] {
            assert!(wrong.parse::<Cut>().is_err(), "{wrong}");
        }
        assert_eq!("buses-1.e30".parse::<Cut>().unwrap(), Cut::default());
    }
}
