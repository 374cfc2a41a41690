//! Where the config file is looked for.

use std::path::{Path, PathBuf};

use crate::environment::Environment;
use crate::error::ConfigError;
use crate::load::Flags;

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

/// The file of the earlier implementation, which is read no longer.
pub(crate) fn legacy_path(environment: &Environment) -> Option<PathBuf> {
    Some(environment.home()?.join(".run-agent/conductor-loop.hcl"))
}

/// Returns the file a user should write settings to: the one below the home folder.
pub fn home_config_path(environment: &Environment) -> PathBuf {
    let folder = environment.home().unwrap_or(environment.current_dir());
    folder.join(".run-agent/config.yaml")
}

/// A file that is to be read.
#[derive(Debug)]
pub(crate) struct Found {
    /// Its absolute path.
    pub(crate) path: PathBuf,
    /// The path as users know it.
    pub(crate) shown: PathBuf,
    /// Whether it was named, and not just lying where files are looked for.
    pub(crate) is_named: bool,
}

/// Finds the file to read: the one that is named, else the first of those searched.
pub(crate) fn find(flags: &Flags, environment: &Environment) -> Result<Option<Found>, ConfigError> {
    if let Some(path) = &flags.config {
        return named(path, "--config", environment).map(Some);
    }
    if let Some(path) = environment.get_os("CONDUCTOR_CONFIG") {
        return named(Path::new(path), "CONDUCTOR_CONFIG", environment).map(Some);
    }
    for path in paths_searched(environment) {
        // A folder of that name is somebody else's; anything that cannot be
        // looked at counts as found, so that reading it says why.
        match path.metadata() {
            Ok(meta) if meta.is_dir() => {}
            Err(error) if is_absence(&error) => {}
            _ => {
                let shown = path
                    .strip_prefix(environment.current_dir())
                    .unwrap_or(&path)
                    .to_owned();
                return Ok(Some(Found {
                    path,
                    shown,
                    is_named: false,
                }));
            }
        }
    }
    Ok(None)
}

fn is_absence(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
    )
}

fn named(
    given: &Path,
    asked_by: &'static str,
    environment: &Environment,
) -> Result<Found, ConfigError> {
    let failed = |path: PathBuf, source| {
        if is_absence(&source) {
            ConfigError::NotFound { path, asked_by }
        } else {
            ConfigError::Read { path, source }
        }
    };
    let path = match given.to_str() {
        Some(text) => expand(text, environment.current_dir(), environment).map_err(|reason| {
            let source = std::io::Error::new(std::io::ErrorKind::InvalidInput, reason);
            failed(given.to_owned(), source)
        })?,
        None => environment.current_dir().join(given),
    };
    match path.metadata() {
        Ok(_) => Ok(Found {
            path,
            shown: given.to_owned(),
            is_named: true,
        }),
        Err(source) => Err(failed(given.to_owned(), source)),
    }
}

/// Makes a path absolute: `~` is the home folder, anything else is relative to `folder`.
pub(crate) fn expand(
    text: &str,
    folder: &Path,
    environment: &Environment,
) -> Result<PathBuf, String> {
    let text = text.trim();
    let Some(below) = text.strip_prefix('~') else {
        return Ok(normal(&folder.join(text)));
    };
    let below = match below.strip_prefix('/') {
        Some(below) => below,
        None if below.is_empty() => "",
        None => return Err(format!("unsupported home expansion: \"{text}\"")),
    };
    let home = environment
        .home()
        .ok_or_else(|| format!("\"{text}\" needs a home folder, and HOME is not set"))?;
    Ok(normal(&home.join(below)))
}

/// Removes `.` parts and repeated slashes; `..` stays, for it may follow a link.
fn normal(path: &Path) -> PathBuf {
    path.components().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<&str, &str>) {
        let environment = Environment::new([("HOME", "/home/u")], "/work");
        let expanded = expand(text, Path::new("/etc/x"), &environment);
        let expected = expected.map(PathBuf::from).map_err(str::to_owned);
        assert_eq!(expanded, expected, "{text}");
    }

    #[test]
    fn paths_become_absolute() {
        check("~", Ok("/home/u"));
        check(" ~/a/./b/ ", Ok("/home/u/a/b"));
        check("a//b", Ok("/etc/x/a/b"));
        check("./a", Ok("/etc/x/a"));
        check("../a", Ok("/etc/x/../a"));
        check("/a/b", Ok("/a/b"));
        check("a~", Ok("/etc/x/a~"));
        check("~user/a", Err("unsupported home expansion: \"~user/a\""));
    }

    #[test]
    fn no_home_is_said() {
        let environment = Environment::new([("X", "y")], "/work");
        let reason = expand("~/a", Path::new("/x"), &environment).unwrap_err();
        assert!(reason.contains("HOME is not set"), "{reason}");
        assert_eq!(paths_searched(&environment).len(), 3);
    }
}
