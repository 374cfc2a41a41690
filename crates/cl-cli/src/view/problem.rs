//! What could not be read, told without getting in the way of the rest.

use std::error::Error as _;

use cl_storage::record::RecordError;

use crate::console::Console;

/// How many problems are told one by one.
const MOST_WARNINGS: usize = 20;

/// Returns a record error with its causes, on one line.
pub(crate) fn describe_record_error(error: &RecordError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(found) = cause {
        text.push_str(": ");
        text.push_str(&found.to_string());
        cause = found.source();
    }
    text
}

/// Warns about each problem; JSON carries them as well.
pub(crate) fn warn_about(console: &mut Console, problems: &[String]) {
    for problem in problems.iter().take(MOST_WARNINGS) {
        console.warn(problem);
    }
    if problems.len() > MOST_WARNINGS {
        let rest = problems.len() - MOST_WARNINGS;
        console.warn(format_args!("{rest} more problems; --json lists them all"));
    }
}
