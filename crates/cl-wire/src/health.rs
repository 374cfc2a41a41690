//! Whether a server is well, and what it is.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The answer of `GET /healthz`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Healthz {
    /// `ok`.
    #[schema(example = "ok")]
    pub status: String,
    /// How long the server has been up, in whole seconds.
    #[schema(example = "12m5s")]
    pub uptime: String,
}

/// The answer of `GET /api/v1/health`.
///
/// Asked without credentials it says no more than `status`: what follows names what a
/// stranger need not know.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// `ok`, or `degraded` where something is slower or less than it should be.
    #[schema(example = "ok")]
    pub status: String,
    /// What is slower or less than it should be, such as watches that ran out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// The answer of `GET /api/v1/version`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Version {
    /// The version of the server.
    #[schema(example = "0.76.0")]
    pub version: String,
}
