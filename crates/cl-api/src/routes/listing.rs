//! Lists that many clients ask for again and again.
//!
//! An answer is made once for each state that it shows and kept as bytes. Its `ETag` is a
//! digest of those bytes: it is the same after a restart, and differs whenever anything does.

use std::hash::{DefaultHasher, Hasher as _};

use axum::body::Body;
use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::answer::{Answer, Refusal, blocking};
use crate::app::App;

/// The digest in hexadecimal digits, before the answer in what is kept.
const DIGITS: usize = 16;
/// Versions are counted modulo this within a second.
const VERSIONS: u64 = 1 << 24;

/// For how long an answer holds.
#[derive(Debug, Clone, Copy)]
pub(super) enum Holds {
    /// As long as the view has this version.
    AtVersion(u64),
    /// Not longer than a second: it shows more than the view does.
    ForASecond(u64),
}

/// Answers with what `make` makes, or made before of the same `key`.
///
/// `key` says all that the answer depends on but for the state. `make` may block.
pub(super) async fn listed<T: Serialize>(
    app: &App,
    headers: &HeaderMap,
    key: String,
    holds: Holds,
    make: impl FnOnce(&App) -> Answer<T> + Send + 'static,
) -> Answer<Response> {
    let version = match holds {
        Holds::AtVersion(version) => version,
        Holds::ForASecond(version) => {
            let second = u64::try_from(app.now().as_second()).unwrap_or_default();
            second * VERSIONS + version % VERSIONS
        }
    };
    if let Ok(kept) = app.index.cached(&key, version, || Err(())) {
        return Ok(respond(headers, &kept));
    }
    // What is still being read has no version yet.
    let is_kept = !app.index.is_building();
    let app = app.clone();
    let made = blocking(move || {
        let make = || made_of(&make(&app)?);
        if is_kept {
            app.index.cached(&key, version, make)
        } else {
            make()
        }
    });
    Ok(respond(headers, &made.await?))
}

fn made_of(answer: &impl Serialize) -> Answer<Bytes> {
    let mut text = vec![b'0'; DIGITS];
    serde_json::to_writer(&mut text, answer)
        .map_err(|error| Refusal::internal("an answer is no JSON", &error))?;
    text.push(b'\n');
    let mut hash = DefaultHasher::new();
    hash.write(&text[DIGITS..]);
    let digest = format!("{:016x}", hash.finish());
    text[..DIGITS].copy_from_slice(digest.as_bytes());
    Ok(text.into())
}

fn respond(headers: &HeaderMap, kept: &Bytes) -> Response {
    let digest = String::from_utf8_lossy(&kept[..DIGITS]);
    let tag = format!("\"{digest}\"");
    let asked = headers.get_all(header::IF_NONE_MATCH).iter();
    let mut asked = asked.filter_map(|value| value.to_str().ok());
    let is_known = asked.any(|value| names(value, &tag));
    let mut response = if is_known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        Body::from(kept.slice(DIGITS..)).into_response()
    };
    let headers = response.headers_mut();
    if !is_known {
        let json = HeaderValue::from_static("application/json");
        headers.insert(header::CONTENT_TYPE, json);
    }
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
        // Kept by browsers, and asked about each time.
        let private = HeaderValue::from_static("private, no-cache");
        headers.insert(header::CACHE_CONTROL, private);
    }
    response
}

/// Tells whether a list of tags names `tag`.
fn names(list: &str, tag: &str) -> bool {
    list.split(',')
        .map(str::trim)
        .any(|named| named == "*" || named.strip_prefix("W/").unwrap_or(named) == tag)
}

/// What stands behind the `?` of a request.
#[derive(Debug)]
pub(super) struct Asked<T>(pub(super) T);

impl<T: DeserializeOwned + Send> FromRequestParts<App> for Asked<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Answer<Self> {
        match Query::from_request_parts(parts, app).await {
            Ok(Query(asked)) => Ok(Self(asked)),
            Err(error) => Err(Refusal::bad_request(error.body_text())),
        }
    }
}

/// Reads a flag of a query; none is `usual`.
pub(super) fn flag(name: &str, text: Option<&str>, usual: bool) -> Answer<bool> {
    let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else {
        return Ok(usual);
    };
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Ok(true),
        "0" | "false" | "no" | "off" => Ok(false),
        _ => Err(Refusal::bad_request(format!("invalid {name}: {text}")).hint("write 1 or 0")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_answer_is_not_sent_again() {
        let kept = made_of(&serde_json::json!({"a": 1})).unwrap();
        let first = respond(&HeaderMap::new(), &kept);
        let tag = first.headers()[header::ETAG].clone();
        for (asked, status) in [
            (tag.to_str().unwrap().to_owned(), 304),
            (format!("\"x\", W/{}", tag.to_str().unwrap()), 304),
            ("*".to_owned(), 304),
            ("\"x\"".to_owned(), 200),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, asked.parse().unwrap());
            let response = respond(&headers, &kept);
            assert_eq!(response.status().as_u16(), status, "{asked}");
            assert_eq!(response.headers()[header::ETAG], tag);
        }
        let other = made_of(&serde_json::json!({"a": 2})).unwrap();
        assert_ne!(kept[..DIGITS], other[..DIGITS]);
    }

    #[test]
    fn flags_have_a_few_words() {
        for (text, expected) in [
            (None, Some(true)),
            (Some(""), Some(true)),
            (Some("ON"), Some(true)),
            (Some("no"), Some(false)),
            (Some("maybe"), None),
        ] {
            assert_eq!(flag("x", text, true).ok(), expected, "{text:?}");
        }
    }
}
