//! The server that is at work on a root: its lock, and the file that says where it listens.
//!
//! A server that changes things holds `<root>/.conductor/server.lock` for its life, so that
//! two never launch what is queued. Where it can be reached stands in `server.json` beside
//! it, which readers judge by the identity in it and never by the lock.
//!
//! ```text
//! claim:    lock server.lock -> listen -> write server.json     crash: lock gone, stale file
//! release:  remove server.json -> unlock                        crash: lock gone, no file
//! ```

use std::io::{self, Read as _};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;

use crate::Root;
use crate::durable::{self, Mode};
use crate::lock::{HeldLock, LockError};
use crate::process::{ProcessIdentity, ProcessStart};
use crate::record;

/// Format of `server.json` that this build writes.
const VERSION: u32 = 1;
/// Files with more in them are not ours.
const LARGEST: u64 = 64 * 1024;

/// A process as `server.json` names it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct NamedProcess {
    /// Its number.
    pub pid: i32,
    /// When it began.
    pub process_start: ProcessStart,
}

impl NamedProcess {
    /// Returns who it is.
    pub fn identity(&self) -> ProcessIdentity {
        ProcessIdentity {
            pid: self.pid,
            start: self.process_start.clone(),
        }
    }
}

impl From<ProcessIdentity> for NamedProcess {
    fn from(identity: ProcessIdentity) -> Self {
        Self {
            pid: identity.pid,
            process_start: identity.start,
        }
    }
}

/// The content of `server.json`. Readers of a newer version take the keys they know.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ServerRecord {
    /// Format of the file.
    pub version: u32,
    /// Process id of the server.
    pub pid: i32,
    /// Start token of the server.
    pub process_start: ProcessStart,
    /// Where the API is, with a slash at the end.
    pub api_url: String,
    /// Where the web UI is.
    pub ui_url: String,
    /// Which version of the program it is.
    pub program_version: String,
    /// When it began to listen.
    pub started_at: Timestamp,
    /// The process that starts it again when it fails.
    pub keeper: Option<NamedProcess>,
}

impl ServerRecord {
    /// Describes the server that this process is.
    pub fn of_this_process(
        process: ProcessIdentity,
        urls: (String, String),
        program_version: String,
        started_at: Timestamp,
        keeper: Option<ProcessIdentity>,
    ) -> Self {
        Self {
            version: VERSION,
            pid: process.pid,
            process_start: process.start,
            api_url: urls.0,
            ui_url: urls.1,
            program_version,
            started_at,
            keeper: keeper.map(NamedProcess::from),
        }
    }

    /// Reads which server was last at work on `root`; none if it has ended as it should.
    ///
    /// It may be dead: look at [`Self::is_alive`]. Fails with `InvalidData` for a damaged file.
    pub fn read(root: &Root) -> io::Result<Option<Self>> {
        let text = record::read_text(&record_path(root)).map_err(io::Error::other)?;
        let Some(text) = text else { return Ok(None) };
        let record = serde_json::from_str(&text)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        Ok(Some(record))
    }

    /// Returns the identity of the server's process.
    pub fn identity(&self) -> ProcessIdentity {
        ProcessIdentity {
            pid: self.pid,
            start: self.process_start.clone(),
        }
    }

    /// Tells whether the server's process is alive.
    pub fn is_alive(&self) -> bool {
        self.identity().is_alive()
    }
}

/// What clients look at in `server.json`.
#[derive(serde::Deserialize)]
struct Address {
    api_url: String,
}

