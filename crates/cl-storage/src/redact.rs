//! Masking of secrets in everything that we write ourselves: those that are configured, and
//! what has the shape of a vendor's token.

pub mod shapes;

use std::borrow::Cow;
use std::io;

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
