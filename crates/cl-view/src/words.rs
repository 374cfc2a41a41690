//! Durations and errors in words.

use std::error::Error;

use cl_storage::record::RecordError;

/// Returns a record error with its causes, on one line.
pub fn describe_record_error(error: &RecordError) -> String {
    chain(error)
}

/// Returns an error with its causes, on one line; what a cause repeats stands once.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(found) = cause {
        let part = found.to_string();
        // Transparent errors repeat their source's text.
        if !text.ends_with(&part) {
            text.push_str(": ");
            text.push_str(&part);
        }
        cause = found.source();
    }
    text
}

/// Returns seconds as `42s`, `3m07s` or `2h05m`.
pub fn duration_text(seconds: i64) -> String {
    let seconds = seconds.max(0);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_grow_coarser() {
        for (seconds, text) in [
            (-1, "0s"),
            (59, "59s"),
            (187, "3m07s"),
            (3600, "1h00m"),
            (90_061, "25h01m"),
        ] {
            assert_eq!(duration_text(seconds), text);
        }
    }
}
