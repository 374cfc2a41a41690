//! What browsers let pages of other sites do.
//!
//! Nothing, unless the site is in `api.cors_origins`. Even then no cookie counts: such a page
//! shows the key in a header.

use axum::http::{HeaderMap, HeaderValue, header};

use super::origin;

/// Returns the origin that may read the answer, as it is told to the browser.
pub(super) fn allowed(headers: &HeaderMap, configured: &[String]) -> Option<HeaderValue> {
    if !origin::is_configured(headers, configured) {
        return None;
    }
    if configured.iter().any(|known| known == "*") {
        return Some(HeaderValue::from_static("*"));
    }
    headers.get(header::ORIGIN).cloned()
}

/// Tells the browser what the page may do.
pub(super) fn dress(headers: &mut HeaderMap, allowed: Option<&HeaderValue>) {
    let Some(origin) = allowed else { return };
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    for (name, value) in [
        (
            header::ACCESS_CONTROL_ALLOW_METHODS,
            "GET,POST,DELETE,OPTIONS",
        ),
        (
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            "Content-Type, Authorization, X-Request-ID, X-Conductor-Client, Idempotency-Key, If-None-Match, Last-Event-ID",
        ),
        (header::ACCESS_CONTROL_EXPOSE_HEADERS, "X-Request-ID"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(origin: &str, configured: &[&str], expected: Option<&str>) {
        let mut headers = HeaderMap::new();
        headers.insert(header::ORIGIN, origin.parse().unwrap());
        let configured: Vec<_> = configured.iter().map(|&c| c.to_owned()).collect();
        let allowed = allowed(&headers, &configured);
        let allowed = allowed.as_ref().map(|value| value.to_str().unwrap());
        assert_eq!(allowed, expected, "{origin} {configured:?}");
    }

    #[test]
    fn only_configured_origins_are_allowed() {
        check("http://a.example", &[], None);
        check(
            "http://a.example",
            &["http://a.example"],
            Some("http://a.example"),
        );
        check("http://a.example", &["http://b.example", "*"], Some("*"));
        check("http://a.example", &["http://A.example"], None);
        check("null", &["http://a.example"], None);
    }
}
