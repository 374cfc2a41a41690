//! Log lines on standard error, for those who ask.

use cl_storage::redact::{MaskingWriter, Redactor};
use tracing_subscriber::filter::LevelFilter;

use crate::console::Verbosity;

/// Starts logging if it was asked for; at most once per process.
pub(crate) fn start(verbosity: Verbosity) {
    let level = match verbosity {
        Verbosity::Quiet | Verbosity::Normal => return,
        Verbosity::Verbose => LevelFilter::INFO,
        Verbosity::Debug => LevelFilter::DEBUG,
        Verbosity::Trace => LevelFilter::TRACE,
    };
    let lines = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(|| {
            // What is configured is not known yet; what looks like a secret is masked.
            MaskingWriter::new(Redactor::default(), std::io::stderr())
        })
        .with_ansi(false)
        .finish();
    // A second start, as tests do, keeps the first.
    let _ = tracing::subscriber::set_global_default(lines);
}
