//! The agent's process and its three streams.

use std::collections::VecDeque;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use cl_agent::acp::Settings;
use cl_storage::process::ProcessIdentity;
use rustix::process::Signal;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

use crate::process::end;
use crate::process::spawn::{identify, why_not_started};

/// How much is read at once.
const READ_AT_ONCE: usize = 64 * 1024;

/// How much of the end of standard error is kept to explain an early end.
const KEPT_STDERR: usize = 8 * 1024;

/// What has happened to an agent.
#[derive(Debug)]
pub(super) enum Happened {
    /// It has printed this.
    Said(Vec<u8>),
    /// It has taken some of what it was sent.
    Wrote,
    /// It has written to its standard error, or closed it.
    Complained,
    /// It has closed its standard input.
    Deaf,
    /// It has closed its standard output.
    Silent,
    /// Its process has ended; others may hold its streams.
    Ended,
}

/// An agent that was started.
#[derive(Debug)]
pub(super) struct Agent {
    child: Child,
    identity: Option<ProcessIdentity>,
    stdin: Option<ChildStdin>,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    ended: Option<ExitStatus>,
    stderr_tail: Vec<u8>,
}

impl Agent {
    /// Starts the agent's program; the error says why it could not be started.
    pub(super) fn start(settings: &Settings, cwd: &Path) -> Result<Self, String> {
        let program = Path::new(&settings.program);
        #[expect(clippy::disallowed_methods, reason = "the owner of process creation")]
        let mut command = std::process::Command::new(program);
        command
            .args(&settings.args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = Command::from(command)
            .spawn()
            .map_err(|error| why_not_started(program, cwd, &error))?;
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
        Ok(Self {
            identity: pid.and_then(|pid| identify(pid).ok()),
            stdin: child.stdin.take(),
            stdout: child.stdout.take(),
            stderr: child.stderr.take(),
            child,
            ended: None,
            stderr_tail: Vec::new(),
        })
    }

    /// Waits for the next thing to happen; writes from the start of `unread`.
    ///
    /// Cancel safe: each arm either has done its work whole or not at all.
    pub(super) async fn happens(&mut self, unread: &mut VecDeque<u8>) -> Happened {
        let mut said = vec![0; READ_AT_ONCE];
        let mut complained = vec![0; READ_AT_ONCE];
        let has_ended = self.ended.is_some();
        let next = unread.as_slices().0;
        tokio::select! {
            read = read_some(&mut self.stdout, &mut said) => {
                if read == 0 {
                    self.stdout = None;
                    return Happened::Silent;
                }
                said.truncate(read);
                Happened::Said(said)
            }
            read = read_some(&mut self.stderr, &mut complained) => {
                if read == 0 {
                    self.stderr = None;
                }
                self.complain(&complained[..read]);
                Happened::Complained
            }
            written = write_some(&mut self.stdin, next), if !next.is_empty() => {
                if let Ok(written) = written {
                    unread.drain(..written);
                    return Happened::Wrote;
                }
                self.stdin = None;
                unread.clear();
                Happened::Deaf
            }
            ended = self.child.wait(), if !has_ended => {
                self.ended = ended.ok();
                Happened::Ended
            }
        }
    }

    /// Tells whether nothing more can come from it.
    pub(super) fn is_gone(&self) -> bool {
        self.ended.is_some() && self.stdout.is_none() && self.stderr.is_none()
    }

    fn complain(&mut self, bytes: &[u8]) {
        // What cannot be kept is still said by the line that follows from it.
        io::stderr().write_all(bytes).unwrap_or_default();
        self.stderr_tail.extend_from_slice(bytes);
        if self.stderr_tail.len() > 2 * KEPT_STDERR {
            let from = self.stderr_tail.len() - KEPT_STDERR;
            self.stderr_tail.drain(..from);
        }
    }

    /// Says how the process has ended, as far as that is known.
    pub(super) fn how_it_ended(&self) -> String {
        use std::os::unix::process::ExitStatusExt as _;
        let Some(status) = self.ended else {
            return "closed its standard streams".to_owned();
        };
        match (status.code(), status.signal()) {
            (Some(code), _) => format!("ended with exit code {code}"),
            (None, Some(signal)) => format!("was ended by signal {signal}"),
            (None, None) => "ended".to_owned(),
        }
    }

    /// Returns what its standard error says of its end.
    pub(super) fn telling_line(&self) -> Option<String> {
        cl_agent::stream::telling_line(&String::from_utf8_lossy(&self.stderr_tail))
    }

    /// Lets the process end, and ends it if it does not; `wait` is for each step.
    ///
    /// What it has started beyond itself is the supervisor's to end.
    pub(super) async fn finish(mut self, wait: Duration) {
        // The end of its input is the way to tell it that nothing more comes.
        self.stdin = None;
        if self.leaves(wait).await {
            return;
        }
        if let Some(identity) = &self.identity {
            end::signal(identity, Signal::TERM);
        }
        if self.leaves(wait).await {
            return;
        }
        if let Some(identity) = &self.identity {
            end::signal(identity, Signal::KILL);
        }
        self.leaves(wait).await;
    }

    /// Waits for the end of the process and reads on meanwhile: a full pipe would hold it up.
    async fn leaves(&mut self, wait: Duration) -> bool {
        let until = tokio::time::Instant::now() + wait;
        while self.ended.is_none() {
            let mut nothing = VecDeque::new();
            // One that never stops talking would never be out of time.
            if tokio::time::Instant::now() >= until {
                return false;
            }
            if tokio::time::timeout_at(until, self.happens(&mut nothing))
                .await
                .is_err()
            {
                return false;
            }
        }
        true
    }
}

/// Reads what there is; zero at the end, and for ever pending behind it.
async fn read_some(stream: &mut Option<impl AsyncRead + Unpin>, buffer: &mut [u8]) -> usize {
    match stream {
        // A stream that cannot be read any more is at its end.
        Some(stream) => stream.read(buffer).await.unwrap_or(0),
        None => std::future::pending().await,
    }
}

async fn write_some(stdin: &mut Option<ChildStdin>, bytes: &[u8]) -> io::Result<usize> {
    match stdin {
        Some(stdin) => stdin.write(bytes).await,
        None => std::future::pending().await,
    }
}
