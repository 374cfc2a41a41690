//! Where things are below a root, and that nothing leaves it.
//!
//! ```text
//! <root>/.conductor/slots/<n>              run slots
//! <root>/.conductor/queue/                 who waits for a run slot
//! <root>/.conductor/withdrawn/             what was taken out of the queue before it began
//! <root>/.conductor/dependencies/          locks under which dependencies are written
//! <root>/_global/GLOBAL-FACTS.md           facts for all projects
//! <root>/<project>/PROJECT-FACTS.md        facts for all tasks of a project
//! <root>/<project>/<task>/
//!     TASK.md  TASK-MESSAGE-BUS.md         prompt of record, bus
//!     TASK-CONFIG.yaml                     what it depends on
//!     DONE  CANCELLED  STOP-REQUESTED      markers
//!     owner.lock  owner.yaml               who runs the task
//!     launch.yaml  task-state.yaml         how it was launched, where it stands
//!     control/  gates/                     requests to the owner, gate output
//!     bus-spool.yaml                       messages that the bus could not take yet
//!     runs/<run>/
//!         run-info.yaml  pid.txt  prompt.md  output.md
//!         agent-stdout.txt  agent-stderr.txt
//! ```
//!
//! Paths are made from ids only, so they cannot climb out; a project, task,
//! `runs` or run folder that is a symbolic link is refused at every door.

mod run;

pub use run::RunDir;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::crash;
use crate::durable::{self, Mode};
use crate::id::{ProjectId, RunId, TaskId};

/// File name of a task's bus.
pub const TASK_BUS: &str = "TASK-MESSAGE-BUS.md";
/// File name of a project's bus.
pub const PROJECT_BUS: &str = "PROJECT-MESSAGE-BUS.md";
/// File name of a project's promoted facts.
pub const PROJECT_FACTS: &str = "PROJECT-FACTS.md";
/// File name of the facts that were promoted for all projects.
pub const GLOBAL_FACTS: &str = "GLOBAL-FACTS.md";

/// File name of what was settled about a task beside its prompt.
pub(crate) const TASK_CONFIG: &str = "TASK-CONFIG.yaml";
/// File name of a run's record.
pub(crate) const RUN_INFO: &str = "run-info.yaml";
/// The folder, beside the runs, of a run that has no name yet; readers ignore it.
const PREPARED_RUN: &str = ".new";

/// Why a place below the root cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// A symbolic link stands where a folder must be.
    #[error("{} is a symbolic link; folders below the root must be real folders", .0.display())]
    Symlink(PathBuf),
    /// Something else stands where a folder must be.
    #[error("{} is not a folder", .0.display())]
    NotAFolder(PathBuf),
    /// The folder does not exist.
    #[error("{} does not exist", .0.display())]
    Missing(PathBuf),
    /// The system refused.
    #[error("could not use {}", path.display())]
    Io {
        /// The folder.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> LayoutError {
    let path = path.to_owned();
    move |source| LayoutError::Io { path, source }
}

/// What stands at a path, links not followed.
fn look(path: &Path) -> Result<bool, LayoutError> {
    match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_symlink() => Err(LayoutError::Symlink(path.to_owned())),
        Ok(meta) if meta.is_dir() => Ok(true),
        Ok(_) => Err(LayoutError::NotAFolder(path.to_owned())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(io_error(path)(e)),
    }
}

/// The folder that holds everything; an absolute path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    path: PathBuf,
}

