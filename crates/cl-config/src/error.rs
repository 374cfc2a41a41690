//! What is wrong with a configuration, and how it is shown.

use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;

use cl_storage::redact::MASK;

use crate::secret::is_secret_name;

/// How many characters of a line are shown.
const LONGEST_LINE: usize = 200;

/// Why no configuration could be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file that was asked for does not exist.
    #[error("config file {} does not exist (asked for by {asked_by})", path.display())]
    NotFound {
        /// The file.
        path: PathBuf,
        /// The flag or variable that named it.
        asked_by: &'static str,
    },
    /// The file exists but cannot be read.
    #[error("could not read config file {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The file or the environment holds mistakes: all of them, by position.
    #[error("{} in the configuration", count(.0.len()))]
    Problems(Vec<Problem>),
    /// There is only a file of the earlier implementation's format.
    #[error("{} is in the old HCL format, which is no longer read", path.display())]
    LegacyHcl {
        /// The file.
        path: PathBuf,
        /// The same settings in YAML, without secrets.
        yaml: String,
        /// Why a part of the file is missing in `yaml`.
        reason: Option<String>,
        /// Where to write them.
        write_to: PathBuf,
    },
}

fn count(problems: usize) -> String {
    match problems {
        1 => "1 problem".to_owned(),
        n => format!("{n} problems"),
    }
}

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where it is.
    pub place: Place,
    /// The dotted key it is about; empty if it is about the whole file.
    pub key: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Where a value is written.
///
/// Places sort by file, line and column; files come before variables.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In a file.
    File {
        /// The file as users know it.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// The column in characters, from 1.
        column: u64,
        /// How many characters it covers.
        length: u64,
        /// The line itself, with secrets masked.
        source_line: String,
    },
    /// In an environment variable.
    Variable(String),
}

/// Something that works but should be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Where it is; none if it is about no place in particular.
    pub place: Option<Place>,
    /// What to look at.
    pub message: String,
}

/// Returns `error` as it is shown to the user, without colour.
///
/// One block per problem: `file:line:column: message`, the line with a caret,
/// and what to do. No trailing line feed.
pub fn render(error: &ConfigError) -> String {
    match error {
        ConfigError::Problems(problems) => {
            let blocks: Vec<_> = problems.iter().map(render_problem).collect();
            blocks.join("\n")
        }
        ConfigError::LegacyHcl {
            yaml,
            reason,
            write_to,
            ..
        } => {
            let mut text = error.to_string();
            if let Some(reason) = reason {
                // Writing to a String cannot fail.
                write!(text, " (and not all of it could be understood: {reason})")
                    .unwrap_or_default();
            }
            write!(
                text,
                "\nwrite these settings to {} (`run-agent config migrate` prints them):\n\n{}",
                write_to.display(),
                yaml.trim_end()
            )
            .unwrap_or_default();
            text
        }
        _ => match std::error::Error::source(error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        },
    }
}

/// Returns `warning` as it is shown to the user: one line without colour.
pub fn render_warning(warning: &Warning) -> String {
    match &warning.place {
        Some(place) => format!("{place}: {}", warning.message),
        None => warning.message.clone(),
    }
}

fn render_problem(problem: &Problem) -> String {
    let mut text = format!("{}: {}", problem.place, problem.message);
    let mut margin = 0;
    if let Place::File {
        line,
        column,
        length,
        source_line,
        ..
    } = &problem.place
        && !source_line.trim().is_empty()
    {
        margin = line.to_string().len();
        // Tabs would push the caret off its place.
        let shown = source_line.replace('\t', " ");
        let before = usize::try_from(column.saturating_sub(1)).unwrap_or(0);
        let (shown, before) = around(shown.trim_end(), before);
        let room = shown.chars().count().saturating_sub(before).max(1);
        let carets = usize::try_from(*length).unwrap_or(1).clamp(1, room);
        let (blank, carets) = (" ".repeat(before), "^".repeat(carets));
        write!(
            text,
            "\n{:margin$} |\n{line} | {shown}\n{:margin$} | {blank}{carets}",
            "", ""
        )
        .unwrap_or_default();
    }
    if let Some(hint) = &problem.hint {
        write!(text, "\n{:margin$} = help: {hint}", "").unwrap_or_default();
    }
    text
}

/// Returns the part of a long line around the character `at`, and where that is in it.
fn around(line: &str, at: usize) -> (String, usize) {
    let length = line.chars().count();
    if length <= LONGEST_LINE {
        return (line.to_owned(), at);
    }
    let last = length - LONGEST_LINE;
    let start = at.saturating_sub(LONGEST_LINE / 2).min(last);
    let cut_before = if start > 0 { "…" } else { "" };
    let cut_after = if start < last { "…" } else { "" };
    let part: String = line.chars().skip(start).take(LONGEST_LINE).collect();
    let at = at - start + cut_before.chars().count();
    (format!("{cut_before}{part}{cut_after}"), at)
}

