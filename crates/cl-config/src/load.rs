//! Finding, reading and checking the configuration.

use std::path::PathBuf;

use crate::environment::Environment;
use crate::error::{ConfigError, Warning};
use crate::model::Config;
use crate::origin::Origins;
use crate::search::Source;

/// What the command line says about the configuration.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Flags {
    /// The file named by `--config`.
    pub config: Option<PathBuf>,
}

impl Flags {
    /// Returns flags that name the file `config`, or none.
    pub fn new(config: Option<PathBuf>) -> Self {
        Self { config }
    }
}

/// A configuration, and where it came from.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Loaded {
    /// The settings.
    pub config: Config,
    /// The file they came from.
    pub source: Source,
    /// Where each value came from.
    pub origins: Origins,
    /// What should be looked at.
    pub warnings: Vec<Warning>,
    /// `CONDUCTOR_ROOT`, absolute: it ranks above `storage.runs_dir` when the
    /// root is resolved.
    pub root_variable: Option<PathBuf>,
}

/// Finds, reads and checks the configuration.
///
/// The first file that exists is read: the one in `flags`, `CONDUCTOR_CONFIG`,
/// then those of [`crate::paths_searched`]. All problems are reported at once.
pub fn load(flags: &Flags, environment: &Environment) -> Result<Loaded, ConfigError> {
    let _ = (flags, environment);
    Ok(Loaded {
        config: Config::default().with_built_in_agents(),
        source: Source::None,
        origins: Origins::default(),
        warnings: Vec::new(),
        root_variable: None,
    })
}
