//! Masking of what flows by in pieces, such as a file of a gigabyte on its way to a screen.
//!
//! Almost all that flows by holds no secret, so it is looked at once, two bytes at a time,
//! and passed on as it is. Only lines in which something may begin are looked at closely.
//! Bytes that are not UTF-8 stay what they are.

use secrecy::ExposeSecret as _;

use super::{MASK, Redactor, shapes};

/// A line that is longer is cut in the middle, where no secret can go on.
const LONGEST_LINE: usize = 1024 * 1024;

/// More than a private key has after its heading.
const LONGEST_KEY: usize = 64 * 1024;

/// What ends every token: none contains it.
const ENDS: &[u8] = b",;{}()[]<>|&\"";

/// Masks a stream of bytes that comes in pieces, wherever they are cut.
///
/// It holds back an unfinished line, at most a mebibyte. What it gives back is complete
/// up to there; [`MaskStream::settle`] gives back more of it where somebody watches.
#[derive(Debug)]
pub struct MaskStream {
    redactor: Redactor,
    starts: Starts,
    /// What was not given back yet; never holds the end of a line.
    held: Vec<u8>,
    open: Open,
}

/// What goes on from what was given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Nothing,
    /// A token: what belongs to it is left out.
    Token,
    /// A private key, of which so many bytes were left out.
    Key(usize),
}

impl MaskStream {
    /// Masks what `redactor` masks.
    pub fn new(redactor: &Redactor) -> Self {
        let redactor = redactor.for_lines();
        Self {
            starts: Starts::of(&redactor),
            redactor,
            held: Vec::new(),
            open: Open::Nothing,
        }
    }

    /// Takes the next piece, and gives all that is certain to `give`.
    ///
    /// # Errors
    ///
    /// Those of `give`; what was held back is lost then.
    pub fn feed<E>(
        &mut self,
        piece: &[u8],
        mut give: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let Some(end) = piece.iter().rposition(|byte| *byte == b'\n') else {
            self.held.extend_from_slice(piece);
            while self.held.len() > LONGEST_LINE {
                let held = std::mem::take(&mut self.held);
                let cut = self.cut(&held).unwrap_or(held.len());
                self.lines(&held[..cut], &mut give)?;
                self.held = held[cut..].to_vec();
            }
            return Ok(());
        };
        let (whole, rest) = piece.split_at(end + 1);
        let held = std::mem::take(&mut self.held);
        if held.is_empty() {
            self.lines(whole, &mut give)?;
        } else {
            // Only its first line needs what was held back.
            let first = whole.iter().position(|byte| *byte == b'\n').unwrap_or(end);
            let line = [&held, &whole[..=first]].concat();
            self.lines(&line, &mut give)?;
            self.lines(&whole[first + 1..], &mut give)?;
        }
        if rest.is_empty() {
            return Ok(());
        }
        self.feed(rest, give)
    }

    /// Gives back as much of an unfinished line as is certain, since nothing more has come.
    ///
    /// # Errors
    ///
    /// Those of `give`.
    pub fn settle<E>(&mut self, mut give: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        let held = std::mem::take(&mut self.held);
        let heading = held.len().saturating_sub(shapes::LONGEST_HEADING);
        let may_be_key = held[heading..].windows(5).any(|five| five == b"-----");
        let is_in_key = matches!(self.open, Open::Key(_));
        let cut = if may_be_key || is_in_key {
            0
        } else {
            self.boundary(&held)
        };
        self.lines(&held[..cut], &mut give)?;
        self.held = held[cut..].to_vec();
        Ok(())
    }

    /// Gives back all that was held back; nothing more comes.
    ///
    /// # Errors
    ///
    /// Those of `give`.
    pub fn finish<E>(&mut self, mut give: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        let held = std::mem::take(&mut self.held);
        self.lines(&held, &mut give)
    }

    /// Returns where a line that is too long may be cut; none where all of it is one word.
    fn cut(&self, held: &[u8]) -> Option<usize> {
        let found = match self.boundary(held) {
            0 => held
                .iter()
                .rposition(|byte| !is_of_token(*byte) && *byte != b'=')
                .map_or(0, |at| at + 1),
            cut => cut,
        };
        (found > 0).then_some(found)
    }

