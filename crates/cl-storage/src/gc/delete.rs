//! Deleting one task because somebody wishes it.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::Duration;

use super::folder::{Folder, TRASH};
use super::{GcError, TaskDeleted, survey};
use crate::durable::Mode;
use crate::layout::{ProjectDir, Root, TaskDir};
use crate::lock::HeldLock;
use crate::marker;
use crate::task_config::TaskConfig;
use crate::{LayoutError, RunId, TaskId};

/// A task that nobody can start any more, because its owner's lock is held here.
///
/// Between taking it and [`Deletion::carry_out`] the caller looks whether the task
/// may go. Dropping it leaves the task as it was.
#[derive(Debug)]
pub struct Deletion {
    task: TaskDir,
    lock: HeldLock,
}

/// What deleting a task did.
#[derive(Debug)]
pub struct Deleted {
    /// The task; its size includes its runs.
    pub task: TaskDeleted,
    /// What could not be removed of the folder, which readers no longer see, and why.
    ///
    /// The next collection removes it.
    pub leftover: Option<(PathBuf, GcError)>,
}

impl Deletion {
    /// Takes the lock of the owner of `task`, whose folder exists; blocks for `wait` at the most.
    pub fn begin(task: &TaskDir, wait: Duration) -> Result<Self, GcError> {
        let lock = HeldLock::acquire(&task.owner_lock(), Mode::Shared, wait)?;
        Ok(Self {
            task: task.clone(),
            lock,
        })
    }

    /// Deletes the task's folder: renames it to a name that readers ignore, then removes that.
    ///
    /// A crash before the rename leaves the task as it was, one after it a folder
    /// that the next collection removes. Links are removed as links and never
    /// followed. Returns after the rename is on disk; an error means that the task
    /// is still there.
    pub fn carry_out(self, root: &Root) -> Result<Deleted, GcError> {
        let Self { task, lock } = self;
        let failed = || GcError::delete(task.path());
        if !lock.is_in_place() {
            return Err(GcError::Look(LayoutError::Missing(task.path().to_owned())));
        }
        let deleted = TaskDeleted {
            project_id: task.project().clone(),
            task_id: task.id().clone(),
            path: task.path().to_owned(),
            size_bytes: survey::size_bytes(task.path()),
        };
        let project = Folder::open(root.path())
            .and_then(|root| root.child(task.project().as_str()))
            .map_err(failed())?;
        let trash = project.set_aside(task.id().as_str()).map_err(failed())?;
        // The lock's file has lost its name: who waits for it finds no task.
        drop(lock);
        let leftover = project.remove(&trash).err().map(|error| {
            let path = deleted.path.with_file_name(&trash);
            (path.clone(), GcError::delete(&path)(error))
        });
        Ok(Deleted {
            task: deleted,
            leftover,
        })
    }
}

impl Deletion {
    /// Deletes one run of the task instead, which the caller has seen to be over.
    ///
    /// Returns how much room that makes, in bytes. As with a whole task, an error means that
    /// the run is still there, and what cannot be removed is left to the next collection.
    pub fn carry_out_run(self, root: &Root, run: &RunId) -> Result<u64, GcError> {
        let Self { task, lock } = self;
        let path = task.runs_folder().join(run.as_str());
        if !lock.is_in_place() {
            return Err(GcError::Look(LayoutError::Missing(task.path().to_owned())));
        }
        let size_bytes = survey::size_bytes(&path);
        let runs = Folder::open(root.path())
            .and_then(|root| root.child(task.project().as_str()))
            .and_then(|project| project.child(task.id().as_str()))
            .and_then(|task| task.child("runs"))
            .map_err(GcError::delete(&path))?;
        let trash = runs
            .set_aside(run.as_str())
            .map_err(GcError::delete(&path))?;
        drop(lock);
        if let Err(error) = runs.remove(&trash) {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, path = %path.display(), "a deleted run is not all gone yet");
        }
        Ok(size_bytes)
    }
}

/// Deletes what is left of `project`, whose tasks are gone; returns how many bytes that were.
///
/// A task that was made meanwhile stays, and is an error. A crash leaves less of the project.
pub fn delete_project(root: &Root, project: &ProjectDir) -> Result<u64, GcError> {
    let failed = || GcError::delete(project.path());
    let above = Folder::open(root.path()).map_err(failed())?;
    let name = project.id().as_str();
    let folder = above.child(name).map_err(failed())?;
    let size_bytes = survey::size_bytes(project.path());
    for (name, kind) in survey::names(project.path())? {
        let is_task = kind.is_dir() && TaskId::parse_existing(&name).is_ok();
        if is_task && !name.starts_with(TRASH) {
            let path = project.path().join(&name);
            let error = std::io::Error::from(std::io::ErrorKind::DirectoryNotEmpty);
            return Err(GcError::delete(&path)(error));
        }
        folder
            .discard(OsStr::new(&name), kind.is_dir())
            .map_err(failed())?;
    }
    drop(folder);
    above.discard_empty(OsStr::new(name)).map_err(failed())?;
    Ok(size_bytes)
}

