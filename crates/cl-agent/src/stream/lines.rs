//! Cutting a byte stream into lines, with bounded memory.

/// Longer lines are skipped whole; the raw stream on disk still has them.
pub(super) const LONGEST_LINE: usize = 64 * 1024 * 1024;

/// A buffer that grew beyond this for one long line is given back after it.
const KEPT_CAPACITY: usize = 1024 * 1024;

/// Collects bytes until a line is complete.
#[derive(Debug, Default)]
pub(super) struct LineSplitter {
    partial: Vec<u8>,
    /// Whether the rest of the current line is thrown away, because it is too long.
    skipping: bool,
}

impl LineSplitter {
    /// Calls `on_line` with each line that `bytes` completes, without its line end.
    pub(super) fn feed(&mut self, mut bytes: &[u8], mut on_line: impl FnMut(&[u8])) {
        while let Some(end) = bytes.iter().position(|&b| b == b'\n') {
            let (line, rest) = (&bytes[..end], &bytes[end + 1..]);
            bytes = rest;
            if std::mem::take(&mut self.skipping) {
                continue;
            }
            if self.partial.is_empty() {
                on_line(line);
            } else if self.partial.len() + line.len() <= LONGEST_LINE {
                self.partial.extend_from_slice(line);
                on_line(&self.partial);
            }
            self.clear();
        }
        if self.skipping {
            return;
        }
        if self.partial.len() + bytes.len() > LONGEST_LINE {
            self.skipping = true;
            self.clear();
        } else {
            self.partial.extend_from_slice(bytes);
        }
    }

    /// Calls `on_line` with what came after the last line end, if anything did.
    pub(super) fn finish(self, on_line: impl FnOnce(&[u8])) {
        if !self.partial.is_empty() {
            on_line(&self.partial);
        }
    }

    fn clear(&mut self) {
        if self.partial.capacity() > KEPT_CAPACITY {
            self.partial = Vec::new();
        } else {
            self.partial.clear();
        }
    }
}

/// Makes text of a byte stream, without waiting for the end of a line.
#[derive(Debug, Default)]
pub(super) struct TextPieces {
    /// The start of a character whose rest is still to come, three bytes at most.
    partial: Vec<u8>,
}

impl TextPieces {
    /// Returns the text that `bytes` completes; what is not UTF-8 becomes U+FFFD.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> String {
        let mut all = std::mem::take(&mut self.partial);
        all.extend_from_slice(bytes);
        let end = all.len() - unfinished_len(&all);
        self.partial = all.split_off(end);
        String::from_utf8_lossy(&all).into_owned()
    }

    /// Returns what is left of a character that never came whole.
    pub(super) fn finish(self) -> String {
        String::from_utf8_lossy(&self.partial).into_owned()
    }
}

/// Returns how many bytes at the end are the start of one character.
fn unfinished_len(bytes: &[u8]) -> usize {
    let tail = &bytes[bytes.len().saturating_sub(3)..];
    (1..=tail.len())
        .find(|&len| {
            let error = std::str::from_utf8(&tail[tail.len() - len..]).err();
            error.is_some_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
        })
        .unwrap_or(0)
}

/// Returns the JSON object on a line, whatever stands before it.
///
/// Colour codes, NUL bytes and text of another writer can stand on the same line
/// as an event; the event itself always reaches to the end of the line.
pub(super) fn json_part(line: &[u8]) -> Option<&[u8]> {
    let line = line.trim_ascii_end();
    let line = match line.iter().rposition(|&b| b != 0) {
        Some(last) => line[..=last].trim_ascii_end(),
        None => return None,
    };
    if !line.ends_with(b"}") {
        return None;
    }
    if line.starts_with(b"{") {
        return Some(line);
    }
    let start = line.windows(2).position(|pair| pair == b"{\"")?;
    Some(&line[start..])
}

