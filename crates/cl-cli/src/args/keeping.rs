//! Commands that keep the root in order.

use std::time::Duration;

use clap::Args;

use super::value;

/// `gc`.
#[derive(Debug, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "switches of a command line are independent of each other"
)]
pub struct GcArgs {
    /// How long a run must have ended
    #[arg(long, value_name = "DURATION", default_value = "168h", value_parser = value::age)]
    pub older_than: Duration,
    /// Print what would be done and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Keep failed runs
    #[arg(long)]
    pub keep_failed: bool,
    /// Delete run folders without a record, too, unless a process of the run is alive
    #[arg(long)]
    pub orphans: bool,
    /// Delete finished tasks that are old and have no runs left
    #[arg(long)]
    pub delete_done_tasks: bool,
    /// Move message buses aside that have grown too large; no message is lost
    #[arg(long)]
    pub rotate_bus: bool,
    /// How large a bus may grow before --rotate-bus moves it aside
    #[arg(long, value_name = "SIZE", default_value = "10MB", value_parser = value::size)]
    pub bus_max_size: u64,
}
