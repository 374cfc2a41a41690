//! Where the config file is looked for.

use std::path::{Path, PathBuf};

use crate::environment::Environment;

/// Where the settings came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// No file: defaults and environment only.
    None,
    /// This file, absolute.
    File(PathBuf),
}

impl Source {
    /// Returns the file, if there is one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::None => None,
            Self::File(path) => Some(path),
        }
    }
}

/// Returns the files that are tried when none is named, in order.
///
/// The first that exists is the only one read.
pub fn paths_searched(environment: &Environment) -> Vec<PathBuf> {
    let current = environment.current_dir();
    let mut paths: Vec<_> = ["conductor.yaml", "config.yaml", "config.yml"]
        .into_iter()
        .map(|name| current.join(name))
        .collect();
    paths.extend(
        environment
            .home()
            .map(|home| home.join(".run-agent/config.yaml")),
    );
    paths
}
