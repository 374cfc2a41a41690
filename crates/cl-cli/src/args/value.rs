//! Values as they are typed.

use std::time::Duration;

use cl_storage::budget::Usd;

/// Reads a duration such as `500ms`, `30m` or `1h30m`; `0` is none.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    cl_config::parse_duration(text).map_err(|error| error.to_string())
}

/// Reads an age: a duration, which may begin with days, such as `7d` or `1d12h`.
pub(super) fn age(text: &str) -> Result<Duration, String> {
    let Some((days, rest)) = text.trim().split_once('d') else {
        return cl_config::parse_age(text).map_err(|error| error.to_string());
    };
    let wrong = || format!("{text:?} is no duration; write 24h, 7d or 1d12h");
    let days: u64 = days.parse().map_err(|_| wrong())?;
    let rest = match rest {
        "" => Duration::ZERO,
        rest => cl_config::parse_age(rest).map_err(|_| wrong())?,
    };
    let days = days.checked_mul(86_400).map(Duration::from_secs);
    days.and_then(|days| days.checked_add(rest))
        .ok_or_else(|| format!("{text:?} is too long"))
}

/// Reads an amount of money above zero.
pub(super) fn money(text: &str) -> Result<Usd, String> {
    Usd::parse(text)
        .filter(|amount| !amount.is_zero())
        .ok_or_else(|| "must be an amount of US dollars above zero, such as 2.50".to_owned())
}

/// Reads `name=value`.
pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok((name.trim().to_owned(), value.to_owned()))
        }
        _ => Err("must be NAME=VALUE".to_owned()),
    }
}

/// Reads a shell command; a blank one would succeed and check nothing.
pub(super) fn command(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err("the command is empty".to_owned());
    }
    Ok(text.to_owned())
}

/// Reads a point in time: RFC 3339, or a date, which is its midnight UTC.
pub(super) fn timestamp(text: &str) -> Result<jiff::Timestamp, String> {
    let text = text.trim();
    let is_date = text.len() == "2026-01-31".len();
    let time = if is_date {
        text.parse::<jiff::civil::Date>()
            .and_then(|date| date.to_zoned(jiff::tz::TimeZone::UTC))
            .map(|midnight| midnight.timestamp())
    } else {
        text.parse()
    };
    time.map_err(|_| "must be a time such as 2026-01-31T12:00:00Z or 2026-01-31".to_owned())
}

/// Reads a size in bytes, with an optional unit of 1024: `500`, `64K`, `10MB`, `1GiB`.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let wrong = || "must be a number of bytes, such as 1048576, 64K, 10MB or 1GiB".to_owned();
    let text = text.trim();
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let shift = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        _ => return Err(wrong()),
    };
    number
        .checked_mul(1 << shift)
        .ok_or_else(|| "is too large".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_have_days() {
        let hours = |n| Ok(Duration::from_hours(n));
        for (text, expected) in [
            ("24h", hours(24)),
            ("7d", hours(168)),
            ("1d12h", hours(36)),
            ("0", hours(0)),
        ] {
            assert_eq!(age(text), expected, "{text}");
        }
        for text in [
            "d",
            "xd",
            "1dx",
            "-1d",
            "1.5d",
            "1d-1h",
            "99999999999999999d",
            "",
        ] {
            assert!(age(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_date_is_its_midnight() {
        let midnight = timestamp("2026-01-31T00:00:00Z");
        assert!(midnight.is_ok());
        assert_eq!(timestamp(" 2026-01-31 "), midnight);
        for text in ["2026-13-01", "2026-1-31", "20260131", "yesterday"] {
            assert!(timestamp(text).is_err(), "{text}");
        }
    }

    #[test]
    fn pairs_need_a_name() {
        assert_eq!(pair("a=b=c"), Ok(("a".into(), "b=c".into())));
        assert_eq!(pair("a="), Ok(("a".into(), String::new())));
        assert!(pair("a").is_err());
        assert!(pair("=b").is_err());
    }

    #[test]
    fn a_blank_command_is_none() {
        assert_eq!(command(" make test"), Ok(" make test".into()));
        for text in ["", " \t\n"] {
            assert!(command(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn sizes_have_units() {
        for (text, bytes) in [("0", 0), ("500", 500), ("64K", 65536), ("1GiB", 1 << 30)] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in [
            "",
            "x",
            "1.5M",
            "-1",
            "99999999999999999999",
            "99999999999999G",
        ] {
            assert!(size(text).is_err(), "{text}");
        }
    }
}
