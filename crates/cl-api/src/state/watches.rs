//! Notifications about folders, and what to do when the system has no more of them.
//!
//! There is one notify instance. Folders are watched one by one, never with what is below
//! them. A notification is a hint: it says where to look again, and a lost one costs time.
//! When no more folders can be watched, those that are not are looked at again and again.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use cl_storage::durable::TEMPORARY_SUFFIX;
use cl_storage::layout::TASK_BUS;
use notify::event::{ModifyKind, RenameMode};
use notify::{EventKind, RecursiveMode, Watcher as _};

use super::ears::Ears;

/// After running out, it is tried again from time to time.
const RETRY_AFTER: Duration = Duration::from_mins(1);

/// Something that the keeper should do.
#[derive(Debug)]
pub(super) enum Event {
    /// Something changed at a path.
    Changed(PathBuf),
    /// Something is no longer at a path.
    Gone(PathBuf),
    /// A file that grows all the time has grown.
    Grown(PathBuf),
    /// Notifications were lost.
    Lost,
    /// Something was looked at that changes when it is time for the next look, or the index ends.
    Wake,
}

/// Where notifications go; never waits.
#[derive(Debug, Clone)]
pub(super) struct Sink {
    pub(super) events: SyncSender<Event>,
    /// There was no room for one.
    pub(super) is_full: Arc<AtomicBool>,
    /// Who else waits.
    pub(super) ears: Arc<Ears>,
}

impl Sink {
    fn tell(&self, event: Event) {
        if self.events.try_send(event).is_err() {
            // Whoever reads the channel finds this when it has room again.
            self.is_full.store(true, Ordering::Release);
        }
    }

    fn take(&self, event: notify::Result<notify::Event>) {
        let Ok(event) = event else {
            self.ears.ring_all();
            return self.tell(Event::Lost);
        };
        if event.need_rescan() {
            self.ears.ring_all();
            return self.tell(Event::Lost);
        }
        // Reading is told, too; looking because of that would never end.
        if event.kind.is_access() {
            return;
        }
        let is_content = matches!(event.kind, EventKind::Modify(ModifyKind::Data(_)));
        let from = EventKind::Modify(ModifyKind::Name(RenameMode::From));
        let is_gone = event.kind.is_remove() || event.kind == from;
        for path in event.paths {
            self.ears.ring(&path);
            match path.file_name().map(|name| weight_of(name, is_content)) {
                Some(Weight::Nothing) => {}
                Some(Weight::Growth) => self.tell(Event::Grown(path)),
                _ if is_gone => self.tell(Event::Gone(path)),
                Some(Weight::Much) | None => self.tell(Event::Changed(path)),
            }
        }
    }
}

/// What a change of a file means.
#[derive(Debug, PartialEq, Eq)]
enum Weight {
    Nothing,
    Growth,
    Much,
}

fn weight_of(name: &OsStr, is_content: bool) -> Weight {
    let name = name.to_string_lossy();
    // A file that is being written gets its name when it is whole.
    if name.ends_with(TEMPORARY_SUFFIX) || name == "supervisor.log" {
        return Weight::Nothing;
    }
    let grows = [
        TASK_BUS,
        "agent-stdout.txt",
        "agent-stderr.txt",
        "output.md",
    ];
    match (is_content, grows.contains(&&*name)) {
        (true, true) => Weight::Growth,
        _ => Weight::Much,
    }
}

/// What tells about changes in folders.
pub(super) trait Notifier: Send {
    /// Watches a folder, and not what is below.
    fn watch(&mut self, folder: &Path) -> Result<(), WatchError>;
    /// Watches it no more.
    fn unwatch(&mut self, folder: &Path);
}

/// Why a folder is not watched.
#[derive(Debug)]
pub(super) enum WatchError {
    /// It is not there.
    Missing,
    /// The system has no more watches, or none at all.
    Exhausted(String),
}

/// Makes the one notifier.
pub(super) type MakeNotifier = Box<dyn Fn(Sink) -> Result<Box<dyn Notifier>, String> + Send>;

/// Returns what makes the notifier of this system.
pub(super) fn system_notifier() -> MakeNotifier {
    Box::new(|sink| {
        let made = notify::recommended_watcher(move |event| sink.take(event));
        let watcher = made.map_err(|error| format!("no file notifications: {error}"))?;
        Ok(Box::new(System(watcher)))
    })
}

struct System(notify::RecommendedWatcher);

impl Notifier for System {
    fn watch(&mut self, folder: &Path) -> Result<(), WatchError> {
        match self.0.watch(folder, RecursiveMode::NonRecursive) {
            Ok(()) => Ok(()),
            // It may have come and gone, or gone and come, meanwhile: the next look tells.
            Err(error) if matches!(error.kind, notify::ErrorKind::PathNotFound) => {
                Err(WatchError::Missing)
            }
            Err(_) if !folder.is_dir() => Err(WatchError::Missing),
            Err(error) => Err(WatchError::Exhausted(format!(
                "{} cannot be watched: {error}",
                folder.display()
            ))),
        }
    }

