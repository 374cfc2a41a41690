//! In the place of the worker, in a build without it.

use std::ffi::OsString;
use std::io::Write as _;

use cl_agent::acp::Event;
use cl_config::Environment;
use cl_storage::FailureKind;

/// Says that this build cannot do it.
///
/// A task that another build has launched comes here when it is taken up.
pub fn converse(_args: &[OsString], _environment: &Environment) -> i32 {
    let error = Event::Error {
        kind: Some(FailureKind::SpawnFailed),
        message: cl_agent::LeftOut("acp").to_string(),
        status: None,
    };
    let line = serde_json::to_string(&error).unwrap_or_default();
    // There is no other place to say it.
    writeln!(std::io::stdout(), "{line}").unwrap_or_default();
    1
}
