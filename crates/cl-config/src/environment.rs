//! A snapshot of the process environment.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

/// The variables, the home folder and the current folder as they were at start-up.
///
/// `Debug` prints names only: values may be secrets.
#[derive(Clone)]
pub struct Environment {
    variables: BTreeMap<OsString, OsString>,
    home: Option<PathBuf>,
    current_dir: PathBuf,
}

impl Environment {
    /// Reads the environment of this process; the only place that does.
    ///
    /// Fails if the current folder no longer exists or cannot be reached.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the environment"
    )]
    pub fn from_process() -> io::Result<Self> {
        Ok(Self {
            variables: std::env::vars_os().collect(),
            home: std::env::home_dir().filter(|home| home.is_absolute()),
            current_dir: std::env::current_dir()?,
        })
    }

    /// Returns an environment made of `variables`, for tests and embedders.
    ///
    /// The home folder is the variable `HOME`, if it is an absolute path.
    pub fn new<K, V>(
        variables: impl IntoIterator<Item = (K, V)>,
        current_dir: impl Into<PathBuf>,
    ) -> Self
    where
        K: Into<OsString>,
        V: Into<OsString>,
    {
        let variables: BTreeMap<OsString, OsString> = variables
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        let home = variables
            .get(OsStr::new("HOME"))
            .map(PathBuf::from)
            .filter(|home| home.is_absolute());
        Self {
            variables,
            home,
            current_dir: current_dir.into(),
        }
    }

    /// Returns the value of `name`; none if it is unset, empty or not UTF-8.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.get_os(name)?.to_str()
    }

    /// Returns the value of `name`; none if it is unset or empty.
    pub fn get_os(&self, name: &str) -> Option<&OsStr> {
        self.variables
            .get(OsStr::new(name))
            .map(OsString::as_os_str)
            .filter(|value| !value.is_empty())
    }

    /// Returns all variables, by name.
    pub fn variables(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.variables
            .iter()
            .map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }

    /// Returns the home folder; none if there is none.
    pub fn home(&self) -> Option<&Path> {
        self.home.as_deref()
    }

    /// Returns the folder this process was started in.
    pub fn current_dir(&self) -> &Path {
        &self.current_dir
    }
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Environment")
            .field("variables", &self.variables.keys())
            .field("home", &self.home)
            .field("current_dir", &self.current_dir)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_not_printed() {
        let environment = Environment::new([("HOME", "/h"), ("KEY", "canary"), ("E", "")], "/c");
        let printed = format!("{environment:?}");
        assert!(
            printed.contains("KEY") && !printed.contains("canary"),
            "{printed}"
        );
        assert_eq!(environment.home(), Some(Path::new("/h")));
        assert_eq!(environment.get("E"), None, "empty counts as unset");
    }

    #[test]
    fn the_process_has_one() {
        let environment = Environment::from_process().unwrap();
        assert!(environment.current_dir().is_absolute());
        assert!(environment.variables().count() > 0);
    }
}
