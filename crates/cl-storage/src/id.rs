//! Ids of projects, tasks, runs and messages.
//!
//! Each id is a newtype with a private field, and parsing is the only door, also
//! for deserialisation. A parsed id is always one harmless path component: not
//! empty, no separator, no NUL, no leading `.` or `_`, no `..`.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// Why a text is not a valid id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdError {
    /// The text is empty.
    #[error("{kind} ID is empty")]
    Empty {
        /// What was being parsed: `project`, `task`, `run`, `message`.
        kind: &'static str,
    },
    /// The text breaks the rule of its kind.
    #[error("invalid {kind} ID {text:?}: {rule}")]
    Invalid {
        /// What was being parsed.
        kind: &'static str,
        /// The text as given, cut to 120 characters.
        text: String,
        /// The rule that it breaks.
        rule: &'static str,
    },
}

fn invalid(kind: &'static str, text: &str, rule: &'static str) -> IdError {
    IdError::Invalid {
        kind,
        text: text.chars().take(120).collect(),
        rule,
    }
}

/// Checks what every id has in common: it is one harmless path component.
fn check_component(kind: &'static str, text: &str) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(IdError::Empty { kind });
    }
    if text.contains(['/', '\\']) {
        return Err(invalid(kind, text, "must not contain path separators"));
    }
    if text.contains("..") || text == "." {
        return Err(invalid(kind, text, "must not be a relative path reference"));
    }
    if text.contains('\0') {
        return Err(invalid(kind, text, "must not contain null bytes"));
    }
    if text.starts_with(['.', '_']) {
        return Err(invalid(
            kind,
            text,
            "names that start with '.' or '_' are reserved",
        ));
    }
    if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(invalid(
            kind,
            text,
            "must not contain white space or control characters",
        ));
    }
    if text.len() > 200 {
        return Err(invalid(kind, text, "must not be longer than 200 bytes"));
    }
    Ok(())
}

/// The trait impls that the four ids share; a function cannot implement traits.
macro_rules! id_traits {
    ($name:ident, $parse:ident) => {
        impl $name {
            /// Returns the id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::parse(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            /// Accepts whatever may already stand on disk.
            fn try_from(text: String) -> Result<Self, IdError> {
                Self::$parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }
    };
}

/// The id of a project: lower-case letters, digits and inner hyphens.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct ProjectId(String);

id_traits!(ProjectId, parse);

impl ProjectId {
    /// Parses a project id.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        const KIND: &str = "project";
        if text.contains(['/', '\\']) {
            let rule = "must not contain path separators (projects cannot be nested)";
            return Err(invalid(KIND, text, rule));
        }
        check_component(KIND, text)?;
        if !is_slug(text) {
            let rule = "must contain only lowercase letters, digits, and hyphens (e.g. my-project)";
            return Err(invalid(KIND, text, rule));
        }
        Ok(Self(text.to_owned()))
    }

    /// Suggests a project id for a folder name, or `None` if nothing of it can stay.
    pub fn suggest(folder_name: &str) -> Option<Self> {
        let mut text = String::with_capacity(folder_name.len());
        for c in folder_name.chars().map(|c| c.to_ascii_lowercase()) {
            if c.is_ascii_lowercase() || c.is_ascii_digit() {
                text.push(c);
            } else if !text.is_empty() && !text.ends_with('-') {
                text.push('-');
            }
        }
        text.truncate(100);
        Self::parse(text.trim_end_matches('-')).ok()
    }
}

/// Tells whether `text` is lower-case letters and digits with inner hyphens.
fn is_slug(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with('-')
        && !text.ends_with('-')
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// The id of a task: `task-<YYYYMMDD>-<HHMMSS>-<slug>`.
///
/// New tasks go through [`TaskId::parse`]; names of task folders that already
/// exist may be looser and go through [`TaskId::parse_existing`].
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct TaskId(String);

id_traits!(TaskId, parse_existing);

impl TaskId {
    /// Parses the id of a task that is to be created or named by a user.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        const RULE: &str = "must match task-<YYYYMMDD>-<HHMMSS>-<slug>, \
                            the slug of 3 to 50 lowercase letters, digits and hyphens \
                            (e.g. task-20260220-153045-my-feature)";
        check_component("task", text)?;
        let strict =
            split_task(text).is_some_and(|slug| (3..=50).contains(&slug.len()) && is_slug(slug));
        if strict {
            Ok(Self(text.to_owned()))
        } else {
            Err(invalid("task", text, RULE))
        }
    }

    /// Parses the name of a task folder that exists: any harmless path component.
    pub fn parse_existing(text: &str) -> Result<Self, IdError> {
        check_component("task", text)?;
        Ok(Self(text.to_owned()))
    }

    /// Makes the id of a task that starts at `now`.
    ///
    /// `slug` is reduced to what an id may hold; too short a slug gets a random
    /// ending.
    pub fn generate(now: Timestamp, slug: &str) -> Self {
        let mut slug = ProjectId::suggest(slug)
            .map(String::from)
            .unwrap_or_default();
        slug.truncate(50);
        let slug = slug.trim_matches('-');
        let slug = if slug.len() >= 3 {
            slug.to_owned()
        } else {
            let random = random_text(6);
            if slug.is_empty() {
                random
            } else {
                format!("{slug}-{random}")
            }
        };
        Self(format!("task-{}-{slug}", stamp(now)))
    }
}

