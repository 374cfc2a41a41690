//! Masking of configured secrets in everything that we write ourselves.

use std::borrow::Cow;

use secrecy::{ExposeSecret as _, SecretString};

/// What stands in the place of a secret.
pub const MASK: &str = "[REDACTED]";

/// Secrets shorter than this are not searched for: they would mask ordinary words.
const SHORTEST_SECRET: usize = 6;

/// Replaces every occurrence of the configured secrets by [`MASK`].
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

    /// Returns `text` without any of the secrets.
    pub fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
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
    fn masks_every_occurrence_and_the_longest_first() {
        let secrets =
            ["canary-1", "canary-1-long", "abc", "  "].map(|s| SecretString::from(s.to_owned()));
        let redactor = Redactor::new(secrets);
        assert_eq!(
            redactor.redact("a canary-1-long b canary-1 abc"),
            "a [REDACTED] b [REDACTED] abc"
        );
        assert!(matches!(redactor.redact("nothing"), Cow::Borrowed(_)));
        assert_eq!(format!("{redactor:?}"), "Redactor { secrets: 2 }");
    }
}