/// Returns `text` without colour codes and other control characters.
pub(crate) fn plain_text(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            skip_escape(&mut chars);
        } else if !c.is_control() || c == '\n' || c == '\t' {
            plain.push(c);
        }
    }
    plain
}

/// Skips what follows an ESC: `[` up to a letter, `]` up to BEL or ESC, else one character.
fn skip_escape(chars: &mut std::str::Chars<'_>) {
    match chars.next() {
        Some('[') => {
            for c in chars.by_ref() {
                if ('@'..='~').contains(&c) {
                    break;
                }
            }
        }
        Some(']') => {
            for c in chars.by_ref() {
                if c == '\u{7}' || c == '\\' {
                    break;
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(pieces: &[&[u8]]) -> Vec<String> {
        let mut lines = Vec::new();
        let mut splitter = LineSplitter::default();
        for piece in pieces {
            splitter.feed(piece, |line| {
                lines.push(String::from_utf8_lossy(line).into_owned());
            });
        }
        splitter.finish(|line| lines.push(String::from_utf8_lossy(line).into_owned()));
        lines
    }

    #[test]
    fn lines_are_put_together_from_any_pieces() {
        assert_eq!(split(&[b"a\nb", b"c\n", b"\n", b"d"]), ["a", "bc", "", "d"]);
        assert_eq!(split(&["\u{e9}\n".as_bytes()]), ["\u{e9}"]);
        assert_eq!(split(&[&[0xc3], &[0xa9, b'\n']]), ["\u{e9}"]);
        assert!(split(&[]).is_empty());
    }

    #[test]
    fn text_comes_whole_from_any_pieces() {
        let whole = "a\u{e9}\u{20ac}\u{1f600}\nb\u{e9}";
        let mut bytes = whole.as_bytes().to_vec();
        bytes.extend_from_slice(b"\xff\xe2\x82");
        for size in 1..=bytes.len() {
            let mut text = String::new();
            let mut pieces = TextPieces::default();
            for piece in bytes.chunks(size) {
                text.push_str(&pieces.feed(piece));
                assert!(pieces.partial.len() < 4);
            }
            text.push_str(&pieces.finish());
            assert_eq!(text, format!("{whole}\u{fffd}\u{fffd}"), "{size}");
        }
    }

    #[test]
    fn a_line_above_the_limit_is_skipped_and_the_next_one_read() {
        let mut lines = Vec::new();
        let mut splitter = LineSplitter::default();
        let chunk = vec![b'x'; 1024 * 1024];
        for _ in 0..65 {
            splitter.feed(&chunk, |line| lines.push(line.to_vec()));
        }
        assert!(splitter.partial.capacity() <= KEPT_CAPACITY);
        splitter.feed(b"end of it\nnext\n", |line| lines.push(line.to_vec()));
        assert_eq!(lines, [b"next"]);
    }

    #[track_caller]
    fn check_json_part(line: &str, expected: Option<&str>) {
        let found = json_part(line.as_bytes()).map(|part| std::str::from_utf8(part).unwrap());
        assert_eq!(found, expected);
    }

    #[test]
    fn an_event_is_found_behind_noise() {
        check_json_part(r#"{"a":1}"#, Some(r#"{"a":1}"#));
        check_json_part("\u{1b}[2K{\"a\":1}\r", Some(r#"{"a":1}"#));
        check_json_part("\0\0{\"a\":1}\0\0", Some(r#"{"a":1}"#));
        check_json_part(r#"warning: x {"a":1}"#, Some(r#"{"a":1}"#));
        check_json_part("plain", None);
        check_json_part(r#"{"a":1} tail"#, None);
        check_json_part("\0", None);
    }

    #[test]
    fn colour_codes_are_removed() {
        assert_eq!(plain_text("\u{1b}[31mred\u{1b}[0m\r\0 x"), "red x");
        assert_eq!(plain_text("\u{1b}]0;title\u{7}x"), "x");
        assert_eq!(plain_text("\u{1b}[31"), "");
    }
}
