//! What is still to be told to others: `<root>/.conductor/spool/`.
//!
//! ```text
//! spool/deliveries/<id>.json   one delivery each, 0600; removed when it has arrived
//! spool/dead/<id>.json         those that were given up, the latest [`MOST_DEAD`]
//! spool/sender.lock            kernel lock of the one sender
//! spool/sender.yaml            who the sender is
//! ```
//!
//! A delivery is written by whoever makes the event, before the event is
//! acknowledged, and changed and removed by the holder of the lock alone. Its id is
//! made from what it tells, so writing it again after a crash changes nothing. It
//! holds no address and no secret: it says which settings to look them up in when it
//! is sent. A sender that dies between a delivery and its removal delivers it again
//! under the same id.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use crate::digest::sha256_hex;
use crate::durable::{self, Mode};
use crate::id::{ProjectId, TaskId};
use crate::layout::Root;
use crate::lock::HeldLock;
use crate::process::{ProcessIdentity, ProcessStart};
use crate::record;

/// The version of the format that this build reads and writes.
const VERSION: u32 = 1;

/// More than this waits only if nobody has been told of anything for a long time.
pub const MOST_DELIVERIES: usize = 10_000;

/// How many given up deliveries are kept.
pub const MOST_DEAD: usize = 100;

/// A larger file is none of ours.
const LARGEST: u64 = 1024 * 1024;

/// How something is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// By a request to the configured address.
    Webhook,
    /// By running the configured command.
    Command,
}

impl Target {
    /// Returns the word used in files and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Command => "command",
        }
    }
}

/// One event on its way to one receiver.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Delivery {
    /// Format of the file.
    pub version: u32,
    /// The same for every try; see [`delivery_id`].
    pub id: String,
    /// How it is told.
    pub target: Target,
    /// The configuration file that says where to.
    pub config: PathBuf,
    /// The project, for what is told about the delivery itself.
    pub project: ProjectId,
    /// The task.
    pub task: TaskId,
    /// When the event happened.
    pub created_at: Timestamp,
    /// Tries that failed.
    #[serde(default)]
    pub tries: u32,
    /// Not before.
    pub next_at: Timestamp,
    /// Why the last try failed, without secrets.
    #[serde(default)]
    pub last_error: String,
    /// The event, a JSON object.
    pub payload: serde_json::Value,
}

impl Delivery {
    /// Returns a delivery that was not tried yet.
    pub fn new(
        id: String,
        target: Target,
        config: PathBuf,
        (project, task): (ProjectId, TaskId),
        now: Timestamp,
        payload: serde_json::Value,
    ) -> Self {
        Self {
            version: VERSION,
            id,
            target,
            config,
            project,
            task,
            created_at: now,
            tries: 0,
            next_at: now,
            last_error: String::new(),
            payload,
        }
    }
}

/// Makes an id in the form of a UUID (version 8) from what identifies an event.
pub fn delivery_id(parts: &[&str]) -> String {
    let hex = sha256_hex(parts.join("\0").as_bytes());
    let variant = match hex.as_bytes()[16] {
        b'0' | b'4' | b'8' | b'c' => '8',
        b'1' | b'5' | b'9' | b'd' => '9',
        b'2' | b'6' | b'a' | b'e' => 'a',
        _ => 'b',
    };
    let part = |from: usize, to: usize| &hex[from..to];
    format!(
        "{}-{}-8{}-{variant}{}-{}",
        part(0, 8),
        part(8, 12),
        part(13, 16),
        part(17, 20),
        part(20, 32)
    )
}

/// What is in the spool at one moment.
#[derive(Debug, Default)]
pub struct Listing {
    /// What is to be delivered, the oldest first.
    pub waiting: Vec<Delivery>,
    /// Files that hold no delivery, by their content, name or type.
    pub damaged: Vec<PathBuf>,
    /// How many are of a newer build, and wait for a sender that understands them.
    pub newer: usize,
    /// Files that could not be read now, and why; they may be fine.
    pub unreadable: Vec<(PathBuf, io::Error)>,
}

impl Listing {
    /// Returns whether there is nothing that this build could do.
    pub fn is_done(&self) -> bool {
        self.waiting.is_empty() && self.damaged.is_empty()
    }
}

