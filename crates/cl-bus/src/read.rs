//! What is read, from where, and in which words it is asked for.
//!
//! The reading itself: [`crate::history`] is the bus as a row of files,
//! [`crate::locate`] finds a message in it, [`crate::forward`] reads towards the
//! end and [`crate::backward`] from the end.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use cl_storage::{IdError, MessageId};

use crate::backward;
use crate::damage::Damage;
use crate::file::FileError;
use crate::filter::Filter;
use crate::forward;
use crate::message::Message;

/// Why a bus could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The bus file is none, or could not be opened or read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The message after which was to be read is not there.
    #[error("since id \"{id}\" not found in {}", path.display())]
    UnknownMessage {
        /// The path of the bus.
        path: PathBuf,
        /// The id that was looked for.
        id: MessageId,
    },
}

impl ReadError {
    /// Tells whether the place to read from was not found, rather than the disk failing.
    pub fn is_unknown_message(&self) -> bool {
        matches!(self, Self::UnknownMessage { .. })
    }
}

/// The place behind one message: where its record starts, and its id.
///
/// As text `<position>:<id>`. The position makes reading on cheap; the id tells
/// whether the file is still the one that the position was taken from, and if it
/// was archived, which archive it became.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cursor {
    /// Where the record starts, in bytes from the start of the file.
    pub position: u64,
    /// The id of the message.
    pub id: MessageId,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.position, self.id)
    }
}

impl FromStr for Cursor {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let parts = text.split_once(':');
        let position = parts.and_then(|(position, _)| position.parse().ok());
        match (parts, position) {
            (Some((_, id)), Some(position)) => Ok(Self {
                position,
                id: MessageId::parse(id)?,
            }),
            _ => Err(IdError::Invalid {
                kind: "cursor",
                text: text.chars().take(120).collect(),
                rule: "must match <position>:<message id>",
            }),
        }
    }
}

impl TryFrom<String> for Cursor {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<Cursor> for String {
    fn from(cursor: Cursor) -> Self {
        cursor.to_string()
    }
}

/// The place behind which is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum After {
    /// The message with this id, wherever it stands.
    Id(MessageId),
    /// The message at a known place; if it is elsewhere now, it is looked for.
    Cursor(Cursor),
}

impl After {
    /// Returns the id of the message behind which is read.
    pub fn id(&self) -> &MessageId {
        match self {
            Self::Id(id) => id,
            Self::Cursor(cursor) => &cursor.id,
        }
    }
}

/// One message and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Entry {
    /// Where its record starts, in bytes from the start of its file.
    ///
    /// A file keeps its positions when it is archived.
    pub position: u64,
    /// The message.
    pub message: Message,
}

impl Entry {
    /// Returns the cursor that stands behind this message.
    pub fn cursor(&self) -> Cursor {
        Cursor {
            position: self.position,
            id: self.message.id.clone(),
        }
    }
}

/// Something found while reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// A message.
    Entry(Entry),
    /// A damaged stretch.
    Damage(Damage),
}

impl Found {
    /// Says in which archive a damaged stretch was found.
    pub(crate) fn in_archive(mut self, archive: Option<&str>) -> Self {
        if let Self::Damage(damage) = &mut self {
            damage.archive = archive.map(str::to_owned);
        }
        self
    }
}

/// Which end of a range is kept when it holds more messages than are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Edge {
    /// The messages posted first.
    #[default]
    Oldest,
    /// The messages posted last.
    Newest,
}

/// Which messages are asked for.
///
/// The default asks for all of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Query {
    /// Only messages that stand behind this one.
    pub after: Option<After>,
    /// Only messages that stand before this one.
    pub before: Option<After>,
    /// Only messages that this lets through.
    pub filter: Filter,
    /// How many messages at the most; `None` for all.
    pub limit: Option<usize>,
    /// Which ones, if there are more.
    pub keep: Edge,
}

/// The answer to a [`Query`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// The messages, in the order of the bus.
    pub entries: Vec<Entry>,
    /// The damage met on the way; [`crate::check()`] lists all there is.
    pub damage: Vec<Damage>,
    /// Whether the range holds further messages, which the limit left out: later
    /// ones if the oldest were kept, else earlier ones.
    pub has_more: bool,
}

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reading {
    /// The messages, in the order of the bus.
    pub entries: Vec<Entry>,
    /// The damage met on the way; [`crate::check()`] lists all there is.
    pub damage: Vec<Damage>,
}

impl Reading {
    /// Returns the messages, in the order of the bus.
    pub fn messages(&self) -> impl DoubleEndedIterator<Item = &Message> + ExactSizeIterator {
        self.entries.iter().map(|entry| &entry.message)
    }

    /// Returns the messages and drops the rest.
    pub fn into_messages(self) -> Vec<Message> {
        self.entries
            .into_iter()
            .map(|entry| entry.message)
            .collect()
    }

    /// Returns the place behind the last message; `None` if there is none.
    pub fn last_cursor(&self) -> Option<Cursor> {
        self.entries.last().map(Entry::cursor)
    }
}

/// Reads every message of the bus at `path`.
pub(crate) fn all(path: &Path) -> Result<Reading, ReadError> {
    answer(path, &Query::default()).map(Reading::from)
}

/// Reads what stands behind `after`.
pub(crate) fn since(path: &Path, after: &After) -> Result<Reading, ReadError> {
    let query = Query {
        after: Some(after.clone()),
        ..Query::default()
    };
    answer(path, &query).map(Reading::from)
}

/// Reads the last `count` messages; all of them for zero.
pub(crate) fn tail(path: &Path, count: usize) -> Result<Reading, ReadError> {
    let query = Query {
        limit: (count > 0).then_some(count),
        keep: Edge::Newest,
        ..Query::default()
    };
    answer(path, &query).map(Reading::from)
}

/// Reads what `query` asks for.
pub(crate) fn answer(path: &Path, query: &Query) -> Result<Page, ReadError> {
    match (query.keep, query.limit) {
        (Edge::Newest, Some(limit)) => backward::newest(path, query, limit),
        (_, limit) => forward::oldest(path, query, limit),
    }
}

impl From<Page> for Reading {
    fn from(page: Page) -> Self {
        Self {
            entries: page.entries,
            damage: page.damage,
        }
    }
}
