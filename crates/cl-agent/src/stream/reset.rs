//! When a usage limit ends, from the words of an error.
//!
//! Programs say it as a point in time (`|1769700000`, `2026-11-22T03:00:00Z`), as
//! a length (`try again in 2 days 3 hours`, `"retryDelay":"34s"`) or by the clock,
//! with or without date and zone (`resets Nov 24, 3pm (Europe/Berlin)`). Only an
//! error that was recognised as a usage limit is read here.

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp, ToSpan as _, Zoned};

use super::facts::epoch;

/// The words behind which the time stands.
const ANCHORS: [&str; 10] = [
    "reset",
    "try again",
    "retry in",
    "retry after",
    "retry-after",
    "retrydelay",
    "retry delay",
    "available again",
    "regain access",
    "please wait",
];

/// How many words behind an anchor are looked at.
const WORDS: usize = 14;

/// So many words may stand between an anchor and its time.
const FILLERS: usize = 5;

/// Returns when the limit that `text` tells of ends; none if that is not told.
///
/// What the clock says is meant in the zone that is named, else in that of `now`.
pub(super) fn reset_in(text: &str, now: Option<&Zoned>) -> Option<Timestamp> {
    if let Some(time) = behind_bar(text) {
        return Some(time);
    }
    let text: Vec<String> = text
        .to_lowercase()
        .split_whitespace()
        .map(loosened)
        .collect();
    let text = text.join(" ");
    ANCHORS.iter().find_map(|anchor| {
        text.match_indices(anchor).find_map(|(at, _)| {
            let rest = &text[at + anchor.len()..];
            // `resets`: the rest of the word belongs to the anchor.
            let rest = rest.trim_start_matches(|c: char| c.is_ascii_alphabetic());
            let words = rest.split([' ', ',']).map(clean);
            When::read(words.filter(|word| !word.is_empty()).take(WORDS))?.resolve(now)
        })
    })
}

/// Returns the name of the window that an error is about; `unknown` if it does not tell.
pub(super) fn window_in(text: &str) -> &'static str {
    let text = text.to_lowercase();
    let names: [(&str, &[&str]); 6] = [
        (
            "five_hour",
            &[
                "5-hour",
                "5 hour",
                "five-hour",
                "five_hour",
                "session limit",
            ],
        ),
        ("seven_day", &["weekly", "7-day", "seven_day", "per week"]),
        (
            "day",
            &["daily", "perday", "per day", "per_day", "requests/day"],
        ),
        ("hour", &["hourly", "perhour", "per hour", "per_hour"]),
        (
            "minute",
            &[
                "perminute",
                "per minute",
                "per_minute",
                "requests per min",
                "tokens per min",
            ],
        ),
        ("month", &["monthly", "per month"]),
    ];
    let found = names
        .iter()
        .find(|(_, words)| words.iter().any(|word| has_whole(&text, word)));
    found.map_or("unknown", |(name, _)| name)
}

/// Returns whether `word` is there and no number goes on in it: `15 hours` are not `5 hour`.
fn has_whole(text: &str, word: &str) -> bool {
    let starts_with_digit = word.starts_with(|c: char| c.is_ascii_digit());
    text.match_indices(word)
        .any(|(at, _)| !starts_with_digit || !text[..at].ends_with(|c: char| c.is_ascii_digit()))
}

/// Returns the next midnight in California, when daily quotas of Gemini begin anew.
pub(super) fn next_quota_day(now: &Zoned) -> Option<Timestamp> {
    let zone = TimeZone::get("America/Los_Angeles")
        .unwrap_or_else(|_| TimeZone::fixed(jiff::tz::offset(-8)));
    let there = now.with_time_zone(zone.clone());
    let midnight = there.date().tomorrow().ok()?.to_zoned(zone).ok()?;
    Some(midnight.timestamp())
}

/// Finds the point in time behind `|` in `usage limit reached|1769700000`.
fn behind_bar(text: &str) -> Option<Timestamp> {
    text.match_indices('|').find_map(|(at, _)| {
        let rest = &text[at + 1..];
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        whole_epoch(&rest[..digits])
    })
}

fn whole_epoch(digits: &str) -> Option<Timestamp> {
    let is_epoch = digits.len() >= 10 && digits.bytes().all(|b| b.is_ascii_digit());
    is_epoch
        .then(|| digits.parse().ok())
        .flatten()
        .and_then(epoch)
}

