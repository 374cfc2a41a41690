//! Folders, environments and loading for the tests.

use std::path::{Path, PathBuf};

use cl_config::{ConfigError, Environment, Flags, Loaded, load, render};

/// Returns the folder of this crate.
pub(crate) fn manifest_dir() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A folder with a home folder and a working folder in it.
pub(crate) struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("home/.run-agent")).unwrap();
        std::fs::create_dir_all(folder.path().join("work")).unwrap();
        Self { folder }
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    pub(crate) fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    /// Writes a file below the place; the path begins with `home` or `work`.
    pub(crate) fn write(&self, path: &str, content: &str) -> PathBuf {
        let path = self.folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    pub(crate) fn environment(&self, variables: &[(&str, &str)]) -> Environment {
        let home = self.home();
        let all = [("HOME", home.to_str().unwrap())]
            .into_iter()
            .chain(variables.iter().copied());
        Environment::new(all, self.work())
    }

    pub(crate) fn load_with(&self, variables: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
        load(&Flags::default(), &self.environment(variables))
    }

    pub(crate) fn load(&self) -> Result<Loaded, ConfigError> {
        self.load_with(&[])
    }
}

/// Loads `yaml` as the only configuration; panics with the rendered error.
#[track_caller]
pub(crate) fn loaded(yaml: &str) -> Loaded {
    loaded_with(yaml, &[])
}

#[track_caller]
pub(crate) fn loaded_with(yaml: &str, variables: &[(&str, &str)]) -> Loaded {
    let place = Place::new();
    place.write("work/conductor.yaml", yaml);
    match place.load_with(variables) {
        Ok(loaded) => loaded,
        Err(error) => panic!("{}", render(&error)),
    }
}

/// Compares `actual` with the file at `path`, or rewrites that file where asked to.
#[track_caller]
pub(crate) fn check_file(path: &Path, actual: &str) {
    #[expect(
        clippy::disallowed_methods,
        reason = "how a developer asks for new files"
    )]
    let is_update = std::env::var_os("UPDATE_EXPECTED").is_some();
    if is_update {
        std::fs::write(path, actual).unwrap();
    }
    let expected = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(
        actual,
        expected,
        "{} differs; UPDATE_EXPECTED=1 writes it anew",
        path.display()
    );
}
