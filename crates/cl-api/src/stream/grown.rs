//! Files that a client of the changes follows: how large they are, told as they grow.
//!
//! Only the size is told; who shows the file fetches what is new by its place. So nothing is
//! kept for a client that is behind, and hearing of a size twice does no harm. What wakes is the
//! one notifier; however often it rings, each file is looked at ten times in a second at the
//! most, and a look asks the system for the size and reads nothing.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cl_storage::{ProjectId, RunId, TaskId};
use cl_wire::events::{Grown, name};
use jiff::Timestamp;
use tokio::time::Instant;

use super::next_look;
use super::outlet::Outlet;
use crate::app::App;
use crate::state::Ear;

/// How many files one client may follow.
pub(crate) const MOST_FILES: usize = 64;
/// The shortest time between two looks at one file.
const PAUSE: Duration = Duration::from_millis(100);

/// A file of a run that a client wants to hear of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FollowedFile {
    pub(crate) project: ProjectId,
    pub(crate) task: TaskId,
    pub(crate) run: RunId,
    /// Its name as in the paths of files.
    pub(crate) file: String,
    /// Where it stands or will stand; none where there is no such run.
    pub(crate) path: Option<PathBuf>,
}

/// The files that one client follows.
#[derive(Debug)]
pub(super) struct Files {
    all: Vec<Followed>,
    ear: Ear,
    /// When the files are looked at although nobody rang.
    look: Instant,
}

#[derive(Debug)]
struct Followed {
    wanted: FollowedFile,
    told: Option<Seen>,
    looked: Instant,
    /// Something happened in its folder since.
    is_rung: bool,
}

/// A file as it was at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Seen {
    size: u64,
    /// Which file it was; none where there was none.
    identity: Option<String>,
    modified: Option<Timestamp>,
}

impl Seen {
    /// Looks at a file; blocks. What is no file is none.
    fn at(path: &Path) -> Self {
        let Ok(about) = path.symlink_metadata() else {
            return Self::default();
        };
        if !about.is_file() {
            return Self::default();
        }
        // The number of a file that is gone is given to the next one.
        let born = about.created().ok();
        let born = born.and_then(|born| born.duration_since(std::time::UNIX_EPOCH).ok());
        let born = born.map_or(0, |born| born.as_nanos());
        Self {
            size: about.len(),
            modified: (about.modified().ok()).and_then(|time| Timestamp::try_from(time).ok()),
            identity: Some(format!("{:x}-{:x}-{born:x}", about.dev(), about.ino())),
        }
    }

    /// Tells whether what was read of `before` counts no more.
    fn replaces(&self, before: &Self) -> bool {
        before.identity.is_some() && (self.identity != before.identity || self.size < before.size)
    }
}

impl Files {
    pub(super) fn new(app: &App, wanted: Vec<FollowedFile>) -> Self {
        let mut ear = app.index.ear();
        let now = Instant::now();
        for folder in wanted
            .iter()
            .filter_map(|each| each.path.as_deref()?.parent())
        {
            ear.listen(folder);
        }
        let followed = |wanted| Followed {
            wanted,
            told: None,
            looked: now,
            is_rung: true,
        };
        Self {
            all: wanted.into_iter().map(followed).collect(),
            look: next_look(app, &ear),
            ear,
        }
    }

    /// Waits until files are to be looked at; for ever where none are followed.
    ///
    /// Cancel safe: what was heard is remembered.
    pub(super) async fn due(&mut self) {
        let mut paths = self.all.iter().map(|file| &file.wanted.path);
        if paths.all(Option::is_none) {
            return std::future::pending().await;
        }
        loop {
            let rung = self.all.iter().filter(|file| file.is_rung);
            let Some(soonest) = rung.map(Followed::next).min() else {
                let rung = tokio::select! {
                    // Both only wait; what rang is remembered before anything else is waited for.
                    folders = self.ear.rung() => Some(folders),
                    () = tokio::time::sleep_until(self.look) => None,
                };
                for file in &mut self.all {
                    let folder = file.wanted.path.as_deref().and_then(Path::parent);
                    let Some(folder) = folder else { continue };
                    file.is_rung |= rung.as_ref().is_none_or(|rung| rung.contains(folder));
                }
                continue;
            };
            // Whatever rings meanwhile is seen by the same look.
            tokio::time::sleep_until(soonest).await;
            return;
        }
    }

