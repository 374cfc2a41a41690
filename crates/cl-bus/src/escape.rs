//! Keeps bodies from looking like records.
//!
//! Two things in a body could be taken for a boundary: a `---` line, and a first
//! line `msg_id:` (it follows the `---` that closes the header). Such a line gets
//! one backslash more than it has, and the reader takes one away. A NUL counts
//! as a line start, because after a crash a file system may leave a block of
//! NULs in front of the next record, whose opening line must still be found.

use std::borrow::Cow;

/// Returns `body` with every line escaped that a reader could take for a boundary.
pub(crate) fn escape(body: &[u8]) -> Cow<'_, [u8]> {
    let marked: Vec<usize> = lines(body)
        .filter(|(start, line)| is_marker(line, *start == 0))
        .map(|(start, _)| start)
        .collect();
    if marked.is_empty() {
        return Cow::Borrowed(body);
    }
    let mut out = Vec::with_capacity(body.len() + marked.len());
    let mut copied = 0;
    for start in marked {
        out.extend_from_slice(&body[copied..start]);
        out.push(b'\\');
        copied = start;
    }
    out.extend_from_slice(&body[copied..]);
    Cow::Owned(out)
}

/// Undoes [`escape`].
pub(crate) fn unescape(stored: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(stored.len());
    let mut copied = 0;
    for (start, line) in lines(stored) {
        if line.first() == Some(&b'\\') && is_marker(line, start == 0) {
            out.extend_from_slice(&stored[copied..start]);
            copied = start + 1;
        }
    }
    out.extend_from_slice(&stored[copied..]);
    out
}

/// Splits into lines at line feeds and NULs; the separators are not part of a line.
///
/// What ends at a NUL is no whole line to any reader, so it keeps the NUL.
fn lines(body: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut start = 0;
    let mut done = false;
    std::iter::from_fn(move || {
        if done {
            return None;
        }
        let rest = &body[start..];
        let line = match rest.iter().position(|&b| b == b'\n' || b == 0) {
            Some(at) if rest[at] == 0 => &rest[..=at],
            Some(at) => &rest[..at],
            None => rest,
        };
        let item = (start, line);
        let ended_by_feed = line.last() != Some(&0);
        start += line.len() + usize::from(ended_by_feed);
        done = start > body.len() || (start == body.len() && line.len() == rest.len());
        Some(item)
    })
}

/// Tells whether a line, less its leading backslashes, could be taken for a boundary.
fn is_marker(line: &[u8], is_first: bool) -> bool {
    let slashes = line.iter().take_while(|&&b| b == b'\\').count();
    let text = &line[slashes..];
    matches!(text, b"---" | b"---\r") || (is_first && text.starts_with(b"msg_id:"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check_escape(body: &str, expected: &str) {
        let stored = escape(body.as_bytes());
        assert_eq!(String::from_utf8_lossy(&stored), expected);
        assert_eq!(unescape(&stored), body.as_bytes());
    }

    #[test]
    fn only_lines_that_look_like_a_boundary_are_escaped() {
        check_escape("", "");
        check_escape("a\nb", "a\nb");
        check_escape("---", "\\---");
        check_escape("a\n---\nb", "a\n\\---\nb");
        check_escape("---\r\n---\r", "\\---\r\n\\---\r");
        check_escape("\\---\n\\\\---", "\\\\---\n\\\\\\---");
        check_escape(" ---\n--- \n----\n--", " ---\n--- \n----\n--");
        check_escape("a\0---\nb", "a\0\\---\nb");
        check_escape("---\0", "---\0");
        check_escape("\0\0---", "\0\0\\---");
        check_escape("msg_id: x\nmsg_id: y", "\\msg_id: x\nmsg_id: y");
        check_escape("\\msg_id:", "\\\\msg_id:");
        check_escape("---\nmsg_id: x\n---\n", "\\---\nmsg_id: x\n\\---\n");
    }

    proptest! {
        #[test]
        fn unescaping_undoes_escaping(body in proptest::collection::vec(
            proptest::sample::select(b"-\\\n\r\0ams_id:".to_vec()), 0..40))
        {
            let stored = escape(&body).into_owned();
            prop_assert_eq!(unescape(&stored), body);
        }
    }
}