/// Lists the tasks of `project` that wait for `task` and have no `DONE`, by id.
///
/// A configuration that cannot be read names nobody.
pub fn dependents(project: &ProjectDir, task: &TaskId) -> Result<Vec<TaskId>, LayoutError> {
    let mut found = Vec::new();
    for other in project.tasks()? {
        let config = TaskConfig::read(&other).unwrap_or_else(|error| {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(task = %other.id(), error, "left out of those that wait");
            TaskConfig::default()
        });
        if other.id() != task && config.gating().contains(task) && !marker::is_done(&other) {
            found.push(other.id().clone());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ProjectId;

    fn task(root: &Root, id: &str) -> TaskDir {
        let id = TaskId::parse(id).unwrap();
        let task = root.task(&ProjectId::parse("p").unwrap(), &id).unwrap();
        task.ensure().unwrap();
        task
    }

    #[test]
    fn a_deleted_task_is_gone_and_what_its_links_point_to_is_not() {
        let place = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("sentinel"), "x").unwrap();
        let root = Root::at(place.path()).unwrap();
        let gone = task(&root, "task-20260101-000000-gone");
        std::os::unix::fs::symlink(outside.path(), gone.path().join("link")).unwrap();
        std::fs::write(gone.prompt(), "do it").unwrap();
        let deletion = Deletion::begin(&gone, Duration::ZERO).unwrap();
        assert!(Deletion::begin(&gone, Duration::ZERO).is_err());
        let deleted = deletion.carry_out(&root).unwrap();
        assert!(deleted.leftover.is_none());
        assert!(deleted.task.size_bytes >= 5);
        assert!(!gone.path().exists());
        assert_eq!(
            std::fs::read_dir(place.path().join("p")).unwrap().count(),
            0
        );
        assert!(outside.path().join("sentinel").exists());
    }

    #[test]
    fn a_task_whose_folder_was_replaced_is_left_alone() {
        let place = tempfile::tempdir().unwrap();
        let root = Root::at(place.path()).unwrap();
        let one = task(&root, "task-20260101-000000-one");
        let deletion = Deletion::begin(&one, Duration::ZERO).unwrap();
        crate::durable::rename(one.path(), &place.path().join("elsewhere")).unwrap();
        one.ensure().unwrap();
        assert!(deletion.carry_out(&root).is_err());
        assert!(one.path().exists());
    }

    #[test]
    fn dependents_are_those_that_still_wait() {
        let place = tempfile::tempdir().unwrap();
        let root = Root::at(place.path()).unwrap();
        let first = task(&root, "task-20260101-000000-first");
        let id = first.id();
        for (name, config) in [
            ("01-list", format!("depends_on: [{id}]")),
            ("02-scalar", format!("depends_on: {id}")),
            (
                "03-commas",
                format!("depends_on: ['task-20260101-000000-x, {id}']"),
            ),
            ("04-over", format!("depends_on: [{id}]")),
            (
                "05-lifted",
                format!("depends_on: [{id}]\nunblocked:\n    dependencies: [{id}]"),
            ),
            (
                "06-other",
                "depends_on: [task-20260101-000000-x]".to_owned(),
            ),
            ("07-broken", "depends_on: {".to_owned()),
            ("08-linked", format!("depends_on: [{id}]")),
        ] {
            let other = task(&root, &format!("task-20260101-0000{name}"));
            std::fs::write(other.config(), config).unwrap();
            match name {
                "04-over" => std::fs::write(other.path().join("DONE"), "").unwrap(),
                // No marker anywhere else either.
                "08-linked" => {
                    std::os::unix::fs::symlink(other.config(), other.path().join("DONE")).unwrap();
                }
                _ => {}
            }
        }
        let project = root.project(first.project()).unwrap();
        let found = dependents(&project, first.id()).unwrap();
        let found: Vec<&str> = found.iter().map(TaskId::as_str).collect();
        let expected = ["01-list", "02-scalar", "03-commas", "08-linked"];
        assert_eq!(
            found,
            expected.map(|name| format!("task-20260101-0000{name}"))
        );
    }
}
