//! Masking of secrets in everything that we write ourselves: those that are configured, and
//! what has the shape of a vendor's token.

pub mod shapes;
mod stream;

pub use stream::MaskStream;

use std::borrow::Cow;
use std::io::{self, Read as _};
use std::ops::Range;

use secrecy::{ExposeSecret as _, SecretString};

/// What stands in the place of a secret.
pub const MASK: &str = "[REDACTED]";

/// Secrets shorter than this are not searched for: they would mask ordinary words.
const SHORTEST_SECRET: usize = 6;

/// Replaces every occurrence of the configured secrets, and what looks like one, by [`MASK`].
///
/// Agents' raw streams are not covered: they go from the agent to the file
/// without passing through us.
#[derive(Clone, Default)]
pub struct Redactor {
    /// Longest first, so that a secret that contains another is masked whole.
    secrets: Vec<SecretString>,
}

impl Redactor {
    /// Returns a redactor for `secrets`; those shorter than six bytes are ignored.
    pub fn new(secrets: impl IntoIterator<Item = SecretString>) -> Self {
        let mut secrets: Vec<_> = secrets
            .into_iter()
            .filter(|s| s.expose_secret().trim().len() >= SHORTEST_SECRET)
            .collect();
        secrets.sort_by_key(|s| std::cmp::Reverse(s.expose_secret().len()));
        Self { secrets }
    }

    /// Returns one for texts that come line by line and may be JSON: secrets of several
    /// lines are masked by their lines, and in the way that JSON writes them, too.
    fn for_lines(&self) -> Self {
        let variants = |secret: &SecretString| {
            let secret = secret.expose_secret().trim();
            let escaped = secret.replace('\\', "\\\\").replace('"', "\\\"");
            let in_json = escaped.replace('\n', "\\n");
            let lines = secret.lines().chain(escaped.lines());
            let all: Vec<String> = lines.map(str::to_owned).chain([in_json]).collect();
            all.into_iter().map(SecretString::from)
        };
        Self::new(self.secrets.iter().flat_map(variants))
    }

    /// Returns `text` without any of the secrets and without anything of the [`shapes`].
    pub fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let known = self.redact_known(text);
        let found = shapes::find(&known);
        if found.is_empty() {
            return known;
        }
        let mut masked = String::with_capacity(known.len());
        let mut from = 0;
        for range in found {
            let is_masked = &known[range.clone()] == MASK;
            masked.push_str(&known[from..range.start]);
            masked.push_str(if is_masked {
                &known[range.clone()]
            } else {
                MASK
            });
            from = range.end;
        }
        masked.push_str(&known[from..]);
        Cow::Owned(masked)
    }

    /// Returns `text` without any of the secrets that are known.
    ///
    /// For the words of others, where what only looks like a secret is theirs to say.
    pub fn redact_known<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut result = Cow::Borrowed(text);
        for secret in &self.secrets {
            let secret = secret.expose_secret().trim();
            if result.contains(secret) {
                result = Cow::Owned(result.replace(secret, MASK));
            }
        }
        result
    }

    /// Returns how long the longest secret that is known is, in bytes.
    pub fn longest_known(&self) -> usize {
        let secrets = self.secrets.iter();
        let lengths = secrets.map(|secret| secret.expose_secret().trim().len());
        lengths.max().unwrap_or(0)
    }

    /// Writes asterisks over the secrets that are known, so that every byte keeps its place.
    ///
    /// For pieces of files: whoever looks at [`Self::longest_known`] bytes more on both sides
    /// covers the same bytes, however a file is cut.
    pub fn cover_known(&self, bytes: &mut [u8]) {
        let secrets = self.secrets.iter();
        let secrets: Vec<&str> = secrets.map(|s| s.expose_secret().trim()).collect();
        for found in find_all(&secrets, bytes) {
            bytes[found].fill(b'*');
        }
    }

    /// Writes asterisks over the beginning of a secret at the end of a file that may grow.
    pub fn cover_begun(&self, bytes: &mut [u8]) {
        for secret in &self.secrets {
            let secret = secret.expose_secret().trim().as_bytes();
            let longest = (secret.len() - 1).min(bytes.len());
            let begun = (SHORTEST_SECRET..=longest)
                .rev()
                .find(|length| bytes.ends_with(&secret[..*length]));
            if let Some(begun) = begun {
                let from = bytes.len() - begun;
                bytes[from..].fill(b'*');
            }
        }
    }

    /// Copies `from` to `to` without any of the secrets that are known, wherever they are cut
    /// by reads, and returns how many were masked.
    ///
    /// Holds about a mebibyte; bytes that are no text are copied as they are. Where secrets
    /// overlap, the one that begins first is masked, the longest of those that begin there.
    /// Blocks as long as `from` and `to` do.
    pub fn mask_known(&self, from: &mut dyn io::Read, to: &mut dyn io::Write) -> io::Result<u64> {
        let secrets: Vec<&str> = (self.secrets.iter())
            .map(|secret| secret.expose_secret().trim())
            .collect();
        // What is kept back may be the beginning of a secret, or of a character.
        let kept_back = secrets.iter().map(|secret| secret.len()).max().unwrap_or(0);
        let (mut held, mut masked) = (Vec::with_capacity(WINDOW), 0);
        loop {
            let wanted = WINDOW.max(2 * kept_back) - held.len();
            let read = from.take(wanted as u64).read_to_end(&mut held)?;
            let is_last = read < wanted;
            let settled = if is_last {
                held.len()
            } else {
                held.len() - kept_back
            };
            let mut done = 0;
            for found in find_all(&secrets, &held) {
                if found.start >= settled {
                    break;
                }
                to.write_all(&held[done..found.start])?;
                to.write_all(MASK.as_bytes())?;
                (done, masked) = (found.end, masked + 1);
            }
            if done < settled {
                to.write_all(&held[done..settled])?;
                done = settled;
            }
            held.drain(..done);
            if is_last {
                return Ok(masked);
            }
        }
    }
}

