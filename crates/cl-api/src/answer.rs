//! From results to HTTP answers.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use cl_wire::{Problem, ProblemCode};
use serde::Serialize;

use crate::journal::Reason;

/// The detail that becomes the header of the same meaning.
const RETRY_AFTER: &str = "retry_after_seconds";

/// Why a request is refused, as it is answered.
#[derive(Debug)]
pub(crate) struct Refusal(pub(crate) Problem);

/// What a handler returns.
pub(crate) type Answer<T> = Result<T, Refusal>;

impl Refusal {
    /// Refuses with `code` and says why.
    pub(crate) fn new(code: ProblemCode, message: impl Into<String>) -> Self {
        Self(Problem::new(code, message))
    }

    /// The request cannot be understood or asks for something impossible.
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(ProblemCode::BadRequest, message)
    }

    /// What was named does not exist.
    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(ProblemCode::NotFound, message)
    }

    /// What was asked for contradicts the present state.
    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self::new(ProblemCode::Conflict, message)
    }

    /// The server failed at `what`; only the log says why.
    pub(crate) fn internal(what: &str, error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error = %cl_view::chain(error), "{what}");
        let hint = "the server's log says why";
        Self(Problem::new(ProblemCode::Internal, what).hint(hint))
    }

    /// Adds what to do about it.
    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self(self.0.hint(hint))
    }

    /// Says after how many seconds to try again, in the body and in `Retry-After`.
    pub(crate) fn retry_after(self, seconds: u64) -> Self {
        self.detail(RETRY_AFTER, seconds.to_string())
    }

    /// Names the field of the request that has to be another.
    pub(crate) fn about(self, field: &str) -> Self {
        self.detail("field", field)
    }

    /// Adds a thing concerned.
    pub(crate) fn detail(self, name: &str, value: impl Into<String>) -> Self {
        Self(self.0.detail(name, value))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.code().status())
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = json(status, &self.0);
        if status == StatusCode::UNAUTHORIZED {
            let realm = HeaderValue::from_static("Bearer realm=\"conductor\"");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, realm);
        }
        let reason = Reason(self.0.message.clone());
        response.extensions_mut().insert(reason);
        let wait = self.0.error.details.get(RETRY_AFTER);
        if let Some(wait) = wait.and_then(|wait| HeaderValue::from_str(wait).ok()) {
            response.headers_mut().insert(header::RETRY_AFTER, wait);
        }
        response
    }
}

/// A body in JSON with a newline at its end.
#[derive(Debug)]
pub(crate) struct Json<T>(pub(crate) T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        json(StatusCode::OK, &self.0)
    }
}

/// Makes an answer with a JSON body.
pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    let mut text = match serde_json::to_vec(body) {
        Ok(text) => text,
        // Only keys that are no strings and failing `Serialize`s do not become JSON.
        Err(error) => {
            tracing::error!(%error, "an answer is no JSON");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
    };
    text.push(b'\n');
    let kind = HeaderValue::from_static("application/json");
    (status, [(header::CONTENT_TYPE, kind)], text).into_response()
}

/// Runs `work` where it may block; a panic in it is an internal problem.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Answer<T> + Send + 'static,
) -> Answer<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(answer) => answer,
        Err(error) => Err(Refusal::internal("the request failed", &error)),
    }
}
