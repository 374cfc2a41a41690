//! The one way to print.

use std::fmt;
use std::io::{self, IsTerminal as _, Write};

use crate::error::CliError;

/// How much is said on standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Verbosity {
    /// Errors only.
    Quiet,
    /// Notes and warnings too.
    #[default]
    Normal,
    /// Log lines of level info.
    Verbose,
    /// Log lines of level debug.
    Debug,
    /// All log lines.
    Trace,
}

impl Verbosity {
    /// Returns the level that `-q` and a number of `-v` stand for.
    pub fn from_flags(quiet: bool, verbose: u8) -> Self {
        match (quiet, verbose) {
            (true, _) => Self::Quiet,
            (false, 0) => Self::Normal,
            (false, 1) => Self::Verbose,
            (false, 2) => Self::Debug,
            (false, _) => Self::Trace,
        }
    }
}

/// How much waits to be written to a file or a pipe; a system call costs more than a page.
const OUT_BUFFER_BYTES: usize = 64 * 1024;

/// Standard output and standard error of a command, or what stands for them in tests.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own about three streams"
)]
pub struct Console {
    out: Box<dyn Write>,
    err: Box<dyn Write>,
    out_is_terminal: bool,
    err_is_terminal: bool,
    in_is_terminal: bool,
    has_color: bool,
    is_json: bool,
    verbosity: Verbosity,
}

impl Console {
    /// Returns the console of this process.
    ///
    /// On a terminal each line appears when it is written. In a file or a pipe
    /// what is written waits for [`Self::flush`], for anything on standard error,
    /// or for more: whoever follows something flushes after each event.
    pub fn of_process() -> Self {
        let out = io::stdout();
        let out: Box<dyn Write> = if out.is_terminal() {
            Box::new(out)
        } else {
            Box::new(io::BufWriter::with_capacity(OUT_BUFFER_BYTES, out))
        };
        Self {
            out,
            err: Box::new(io::stderr()),
            out_is_terminal: io::stdout().is_terminal(),
            err_is_terminal: io::stderr().is_terminal(),
            in_is_terminal: io::stdin().is_terminal(),
            has_color: false,
            is_json: false,
            verbosity: Verbosity::Normal,
        }
    }

    /// Returns a console that writes to `out` and `err` and is no terminal.
    pub fn to(out: impl Write + 'static, err: impl Write + 'static) -> Self {
        Self {
            out: Box::new(out),
            err: Box::new(err),
            out_is_terminal: false,
            err_is_terminal: false,
            in_is_terminal: false,
            has_color: false,
            is_json: false,
            verbosity: Verbosity::Normal,
        }
    }

    /// Sets how to speak; colour is only used on a terminal.
    pub fn configure(&mut self, is_json: bool, wants_color: bool, verbosity: Verbosity) {
        self.is_json = is_json;
        self.has_color = wants_color && self.out_is_terminal;
        self.verbosity = verbosity;
    }

    /// Tells whether machine-readable output was asked for.
    pub fn is_json(&self) -> bool {
        self.is_json
    }

    /// Tells whether standard output may be coloured.
    pub fn has_color(&self) -> bool {
        self.has_color
    }

    /// Returns how much is said.
    pub fn verbosity(&self) -> Verbosity {
        self.verbosity
    }

    /// Tells whether standard output is a terminal.
    pub fn out_is_terminal(&self) -> bool {
        self.out_is_terminal
    }

    /// Tells whether standard error is a terminal.
    pub fn err_is_terminal(&self) -> bool {
        self.err_is_terminal
    }

    /// Tells whether standard input is a terminal.
    pub fn in_is_terminal(&self) -> bool {
        self.in_is_terminal
    }

    /// Returns standard output.
    pub fn out(&mut self) -> &mut dyn Write {
        &mut self.out
    }

    /// Returns standard error; what was written to standard output comes before it.
    pub fn err(&mut self) -> &mut dyn Write {
        // Whoever writes on finds out that standard output is gone.
        self.out.flush().ok();
        &mut self.err
    }

    /// Writes one line of data.
    pub fn line(&mut self, text: impl fmt::Display) -> Result<(), CliError> {
        writeln!(self.out, "{text}")?;
        Ok(())
    }

    /// Writes one JSON document on one line.
    pub fn json(&mut self, value: &impl serde::Serialize) -> Result<(), CliError> {
        let text = serde_json::to_string(value)
            .map_err(|error| CliError::failed("could not write JSON").caused_by(error))?;
        self.line(text)
    }

    /// Writes one line to standard error unless quiet: an announcement or a hint.
    pub fn note(&mut self, text: impl fmt::Display) {
        if self.verbosity > Verbosity::Quiet {
            // Losing a note is better than failing because nobody listens.
            writeln!(self.err(), "{text}").ok();
        }
    }

    /// Writes a warning to standard error unless quiet.
    pub fn warn(&mut self, text: impl fmt::Display) {
        self.note(format_args!("Warning: {text}"));
    }

    /// Writes an error to standard error: with its causes, then what to do.
    pub fn error(&mut self, error: &CliError) {
        // There is no other place to report that standard error is gone.
        if self.is_json {
            writeln!(self.err(), "{}", error.to_json()).ok();
        } else {
            let hint = error.advice().map(|hint| format!("Hint: {hint}\n"));
            let hint = hint.unwrap_or_default();
            write!(self.err(), "Error: {}\n{hint}", error.chain()).ok();
        }
    }

    /// Hands what was written to the system.
    pub fn flush(&mut self) -> Result<(), CliError> {
        self.out.flush()?;
        Ok(())
    }
}

impl fmt::Debug for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Console")
            .field("is_json", &self.is_json)
            .field("has_color", &self.has_color)
            .field("verbosity", &self.verbosity)
            .finish_non_exhaustive()
    }
}
