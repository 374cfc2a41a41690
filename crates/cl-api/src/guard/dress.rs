//! The headers of every answer.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use jiff::Timestamp;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// How long the id of a request may be.
const LONGEST_ID: usize = 128;

/// The web UI runs its own scripts only, and talks to its own server only.
const UI_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; font-src 'self'; connect-src 'self'; worker-src 'self'; \
    manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
/// Other answers are no pages.
const API_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

/// The id of a request: the caller's, or one made here.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(String);

impl RequestId {
    /// Returns the id that a request brings, or a new one.
    pub(super) fn of(headers: &HeaderMap, now: Timestamp) -> Self {
        let brought = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok());
        match brought.filter(|id| is_id(id)) {
            Some(id) => Self(id.to_owned()),
            None => Self::new(now),
        }
    }

    fn new(now: Timestamp) -> Self {
        use std::hash::{BuildHasher as _, RandomState};
        // It tells requests apart and protects nothing.
        let number = RandomState::new().hash_one(now) & 0xffff_ffff_ffff;
        Self(format!("req-{}-{number:012x}", now.as_nanosecond()))
    }

    /// Returns the id as it stands in headers, logs and the audit.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_id(text: &str) -> bool {
    let is_valid = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    (1..=LONGEST_ID).contains(&text.len()) && text.bytes().all(is_valid)
}

/// Adds the headers that keep browsers from doing more with an answer than they should.
///
/// What a handler said itself about caching or contents holds.
pub(super) fn dress(headers: &mut HeaderMap, id: &RequestId, is_ui: bool) {
    if let Ok(id) = HeaderValue::from_str(id.as_str()) {
        headers.insert(REQUEST_ID, id);
    }
    let policy = if is_ui { UI_POLICY } else { API_POLICY };
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (header::CONTENT_SECURITY_POLICY, policy),
    ] {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
    let is_login = headers.contains_key(header::SET_COOKIE);
    if is_login || (!is_ui && !headers.contains_key(header::CACHE_CONTROL)) {
        let never = HeaderValue::from_static("no-store");
        headers.insert(header::CACHE_CONTROL, never);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_id(brought: &str, is_taken: bool) {
        let mut headers = HeaderMap::new();
        headers.insert(
            REQUEST_ID,
            HeaderValue::from_bytes(brought.as_bytes()).unwrap(),
        );
        let id = RequestId::of(&headers, Timestamp::UNIX_EPOCH);
        assert_eq!(id.as_str() == brought, is_taken, "{brought}");
        assert!(is_id(id.as_str()), "{}", id.as_str());
    }

    #[test]
    fn only_harmless_ids_are_taken() {
        check_id("a", true);
        check_id("req-1_2.3", true);
        check_id(&"x".repeat(LONGEST_ID), true);
        check_id(&"x".repeat(LONGEST_ID + 1), false);
        check_id("", false);
        check_id("a b", false);
        check_id("a=b", false);
        check_id("é", false);
        check_id("a\"b", false);
    }

    #[test]
    fn made_ids_have_their_form() {
        let id = RequestId::new(Timestamp::UNIX_EPOCH);
        let rest = id.as_str().strip_prefix("req-0-").unwrap();
        assert!(
            rest.len() == 12 && rest.bytes().all(|b| b.is_ascii_hexdigit()),
            "{rest}"
        );
    }

    #[test]
    fn what_a_handler_says_holds() {
        let id = RequestId("x".to_owned());
        let mut headers = HeaderMap::new();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        dress(&mut headers, &id, false);
        assert_eq!(headers[header::CACHE_CONTROL], "no-cache");
        headers.insert(header::SET_COOKIE, HeaderValue::from_static("a=b"));
        dress(&mut headers, &id, true);
        assert_eq!(headers[header::CACHE_CONTROL], "no-store");
    }
}
