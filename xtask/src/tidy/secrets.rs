//! A scan for credentials, by the shapes that vendors give their tokens.

use cl_storage::redact::shapes::{self, SHAPES, Shape};

use super::{File, Finding};

/// Words that mark a token as made up for a test or a text.
const FAKE: &[&str] = &["canary", "test-key", "example"];
/// Finds what looks like a live credential. The finding never repeats it.
pub(super) fn check(file: &File) -> Vec<Finding> {
    file.lines()
        .filter_map(|(number, line)| Some(file.finding(number, problem(line)?)))
        .collect()
}

fn problem(line: &str) -> Option<String> {
    if shapes::private_keys(line).next().is_some() {
        return Some("holds a private key".to_owned());
    }
    SHAPES
        .iter()
        .find(|shape| occurs_in(**shape, line))
        .map(|shape| {
            format!(
                "looks like a token of {}; a made-up one says so with one of: {}",
                shape.vendor,
                FAKE.join(", ")
            )
        })
}

fn occurs_in(shape: Shape, line: &str) -> bool {
    shape.find_in(line).any(|range| {
        let token = line[range.start + shape.start.len()..range.end].to_ascii_lowercase();
        // A row of one letter is a placeholder, not a token.
        let is_placeholder = FAKE.iter().any(|word| token.contains(word))
            || token.bytes().all(|byte| Some(byte) == token.bytes().next());
        !is_placeholder
    })
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
            let rest = ["7QX4".repeat(10), "7QX4".repeat(4), "7QX4".repeat(4)].join(".");
            check_line(&format!("key = \"{}{rest}\"", shape.start), true);
        }
        for kind in ["", "RSA ", "EC ", "OPENSSH "] {
            check_line(&format!("-----BEGIN {kind}PRIVATE{}", " KEY-----"), true);
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
