//! Starting a process as the leader of its own session.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use cl_storage::process::ProcessIdentity;
use process_wrap::std::{CommandWrap, ProcessSession};

/// What to start.
#[derive(Debug)]
pub(crate) struct Program<'a> {
    /// Absolute path of the executable.
    pub(crate) path: &'a Path,
    /// Arguments without the program's name.
    pub(crate) args: &'a [String],
    /// The whole environment.
    pub(crate) env: &'a BTreeMap<String, String>,
    /// Working folder.
    pub(crate) cwd: &'a Path,
    /// Standard input; none is `/dev/null`.
    pub(crate) stdin: Option<File>,
    /// Standard output; none is `/dev/null`.
    pub(crate) stdout: Option<File>,
    /// Standard error; none is `/dev/null`.
    pub(crate) stderr: Option<File>,
}

/// Starts `program` in a session of its own and returns who it is.
///
/// The caller's [`super::reaper::Reaper`] learns of its end; nobody else may
/// wait for it.
pub(crate) fn spawn(program: Program<'_>) -> io::Result<ProcessIdentity> {
    let stdio = |file: Option<File>| file.map_or_else(Stdio::null, Stdio::from);
    #[expect(clippy::disallowed_methods, reason = "the owner of process creation")]
    let mut command = Command::new(program.path);
    command
        .args(program.args)
        .env_clear()
        .envs(program.env)
        .current_dir(program.cwd)
        .stdin(stdio(program.stdin))
        .stdout(stdio(program.stdout))
        .stderr(stdio(program.stderr));
    let mut child = CommandWrap::from(command).wrap(ProcessSession).spawn()?;
    let identity = i32::try_from(child.id())
        .map_err(io::Error::other)
        .and_then(identify);
    if identity.is_err() {
        // Nobody could account for it: it must not go on.
        child
            .start_kill()
            .and_then(|()| child.wait().map(drop))
            .unwrap_or_default();
    }
    // Dropping the handle does not wait: the reaper does.
    identity
}

/// Returns the identity of a child that was started just now and not reaped yet.
pub(crate) fn identify(pid: i32) -> io::Result<ProcessIdentity> {
    ProcessIdentity::of(pid)?
        .ok_or_else(|| io::Error::other(format!("process {pid} is gone unreaped")))
}
