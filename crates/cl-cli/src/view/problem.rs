//! What could not be read, told without getting in the way of the rest.

use crate::console::Console;

/// How many problems are told one by one.
const MOST_WARNINGS: usize = 20;

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
