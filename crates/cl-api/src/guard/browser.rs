//! What the web UI does not offer.
//!
//! Whether a browser asks is taken from what it says of itself: a hint that keeps a page from
//! deleting by mistake, and no protection against anybody.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use cl_wire::ProblemCode;

use crate::answer::{Answer, Refusal};

/// Whether a browser made the request, as far as can be told.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Browser(bool);

impl Browser {
    /// Refuses `action`, such as `task deletion`, to browsers.
    pub(crate) fn must_not(self, action: &str) -> Answer<()> {
        if !self.0 {
            return Ok(());
        }
        let message = format!("{action} is disabled in the web UI");
        Err(Refusal::new(ProblemCode::Forbidden, message)
            .hint("use the command line, which asks before it deletes"))
    }

    fn of(headers: &HeaderMap) -> Self {
        const SIGNS: [&str; 4] = ["sec-fetch-mode", "sec-fetch-site", "origin", "referer"];
        let says = |name: &str| headers.get(name).is_some_and(|value| !value.is_empty());
        let client = headers.get("x-conductor-client");
        let is_ui = client.is_some_and(|c| c.as_bytes().eq_ignore_ascii_case(b"web-ui"));
        Self(is_ui || SIGNS.into_iter().any(says))
    }
}

impl<S: Sync> FromRequestParts<S> for Browser {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.headers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &'static str, value: &str, expected: bool) {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        let refused = Browser::of(&headers).must_not("task deletion").err();
        let message = refused.map(|refused| refused.0.message);
        let expected = expected.then(|| "task deletion is disabled in the web UI".to_owned());
        assert_eq!(message, expected, "{name}: {value}");
    }

    #[test]
    fn browsers_are_known_by_what_they_say() {
        check("origin", "http://localhost:14355", true);
        check("referer", "x", true);
        check("sec-fetch-site", "none", true);
        check("sec-fetch-mode", "cors", true);
        check("x-conductor-client", "Web-UI", true);
        check("x-conductor-client", "cli", false);
        check("origin", "", false);
        check("user-agent", "Mozilla/5.0", false);
    }
}