    /// Returns the last place where neither a token nor a known secret goes on.
    fn boundary(&self, held: &[u8]) -> usize {
        let is_end = |at: usize| {
            let byte = held[at];
            // `KEY="value"` and `KEY= "value"` are not cut between name and value.
            let follows_name = at > 0 && held[at - 1] == b'=';
            !follows_name && (byte.is_ascii_whitespace() || ENDS.contains(&byte))
        };
        let cut = (0..held.len()).rev().find(|at| is_end(*at));
        let mut cut = cut.map_or(0, |at| at + 1);
        loop {
            let before = cut;
            for secret in &self.redactor.secrets {
                let secret = secret.expose_secret().trim().as_bytes();
                let first = cut.saturating_sub(secret.len());
                let torn = (first..cut).find(|at| {
                    let rest = &held[*at..];
                    // It stands there whole, or what came of it so far does.
                    rest.starts_with(secret) && rest.len() - secret.len() < held.len() - cut
                        || secret.starts_with(rest)
                });
                cut = torn.unwrap_or(cut);
            }
            if cut == before {
                return cut;
            }
        }
    }

    /// Gives back `lines`, of which the last one may be a part of a line.
    fn lines<E>(
        &mut self,
        mut lines: &[u8],
        give: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        while !lines.is_empty() {
            if self.open != Open::Nothing {
                lines = self.pass_over(lines);
                continue;
            }
            let Some(at) = self.starts.first_in(lines) else {
                return give(lines);
            };
            let begin = lines[..at].iter().rposition(|byte| *byte == b'\n');
            let (clean, rest) = lines.split_at(begin.map_or(0, |newline| newline + 1));
            let end = rest.iter().position(|byte| *byte == b'\n');
            let (line, after) = rest.split_at(end.map_or(rest.len(), |newline| newline + 1));
            if !clean.is_empty() {
                give(clean)?;
            }
            self.line(line, give)?;
            lines = after;
        }
        Ok(())
    }

    /// Masks one line.
    fn line<E>(
        &mut self,
        line: &[u8],
        give: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let body = line.strip_suffix(b"\n").unwrap_or(line);
        let mut ends_masked = false;
        for chunk in body.utf8_chunks() {
            let text = chunk.valid();
            let masked = self.redactor.redact(text);
            ends_masked = masked.ends_with(MASK) && chunk.invalid().is_empty();
            give(masked.as_bytes())?;
            give(chunk.invalid())?;
            if shapes::has_open_key(text) {
                self.open = Open::Key(0);
            }
        }
        if body.len() < line.len() {
            return give(b"\n");
        }
        // It is all one word and too long, so it was cut where a token may go on.
        let is_cut = ends_masked && body.last().is_some_and(|byte| is_of_token(*byte));
        if is_cut && self.open == Open::Nothing {
            self.open = Open::Token;
        }
        Ok(())
    }

    /// Leaves out what belongs to what is open; returns the rest.
    fn pass_over<'l>(&mut self, lines: &'l [u8]) -> &'l [u8] {
        let end = lines.iter().position(|byte| *byte == b'\n');
        let (line, after) = lines.split_at(end.map_or(lines.len(), |newline| newline + 1));
        match self.open {
            Open::Nothing => lines,
            Open::Token => {
                let length = lines.iter().position(|byte| !is_of_token(*byte));
                if length.is_some() {
                    self.open = Open::Nothing;
                }
                &lines[length.unwrap_or(lines.len())..]
            }
            Open::Key(passed) => match shapes::end_of_key(line) {
                Some(end) => {
                    self.open = Open::Nothing;
                    &lines[end..]
                }
                // Prose about a key is not the key.
                None if passed > LONGEST_KEY || !shapes::is_of_key(line) => {
                    self.open = Open::Nothing;
                    lines
                }
                None => {
                    self.open = Open::Key(passed + line.len());
                    after
                }
            },
        }
    }
}

fn is_of_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

