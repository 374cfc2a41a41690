//! `TASK-CONFIG.yaml`: what was settled about a task beside its prompt.
//!
//! ```text
//! depends_on:                        the tasks that must be done before this one begins
//!     - task-20260220-100000-schema
//! unblocked:                         those of them that no longer count
//!     at: 2026-02-23T21:10:00Z
//!     reason: schema is frozen
//!     dependencies:
//!         - task-20260220-100000-schema
//! ```
//!
//! Other top-level keys belong to others and survive a rewrite verbatim. A file
//! that would be empty is removed. Files of the earlier implementation hold
//! `depends_on` only, whose entries may be comma lists.

use std::fmt;

use jiff::Timestamp;

use crate::durable::{self, Mode};
use crate::id::{IdError, TaskId};
use crate::layout::TaskDir;
use crate::record::{self, RecordError};
use crate::yaml::{self, YamlError};

/// The keys that this module writes.
const OURS: [&str; 2] = ["depends_on", "unblocked"];

/// The content of `TASK-CONFIG.yaml`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TaskConfig {
    /// The tasks that must be done first, each once, in the order given.
    pub depends_on: Vec<TaskId>,
    /// Which of them no longer count, and why.
    pub unblocked: Option<Unblocked>,
    /// Everything else in the file, verbatim.
    rest: String,
}

/// Dependencies that somebody has lifted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unblocked {
    /// When.
    pub at: Timestamp,
    /// Why; may be empty.
    pub reason: String,
    /// Which.
    pub dependencies: Vec<TaskId>,
}

/// The part of the file that is read here, in every shape that was ever written.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Known {
    depends_on: Option<Texts>,
    unblocked: Option<KnownUnblocked>,
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct KnownUnblocked {
    at: Option<Timestamp>,
    reason: Option<String>,
    dependencies: Option<Texts>,
}

/// One text or a list of texts.
struct Texts(Vec<String>);

impl Texts {
    fn ids(this: Option<Self>) -> Result<Vec<TaskId>, IdError> {
        this.map_or_else(|| Ok(Vec::new()), |texts| parse_ids(texts.0))
    }
}

impl<'de> serde::Deserialize<'de> for Texts {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(TextsVisitor)
    }
}

struct TextsVisitor;

impl<'de> serde::de::Visitor<'de> for TextsVisitor {
    type Value = Texts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the id of a task, or a list of them")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Texts, E> {
        Ok(Texts(vec![text.to_owned()]))
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut items: A) -> Result<Texts, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = items.next_element()? {
            texts.push(text);
        }
        Ok(Texts(texts))
    }
}