/// The spool of one root.
#[derive(Debug, Clone)]
pub struct Spool {
    root: Root,
}

impl Spool {
    /// Returns the spool of `root`, which may not exist yet.
    pub fn of(root: &Root) -> Self {
        Self { root: root.clone() }
    }

    fn folder(&self) -> PathBuf {
        self.root.conductor_folder().join("spool")
    }

    fn deliveries(&self) -> PathBuf {
        self.folder().join("deliveries")
    }

    fn dead(&self) -> PathBuf {
        self.folder().join("dead")
    }

    /// Makes the folders; a link in their place is refused.
    fn ensure(&self) -> io::Result<()> {
        self.root.ensure_own_folder("spool")?;
        for folder in [self.deliveries(), self.dead()] {
            if std::fs::symlink_metadata(&folder).is_ok_and(|meta| !meta.is_dir()) {
                return Err(io::Error::other(format!(
                    "{} is no folder",
                    folder.display()
                )));
            }
            durable::create_folders(&folder, Mode::Private)?;
        }
        Ok(())
    }

    /// Adds a delivery; one that is there, or was given up, stays as it is.
    ///
    /// Returns after it is on disk. Fails if too many wait already.
    pub fn put(&self, delivery: &Delivery) -> io::Result<()> {
        self.ensure()?;
        let name = file_name(&delivery.id)?;
        if self.dead().join(&name).exists() {
            return Ok(());
        }
        if names(&self.deliveries())?.len() >= MOST_DELIVERIES {
            return Err(io::Error::other(format!(
                "{MOST_DELIVERIES} notifications wait already"
            )));
        }
        let text = to_text(delivery)?;
        match durable::create_new(&self.deliveries().join(name), &text, Mode::Private) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        }
    }

    /// Returns whether anything waits.
    pub fn is_empty(&self) -> bool {
        names(&self.deliveries()).is_ok_and(|names| names.is_empty())
    }

    /// Returns what waits, the oldest first, and what is beside it.
    ///
    /// Fails if the folder cannot be read; a file that cannot be is in the listing.
    pub fn list(&self) -> io::Result<Listing> {
        self.list_by(content)
    }

    fn list_by(
        &self,
        content: impl Fn(&Path) -> io::Result<Option<Vec<u8>>>,
    ) -> io::Result<Listing> {
        let mut listing = Listing::default();
        for name in names(&self.deliveries())? {
            let path = self.deliveries().join(&name);
            match content(&path).map(|text| text.map_or(Found::Damaged, |text| parse(&name, &text)))
            {
                Ok(Found::Delivery(delivery)) => listing.waiting.push(*delivery),
                Ok(Found::Newer) => listing.newer += 1,
                Ok(Found::Damaged) => listing.damaged.push(path),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                // It may pass, and says nothing about what the file holds.
                Err(error) => listing.unreadable.push((path, error)),
            }
        }
        let age = |delivery: &Delivery| (delivery.created_at, delivery.id.clone());
        listing.waiting.sort_by_key(age);
        Ok(listing)
    }

    /// Replaces a delivery. Only for the holder of the lock.
    pub fn update(&self, delivery: &Delivery) -> io::Result<()> {
        let path = self.deliveries().join(file_name(&delivery.id)?);
        durable::replace(&path, &to_text(delivery)?, Mode::Private)
    }

    /// Removes a delivery that has arrived. Only for the holder of the lock.
    pub fn remove(&self, delivery: &Delivery) -> io::Result<()> {
        durable::remove(&self.deliveries().join(file_name(&delivery.id)?))
    }

    /// Gives a delivery up. Only for the holder of the lock.
    pub fn bury(&self, delivery: &Delivery) -> io::Result<()> {
        self.ensure()?;
        let name = file_name(&delivery.id)?;
        durable::replace(&self.dead().join(name), &to_text(delivery)?, Mode::Private)?;
        self.remove(delivery)?;
        self.forget_oldest_dead()
    }

    fn forget_oldest_dead(&self) -> io::Result<()> {
        let mut dead: Vec<_> = names(&self.dead())?
            .into_iter()
            .map(|name| self.dead().join(name))
            .filter_map(|path| Some((path.metadata().ok()?.modified().ok()?, path)))
            .collect();
        dead.sort();
        let extra = dead.len().saturating_sub(MOST_DEAD);
        dead.iter()
            .take(extra)
            .try_for_each(|(_, path)| durable::discard(path))
    }

    /// Sets a file aside that is no delivery. Only for the holder of the lock.
    pub fn set_aside(&self, path: &Path) -> io::Result<()> {
        let Some(name) = path.file_name() else {
            return Ok(());
        };
        durable::rename(path, &self.dead().join(name))
    }

    /// Takes the lock of the one sender, waiting at most `wait` for it; `None` if
    /// another one has it.
    pub fn lock(&self, wait: Duration) -> io::Result<Option<HeldLock>> {
        let path = self.folder().join("sender.lock");
        self.ensure()?;
        match HeldLock::acquire(&path, Mode::Private, wait) {
            Ok(lock) => Ok(Some(lock)),
            Err(error) if error.is_timeout() => Ok(None),
            Err(error) => Err(io::Error::other(error)),
        }
    }

    /// Returns the live sender, if there is one.
    pub fn sender(&self) -> Option<ProcessIdentity> {
        let path = self.folder().join("sender.yaml");
        let found: SenderRecord = record::read(&path, VERSION).ok()??;
        let sender = ProcessIdentity {
            pid: found.pid,
            start: found.process_start,
        };
        sender.is_alive().then_some(sender)
    }

    /// Names this process as the sender. Only for the holder of the lock.
    pub fn announce(&self) -> io::Result<()> {
        let ProcessIdentity { pid, start } = ProcessIdentity::current()?;
        let sender = SenderRecord {
            version: VERSION,
            pid,
            process_start: start,
        };
        let path = self.folder().join("sender.yaml");
        record::write(&path, &sender, Mode::Private).map_err(io::Error::other)
    }

    /// Takes the announcement back. Only for the holder of the lock.
    pub fn withdraw(&self) -> io::Result<()> {
        durable::remove(&self.folder().join("sender.yaml"))
    }
}

