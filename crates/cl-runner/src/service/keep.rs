//! Keeping a server going: a small parent that starts it again when it fails.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use cl_storage::process::ProcessIdentity;
use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};

use super::background::{Output, start_child};

/// The first pause before the server is started again; it doubles with each failure.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A server that ran for this long was well, so that the pauses begin anew.
const WELL: Duration = Duration::from_mins(1);
/// How many restarts there are within [`WINDOW`]; one more, and it is given up.
const MOST: usize = 10;
const WINDOW: Duration = Duration::from_mins(10);
/// How long the server gets to end when this process is asked to; it needs ten seconds itself.
const END_WITHIN: Duration = Duration::from_secs(30);
/// What comes of a wrong command line or configuration, and of another server: no restart helps.
const HOPELESS: [u8; 3] = [2, 3, 4];

/// What is kept going, and who is told.
pub struct Keeping<'a> {
    /// What people see in a process list.
    pub name: &'a str,
    /// Tells before each start which program it is.
    pub program: &'a mut dyn FnMut() -> PathBuf,
    /// Its arguments.
    pub args: &'a [OsString],
    /// Is told what happens, a line each.
    pub tell: &'a mut dyn FnMut(&str),
    /// Is called after each start.
    pub started: &'a mut dyn FnMut(),
    /// Whoever started this waits for one announcement; later ones are not written.
    pub is_announced_once: bool,
}

impl std::fmt::Debug for Keeping<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeping")
            .field("args", &self.args)
            .finish_non_exhaustive()
    }
}

/// Runs a program as a child until it ends well, and again when it fails.
///
/// SIGTERM and SIGINT are passed on, and end this too. There is never a second child before
/// the first is reaped. Blocks. Returns the exit code of the last child.
pub fn keep_going(keeping: Keeping<'_>) -> io::Result<u8> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(keep(keeping))
}

/// Has this process asked to end (SIGTERM) when the one that started it is gone.
///
/// For a server that is kept going: without its keeper, another one may be started.
pub fn end_with_parent() -> io::Result<ProcessIdentity> {
    let parent = rustix::process::getppid();
    rustix::process::set_parent_process_death_signal(Some(Signal::TERM))?;
    let pid = parent.map_or(0, |pid| pid.as_raw_nonzero().get());
    let gone = || io::Error::other("the process that keeps this one going is gone");
    if rustix::process::getppid() != parent {
        return Err(gone());
    }
    ProcessIdentity::of(pid)?.ok_or_else(gone)
}

async fn keep(keeping: Keeping<'_>) -> io::Result<u8> {
    let Keeping {
        name,
        program,
        args,
        tell,
        started,
        is_announced_once,
    } = keeping;
    let mut ends = Ends {
        terminate: signal(SignalKind::terminate())?,
        interrupt: signal(SignalKind::interrupt())?,
        child: signal(SignalKind::child())?,
    };
    let mut past = Past::default();
    let mut output = Output::Ours;
    loop {
        let began = Instant::now();
        let mut child = start_child(&program(), name, args, output)?;
        started();
        if is_announced_once {
            output = Output::None;
        }
        let (status, asked) = ends.wait(&mut child).await?;
        let code = code_of(status);
        if asked {
            return Ok(code);
        }
        match past.next(code, began, Instant::now()) {
            Next::End => return Ok(code),
            Next::GiveUp => {
                tell(&format!(
                    "the server failed {MOST} times within {} minutes ({}); it is given up",
                    WINDOW.as_secs() / 60,
                    describe(status)
                ));
                return Ok(code);
            }
            Next::Restart(pause) => {
                tell(&format!(
                    "the server ended ({}); it is started again in {} s",
                    describe(status),
                    pause.as_secs()
                ));
                if ends.comes_within(pause).await {
                    return Ok(0);
                }
            }
        }
    }
}

/// What makes the keeper act.
struct Ends {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    child: tokio::signal::unix::Signal,
}