    /// Looks at the files that are due, and adds an event for each that is not what was told.
    pub(super) async fn tell(&mut self, app: &App, outlet: &mut Outlet) {
        let now = Instant::now();
        let is_due = |file: &Followed| file.is_rung && file.next() <= now;
        let due: Vec<usize> = (0..self.all.len())
            .filter(|at| is_due(&self.all[*at]))
            .collect();
        let paths: Vec<_> = due
            .iter()
            .map(|at| self.all[*at].wanted.path.clone())
            .collect();
        let look = move || -> Vec<Seen> {
            let seen = |path: Option<PathBuf>| path.as_deref().map(Seen::at).unwrap_or_default();
            paths.into_iter().map(seen).collect()
        };
        // Rung before the look, so that what happens during it is looked at again.
        for at in &due {
            self.all[*at].is_rung = false;
            self.all[*at].looked = now;
        }
        let seen = match tokio::task::spawn_blocking(look).await {
            Ok(seen) => seen,
            Err(error) => {
                tracing::error!(%error, "followed files could not be looked at");
                Vec::new()
            }
        };
        for (at, seen) in due.into_iter().zip(seen) {
            let file = &mut self.all[at];
            let is_news = file
                .told
                .as_ref()
                .is_none_or(|told| (told.size, &told.identity) != (seen.size, &seen.identity));
            if is_news {
                outlet.json(name::GROWN, None, &file.grown(&seen));
                file.told = Some(seen);
            }
        }
        self.look = next_look(app, &self.ear);
    }
}

impl Followed {
    /// Returns when it may be looked at.
    fn next(&self) -> Instant {
        match self.told {
            None => self.looked,
            Some(_) => self.looked + PAUSE,
        }
    }

    fn grown(&self, seen: &Seen) -> Grown {
        Grown {
            project_id: self.wanted.project.clone(),
            task_id: self.wanted.task.clone(),
            run_id: self.wanted.run.clone(),
            file: self.wanted.file.clone(),
            size: seen.size,
            identity: seen.identity.clone(),
            modified: seen.modified,
            replaced: self.told.as_ref().is_some_and(|told| seen.replaces(told)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(size: u64, identity: Option<&str>) -> Seen {
        Seen {
            size,
            identity: identity.map(str::to_owned),
            modified: None,
        }
    }

    #[test]
    fn a_file_that_is_another_one_is_told_from_one_that_grows() {
        assert!(!seen(5, Some("a")).replaces(&seen(4, Some("a"))));
        assert!(seen(3, Some("a")).replaces(&seen(4, Some("a"))));
        assert!(seen(9, Some("b")).replaces(&seen(4, Some("a"))));
        assert!(seen(0, None).replaces(&seen(4, Some("a"))));
        assert!(!seen(4, Some("a")).replaces(&seen(0, None)));
    }

    #[test]
    fn what_is_no_file_has_no_size() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        assert_eq!(Seen::at(&file), Seen::default());
        assert_eq!(Seen::at(folder.path()), Seen::default());
        std::fs::write(&file, "abc").unwrap();
        let first = Seen::at(&file);
        assert_eq!(first.size, 3);
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert_eq!(Seen::at(&link), Seen::default());
        let other = folder.path().join("other");
        std::fs::write(&other, "abc").unwrap();
        cl_storage::durable::rename(&other, &file).unwrap();
        assert!(Seen::at(&file).replaces(&first));
    }
}
