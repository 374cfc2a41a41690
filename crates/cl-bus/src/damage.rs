//! What is wrong with a bus file, and where.

use std::fmt;

use cl_storage::MessageId;
use serde::{Deserialize, Serialize};

/// A stretch of a bus file that is not what a writer meant to leave there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Damage {
    /// The name of the archive that it is in; `None` for the bus file itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archive: Option<String>,
    /// Where it starts, in bytes from the start of the file.
    pub offset: u64,
    /// How many bytes it has.
    pub length: u64,
    /// What is wrong.
    pub reason: Reason,
    /// More about it, for people; may be empty.
    pub detail: String,
    /// The message concerned, where it could be read.
    pub msg_id: Option<MessageId>,
}

impl Damage {
    /// Tells whether it may be a record that a writer is at work on.
    pub(crate) fn is_being_written(&self) -> bool {
        self.reason == Reason::UnfinishedTail && self.archive.is_none()
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            offset,
            length,
            reason,
            ..
        } = self;
        write!(f, "{length} bytes at offset {offset}")?;
        if let Some(archive) = &self.archive {
            write!(f, " of {archive}")?;
        }
        write!(f, ": {reason}")?;
        if let Some(id) = &self.msg_id {
            write!(f, " ({id})")?;
        }
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        Ok(())
    }
}

/// Why a stretch of a bus file is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// A record whose writer died inside the header.
    TornHeader,
    /// A header above the limit, or one that never ends.
    HeaderTooLong,
    /// A header that is not the YAML it should be.
    BadHeader,
    /// A header without a field that every message has.
    MissingField,
    /// A message whose writer died inside the body; it is shown, flagged.
    TruncatedBody,
    /// The rest of a record that is longer than any message; its start is shown, flagged.
    BodyTooLong,
    /// A message whose body was changed after it was posted; it is shown, flagged.
    EditedBody,
    /// A run of NUL bytes, as a file system leaves it after a crash.
    NulRun,
    /// A record with the id of an earlier one; only the first is shown.
    DuplicateId,
    /// An incomplete record at the end: a writer is at work, or it died there.
    UnfinishedTail,
}

impl Reason {
    /// Tells whether the stretch is a message all the same, which is shown, flagged.
    pub fn has_message(self) -> bool {
        matches!(self, Self::TruncatedBody | Self::EditedBody)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TornHeader => "torn header",
            Self::HeaderTooLong => "header too long",
            Self::BadHeader => "bad header",
            Self::MissingField => "missing field",
            Self::TruncatedBody => "truncated body",
            Self::BodyTooLong => "body too long",
            Self::EditedBody => "edited body",
            Self::NulRun => "run of NUL bytes",
            Self::DuplicateId => "duplicate id",
            Self::UnfinishedTail => "unfinished record at the end",
        })
    }
}