    fn unwatch(&mut self, folder: &Path) {
        // A folder that is gone is not watched any more anyway.
        self.0.unwatch(folder).unwrap_or_default();
    }
}

/// The folders that are watched.
pub(super) struct Watches {
    make: MakeNotifier,
    sink: Sink,
    notifier: Option<Box<dyn Notifier>>,
    watched: HashSet<PathBuf>,
    /// The folders that somebody listens at, whether or not they are watched otherwise.
    held: HashSet<PathBuf>,
    /// Why it does not watch all it should, and since when.
    problem: Option<(String, Instant)>,
}

impl fmt::Debug for Watches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watches")
            .field("watched", &self.watched.len())
            .field("problem", &self.problem)
            .finish_non_exhaustive()
    }
}

impl Watches {
    /// Returns one that watches nothing yet.
    pub(super) fn new(make: MakeNotifier, sink: Sink) -> Self {
        Self {
            make,
            sink,
            notifier: None,
            watched: HashSet::new(),
            held: HashSet::new(),
            problem: None,
        }
    }

    /// Watches `folder`; tells whether it did not before and does now.
    pub(super) fn watch(&mut self, folder: &Path) -> bool {
        if self.watched.contains(folder) {
            return false;
        }
        let is_watched = self.held.contains(folder) || self.begin(folder);
        is_watched && self.watched.insert(folder.to_owned())
    }

    /// Has the system watch `folder`; tells whether it does.
    fn begin(&mut self, folder: &Path) -> bool {
        if self.problem.is_some() {
            return false;
        }
        if self.notifier.is_none() {
            match (self.make)(self.sink.clone()) {
                Ok(made) => self.notifier = Some(made),
                Err(problem) => {
                    self.give_up(problem);
                    return false;
                }
            }
        }
        let Some(notifier) = &mut self.notifier else {
            return false;
        };
        match notifier.watch(folder) {
            Ok(()) => true,
            Err(WatchError::Missing) => false,
            Err(WatchError::Exhausted(problem)) => {
                self.give_up(problem);
                false
            }
        }
    }

    fn give_up(&mut self, problem: String) {
        tracing::warn!(%problem, "files are polled");
        self.problem = Some((problem, Instant::now()));
    }

    /// Watches `folder` no more.
    pub(super) fn unwatch(&mut self, folder: &Path) {
        if self.watched.remove(folder) && !self.held.contains(folder) {
            self.end(folder);
        }
    }

    fn end(&mut self, folder: &Path) {
        if let Some(notifier) = &mut self.notifier {
            notifier.unwatch(folder);
        }
    }

    /// Forgets `folder`, which is gone, and all below it if it was watched.
    pub(super) fn forget(&mut self, folder: &Path) {
        if !self.is_watched(folder) {
            return;
        }
        let below = |path: &&PathBuf| path.starts_with(folder);
        let gone: HashSet<PathBuf> = (self.watched.iter().filter(below))
            .chain(self.held.iter().filter(below))
            .cloned()
            .collect();
        for path in gone {
            self.watched.remove(&path);
            self.held.remove(&path);
            self.end(&path);
        }
    }

    /// Watches `wanted` beside what is watched otherwise, and nothing else.
    pub(super) fn hold_only(&mut self, wanted: &HashSet<PathBuf>) {
        let (kept, left) = std::mem::take(&mut self.held)
            .into_iter()
            .partition(|folder| wanted.contains(folder));
        self.held = kept;
        let left: HashSet<PathBuf> = left;
        for folder in left.difference(&self.watched).cloned().collect::<Vec<_>>() {
            self.end(&folder);
        }
        for folder in wanted {
            if !self.held.contains(folder) && (self.watched.contains(folder) || self.begin(folder))
            {
                self.held.insert(folder.clone());
            }
        }
    }

    /// Tells whether `folder` is watched for whatever reason.
    pub(super) fn is_watched(&self, folder: &Path) -> bool {
        self.watched.contains(folder) || self.held.contains(folder)
    }

    /// Returns why not all is watched that should be.
    pub(super) fn problem(&self) -> Option<&str> {
        self.problem.as_ref().map(|(problem, _)| problem.as_str())
    }

    /// Returns how many folders are watched.
    pub(super) fn len(&self) -> usize {
        self.watched.union(&self.held).count()
    }

    /// Forgets a problem that is old enough to be tried again; tells whether it did.
    pub(super) fn forgives(&mut self) -> bool {
        let is_old = |(_, since): &mut (String, Instant)| since.elapsed() >= RETRY_AFTER;
        self.problem.take_if(is_old).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_changed_file_means() {
        for (name, is_content, weight) in [
            ("run-info.yaml", true, Weight::Much),
            ("DONE", false, Weight::Much),
            (".run-info.yaml.x1.tmp", false, Weight::Nothing),
            ("agent-stdout.txt", false, Weight::Much),
            ("agent-stdout.txt", true, Weight::Growth),
            (TASK_BUS, true, Weight::Growth),
            ("supervisor.log", true, Weight::Nothing),
        ] {
            assert_eq!(weight_of(OsStr::new(name), is_content), weight, "{name}");
        }
    }
}
