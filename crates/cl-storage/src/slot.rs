//! Run slots: how many root attempts run at once below one root.
//!
//! A slot is a kernel lock on `<root>/.conductor/slots/<n>`, held by the
//! supervisor and freed by its death. Because an agent can outlive its
//! supervisor, the holder writes the run's id into the slot file *before* it
//! spawns: a taker that finds a process of that run alive leaves the slot alone.
//!
//! The file is written in place, never replaced: the lock belongs to its inode.

use std::cell::OnceCell;
use std::collections::HashSet;
use std::io::Read as _;
use std::path::PathBuf;
use std::time::Duration;

use crate::durable::{self, Mode};
use crate::id::RunId;
use crate::layout::Root;
use crate::lock::{HeldLock, LockError};
use crate::process;

/// The variable in an agent's environment that names its run.
pub const RUN_MARKER: &str = "JRUN_ID";

/// A run slot that this process holds.
#[derive(Debug)]
pub struct Slot {
    number: u32,
    lock: HeldLock,
}

/// Why slots could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SlotError {
    /// A slot file could not be opened or locked.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A slot file could not be read or written.
    #[error("could not use run slot {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: std::io::Error,
    },
}

impl Slot {
    /// Takes a free slot of `limit` for `run`; `None` if all are taken.
    pub fn try_take(root: &Root, limit: u32, run: &RunId) -> Result<Option<Self>, SlotError> {
        let folder = root.conductor_folder().join("slots");
        root.ensure_own_folder("slots")
            .map_err(|source| SlotError::Io {
                path: folder.clone(),
                source,
            })?;
        for number in 0..limit {
            let path = folder.join(number.to_string());
            let lock = match HeldLock::acquire(&path, Mode::Private, Duration::ZERO) {
                Ok(lock) => lock,
                Err(e) if e.is_timeout() => continue,
                Err(e) => return Err(e.into()),
            };
            let slot = Self { number, lock };
            let earlier = slot.read().map_err(|source| SlotError::Io {
                path: path.clone(),
                source,
            })?;
            if earlier.is_some_and(|earlier| earlier != *run && has_processes(&earlier)) {
                continue;
            }
            slot.write(run.as_str())
                .map_err(|source| SlotError::Io { path, source })?;
            return Ok(Some(slot));
        }
        Ok(None)
    }

    /// Returns the slot's number, from 0.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Gives the slot back. A slot that is merely dropped stays taken as long as
    /// a process of its run lives.
    pub fn release(self) -> std::io::Result<()> {
        self.write("")
    }

    fn read(&self) -> std::io::Result<Option<RunId>> {
        if !self.lock.file().metadata()?.is_file() {
            return Err(std::io::Error::other("not a regular file"));
        }
        let mut text = String::new();
        std::fs::File::open(self.lock.path())?
            .take(1024)
            .read_to_string(&mut text)?;
        Ok(text
            .lines()
            .next()
            .and_then(|line| RunId::parse(line.trim()).ok()))
    }

    fn write(&self, run: &str) -> std::io::Result<()> {
        // The lock's own handle appends only; a second handle does not disturb a flock.
        let file = std::fs::File::options()
            .write(true)
            .open(self.lock.path())?;
        // No process outlives the machine, so nothing is left to name after a loss of power.
        durable::overwrite(&file, format!("{run}\n").as_bytes())
    }
}

/// Tells whether any process carries the marker of `run` in its environment.
pub fn has_processes(run: &RunId) -> bool {
    !processes_of(run).is_empty()
}

/// The runs that have processes, looked up when it is first asked for.
///
/// For one look at many runs: the processes are walked once.
#[derive(Debug, Default)]
pub(crate) struct LiveRuns(OnceCell<HashSet<String>>);