/// Splits `task-<8 digits>-<6 digits>-<slug>` and returns the slug.
fn split_task(text: &str) -> Option<&str> {
    let rest = text.strip_prefix("task-")?;
    let (date, rest) = rest.split_once('-')?;
    let (time, slug) = rest.split_once('-')?;
    let digits = |part: &str, n: usize| part.len() == n && part.bytes().all(|b| b.is_ascii_digit());
    (digits(date, 8) && digits(time, 6)).then_some(slug)
}

/// The id of a run: `<YYYYMMDD>-<HHMMSS><ffff>-<pid>-<seq>`, UTC, `ffff` in 100 µs.
///
/// Older shapes are accepted: three or no fraction digits, a leading `run_`, a
/// random ending.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct RunId(String);

id_traits!(RunId, parse);

impl RunId {
    /// Parses a run id of any accepted shape.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        const RULE: &str = "must match <YYYYMMDD>-<HHMMSS><ffff>-<pid>-<seq>";
        check_component("run", text)?;
        let ok = text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if ok && run_stamp(text).is_some() {
            Ok(Self(text.to_owned()))
        } else {
            Err(invalid("run", text, RULE))
        }
    }

    /// Makes the id of a run that starts at `now` in this process.
    ///
    /// Unique within the process by a counter; across processes by the pid and,
    /// after pid reuse, by the exclusive creation of the run's folder.
    pub fn generate(now: Timestamp) -> Self {
        static COUNTER: AtomicU32 = AtomicU32::new(1);
        let sequence = COUNTER.fetch_add(1, Ordering::Relaxed);
        let fraction = now.subsec_nanosecond().rem_euclid(1_000_000_000) / 100_000;
        Self(format!(
            "{}{fraction:04}-{}-{sequence}",
            stamp(now),
            std::process::id()
        ))
    }

    /// Returns the start time that the id holds; `None` if its digits are no date.
    pub fn started_at(&self) -> Option<Timestamp> {
        let (stamp, fraction) = run_stamp(&self.0)?;
        let time = DateTime::strptime("%Y%m%d-%H%M%S", stamp).ok()?;
        let base = time.to_zoned(TimeZone::UTC).ok()?.timestamp();
        let unit = match fraction.len() {
            4 => 100_000,
            3 => 1_000_000,
            _ => 0,
        };
        let nanos = fraction.parse::<i64>().unwrap_or(0) * unit;
        base.checked_add(jiff::SignedDuration::from_nanos(nanos))
            .ok()
    }
}

/// Splits the stamp and its fraction digits off the front of a run id.
fn run_stamp(text: &str) -> Option<(&str, &str)> {
    let text = text.strip_prefix("run_").unwrap_or(text);
    let bytes = text.as_bytes();
    let shape = bytes.len() >= 15
        && bytes[..8].iter().all(u8::is_ascii_digit)
        && bytes[8] == b'-'
        && bytes[9..15].iter().all(u8::is_ascii_digit);
    if !shape {
        return None;
    }
    let end = 15
        + bytes[15..]
            .iter()
            .take_while(|b| b.is_ascii_digit())
            .count();
    let fraction = &text[15..end];
    let rest = &text[end..];
    let fraction_ok = matches!(fraction.len(), 0 | 3 | 4);
    (fraction_ok && (rest.is_empty() || rest.starts_with('-'))).then_some((&text[..15], fraction))
}

/// The id of a bus message, `MSG-…` or `LEGACY-LINE-…`; opaque to everyone but the bus.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct MessageId(String);

id_traits!(MessageId, parse);

impl MessageId {
    /// Parses a message id: any short text without white space.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        if text.is_empty() {
            return Err(IdError::Empty { kind: "message" });
        }
        let is_plain = text.bytes().all(|b| b.is_ascii_graphic());
        let is_odd = |c: char| c.is_control() || c.is_whitespace();
        if text.len() > 200 || !is_plain && text.chars().any(is_odd) {
            let rule = "must be at most 200 bytes without white space or control characters";
            return Err(invalid("message", text, rule));
        }
        Ok(Self(text.to_owned()))
    }

    /// Tells whether the id has one of the forms that ours have; others may write other ones.
    pub fn has_usual_form(&self) -> bool {
        ["MSG-", "LEGACY-LINE-"]
            .iter()
            .any(|prefix| self.0.starts_with(prefix))
    }
}

