//! Shells with limits: gates, and what tells the working tree apart.
//!
//! One is started in a session of its own, ended if it takes too long or writes too
//! much, and whatever it leaves is ended with it. What happens around it meanwhile is
//! its keeper's affair: the supervisor that judges a claim, or the command that checks
//! one again.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::Path;
use std::time::Duration;

use cl_agent::Exit;
use cl_storage::RunId;
use cl_storage::process::ProcessIdentity;
use tokio::time::Instant;

use crate::process::end::{Ending, LOOK_AGAIN};
use crate::process::reaper::Reaper;
use crate::process::spawn::{Program, spawn, why_not_started};
use crate::process::tree::{self, Search};

/// The shell.
pub(crate) const SHELL: &str = "/bin/sh";

/// Said of a gate whose folder leads out of the working folder, by links or by `..`.
const LED_OUT: &str = "its folder is not in the task's working folder";

/// How long what a shell leaves may take to end after it was asked.
const GRACE: Duration = Duration::from_secs(1);

/// A shell that is to run to its end.
#[derive(Debug)]
pub(crate) struct Shell<'a> {
    /// Arguments without the shell's name.
    pub(crate) args: &'a [String],
    /// The whole environment.
    pub(crate) env: &'a BTreeMap<String, String>,
    /// Its folder.
    pub(crate) cwd: &'a Path,
    /// The folder that its own must not lead out of, if there is one.
    pub(crate) inside: Option<&'a Path>,
    /// Where it prints to.
    pub(crate) stdout: File,
    /// Where its errors go; none is `/dev/null`.
    pub(crate) stderr: Option<File>,
    /// How long it may take.
    pub(crate) limit: Duration,
    /// How much it may print, in bytes.
    pub(crate) largest: u64,
}

/// How a shell ended; `W` says who wanted it to end early.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ShellEnd<W> {
    /// By itself.
    Exited(Exit),
    /// It went beyond a limit and was ended, or it was not started: why.
    Cut(String),
    /// Its keeper wanted something else.
    Interrupted(W),
}

/// Who keeps a shell, and what it does besides.
pub(crate) trait Keeper {
    /// What can end a shell early.
    type Wish;

    /// The one that hears how children of this process end.
    fn reaper(&mut self) -> &mut Reaper;

    /// The root whose other tasks are left alone.
    fn root(&self) -> &Path;

    /// The mark in the environment of what the shell starts.
    fn mark(&self) -> RunId;

    /// Starts the shell.
    fn spawn(&mut self, program: Program<'_>) -> io::Result<ProcessIdentity> {
        spawn(program)
    }

    /// Returns what ends the shell early, if anything does.
    fn wish(&mut self) -> Option<Self::Wish>;

    /// Tells whether what is left is killed without being asked first.
    fn is_hurried(&self) -> bool;

    /// Returns how long may be waited for the shell at once, of the time it has left.
    fn longest_wait(&self, left: Duration) -> Duration;

    /// Waits for anything to happen, `at_most` this long; ends are in the reaper afterwards.
    async fn next_event(&mut self, at_most: Duration);

    /// Acts on processes that come faster than they are killed one by one.
    fn outrun(&mut self, _alive: &[ProcessIdentity]) {}
}

/// Runs `shell` to its end, and ends whatever it leaves; also returns what survives that.
pub(crate) async fn run<K: Keeper>(
    keeper: &mut K,
    shell: Shell<'_>,
) -> io::Result<(ShellEnd<K::Wish>, Vec<ProcessIdentity>)> {
    if shell.inside.is_some_and(|base| leads_out(shell.cwd, base)) {
        return Ok((ShellEnd::Cut(LED_OUT.to_owned()), Vec::new()));
    }
    let printed = shell.stdout.try_clone()?;
    let program = Program {
        path: Path::new(SHELL),
        args: shell.args,
        env: shell.env,
        cwd: shell.cwd,
        stdin: None,
        stdout: Some(shell.stdout),
        stderr: shell.stderr,
    };
    let process = match keeper.spawn(program) {
        Ok(process) => process,
        Err(error) => {
            let why = why_not_started(Path::new(SHELL), shell.cwd, &error);
            let end = ShellEnd::Cut(format!("could not be started: {why}"));
            return Ok((end, Vec::new()));
        }
    };
    keeper.reaper().watch(process.pid);
    let end = wait(keeper, &process, &printed, shell.limit, shell.largest).await;
    let survivors = end_all(keeper, &process).await;
    Ok((end, survivors))
}

async fn wait<K: Keeper>(
    keeper: &mut K,
    process: &ProcessIdentity,
    printed: &File,
    limit: Duration,
    largest: u64,
) -> ShellEnd<K::Wish> {
    let until = Instant::now() + limit;
    loop {
        if let Some(exit) = keeper.reaper().take(process.pid) {
            return ShellEnd::Exited(exit);
        }
        if let Some(wish) = keeper.wish() {
            return ShellEnd::Interrupted(wish);
        }
        if printed.metadata().is_ok_and(|meta| meta.len() > largest) {
            return ShellEnd::Cut(format!("wrote more than {largest} bytes"));
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return ShellEnd::Cut(format!("took longer than {limit:?}"));
        }
        let at_most = keeper.longest_wait(left);
        keeper.next_event(at_most).await;
    }
}

/// Ends what is left of a shell; returns what survives.
async fn end_all<K: Keeper>(keeper: &mut K, shell: &ProcessIdentity) -> Vec<ProcessIdentity> {
    let mark = keeper.mark();
    let grace = if keeper.is_hurried() {
        Duration::ZERO
    } else {
        GRACE
    };
    let started = Instant::now();
    let mut ending = Ending::default();
    loop {
        let alive = tree::find(&Search {
            run: &mark,
            agent: Some(shell),
            adopted_by: i32::try_from(std::process::id()).ok(),
            supervisor: None,
            root: keeper.root(),
        });
        if alive.is_empty() || ending.is_over() {
            return alive;
        }
        ending.signal(&alive, started.elapsed() >= grace);
        if ending.is_outrun() {
            keeper.outrun(&alive);
        }
        keeper.next_event(LOOK_AGAIN).await;
    }
}

/// Returns why a gate with this exit refuses; `None` if it passes.
pub(crate) fn refusal_of(exit: Exit) -> Option<String> {
    match exit {
        Exit::Code(0) => None,
        Exit::Code(code) => Some(format!("exit {code}")),
        Exit::Signal(signal) => Some(format!("killed by signal {signal}")),
    }
}

/// Returns a file without a name: nothing of it is left when this process ends.
pub(crate) fn unnamed_file(name: &str) -> io::Result<File> {
    let file = rustix::fs::memfd_create(name, rustix::fs::MemfdFlags::CLOEXEC)?;
    Ok(File::from(file))
}

/// Returns the start of a file as text.
pub(crate) fn short_text(file: &File) -> String {
    use std::os::unix::fs::FileExt as _;
    let mut buffer = [0; 256];
    let read = file.read_at(&mut buffer, 0).unwrap_or(0);
    String::from_utf8_lossy(&buffer[..read]).into_owned()
}

/// Tells whether `folder` exists and is not below `base`, all links followed.
fn leads_out(folder: &Path, base: &Path) -> bool {
    match (folder.canonicalize(), base.canonicalize()) {
        (Ok(folder), Ok(base)) => !folder.starts_with(base),
        // It cannot be started in a folder that is not there.
        _ => false,
    }
}
