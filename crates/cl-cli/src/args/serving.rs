//! Arguments of the server's commands.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::value::duration;

/// `serve`.
#[derive(Debug, Clone, Default, Args)]
pub struct ServeCall {
    /// What is served, and how.
    #[command(flatten)]
    pub serve: ServeArgs,
    /// What to do instead of serving.
    #[command(subcommand)]
    pub command: Option<ServeCommand>,
}

/// What is served, and how; `conductor` takes these without a command, too.
#[derive(Debug, Clone, Default, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "switches of a command line are independent of each other"
)]
pub struct ServeArgs {
    /// The address to listen on [default: api.host, else 127.0.0.1]
    #[arg(long, value_name = "ADDRESS")]
    pub host: Option<String>,
    /// The port to listen on [default: 14355, or api.port]; without it the next free one is taken
    #[arg(long, value_name = "PORT")]
    pub port: Option<u16>,
    /// Show everything and change nothing; another server may be at work on the root
    #[arg(long, conflicts_with_all = ["daemon", "in_background"])]
    pub read_only: bool,
    /// Serve in the background; returns when the server is ready
    #[arg(long)]
    pub daemon: bool,
    /// Start the server again when it fails, for machines without a service manager
    #[arg(long)]
    pub supervise: bool,
    /// Print the settings in effect and where they come from, and serve nothing
    #[arg(long)]
    pub print_config: bool,
    /// How often the server asks itself whether it answers; 0 is never [default: 30s]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub watchdog_interval: Option<Duration>,
    /// After how many failures in a row it listens anew; after ten it ends [default: 3]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub watchdog_max_failures: Option<u32>,
    /// This process is the one that `--daemon` has started.
    #[arg(long, hide = true, conflicts_with = "daemon")]
    pub in_background: bool,
    /// This process is the one that `--supervise` has started.
    #[arg(long, hide = true, conflicts_with = "supervise")]
    pub kept: bool,
}

/// What to do with the server of a root.
#[derive(Debug, Clone, Subcommand)]
pub enum ServeCommand {
    /// End the server of the root; what it has started goes on
    Stop(ServeStopArgs),
    /// Show whether the root is served, and where
    Status,
    /// Print a unit for a service manager, which keeps the server going
    Unit(ServeUnitArgs),
}

/// `serve stop`.
#[derive(Debug, Clone, Args)]
pub struct ServeStopArgs {
    /// How long to wait for its end
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "15s")]
    pub timeout: Duration,
    /// Kill it if it does not end in time
    #[arg(long)]
    pub force: bool,
}

/// `serve unit`.
#[derive(Debug, Clone, Args)]
pub struct ServeUnitArgs {
    /// The service manager
    #[arg(value_enum)]
    pub manager: ServiceManager,
}

/// A service manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ServiceManager {
    /// Linux
    Systemd,
    /// macOS
    Launchd,
}

/// `open`.
#[derive(Debug, Clone, Args)]
pub struct OpenArgs {
    /// Print the link only, and open no browser
    #[arg(long)]
    pub print: bool,
}
