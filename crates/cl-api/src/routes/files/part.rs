//! Which part of a file is read, with whole characters at its ends.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};

use crate::answer::{Answer, Refusal};

/// The most bytes of a file that one JSON answer is made of.
const MOST_BYTES: u64 = 4 * 1024 * 1024;
/// How much of a file is read at once.
const BLOCK: u64 = 64 * 1024;

/// What of a file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// So many bytes from a place on.
    From(u64, u64),
    /// The last so many lines, in so many bytes at the most.
    Tail(u64, u64),
}

impl Part {
    /// Reads what a request says of the part that it wants.
    pub(super) fn parse(
        offset: Option<&str>,
        limit: Option<&str>,
        tail: Option<&str>,
    ) -> Answer<Self> {
        let number = |name: &str, text: Option<&str>| match text.map(str::trim) {
            None | Some("") => Ok(None),
            Some(text) => text.parse::<u64>().map(Some).map_err(|_| {
                Refusal::bad_request(format!("{name} must be a number that is not negative"))
            }),
        };
        let limit = number("limit", limit)?.map_or(MOST_BYTES, |limit| limit.min(MOST_BYTES));
        match (number("offset", offset)?, number("tail", tail)?) {
            (Some(_), Some(_)) => Err(Refusal::bad_request("offset and tail exclude each other")),
            (None, Some(lines)) => Ok(Self::Tail(lines, limit)),
            (offset, None) => Ok(Self::From(offset.unwrap_or(0), limit)),
        }
    }
}

/// A part of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Read {
    pub(super) from: u64,
    pub(super) to: u64,
    pub(super) bytes: Vec<u8>,
}

/// Reads `part` of a file, which has `size` bytes. Blocks.
pub(super) fn read(mut file: File, size: u64, part: Part) -> io::Result<Read> {
    let (from, limit, is_tail) = match part {
        Part::From(offset, limit) => (offset.min(size), limit, false),
        Part::Tail(lines, limit) => {
            let from = last_lines(&mut file, size, lines, limit)?;
            (from, limit, true)
        }
    };
    file.seek(SeekFrom::Start(from))?;
    let most = limit.min(size - from);
    let mut bytes = Vec::with_capacity(usize::try_from(most).unwrap_or(0));
    file.take(most).read_to_end(&mut bytes)?;
    let mut from = from;
    if is_tail {
        // Bytes that continue a character belong to what stands before.
        let cut = bytes.iter().take(3).take_while(|b| is_inner(**b)).count();
        bytes.drain(..cut);
        from += cut as u64;
    }
    if from + (bytes.len() as u64) < size {
        let whole = bytes.len() - unfinished(&bytes);
        // A limit that is smaller than a character still gets on.
        if whole > 0 {
            bytes.truncate(whole);
        }
    }
    Ok(Read {
        from,
        to: from + bytes.len() as u64,
        bytes,
    })
}

/// Finds where the last `lines` begin, not further back than `limit` bytes.
fn last_lines(file: &mut File, size: u64, lines: u64, limit: u64) -> io::Result<u64> {
    if lines == 0 {
        return Ok(size);
    }
    let furthest = size.saturating_sub(limit);
    let mut found = 0;
    let mut at = size;
    let mut block = Vec::new();
    while at > furthest {
        let start = at.saturating_sub(BLOCK).max(furthest);
        file.seek(SeekFrom::Start(start))?;
        block.clear();
        (&mut *file).take(at - start).read_to_end(&mut block)?;
        for (index, byte) in block.iter().enumerate().rev() {
            let behind = start + index as u64 + 1;
            // The end of the last line begins none.
            if *byte == b'\n' && behind < size {
                found += 1;
                if found == lines {
                    return Ok(behind);
                }
            }
        }
        at = start;
    }
    Ok(furthest)
}

/// Tells whether a byte continues a character.
pub(crate) fn is_inner(byte: u8) -> bool {
    byte & 0b1100_0000 == 0b1000_0000
}

/// Counts the bytes at the end that begin a character and do not end it.
pub(crate) fn unfinished(bytes: &[u8]) -> usize {
    for back in 1..=bytes.len().min(3) {
        let byte = bytes[bytes.len() - back];
        if is_inner(byte) {
            continue;
        }
        let needed = match byte {
            0xf0..=0xf7 => 4,
            0xe0..=0xef => 3,
            0xc0..=0xdf => 2,
            _ => 1,
        };
        return if needed > back { back } else { 0 };
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &[u8]) -> File {
        use std::io::Write as _;
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text).unwrap();
        file
    }

    #[track_caller]
    fn check(text: &[u8], part: Part, from: u64, expected: &[u8]) {
        let read = read(file(text), text.len() as u64, part).unwrap();
        assert_eq!((read.from, read.bytes.as_slice()), (from, expected));
        assert_eq!(read.to, from + expected.len() as u64);
    }

    #[test]
    fn parts_are_what_was_asked_for() {
        check(b"abc", Part::From(0, 10), 0, b"abc");
        check(b"abc", Part::From(1, 1), 1, b"b");
        check(b"abc", Part::From(7, 1), 3, b"");
        check(b"a\nb\nc\n", Part::Tail(2, 100), 2, b"b\nc\n");
        check(b"a\nb\nc", Part::Tail(1, 100), 4, b"c");
        check(b"a\nb", Part::Tail(9, 100), 0, b"a\nb");
        check(b"a\nb", Part::Tail(0, 100), 3, b"");
        check(b"a\nlong line\n", Part::Tail(1, 4), 8, b"ine\n");
        check(b"", Part::Tail(3, 4), 0, b"");
    }

    #[test]
    fn many_lines_are_counted_across_blocks() {
        let text = "0123456789abcde\n".repeat(10_000);
        let expected = &text[text.len() - 16 * 9000..];
        let from = (16 * 1000) as u64;
        let part = Part::Tail(9000, MOST_BYTES);
        check(text.as_bytes(), part, from, expected.as_bytes());
    }

    #[test]
    fn characters_are_not_torn() {
        check("aé".as_bytes(), Part::From(0, 2), 0, b"a");
        check("a€b".as_bytes(), Part::From(0, 3), 0, b"a");
        check("é".as_bytes(), Part::From(0, 1), 0, &[0xc3]);
        check("aéb".as_bytes(), Part::Tail(1, 2), 3, b"b");
        // At the end of the file there is nothing to wait for.
        check(&[b'a', 0xc3], Part::From(0, 9), 0, &[b'a', 0xc3]);
    }
}