/// Returns a word with the marks of JSON and of keys as blanks; names of zones stay whole.
fn loosened(word: &str) -> String {
    let is_zone = word.contains('/');
    let is_mark = |c: char| "\"={}[]".contains(c) || c == '_' && !is_zone;
    word.chars()
        .map(|c| if is_mark(c) { ' ' } else { c })
        .collect()
}

fn clean(word: &str) -> &str {
    word.trim_matches(|c: char| "().;:'`~\u{b7}\u{2219}\u{2022}!?*<>".contains(c))
}

/// What the words behind an anchor tell.
#[derive(Debug, Default)]
struct When {
    at: Option<Timestamp>,
    long: SignedDuration,
    has_length: bool,
    year: Option<i16>,
    month: Option<i8>,
    day: Option<i8>,
    weekday: Option<Weekday>,
    days_ahead: Option<i32>,
    time: Option<Time>,
    zone: Option<TimeZone>,
}

impl When {
    /// Reads words up to the first that belongs to no time any more.
    fn read<'w>(words: impl Iterator<Item = &'w str>) -> Option<Self> {
        let mut words = words.peekable();
        let mut when = Self::default();
        let mut fillers = 0;
        // `resets_in_seconds: 30` names the unit first.
        let mut unit_before = None;
        while let Some(word) = words.next() {
            if let Some(at) = instant(word) {
                when.at = Some(at);
                break;
            }
            if let Ok(date) = word.parse::<Date>() {
                (when.year, when.month, when.day) =
                    (Some(date.year()), Some(date.month()), Some(date.day()));
                continue;
            }
            if let Some(length) = compact_length(word) {
                when.add(length);
                continue;
            }
            let next = words.peek().copied().unwrap_or_default();
            if let Some(number) = number(word) {
                if let Some(unit) = unit(next).or(unit_before.take()) {
                    if self::unit(next).is_some() {
                        words.next();
                    }
                    when.add(scaled(number, unit));
                    continue;
                }
                if let Some(half) = half_of_day(next) {
                    words.next();
                    when.time = clock(word, Some(half));
                    continue;
                }
            }
            if let Some(time) = clock(word, None) {
                let half = half_of_day(next);
                if half.is_some() {
                    words.next();
                }
                when.time = half.map_or(Some(time), |half| clock(word, Some(half)));
                continue;
            }
            if when.read_date(word) {
                continue;
            }
            if let Some(zone) = zone(word) {
                when.zone = Some(zone);
                break;
            }
            unit_before = unit(word);
            fillers += 1;
            if when.is_something() && !matches!(word, "at" | "on" | "and" | "in" | "the")
                || fillers > FILLERS
            {
                break;
            }
        }
        when.is_something().then_some(when)
    }

    fn add(&mut self, length: SignedDuration) {
        self.long = self.long.saturating_add(length);
        self.has_length = true;
    }

    fn read_date(&mut self, word: &str) -> bool {
        if let Some(month) = month(word) {
            self.month = Some(month);
        } else if let Some(day) = weekday(word) {
            self.weekday = Some(day);
        } else if word == "today" || word == "tomorrow" {
            self.days_ahead = Some(i32::from(word == "tomorrow"));
        } else if let Some(day) =
            day_of_month(word).filter(|_| self.month.is_some() && self.day.is_none())
        {
            self.day = Some(day);
        } else if let Ok(year @ 2000..=2200) = word.parse::<i16>() {
            self.year = Some(year);
        } else {
            return false;
        }
        true
    }

    fn is_something(&self) -> bool {
        self.at.is_some()
            || self.has_length
            || self.time.is_some()
            || self.day.is_some()
            || self.weekday.is_some()
            || self.days_ahead.is_some()
    }

    fn resolve(self, now: Option<&Zoned>) -> Option<Timestamp> {
        if self.at.is_some() {
            return self.at;
        }
        let now = now?;
        if self.has_length {
            return now.timestamp().checked_add(self.long).ok();
        }
        let zone = self.zone.clone().unwrap_or_else(|| now.time_zone().clone());
        let here = now.with_time_zone(zone.clone());
        let time = self.time.unwrap_or(Time::midnight());
        let of = |date: Date| {
            Some(
                date.to_datetime(time)
                    .to_zoned(zone.clone())
                    .ok()?
                    .timestamp(),
            )
        };
        let today = here.date();
        if let (Some(month), Some(day)) = (self.month, self.day) {
            let date = Date::new(self.year.unwrap_or(today.year()), month, day).ok()?;
            let is_last_year = self.year.is_none() && date < today.checked_sub(1.day()).ok()?;
            return of(if is_last_year {
                date.checked_add(1.year()).ok()?
            } else {
                date
            });
        }
        let first = match (self.weekday, self.days_ahead) {
            (Some(day), _) => {
                let ahead = today.weekday().until(day);
                today.checked_add(i32::from(ahead).days()).ok()?
            }
            (None, Some(days)) => today.checked_add(days.days()).ok()?,
            (None, None) => today,
        };
        let is_over = of(first)? <= now.timestamp();
        match (is_over, self.weekday.is_some(), self.days_ahead) {
            (true, true, _) => of(first.checked_add(7.days()).ok()?),
            (true, false, None) => of(first.tomorrow().ok()?),
            _ => of(first),
        }
    }
}

