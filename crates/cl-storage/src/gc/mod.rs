//! Garbage collection: old runs and finished tasks are deleted, and nothing else.
//!
//! The decision is pure (`plan`); carrying it out is dumb and may be
//! repeated. What is deleted is first renamed to a name that readers ignore:
//!
//! ```text
//! lock owner.lock -> look again, plan again -> rename to .gc-<id>-<random>, sync the folder
//!                 -> unlock -> remove what was renamed
//! ```
//!
//! A crash before the rename leaves everything, one after it a folder that no
//! reader sees and that the next collection removes. The owner's lock is held
//! for looking and renaming only, so that a starter who waits for it is not kept.

mod delete;
mod folder;
mod plan;
mod survey;

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use crate::durable::Mode;
use crate::id::{ProjectId, RunId, TaskId};
use crate::layout::{LayoutError, ProjectDir, Root, TaskDir};
use crate::lock::{HeldLock, LockError};
use crate::run_info::RunStatus;
pub use delete::{Deleted, Deletion, delete_project, dependents};
use folder::Folder;
pub use folder::TRASH;
pub use plan::{Condition, Kept, Plan, Policy, RunFacts, STARTING, TaskFacts, plan};
pub(crate) use survey::names;
use survey::{Needed, Seen};

/// Something that a collection tells.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// A run was deleted, or would be.
    Run(RunDeleted),
    /// A task was deleted, or would be.
    Task(TaskDeleted),
    /// What an earlier collection left was removed, or would be.
    Leftover(PathBuf),
    /// Something looks like garbage and is kept.
    Kept(PathBuf, Kept),
    /// Something could not be read or deleted; the rest goes on.
    Problem(GcError),
}

/// A run that was deleted.
#[derive(Debug, Clone, serde::Serialize)]
pub struct RunDeleted {
    /// Its project.
    pub project_id: ProjectId,
    /// Its task.
    pub task_id: TaskId,
    /// The run.
    pub run_id: RunId,
    /// Its folder.
    pub path: PathBuf,
    /// The status that held.
    pub status: RunStatus,
    /// When it started.
    pub started: Option<Timestamp>,
    /// When it ended, as far as it was recorded.
    pub ended: Option<Timestamp>,
    /// How many bytes its files held.
    pub size_bytes: u64,
}

/// A task that was deleted.
#[derive(Debug, Clone, serde::Serialize)]
pub struct TaskDeleted {
    /// Its project.
    pub project_id: ProjectId,
    /// The task.
    pub task_id: TaskId,
    /// Its folder.
    pub path: PathBuf,
    /// How many bytes its files held, runs left out.
    pub size_bytes: u64,
}

/// Why a part of a collection failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GcError {
    /// A folder could not be looked at.
    #[error(transparent)]
    Look(#[from] LayoutError),
    /// The owner's lock could not be tried.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// Something could not be deleted.
    #[error("could not delete {}", path.display())]
    Delete {
        /// What.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
}

impl GcError {
    /// Returns the path concerned.
    pub fn path(&self) -> &Path {
        match self {
            Self::Delete { path, .. }
            | Self::Lock(LockError::Io { path, .. } | LockError::Timeout { path, .. })
            | Self::Look(
                LayoutError::Io { path, .. }
                | LayoutError::Symlink(path)
                | LayoutError::NotAFolder(path)
                | LayoutError::Missing(path),
            ) => path,
        }
    }

    fn delete(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Delete { path, source }
    }
}

/// Collects garbage below `root`, in one project or in all.
///
/// Tells each event as it happens. Blocks; waits for no lock. Fails only if the
/// projects cannot be listed. A root that does not exist has no garbage.
pub fn collect(
    root: &Root,
    only: Option<&ProjectId>,
    policy: &Policy,
    now: Timestamp,
    tell: &mut dyn FnMut(Event),
) -> Result<(), GcError> {
    if !root.exists() {
        return Ok(());
    }
    let needed = if policy.delete_done_tasks {
        survey::needed(root, now)?
    } else {
        Needed::new()
    };
    let mut collection = Collection {
        root,
        policy,
        now,
        needed,
        tell,
    };
    for (name, kind) in survey::names(root.path())? {
        let Ok(id) = ProjectId::parse(&name) else {
            continue;
        };
        if only.is_some_and(|only| *only != id) {
            continue;
        }
        if kind.is_symlink() {
            collection.keep(root.path().join(name), Kept::Linked);
        } else if kind.is_dir()
            && let Err(error) = root
                .project(&id)
                .map_err(GcError::from)
                .and_then(|project| collection.project(&project))
        {
            collection.problem(error);
        }
    }
    Ok(())
}

struct Collection<'a> {
    root: &'a Root,
    policy: &'a Policy,
    now: Timestamp,
    needed: Needed,
    tell: &'a mut dyn FnMut(Event),
}

