//! What a server says of itself once it listens.

use serde::{Deserialize, Serialize};

/// Where a server can be reached; said once, when it listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announcement {
    /// The address of the API, with a slash at the end.
    pub api_url: String,
    /// The address of the web UI.
    pub ui_url: String,
    /// A link that logs a browser in, once; none where nobody needs it.
    pub login_url: Option<String>,
}
