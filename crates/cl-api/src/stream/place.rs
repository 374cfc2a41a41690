//! Where a stream begins.

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use cl_wire::cursor::BadCursor;
use cl_wire::sse::LAST_EVENT_ID;
use serde::Deserialize;

use crate::answer::{Answer, Refusal};

/// Where a client wants its stream to begin, as it was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Resuming {
    /// `Last-Event-ID`: what a client that lost its connection says.
    last: Option<String>,
    /// `from`: what a client that opens the stream says.
    from: Option<String>,
}

/// Where a stream begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beginning<C> {
    /// Where streams of its kind do.
    Usual,
    /// With everything that there is.
    Start,
    /// With what comes next.
    End,
    /// Behind a place.
    Behind(C),
}

impl Resuming {
    /// Reads what was asked for; a place comes first.
    pub(super) fn beginning<C: std::str::FromStr>(&self) -> Answer<Beginning<C>> {
        match (self.last.as_deref(), self.from.as_deref()) {
            (None, None) => Ok(Beginning::Usual),
            (None, Some("start")) => Ok(Beginning::Start),
            (None, Some("end")) => Ok(Beginning::End),
            (Some(place), _) | (None, Some(place)) => {
                let bad = |_| Refusal::bad_request(BadCursor::new(place).to_string());
                place.parse().map(Beginning::Behind).map_err(bad)
            }
        }
    }
}

#[derive(Debug, Deserialize)]
struct From {
    #[serde(default)]
    from: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for Resuming {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Answer<Self> {
        let query = Query::<From>::from_request_parts(parts, state).await;
        let query = query.map_err(|error| Refusal::bad_request(error.to_string()))?;
        let last = parts.headers.get(LAST_EVENT_ID);
        let last = last.map(|last| String::from_utf8_lossy(last.as_bytes()).trim().to_owned());
        let given = |text: String| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        Ok(Self {
            last: last.and_then(given),
            from: query.0.from.and_then(given),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_place_is_named() {
        let resuming = Resuming {
            last: Some("MSG-1".to_owned()),
            from: Some("start".to_owned()),
        };
        let refusal = resuming.beginning::<u64>().unwrap_err();
        assert_eq!(refusal.0.message, "\"MSG-1\" is no place in this stream");
    }
}
