//! Starting this program in the background.

use std::ffi::OsString;
use std::io::{self, BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use cl_storage::process::ProcessIdentity;
use process_wrap::std::{ChildWrapper, CommandWrap, ProcessSession};

/// The longest line that is taken as an announcement.
const LONGEST_LINE: u64 = 64 * 1024;

/// A process in the background that said it is ready.
#[derive(Debug)]
pub struct Started {
    /// What it said, one line.
    pub line: String,
    /// Who it is.
    pub process: ProcessIdentity,
}

/// Why nothing is in the background.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// It ended before it was ready; it has said why on standard error.
    #[error("it ended before it was ready")]
    Ended {
        /// Its exit code; 1 for one that a signal ended.
        code: u8,
    },
    /// It was not ready in time, and was killed.
    #[error("it was not ready within {waited:?}, and was killed")]
    TimedOut {
        /// How long was waited.
        waited: Duration,
    },
    /// It could not be started.
    #[error("it could not be started")]
    Io(#[from] io::Error),
}

/// Starts this program with `args` in a session of its own, and waits until it writes a line.
///
/// The line on its standard output says that it is ready; standard error stays that of this
/// process until the other one redirects it. Blocks for `wait` at the most; after an error
/// nothing is left of it.
pub fn start_in_background(
    name: &str,
    args: &[OsString],
    wait: Duration,
) -> Result<Started, StartError> {
    #[expect(clippy::disallowed_methods, reason = "the owner of process creation")]
    let mut command = Command::new("/proc/self/exe");
    command
        // What people see in a process list.
        .arg0(name)
        .args(args)
        .env_remove(crate::launch::SUPERVISED_TASK)
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    for variable in crate::launch::RUN_VARIABLES {
        command.env_remove(variable);
    }
    let mut child = CommandWrap::from(command).wrap(ProcessSession).spawn()?;
    let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
    let process = crate::process::spawn::identify(pid)?;
    let Some(stdout) = child.stdout().take() else {
        return Err(io::Error::other("there is no pipe to it").into());
    };
    let (told, lines) = mpsc::sync_channel(1);
    // Ends with the pipe, which nobody holds once the process has ended or redirected it.
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = BufReader::new(io::Read::take(stdout, LONGEST_LINE)).read_line(&mut line);
        // Nobody listens any more if it took too long.
        told.send(read.map(|_| line)).ok();
    });
    match lines.recv_timeout(wait) {
        Ok(Ok(line)) if line.ends_with('\n') => Ok(Started { line, process }),
        // It has closed its output without a word: it ends.
        Ok(_) => Err(ended(&mut *child)),
        Err(_) => {
            crate::process::end::signal(&process, rustix::process::Signal::KILL);
            child.wait()?;
            Err(StartError::TimedOut { waited: wait })
        }
    }
}

fn ended(child: &mut dyn ChildWrapper) -> StartError {
    match child.wait() {
        Ok(status) => StartError::Ended {
            code: status
                .code()
                .and_then(|code| u8::try_from(code).ok())
                .filter(|code| *code != 0)
                .unwrap_or(1),
        },
        Err(error) => error.into(),
    }
}

/// Where the standard output of a program leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Where that of this process does.
    Ours,
    /// Nowhere.
    None,
}

/// Starts `program` with `args` as a child that is waited for.
pub(super) fn start_child(
    program: &Path,
    name: &str,
    args: &[OsString],
    output: Output,
) -> io::Result<Child> {
    #[expect(clippy::disallowed_methods, reason = "the owner of process creation")]
    let mut command = Command::new(program);
    command
        .arg0(name)
        .args(args)
        // A Ctrl-C reaches its parent, which passes it on.
        .process_group(0)
        .stdin(Stdio::null());
    if output == Output::None {
        command.stdout(Stdio::null());
    }
    command.spawn()
}

/// Opens a file with a program of the desktop, which is not waited for.
pub fn open_with(program: &str, file: &Path) -> io::Result<()> {
    #[expect(clippy::disallowed_methods, reason = "the owner of process creation")]
    let mut command = Command::new(program);
    command
        .arg(file)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    // Dropping the handle does not wait: the caller ends soon.
    CommandWrap::from(command).wrap(ProcessSession).spawn()?;
    Ok(())
}
