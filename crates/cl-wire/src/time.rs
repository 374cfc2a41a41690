//! The zero time of the v1 family: how it says that there is no time.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serializer};

/// What stands for no time in the v1 family.
pub const ZERO_TIME: &str = "0001-01-01T00:00:00Z";

/// Writes a time, or the zero time where there is none.
#[expect(clippy::ref_option, reason = "serde passes references to fields")]
pub(crate) fn serialize<S: Serializer>(time: &Option<Timestamp>, to: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => to.collect_str(time),
        None => to.serialize_str(ZERO_TIME),
    }
}

/// Reads a time; the zero time, an empty text and `null` are none.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<Timestamp>, D::Error> {
    let Some(text) = Option::<String>::deserialize(from)? else {
        return Ok(None);
    };
    // The year 1 is before any real time, whatever its offset and fraction.
    if text.is_empty() || text.starts_with("0001-01-01T") {
        return Ok(None);
    }
    text.parse().map(Some).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    struct Ended {
        #[serde(with = "super", default)]
        at: Option<Timestamp>,
    }

    #[track_caller]
    fn check(json: &str, at: Option<&str>) {
        let read: Ended = serde_json::from_str(json).unwrap();
        assert_eq!(read.at, at.map(|text| text.parse().unwrap()));
    }

    #[test]
    fn zero_is_no_time() {
        let none = Ended { at: None };
        let text = serde_json::to_string(&none).unwrap();
        assert_eq!(text, r#"{"at":"0001-01-01T00:00:00Z"}"#);
        check(&text, None);
        check("{}", None);
        check(r#"{"at":null}"#, None);
        check(r#"{"at":""}"#, None);
        check(r#"{"at":"0001-01-01T00:00:00.000000000Z"}"#, None);
    }

    #[test]
    fn other_times_are_times() {
        let text = "2026-02-23T20:48:58.12Z";
        check(&format!(r#"{{"at":"{text}"}}"#), Some(text));
        let read: Ended = serde_json::from_str(&format!(r#"{{"at":"{text}"}}"#)).unwrap();
        assert_eq!(
            serde_json::to_string(&read).unwrap(),
            format!(r#"{{"at":"{text}"}}"#)
        );
        assert!(serde_json::from_str::<Ended>(r#"{"at":"yesterday"}"#).is_err());
    }
}