/// What secrets begin with, for one quick look at many bytes.
#[derive(Debug)]
struct Starts {
    /// A bit for each pair of bytes with which something may begin.
    pairs: Box<[u64; 1024]>,
    secrets: Vec<Vec<u8>>,
}

impl Starts {
    fn of(redactor: &Redactor) -> Self {
        let secrets = (redactor.secrets.iter())
            .map(|secret| secret.expose_secret().trim().as_bytes().to_vec())
            .collect();
        let mut starts = Self {
            pairs: Box::new([0; 1024]),
            secrets,
        };
        for shape in shapes::SHAPES {
            starts.note(shape.start.as_bytes());
        }
        starts.note(shapes::KEY_BEGIN.as_bytes());
        for name in shapes::SECRET_NAMES {
            let last = name.as_bytes().last().copied().unwrap_or_default();
            starts.note(&[last, b'=']);
        }
        for index in 0..starts.secrets.len() {
            let start = [starts.secrets[index][0], starts.secrets[index][1]];
            starts.note(&start);
        }
        starts
    }

    fn note(&mut self, start: &[u8]) {
        let pair = pair(start[0], start[1]);
        self.pairs[pair >> 6] |= 1 << (pair & 63);
    }

    /// Returns where something begins that is worth a closer look.
    fn first_in(&self, bytes: &[u8]) -> Option<usize> {
        bytes.array_windows().enumerate().find_map(|(at, [a, b])| {
            let pair = pair(*a, *b);
            let may_be = self.pairs[pair >> 6] >> (pair & 63) & 1 == 1;
            (may_be && self.begins(bytes, at)).then_some(at)
        })
    }

    /// Tells whether what is at `at` begins like a secret, as far as a quick look can tell.
    #[cold]
    fn begins(&self, bytes: &[u8], at: usize) -> bool {
        let rest = &bytes[at..];
        let is_inside = at > 0 && shapes::is_word(bytes[at - 1]);
        let mut shapes = shapes::SHAPES.iter();
        shapes.any(|shape| !is_inside && rest.starts_with(shape.start.as_bytes()))
            || rest.starts_with(shapes::KEY_BEGIN.as_bytes())
            || rest[1] == b'='
                && (shapes::SECRET_NAMES.iter()).any(|name| bytes[..=at].ends_with(name.as_bytes()))
            || self.secrets.iter().any(|secret| rest.starts_with(secret))
    }
}