/// Reads where the server of `root` listens; none if no file of this user says so.
///
/// Clients show their key there, so what another user has put in its place is nobody's word.
/// Only the address is looked at: a file of any version will do. Fails with `InvalidData` for
/// a damaged file.
pub fn own_address(root: &Root) -> io::Result<Option<String>> {
    let file = match durable::open_real(&record_path(root)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    if !durable::is_own(&file)? {
        return Ok(None);
    }
    let mut text = String::new();
    file.take(LARGEST).read_to_string(&mut text)?;
    let address: Address = serde_json::from_str(&text)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    Ok(Some(address.api_url))
}

/// Where the log of a server in the background is kept.
pub fn log_path(root: &Root) -> PathBuf {
    root.conductor_folder().join("log").join("server.log")
}

/// Makes the folder of [`log_path`], for its user alone.
pub fn ensure_log_folder(root: &Root) -> io::Result<()> {
    root.ensure_own_folder("log")
}

/// Where the server of `root` says where it listens.
pub fn record_path(root: &Root) -> PathBuf {
    root.conductor_folder().join("server.json")
}

/// The right to be the server of a root; ends when dropped or when the process dies.
#[derive(Debug)]
pub struct ServerClaim {
    root: Root,
    is_announced: AtomicBool,
    lock: HeldLock,
}

impl ServerClaim {
    /// Makes the root if it is missing and becomes its server; waits for `wait` at the most.
    ///
    /// # Errors
    ///
    /// A timeout if there is another one, see [`LockError::is_timeout`].
    pub fn take(root: &Root, wait: Duration) -> Result<Self, LockError> {
        let lock_path = root.conductor_folder().join("server.lock");
        let io = |source| LockError::Io {
            path: lock_path.clone(),
            source,
        };
        root.ensure().map_err(io::Error::other).map_err(io)?;
        root.ensure_conductor_folder().map_err(io)?;
        Ok(Self {
            root: root.clone(),
            is_announced: AtomicBool::new(false),
            lock: HeldLock::acquire(&lock_path, Mode::Private, wait)?,
        })
    }

    /// Says where the server is; returns after that is on disk.
    pub fn announce(&self, record: &ServerRecord) -> io::Result<()> {
        let mut text = serde_json::to_vec_pretty(record)?;
        text.push(b'\n');
        durable::replace(&record_path(&self.root), &text, Mode::Private)?;
        self.is_announced.store(true, Ordering::Release);
        Ok(())
    }

    /// Tells whether the lock is still where it was taken.
    ///
    /// If not, the root was removed, moved or replaced, and what is at its place may have
    /// another server. Looks at the disk.
    pub fn is_in_place(&self) -> bool {
        self.lock.is_in_place()
    }
}

impl Drop for ServerClaim {
    fn drop(&mut self) {
        // What is not in its place any more may have the file of another server.
        if self.is_announced.load(Ordering::Acquire) && self.is_in_place() {
            // A file that stays is stale, which its readers see.
            durable::remove(&record_path(&self.root)).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> ServerRecord {
        ServerRecord::of_this_process(
            ProcessIdentity::current().unwrap(),
            ("http://a/".into(), "http://a/ui/".into()),
            "1.2.3".into(),
            "2026-02-03T04:05:06Z".parse().unwrap(),
            None,
        )
    }

    #[test]
    fn there_is_one_server_and_its_file_goes_with_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(&folder.path().join("new")).unwrap();
        let first = ServerClaim::take(&root, Duration::ZERO).unwrap();
        let second = ServerClaim::take(&root, Duration::ZERO);
        assert!(second.is_err_and(|error| error.is_timeout()));
        assert_eq!(ServerRecord::read(&root).unwrap(), None);
        first.announce(&record()).unwrap();
        let mode = |path: PathBuf| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(record_path(&root)), 0o600);
        assert_eq!(mode(root.path().to_owned()), 0o700);
        let read = ServerRecord::read(&root).unwrap().unwrap();
        assert_eq!(read, record());
        assert!(read.is_alive());
        drop(first);
        assert_eq!(ServerRecord::read(&root).unwrap(), None);
        ServerClaim::take(&root, Duration::ZERO).unwrap();
    }

    #[test]
    fn newer_files_are_read_and_damaged_ones_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(folder.path()).unwrap();
        let claim = ServerClaim::take(&root, Duration::ZERO).unwrap();
        claim.announce(&record()).unwrap();
        let text = std::fs::read_to_string(record_path(&root)).unwrap();
        let newer = text.replacen("\"version\": 1,", "\"version\": 2, \"more\": 3,", 1);
        std::fs::write(record_path(&root), newer).unwrap();
        assert_eq!(ServerRecord::read(&root).unwrap().unwrap().version, 2);
        assert_eq!(own_address(&root).unwrap().unwrap(), record().api_url);
        std::fs::write(record_path(&root), "{\"api_url\": \"http://b/\"}").unwrap();
        assert_eq!(own_address(&root).unwrap().unwrap(), "http://b/");
        std::fs::write(record_path(&root), "{").unwrap();
        let error = ServerRecord::read(&root).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        let error = own_address(&root).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        drop(claim);
        std::fs::remove_file(record_path(&root)).ok();
        assert_eq!(own_address(&root).unwrap(), None);
    }
}