impl LiveRuns {
    /// Tells whether any process carried the marker of `run` at the first question.
    pub(crate) fn has(&self, run: &RunId) -> bool {
        let marks = self.0.get_or_init(|| {
            let pids = process::all_pids().unwrap_or_default().into_iter();
            // What has ended has no environment any more.
            pids.filter_map(|pid| process::environment_value(pid, RUN_MARKER))
                .collect()
        });
        marks.contains(run.as_str())
    }
}

/// Returns the live processes that carry the marker of `run` in their environment.
///
/// Finds agents whose pid was never recorded, and descendants that left their
/// group and session; processes that cleared their environment are not found.
pub fn processes_of(run: &RunId) -> Vec<process::ProcessIdentity> {
    let Ok(pids) = process::all_pids() else {
        return Vec::new();
    };
    pids.into_iter()
        .filter(|&pid| process::environment_value(pid, RUN_MARKER).as_deref() == Some(run.as_str()))
        .filter_map(|pid| process::ProcessIdentity::of(pid).ok().flatten())
        .filter(process::ProcessIdentity::is_alive)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(n: u32) -> RunId {
        RunId::parse(&format!("20260101-0000000000-1-{n}")).unwrap()
    }

    #[test]
    fn no_more_slots_than_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(folder.path()).unwrap();
        let first = Slot::try_take(&root, 2, &run(1)).unwrap().unwrap();
        let second = Slot::try_take(&root, 2, &run(2)).unwrap().unwrap();
        assert_eq!((first.number(), second.number()), (0, 1));
        assert!(Slot::try_take(&root, 2, &run(3)).unwrap().is_none());
        first.release().unwrap();
        assert_eq!(
            Slot::try_take(&root, 2, &run(3)).unwrap().unwrap().number(),
            0
        );
    }

    #[test]
    fn links_are_refused_and_pipes_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(&folder.path().join("root")).unwrap();
        root.ensure().unwrap();
        let outside = folder.path().join("outside");
        std::fs::create_dir(&outside).unwrap();
        let own = root.conductor_folder();
        let refuse = || {
            let error = Slot::try_take(&root, 1, &run(1)).unwrap_err();
            let cause = std::error::Error::source(&error).unwrap().to_string();
            assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
            cause
        };
        std::os::unix::fs::symlink(&outside, &own).unwrap();
        assert!(refuse().contains("is a symbolic link"));
        std::fs::remove_file(&own).unwrap();
        std::fs::create_dir(&own).unwrap();
        std::os::unix::fs::symlink(&outside, own.join("slots")).unwrap();
        assert!(refuse().contains("is a symbolic link"));
        std::fs::remove_file(own.join("slots")).unwrap();
        std::fs::create_dir(own.join("slots")).unwrap();
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(
            rustix::fs::CWD,
            own.join("slots/0"),
            rustix::fs::FileType::Fifo,
            mode,
            0,
        )
        .unwrap();
        assert_eq!(refuse(), "not a regular file");
    }

    #[test]
    fn a_slot_stays_taken_while_a_process_of_its_run_lives() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(folder.path()).unwrap();
        let run_id = RunId::generate(jiff::Timestamp::UNIX_EPOCH);
        let slot = Slot::try_take(&root, 1, &run_id).unwrap().unwrap();
        #[expect(
            clippy::disallowed_methods,
            reason = "an agent that outlives its supervisor"
        )]
        let mut agent = std::process::Command::new("sleep")
            .arg("600")
            .env(RUN_MARKER, run_id.as_str())
            .spawn()
            .unwrap();
        drop(slot);
        assert!(
            Slot::try_take(&root, 1, &run(9)).unwrap().is_none(),
            "the agent still runs"
        );
        let live = LiveRuns::default();
        assert!(live.has(&run_id) && !live.has(&run(9)));
        agent.kill().unwrap();
        agent.wait().unwrap();
        assert!(!LiveRuns::default().has(&run_id));
        assert!(Slot::try_take(&root, 1, &run(9)).unwrap().is_some());
    }
}
