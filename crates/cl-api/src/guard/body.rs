//! Bodies of requests, by the rules: JSON, not too large, in time, and one value only.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, HeaderValue, header};
use cl_wire::ProblemCode;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

use crate::answer::{Answer, Refusal};
use crate::app::App;

/// The body of a request, which has to be there.
///
/// Unknown fields are refused by types that say `deny_unknown_fields`, which all of ours do.
#[derive(Debug)]
pub(crate) struct Body<T>(pub(crate) T);

/// The body of a request that need not have one; none is the default.
#[derive(Debug)]
pub(crate) struct OptionalBody<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<App> for Body<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, app: &App) -> Answer<Self> {
        let kind = Kind::of(request.headers());
        let bytes = read(request, app).await?;
        if bytes.trim_ascii().is_empty() {
            return Err(Refusal::bad_request("request body is required"));
        }
        kind.must_be_read()?;
        parse(&bytes).map(Self)
    }
}

impl<T: DeserializeOwned + Default> FromRequest<App> for OptionalBody<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, app: &App) -> Answer<Self> {
        let kind = Kind::of(request.headers());
        let bytes = read(request, app).await?;
        if bytes.trim_ascii().is_empty() {
            return Ok(Self(T::default()));
        }
        kind.must_be_read()?;
        parse(&bytes).map(Self)
    }
}

/// Refuses a body that says itself that it is too large.
pub(super) fn must_fit(headers: &HeaderMap, limit: usize) -> Answer<()> {
    let said = headers.get(header::CONTENT_LENGTH);
    let said = said.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    match said {
        Some(length) if length > limit as u64 => Err(too_large(limit)),
        _ => Ok(()),
    }
}

/// Reads the bytes of a body, within the limits of size and time.
pub(crate) async fn read(request: Request, app: &App) -> Answer<Bytes> {
    let limits = &app.serving.config.api.limits;
    let limit = usize::try_from(limits.max_body_bytes).unwrap_or(usize::MAX);
    must_fit(request.headers(), limit)?;
    let body = Limited::new(request.into_body(), limit);
    within(limits.body_timeout, limit, body.collect()).await
}

async fn within<E: Into<Box<dyn std::error::Error + Send + Sync>>>(
    time: Duration,
    limit: usize,
    body: impl Future<Output = Result<http_body_util::Collected<Bytes>, E>>,
) -> Answer<Bytes> {
    match tokio::time::timeout(time, body).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) => Err(broken(error.into().as_ref(), limit)),
        Err(_) => Err(Refusal::bad_request(
            "the request body did not come in time",
        )),
    }
}

/// Says why a body could not be read: it was too large, or its sender went away.
fn broken(error: &(dyn std::error::Error + 'static), limit: usize) -> Refusal {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<LengthLimitError>() {
            return too_large(limit);
        }
        cause = error.source();
    }
    Refusal::bad_request("the request body is incomplete")
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Answer<T> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = T::deserialize(&mut reader)
        .map_err(|error| Refusal::bad_request(format!("invalid json: {error}")))?;
    match reader.end() {
        Ok(()) => Ok(value),
        Err(_) => Err(Refusal::bad_request("unexpected trailing data")),
    }
}

/// What a body is, as its request says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Json,
    /// It has to be unpacked, which nobody here does.
    Packed,
    Other,
}

impl Kind {
    fn of(headers: &HeaderMap) -> Self {
        let is_plain = |packing: &HeaderValue| packing.as_bytes().eq_ignore_ascii_case(b"identity");
        if !headers
            .get_all(header::CONTENT_ENCODING)
            .iter()
            .all(is_plain)
        {
            return Self::Packed;
        }
        let mut kinds = headers.get_all(header::CONTENT_TYPE).iter();
        let (Some(kind), None) = (kinds.next(), kinds.next()) else {
            return Self::Other;
        };
        let kind = kind.to_str().unwrap_or_default();
        let essence = kind.split(';').next().unwrap_or_default().trim();
        if essence.eq_ignore_ascii_case("application/json") {
            Self::Json
        } else {
            Self::Other
        }
    }

    fn must_be_read(self) -> Answer<()> {
        let (message, hint) = match self {
            Self::Json => return Ok(()),
            Self::Packed => (
                "the request body must not be compressed",
                "send it without `Content-Encoding`",
            ),
            Self::Other => (
                "the request body must be JSON",
                "send it with `Content-Type: application/json`",
            ),
        };
        Err(Refusal::new(ProblemCode::UnsupportedMediaType, message).hint(hint))
    }
}

fn too_large(limit: usize) -> Refusal {
    let message = format!("the request body is larger than {limit} bytes");
    Refusal::new(ProblemCode::PayloadTooLarge, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, PartialEq, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Thing {
        name: String,
    }

    #[track_caller]
    fn check(text: &str, expected: Result<&str, &str>) {
        let parsed = parse::<Thing>(text.as_bytes());
        match expected {
            Ok(name) => assert_eq!(parsed.unwrap().name, name),
            Err(message) => assert_eq!(parsed.unwrap_err().0.message, message),
        }
    }

    #[test]
    fn one_value_of_known_fields_is_taken() {
        check("{\"name\":\"a\"}", Ok("a"));
        check(" {\"name\":\"a\"}\r\n", Ok("a"));
        check("{\"name\":\"a\"} {", Err("unexpected trailing data"));
        check("{\"name\":\"a\"}{}", Err("unexpected trailing data"));
        check(
            "{\"name\":\"a\",\"x\":1}",
            Err("invalid json: unknown field `x`, expected `name` at line 1 column 15"),
        );
        check(
            "{\"name\":",
            Err("invalid json: EOF while parsing a value at line 1 column 8"),
        );
    }

    #[test]
    fn a_deep_body_is_refused() {
        let deep = "[".repeat(100_000);
        assert!(parse::<serde_json::Value>(deep.as_bytes()).is_err());
    }

    #[track_caller]
    fn check_kind(kinds: &[&str], packings: &[&str], expected: Kind) {
        let mut headers = HeaderMap::new();
        for kind in kinds {
            headers.append(header::CONTENT_TYPE, kind.parse().unwrap());
        }
        for packing in packings {
            headers.append(header::CONTENT_ENCODING, packing.parse().unwrap());
        }
        assert_eq!(Kind::of(&headers), expected, "{kinds:?} {packings:?}");
    }

    #[test]
    fn only_json_that_is_not_compressed_is_read() {
        check_kind(&["application/json"], &[], Kind::Json);
        check_kind(&["Application/JSON; charset=utf-8"], &[], Kind::Json);
        check_kind(&["application/json"], &["identity"], Kind::Json);
        check_kind(&["application/json"], &["gzip"], Kind::Packed);
        check_kind(&["application/json"], &["identity", "br"], Kind::Packed);
        for kinds in [
            &[] as &[&str],
            &["text/plain"],
            &["text/plain; application/json"],
            &["application/json", "text/plain"],
            &["application/x-www-form-urlencoded"],
            &["application/jsonx"],
        ] {
            check_kind(kinds, &[], Kind::Other);
        }
    }
}
