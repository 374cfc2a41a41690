//! From ids in a request to folders below the root.

use cl_storage::{ProjectDir, ProjectId, RunDir, RunId, TaskDir, TaskId};
use cl_wire::ProblemCode;

use crate::answer::{Answer, Refusal};
use crate::app::App;

/// Parses the id of a project.
pub(crate) fn project_id(text: &str) -> Answer<ProjectId> {
    ProjectId::parse(text).map_err(|error| Refusal::bad_request(format!("project_id: {error}")))
}

/// Parses the id of a task that may be there.
pub(crate) fn task_id(text: &str) -> Answer<TaskId> {
    TaskId::parse_existing(text).map_err(|error| Refusal::bad_request(format!("task_id: {error}")))
}

/// Parses the id of a run.
pub(crate) fn run_id(text: &str) -> Answer<RunId> {
    RunId::parse(text).map_err(|error| Refusal::bad_request(format!("run_id: {error}")))
}

/// Returns the folder of a project that is there.
pub(crate) fn project(app: &App, id: &ProjectId) -> Answer<ProjectDir> {
    let folder = app.root.project(id).map_err(outside)?;
    if folder.path().is_dir() {
        Ok(folder)
    } else {
        Err(Refusal::not_found("project not found").detail("project_id", id.as_str()))
    }
}

/// Returns the folder of a task that is there.
pub(crate) fn task(app: &App, project: &ProjectId, id: &TaskId) -> Answer<TaskDir> {
    let folder = app.root.task(project, id).map_err(outside)?;
    if folder.path().is_dir() {
        Ok(folder)
    } else {
        Err(Refusal::not_found("task not found")
            .detail("project_id", project.as_str())
            .detail("task_id", id.as_str()))
    }
}

/// Returns `answer`; what failed because somebody has deleted the task meanwhile says so.
pub(crate) fn unless_deleted<T>(task: &TaskDir, answer: Answer<T>) -> Answer<T> {
    answer.map_err(|refusal| {
        if refusal.0.code() == ProblemCode::Internal && !task.exists() {
            Refusal::not_found("task not found")
                .hint("somebody else has deleted it meanwhile")
                .detail("project_id", task.project().as_str())
                .detail("task_id", task.id().as_str())
        } else {
            refusal
        }
    })
}

/// Returns the folder of a task that is there or is known from elsewhere: a folder of the old
/// layout or of an extra root, which is only read.
pub(crate) fn known_task(app: &App, project: &ProjectId, id: &TaskId) -> Answer<TaskDir> {
    let missing = match task(app, project, id) {
        Ok(found) => return Ok(found),
        Err(refusal) => refusal,
    };
    let view = app.index.project(project);
    let known = view.and_then(|view| view.tasks.get(id)?.dir(&app.root).ok());
    known.filter(|folder| folder.path().is_dir()).ok_or(missing)
}

/// Returns the folder of one run that is there, without a look at the others.
pub(crate) fn one_run(task: &TaskDir, id: &RunId) -> Answer<RunDir> {
    let run = task.run(id).map_err(outside)?;
    if run.path().is_dir() {
        Ok(run)
    } else {
        Err(no_run(id))
    }
}

/// Returns the folder of a run that is there.
pub(crate) fn run(task: &TaskDir, id: &RunId) -> Answer<RunDir> {
    let runs = task.runs().map_err(outside)?;
    let found = runs.into_iter().find(|run| run.id() == id);
    found.ok_or_else(|| no_run(id))
}

/// Finds the one task with this id, in the project that is named or in any.
pub(crate) fn task_anywhere(app: &App, named: Option<&ProjectId>, id: &TaskId) -> Answer<TaskDir> {
    if let Some(project) = named {
        return task(app, project, id);
    }
    let projects = app.root.projects().map_err(outside)?;
    let folders = projects.iter().filter_map(|project| project.task(id).ok());
    let mut found = folders.filter(|folder| folder.path().is_dir());
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => Err(Refusal::not_found("task not found").detail("task_id", id.as_str())),
        (Some(_), Some(_)) => Err(Refusal::conflict("multiple tasks found")
            .detail("task_id", id.as_str())
            .hint("name the project with project_id")),
    }
}

/// Finds the one run with this id, in any task of any project. Blocks.
///
/// All folders are looked through only for a run that the index does not know, or not yet.
pub(crate) fn run_anywhere(app: &App, id: &RunId) -> Answer<RunDir> {
    if let Ok(entry) = super::v1::entry_of_run(app, id)
        && !entry.row.legacy
    {
        return one_run(&entry.dir(&app.root).map_err(outside)?, id);
    }
    let mut found = Vec::new();
    for project in app.root.projects().map_err(outside)? {
        for task in project.tasks().unwrap_or_default() {
            if task.runs_folder().join(id.as_str()).is_dir() {
                found.push(run(&task, id)?);
            }
        }
    }
    match (found.pop(), found.is_empty()) {
        (Some(run), true) => Ok(run),
        (None, _) => Err(no_run(id)),
        (Some(_), false) => {
            Err(Refusal::conflict("multiple runs found").detail("run_id", id.as_str()))
        }
    }
}

/// Says that there is no such run.
pub(super) fn no_run(id: &RunId) -> Refusal {
    Refusal::not_found("run not found").detail("run_id", id.as_str())
}

/// Says that a path is not one that is served.
pub(super) fn outside(error: cl_storage::LayoutError) -> Refusal {
    match error {
        cl_storage::LayoutError::Symlink(_) => Refusal::new(
            ProblemCode::Forbidden,
            "the path escapes the configured root",
        ),
        error => Refusal::internal("a folder could not be looked at", &error),
    }
}

#[cfg(test)]
mod tests {
    use cl_storage::Root;

    use super::*;

    #[test]
    fn what_fails_of_a_task_that_was_deleted_meanwhile_is_no_fault_of_the_server() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(folder.path()).unwrap();
        let project = ProjectId::parse("p").unwrap();
        let id = TaskId::parse("task-20260101-000000-t001").unwrap();
        let task = root.task(&project, &id).unwrap();
        let code_of = |refusal: Refusal| {
            let answer = unless_deleted::<()>(&task, Err(refusal));
            answer.unwrap_err().0.code()
        };
        let failed = || Refusal::new(ProblemCode::Internal, "could not lock the task");
        assert_eq!(code_of(failed()), ProblemCode::NotFound);
        let conflict = code_of(Refusal::conflict("task has running runs"));
        assert_eq!(conflict, ProblemCode::Conflict);
        std::fs::create_dir_all(task.path()).unwrap();
        assert_eq!(code_of(failed()), ProblemCode::Internal);
    }
}