/// Parses task ids that may stand in comma lists; each is returned once.
pub fn parse_ids<T: AsRef<str>>(
    texts: impl IntoIterator<Item = T>,
) -> Result<Vec<TaskId>, IdError> {
    let mut ids = Vec::new();
    for text in texts {
        for part in text.as_ref().split(',').map(str::trim) {
            if part.is_empty() {
                continue;
            }
            let id = TaskId::parse_existing(part)?;
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
    }
    Ok(ids)
}

impl TaskConfig {
    /// Reads the text of the file of `task`, whatever it says; `None` if there is none.
    pub fn text(task: &TaskDir) -> Result<Option<String>, RecordError> {
        record::read_text(&task.config())
    }

    /// Reads the file of `task`; a missing one is the empty configuration.
    pub fn read(task: &TaskDir) -> Result<Self, RecordError> {
        match record::read_text(&task.config())? {
            Some(text) => Self::parse(&text).map_err(RecordError::malformed(&task.config())),
            None => Ok(Self::default()),
        }
    }

    /// Parses the text of a file.
    pub fn parse(text: &str) -> Result<Self, YamlError> {
        let rest = others(text);
        let is_blank = |line: &str| line.trim().is_empty() || line.starts_with('#');
        let known: Known = if text.lines().all(is_blank) {
            Known::default()
        } else {
            yaml::parse(text)?
        };
        let wrong = |error: IdError| YamlError {
            message: error.to_string(),
            line: 0,
            column: 0,
        };
        let unblocked = match known.unblocked {
            None => None,
            Some(found) => Some(Unblocked {
                at: found.at.unwrap_or(Timestamp::UNIX_EPOCH),
                reason: found.reason.unwrap_or_default(),
                dependencies: Texts::ids(found.dependencies).map_err(wrong)?,
            }),
        };
        Ok(Self {
            depends_on: Texts::ids(known.depends_on).map_err(wrong)?,
            unblocked,
            rest,
        })
    }

    /// Returns the dependencies that count.
    pub fn gating(&self) -> Vec<TaskId> {
        let lifted = |id: &&TaskId| {
            let unblocked = self.unblocked.as_ref();
            unblocked.is_some_and(|unblocked| unblocked.dependencies.contains(id))
        };
        let counting = self.depends_on.iter().filter(|id| !lifted(id));
        counting.cloned().collect()
    }

    /// Replaces the list; another list is a new wish, which nobody has lifted yet.
    pub fn set_depends_on(&mut self, ids: Vec<TaskId>) {
        if self.depends_on != ids {
            self.depends_on = ids;
            self.unblocked = None;
        }
    }

    /// Lifts `dependencies`, on top of what was lifted before.
    pub fn unblock(&mut self, dependencies: &[TaskId], reason: &str, at: Timestamp) {
        let earlier = self
            .unblocked
            .take()
            .map(|unblocked| unblocked.dependencies);
        let mut all = earlier.unwrap_or_default();
        all.retain(|id| !dependencies.contains(id));
        all.extend(dependencies.iter().cloned());
        self.unblocked = Some(Unblocked {
            at,
            reason: reason.to_owned(),
            dependencies: all,
        });
    }

    /// Returns the text of the file; empty if there is nothing to say.
    fn to_text(&self) -> String {
        let texts = |ids: &[TaskId]| -> Vec<String> {
            ids.iter().map(|id| id.as_str().to_owned()).collect()
        };
        let mut out = yaml::Mapping::new();
        let ids = texts(&self.depends_on);
        out.list("depends_on", ids.iter().map(String::as_str));
        if let Some(unblocked) = &self.unblocked {
            let ids = texts(&unblocked.dependencies);
            out.mapping("unblocked", |out| {
                out.plain("at", unblocked.at)
                    .text("reason", &unblocked.reason)
                    .list("dependencies", ids.iter().map(String::as_str));
            });
        }
        out.finish() + &self.rest
    }

    /// Replaces the file of `task`, or removes it; returns its text after that is on disk.
    ///
    /// For holders of the project's lock, see [`crate::dependencies::locked`].
    pub(crate) fn write(&self, task: &TaskDir) -> Result<Option<String>, RecordError> {
        let path = task.config();
        let text = Some(self.to_text()).filter(|text| !text.trim().is_empty());
        let written = match &text {
            None if !path.exists() => Ok(()),
            None => durable::remove(&path),
            Some(text) => durable::replace(&path, text.as_bytes(), Mode::Shared),
        };
        written.map_err(RecordError::io(&path))?;
        Ok(text)
    }
}

/// Returns the top-level blocks, and the remarks, that are not ours.
fn others(text: &str) -> String {
    let mut rest = String::new();
    let mut is_ours = false;
    for line in text.trim_start_matches('\u{feff}').lines() {
        let is_remark = line.starts_with('#');
        let begins_block = !is_remark
            && !line.starts_with([' ', '\t', '-'])
            && !line.trim().is_empty()
            && line.contains(':');
        if begins_block {
            let key = line.split(':').next().unwrap_or_default();
            is_ours = OURS.contains(&key.trim().trim_matches(['"', '\'']));
        }
        let is_mark = line == "---" || line == "...";
        if is_remark || (!is_ours && !is_mark) {
            rest.push_str(line);
            rest.push('\n');
        }
    }
    if rest.trim().is_empty() {
        rest.clear();
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(texts: &[&str]) -> Vec<TaskId> {
        parse_ids(texts).unwrap()
    }

    #[track_caller]
    fn check(text: &str, depends_on: &[&str], written: &str) {
        let config = TaskConfig::parse(text).unwrap();
        assert_eq!(config.depends_on, ids(depends_on), "{text}");
        assert_eq!(config.to_text(), written, "{text}");
        let again = TaskConfig::parse(written).unwrap();
        assert_eq!(again, config, "{text}");
    }

    #[test]
    fn every_shape_is_read_and_one_is_written() {
        let two = "depends_on:\n    - a\n    - b\n";
        check(two, &["a", "b"], two);
        check("depends_on: [a, b]\n", &["a", "b"], two);
        check("depends_on:\n- a\n- b\n", &["a", "b"], two);
        check("depends_on:\n  - a, b\n  - ' a '\n", &["a", "b"], two);
        check("depends_on: a,,b\n", &["a", "b"], two);
        check(
            "---\n\"depends_on\":\n  - a\n  - b\n...\n",
            &["a", "b"],
            two,
        );
        for nothing in [
            "",
            "\n",
            "depends_on:\n",
            "depends_on: []\n",
            "depends_on: \"\"\n",
        ] {
            check(nothing, &[], "");
        }
        check("# a remark\n", &[], "# a remark\n");
    }

    #[test]
    fn what_others_write_survives() {
        let gates = "gates:\n  - name: tests\n    run: |\n      depends_on: x\n    # inside\n";
        for text in [
            format!("{gates}depends_on: [a]\n"),
            format!("depends_on:\n    - a\n{gates}"),
        ] {
            check(&text, &["a"], &format!("depends_on:\n    - a\n{gates}"));
        }
        check(gates, &[], gates);
    }

    #[test]
    fn what_is_lifted_counts_no_longer() {
        let at: Timestamp = "2026-02-23T21:10:00Z".parse().unwrap();
        let mut config = TaskConfig::parse("depends_on: [a, b, c]\nx: 1\n").unwrap();
        config.unblock(&ids(&["b"]), "because: it\nis", at);
        config.unblock(&ids(&["a"]), "so", at);
        assert_eq!(config.gating(), ids(&["c"]));
        assert_eq!(config.depends_on, ids(&["a", "b", "c"]));
        let text = config.to_text();
        assert_eq!(TaskConfig::parse(&text).unwrap(), config, "{text}");
        config.set_depends_on(ids(&["a", "b", "c"]));
        assert_eq!(config.gating(), ids(&["c"]), "the same wish");
        config.set_depends_on(ids(&["a"]));
        assert_eq!(config.gating(), ids(&["a"]), "a new wish");
    }

    #[test]
    fn wrong_ids_are_errors() {
        for text in [
            "depends_on: [../x]\n",
            "depends_on: [a/b]\n",
            "depends_on: {a: b}\n",
            "depends_on: [[a]]\n",
        ] {
            TaskConfig::parse(text).unwrap_err();
        }
    }
}