#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct SenderRecord {
    version: u32,
    pid: i32,
    process_start: ProcessStart,
}

/// An id is part of a path, so only what [`delivery_id`] makes is one.
fn file_name(id: &str) -> io::Result<String> {
    let is_id = id.len() == 36
        && id
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b) || b == b'-');
    if is_id {
        Ok(format!("{id}.json"))
    } else {
        Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "not the id of a delivery",
        ))
    }
}

fn names(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if Path::new(&name)
            .extension()
            .is_some_and(|end| end == "json")
        {
            names.push(name);
        }
    }
    Ok(names)
}

fn to_text(delivery: &Delivery) -> io::Result<Vec<u8>> {
    let mut text = serde_json::to_vec(delivery)?;
    text.push(b'\n');
    Ok(text)
}

/// What a file of the folder holds.
enum Found {
    Delivery(Box<Delivery>),
    /// A newer build's: it is for a sender that understands it.
    Newer,
    Damaged,
}

/// Reads a file of the folder; `None` if it is no regular one.
fn content(path: &Path) -> io::Result<Option<Vec<u8>>> {
    use std::io::Read as _;
    if !path.symlink_metadata()?.is_file() {
        return Ok(None);
    }
    let mut text = Vec::new();
    std::fs::File::open(path)?
        .take(LARGEST)
        .read_to_end(&mut text)?;
    Ok(Some(text))
}

