//! The shapes that vendors give their tokens, found without regular expressions.
//!
//! Every shape is a fixed start and an alphabet for what follows, so one pass over the
//! text for each start is enough, whatever the text is.

use std::ops::Range;

/// How the tokens of one vendor look.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Whose they are.
    pub vendor: &'static str,
    /// What they begin with.
    pub start: &'static str,
    /// How many characters follow at least; fewer are prose about tokens.
    pub least: usize,
    alphabet: Alphabet,
}

#[derive(Debug, Clone, Copy)]
enum Alphabet {
    /// Letters, digits, `_` and `-`.
    Word,
    /// Capital letters and digits.
    Capital,
    /// The three parts of a JSON web token with the dots between them.
    Dotted,
}

/// All shapes, the longer start first where two begin alike.
pub const SHAPES: &[Shape] = &[
    word("Anthropic", "sk-ant-", 16),
    word("OpenAI", "sk-", 20),
    word("GitHub", "ghp_", 20),
    word("GitHub", "gho_", 20),
    word("GitHub", "ghu_", 20),
    word("GitHub", "ghs_", 20),
    word("GitHub", "ghr_", 20),
    word("GitHub", "github_pat_", 20),
    word("GitLab", "glpat-", 16),
    word("Hugging Face", "hf_", 30),
    word("Slack", "xoxa-", 10),
    word("Slack", "xoxb-", 10),
    word("Slack", "xoxp-", 10),
    word("Slack", "xoxs-", 10),
    word("Google", "AIza", 30),
    word("xAI", "xai-", 40),
    word("Perplexity", "pplx-", 30),
    Shape {
        vendor: "AWS",
        start: "AKIA",
        least: 16,
        alphabet: Alphabet::Capital,
    },
    Shape {
        vendor: "AWS",
        start: "ASIA",
        least: 16,
        alphabet: Alphabet::Capital,
    },
    Shape {
        vendor: "a JSON web token",
        start: "eyJ",
        least: 30,
        alphabet: Alphabet::Dotted,
    },
];

const fn word(vendor: &'static str, start: &'static str, least: usize) -> Shape {
    Shape {
        vendor,
        start,
        least,
        alphabet: Alphabet::Word,
    }
}

/// What private keys begin and end with.
pub(super) const KEY_BEGIN: &str = concat!("-----BEGIN", " ");
const KEY_END: &str = "-----END ";
const KEY_KIND: &str = concat!("PRIVATE", " KEY-----");

/// How long the line may be that a private key begins with.
pub(super) const LONGEST_HEADING: usize = 80;

/// Names of variables whose values are secret end like this.
pub(super) const SECRET_NAMES: &[&str] =
    &["API_KEY", "_TOKEN", "_SECRET", "_PASSWORD", "SECRET_KEY"];

/// Shorter values of such variables are words like `none` or `true`.
const SHORTEST_VALUE: usize = 8;

impl Shape {
    /// Returns where tokens of this shape stand in `text`.
    pub fn find_in(self, text: &str) -> impl Iterator<Item = Range<usize>> {
        let bytes = text.as_bytes();
        let mut from = 0;
        std::iter::from_fn(move || {
            while let Some(at) = text[from..].find(self.start).map(|at| from + at) {
                from = at + self.start.len();
                if at > 0 && is_word(bytes[at - 1]) {
                    continue;
                }
                let rest = &bytes[from..];
                let foreign = rest.iter().position(|byte| !self.alphabet.has(*byte));
                let length = foreign.unwrap_or(rest.len());
                let parts = rest[..length].split(|byte| *byte == b'.').count();
                let is_whole = !matches!(self.alphabet, Alphabet::Dotted) || parts >= 3;
                // Whatever it was, no part of it is looked at again: one pass stays one pass.
                from += length;
                if length >= self.least && is_whole {
                    return Some(at..from);
                }
            }
            None
        })
    }
}

impl Alphabet {
    fn has(self, byte: u8) -> bool {
        match self {
            Self::Word => is_word(byte),
            Self::Capital => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
            Self::Dotted => is_word(byte) || byte == b'.',
        }
    }
}

pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// Returns where something in `text` looks like a secret, in order and without overlaps.
pub fn find(text: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = SHAPES
        .iter()
        .flat_map(|shape| shape.find_in(text))
        .chain(private_keys(text))
        .chain(assignments(text))
        .collect();
    found.sort_by_key(|range| (range.start, std::cmp::Reverse(range.end)));
    let mut merged: Vec<Range<usize>> = Vec::with_capacity(found.len());
    for range in found {
        match merged.last_mut() {
            Some(last) if range.start < last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}

/// Returns where private keys stand; one without an end reaches to the end of the text.
pub fn private_keys(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut from = 0;
    std::iter::from_fn(move || {
        while let Some(begin) = text[from..].find(KEY_BEGIN).map(|at| from + at) {
            let heading = text.floor_char_boundary(begin + LONGEST_HEADING);
            let Some(kind) = text[begin..heading].find(KEY_KIND) else {
                from = begin + KEY_BEGIN.len();
                continue;
            };
            let inside = begin + kind + KEY_KIND.len();
            let end = text[inside..].find(KEY_END).map_or(text.len(), |at| {
                let end = inside + at;
                text[end..]
                    .find(KEY_KIND)
                    .map_or(text.len(), |kind| end + kind + KEY_KIND.len())
            });
            from = end;
            return Some(begin..end);
        }
        None
    })
}

/// Tells whether a private key begins in `text` and does not end there.
pub(super) fn has_open_key(text: &str) -> bool {
    let last = private_keys(text).last();
    last.is_some_and(|key| {
        let key = &text[key];
        let end = key.rfind(KEY_END);
        end.is_none_or(|end| !key[end..].contains(KEY_KIND))
    })
}

/// Returns where the private key ends that this line ends.
pub(super) fn end_of_key(line: &[u8]) -> Option<usize> {
    let find = |bytes: &[u8], wanted: &str| {
        bytes
            .windows(wanted.len())
            .position(|window| window == wanted.as_bytes())
    };
    let end = find(line, KEY_END)?;
    let kind = find(&line[end..], KEY_KIND)?;
    Some(end + kind + KEY_KIND.len())
}

/// Tells whether a line may stand between the beginning and the end of a private key.
pub(super) fn is_of_key(line: &[u8]) -> bool {
    let line = line.trim_ascii();
    let is_header = [&b"Proc-Type:"[..], b"DEK-Info:"]
        .iter()
        .any(|name| line.starts_with(name));
    is_header
        || line
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(b))
}

/// Tells whether a variable of this name holds a secret, by the end of its name.
pub fn is_secret_name(name: &str) -> bool {
    SECRET_NAMES.iter().any(|end| name.ends_with(end))
}

/// Returns where the values of variables stand whose names say that they are secret.
pub fn assignments(text: &str) -> impl Iterator<Item = Range<usize>> {
    let bytes = text.as_bytes();
    text.match_indices('=').filter_map(move |(at, _)| {
        let is_secret = SECRET_NAMES
            .iter()
            .any(|name| bytes[..at].ends_with(name.as_bytes()));
        if !is_secret {
            return None;
        }
        let quotes = usize::from(matches!(bytes.get(at + 1), Some(b'"' | b'\'')));
        let start = at + 1 + quotes;
        let is_end = |byte: &u8| byte.is_ascii_whitespace() || b"\"'`;&|<>(){}$,\\=".contains(byte);
        let rest = &bytes[start.min(bytes.len())..];
        let length = rest.iter().position(is_end).unwrap_or(rest.len());
        (length >= SHORTEST_VALUE).then_some(start..start + length)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<&str> {
        find(text).into_iter().map(|range| &text[range]).collect()
    }

    #[test]
    fn every_shape_is_found_in_the_middle_of_a_text() {
        for shape in SHAPES {
            let rest = match shape.alphabet {
                Alphabet::Dotted => vec!["7QX4".repeat(4); 3].join("."),
                _ => "7QX4".repeat(10),
            };
            let token = format!("{}{rest}", shape.start);
            assert_eq!(found(&format!("key ({token}) end")), [token.as_str()]);
            assert_eq!(found(&token), [token.as_str()]);
            assert!(found(&format!("x{token}")).is_empty(), "inside a word");
        }
    }

    #[test]
    fn prose_and_ids_are_no_tokens() {
        for text in [
            "tokens start with sk-ant- or ghp_",
            "task-20260220-153045-my-feature-branch",
            "eyJ and nothing",
            "API_KEY=none",
            "PATH=/usr/local/bin:/usr/bin",
            "ANTHROPIC_API_KEY=$OTHER_VARIABLE",
            "-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----",
            "",
        ] {
            assert!(found(text).is_empty(), "{text}: {:?}", found(text));
        }
    }

    #[test]
    fn values_of_secret_variables_and_private_keys_are_found() {
        let text = "export SOME_API_KEY=\"canary-value\" X_TOKEN=canary-other; run";
        assert_eq!(found(text), ["canary-value", "canary-other"]);
        let key = [
            KEY_BEGIN, "RSA ", KEY_KIND, "\nabc\n", KEY_END, "RSA ", KEY_KIND,
        ]
        .concat();
        assert_eq!(found(&format!("a {key} b {key}")), [key.as_str(); 2]);
        let torn = [KEY_BEGIN, KEY_KIND, "\nabc"].concat();
        assert_eq!(found(&torn), [torn.as_str()]);
    }

    #[test]
    fn a_long_text_of_beginnings_costs_no_more_than_a_pass() {
        let text = "sk-".repeat(200_000);
        assert_eq!(find(&text).len(), 1);
        let text = "-----BEGIN PRIVATE".repeat(20_000);
        assert!(find(&text).is_empty());
        let text = "A_TOKEN=".repeat(20_000);
        assert!(find(&text).len() <= 1);
    }
}
