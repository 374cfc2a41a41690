//! Where buses lie and what they are called.

use std::path::{Path, PathBuf};

use cl_storage::{ProjectId, TaskId};

use crate::archive;
use crate::message::Draft;

/// The name of a task's bus file.
pub const TASK_BUS: &str = "TASK-MESSAGE-BUS.md";
/// The name of a project's bus file.
pub const PROJECT_BUS: &str = "PROJECT-MESSAGE-BUS.md";
/// The name of a bus file in any other folder.
pub const LOOSE_BUS: &str = "MESSAGE-BUS.md";

/// What a bus belongs to, judged by its path alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// The bus of one task.
    Task {
        /// The task's project.
        project_id: ProjectId,
        /// The task.
        task_id: TaskId,
    },
    /// The bus of one project.
    Project {
        /// The project.
        project_id: ProjectId,
    },
    /// A bus that belongs to no task or project; it takes every message.
    Loose {
        /// The project that the folder's name suggests.
        project_id: Option<ProjectId>,
    },
}

impl Scope {
    /// Returns the project that messages on this bus belong to.
    pub fn project_id(&self) -> Option<&ProjectId> {
        match self {
            Self::Task { project_id, .. } | Self::Project { project_id } => Some(project_id),
            Self::Loose { project_id } => project_id.as_ref(),
        }
    }

    /// Returns the task that messages on this bus belong to.
    pub fn task_id(&self) -> Option<&TaskId> {
        match self {
            Self::Task { task_id, .. } => Some(task_id),
            Self::Project { .. } | Self::Loose { .. } => None,
        }
    }

    /// Returns how the ids of `draft` contradict this place, if they do.
    pub(crate) fn contradiction(&self, draft: &Draft) -> Option<String> {
        if matches!(self, Self::Loose { .. }) {
            return None;
        }
        if let Some(own) = self.project_id()
            && *own != draft.project_id
        {
            let theirs = &draft.project_id;
            return Some(format!(
                "project {theirs}, but the bus belongs to project {own}"
            ));
        }
        match (self.task_id(), &draft.task_id) {
            (Some(own), Some(theirs)) if own != theirs => {
                Some(format!("task {theirs}, but the bus belongs to task {own}"))
            }
            _ => None,
        }
    }
}

/// Tells what the bus at `path` belongs to.
///
/// A task's or project's bus file in a folder whose name is no valid id is loose.
pub fn scope_of(path: &Path) -> Scope {
    let folder_name = |levels: usize| {
        let folder = path.ancestors().nth(levels)?;
        folder.file_name()?.to_str()
    };
    let project = |levels| folder_name(levels).and_then(|name| ProjectId::parse(name).ok());
    let loose = Scope::Loose {
        project_id: project(1),
    };
    match path.file_name().and_then(|name| name.to_str()) {
        Some(TASK_BUS) => {
            let task = folder_name(1).and_then(|name| TaskId::parse_existing(name).ok());
            match (project(2), task) {
                (Some(project_id), Some(task_id)) => Scope::Task {
                    project_id,
                    task_id,
                },
                _ => Scope::Loose { project_id: None },
            }
        }
        Some(PROJECT_BUS) => match project(1) {
            Some(project_id) => Scope::Project { project_id },
            None => loose,
        },
        _ => loose,
    }
}

/// Finds the nearest bus file in the folder `from` or one above it.
///
/// In each folder a task's bus comes before a project's, and that before a loose
/// one. Links and everything else that is no regular file are passed over.
pub fn discover(from: &Path) -> Option<PathBuf> {
    from.ancestors().find_map(|folder| {
        [TASK_BUS, PROJECT_BUS, LOOSE_BUS]
            .into_iter()
            .map(|name| folder.join(name))
            .find(|path| is_bus(path))
    })
}

/// Tells whether a bus is at `path`; one that was just moved aside has archives only.
fn is_bus(path: &Path) -> bool {
    match path.symlink_metadata() {
        Ok(found) => found.file_type().is_file(),
        Err(_) => archive::archives(path).is_ok_and(|archives| !archives.is_empty()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_scope(path: &str, project: Option<&str>, task: Option<&str>) {
        let scope = scope_of(Path::new(path));
        assert_eq!(
            scope.project_id().map(ProjectId::as_str),
            project,
            "{scope:?}"
        );
        assert_eq!(scope.task_id().map(TaskId::as_str), task, "{scope:?}");
    }

    #[test]
    fn a_path_tells_the_scope() {
        check_scope("/r/p/t/TASK-MESSAGE-BUS.md", Some("p"), Some("t"));
        check_scope("/r/p/PROJECT-MESSAGE-BUS.md", Some("p"), None);
        check_scope("/r/p/MESSAGE-BUS.md", Some("p"), None);
        check_scope("/r/P_x/PROJECT-MESSAGE-BUS.md", None, None);
        check_scope("/r/P_x/t/TASK-MESSAGE-BUS.md", None, None);
        check_scope("/TASK-MESSAGE-BUS.md", None, None);
        check_scope("TASK-MESSAGE-BUS.md", None, None);
        check_scope("/r/p/.t/TASK-MESSAGE-BUS.md", None, None);
    }

    #[test]
    fn ids_must_fit_the_place() {
        let id = |text| ProjectId::parse(text).unwrap();
        let task = |text| TaskId::parse_existing(text).unwrap();
        let of_task = scope_of(Path::new("/r/p/t/TASK-MESSAGE-BUS.md"));
        let of_project = scope_of(Path::new("/r/p/PROJECT-MESSAGE-BUS.md"));
        let loose = scope_of(Path::new("/r/p/MESSAGE-BUS.md"));
        let fits = Draft::new("FACT", id("p"), "x").task(task("t"));
        let other_task = Draft::new("FACT", id("p"), "x").task(task("u"));
        let other_project = Draft::new("FACT", id("q"), "x").task(task("t"));
        assert_eq!(of_task.contradiction(&fits), None);
        assert_eq!(
            of_task.contradiction(&Draft::new("FACT", id("p"), "x")),
            None
        );
        assert_eq!(
            of_task.contradiction(&other_task).unwrap(),
            "task u, but the bus belongs to task t"
        );
        assert_eq!(of_project.contradiction(&other_task), None);
        assert_eq!(
            of_project.contradiction(&other_project).unwrap(),
            "project q, but the bus belongs to project p"
        );
        assert_eq!(loose.contradiction(&other_project), None);
    }
}
