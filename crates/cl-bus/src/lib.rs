//! How messages are appended, read and followed.
//!
//! A *bus* is one append-only text file of messages, each a YAML header and a
//! free body. It is the only channel between agents, runner, server and people,
//! so nothing in it may be lost, torn or invented. The format and the protocol
//! are described in `docs/dev/bus.md`.
//!
//! Invariants this crate upholds:
//!
//! - One message is one write, made under the exclusive lock of the bus file
//!   itself; bytes that are already there are never changed.
//! - An acknowledged message of durability [`Durability::Disk`] has been synced.
//! - A boundary (a `---` line followed by a `msg_id:` line) always starts a
//!   record. Bodies cannot contain one, so a reader may start anywhere in the
//!   file and still sees what a full read sees.
//! - Readers take no lock and change nothing. Damage is reported with its place
//!   and never becomes a message, nor costs a neighbour.
//! - It links no async runtime; the only thread is the one in which the
//!   notification library of a [`Follower`] waits for the kernel.
//!
//! Map of the modules:
//!
//! - a message in [`message`], its bytes in `record`, `escape`, `header` and
//!   `legacy`, finding records in bytes in `scan`, damage in [`damage`];
//! - appending: promises in [`append`], sharing a sync in `commit`, the file in
//!   `writer`, moving it aside in `archive`, large bodies in [`attach`];
//! - reading: questions and answers in [`read`] and `filter`, the bus as a row of
//!   files in `history`, finding a message in `locate`, towards the end in
//!   `forward`, from the end in `backward`, repeats in `seen`, [`follow`], and
//!   [`check`](mod@check);
//! - several buses as one in [`view`], facts and their promotion in [`facts`],
//!   names and places of buses in [`place`], opening files in `file`.
//!
//! [`Bus`] ties them together.

#![warn(missing_docs)]

pub mod append;
mod archive;
pub mod attach;
mod backward;
mod bus;
pub mod check;
mod commit;
pub mod damage;
mod escape;
pub mod facts;
mod file;
mod filter;
pub mod follow;
mod forward;
mod header;
mod history;
mod legacy;
mod locate;
pub mod message;
pub mod place;
pub mod read;
mod record;
mod scan;
mod seen;
pub mod view;
mod writer;

pub use append::{AppendError, Appended, Durability, LockPolicy};
pub use archive::{ARCHIVE_SUFFIX, ROTATE_AT_BYTES};
pub use attach::{MAX_ATTACHMENT_BYTES, Posted};
pub use bus::Bus;
pub use check::{Repaired, Report, check, repair_to};
pub use damage::{Damage, Reason};
pub use file::FileError;
pub use filter::Filter;
pub use follow::{Event, FollowOptions, Follower, ResetCause, Start, Wake};
pub use message::{Draft, DraftError, Link, Message, Parent};
pub use place::{LOOSE_BUS, PROJECT_BUS, Scope, TASK_BUS, discover, scope_of};
pub use read::{After, Cursor, Edge, Entry, Found, Page, Query, ReadError, Reading};
