//! Where each value came from, and the listing that shows it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::load::Loaded;
use crate::schema;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// The config file, at this line.
    File {
        /// The file as users know it.
        path: std::path::PathBuf,
        /// The line, from 1.
        line: u64,
    },
    /// An environment variable.
    Variable(String),
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Variable(name) => write!(f, "${name}"),
        }
    }
}

/// One setting as it is shown: secrets are masked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The dotted key.
    pub key: String,
    /// The value as it would be written, on one line.
    pub value: String,
    /// Where it came from.
    pub origin: Origin,
}

/// The settings in effect, each with its origin.
#[derive(Debug, Clone, Default)]
pub struct Origins {
    pub(crate) entries: BTreeMap<String, (String, Origin)>,
}

impl Origins {
    /// Returns where the value at the dotted `key` came from.
    pub fn of(&self, key: &str) -> Origin {
        self.entries
            .get(key)
            .map_or(Origin::Default, |(_, origin)| origin.clone())
    }

    /// Remembers where the value of `key` came from, and how it is shown.
    pub(crate) fn set(&mut self, key: String, shown: String, origin: Origin) {
        self.entries.insert(key, (shown, origin));
    }

    /// Forgets `key`, whose value something else replaces.
    pub(crate) fn remove(&mut self, key: &str) {
        self.entries.remove(key);
    }

    /// Adds the keys that nobody set with their defaults.
    pub(crate) fn add_defaults(&mut self, sections: &[&str]) {
        for (key, field) in schema::keys() {
            let is_shown = key
                .rsplit_once('.')
                .is_some_and(|(section, _)| sections.contains(&section));
            if is_shown && !field.default.is_empty() && !self.entries.contains_key(&key) {
                self.set(key, field.default.to_owned(), Origin::Default);
            }
        }
    }
}

/// Lists every setting in effect with its origin, by key.
pub fn show(loaded: &Loaded) -> Vec<Entry> {
    loaded
        .origins
        .entries
        .iter()
        .map(|(key, (value, origin))| Entry {
            key: key.clone(),
            value: value.clone(),
            origin: origin.clone(),
        })
        .collect()
}

/// Returns the listing of [`show`] as text: `key: value`, and behind it the origin.
pub fn show_text(loaded: &Loaded) -> String {
    let entries = show(loaded);
    let width = |entry: &Entry| entry.key.chars().count() + 2 + entry.value.chars().count();
    let widest = entries.iter().map(width).filter(|w| *w <= 60).max();
    let mut text = String::new();
    for entry in &entries {
        let blanks = widest.unwrap_or(0).saturating_sub(width(entry));
        // Writing to a String cannot fail.
        writeln!(
            text,
            "{}: {}{:blanks$}  # {}",
            entry.key, entry.value, "", entry.origin
        )
        .unwrap_or_default();
    }
    text
}