impl Root {
    /// Names a root that may not exist yet; nothing is created.
    ///
    /// An existing root may itself be reached through a link; it is resolved
    /// once, here.
    pub fn at(path: &Path) -> Result<Self, LayoutError> {
        match fs::canonicalize(path) {
            Ok(real) if real.is_dir() => Ok(Self { path: real }),
            Ok(_) => Err(LayoutError::NotAFolder(path.to_owned())),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let path = std::path::absolute(path).map_err(io_error(path))?;
                // What exists of it is resolved now, so that it keeps its name once it is made.
                let real = path.ancestors().skip(1).find_map(|above| {
                    let rest = path.strip_prefix(above).ok()?;
                    Some(fs::canonicalize(above).ok()?.join(rest))
                });
                Ok(Self {
                    path: real.unwrap_or(path),
                })
            }
            Err(e) => Err(io_error(path)(e)),
        }
    }

    /// Creates the root with mode 0700 if it is missing.
    pub fn ensure(&self) -> Result<(), LayoutError> {
        durable::create_folders(&self.path, Mode::Private).map_err(io_error(&self.path))
    }

    /// Tells whether the root exists.
    pub fn exists(&self) -> bool {
        self.path.is_dir()
    }

    /// Returns the absolute path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the folder of our own bookkeeping.
    pub fn conductor_folder(&self) -> PathBuf {
        self.path.join(".conductor")
    }

    /// Tells why the folder `name` of our own bookkeeping cannot be used; a missing one can.
    ///
    /// A link could lead out of the root.
    pub(crate) fn check_own_folder(&self, name: &str) -> io::Result<()> {
        let own = self.conductor_folder();
        for path in [own.clone(), own.join(name)] {
            look(&path).map_err(io::Error::other)?;
        }
        Ok(())
    }

    /// Makes the folder of our own bookkeeping if it is missing; a link is refused.
    pub fn ensure_conductor_folder(&self) -> io::Result<()> {
        let own = self.conductor_folder();
        look(&own).map_err(io::Error::other)?;
        durable::create_folders(&own, Mode::Private)
    }

    /// Makes the folder `name` of our own bookkeeping if it is missing, following no link.
    pub(crate) fn ensure_own_folder(&self, name: &str) -> io::Result<()> {
        self.check_own_folder(name)?;
        durable::create_folders(&self.conductor_folder().join(name), Mode::Private)
    }

    /// Returns the path of the facts for all projects; no project's id starts with `_`.
    pub fn global_facts(&self) -> PathBuf {
        self.path.join("_global").join(GLOBAL_FACTS)
    }

    /// Returns a project's folder, which may be missing but is no link.
    pub fn project(&self, id: &ProjectId) -> Result<ProjectDir, LayoutError> {
        let path = self.path.join(id.as_str());
        look(&path)?;
        Ok(ProjectDir {
            path,
            id: id.clone(),
        })
    }

    /// Returns a task's folder, which may be missing but is no link.
    pub fn task(&self, project: &ProjectId, task: &TaskId) -> Result<TaskDir, LayoutError> {
        self.project(project)?.task(task)
    }

    /// Lists the projects, sorted; folders whose names are no project ids are left out.
    pub fn projects(&self) -> Result<Vec<ProjectDir>, LayoutError> {
        let ids = list_folders(&self.path, |name| ProjectId::parse(name).ok())?;
        Ok(ids
            .into_iter()
            .map(|id| ProjectDir {
                path: self.path.join(id.as_str()),
                id,
            })
            .collect())
    }
}

/// Lists the real folders in `path` whose names `parse` accepts, sorted by name.
fn list_folders<T: Ord>(
    path: &Path,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Vec<T>, LayoutError> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(io_error(path)(e)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(io_error(path))?;
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if let Some(item) = entry
            .file_name()
            .to_str()
            .filter(|_| is_folder)
            .and_then(&parse)
        {
            found.push(item);
        }
    }
    found.sort();
    Ok(found)
}

/// The folder of one project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectDir {
    path: PathBuf,
    id: ProjectId,
}

impl ProjectDir {
    /// Returns the absolute path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the project's id.
    pub fn id(&self) -> &ProjectId {
        &self.id
    }

    /// Returns the path of the project's bus.
    pub fn bus(&self) -> PathBuf {
        self.path.join(PROJECT_BUS)
    }

    /// Returns the path of the facts for all tasks of the project.
    pub fn facts(&self) -> PathBuf {
        self.path.join(PROJECT_FACTS)
    }

    /// Returns a task's folder, which may be missing but is no link.
    pub fn task(&self, task: &TaskId) -> Result<TaskDir, LayoutError> {
        let path = self.path.join(task.as_str());
        look(&path)?;
        Ok(TaskDir {
            path,
            project: self.id.clone(),
            id: task.clone(),
            flat: None,
        })
    }

    /// Lists the tasks, sorted by id.
    ///
    /// A folder is a task if it has a valid task id, or holds `TASK.md`,
    /// `TASK-CONFIG.yaml` or `runs`.
    pub fn tasks(&self) -> Result<Vec<TaskDir>, LayoutError> {
        let ids = list_folders(&self.path, |name| {
            let looks_like_task = || {
                let folder = self.path.join(name);
                ["TASK.md", TASK_CONFIG, "runs"]
                    .iter()
                    .any(|file| folder.join(file).exists())
            };
            TaskId::parse_existing(name)
                .ok()
                .filter(|_| TaskId::parse(name).is_ok() || looks_like_task())
        })?;
        Ok(ids
            .into_iter()
            .map(|id| TaskDir {
                path: self.path.join(id.as_str()),
                project: self.id.clone(),
                id,
                flat: None,
            })
            .collect())
    }
}

