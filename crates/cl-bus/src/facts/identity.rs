//! What makes two facts the same.

use std::fmt;

use cl_storage::digest;
use serde::Serialize;

/// How many digits are shown to people.
const SHOWN_DIGITS: usize = 12;

/// The identity of a fact: the SHA-256 of its body, or of the file that holds the
/// whole of a body too large for a message, as 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct FactHash(String);

impl FactHash {
    /// Returns the identity of the fact with this body.
    ///
    /// Line ends and whitespace around the body make no difference.
    pub fn of(body: &[u8]) -> Self {
        let body = with_line_feeds(body);
        let trimmed = match std::str::from_utf8(&body) {
            Ok(text) => text.trim().as_bytes(),
            Err(_) => body.trim_ascii(),
        };
        Self(digest::sha256_hex(trimmed))
    }

    /// Reads an identity as it stands in a sheet.
    pub fn parse(text: &str) -> Option<Self> {
        let is_hash = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_hash.then(|| Self(text.to_ascii_lowercase()))
    }

    /// Returns all 64 digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the first digits, which are enough for people.
    pub fn prefix(&self) -> &str {
        &self.0[..SHOWN_DIGITS]
    }
}

impl fmt::Display for FactHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Returns the body as a sheet holds it: no blank lines around it, line feeds only.
///
/// The indentation of the first line stays: it may be code.
pub(super) fn text_of(body: &str) -> String {
    let body = with_line_feeds(body.as_bytes());
    let body = String::from_utf8_lossy(&body);
    let mut text = body.trim_end();
    while let Some((line, rest)) = text.split_once('\n') {
        if !line.trim().is_empty() {
            break;
        }
        text = rest;
    }
    text.to_owned()
}

fn with_line_feeds(body: &[u8]) -> Vec<u8> {
    let mut result = Vec::with_capacity(body.len());
    let mut bytes = body.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if byte == b'\r' {
            bytes.next_if_eq(&b'\n');
            result.push(b'\n');
        } else {
            result.push(byte);
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_same(one: &[u8], other: &[u8]) {
        assert_eq!(FactHash::of(one), FactHash::of(other));
    }

    #[test]
    fn line_ends_and_outer_whitespace_make_no_difference() {
        check_same(b"a\nb", b"\r\n  a\r\nb\n\n");
        check_same(b"a\nb", b"a\rb\t");
        check_same(b"\xff\nb", b" \xff\r\nb ");
        assert_ne!(FactHash::of(b"a b"), FactHash::of(b"a  b"));
        assert_ne!(FactHash::of(b"\xff"), FactHash::of(b"\xfe"));
    }

    #[test]
    fn only_a_whole_digest_is_read() {
        let hash = FactHash::of(b"x");
        assert_eq!(FactHash::parse(hash.as_str()), Some(hash.clone()));
        assert_eq!(FactHash::parse(&hash.as_str()[1..]), None);
        assert_eq!(FactHash::parse(&"g".repeat(64)), None);
        assert_eq!(hash.prefix().len(), 12);
    }

    #[test]
    fn the_first_line_keeps_its_indentation() {
        assert_eq!(text_of("\n \r\n    code\n\nend \n"), "    code\n\nend");
        assert_eq!(text_of(" \n\t"), "");
    }
}
