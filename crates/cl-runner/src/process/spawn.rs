//! Starting a process as the leader of its own session.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::process::{Command, Stdio};

use cl_storage::process::ProcessIdentity;
use process_wrap::std::{CommandWrap, ProcessSession};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use super::birth::{self, Unborn};

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
    // Dropping the handle does not wait: the reaper does.
    let child = CommandWrap::from(command).wrap(ProcessSession).spawn()?;
    i32::try_from(child.id())
        .map_err(io::Error::other)
        .and_then(accounted_for)
}

/// Starts `program` as [`spawn`] does, in the control group with the open folder `group`.
pub(crate) fn spawn_into(
    program: &Program<'_>,
    group: BorrowedFd<'_>,
) -> Result<ProcessIdentity, Unborn> {
    let pid = birth::bear(program, Some(group))?;
    accounted_for(pid).map_err(Unborn::Program)
}

/// Identifies a child that was started just now, or ends it.
fn accounted_for(pid: i32) -> io::Result<ProcessIdentity> {
    let identity = identify(pid);
    if identity.is_err()
        && let Some(pid) = Pid::from_raw(pid)
    {
        // Nobody could account for it: it must not go on. It is ours and not reaped, so
        // the number is still its own.
        kill_process(pid, Signal::KILL)
            .and_then(|()| waitpid(Some(pid), WaitOptions::empty()).map(drop))
            .unwrap_or_default();
    }
    identity
}

/// Returns the identity of a child that was started just now and not reaped yet.
pub(crate) fn identify(pid: i32) -> io::Result<ProcessIdentity> {
    ProcessIdentity::of(pid)?
        .ok_or_else(|| io::Error::other(format!("process {pid} is gone unreaped")))
}

/// Says why `program` could not be started, in a line without its name.
///
/// The system says "no such file" of the program and means, as likely, its
/// interpreter or the working folder.
pub(crate) fn why_not_started(program: &Path, cwd: &Path, error: &io::Error) -> String {
    if error.kind() != io::ErrorKind::NotFound {
        return error.to_string();
    }
    if !cwd.is_dir() {
        return format!("the working folder {} does not exist", cwd.display());
    }
    if !program.exists() {
        return error.to_string();
    }
    match interpreter(program) {
        Some(name) if !Path::new(&name).exists() => {
            format!("its interpreter {name:?} does not exist")
        }
        _ => format!("it exists, but something that it needs does not ({error})"),
    }
}

/// Returns the interpreter that the first line of a script names.
fn interpreter(program: &Path) -> Option<String> {
    // The kernel reads no more than this of it.
    const LONGEST: u64 = 256;
    let mut start = Vec::new();
    File::open(program)
        .and_then(|file| file.take(LONGEST).read_to_end(&mut start))
        .ok()?;
    let line = start
        .strip_prefix(b"#!")?
        .split(|&byte| byte == b'\n')
        .next()?;
    let line = String::from_utf8_lossy(line);
    // A carriage return is part of the name, which is what is wrong then.
    let name = line
        .trim_start_matches([' ', '\t'])
        .split([' ', '\t'])
        .next()?;
    (!name.is_empty()).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = io::Error::from_raw_os_error(rustix::io::Errno::NOENT.raw_os_error());
        let why = |program: &Path, cwd: &Path| why_not_started(program, cwd, &error);
        let script = folder.path().join("script");
        assert_eq!(why(&script, folder.path()), error.to_string());
        for (text, name) in [
            ("#! /nope/interp -x\n", "\"/nope/interp\""),
            ("#!/bin/sh\r\n", "\"/bin/sh\\r\""),
        ] {
            std::fs::write(&script, text).unwrap();
            let expected = format!("its interpreter {name} does not exist");
            assert_eq!(why(&script, folder.path()), expected);
        }
        let gone = folder.path().join("gone");
        assert!(why(&script, &gone).starts_with("the working folder"));
        let refused = io::Error::from(io::ErrorKind::PermissionDenied);
        assert_eq!(
            why_not_started(&script, &gone, &refused),
            refused.to_string()
        );
    }
}