/// Reads a point in time with date and zone, or seconds since 1970.
fn instant(word: &str) -> Option<Timestamp> {
    whole_epoch(word).or_else(|| {
        let upper = word.to_uppercase();
        upper.contains('T').then(|| upper.parse().ok()).flatten()
    })
}

fn number(word: &str) -> Option<f64> {
    let is_plain = word.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    is_plain.then(|| word.parse().ok()).flatten()
}

/// Returns a unit in seconds.
fn unit(word: &str) -> Option<f64> {
    Some(match word.trim_end_matches('s') {
        "m" if word == "ms" => 0.001,
        "" if word == "s" => 1.0,
        "sec" | "second" => 1.0,
        "m" | "min" | "minute" => 60.0,
        "h" | "hr" | "hour" => 3600.0,
        "d" | "day" => 86_400.0,
        "w" | "week" => 604_800.0,
        "millisecond" => 0.001,
        _ => return None,
    })
}

fn scaled(number: f64, unit: f64) -> SignedDuration {
    SignedDuration::try_from_secs_f64((number * unit).min(1e9)).unwrap_or_default()
}

/// Reads `10h15m30s`, `34.07s`, `5hours`.
fn compact_length(word: &str) -> Option<SignedDuration> {
    let mut rest = word;
    let mut length = SignedDuration::ZERO;
    while !rest.is_empty() {
        let digits = rest.len()
            - rest
                .trim_start_matches(|c: char| c.is_ascii_digit() || c == '.')
                .len();
        let number = number(&rest[..digits]).filter(|_| digits > 0)?;
        rest = &rest[digits..];
        let letters = rest.len()
            - rest
                .trim_start_matches(|c: char| c.is_ascii_alphabetic())
                .len();
        length = length.saturating_add(scaled(number, unit(&rest[..letters])?));
        rest = &rest[letters..];
    }
    (!word.is_empty()).then_some(length)
}

/// Whether a time of day is in its second half.
#[derive(Debug, Clone, Copy)]
enum Half {
    Am,
    Pm,
}

fn half_of_day(word: &str) -> Option<Half> {
    match word {
        "am" | "a.m" => Some(Half::Am),
        "pm" | "p.m" => Some(Half::Pm),
        _ => None,
    }
}

/// Reads `3am`, `3:05pm`, `15:00`, `15:00:30`; a bare number needs `half`.
fn clock(word: &str, half: Option<Half>) -> Option<Time> {
    let (digits, half) = match (word.strip_suffix("am"), word.strip_suffix("pm")) {
        (Some(digits), _) => (digits, Some(Half::Am)),
        (_, Some(digits)) => (digits, Some(Half::Pm)),
        _ => (word, half),
    };
    let mut parts = digits.split(':');
    let mut part = || -> Option<Option<i8>> {
        match parts.next() {
            None => Some(None),
            Some(text) if !text.is_empty() && text.len() <= 2 => text.parse().ok().map(Some),
            Some(_) => None,
        }
    };
    let (hour, minute, second) = (part()??, part()?, part()?);
    if half.is_none() && minute.is_none() || parts.next().is_some() {
        return None;
    }
    let hour = match half {
        None => hour,
        Some(_) if !(1..=12).contains(&hour) => return None,
        Some(Half::Am) => hour % 12,
        Some(Half::Pm) => hour % 12 + 12,
    };
    Time::new(hour, minute.unwrap_or(0), second.unwrap_or(0), 0).ok()
}

