//! Durations as users write them.

use std::time::Duration;

/// Why a text is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DurationError {
    /// It does not look like a duration at all.
    #[error("\"{0}\" is not a duration; write seconds or a text such as 500ms, 90s or 1h30m")]
    Malformed(String),
    /// It is less than nothing.
    #[error("\"{0}\" is negative")]
    Negative(String),
    /// It is longer than [`LONGEST_DURATION`], or than can be represented.
    #[error("\"{0}\" is too long; the longest is 365 days, 8760h")]
    TooLong(String),
}

/// The longest time that anything may be told to take.
pub const LONGEST_DURATION: Duration = Duration::from_hours(24 * 365);

/// The units, with their length in nanoseconds; longer names first where one begins another.
const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Reads a duration: whole seconds, or numbers with units such as `500ms` and `1h30m`.
///
/// The units are ns, us, ms, s, m and h; a number before one may have a fraction.
/// Whatever is longer than [`LONGEST_DURATION`] is refused.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let length = parse_age(text)?;
    if length > LONGEST_DURATION {
        return Err(DurationError::TooLong(text.trim().to_owned()));
    }
    Ok(length)
}

/// Reads how long ago something was, as [`parse_duration`] does, but of any length.
pub fn parse_age(text: &str) -> Result<Duration, DurationError> {
    let trimmed = text.trim();
    let malformed = || DurationError::Malformed(trimmed.to_owned());
    let too_long = || DurationError::TooLong(trimmed.to_owned());
    let unsigned = trimmed.strip_prefix('+').unwrap_or(trimmed);
    if let Some(rest) = unsigned.strip_prefix('-') {
        return match parse_age(rest) {
            Ok(length) if length.is_zero() => Ok(length),
            Err(DurationError::Malformed(_) | DurationError::Negative(_)) => Err(malformed()),
            _ => Err(DurationError::Negative(trimmed.to_owned())),
        };
    }
    if !unsigned.is_empty() && unsigned.bytes().all(|b| b.is_ascii_digit()) {
        return unsigned
            .parse()
            .map(Duration::from_secs)
            .map_err(|_| too_long());
    }
    let mut rest = unsigned;
    let mut nanoseconds: u128 = 0;
    while !rest.is_empty() {
        let (part, after) = one_part(rest).ok_or_else(malformed)?;
        nanoseconds = part
            .and_then(|part| nanoseconds.checked_add(part))
            .ok_or_else(too_long)?;
        rest = after;
    }
    if unsigned.is_empty() {
        return Err(malformed());
    }
    u64::try_from(nanoseconds)
        .map(Duration::from_nanos)
        .map_err(|_| too_long())
}

/// Reads one number with its unit; the outer option is its form, the inner one its size.
fn one_part(text: &str) -> Option<(Option<u128>, &str)> {
    let number_len = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, rest) = text.split_at(number_len);
    let unit_len = rest
        .find(|c: char| c.is_ascii_digit() || c == '.')
        .unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(unit_len);
    let (_, unit) = UNITS.iter().find(|(name, _)| *name == unit)?;
    let unit = u128::from(*unit);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let size = number_or_zero(whole)
        .and_then(|whole| whole.checked_mul(unit))
        .and_then(|whole| whole.checked_add(fraction_of(fraction, unit)));
    Some((size, rest))
}

fn number_or_zero(digits: &str) -> Option<u128> {
    if digits.is_empty() {
        Some(0)
    } else {
        digits.parse().ok()
    }
}

/// Returns the part of `unit` that the decimal `digits` stand for, rounded down.
fn fraction_of(digits: &str, unit: u128) -> u128 {
    // More digits than this say nothing about nanoseconds, not even in hours.
    let digits = &digits[..digits.len().min(18)];
    let value: u128 = digits.parse().unwrap_or(0);
    let scale = u32::try_from(digits.len()).map_or(1, |count| 10_u128.pow(count));
    value * unit / scale
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, milliseconds: u64) {
        assert_eq!(
            parse_duration(text),
            Ok(Duration::from_millis(milliseconds)),
            "{text}"
        );
    }

    #[track_caller]
    fn check_error(text: &str, expected: fn(String) -> DurationError) {
        assert_eq!(parse_duration(text), Err(expected(text.trim().to_owned())));
    }

    #[test]
    fn seconds_and_units_are_read() {
        check("0", 0);
        check("300", 300_000);
        check(" 10s ", 10_000);
        check("500ms", 500);
        check("1h30m", 5_400_000);
        check("1h2m3s4ms", 3_723_004);
        check("1.5h", 5_400_000);
        check(".5s", 500);
        check("2.s", 2_000);
        check("+1m", 60_000);
        check("-0s", 0);
        check("1000us", 1);
        check("1000µs", 1);
        check("1.0000000000000000000000009s", 1_000);
        assert_eq!(parse_duration("7ns"), Ok(Duration::from_nanos(7)));
    }

    #[test]
    fn only_ages_may_be_longer_than_a_year() {
        check("8760h", 365 * 86_400_000);
        assert_eq!(parse_age("8761h"), Ok(Duration::from_hours(8761)));
        assert!(parse_age("99999999999999999999").is_err());
    }

    #[test]
    fn what_is_no_duration_says_why() {
        for text in [
            "", "  ", "s", "1x", "1 h", "1.2.3s", ".", ".s", "ten", "1h30", "1d", "--1s", "-x",
        ] {
            check_error(text, DurationError::Malformed);
        }
        check_error("-5s", DurationError::Negative);
        check_error("-5", DurationError::Negative);
        check_error("99999999999999999999", DurationError::TooLong);
        check_error("9999999999h", DurationError::TooLong);
        check_error("18446744073709551615", DurationError::TooLong);
        check_error("8760h1ns", DurationError::TooLong);
        check_error(
            "99999999999999999999999999999999999999999h",
            DurationError::TooLong,
        );
    }
}