/// Formats `now` as `YYYYMMDD-HHMMSS`, UTC.
pub fn stamp(now: Timestamp) -> String {
    now.strftime("%Y%m%d-%H%M%S").to_string()
}

/// Returns `len` characters of `[a-z0-9]` that another process will not repeat.
pub fn random_text(len: usize) -> String {
    use std::hash::{BuildHasher as _, Hasher as _};
    const ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let mut text = String::with_capacity(len);
    while text.len() < len {
        // The standard library seeds each hasher state from the system's entropy.
        let mut hasher = std::collections::hash_map::RandomState::new().build_hasher();
        hasher.write_usize(text.len());
        let mut bits = hasher.finish();
        for _ in 0..8 {
            if text.len() < len {
                let index = usize::try_from(bits % 36).unwrap_or(0);
                text.push(char::from(ALPHABET[index]));
                bits /= 36;
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_project(text: &str, valid: bool) {
        assert_eq!(ProjectId::parse(text).is_ok(), valid, "{text:?}");
    }

    #[test]
    fn project_ids() {
        for ok in ["a", "my-project", "0", "a1-b2"] {
            check_project(ok, true);
        }
        for bad in [
            "", "-a", "a-", "A", "a_b", "../x", "a/b", "a\\b", ".", "..", ".git", "_audit", "a\0b",
            "a b", "a..b",
        ] {
            check_project(bad, false);
        }
        assert_eq!(
            ProjectId::parse("").unwrap_err().to_string(),
            "project ID is empty"
        );
        assert_eq!(
            ProjectId::parse("../../x").unwrap_err().to_string(),
            "invalid project ID \"../../x\": must not contain path separators (projects cannot be nested)"
        );
    }

    #[test]
    fn suggestions() {
        let suggest = |text: &str| ProjectId::suggest(text).map(String::from);
        assert_eq!(suggest("My Project (2)").as_deref(), Some("my-project-2"));
        assert_eq!(suggest("__x__").as_deref(), Some("x"));
        assert_eq!(suggest("…"), None);
    }

    #[test]
    fn task_ids() {
        for ok in [
            "task-20260220-153045-my-feature",
            "task-00000000-999999-abc",
        ] {
            assert!(TaskId::parse(ok).is_ok(), "{ok}");
        }
        for bad in [
            "",
            "task-20260220-153045-ab",
            "task-2026022-153045-abc",
            "x",
            "task-20260220-153045-Abc",
            "task-20260220-153045-../../x",
            "task-20260220-153045-abc-",
        ] {
            assert!(TaskId::parse(bad).is_err(), "{bad}");
        }
        assert!(TaskId::parse_existing("old_task").is_ok());
        for bad in ["..", "a/b", ".hidden", "_x", "a\0", ""] {
            assert!(TaskId::parse_existing(bad).is_err(), "{bad:?}");
        }
        let now: Timestamp = "2026-02-20T15:30:45Z".parse().unwrap();
        assert_eq!(
            TaskId::generate(now, "My feature!").as_str(),
            "task-20260220-153045-my-feature"
        );
        for slug in ["", "a", &"long ".repeat(40)] {
            let id = TaskId::generate(now, slug);
            assert!(TaskId::parse(id.as_str()).is_ok(), "{id}");
        }
    }

    #[test]
    fn run_ids_of_every_age() {
        let started = |text: &str| {
            RunId::parse(text)
                .unwrap()
                .started_at()
                .unwrap()
                .to_string()
        };
        assert_eq!(
            started("20260223-2048580000-66788-1"),
            "2026-02-23T20:48:58Z"
        );
        assert_eq!(
            started("20260223-2048581234-66788-1"),
            "2026-02-23T20:48:58.1234Z"
        );
        assert_eq!(
            started("20260223-204858123-66788-1"),
            "2026-02-23T20:48:58.123Z"
        );
        assert_eq!(started("run_20260128-163814-2127"), "2026-01-28T16:38:14Z");
        for bad in [
            "",
            "x",
            "20260223",
            "20260223-20485",
            "../20260223-204858",
            "20260223-2048581-1",
        ] {
            assert!(RunId::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn generated_run_ids_are_unique_and_hold_their_time() {
        let now: Timestamp = "2026-02-23T20:48:58.1234567Z".parse().unwrap();
        let ids: std::collections::HashSet<_> = (0..10_000).map(|_| RunId::generate(now)).collect();
        assert_eq!(ids.len(), 10_000);
        let id = ids.iter().next().unwrap();
        assert_eq!(
            id.started_at().unwrap().to_string(),
            "2026-02-23T20:48:58.1234Z"
        );
    }
}