impl Collection<'_> {
    fn keep(&mut self, path: PathBuf, why: Kept) {
        (self.tell)(Event::Kept(path, why));
    }

    fn problem(&mut self, error: GcError) {
        // A link is left alone on purpose, and a folder that is gone needs no deleting.
        match error {
            GcError::Look(LayoutError::Symlink(path)) => self.keep(path, Kept::Linked),
            error => (self.tell)(Event::Problem(error)),
        }
    }

    fn project(&mut self, project: &ProjectDir) -> Result<(), GcError> {
        for (name, kind) in survey::names(project.path())? {
            let path = project.path().join(&name);
            if name.starts_with(TRASH) {
                let folder = self.open(&[project.id().as_str()]);
                self.remove_leftover(folder, path, &name);
            } else if kind.is_symlink() && TaskId::parse(&name).is_ok() {
                self.keep(path, Kept::Linked);
            }
        }
        for task in project.tasks()? {
            // Another collection may delete the task meanwhile.
            if let Err(error) = self.task(&task)
                && !is_gone(task.path())
            {
                self.problem(error);
            }
        }
        Ok(())
    }

    fn task(&mut self, task: &TaskDir) -> Result<(), GcError> {
        let seen = survey::look(self.root, task, &self.needed, self.now)?;
        for link in &seen.links {
            self.keep(link.clone(), Kept::Linked);
        }
        for name in &seen.trash {
            let folder = self.open(&[task.project().as_str(), task.id().as_str(), "runs"]);
            self.remove_leftover(folder, task.runs_folder().join(name), name);
        }
        let plan = plan_of(&seen, self);
        for (run, why) in &plan.kept {
            let path = match run {
                Some(run) => task.runs_folder().join(run.as_str()),
                None => task.path().to_owned(),
            };
            self.keep(path, *why);
        }
        if plan.is_empty() {
            return Ok(());
        }
        // Measured before the lock is taken, which a starter may want.
        let deletions = deletions(task, &seen, &plan);
        if self.policy.dry_run {
            self.tell_all(deletions);
            return Ok(());
        }
        let Some(lock) = self.lock(task)? else {
            return Ok(());
        };
        // Until the lock was had somebody may have taken the task up and left it again.
        let seen = survey::look(self.root, task, &self.needed, self.now)?;
        let deletions = deletions.confirmed_by(&plan_of(&seen, self));
        self.delete(task, deletions, lock)
    }

    /// Takes the owner's lock if it is free.
    fn lock(&mut self, task: &TaskDir) -> Result<Option<HeldLock>, GcError> {
        match HeldLock::acquire(&task.owner_lock(), Mode::Shared, Duration::ZERO) {
            Ok(lock) => Ok(Some(lock)),
            Err(error) if error.is_timeout() => {
                self.keep(task.path().to_owned(), Kept::Locked);
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Renames under the lock, then removes without it.
    fn delete(
        &mut self,
        task: &TaskDir,
        deletions: Deletions,
        lock: HeldLock,
    ) -> Result<(), GcError> {
        let (project, id) = (task.project().as_str(), task.id().as_str());
        let mut aside = Vec::new();
        let mut task_aside = None;
        let mut failures = Vec::new();
        let runs_path = task.runs_folder();
        let runs = self
            .open(&[project, id, "runs"])
            .map_err(GcError::delete(&runs_path));
        let project_folder = self
            .open(&[project])
            .map_err(GcError::delete(task.path()))?;
        for run in deletions.runs {
            match set_aside(runs.as_ref().ok(), run.run_id.as_str()) {
                Ok(name) => aside.push((name, run)),
                Err(error) => failures.push(GcError::delete(&run.path)(error)),
            }
        }
        if let Some(deleted) = deletions.task.filter(|_| failures.is_empty()) {
            match project_folder.set_aside(id) {
                Ok(name) => task_aside = Some((name, deleted)),
                Err(error) => failures.push(GcError::delete(task.path())(error)),
            }
        }
        // If the task went, the lock's file has lost its name: who waits for it finds no task.
        drop(lock);
        let runs = runs.ok();
        for (name, run) in aside {
            // Renamed is deleted, for everyone who reads.
            (self.tell)(Event::Run(run));
            if let Some(runs) = &runs {
                self.remove(runs, &runs_path, &name);
            }
        }
        if let Some((name, deleted)) = task_aside {
            let above = deleted.path.parent().unwrap_or(task.path()).to_owned();
            (self.tell)(Event::Task(deleted));
            self.remove(&project_folder, &above, &name);
        }
        for failure in failures {
            self.problem(failure);
        }
        Ok(())
    }

    /// Opens a folder below the root, part by part, following no link.
    fn open(&self, parts: &[&str]) -> io::Result<Folder> {
        let mut folder = Folder::open(self.root.path())?;
        for part in parts {
            folder = folder.child(part)?;
        }
        Ok(folder)
    }

    fn remove(&mut self, folder: &Folder, path: &Path, name: &OsStr) {
        if let Err(error) = folder.remove(name) {
            let path = path.join(name);
            if is_gone(&path) {
                return;
            }
            self.problem(GcError::delete(&path)(error));
        }
    }

    fn remove_leftover(&mut self, folder: io::Result<Folder>, path: PathBuf, name: &str) {
        if self.policy.dry_run {
            (self.tell)(Event::Leftover(path));
            return;
        }
        let removed = folder.and_then(|folder| folder.remove(OsStr::new(name)));
        match removed {
            Ok(()) => (self.tell)(Event::Leftover(path)),
            Err(_) if is_gone(&path) => {}
            Err(error) => self.problem(GcError::delete(&path)(error)),
        }
    }

    fn tell_all(&mut self, deletions: Deletions) {
        for run in deletions.runs {
            (self.tell)(Event::Run(run));
        }
        if let Some(task) = deletions.task {
            (self.tell)(Event::Task(task));
        }
    }
}

/// Tells whether nothing is at `path`; where it cannot be looked at, something may be.
fn is_gone(path: &Path) -> bool {
    path.symlink_metadata()
        .is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

fn plan_of(seen: &Seen, collection: &Collection<'_>) -> Plan {
    plan(&seen.facts, collection.policy, collection.now)
}

/// A runs folder that could not be opened is told once per run.
fn set_aside(runs: Option<&Folder>, name: &str) -> io::Result<OsString> {
    runs.ok_or_else(|| io::Error::other("its runs folder cannot be opened"))?
        .set_aside(name)
}

/// What is deleted of one task.
struct Deletions {
    runs: Vec<RunDeleted>,
    task: Option<TaskDeleted>,
}

impl Deletions {
    /// Leaves what a later plan says, too.
    fn confirmed_by(mut self, plan: &Plan) -> Self {
        self.runs.retain(|run| plan.runs.contains(&run.run_id));
        self.task = self.task.filter(|_| plan.deletes_task);
        self
    }
}

/// Describes what the plan deletes, in its order.
fn deletions(task: &TaskDir, seen: &Seen, plan: &Plan) -> Deletions {
    let chosen = seen.view.runs.iter();
    let chosen = chosen.filter(|view| plan.runs.contains(view.run.id()));
    let runs = chosen.map(|view| {
        let info = view.info.as_ref().ok();
        let started = info.and_then(|info| info.start_time);
        RunDeleted {
            project_id: task.project().clone(),
            task_id: task.id().clone(),
            run_id: view.run.id().clone(),
            path: view.run.path().to_owned(),
            status: view.status,
            started: started.or_else(|| view.run.id().started_at()),
            ended: info.and_then(|info| info.end_time),
            size_bytes: survey::size_bytes(view.run.path()),
        }
    });
    let runs: Vec<RunDeleted> = runs.collect();
    let task = plan.deletes_task.then(|| {
        let whole = survey::size_bytes(task.path());
        let in_runs: u64 = runs.iter().map(|run| run.size_bytes).sum();
        TaskDeleted {
            project_id: task.project().clone(),
            task_id: task.id().clone(),
            path: task.path().to_owned(),
            size_bytes: whole.saturating_sub(in_runs),
        }
    });
    Deletions { runs, task }
}
