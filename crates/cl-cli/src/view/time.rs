//! Times as people read them.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Returns a time as `2026-01-31 12:00:00Z`; the zone is always said.
pub(crate) fn local_text(time: Timestamp) -> String {
    time.to_zoned(TimeZone::UTC)
        .strftime("%Y-%m-%d %H:%M:%SZ")
        .to_string()
}

/// Returns seconds as `42s`, `3m07s` or `2h05m`.
pub(crate) fn duration_text(seconds: i64) -> String {
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