/// Replaces what follows the names of secrets in a line of YAML.
///
/// A line is quoted even where the file could not be parsed, so this goes by
/// looks: a secret's name, then all up to the next comma outside quotes.
pub(crate) fn mask_line(line: &str) -> String {
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let mut masked = String::new();
    let mut rest = line;
    while let Some(start) = rest.find(is_word) {
        let length = rest[start..].find(|c| !is_word(c));
        let end = length.map_or(rest.len(), |length| start + length);
        let value_start = rest[end..]
            .find(|c: char| !matches!(c, ':' | '=' | ' ' | '\t'))
            .map(|skipped| end + skipped);
        // The name itself may be quoted: its closing quote begins no value.
        let value_start = match value_start {
            Some(at) if at == end => rest[end..]
                .strip_prefix(['"', '\''])
                .and_then(|after| after.find(|c: char| !matches!(c, ':' | '=' | ' ' | '\t')))
                .filter(|skipped| *skipped > 0)
                .map(|skipped| end + 1 + skipped),
            other => other,
        };
        match value_start {
            Some(value_start) if is_secret_name(&rest[start..end]) => {
                masked.push_str(&rest[..value_start]);
                masked.push_str(MASK);
                rest = after_value(&rest[value_start..]);
            }
            _ => {
                masked.push_str(&rest[..end]);
                rest = &rest[end..];
            }
        }
    }
    masked.push_str(rest);
    masked
}

/// Returns what follows the value that `text` begins with.
fn after_value(text: &str) -> &str {
    match text.chars().next() {
        Some(quote @ ('"' | '\'')) => match text[1..].find(quote) {
            Some(end) => &text[end + 2..],
            None => "",
        },
        _ => text.find(',').map_or("", |end| &text[end..]),
    }
}

/// Returns the first word of a mistaken key: what follows may be a secret behind a lost colon.
pub(crate) fn first_word(key: &str) -> String {
    match key.trim().split_once([' ', '\t', '\n', ':', '=']) {
        Some((word, _)) => format!("{word} ..."),
        None => key.to_owned(),
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File { path, line: 0, .. } => write!(f, "{}", path.display()),
            Self::File {
                path, line, column, ..
            } => write!(f, "{}:{line}:{column}", path.display()),
            Self::Variable(name) => write!(f, "environment variable {name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_mask(line: &str, expected: &str) {
        assert_eq!(mask_line(line), expected);
    }

    #[test]
    fn of_an_endless_line_the_part_around_the_caret_is_shown() {
        let line: String = ('a'..='z').cycle().take(20_000).collect();
        for (column, length) in [(1, 1), (150, 3), (10_000, 1), (19_999, 50)] {
            let place = Place::File {
                path: "x.yaml".into(),
                line: 1,
                column,
                length,
                source_line: line.clone(),
            };
            let text = render_problem(&Problem {
                place,
                key: String::new(),
                message: "wrong".to_owned(),
                hint: None,
            });
            let lines: Vec<&str> = text.lines().collect();
            assert!(lines[2].chars().count() <= 206, "{text}");
            let under = lines[3].chars().position(|c| c == '^').unwrap();
            let column = usize::try_from(column).unwrap();
            assert_eq!(lines[2].chars().nth(under), line.chars().nth(column - 1));
            assert!(lines[3].chars().count() <= lines[2].chars().count());
        }
        assert_eq!(around("short", 3), ("short".to_owned(), 3));
    }

    #[test]
    fn values_of_secrets_are_masked() {
        check_mask("    token: canary", "    token: [REDACTED]");
        check_mask("  token:", "  token:");
        check_mask("token_file: ~/t", "token_file: ~/t");
        check_mask("{token: canary, type: x}", "{token: [REDACTED], type: x}");
        check_mask(
            "{\"token\":\"can,ary\", a: b}",
            "{\"token\":[REDACTED], a: b}",
        );
        check_mask("'token' : 'canary'", "'token' : [REDACTED]");
        check_mask("token: 'canary", "token: [REDACTED]");
        check_mask("  token canary", "  token [REDACTED]");
        check_mask(
            "{token: a, b: c, api_key:x}",
            "{token: [REDACTED], b: c, api_key:[REDACTED]",
        );
        check_mask("token", "token");
        check_mask("url: http://x:80/y", "url: http://x:80/y");
        check_mask(
            "OPENAI_API_KEY: sk-canary # x",
            "OPENAI_API_KEY: [REDACTED]",
        );
    }
}
