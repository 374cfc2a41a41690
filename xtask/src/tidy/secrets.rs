//! A scan for credentials, by the shapes that vendors give their tokens.

use super::{File, Finding};

/// How one vendor's tokens look.
#[derive(Debug)]
struct Shape {
    vendor: &'static str,
    prefix: &'static str,
    /// Shorter ones are prose about tokens.
    min_rest: usize,
    alphabet: fn(char) -> bool,
}

const SHAPES: &[Shape] = &[
    shape("Anthropic", "sk-ant-", 16),
    shape("OpenAI", "sk-", 20),
    shape("GitHub", "ghp_", 20),
    shape("GitHub", "gho_", 20),
    shape("GitHub", "ghs_", 20),
    shape("GitHub", "github_pat_", 20),
    shape("GitLab", "glpat-", 16),
    shape("Slack", "xoxa-", 10),
    shape("Slack", "xoxb-", 10),
    shape("Slack", "xoxp-", 10),
    shape("Slack", "xoxs-", 10),
    shape("Google", "AIza", 30),
    shape("xAI", "xai-", 40),
    shape("Perplexity", "pplx-", 30),
    Shape {
        vendor: "AWS",
        prefix: "AKIA",
        min_rest: 16,
        alphabet: |c| c.is_ascii_uppercase() || c.is_ascii_digit(),
    },
];
/// Words that mark a token as made up for a test or a text.
const FAKE: &[&str] = &["canary", "test-key", "example"];
const KEY_HEADERS: &[&str] = &[
    concat!("-----BEGIN PRIVATE", " KEY-----"),
    concat!("-----BEGIN RSA PRIVATE", " KEY-----"),
    concat!("-----BEGIN EC PRIVATE", " KEY-----"),
    concat!("-----BEGIN OPENSSH PRIVATE", " KEY-----"),
];

const fn shape(vendor: &'static str, prefix: &'static str, min_rest: usize) -> Shape {
    Shape {
        vendor,
        prefix,
        min_rest,
        alphabet: |c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'),
    }
}

/// Finds what looks like a live credential. The finding never repeats it.
pub(super) fn check(file: &File) -> Vec<Finding> {
    file.lines()
        .filter_map(|(number, line)| Some(file.finding(number, problem(line)?)))
        .collect()
}

fn problem(line: &str) -> Option<String> {
    if KEY_HEADERS.iter().any(|header| line.contains(header)) {
        return Some("holds a private key".to_owned());
    }
    SHAPES
        .iter()
        .find(|shape| shape.occurs_in(line))
        .map(|shape| {
            format!(
                "looks like a token of {}; a made-up one says so with one of: {}",
                shape.vendor,
                FAKE.join(", ")
            )
        })
}

impl Shape {
    fn occurs_in(&self, line: &str) -> bool {
        line.match_indices(self.prefix).any(|(at, _)| {
            let is_inside_word =
                line[..at].ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '-'));
            let rest = &line[at + self.prefix.len()..];
            let end = rest
                .find(|c: char| !(self.alphabet)(c))
                .unwrap_or(rest.len());
            let token = rest[..end].to_ascii_lowercase();
            // A row of one letter is a placeholder, not a token.
            let is_placeholder = FAKE.iter().any(|word| token.contains(word))
                || token.bytes().all(|byte| Some(byte) == token.bytes().next());
            !is_inside_word && end >= self.min_rest && !is_placeholder
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::file;

    #[track_caller]
    fn check_line(line: &str, is_found: bool) {
        let found = check(&file("a.txt", line));
        assert_eq!(!found.is_empty(), is_found, "{found:?}");
    }

    #[test]
    fn every_shape_is_found() {
        for shape in SHAPES {
            let token = format!("key = \"{}{}\"", shape.prefix, "7QX4".repeat(10));
            check_line(&token, true);
        }
        for header in KEY_HEADERS {
            check_line(header, true);
        }
    }

    #[test]
    fn marked_tokens_and_prose_pass() {
        check_line("sk-ant-canary-0123456789abcdef", false);
        check_line("sk-test-key-0123456789abcdef", false);
        check_line("AKIAIOSFODNN7EXAMPLE", false);
        check_line("sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxx", false);
        check_line("tokens start with sk-ant- or ghp_", false);
        check_line("task-20260220-153045-my-feature-branch", false);
    }

    #[test]
    fn finding_does_not_repeat_the_token() {
        let token = format!("sk-{}", "7QX4".repeat(10));
        let found = check(&file("a.txt", &token));
        assert!(!found[0].to_string().contains(&token));
    }
}