fn month(word: &str) -> Option<i8> {
    let names = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    (1..)
        .zip(names)
        .find_map(|(number, name)| is_name(word, name).then_some(number))
}

fn weekday(word: &str) -> Option<Weekday> {
    let names = [
        ("monday", Weekday::Monday),
        ("tuesday", Weekday::Tuesday),
        ("wednesday", Weekday::Wednesday),
        ("thursday", Weekday::Thursday),
        ("friday", Weekday::Friday),
        ("saturday", Weekday::Saturday),
        ("sunday", Weekday::Sunday),
    ];
    names
        .into_iter()
        .find_map(|(name, day)| is_name(word, name).then_some(day))
}

/// Tells whether `word` is `name` or its first three or four letters.
fn is_name(word: &str, name: &str) -> bool {
    word == name || (3..=4).contains(&word.len()) && name.starts_with(word)
}

fn day_of_month(word: &str) -> Option<i8> {
    let digits = word.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let is_ordinal = matches!(&word[digits.len()..], "" | "st" | "nd" | "rd" | "th");
    is_ordinal
        .then(|| digits.parse().ok())
        .flatten()
        .filter(|day| (1..=31).contains(day))
}

/// Reads a zone: `europe/berlin`, `utc`, and the abbreviations that services use.
fn zone(word: &str) -> Option<TimeZone> {
    let name = match word {
        "utc" | "gmt" | "z" => return Some(TimeZone::UTC),
        "pst" | "pdt" | "pt" => "America/Los_Angeles",
        "mst" | "mdt" => "America/Denver",
        "cst" | "cdt" => "America/Chicago",
        "est" | "edt" | "et" => "America/New_York",
        "cet" | "cest" => "Europe/Paris",
        "bst" => "Europe/London",
        // Names of zones are looked up whatever their case.
        word if word.contains('/') => word,
        word => return offset(word),
    };
    TimeZone::get(name).ok()
}

