//! What a script may do to the world, as a trait.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;

use crate::stream::Exit;

/// One of the two outputs of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Output {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// What happens to a file that is already there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WriteMode {
    /// Its content is replaced.
    Replace,
    /// The new content is added to its end.
    Append,
}

/// Whether a command is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Background {
    /// Wait for its end.
    No,
    /// Start it and go on; it inherits both outputs.
    Yes,
}

/// A command that a script runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShellCommand {
    /// Program and arguments; the program is looked up on `PATH`.
    pub argv: Vec<String>,
    /// Variables in addition to the agent's own.
    pub env: BTreeMap<String, String>,
    /// Whether it is waited for.
    pub background: Background,
}

/// The world in which a script is played.
///
/// The interpreter calls these one after the other, from one thread, and takes
/// every decision itself; an implementation only acts. All calls block. An error
/// ends the script with exit code 1 and a line on standard error.
///
/// Contract of each implementation:
///
/// - Relative paths are relative to the agent's working folder, which is also
///   that of commands.
/// - [`print`](Self::print) has handed everything to the operating system when it
///   returns; nothing is buffered, so that a script that kills itself has printed
///   what stood before.
/// - [`kill_self`](Self::kill_self) does not return for signals that cannot be
///   survived. If it returns, the script goes on.
pub trait Stage {
    /// Prints bytes as they are.
    fn print(&mut self, output: Output, bytes: &[u8]) -> io::Result<()>;

    /// Returns the time of day.
    fn now(&mut self) -> Timestamp;

    /// Waits.
    fn sleep(&mut self, duration: Duration) -> io::Result<()>;

    /// Writes a file, making missing folders above it.
    fn write_file(&mut self, path: &Path, content: &[u8], mode: WriteMode) -> io::Result<()>;

    /// Returns whether something exists at `path`.
    fn exists(&mut self, path: &Path) -> bool;

    /// Runs a command with empty standard input and returns how it ended and what it
    /// printed (both outputs, in order where possible; the first 64 KiB).
    ///
    /// A command in the background gives `Exit::Code(0)` and no output at once.
    fn run(&mut self, command: &ShellCommand) -> io::Result<(Exit, Vec<u8>)>;

    /// Makes this process survive the signals TERM, INT and HUP from now on.
    fn ignore_termination(&mut self) -> io::Result<()>;

    /// Sends a signal, named without `SIG`, to this process.
    fn kill_self(&mut self, signal: &str) -> io::Result<()>;
}
