//! Times as people read them.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Returns a time as `2026-01-31 12:00:00Z`; the zone is always said.
pub(crate) fn local_text(time: Timestamp) -> String {
    time.to_zoned(TimeZone::UTC)
        .strftime("%Y-%m-%d %H:%M:%SZ")
        .to_string()
}
