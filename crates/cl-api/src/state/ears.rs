//! Who waits for something to happen in which folders.
//!
//! The one notifier of the index rings for everybody. A folder that somebody listens at is
//! watched for as long as that lasts, and by the keeper's thread, so that nobody who waits
//! needs a lock that is held while files are read. Until it is, and where the system has no
//! more watches, [`Ear::is_told`] says that one must look from time to time.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cl_storage::layout::{PROJECT_BUS, TASK_BUS};
use tokio::sync::Notify;

use super::watches::{Event, Watches};

/// Everybody who waits.
#[derive(Debug, Default)]
pub(crate) struct Ears {
    folders: Mutex<HashMap<Arc<Path>, Listened>>,
    /// Those who hear of every bus.
    bus_bells: Mutex<Vec<Arc<Bell>>>,
    /// Folders came or went since the keeper looked.
    is_changed: AtomicBool,
}

/// A folder that somebody listens at.
#[derive(Debug, Default)]
struct Listened {
    bells: Vec<Arc<Bell>>,
    is_watched: bool,
}

/// What wakes one who waits.
#[derive(Debug, Default)]
struct Bell {
    rung: Mutex<BTreeSet<Arc<Path>>>,
    notify: Notify,
}

impl Bell {
    fn ring(&self, path: &Arc<Path>) {
        let is_new = lock(&self.rung).insert(Arc::clone(path));
        if is_new {
            self.notify.notify_one();
        }
    }
}

impl Ears {
    /// Tells of a change at `path`; never waits for more than a moment.
    pub(super) fn ring(&self, path: &Path) {
        {
            let folders = lock(&self.folders);
            if !folders.is_empty() {
                for folder in [path.parent(), Some(path)].into_iter().flatten() {
                    if let Some((folder, listened)) = folders.get_key_value(folder) {
                        listened.bells.iter().for_each(|bell| bell.ring(folder));
                    }
                }
            }
        }
        let is_bus = path
            .file_name()
            .is_some_and(|name| name == TASK_BUS || name == PROJECT_BUS);
        if is_bus {
            let bells = lock(&self.bus_bells);
            if !bells.is_empty() {
                let path: Arc<Path> = path.into();
                bells.iter().for_each(|bell| bell.ring(&path));
            }
        }
    }

    /// Says that anything may have happened.
    pub(super) fn ring_all(&self) {
        for (folder, listened) in &*lock(&self.folders) {
            listened.bells.iter().for_each(|bell| bell.ring(folder));
        }
    }

    /// Tells, once, whether folders came or went.
    pub(super) fn take_changed(&self) -> bool {
        self.is_changed.swap(false, Ordering::AcqRel)
    }

    /// Watches what is listened at and nothing else for that reason.
    ///
    /// Rings for folders that are newly watched: what happened before was told by nobody.
    pub(super) fn settle(&self, watches: &mut Watches) {
        let wanted: HashSet<PathBuf> = (lock(&self.folders).keys())
            .map(|folder| folder.to_path_buf())
            .collect();
        watches.hold_only(&wanted);
        for (folder, listened) in &mut *lock(&self.folders) {
            let is_watched = watches.is_watched(folder);
            if is_watched && !listened.is_watched {
                listened.bells.iter().for_each(|bell| bell.ring(folder));
            }
            listened.is_watched = is_watched;
        }
    }
}

/// One who waits for something to happen in some folders; stops listening when dropped.
#[derive(Debug)]
pub(crate) struct Ear {
    ears: Arc<Ears>,
    bell: Arc<Bell>,
    own: HashSet<Arc<Path>>,
    keeper: SyncSender<Event>,
}

impl Ear {
    pub(super) fn new(ears: Arc<Ears>, keeper: SyncSender<Event>) -> Self {
        Self {
            ears,
            bell: Arc::default(),
            own: HashSet::new(),
            keeper,
        }
    }

    /// Listens at `folder`, too; what happened before is not told.
    pub(crate) fn listen(&mut self, folder: &Path) {
        if self.own.contains(folder) {
            return;
        }
        let mut folders = lock(&self.ears.folders);
        let key = match folders.get_key_value(folder) {
            Some((key, _)) => Arc::clone(key),
            None => folder.into(),
        };
        let listened = folders.entry(Arc::clone(&key)).or_default();
        listened.bells.push(Arc::clone(&self.bell));
        let is_new = !listened.is_watched;
        drop(folders);
        self.own.insert(key);
        if is_new {
            self.ears.is_changed.store(true, Ordering::Release);
            // One that has no room for it is awake.
            self.keeper.try_send(Event::Wake).unwrap_or_default();
        }
    }

    /// Hears of every bus whose folder is watched, too; its path is rung.
    pub(crate) fn listen_to_buses(&self) {
        lock(&self.ears.bus_bells).push(Arc::clone(&self.bell));
    }

    /// Listens at `folder` no more.
    pub(crate) fn leave(&mut self, folder: &Path) {
        if self.own.remove(folder) {
            self.ears.leave(folder, &self.bell);
        }
    }

    /// Tells whether all that happens is told; otherwise one must look from time to time.
    pub(crate) fn is_told(&self) -> bool {
        let folders = lock(&self.ears.folders);
        let is_watched = |folder: &Arc<Path>| folders.get(folder).is_some_and(|f| f.is_watched);
        self.own.iter().all(is_watched)
    }

    /// Waits until something happened, and returns where.
    ///
    /// Cancel safe: what is not returned is returned by the next call.
    pub(crate) async fn rung(&self) -> BTreeSet<Arc<Path>> {
        loop {
            let heard = self.bell.notify.notified();
            let rung = std::mem::take(&mut *lock(&self.bell.rung));
            if !rung.is_empty() {
                return rung;
            }
            heard.await;
        }
    }
}

impl Ears {
    fn leave(&self, folder: &Path, bell: &Arc<Bell>) {
        let mut folders = lock(&self.folders);
        let Some(listened) = folders.get_mut(folder) else {
            return;
        };
        listened.bells.retain(|other| !Arc::ptr_eq(other, bell));
        if listened.bells.is_empty() {
            folders.remove(folder);
            // The keeper finds out when it wakes anyway.
            self.is_changed.store(true, Ordering::Release);
        }
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        for folder in &self.own {
            self.ears.leave(folder, &self.bell);
        }
        lock(&self.ears.bus_bells).retain(|other| !Arc::ptr_eq(other, &self.bell));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing in it is ever half changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
