//! Arguments of the server's commands.

use clap::Args;

/// Serve the API and the web UI
#[derive(Debug, Clone, Default, Args)]
pub struct ServeArgs {
    /// The address to listen on [default: api.host, else 127.0.0.1]
    #[arg(long, value_name = "ADDRESS")]
    pub host: Option<String>,
    /// The port to listen on [default: api.port, else the first that is free from 14355]
    #[arg(long, value_name = "PORT")]
    pub port: Option<u16>,
    /// Show everything and change nothing
    #[arg(long)]
    pub read_only: bool,
}
