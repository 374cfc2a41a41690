//! What looks like a live credential in a line of text.
//!
//! The shapes are those that the program masks wherever it writes, so what the scan finds
//! is what a log would not show.

use std::ops::Range;

use cl_storage::redact::shapes::{self, SHAPES};

/// Words that mark a token as made up for a test or a text.
pub(crate) const FAKE: &[&str] = &["canary", "test-key", "example", "changeme", "placeholder"];

/// Allows what stands in its line, if a reason follows.
const ALLOW: &str = "secret-scan:allow ";

/// Values of variables that are shorter are words, not keys.
const SHORTEST_VALUE: usize = 16;

/// Something that looks like a live credential.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Hit {
    /// Which rule found it.
    pub(crate) rule: String,
    /// Where it stands in the line, in bytes.
    pub(crate) at: Range<usize>,
}

/// Returns what looks like a live credential in `line`, in order; nothing if the line allows it.
pub(crate) fn scan(line: &str) -> Vec<Hit> {
    let is_allowed = line
        .split_once(ALLOW)
        .is_some_and(|(_, reason)| !reason.trim().is_empty());
    if is_allowed {
        return Vec::new();
    }
    let hit = |rule: &str, at| Hit {
        rule: rule.to_owned(),
        at,
    };
    let mut hits: Vec<Hit> = shapes::private_keys(line)
        .map(|at| hit("private key", at))
        .collect();
    for shape in SHAPES {
        let found = shape.find_in(line);
        let real = found.filter(|at| !is_made_up(&line[at.start + shape.start.len()..at.end]));
        hits.extend(real.map(|at| hit(&format!("token of {}", shape.vendor), at)));
    }
    let values = shapes::assignments(line)
        .filter(|at| at.len() >= SHORTEST_VALUE && !is_made_up(&line[at.clone()]));
    hits.extend(values.map(|at| hit("value of a secret variable", at)));
    hits.sort_by_key(|hit| (hit.at.start, std::cmp::Reverse(hit.at.end)));
    let mut end = 0;
    hits.retain(|hit| {
        let is_new = hit.at.start >= end;
        end = end.max(hit.at.end);
        is_new
    });
    hits
}

/// Tells whether a token says that it is none: by a word, by being a row of one letter, or
/// by standing for something that is put in later.
fn is_made_up(token: &str) -> bool {
    let token = token.to_ascii_lowercase();
    let is_row = |text: &str| text.bytes().all(|byte| Some(byte) == text.bytes().next());
    FAKE.iter().any(|word| token.contains(word))
        || is_row(&token)
        || token.starts_with(['<', '$', '{', '[', '%'])
        || token.contains("xxxxx")
}

/// Shows a token by its first six and its last two characters; one of less than 16 not at all.
pub(crate) fn excerpt(token: &str) -> String {
    let characters: Vec<char> = token.chars().collect();
    if characters.len() < 16 || token.contains("PRIVATE") {
        return "*".repeat(characters.len().min(16));
    }
    let head: String = characters[..6].iter().collect();
    let tail: String = characters[characters.len() - 2..].iter().collect();
    format!("{head}{}{tail}", "*".repeat(8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, rule: Option<&str>) {
        let hits = scan(line);
        let found: Vec<&str> = hits.iter().map(|hit| hit.rule.as_str()).collect();
        assert_eq!(found, rule.into_iter().collect::<Vec<_>>(), "{line}");
    }

    /// A made-up token that does not say so.
    fn token(start: &str) -> String {
        let rest = ["7QX4".repeat(10), "7QX4".repeat(4), "7QX4".repeat(4)].join(".");
        format!("{start}{rest}")
    }

    #[test]
    fn every_shape_is_found() {
        for shape in SHAPES {
            let line = format!("key = \"{}\"", token(shape.start));
            check(&line, Some(&format!("token of {}", shape.vendor)));
        }
        for kind in ["", "RSA ", "EC ", "OPENSSH "] {
            let line = format!("-----BEGIN {kind}PRIVATE{}", " KEY-----");
            check(&line, Some("private key"));
        }
    }

    #[test]
    fn values_of_secret_variables_are_found() {
        let fake = "FAKE".repeat(3);
        let rule = Some("value of a secret variable");
        check(&format!("ANTHROPIC_API_KEY=sk-ant-{fake}"), rule);
        check(&format!("export DB_PASSWORD='hunter2-{fake}'"), rule);
        check(&format!("DB_PASSWORD={}", "short"), None);
        check("MY_API_KEY=$OTHER_VARIABLE_OF_SOME_LENGTH", None);
        check("MY_API_KEY=xxxxxxxxxxxxxxxxxxxxxxxx", None);
        check("MY_API_KEY=changeme-changeme-changeme", None);
        check("MY_API_KEY=canary-0123456789abcdef", None);
    }

    #[test]
    fn marked_tokens_and_prose_pass() {
        for line in [
            "sk-ant-canary-0123456789abcdef",
            "sk-test-key-0123456789abcdef",
            "AKIAIOSFODNN7EXAMPLE",
            "sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            "tokens start with sk-ant- or ghp_",
            "task-20260220-153045-my-feature-branch",
        ] {
            check(line, None);
        }
    }

    #[test]
    fn a_line_is_allowed_with_a_reason_only() {
        let token = token("sk-");
        let allow = "secret-scan:allow";
        check(&format!("{token} # {allow} revoked in 2019"), None);
        check(&format!("{token} # {allow} "), Some("token of OpenAI"));
        check(&format!("{token} # {allow}"), Some("token of OpenAI"));
    }

    #[test]
    fn an_excerpt_does_not_give_the_token_away() {
        assert_eq!(excerpt("short"), "*****");
        assert_eq!(excerpt("0123456789abcde"), "*".repeat(15));
        assert_eq!(excerpt("0123456789abcdef"), "012345********ef");
        assert_eq!(
            excerpt(&"é".repeat(20)),
            format!("{}{}éé", "é".repeat(6), "*".repeat(8))
        );
        let key = ["-----BEGIN PRIVATE", " KEY-----abcdefgh"].concat();
        assert_eq!(excerpt(&key), "*".repeat(16));
    }
}