fn parse(name: &str, text: &[u8]) -> Found {
    let Ok(value) = serde_json::from_slice::<serde_json::Value>(text) else {
        return Found::Damaged;
    };
    if value["version"]
        .as_u64()
        .is_some_and(|found| found > VERSION.into())
    {
        return Found::Newer;
    }
    match serde_json::from_value::<Delivery>(value) {
        Ok(delivery) if file_name(&delivery.id).is_ok_and(|right| right == name) => {
            Found::Delivery(Box::new(delivery))
        }
        _ => Found::Damaged,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spool() -> (tempfile::TempDir, Spool) {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(folder.path()).unwrap();
        (folder, Spool::of(&root))
    }

    fn delivery(key: &str, second: i64) -> Delivery {
        let now = Timestamp::from_second(second).unwrap();
        let project = ProjectId::parse("p").unwrap();
        let task = TaskId::parse("task-20260101-000000-abc").unwrap();
        let payload = serde_json::json!({"event": "done"});
        let id = delivery_id(&[key]);
        Delivery::new(
            id,
            Target::Webhook,
            "/c.yaml".into(),
            (project, task),
            now,
            payload,
        )
    }

    #[test]
    fn ids_are_uuids_made_from_what_they_name() {
        let id = delivery_id(&["a", "b"]);
        assert_eq!(id, delivery_id(&["a", "b"]));
        assert_ne!(id, delivery_id(&["ab", ""]));
        let parts: Vec<usize> = id.split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12]);
        assert_eq!(&id[14..15], "8", "{id}");
        assert!(matches!(&id[19..20], "8" | "9" | "a" | "b"), "{id}");
    }

    #[test]
    fn what_is_put_twice_is_there_once_and_in_order() {
        let (_folder, spool) = spool();
        assert!(spool.is_empty());
        let (late, early) = (delivery("late", 20), delivery("early", 10));
        for one in [&late, &early, &late] {
            spool.put(one).unwrap();
        }
        let listing = spool.list().unwrap();
        assert_eq!(listing.waiting, [early.clone(), late.clone()]);
        assert_eq!(listing.damaged, Vec::<PathBuf>::new());
        let tried = Delivery {
            tries: 2,
            last_error: "x".to_owned(),
            ..early.clone()
        };
        spool.update(&tried).unwrap();
        spool.put(&early).unwrap();
        assert_eq!(
            spool.list().unwrap().waiting[0],
            tried,
            "a second put forgets nothing"
        );
        spool.remove(&late).unwrap();
        spool.bury(&tried).unwrap();
        spool.put(&early).unwrap();
        assert!(spool.is_empty(), "what was given up does not come back");
    }

    #[test]
    fn files_are_private_and_foreign_ones_do_no_harm() {
        use std::os::unix::fs::PermissionsExt as _;
        let (_folder, spool) = spool();
        let one = delivery("x", 1);
        spool.put(&one).unwrap();
        let path = spool.deliveries().join(file_name(&one.id).unwrap());
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        for (name, text) in [
            ("junk.json", "{"),
            ("newer.json", "{\"version\": 9}"),
            ("note", ""),
        ] {
            std::fs::write(spool.deliveries().join(name), text).unwrap();
        }
        let listing = spool.list().unwrap();
        assert_eq!(listing.waiting, std::slice::from_ref(&one));
        assert_eq!((listing.damaged.len(), listing.newer), (1, 1));
        spool.set_aside(&listing.damaged[0]).unwrap();
        spool.remove(&one).unwrap();
        let listing = spool.list().unwrap();
        assert_eq!(listing.damaged, Vec::<PathBuf>::new());
        assert!(listing.is_done() && !spool.is_empty());
        let escape = Delivery {
            id: "../../x".to_owned(),
            ..one
        };
        assert!(spool.put(&escape).is_err());
    }

    #[test]
    fn what_cannot_be_read_now_is_not_damaged() {
        let (_folder, spool) = spool();
        let (good, bad) = (delivery("good", 1), delivery("bad", 2));
        spool.put(&good).unwrap();
        spool.put(&bad).unwrap();
        let hidden = spool.deliveries().join(file_name(&bad.id).unwrap());
        let listing = spool.list_by(|path| {
            if path == hidden {
                return Err(rustix::io::Errno::IO.into());
            }
            content(path)
        });
        let listing = listing.unwrap();
        assert_eq!(listing.waiting, [good]);
        assert_eq!(listing.damaged, Vec::<PathBuf>::new());
        assert_eq!(listing.unreadable[0].0, hidden);
        assert_eq!(spool.list().unwrap().waiting.len(), 2, "it has passed");
    }

    #[test]
    fn one_sender_at_a_time_is_known() {
        let (_folder, spool) = spool();
        let lock = spool.lock(Duration::ZERO).unwrap().unwrap();
        assert!(spool.lock(Duration::ZERO).unwrap().is_none());
        assert_eq!(spool.sender(), None);
        spool.announce().unwrap();
        assert_eq!(spool.sender().unwrap(), ProcessIdentity::current().unwrap());
        spool.withdraw().unwrap();
        assert_eq!(spool.sender(), None);
        drop(lock);
    }
}
