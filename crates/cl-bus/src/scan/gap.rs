//! The text outside any record.

use super::boundary::{FIRST_KEY, is_line_end, opening_len};
use crate::legacy;

/// Tells whether `gap` is a part of an opening, shorter than a boundary.
pub(super) fn is_torn_opening(gap: &[u8]) -> bool {
    !gap.is_empty() && b"---\nmsg_id".starts_with(gap)
}

/// Tells whether nothing in `gap` can be part of an edited body.
///
/// What stands behind NULs never is: they are where a loss of power took the
/// beginning of the next record, and the text is the rest of it.
pub(super) fn is_clean_gap(gap: &[u8], is_last: bool) -> bool {
    let decided = if is_last { decided_len(gap) } else { gap.len() };
    gap_parts(&gap[..decided])
        .take_while(|part| part.kind != GapKind::Nuls)
        .all(|part| {
            part.kind == GapKind::Torn || legacy::parse(&gap[part.start..part.end]).is_some()
        })
}

/// Returns how much of the text behind the last record can no longer change its meaning.
///
/// Not the last line while it has no end, and not what may become a boundary.
pub(super) fn decided_len(gap: &[u8]) -> usize {
    let lines_end = gap
        .iter()
        .rposition(|&b| is_line_end(b))
        .map_or(0, |at| at + 1);
    let before = gap[..lines_end]
        .strip_suffix(b"\n")
        .unwrap_or(&gap[..lines_end]);
    let last_line = before
        .iter()
        .rposition(|&b| is_line_end(b))
        .map_or(0, |at| at + 1);
    let may_open = opening_len(&gap[last_line..lines_end]).is_some();
    if may_open && FIRST_KEY.starts_with(&gap[lines_end..]) {
        last_line
    } else {
        lines_end
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum GapKind {
    /// A line that is not empty, without its end.
    Line,
    /// NULs.
    Nuls,
    /// What is left of a record whose writer died within its first bytes.
    Torn,
}

pub(super) struct GapPart {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) kind: GapKind,
}

/// Splits text outside any record into its parts; empty lines are left out.
pub(super) fn gap_parts(gap: &[u8]) -> impl Iterator<Item = GapPart> {
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < gap.len() {
            let start = at;
            let rest = &gap[start..];
            if rest[0] == 0 {
                at += rest.iter().position(|&b| b != 0).unwrap_or(rest.len());
                return Some(GapPart {
                    start,
                    end: at,
                    kind: GapKind::Nuls,
                });
            }
            if let Some(len) = torn_len(rest) {
                at += len;
                return Some(GapPart {
                    start,
                    end: at,
                    kind: GapKind::Torn,
                });
            }
            let len = line_len(rest);
            at += len + usize::from(rest.get(len) == Some(&b'\n'));
            if !rest[..len].trim_ascii().is_empty() {
                return Some(GapPart {
                    start,
                    end: start + len,
                    kind: GapKind::Line,
                });
            }
        }
        None
    })
}

pub(super) fn line_len(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .position(|&b| is_line_end(b))
        .unwrap_or(bytes.len())
}

/// Returns the length of a torn opening that stands right here, its line ends included.
pub(super) fn torn_len(bytes: &[u8]) -> Option<usize> {
    let line = line_len(bytes);
    let with_end =
        |at: usize, len: usize| at + len + usize::from(bytes.get(at + len) == Some(&b'\n'));
    match &bytes[..line] {
        b"-" | b"--" => Some(with_end(0, line)),
        b"---" => {
            let second = with_end(0, line);
            let key = line_len(&bytes[second..]);
            let torn_key = key > 0 && FIRST_KEY.starts_with(&bytes[second..second + key]);
            Some(if torn_key {
                with_end(second, key)
            } else {
                second
            })
        }
        _ => None,
    }
}
