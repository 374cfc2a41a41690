//! What every command gets.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};

use cl_config::{ConfigError, Environment, Flags, Loaded};
use cl_storage::{Clock, SystemClock};
use jiff::Timestamp;

use crate::args::GlobalArgs;
use crate::console::Console;
use crate::entry::{Binary, Serve};
use crate::error::CliError;
use crate::scope::{self, Inputs, Machine, Request, Scope};

/// What every command gets: who it is, what surrounds it, and how it prints.
#[derive(Debug)]
pub struct Context {
    /// Which binary was called.
    pub binary: Binary,
    /// Its server.
    pub serve: Serve,
    /// The environment at start-up.
    pub environment: Environment,
    /// The flags that every command takes.
    pub global: GlobalArgs,
    /// The configuration, loaded when it is first asked for.
    pub config: LazyConfig,
    /// What the command asks of the scope resolver.
    pub request: Request,
    /// Standard output and standard error.
    pub console: Console,
    /// The time.
    pub clock: Box<dyn Clock>,
}

impl Context {
    /// Makes the context of a command.
    pub fn new(
        binary: Binary,
        serve: Serve,
        environment: Environment,
        global: GlobalArgs,
        request: Request,
        console: Console,
    ) -> Self {
        let file = global
            .config
            .as_ref()
            .map(|path| environment.current_dir().join(path));
        Self {
            config: LazyConfig::new(file, environment.clone()),
            binary,
            serve,
            environment,
            global,
            request,
            console,
            clock: Box::new(SystemClock),
        }
    }

    /// Returns the current time.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Returns the configuration.
    pub fn config(&self) -> Result<&Loaded, CliError> {
        self.config.get()
    }

    /// Tells what the command is about.
    pub fn scope(&self) -> Result<Scope, CliError> {
        let surroundings = Machine {
            config: &self.config,
        };
        scope::resolve(&Inputs {
            request: &self.request,
            environment: &self.environment,
            surroundings: &surroundings,
        })
    }

    /// Returns `path` as an absolute path, relative to the folder of the call.
    pub fn absolute(&self, path: &Path) -> PathBuf {
        self.environment.current_dir().join(path)
    }
}

/// The configuration, loaded at the first use and at most once.
///
/// A command that never asks works with a broken config file.
#[derive(Debug)]
pub struct LazyConfig {
    flags: Flags,
    environment: Environment,
    loaded: OnceCell<Loaded>,
}

impl LazyConfig {
    /// Names the file, or none for the search; nothing is read yet.
    pub fn new(file: Option<PathBuf>, environment: Environment) -> Self {
        Self {
            flags: Flags::new(file),
            environment,
            loaded: OnceCell::new(),
        }
    }

    /// Returns the configuration.
    pub fn get(&self) -> Result<&Loaded, CliError> {
        if let Some(loaded) = self.loaded.get() {
            return Ok(loaded);
        }
        let loaded = self.load()?;
        Ok(self.loaded.get_or_init(|| loaded))
    }

    /// Loads the configuration anew, with the error as the loader tells it.
    pub fn load(&self) -> Result<Loaded, ConfigError> {
        cl_config::load(&self.flags, &self.environment)
    }
}
