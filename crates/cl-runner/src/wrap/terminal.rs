//! The user's terminal in raw mode, and a new one for the session.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize};

/// A terminal whose two ends are in our hands.
#[derive(Debug)]
pub(super) struct Pair {
    /// Our end: what is written here was typed, what is read here is shown.
    pub(super) master: File,
    /// The session's end.
    pub(super) slave: File,
}

impl Pair {
    /// Opens a new terminal of the size and with the settings of ours.
    pub(super) fn like_ours() -> io::Result<Self> {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let name = ptsname(&master, Vec::new())?;
        let name = name.into_string().map_err(io::Error::other)?;
        let flags = rustix::fs::OFlags::NOCTTY.bits().cast_signed();
        let slave = {
            use std::os::unix::fs::OpenOptionsExt as _;
            File::options()
                .read(true)
                .write(true)
                .custom_flags(flags)
                .open(name)?
        };
        if let Ok(settings) = tcgetattr(io::stdin()) {
            tcsetattr(&slave, OptionalActions::Now, &settings)?;
        }
        let pair = Self {
            master: master.into(),
            slave,
        };
        resize(&pair.master);
        Ok(pair)
    }
}

/// Gives the session's terminal the size of ours.
pub(super) fn resize(master: impl AsFd) {
    if let Ok(size) = tcgetwinsize(io::stdin()) {
        // A session that has ended needs no size.
        tcsetwinsize(master, size).unwrap_or_default();
    }
}

/// Our terminal in raw mode; as it was again when this is dropped, also by a panic.
#[derive(Debug)]
pub(super) struct RawMode {
    before: Termios,
}

impl RawMode {
    /// Hands every key to the session: lines, signals and echo are its own affair.
    pub(super) fn enter() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(io::stdin(), OptionalActions::Now, &raw)?;
        Ok(Self { before })
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        // A terminal that has hung up has no settings to restore.
        tcsetattr(io::stdin(), OptionalActions::Now, &self.before).unwrap_or_default();
    }
}
