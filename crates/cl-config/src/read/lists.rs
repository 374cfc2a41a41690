//! Lists, commands and variables: values that are made of others.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::PathBuf;

use cl_storage::redact::MASK;
use cl_storage::yaml::Location;
use secrecy::ExposeSecret as _;

use crate::agent::EnvValue;
use crate::error::first_word;
use crate::schema::Kind;
use crate::tree::{Key, Node, Value};

use super::Reader;
use super::section::{Entry, Section};
use super::values::{quoted, shown, shown_list};

impl<'d> Reader<'d> {
    /// Reads a list of paths and makes them absolute.
    pub(super) fn paths(&mut self, section: &Section<'d>, key: &str) -> Vec<PathBuf> {
        let Some(entry) = section.get(key) else {
            return Vec::new();
        };
        let dotted = section.dotted(key);
        let items = self.scalars(entry, &dotted);
        let paths: Vec<_> = items
            .into_iter()
            .filter_map(|(text, node, key)| self.resolve_or_report(text.trim(), node, &key))
            .collect();
        let shown = shown_list(paths.iter().map(|path| path.to_string_lossy()));
        self.note(dotted, shown, entry.key.at);
        paths
    }

    /// Reads a list of the words that the table names; none if it is absent.
    pub(super) fn choices(
        &mut self,
        section: &Section<'d>,
        key: &str,
    ) -> Option<Vec<&'static str>> {
        let entry = section.get(key)?;
        let Kind::Choices(words) = entry.kind else {
            panic!("\"{key}\" is read as choices but is none in the table of keys")
        };
        let items = self.scalars(entry, &section.dotted(key));
        Some(
            items
                .into_iter()
                .filter_map(|(text, node, key)| self.word(text.trim(), words, node, &key))
                .collect(),
        )
    }

    /// Reads a list of texts; none if it is absent.
    pub(super) fn texts(&mut self, section: &Section<'d>, key: &str) -> Option<Vec<String>> {
        let entry = section.get(key)?;
        let items = self.scalars(entry, &section.dotted(key));
        Some(
            items
                .into_iter()
                .map(|(text, _, _)| text.to_owned())
                .collect(),
        )
    }

    /// Reads a list of weights, each with its place.
    pub(super) fn weights(
        &mut self,
        section: &Section<'d>,
        key: &str,
    ) -> Option<(Location, Vec<NonZeroU32>)> {
        let entry = section.get(key)?;
        let dotted = section.dotted(key);
        let mut weights = Vec::new();
        let items = self.items(entry, &dotted);
        for (index, node) in items.iter().enumerate() {
            let dotted = format!("{dotted}[{index}]");
            let Some(number) = self.whole_number(node, Kind::Number { min: 1, max: 0 }, &dotted)
            else {
                continue;
            };
            if let Some(weight) = u32::try_from(number).ok().and_then(NonZeroU32::new) {
                weights.push(weight);
            } else {
                let message = format!("{dotted} must be positive, got {number}");
                self.problem(node.at, dotted, message);
            }
        }
        let shown = shown_list(weights.iter().map(ToString::to_string));
        self.note(dotted, shown, entry.key.at);
        // A bad weight is reported already; comparing the lengths would report it twice.
        (weights.len() == items.len()).then_some((entry.node.at, weights))
    }

    /// Reads a program, or a list of a program and its arguments.
    ///
    /// A program with a slash is a path and made absolute; any other is looked
    /// for in the folders of `PATH` when it is run.
    pub(super) fn command(&mut self, section: &Section<'d>, key: &str) -> Option<Vec<String>> {
        let entry = section.get(key)?;
        let dotted = section.dotted(key);
        let mut words = if let Value::List(_) = entry.node.value {
            self.texts(section, key)?
        } else {
            vec![self.one_word(entry, &dotted)?]
        };
        let program = words
            .first_mut()
            .filter(|program| !program.trim().is_empty());
        let Some(program) = program else {
            let message = format!("{dotted} names no program");
            self.problem(entry.node.at, dotted, message);
            return None;
        };
        if program.starts_with('~') || program.contains('/') {
            let path = self.resolve_or_report(program, entry.node, &dotted)?;
            *program = path.to_string_lossy().into_owned();
        }
        self.note(dotted, shown_list(&words), entry.key.at);
        Some(words)
    }

    fn one_word(&mut self, entry: Entry<'d>, dotted: &str) -> Option<String> {
        let text = self.scalar(entry, dotted)?.trim();
        if text.contains(char::is_whitespace) {
            let words: Vec<_> = text.split_whitespace().map(quoted).collect();
            let hint = format!("write a list: [{}]", words.join(", "));
            let message = format!("{dotted} holds a blank; a program with arguments is a list");
            self.problem_with_hint(entry.node.at, dotted, message, Some(hint));
        }
        Some(text.to_owned())
    }

    /// Reads variables and their values.
    pub(super) fn variables(
        &mut self,
        section: &Section<'d>,
        key: &str,
    ) -> BTreeMap<String, EnvValue> {
        let mut variables = BTreeMap::new();
        let Some(entry) = section.get(key) else {
            return variables;
        };
        let dotted = section.dotted(key);
        let Value::Map(entries) = &entry.node.value else {
            self.wrong_kind(entry.node, entry.kind, &dotted);
            return variables;
        };
        for (key, node) in entries {
            if let Some(value) = self.variable(key, node, &dotted) {
                variables.insert(key.name.clone(), value);
            }
        }
        variables
    }

    fn variable(&mut self, key: &'d Key, node: &'d Node, parent: &str) -> Option<EnvValue> {
        let name = &key.name;
        if !is_variable_name(name) {
            let message = format!("\"{}\" is not a name of a variable", first_word(name));
            self.problem(key.at, parent, message);
            self.hide_value_of(key, node);
            return None;
        }
        let dotted = format!("{parent}.{name}");
        if name.starts_with("JRUN_") {
            let message = format!(
                "\"{name}\" is reserved; names beginning with JRUN_ are set by Conductor Loop"
            );
            self.problem(key.at, dotted, message);
            return None;
        }
        let kind = Kind::Text;
        let value = match node.value {
            Value::Null => "",
            _ => self.scalar(Entry { key, node, kind }, &dotted)?,
        };
        let value = EnvValue::new(name, value);
        let listed = if value.is_secret {
            self.hide(value.value.expose_secret());
            MASK.to_owned()
        } else {
            shown(value.value.expose_secret())
        };
        self.note(dotted, listed, key.at);
        Some(value)
    }

    /// Reads names of variables, or prefixes that end in `*`.
    pub(super) fn variable_names(&mut self, section: &Section<'d>, key: &str) -> Vec<String> {
        let Some(entry) = section.get(key) else {
            return Vec::new();
        };
        let items = self.scalars(entry, &section.dotted(key));
        let mut names = Vec::new();
        for (text, node, dotted) in items {
            let name = text.trim();
            if is_reserved(name) {
                let message = format!(
                    "{dotted} \"{name}\" is never passed on: JRUN_* and CONDUCTOR_* are for Conductor Loop alone"
                );
                self.problem(node.at, dotted, message);
            } else if is_variable_name(name.strip_suffix('*').unwrap_or(name)) {
                names.push(name.to_owned());
            } else {
                let message = format!(
                    "{dotted} \"{name}\" is not a name of a variable or a prefix such as MYTOOL_*"
                );
                self.problem(node.at, dotted, message);
            }
        }
        names
    }

    /// Returns the items of a list; reports anything else.
    pub(super) fn items(&mut self, entry: Entry<'d>, dotted: &str) -> &'d [Node] {
        if let Value::List(items) = &entry.node.value {
            items
        } else {
            self.wrong_kind(entry.node, entry.kind, dotted);
            &[]
        }
    }

    /// Returns the scalars of a list, each with its place and dotted key.
    fn scalars(&mut self, entry: Entry<'d>, dotted: &str) -> Vec<(&'d str, &'d Node, String)> {
        let mut scalars = Vec::new();
        for (index, node) in self.items(entry, dotted).iter().enumerate() {
            let dotted = format!("{dotted}[{index}]");
            let item = Entry {
                node,
                kind: Kind::Text,
                ..entry
            };
            if let Some(text) = self.scalar(item, &dotted) {
                scalars.push((text, node, dotted));
            }
        }
        let shown = shown_list(scalars.iter().map(|(text, _, _)| text));
        self.note(dotted.to_owned(), shown, entry.key.at);
        scalars
    }
}

fn is_variable_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Returns whether a name or prefix stands for variables of ours only.
fn is_reserved(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    upper.starts_with("JRUN_") || upper.starts_with("CONDUCTOR_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variable_names_are_told_from_others() {
        assert!(is_variable_name("A_b9") && is_variable_name("_x"));
        assert!(!is_variable_name("") && !is_variable_name("9a") && !is_variable_name("a-b"));
    }
}
