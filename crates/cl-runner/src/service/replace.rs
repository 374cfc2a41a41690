//! Replacing this process by another build of the program.

use std::ffi::{OsStr, OsString};
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use cl_storage::process::ProcessIdentity;
use rustix::process::{Pid, Signal};

use super::background::Output;

/// How much of what a program says is listened to; the rest is read and forgotten.
const LONGEST_VERSION: u64 = 4096;
/// How much of the last line of it is told, in characters.
const MOST_TOLD: usize = 200;

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
        said: end_of(&said.text),
    })
}

/// Tells whether `program` understands `args`, to which one is added that has it only look at
/// them and end.
///
/// Blocks for `wait` at the most; it has ended when this returns.
pub fn accepts(program: &Path, args: &[OsString], wait: Duration) -> Result<(), TryError> {
    let said = hear(program, args, wait, |said| {
        io::copy(said, &mut io::sink())?;
        Ok(String::new())
    })?;
    if said.status.success() {
        return Ok(());
    }
    Err(TryError::Failed {
        status: said.status.to_string(),
        said: "it does not take the arguments of this server".to_owned(),
    })
}

/// Returns the last line of `text`, or the end of that.
fn end_of(text: &str) -> String {
    let line = text.trim().lines().next_back().unwrap_or_default();
    let surplus = line.chars().count().saturating_sub(MOST_TOLD);
    line.chars().skip(surplus).collect()
}

/// Starts `program` with `args`, waits for the first line that it prints and hands it to
/// `judge`, then ends it.
///
/// Blocks for `wait` and what `judge` takes; it has ended when this returns, and is killed when
/// this process ends before.
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
    status: ExitStatus,
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
    end_with_this_thread(&mut command);
    let mut child = command.spawn()?;
    let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
    let identity = ProcessIdentity::of(pid)?;
    let Some(mut stdout) = child.stdout.take() else {
        return Err(io::Error::other("there is no pipe to it").into());
    };
    let (told, lines) = mpsc::sync_channel(1);
    // Ends with the program.
    std::thread::spawn(move || {
        let said = read(&mut (&mut stdout).take(LONGEST_VERSION));
        told.send(said).ok();
        // A program whose output nobody reads ends in another way than it would.
        io::copy(&mut stdout, &mut io::sink()).ok();
    });
    let said = lines.recv_timeout(wait);
    let text = if let Ok(said) = said {
        said.unwrap_or_default()
    } else {
        kill(&mut child)?;
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
    let status = kill(&mut child)?;
    Ok(Heard { text, status })
}

/// Has the kernel kill the program of `command` when the thread that starts it ends, which waits
/// for it: nobody else knows of it.
fn end_with_this_thread(command: &mut Command) {
    let parent = rustix::process::getpid();
    let between = move || {
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
        // One that ended before that tells nobody.
        if rustix::process::getppid() != Some(parent) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        Ok(())
    };
    #[expect(unsafe_code, reason = "the standard library has no other way")]
    // SAFETY: two system calls, no lock and no allocation: an error of a kind holds no memory.
    unsafe {
        command.pre_exec(between);
    }
}

/// Ends a program that was not waited for yet, with what it has started.
fn kill(child: &mut Child) -> io::Result<ExitStatus> {
    // It leads its group, whose number is its own as long as nobody has waited for it.
    rustix::process::kill_process_group(Pid::from_child(child), Signal::KILL)?;
    child.wait()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    /// Has the shell do it: what this process writes, its children may hold open for writing.
    fn shell(script: &str, path: &Path) {
        #[expect(clippy::disallowed_methods, reason = "no process of a run")]
        let mut shell = Command::new("/bin/sh");
        let status = shell.args(["-c", script, "sh"]).arg(path).status();
        assert!(status.unwrap().success());
    }

    fn program(folder: &Path, text: &str) -> PathBuf {
        let path = folder.join("program");
        let script = format!("cat >\"$1\" <<'END'\n#!/bin/sh\n{text}\nEND\nchmod 755 \"$1\"");
        shell(&script, &path);
        path
    }

    #[test]
    fn nothing_that_a_program_has_started_outlives_its_time() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        shell("mkfifo \"$1\"", &pipe);
        let program = program(folder.path(), &format!("sleep 600 >{}", pipe.display()));
        let asked = std::thread::spawn(move || ask_version(&program, Duration::from_secs(2)));
        // Its end comes when nobody holds the pipe any more.
        let left = std::fs::read(&pipe).unwrap();
        assert!(left.is_empty());
        let error = asked.join().unwrap().unwrap_err();
        assert!(matches!(error, TryError::TimedOut { .. }), "{error}");
    }

    #[test]
    fn what_is_tried_out_ends_with_whoever_tries_it() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        shell("mkfifo \"$1\"", &pipe);
        let text = format!("exec 3>{}; echo ready; exec sleep 600", pipe.display());
        let program = program(folder.path(), &text);
        let trying = std::thread::spawn(move || {
            let gone = |_: &str| panic!("a canary: nobody is left to end the program");
            try_out(&program, &[], Duration::from_mins(5), gone)
        });
        // Its end comes when nobody holds the pipe any more.
        assert_eq!(std::fs::read(&pipe).unwrap(), b"");
        assert!(trying.join().is_err());
    }

    #[test]
    fn a_program_that_says_too_much_is_quoted_in_a_line() {
        let folder = tempfile::tempdir().unwrap();
        let text = "i=0; while [ $i -lt 9999 ]; do echo line; i=$((i+1)); done; exit 3";
        let program = program(folder.path(), text);
        let error = ask_version(&program, Duration::from_mins(1)).unwrap_err();
        let TryError::Failed { status, said } = error else {
            panic!("{error}");
        };
        assert_eq!(status, "exit status: 3");
        assert!("line".starts_with(&said), "{said}");
        let error = accepts(&program, &[], Duration::from_mins(1)).unwrap_err();
        assert!(error.to_string().contains("exit status: 3"), "{error}");
    }
}
