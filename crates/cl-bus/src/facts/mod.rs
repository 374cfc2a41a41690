//! Facts: what tasks found out, collected for those who come after.
//!
//! A *fact* is a message of type `FACT`, or a file with front matter that an
//! agent wrote. *Promoting* facts copies those of all tasks of a project into its
//! `PROJECT-FACTS.md`, and those of a project into the root's `GLOBAL-FACTS.md`.
//!
//! The identity of a fact is the SHA-256 of its body, line ends normalised and
//! outer whitespace trimmed; that of a body too large for a message is the SHA-256
//! of its attachment, which the fact's text names. It is stored with the fact and is the only thing by
//! which facts are told apart, so a sheet may be edited without a fact coming
//! back. A sheet is only ever added to: what stands in it, by whomever it was
//! written, stays byte by byte, except for the line that tells the last change.
//!
//! Reading, merging and replacing a sheet is one step under the lock file beside
//! it. Killed at any moment, a promotion leaves the old sheet or the new one.

mod collect;
mod document;
mod identity;
mod promote;
mod sheet;

pub use collect::{Collected, Query, Warning, in_project, in_sheet, in_task, in_tasks};
pub use identity::FactHash;
pub use promote::{PromoteError, Promoted, Promotion};
pub use sheet::{Sheet, SheetError, SheetPlace};

use jiff::Timestamp;

use crate::message::Message;

/// The type of messages that are facts.
pub const FACT: &str = "FACT";

/// The meta key that says what sort of fact a message is.
pub const KIND_KEY: &str = "kind";

/// The kind of the message that tells a project that one of its tasks is done.
pub const COMPLETION_KIND: &str = "task_completion_propagation";

/// The kind of the message that tells a task that its project was told.
pub const COMPLETION_NOTICE_KIND: &str = "task_completion_notice";

/// How the notice of the earlier implementation starts, which has no kind.
const EARLIER_NOTICE: &str = "task completion facts propagated to project bus (";

/// The most characters of a title.
const LONGEST_TITLE: usize = 80;

/// Where a fact stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// A message on a task's bus.
    TaskBus,
    /// A message on a project's bus.
    ProjectBus,
    /// A file of an agent in a task's folder.
    TaskFile,
    /// A file of an agent in a project's folder.
    ProjectFile,
    /// The promoted facts of a project.
    ProjectFacts,
    /// The promoted facts of all projects.
    GlobalFacts,
}

/// One fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// Its identity.
    pub hash: FactHash,
    /// Its first line or its own title, at most 80 characters.
    pub title: String,
    /// Its body: line ends are line feeds, no blank lines around it.
    pub text: String,
    /// Where it stands.
    pub origin: Origin,
    /// The project it comes from, or an empty text.
    pub project: String,
    /// The task it comes from, or an empty text.
    pub task: String,
    /// The id of the message or the name of the file it comes from, or an empty text.
    pub source: String,
    /// When it was stated; `None` if that is not known.
    pub time: Option<Timestamp>,
}

/// Tells whether a message is our own bookkeeping about the end of a task.
///
/// Such facts say what happened, not what was found out; they are not promoted
/// and do not count as a task's facts.
pub fn is_bookkeeping(message: &Message) -> bool {
    let kind = message.meta.get(KIND_KEY).map(String::as_str);
    matches!(kind, Some(COMPLETION_KIND | COMPLETION_NOTICE_KIND))
        || message.body.starts_with(EARLIER_NOTICE)
}

/// Returns the first line of `text` as a title of at most 80 characters.
pub fn title_of(text: &str) -> String {
    let line = text.trim().lines().next().unwrap_or_default();
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    let title: String = line.chars().take(LONGEST_TITLE).map(clean).collect();
    title.trim().to_owned()
}