fn pair(a: u8, b: u8) -> usize {
    usize::from(a) << 8 | usize::from(b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::SecretString;

    const TOKEN: &str = "sk-canary-0123456789abcdef0123";

    fn stream() -> MaskStream {
        let known = [
            "canary known, with blanks",
            "canary\"quoted\"",
            "canary-one\ncanary-two",
        ];
        MaskStream::new(&Redactor::new(known.map(SecretString::from)))
    }

    fn masked(pieces: &[&[u8]]) -> Vec<u8> {
        let mut all = Vec::new();
        let mut stream = stream();
        let mut give = |bytes: &[u8]| {
            all.extend_from_slice(bytes);
            Ok::<_, ()>(())
        };
        for piece in pieces {
            stream.feed(piece, &mut give).unwrap();
        }
        stream.finish(&mut give).unwrap();
        all
    }

    /// Everything that is masked, between things that are not.
    fn text() -> String {
        let (begin, kind) = (shapes::KEY_BEGIN, "PRIVATE KEY-----");
        format!(
            "task-20260101-000000-one is no token, nor are sk- and ghp_.\n\
             Here is {TOKEN}, and canary known, with blanks.\n\
             {{\"secret\": \"canary\\\"quoted\\\"\", \"other\": \"A_TOKEN=canary-value\"}}\n\
             canary-one\ncanary-two\n\
             {begin}RSA {kind}\nabcd+/=\nefgh\n-----END RSA {kind} behind it\n\
             {begin}{kind} is how a key begins.\nThis is prose.\n\
             export B_API_KEY=\"canary-quoted\"; end {TOKEN}"
        )
    }

    const SHOWN: &str = "task-20260101-000000-one is no token, nor are sk- and ghp_.\n\
        Here is [REDACTED], and [REDACTED].\n\
        {\"secret\": \"[REDACTED]\", \"other\": \"A_TOKEN=[REDACTED]\"}\n\
        [REDACTED]\n[REDACTED]\n\
        [REDACTED]\n behind it\n\
        [REDACTED]\nThis is prose.\n\
        export B_API_KEY=\"[REDACTED]\"; end [REDACTED]";

    #[test]
    fn secrets_are_masked_wherever_pieces_are_cut() {
        let text = text();
        let bytes = text.as_bytes();
        let check = |pieces: &[&[u8]]| {
            assert_eq!(String::from_utf8(masked(pieces)).unwrap(), SHOWN);
        };
        check(&[bytes]);
        for cut in 0..bytes.len() {
            check(&[&bytes[..cut], &bytes[cut..]]);
        }
        for size in [1, 2, 3, 7, 64] {
            check(&bytes.chunks(size).collect::<Vec<_>>());
        }
    }

    #[test]
    fn what_is_shown_while_a_line_grows_is_masked_too() {
        let text = text();
        for size in [1, 3, 11] {
            let mut stream = stream();
            let mut all = Vec::new();
            let mut give = |bytes: &[u8]| {
                all.extend_from_slice(bytes);
                Ok::<_, ()>(())
            };
            for piece in text.as_bytes().chunks(size) {
                stream.feed(piece, &mut give).unwrap();
                stream.settle(&mut give).unwrap();
            }
            stream.finish(&mut give).unwrap();
            assert_eq!(String::from_utf8(all).unwrap(), SHOWN, "{size}");
        }
        let mut stream = stream();
        let mut all = Vec::new();
        let mut give = |bytes: &[u8]| {
            all.extend_from_slice(bytes);
            Ok::<_, ()>(())
        };
        stream.feed(b"progress: 10% and more", &mut give).unwrap();
        stream.settle(&mut give).unwrap();
        assert_eq!(all, b"progress: 10% and ");
    }

    #[test]
    fn what_holds_no_secret_stays_as_it_is() {
        let mut bytes: Vec<u8> = (0..=255_u8).cycle().take(100_000).collect();
        assert!(masked(&[&bytes]) == bytes);
        let pieces: Vec<&[u8]> = bytes.chunks(777).collect();
        assert!(masked(&pieces) == bytes);
        // Beside a secret, too.
        bytes.extend_from_slice(b" canary known, with blanks \xff\xfe");
        let shown = masked(&[&bytes]);
        assert!(shown.ends_with(b" [REDACTED] \xff\xfe"));
        assert!(shown[..100_000] == bytes[..100_000]);
        assert_eq!(masked(&[]), b"");
    }

    #[test]
    fn endless_lines_are_held_back_no_longer_than_a_mebibyte() {
        for filler in ["word ", "x", "YWJj+/", "{\"a\":1},"] {
            let piece = filler.repeat(50_000);
            let mut stream = stream();
            let mut shown = 0;
            let mut text = String::new();
            let mut given = |bytes: &[u8]| {
                shown += bytes.len();
                text.push_str(std::str::from_utf8(bytes).unwrap());
                Ok::<_, ()>(())
            };
            for _ in 0..20 {
                stream.feed(piece.as_bytes(), &mut given).unwrap();
                stream
                    .feed(format!(" {TOKEN} ").as_bytes(), &mut given)
                    .unwrap();
                assert!(stream.held.len() <= LONGEST_LINE + piece.len());
            }
            stream.finish(&mut given).unwrap();
            assert_eq!(shown, 20 * (piece.len() + 2 + MASK.len()), "{filler}");
            assert_eq!(text.matches(MASK).count(), 20, "{filler}");
        }
        // A single token without end.
        let token = format!(" {TOKEN}{}", "a".repeat(3 * LONGEST_LINE));
        let pieces: Vec<&[u8]> = token.as_bytes().chunks(100_000).collect();
        let shown = masked(&pieces);
        assert_eq!(shown.len(), 1 + MASK.len());
        assert!(shown.ends_with(MASK.as_bytes()));
    }
}
