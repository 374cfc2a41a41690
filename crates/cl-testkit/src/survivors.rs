//! Proof that nothing is left of a tree of processes.
//!
//! A process can hide from every look into the process table, but not from a
//! pipe that it inherited: the reading end sees the end of the pipe only when
//! the last holder of the writing end is gone.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags};

use crate::patience;

/// A named pipe whose writing end a tree of processes inherits.
#[derive(Debug)]
pub struct Survivors {
    path: PathBuf,
    reader: File,
}

impl Survivors {
    /// Makes the pipe at `path`. Whoever opens it for writing counts, and
    /// everything that inherits it.
    pub fn new(path: &Path) -> Self {
        rustix::fs::mkfifoat(CWD, path, Mode::RUSR | Mode::WUSR).expect("a free path");
        let reader = File::options()
            .read(true)
            .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
            .open(path)
            .expect("the pipe that was just made");
        Self {
            path: path.to_owned(),
            reader,
        }
    }

    /// Returns where to open it for writing.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Tells whether any process holds the writing end now.
    pub fn exist(&self) -> bool {
        let mut buffer = [0; 4096];
        loop {
            match (&self.reader).read(&mut buffer) {
                Ok(0) => return false,
                Ok(_) => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => return true,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => panic!("{}: {e}", self.path.display()),
            }
        }
    }

    /// Waits until a process holds the writing end.
    #[track_caller]
    pub fn wait_for_one(&self) {
        patience::until("a process that holds the pipe", || self.exist());
    }

    /// Waits until nobody holds the writing end.
    #[track_caller]
    pub fn wait_for_none(&self) {
        patience::until("the end of all that hold the pipe", || !self.exist());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grandchild_that_left_its_session_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let survivors = Survivors::new(&folder.path().join("pipe"));
        assert!(!survivors.exist(), "before anybody opened it");
        let pid_file = folder.path().join("pid");
        let script = format!(
            "exec 9>{}; setsid sh -c 'echo $$ >{p}.new; mv {p}.new {p}; exec sleep 600' & exit",
            survivors.path().display(),
            p = pid_file.display()
        );
        #[expect(clippy::disallowed_methods, reason = "a process to be seen")]
        let mut shell = std::process::Command::new("sh");
        assert!(shell.args(["-c", &script]).status().unwrap().success());
        let pid = patience::eventually("the pid", || std::fs::read_to_string(&pid_file).ok());
        assert!(survivors.exist());
        let pid = rustix::process::Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        survivors.wait_for_none();
    }
}
