//! Checking the root without creating anything.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rustix::fs::{Access, access};
use serde::Serialize;

use super::{Finding, Level};
use crate::error::CliError;
use crate::scope::Scope;

/// What is known about the root.
#[derive(Debug, Default, Serialize)]
pub(super) struct RootReport {
    path: Option<String>,
    /// Where it was taken from.
    from: Option<String>,
    exists: bool,
    writable: bool,
}

impl std::fmt::Display for RootReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let path = self.path.as_deref().unwrap_or("unknown");
        let state = match (self.exists, self.writable) {
            (true, true) => "writable",
            (true, false) => "not writable",
            (false, true) => "will be created",
            (false, false) => "cannot be created",
        };
        match &self.from {
            Some(from) => write!(f, "{path} ({state}; {from})"),
            None => f.write_str(path),
        }
    }
}

/// Looks at the root: is it a folder, can files be made in it, who else can.
pub(super) fn look(scope: Result<Scope, CliError>, findings: &mut Vec<Finding>) -> RootReport {
    let scope = match scope {
        Ok(scope) => scope,
        Err(error) => {
            findings.push(Finding::new(Level::Error, "root", error.chain()));
            return RootReport::default();
        }
    };
    let path = scope.root().path();
    let exists = scope.root().exists();
    let writable = nearest_existing(path).is_some_and(|folder| {
        folder.is_dir() && access(folder, Access::WRITE_OK | Access::EXEC_OK).is_ok()
    });
    let shown = path.display();
    if !writable {
        let what = if exists { "written to" } else { "created" };
        findings.push(Finding::new(
            Level::Error,
            "root",
            format!(
                "{shown} cannot be {what}; correct its permissions, or name another one with --root"
            ),
        ));
    }
    if exists && is_open_to_others(path) {
        findings.push(Finding::new(
            Level::Warning,
            "root",
            format!("{shown} can be changed by other users; `chmod go-w {shown}` prevents that"),
        ));
    }
    RootReport {
        path: Some(shown.to_string()),
        from: Some(scope.root.from.to_string()),
        exists,
        writable,
    }
}

fn nearest_existing(path: &Path) -> Option<&Path> {
    path.ancestors().find(|folder| folder.exists())
}

fn is_open_to_others(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|found| found.permissions().mode() & 0o022 != 0)
}