impl Ends {
    /// Waits for the end of `child`; tells whether this process was asked to end.
    async fn wait(&mut self, child: &mut Child) -> io::Result<(ExitStatus, bool)> {
        let mut kill_at: Option<tokio::time::Instant> = None;
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok((status, kill_at.is_some()));
            }
            let deadline = kill_at.unwrap_or_else(|| tokio::time::Instant::now() + WINDOW);
            tokio::select! {
                // Each only wakes the loop, and signals are kept until they are taken.
                _ = self.child.recv() => {}
                _ = self.terminate.recv() => pass_on(child, Signal::TERM, &mut kill_at),
                _ = self.interrupt.recv() => pass_on(child, Signal::INT, &mut kill_at),
                () = tokio::time::sleep_until(deadline) => {
                    if kill_at.is_some() {
                        child.kill()?;
                    }
                }
            }
        }
    }

    /// Waits for `pause`; true if this process was asked to end meanwhile.
    async fn comes_within(&mut self, pause: Duration) -> bool {
        tokio::select! {
            // Whichever came, nothing follows that needs the others.
            () = tokio::time::sleep(pause) => false,
            _ = self.terminate.recv() => true,
            _ = self.interrupt.recv() => true,
        }
    }
}

fn pass_on(child: &Child, signal: Signal, kill_at: &mut Option<tokio::time::Instant>) {
    // It is our child and not reaped, so that its number is its own.
    rustix::process::kill_process(rustix::process::Pid::from_child(child), signal).ok();
    kill_at.get_or_insert_with(|| tokio::time::Instant::now() + END_WITHIN);
}

fn code_of(status: ExitStatus) -> u8 {
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "for an unknown reason".to_owned(),
    }
}

/// What is done after an end.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    End,
    GiveUp,
    Restart(Duration),
}

/// What happened so far.
#[derive(Debug, Default)]
struct Past {
    /// When it was started again; none is older than [`WINDOW`].
    restarts: VecDeque<Instant>,
    /// How often it failed in a row without having been well.
    failures: u32,
    has_lived: bool,
}

impl Past {
    /// Decides what follows the end with `code` of a child that began at `began`.
    fn next(&mut self, code: u8, began: Instant, now: Instant) -> Next {
        let lived = now.saturating_duration_since(began);
        if code == 0 || (HOPELESS.contains(&code) && !self.has_lived) {
            return Next::End;
        }
        self.has_lived = true;
        if lived >= WELL {
            self.failures = 0;
        }
        while (self.restarts.front()).is_some_and(|at| now.saturating_duration_since(*at) > WINDOW)
        {
            self.restarts.pop_front();
        }
        if self.restarts.len() >= MOST {
            return Next::GiveUp;
        }
        self.restarts.push_back(now);
        let factor = 1_u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        self.failures += 1;
        Next::Restart(FIRST_PAUSE.saturating_mul(factor).min(LONGEST_PAUSE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn a_good_end_and_a_hopeless_start_are_the_end() {
        let now = Instant::now();
        for code in [0, 2, 3, 4] {
            assert_eq!(Past::default().next(code, now, now), Next::End, "{code}");
        }
        let mut past = Past::default();
        assert_eq!(past.next(70, now, now), Next::Restart(seconds(1)));
        // Somebody took its port meanwhile; that may pass.
        assert_eq!(past.next(4, now, now), Next::Restart(seconds(2)));
    }

    #[test]
    fn pauses_grow_to_a_bound_and_failures_are_given_up() {
        let now = Instant::now();
        let mut past = Past::default();
        let found: Vec<_> = (0..11).map(|_| past.next(1, now, now)).collect();
        let pauses = [1, 2, 4, 8, 16, 30, 30, 30, 30, 30];
        let expected = pauses.iter().map(|pause| Next::Restart(seconds(*pause)));
        assert_eq!(found[..10], expected.collect::<Vec<_>>());
        assert_eq!(found[10], Next::GiveUp);
    }

    #[test]
    fn a_server_that_was_well_begins_anew() {
        let start = Instant::now();
        let mut past = Past::default();
        for _ in 0..5 {
            past.next(1, start, start);
        }
        let later = start + WINDOW + seconds(1);
        assert_eq!(past.next(1, start, later), Next::Restart(seconds(1)));
        assert_eq!(past.restarts.len(), 1);
    }
}
