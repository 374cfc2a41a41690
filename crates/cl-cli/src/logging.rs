//! Log lines on standard error, for those who ask.

use cl_runner::service::LogFile;
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

/// Starts the log of a server: on standard error, or in `file`. `redactor` masks secrets.
///
/// Warnings are for everybody; in a file, what the server does is told, too.
pub(crate) fn start_for_server(verbosity: Verbosity, redactor: Redactor, file: Option<LogFile>) {
    let level = match (verbosity, &file) {
        (Verbosity::Quiet, _) => LevelFilter::ERROR,
        (Verbosity::Normal, None) => LevelFilter::WARN,
        (Verbosity::Normal, Some(_)) | (Verbosity::Verbose, _) => LevelFilter::INFO,
        (Verbosity::Debug, _) => LevelFilter::DEBUG,
        (Verbosity::Trace, _) => LevelFilter::TRACE,
    };
    let lines = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_ansi(false);
    // A second start, as tests do, keeps the first.
    let _ = match file {
        Some(file) => tracing::subscriber::set_global_default(
            lines
                .with_writer(move || MaskingWriter::new(redactor.clone(), file.clone()))
                .finish(),
        ),
        None => tracing::subscriber::set_global_default(
            lines
                .with_writer(move || MaskingWriter::new(redactor.clone(), std::io::stderr()))
                .finish(),
        ),
    };
}
