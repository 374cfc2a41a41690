//! Places in event streams: what stands in `id:` lines and in `Last-Event-ID`.
//!
//! A place is a position on disk, so that a stream can be resumed after either side was
//! started anew, without loss and without repeats.
//!
//! | stream | place | text |
//! |---|---|---|
//! | one run | [`RunCursor`]: bytes of both streams | `s=1204;e=33` |
//! | one bus | the id of the message | `MSG-…` |
//! | many runs or buses | [`Places`]: one place for each | `places-1.…`, opaque |

mod base64;
mod packed;
mod places;

use std::fmt;
use std::str::FromStr;

pub use places::{Full, MOST_PLACES, Places};

/// A text that is no place in a stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no place in this stream")]
pub struct BadCursor {
    /// How the text begins.
    pub text: String,
}

impl BadCursor {
    /// Says so of `text`, or of how it begins.
    pub fn new(text: &str) -> Self {
        // Whoever sends rubbish gets no more of it back than is needed to recognise it.
        let text = text.chars().take(80).collect();
        Self { text }
    }
}

/// A place in the two streams of a run, in bytes from their starts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct RunCursor {
    /// How much of standard output was read.
    pub stdout: u64,
    /// How much of standard error was read.
    pub stderr: u64,
}

impl fmt::Display for RunCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s={};e={}", self.stdout, self.stderr)
    }
}

impl FromStr for RunCursor {
    type Err = BadCursor;

    /// Reads what [`Display`](fmt::Display) writes and the other forms that clients know.
    ///
    /// Parts stand between `;`, `,` or `|`, each a key, `=` or `:`, and a number; keys are
    /// `s`, `out`, `stdout`, `e`, `err`, `stderr` in any case. A stream that is not named
    /// begins at its start. One number alone counts for both.
    fn from_str(text: &str) -> Result<Self, BadCursor> {
        let bad = || BadCursor::new(text);
        let number = |text: &str| {
            let text = text.trim();
            // A sign is no digit, and the parser of the library takes `+`.
            let is_plain = text.bytes().all(|b| b.is_ascii_digit());
            text.parse::<u64>().ok().filter(|_| is_plain)
        };
        if let Some(both) = number(text) {
            return Ok(Self {
                stdout: both,
                stderr: both,
            });
        }
        let (mut stdout, mut stderr) = (None, None);
        for part in text.split([';', ',', '|']) {
            let (key, value) = part.split_once(['=', ':']).ok_or_else(bad)?;
            let value = number(value).ok_or_else(bad)?;
            let place = match key.trim().to_ascii_lowercase().as_str() {
                "s" | "out" | "stdout" => &mut stdout,
                "e" | "err" | "stderr" => &mut stderr,
                _ => return Err(bad()),
            };
            if place.replace(value).is_some() {
                return Err(bad());
            }
        }
        Ok(Self {
            stdout: stdout.unwrap_or_default(),
            stderr: stderr.unwrap_or_default(),
        })
    }
}

/// Where a stream is to begin: `from=start`, `from=end` or `from=<place>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin<C> {
    /// With everything that there is.
    Start,
    /// With what comes next.
    End,
    /// Behind a place.
    Behind(C),
}

impl<C: FromStr<Err = BadCursor>> FromStr for Begin<C> {
    type Err = BadCursor;

    fn from_str(text: &str) -> Result<Self, BadCursor> {
        match text.trim() {
            "start" => Ok(Self::Start),
            "end" => Ok(Self::End),
            place => place.parse().map(Self::Behind),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(text: &str, stdout: u64, stderr: u64) {
        assert_eq!(text.parse(), Ok(RunCursor { stdout, stderr }), "{text}");
    }

    #[test]
    fn every_form_of_a_place_in_a_run_is_read() {
        check("s=12;e=3", 12, 3);
        check("e=3;s=12", 12, 3);
        check("s=12,e=3", 12, 3);
        check("s=12|e=3", 12, 3);
        check("s:12;e:3", 12, 3);
        check(" stdout = 12 ; STDERR = 3 ", 12, 3);
        check("out:12,err:3", 12, 3);
        check("s=12", 12, 0);
        check("err=3", 0, 3);
        check("7", 7, 7);
        check(" 0 ", 0, 0);
        check("s=18446744073709551615;e=0", u64::MAX, 0);
    }

    #[test]
    fn other_texts_are_no_places() {
        let texts = [
            "",
            ";",
            "s",
            "s=",
            "=1",
            "s=-1",
            "s=+1",
            "+1",
            "-1",
            "s=1;",
            "s=1;s=2",
            "s=1;out=2",
            "x=1",
            "s=1;e=0x1",
            "s=18446744073709551616",
            "1 2",
            "s=1e=2",
            "s==1",
            "MSG-1",
        ];
        for text in texts {
            assert!(text.parse::<RunCursor>().is_err(), "{text:?}");
        }
        let long = "x".repeat(1_000_000);
        let error = long.parse::<RunCursor>().unwrap_err();
        assert!(error.to_string().len() < 200);
    }

    #[test]
    fn streams_begin_where_asked() {
        let read = |text: &str| text.parse::<Begin<RunCursor>>();
        assert_eq!(read("start"), Ok(Begin::Start));
        assert_eq!(read("end"), Ok(Begin::End));
        let place = RunCursor {
            stdout: 1,
            stderr: 2,
        };
        assert_eq!(read("s=1;e=2"), Ok(Begin::Behind(place)));
        assert!(read("middle").is_err());
    }

    proptest! {
        #[test]
        fn places_in_a_run_are_read_as_written(stdout: u64, stderr: u64) {
            let place = RunCursor { stdout, stderr };
            prop_assert_eq!(place.to_string().parse(), Ok(place));
        }

        #[test]
        fn junk_is_no_place_and_never_panics(text in "(?s).{0,60}") {
            if let Ok(place) = text.parse::<RunCursor>() {
                prop_assert_eq!(place.to_string().parse(), Ok(place));
            }
        }
    }
}