/// How much of a stream is looked at in one piece.
const WINDOW: usize = 1 << 20;

/// Returns where `secrets`, longest first, stand in `bytes`: in order and without overlaps.
fn find_all(secrets: &[&str], bytes: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    for chunk in bytes.utf8_chunks() {
        // A secret is text: it lies in one piece of text.
        for secret in secrets {
            let places = chunk.valid().match_indices(secret);
            found.extend(places.map(|(start, _)| at + start..at + start + secret.len()));
        }
        at += chunk.valid().len() + chunk.invalid().len();
    }
    found.sort_by_key(|range: &Range<usize>| (range.start, std::cmp::Reverse(range.end)));
    let mut end = 0;
    found.retain(|range| {
        let is_free = range.start >= end;
        end = if is_free { range.end } else { end };
        is_free
    });
    found
}

/// A writer that masks what is written through it.
///
/// Every write must hold whole lines, as those of a log do: a secret that is cut in two is
/// not found.
#[derive(Debug)]
pub struct MaskingWriter<W> {
    redactor: Redactor,
    to: W,
}

impl<W: io::Write> MaskingWriter<W> {
    /// Puts `redactor` in front of `to`.
    pub fn new(redactor: Redactor, to: W) -> Self {
        Self { redactor, to }
    }
}

impl<W: io::Write> io::Write for MaskingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        self.to.write_all(self.redactor.redact(&text).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Redactor")
            .field("secrets", &self.secrets.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_masked_line_by_line() {
        let redactor = Redactor::new([SecretString::from("canary-1".to_owned())]);
        let mut log = Vec::new();
        let mut writer = MaskingWriter::new(redactor, &mut log);
        io::Write::write_all(&mut writer, b"a canary-1 b\n").unwrap();
        assert_eq!(log, b"a [REDACTED] b\n");
    }

    /// Gives a few bytes at a time.
    struct Trickle<'a>(&'a [u8], usize);

    impl io::Read for Trickle<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = self.1.min(buffer.len());
            self.0
                .take(length as u64)
                .read(&mut buffer[..length])
                .inspect(|read| {
                    self.0 = &self.0[*read..];
                })
        }
    }

    #[test]
    fn a_stream_is_masked_wherever_its_pieces_end() {
        let secrets = ["canary-1", "canary-1-long", "\u{e9}canary-\u{e9}"];
        let redactor = Redactor::new(secrets.map(|s| SecretString::from(s.to_owned())));
        // Every place of a secret relative to the end of a window.
        for shift in 0..16 {
            let mut text = vec![b'x'; WINDOW - shift];
            let mut expected = text.clone();
            for (secret, rest) in [(secrets[1], "\u{e9}"), (secrets[0], "-"), (secrets[2], "")] {
                text.extend_from_slice(secret.as_bytes());
                text.extend_from_slice(rest.as_bytes());
                text.push(0xff);
                expected.extend_from_slice(MASK.as_bytes());
                expected.extend_from_slice(rest.as_bytes());
                expected.push(0xff);
            }
            text.extend_from_slice(b"canary-");
            expected.extend_from_slice(b"canary-");
            let mut masked = Vec::new();
            let mut from = Trickle(&text, 100_003);
            assert_eq!(redactor.mask_known(&mut from, &mut masked).unwrap(), 3);
            assert!(masked == expected, "shift {shift}");
        }
        let mut masked = Vec::new();
        let none = Redactor::default();
        assert_eq!(none.mask_known(&mut &b"abc"[..], &mut masked).unwrap(), 0);
        assert_eq!(masked, b"abc");
    }

    #[test]
    fn masks_every_occurrence_and_the_longest_first() {
        let secrets =
            ["canary-1", "canary-1-long", "abc", "  "].map(|s| SecretString::from(s.to_owned()));
        let redactor = Redactor::new(secrets);
        assert_eq!(
            redactor.redact("a canary-1-long b canary-1 abc"),
            "a [REDACTED] b [REDACTED] abc"
        );
        assert!(matches!(redactor.redact("nothing"), Cow::Borrowed(_)));
        let text = "x=canary-1 y=sk-canary-0123456789abcdef0123";
        assert_eq!(redactor.redact(text), "x=[REDACTED] y=[REDACTED]");
        let known = redactor.redact_known(text);
        assert_eq!(known, "x=[REDACTED] y=sk-canary-0123456789abcdef0123");
        let again = redactor.redact("A_TOKEN=[REDACTED] b");
        assert_eq!(again, "A_TOKEN=[REDACTED] b");
        assert_eq!(format!("{redactor:?}"), "Redactor { secrets: 2 }");
    }
}
