//! What a server is asked to be.

use std::path::PathBuf;
use std::sync::Arc;

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
}
