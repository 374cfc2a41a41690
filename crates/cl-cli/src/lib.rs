//! What the user types and sees.
//!
//! The grammar of both binaries, the scope resolver, every command, and how
//! results and errors are printed. The binaries are one call of [`main_entry`].
//!
//! Invariants it upholds:
//!
//! - Data goes to standard output, everything else to standard error; nothing is
//!   printed but through the [`Console`].
//! - What a command is about is decided by one resolver, [`scope`], for all
//!   commands; explicit flags beat everything.
//! - Commands that only look never create, change or lock a file.
//! - Every error carries its exit code, the thing it is about and what to do.
//! - The hidden sub-commands are dispatched before anything else happens: no
//!   configuration is read, no thread is started and no descriptor is opened.
//!
//! Map of the modules: the grammar in [`args`], the way in through [`entry`],
//! what every command gets in [`context`], printing in [`console`], errors and
//! exit codes in [`error`], the scope in [`scope`], rows and tables in `view`,
//! one module per command in [`commands`], the version stamp in [`version`].

pub mod args;
mod backend;
pub mod commands;
pub mod console;
pub mod context;
pub mod entry;
pub mod error;
mod logging;
pub mod scope;
pub mod version;
mod view;

pub use console::Console;
pub use context::Context;
pub use entry::{Binary, Serve, main_entry};
pub use error::{CliError, Exit};
