//! Where records start.

use memchr::{memchr, memchr_iter, memmem};

/// The line with which a record starts and its header ends.
pub(super) const OPENING: &[u8] = b"---";
/// How the second line of every record starts.
pub(super) const FIRST_KEY: &[u8] = b"msg_id:";
/// How long the opening line and the first key are at the most.
pub(crate) const OPENING_BYTES: usize = 16;
/// What some editors put at the start of a file.
pub(crate) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Counts the line feeds in `bytes`.
pub(crate) fn count_line_feeds(bytes: &[u8]) -> u64 {
    memchr_iter(b'\n', bytes).count() as u64
}

/// Returns the first boundary at or after `from`.
///
/// `starts_line` tells whether one may stand at the very first byte.
pub(crate) fn find_boundary(bytes: &[u8], from: usize, starts_line: bool) -> Option<usize> {
    // Far fewer places have the first key than the start of a line.
    memmem::find_iter(&bytes[from..], FIRST_KEY).find_map(|key| {
        let at = opening_before(bytes, from + key)?;
        let line_starts = at == 0 && starts_line || at > 0 && is_line_end(bytes[at - 1]);
        (at >= from && line_starts).then_some(at)
    })
}

/// Returns where the `---` line starts that ends at `end`; it need not start a line.
fn opening_before(bytes: &[u8], end: usize) -> Option<usize> {
    let line = bytes[..end].strip_suffix(b"\n")?;
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    Some(line.strip_suffix(OPENING)?.len())
}

/// Returns the id of the record that starts `bytes`, as it stands in the text.
///
/// `None` if the line with the id is not whole, or the id is not plain to see.
pub(crate) fn id_of_record(bytes: &[u8]) -> Option<&str> {
    let line = bytes.get(opening_len(bytes)?..)?.strip_prefix(FIRST_KEY)?;
    let line = std::str::from_utf8(&line[..memchr(b'\n', line)?])
        .ok()?
        .trim();
    let quoted = |quote| line.strip_prefix(quote)?.strip_suffix(quote);
    Some(quoted('"').or_else(|| quoted('\'')).unwrap_or(line))
}

/// Returns the last boundary before `end`, but not one at the very first byte.
pub(crate) fn find_last_boundary(bytes: &[u8], end: usize) -> Option<usize> {
    let upto = bytes.len().min(end + OPENING_BYTES);
    memmem::rfind_iter(&bytes[..upto], FIRST_KEY).find_map(|key| {
        let at = opening_before(bytes, key)?;
        (at > 0 && at < end && is_line_end(bytes[at - 1])).then_some(at)
    })
}

/// Returns the first boundary of a file that starts with a byte order mark.
pub(super) fn find_boundary_at_or_after_mark(bytes: &[u8]) -> Option<usize> {
    let mark = BYTE_ORDER_MARK.len();
    if is_boundary(&bytes[mark..]) {
        Some(mark)
    } else {
        find_boundary(bytes, mark, false)
    }
}

/// Tells whether a boundary starts right here, given that a line does.
pub(super) fn is_boundary(bytes: &[u8]) -> bool {
    opening_len(bytes).is_some_and(|len| bytes[len..].starts_with(FIRST_KEY))
}

/// Returns the length of a `---` line that stands right here, its end included.
pub(super) fn opening_len(bytes: &[u8]) -> Option<usize> {
    match bytes.strip_prefix(OPENING)? {
        [b'\n', ..] => Some(4),
        [b'\r', b'\n', ..] => Some(5),
        _ => None,
    }
}

pub(super) fn is_line_end(byte: u8) -> bool {
    byte == b'\n' || byte == 0
}

/// Finds the line that closes a header; returns the header's length and the body's start.
pub(super) fn find_close(piece: &[u8], opening: usize) -> Option<(usize, usize)> {
    let mut at = opening;
    loop {
        if let Some(len) = opening_len(&piece[at..]) {
            return Some((at - opening, at + len));
        }
        at += 1 + memchr(b'\n', &piece[at..])?;
    }
}