/// Reads `gmt-3`, `utc+5:30`, `utc+02:00`.
fn offset(word: &str) -> Option<TimeZone> {
    let rest = word
        .strip_prefix("gmt")
        .or_else(|| word.strip_prefix("utc"))?;
    let sign = match rest.get(..1)? {
        "+" => 1,
        "-" => -1,
        _ => return None,
    };
    let (hours, minutes) = rest[1..].split_once(':').unwrap_or((&rest[1..], "0"));
    let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
    let is_one = (0..=14).contains(&hours) && (0..60).contains(&minutes);
    let seconds = sign * (hours * 3600 + minutes * 60);
    let offset = is_one
        .then(|| Offset::from_seconds(seconds).ok())
        .flatten()?;
    Some(TimeZone::fixed(offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A Saturday, 10:00 in New York, 16:00 in Berlin.
    fn now() -> Zoned {
        "2026-11-21T10:00:00[America/New_York]".parse().unwrap()
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let found = reset_in(text, Some(&now())).map(|time| time.to_string());
        assert_eq!(found.as_deref().unwrap_or("-"), expected, "{text}");
    }

    #[test]
    fn points_in_time_are_read_as_they_are() {
        check(
            "Claude AI usage limit reached|1769700000",
            "2026-01-29T15:20:00Z",
        );
        check(
            "usage limit reached|1769700000000 x",
            "2026-01-29T15:20:00Z",
        );
        check("a|b|1769700000", "2026-01-29T15:20:00Z");
        check(
            "limit will reset at 2026-11-22T03:00:00Z.",
            "2026-11-22T03:00:00Z",
        );
        check(
            "It resets 2026-11-22T03:00:00+01:00",
            "2026-11-22T02:00:00Z",
        );
        check(
            "Your limit will reset at 2026-11-22 03:00 UTC",
            "2026-11-22T03:00:00Z",
        );
        check(
            r#"{"resets_at":1769700000,"plan":"pro"}"#,
            "2026-01-29T15:20:00Z",
        );
    }

    #[test]
    fn the_clock_is_read_in_its_zone_and_means_the_next_time() {
        check("resets 3am (Europe/Berlin)", "2026-11-22T02:00:00Z");
        check(
            "You've hit your limit \u{b7} resets 5pm (Europe/Berlin)",
            "2026-11-21T16:00:00Z",
        );
        check(
            "5-hour limit reached \u{2219} resets 3:30pm",
            "2026-11-21T20:30:00Z",
        );
        check(
            "Your limit will reset at 3 PM (America/New_York).",
            "2026-11-21T20:00:00Z",
        );
        check("limit will reset at 09:00", "2026-11-22T14:00:00Z");
        check("resets 12am (UTC)", "2026-11-22T00:00:00Z");
        check("resets 12pm (UTC)", "2026-11-22T12:00:00Z");
        check("Try again at 3:05 PM.", "2026-11-21T20:05:00Z");
        check("resets 3pm PST", "2026-11-21T23:00:00Z");
        check("resets tomorrow at 3 a.m. utc", "2026-11-22T03:00:00Z");
        check("Access resets at 10:57 PM GMT-3.", "2026-11-22T01:57:00Z");
        check("resets at 9:00 PM UTC+5:30", "2026-11-21T15:30:00Z");
    }

    #[test]
    fn dates_and_days_of_the_week_are_read() {
        check("resets Nov 24, 3pm (Europe/Berlin)", "2026-11-24T14:00:00Z");
        check("resets Nov 24 at 3pm (UTC)", "2026-11-24T15:00:00Z");
        check(
            "try again at Nov 23rd, 2026 3:05 PM.",
            "2026-11-23T20:05:00Z",
        );
        check(
            "Your weekly limit resets Jan 4 at 9:00am UTC",
            "2027-01-04T09:00:00Z",
        );
        check(
            "weekly limit reached, resets Mon 9:00 AM UTC",
            "2026-11-23T09:00:00Z",
        );
        check("resets Saturday 9am (UTC)", "2026-11-28T09:00:00Z");
        check(
            "You will regain access on 2026-12-01 at 00:00 UTC.",
            "2026-12-01T00:00:00Z",
        );
    }

    #[test]
    fn lengths_count_from_now() {
        check("try again in 2 days 3 hours.", "2026-11-23T18:00:00Z");
        check("or try again in 3 hours 12 minutes", "2026-11-21T18:12:00Z");
        check(
            "Try again in 5 days 22 hours 14 minutes.",
            "2026-11-27T13:14:00Z",
        );
        check(
            "Your quota will reset after 10h15m30s.",
            "2026-11-22T01:15:30Z",
        );
        check("Please retry in 30s.", "2026-11-21T15:00:30Z");
        check(
            r#"{"@type":"RetryInfo","retryDelay":"34s"}"#,
            "2026-11-21T15:00:34Z",
        );
        check(r#""resets_in_seconds": 3600"#, "2026-11-21T16:00:00Z");
        check("retry-after: 90 seconds", "2026-11-21T15:01:30Z");
        check("Please try again in 1.5s. Visit", "2026-11-21T15:00:01.5Z");
        check("try again in 1 week", "2026-11-28T15:00:00Z");
        check("Try again in ~47 min.", "2026-11-21T15:47:00Z");
        check(
            "Please wait 2 minutes before trying again.",
            "2026-11-21T15:02:00Z",
        );
        check(
            "Please wait 1 hours 48 minutes for your limit to reset. Learn More",
            "2026-11-21T16:48:00Z",
        );
    }

    #[test]
    fn what_tells_no_time_gives_none() {
        for text in [
            "Usage limit reached. Try again later.",
            "a|b",
            "none",
            "reset your password",
            "the reset of the module failed with code 42",
            "resets at (Europe/Berlin)",
            "resets 25:00",
            "",
        ] {
            check(text, "-");
        }
        assert_eq!(
            reset_in("resets 3am", None),
            None,
            "it is not known when it was said"
        );
    }

    #[test]
    fn windows_are_known_by_their_words() {
        for (text, window) in [
            ("5-hour limit reached", "five_hour"),
            ("You've hit your weekly limit", "seven_day"),
            ("GenerateRequestsPerDayPerProjectPerModel-FreeTier", "day"),
            ("requests per minute", "minute"),
            ("usage limit reached", "unknown"),
            ("rate limit; try again in 15 hours 23 minutes", "unknown"),
            ("in 15 hours; this is the 5-hour limit", "five_hour"),
        ] {
            assert_eq!(window_in(text), window);
        }
        let midnight = next_quota_day(&now()).unwrap();
        assert_eq!(midnight.to_string(), "2026-11-22T08:00:00Z");
    }
}
