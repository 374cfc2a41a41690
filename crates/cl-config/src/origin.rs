//! Where each value came from, and the listing that shows it.

use std::collections::BTreeMap;

use crate::load::Loaded;

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
