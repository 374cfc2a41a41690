//! Why a request was refused.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The kind of a problem; each has one HTTP status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum ProblemCode {
    /// The request cannot be understood or asks for something impossible.
    BadRequest,
    /// Credentials are missing or wrong.
    Unauthorized,
    /// The request is understood and not allowed.
    Forbidden,
    /// What was named does not exist.
    NotFound,
    /// The path exists, for other methods.
    MethodNotAllowed,
    /// What was asked for contradicts the present state.
    Conflict,
    /// The body is larger than is taken.
    PayloadTooLarge,
    /// The body is of another type than is taken.
    UnsupportedMediaType,
    /// More is asked than is allowed at once.
    TooManyRequests,
    /// The server failed; its log says why.
    Internal,
    /// The server cannot do this now.
    Unavailable,
}

impl ProblemCode {
    /// All codes.
    pub const ALL: [Self; 11] = [
        Self::BadRequest,
        Self::Unauthorized,
        Self::Forbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::Conflict,
        Self::PayloadTooLarge,
        Self::UnsupportedMediaType,
        Self::TooManyRequests,
        Self::Internal,
        Self::Unavailable,
    ];

    /// Returns the HTTP status.
    pub fn status(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::Unauthorized => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::Conflict => 409,
            Self::PayloadTooLarge => 413,
            Self::UnsupportedMediaType => 415,
            Self::TooManyRequests => 429,
            Self::Internal => 500,
            Self::Unavailable => 503,
        }
    }
}

/// The body of every answer that refuses: `{"error":{"code","message","hint"},"message"}`.
///
/// The message stands twice because older clients look for it at the top.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, thiserror::Error)]
#[error("{message}")]
pub struct Problem {
    /// What happened.
    pub error: Detail,
    /// The message again.
    pub message: String,
}

/// What happened, to which thing, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Detail {
    /// The kind.
    pub code: ProblemCode,
    /// What happened, to which thing.
    pub message: String,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The things concerned, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub details: BTreeMap<String, String>,
}

impl Problem {
    /// Makes a problem.
    pub fn new(code: ProblemCode, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            error: Detail {
                code,
                message: message.clone(),
                hint: None,
                details: BTreeMap::new(),
            },
            message,
        }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.error.hint = Some(hint.into());
        self
    }

    /// Adds a thing concerned.
    #[must_use]
    pub fn detail(mut self, name: &str, value: impl Into<String>) -> Self {
        self.error.details.insert(name.to_owned(), value.into());
        self
    }

    /// Returns the kind.
    pub fn code(&self) -> ProblemCode {
        self.error.code
    }
}
