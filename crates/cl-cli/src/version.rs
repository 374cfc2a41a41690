//! Which build this is.

use serde_json::{Value, json};

/// Returns the version of this build.
///
/// A release says its tag; any other build says the version it leads to, that it
/// is a snapshot, and of which commit.
pub const fn stamp() -> &'static str {
    env!("CL_VERSION_STAMP")
}

/// Returns the commit that was built; none if it is not known.
pub fn commit() -> Option<&'static str> {
    Some(env!("CL_COMMIT")).filter(|commit| !commit.is_empty())
}

/// Returns what `version --json` prints.
///
/// There is no time of the build: the same commit gives the same binary.
pub fn to_json() -> Value {
    json!({"version": stamp(), "commit": commit(), "built_at": null})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_without_a_tag_is_a_snapshot_of_the_version() {
        let is_tagged = option_env!("CONDUCTOR_BUILD_ID")
            .or(option_env!("CL_BUILD_VERSION"))
            .or(option_env!("GITHUB_REF_NAME"))
            .is_some();
        if is_tagged {
            return;
        }
        let rest = stamp().strip_prefix(env!("CARGO_PKG_VERSION")).unwrap();
        let rest = rest.strip_prefix("-SNAPSHOT").unwrap();
        let hash = rest.strip_prefix('-').unwrap_or_default();
        assert!(
            rest.is_empty() || (!hash.is_empty() && hash.bytes().all(|b| b.is_ascii_hexdigit())),
            "{rest:?}"
        );
    }
}