/// The folder of one task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskDir {
    path: PathBuf,
    project: ProjectId,
    id: TaskId,
    /// The one run that the folder itself is, in the old flat layout.
    flat: Option<RunId>,
}

impl TaskDir {
    /// Names a folder of the old flat layout, which is only read.
    pub(crate) fn flat(path: PathBuf, project: ProjectId, id: TaskId, run: RunId) -> Self {
        Self {
            path,
            project,
            id,
            flat: Some(run),
        }
    }

    /// Tells whether the folder is one of the old flat layout, which is only read.
    pub fn is_flat(&self) -> bool {
        self.flat.is_some()
    }

    /// Creates the task's folder, its `runs` folder and everything above, durably.
    pub fn ensure(&self) -> Result<(), LayoutError> {
        if let Some(root) = self.path.ancestors().nth(2) {
            durable::create_folders(root, Mode::Private).map_err(io_error(root))?;
        }
        let runs = self.runs_folder();
        durable::create_folders(&runs, Mode::Shared).map_err(io_error(&runs))
    }

    /// Makes the folder as [`TaskDir::ensure`] does, but for the sync of what is in it.
    ///
    /// The caller [settles](durable::settle) the folder before there is a run.
    pub fn ensure_for_now(&self) -> Result<(), LayoutError> {
        if let Some(root) = self.path.ancestors().nth(2) {
            durable::create_folders(root, Mode::Private).map_err(io_error(root))?;
        }
        durable::create_folders(&self.path, Mode::Shared).map_err(io_error(&self.path))?;
        let runs = self.runs_folder();
        match durable::create_folder_for_now(&runs, Mode::Shared) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(io_error(&runs)(e)),
            // One that another starter has made is settled with what is put beside it.
            _ => Ok(()),
        }
    }

    /// Tells whether the folder exists.
    pub fn exists(&self) -> bool {
        self.path.is_dir()
    }

    /// Removes the folder if nobody has ever used the task; only for its owner.
    ///
    /// Unused is a folder with no more than the owner's lock and record and no
    /// run. Who waits for the lock meanwhile finds no folder to put a record in.
    pub fn remove_if_unused(&self) {
        let own = [self.owner_lock(), self.owner(), self.runs_folder()];
        let is_unused = fs::read_dir(&self.path).is_ok_and(|mut entries| {
            entries.all(|entry| entry.is_ok_and(|entry| own.contains(&entry.path())))
        });
        // A folder that is not empty cannot be removed this way, so a run stays.
        if is_unused && durable::discard_folder(&self.runs_folder()).is_ok() {
            durable::discard(&self.owner()).unwrap_or_default();
            durable::discard(&self.owner_lock()).unwrap_or_default();
            durable::discard_folder(&self.path).unwrap_or_default();
        }
    }

    /// Returns the absolute path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the id of the task's project.
    pub fn project(&self) -> &ProjectId {
        &self.project
    }

    /// Returns the task's id.
    pub fn id(&self) -> &TaskId {
        &self.id
    }

    /// Returns the path of the prompt of record.
    pub fn prompt(&self) -> PathBuf {
        self.path.join("TASK.md")
    }

    /// Returns the path of what was settled about the task beside its prompt.
    pub fn config(&self) -> PathBuf {
        self.path.join(TASK_CONFIG)
    }

    /// Returns the path of the task's bus.
    pub fn bus(&self) -> PathBuf {
        self.path.join(TASK_BUS)
    }

    /// Returns the path of the owner's lock file.
    pub fn owner_lock(&self) -> PathBuf {
        self.path.join("owner.lock")
    }

    /// Returns the path of the record that names the owner.
    pub fn owner(&self) -> PathBuf {
        self.path.join("owner.yaml")
    }

    /// Returns the path of the record of how the task was launched.
    pub fn launch(&self) -> PathBuf {
        self.path.join("launch.yaml")
    }

    /// Returns the path of the owner's state file.
    pub fn state(&self) -> PathBuf {
        self.path.join("task-state.yaml")
    }

    /// Returns the path of the supervisor's log.
    pub fn supervisor_log(&self) -> PathBuf {
        self.path.join("supervisor.log")
    }

    /// Returns the path of the messages that the bus could not take yet.
    pub fn bus_spool(&self) -> PathBuf {
        self.path.join("bus-spool.yaml")
    }

    /// Returns the path of the lock under which the end of the task is told to its project.
    pub fn propagation_lock(&self) -> PathBuf {
        self.path.join("TASK-COMPLETE-FACT-PROPAGATION.lock")
    }

    /// Returns the path of the record of what was told to the project last.
    pub fn propagation(&self) -> PathBuf {
        self.path.join("TASK-COMPLETE-FACT-PROPAGATION.yaml")
    }

    /// Returns the folder of requests to the owner.
    pub fn control_folder(&self) -> PathBuf {
        self.path.join("control")
    }

    /// Returns the folder of gate output and evidence.
    pub fn gates_folder(&self) -> PathBuf {
        self.path.join("gates")
    }

    /// Returns the folder that holds the runs.
    pub fn runs_folder(&self) -> PathBuf {
        self.path.join("runs")
    }

    /// Returns a run's folder, which may be missing but is no link.
    pub fn run(&self, id: &RunId) -> Result<RunDir, LayoutError> {
        if let Some(run) = &self.flat {
            let path = if run == id {
                self.path.clone()
            } else {
                self.path.join(id.as_str())
            };
            return Ok(self.run_at(path, id.clone()));
        }
        let runs = self.runs_folder();
        look(&runs)?;
        let path = runs.join(id.as_str());
        look(&path)?;
        Ok(self.run_at(path, id.clone()))
    }

    fn run_at(&self, path: PathBuf, id: RunId) -> RunDir {
        let task = Arc::new(self.clone());
        RunDir { path, task, id }
    }

    /// Returns the folders of runs that were found in the task's folder.
    pub(crate) fn found_runs(&self, ids: Vec<RunId>) -> Vec<RunDir> {
        let runs = self.runs_folder();
        let task = Arc::new(self.clone());
        let found = ids.into_iter().map(|id| RunDir {
            path: runs.join(id.as_str()),
            task: Arc::clone(&task),
            id,
        });
        found.collect()
    }

    /// Lists the runs, sorted by id; ids of one second are not in start order.
    pub fn runs(&self) -> Result<Vec<RunDir>, LayoutError> {
        if let Some(run) = &self.flat {
            return Ok(vec![self.run_at(self.path.clone(), run.clone())]);
        }
        let runs = self.runs_folder();
        look(&runs)?;
        let ids = list_folders(&runs, |name| RunId::parse(name).ok())?;
        Ok(self.found_runs(ids))
    }

    /// Creates the folder of a new run that starts at `now`, with its first record.
    ///
    /// Only for the task's owner. Returns after both are on disk; the folder gets
    /// its name when the record is in it, so that no one ever sees it without.
    pub fn create_recorded_run(
        &self,
        id: RunId,
        record: impl FnOnce(&RunDir) -> String,
    ) -> Result<RunDir, LayoutError> {
        let runs = self.runs_folder();
        look(&runs)?;
        let run = self.run_at(runs.join(id.as_str()), id);
        let prepared = runs.join(PREPARED_RUN);
        look(&prepared)?;
        let text = record(&run);
        let prepare =
            || durable::prepare_folder(&prepared, RUN_INFO, text.as_bytes(), Mode::Shared);
        let result = match prepare() {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                // Left by an owner that died; nothing of it was ever told.
                durable::discard(&prepared.join(RUN_INFO)).unwrap_or_default();
                durable::discard_folder(&prepared).and_then(|()| prepare())
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                // A starter that was refused has tidied up what looked unused.
                durable::create_folder(&runs, Mode::Shared).and_then(|()| prepare())
            }
            other => other,
        };
        crash::point("run-unrecorded");
        let named = result.and_then(|()| {
            match durable::rename_no_replace(&prepared, run.path()) {
                // This file system cannot refuse by itself; only the owner makes runs.
                Err(e) if e.kind() == io::ErrorKind::InvalidInput && !run.path().exists() => {
                    durable::rename(&prepared, run.path())
                }
                other => other,
            }
        });
        named.map_err(io_error(run.path()))?;
        Ok(run)
    }

    /// Creates the folder of a new run that starts at `now`.
    ///
    /// The exclusive creation of the folder makes the id unique across processes.
    pub fn create_run(&self, now: jiff::Timestamp) -> Result<RunDir, LayoutError> {
        const TRIES: u32 = 1000;
        let runs = self.runs_folder();
        look(&runs)?;
        for _ in 0..TRIES {
            let id = RunId::generate(now);
            let path = runs.join(id.as_str());
            match durable::create_folder(&path, Mode::Shared) {
                Ok(()) => {
                    return Ok(self.run_at(path, id));
                }
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(io_error(&path)(e)),
            }
        }
        let source = io::Error::other(format!("{TRIES} run ids in a row were taken"));
        Err(LayoutError::Io { path: runs, source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids() -> (ProjectId, TaskId) {
        (
            ProjectId::parse("p").unwrap(),
            TaskId::parse("task-20260101-000000-abc").unwrap(),
        )
    }

    #[test]
    fn a_new_root_is_private_and_runs_are_unique() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(&folder.path().join("root")).unwrap();
        assert!(!root.exists());
        let (project, task) = ids();
        let task = root.task(&project, &task).unwrap();
        task.ensure().unwrap();
        assert_eq!(
            fs::metadata(root.path()).unwrap().permissions().mode() & 0o777,
            0o700
        );
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        let first = task.create_run(now).unwrap();
        let second = task.create_run(now).unwrap();
        assert_ne!(first.id(), second.id());
        assert_eq!(task.runs().unwrap().len(), 2);
        assert_eq!(root.projects().unwrap().len(), 1);
        assert_eq!(root.projects().unwrap()[0].tasks().unwrap().len(), 1);
    }

    #[test]
    fn links_are_refused_at_every_level() {
        let folder = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        let root = Root::at(folder.path()).unwrap();
        let (project, task) = ids();
        let link = |path: &Path| std::os::unix::fs::symlink(outside.path(), path).unwrap();

        link(&folder.path().join("p"));
        assert!(matches!(
            root.task(&project, &task),
            Err(LayoutError::Symlink(_))
        ));
        assert!(
            root.projects().unwrap().is_empty(),
            "a linked project is not listed"
        );

        fs::remove_file(folder.path().join("p")).unwrap();
        fs::create_dir(folder.path().join("p")).unwrap();
        link(&folder.path().join("p").join(task.as_str()));
        assert!(matches!(
            root.task(&project, &task),
            Err(LayoutError::Symlink(_))
        ));

        fs::remove_file(folder.path().join("p").join(task.as_str())).unwrap();
        let task = root.task(&project, &task).unwrap();
        task.ensure().unwrap();
        fs::remove_dir(task.runs_folder()).unwrap();
        link(&task.runs_folder());
        assert!(matches!(task.runs(), Err(LayoutError::Symlink(_))));
        assert!(matches!(
            task.create_run(jiff::Timestamp::UNIX_EPOCH),
            Err(LayoutError::Symlink(_))
        ));
    }

    #[test]
    fn a_run_is_made_although_somebody_took_the_empty_folder_of_runs_away() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(folder.path()).unwrap();
        let (project, task) = ids();
        let task = root.task(&project, &task).unwrap();
        task.ensure().unwrap();
        fs::remove_dir(task.runs_folder()).unwrap();
        let id = RunId::generate(jiff::Timestamp::UNIX_EPOCH);
        let run = task.create_recorded_run(id.clone(), |_| "version: 1\n".to_owned());
        assert!(run.unwrap().path().join(RUN_INFO).is_file());
        // A task that is gone stays so.
        fs::remove_dir_all(task.path()).unwrap();
        task.create_recorded_run(id, |_| String::new()).unwrap_err();
        assert!(!task.path().exists());
    }

    #[test]
    fn a_root_that_is_a_file_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(matches!(
            Root::at(file.path()),
            Err(LayoutError::NotAFolder(_))
        ));
    }

    #[test]
    fn reserved_names_are_no_projects() {
        let folder = tempfile::tempdir().unwrap();
        for name in [".conductor", "_audit", "Upper", "ok"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let root = Root::at(folder.path()).unwrap();
        let names: Vec<_> = root
            .projects()
            .unwrap()
            .iter()
            .map(|p| p.id().to_string())
            .collect();
        assert_eq!(names, ["ok"]);
    }
}
