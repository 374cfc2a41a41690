//! What a server is asked to be.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::{Config, Environment, Source};

/// What a server is asked to be: what it serves, where it listens, and what it may do.
#[derive(Debug, Clone)]
pub struct Serving {
    /// The root that it serves, absolute.
    pub root: PathBuf,
    /// The settings.
    pub config: Arc<Config>,
    /// Where they came from.
    pub source: Source,
    /// The environment at start-up.
    pub environment: Environment,
    /// This program, as agents call it.
    pub executable: PathBuf,
    /// The version as users see it.
    pub version: String,
    /// The address to listen on.
    pub host: String,
    /// The port to listen on; 0 takes any that is free.
    pub port: u16,
    /// Nobody named the port: the next ones are tried when it is taken.
    pub may_move: bool,
    /// It shows and changes nothing; another server may be at work on the root.
    pub is_read_only: bool,
    /// How it is looked after.
    pub operation: Operation,
}

/// How a server is looked after.
#[derive(Debug, Clone)]
pub struct Operation {
    /// How often it asks itself whether it is well; never if none.
    pub watchdog_interval: Option<Duration>,
    /// How many questions in a row go unanswered before it listens anew.
    pub watchdog_failures: u32,
    /// The process that started it starts it again when it fails.
    pub is_kept: bool,
    /// The arguments of this process without its name, for the build that replaces it.
    pub arguments: Vec<OsString>,
}

impl Operation {
    /// How often a server asks itself whether it is well, if nobody says otherwise.
    pub const WATCHDOG_INTERVAL: Duration = Duration::from_secs(30);
    /// After how many failures it listens anew, if nobody says otherwise.
    pub const WATCHDOG_FAILURES: u32 = 3;
}

impl Default for Operation {
    fn default() -> Self {
        Self {
            watchdog_interval: Some(Self::WATCHDOG_INTERVAL),
            watchdog_failures: Self::WATCHDOG_FAILURES,
            is_kept: false,
            arguments: Vec::new(),
        }
    }
}
