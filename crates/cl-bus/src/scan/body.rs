//! Where bodies end.

use super::gap;

/// How the body of a record ends.
pub(super) enum Body {
    /// Whole: so many bytes are body; behind them stands text outside any record.
    Exact { len: usize, next: usize },
    /// Everything up to the end of the piece is body.
    Rest(Flaw),
    /// Not there yet.
    Incomplete,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    None,
    Truncated,
    Edited,
}

/// Decides where the body ends that starts `rest`, the remainder of a piece.
pub(super) fn measure(rest: &[u8], body_bytes: Option<u64>, is_last: bool) -> Body {
    let Some(body_bytes) = body_bytes else {
        let text = &rest[..trailing_nuls(rest).start];
        let cut = in_flight_tail(text, is_last);
        let ended = !is_last || text.len() < rest.len() || text[..cut].ends_with(b"\n");
        return if ended {
            Body::Rest(Flaw::None)
        } else {
            Body::Incomplete
        };
    };
    let len = usize::try_from(body_bytes).unwrap_or(usize::MAX);
    let Some(behind) = rest.get(len..) else {
        return if is_last {
            Body::Incomplete
        } else {
            Body::Rest(Flaw::Truncated)
        };
    };
    match behind {
        // Whole but for its terminator. Not if it ends with a line feed: behind the
        // next record that could also be a body one byte short, see below.
        [] if is_last && rest.ends_with(b"\n") => Body::Incomplete,
        [] if is_last => Body::Exact { len, next: len },
        [] => Body::Rest(Flaw::Truncated),
        // The next writer adds the line feed that a torn body lacks and then its
        // own separator. A body one byte short thus looks whole, except that the
        // separator is missing.
        [b'\n'] if !is_last && rest[..len].ends_with(b"\n") => Body::Rest(Flaw::Truncated),
        [b'\n', gap @ ..]
            if is_last && rest[..len].ends_with(b"\n") && gap::is_torn_opening(gap) =>
        {
            Body::Incomplete
        }
        [b'\n', gap @ ..] if gap::is_clean_gap(gap, is_last) => Body::Exact { len, next: len + 1 },
        _ if trailing_nuls(rest).start < len => {
            if is_last {
                Body::Incomplete
            } else {
                Body::Rest(Flaw::Truncated)
            }
        }
        _ if is_last && !rest.ends_with(b"\n") => Body::Incomplete,
        _ => Body::Rest(Flaw::Edited),
    }
}

/// What the first bytes of a body tell that is followed by more than is held.
pub(super) enum Start {
    /// It ends within them: so many bytes are body; behind them stands other text.
    Whole { len: usize, next: usize, flaw: Flaw },
    /// It goes on.
    Part(Flaw),
}

/// Decides what `held`, the first bytes behind a header, are.
pub(super) fn measure_start(held: &[u8], body_bytes: Option<u64>) -> Start {
    let len = body_bytes.map(|len| usize::try_from(len).unwrap_or(usize::MAX));
    match len.and_then(|len| Some((len, held.get(len..)?))) {
        Some((len, [b'\n', gap @ ..])) if gap::is_clean_gap(gap, true) => Start::Whole {
            len,
            next: len + 1,
            flaw: Flaw::None,
        },
        Some((len, _)) if trailing_nuls(held).start >= len => Start::Part(Flaw::Edited),
        _ => {
            let nuls = trailing_nuls(held);
            if nuls.is_empty() {
                return Start::Part(Flaw::Truncated);
            }
            let text = &held[..nuls.start];
            let is_whole = len.is_none() && text.ends_with(b"\n");
            Start::Whole {
                len: strip_ends(text, 1).len(),
                next: nuls.start,
                flaw: if is_whole {
                    Flaw::None
                } else {
                    Flaw::Truncated
                },
            }
        }
    }
}

/// Returns the place of the NULs at the end of a body of unknown length.
///
/// The line ends that the next writer added behind them do not count.
pub(super) fn trailing_nuls(body: &[u8]) -> std::ops::Range<usize> {
    let mut end = body.len();
    for _ in 0..2 {
        if body[..end].ends_with(b"\n") {
            end -= 1;
        }
    }
    let start = body[..end]
        .iter()
        .rposition(|&b| b != 0)
        .map_or(0, |at| at + 1);
    if start == end {
        body.len()..body.len()
    } else {
        start..end
    }
}

/// Returns the length of `text` without the first bytes of a record being written.
pub(super) fn in_flight_tail(text: &[u8], is_last: bool) -> usize {
    const SEPARATED: &[u8] = b"\n\n---\nmsg_id:";
    if !is_last || text.ends_with(b"\n") {
        return text.len();
    }
    (3..SEPARATED.len())
        .find(|&len| text.ends_with(&SEPARATED[..len]))
        .map_or(text.len(), |len| text.len() - (len - 2))
}

/// Removes up to `count` line ends from the end.
pub(super) fn strip_ends(body: &[u8], count: usize) -> &[u8] {
    let mut body = body;
    for _ in 0..count {
        let Some(shorter) = body.strip_suffix(b"\n") else {
            break;
        };
        body = shorter.strip_suffix(b"\r").unwrap_or(shorter);
    }
    body
}
