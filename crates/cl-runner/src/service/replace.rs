//! Replacing this process by another build of the program.

use std::ffi::{OsStr, OsString};
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use cl_storage::process::ProcessIdentity;
use rustix::process::Signal;

use super::background::Output;

/// How much a program may say of its version.
const LONGEST_VERSION: u64 = 4096;

/// Why a program is not what it should be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TryError {
    /// It could not be started, or not be listened to.
    #[error("it could not be started: {0}")]
    Io(#[from] io::Error),
    /// It did not say what it should within the time.
    #[error("it said nothing within {waited:?}")]
    TimedOut {
        /// How long was waited.
        waited: Duration,
    },
    /// It ended otherwise.
    #[error("it ended with {status}: {said}")]
    Failed {
        /// How it ended.
        status: String,
        /// The end of what it said.
        said: String,
    },
}

/// Asks a program for its version with `--version`; returns what it prints.
///
/// Blocks for `wait` at the most; it has ended when this returns.
pub fn ask_version(program: &Path, wait: Duration) -> Result<String, TryError> {
    let args = [OsString::from("--version")];
    let said = hear(program, &args, wait, |said| {
        let mut text = String::new();
        said.read_to_string(&mut text)?;
        Ok(text)
    })?;
    if said.status.success() {
        return Ok(said.text.trim().to_owned());
    }
    Err(TryError::Failed {
        status: said.status.to_string(),
        said: said.text.trim().to_owned(),
    })
}

/// Starts `program` with `args`, waits for the first line that it prints and hands it to
/// `judge`, then ends it.
///
/// Blocks for `wait` and what `judge` takes; it has ended when this returns.
pub fn try_out(
    program: &Path,
    args: &[OsString],
    wait: Duration,
    judge: impl FnOnce(&str) -> Result<(), String>,
) -> Result<(), TryError> {
    let mut verdict = Ok(());
    let said = hear_then(program, args, wait, |text| verdict = judge(text))?;
    let failed = |why: String| TryError::Failed {
        status: said.status.to_string(),
        said: why,
    };
    if said.text.is_empty() {
        return Err(failed("it said nothing on standard output".to_owned()));
    }
    verdict.map_err(failed)
}

/// Becomes `program` with `args` and the environment of this process; returns only if that fails.
///
/// The process keeps its number. Locks and listeners of this process end with it.
pub fn become_program(
    program: &Path,
    name: &OsStr,
    args: &[OsString],
    output: Output,
) -> io::Error {
    #[expect(clippy::disallowed_methods, reason = "the owner of process creation")]
    let mut command = Command::new(program);
    command.arg0(name).args(args);
    if output == Output::None {
        command.stdout(Stdio::null());
    }
    command.exec()
}

struct Heard {
    text: String,
    status: std::process::ExitStatus,
}

fn hear(
    program: &Path,
    args: &[OsString],
    wait: Duration,
    read: impl FnOnce(&mut dyn io::Read) -> io::Result<String> + Send + 'static,
) -> Result<Heard, TryError> {
    run(program, args, wait, read, |_| End::Waits)
}

fn hear_then(
    program: &Path,
    args: &[OsString],
    wait: Duration,
    judge: impl FnOnce(&str),
) -> Result<Heard, TryError> {
    let line = |said: &mut dyn io::Read| {
        let mut line = String::new();
        BufReader::new(said).read_line(&mut line)?;
        Ok(line)
    };
    run(program, args, wait, line, |text| {
        judge(text);
        End::Kills
    })
}

/// What is done with a program after it was heard.
enum End {
    Waits,
    Kills,
}

fn run(
    program: &Path,
    args: &[OsString],
    wait: Duration,
    read: impl FnOnce(&mut dyn io::Read) -> io::Result<String> + Send + 'static,
    heard: impl FnOnce(&str) -> End,
) -> Result<Heard, TryError> {
    #[expect(clippy::disallowed_methods, reason = "the owner of process creation")]
    let mut command = Command::new(program);
    command
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0);
    let mut child = command.spawn()?;
    let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
    let identity = ProcessIdentity::of(pid)?;
    let Some(stdout) = child.stdout.take() else {
        return Err(io::Error::other("there is no pipe to it").into());
    };
    let (told, lines) = mpsc::sync_channel(1);
    // Ends with the program.
    std::thread::spawn(move || {
        let said = read(&mut stdout.take(LONGEST_VERSION));
        told.send(said).ok();
    });
    let said = lines.recv_timeout(wait);
    let text = if let Ok(said) = said {
        said.unwrap_or_default()
    } else {
        child.kill()?;
        child.wait()?;
        return Err(TryError::TimedOut { waited: wait });
    };
    if matches!(heard(&text), End::Kills)
        && let Some(identity) = identity
        && !super::end(&identity, super::End::Asked, wait)
    {
        crate::process::end::signal(&identity, Signal::KILL);
    }
    let until = std::time::Instant::now() + wait;
    while std::time::Instant::now() < until {
        if let Some(status) = child.try_wait()? {
            return Ok(Heard { text, status });
        }
        std::thread::sleep(super::LOOK_EVERY);
    }
    child.kill()?;
    let status = child.wait()?;
    Ok(Heard { text, status })
}
