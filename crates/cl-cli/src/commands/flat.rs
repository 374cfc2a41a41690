//! Folders of the old flat layout, which the config file names: shown, never changed.

use std::collections::HashSet;
use std::path::PathBuf;

use cl_storage::legacy;
use cl_storage::{ProjectDir, ProjectId, TaskDir};

use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::scope::Scope;

/// Looks at every folder that `storage.extra_roots` names.
///
/// Listings do not depend on a config file, so a broken one is only told.
pub(crate) fn scan(ctx: &mut Context) -> legacy::Scan {
    let loaded = ctx.config();
    let extra_roots = loaded.map(|loaded| loaded.config.storage.extra_roots.clone());
    let extra_roots = extra_roots.unwrap_or_else(|_| {
        ctx.console.warn(
            "the config file is wrong, so storage.extra_roots is left out; \
             `run-agent validate` tells more",
        );
        Vec::new()
    });
    let mut all = legacy::Scan::default();
    for extra in once_each(extra_roots) {
        let found = legacy::scan(&extra);
        all.tasks.extend(found.tasks);
        all.problems.extend(found.problems);
    }
    all
}

/// Leaves out the folders that were named before, by whatever path.
pub(crate) fn once_each(folders: Vec<PathBuf>) -> Vec<PathBuf> {
    let mut seen = HashSet::new();
    let is_first = |folder: &PathBuf| {
        let real = std::fs::canonicalize(folder);
        seen.insert(real.unwrap_or_else(|_| folder.clone()))
    };
    folders.into_iter().filter(is_first).collect()
}

/// Keeps the tasks of one project.
pub(crate) fn of_project(mut scan: legacy::Scan, project: &ProjectId) -> legacy::Scan {
    scan.tasks.retain(|task| task.project() == project);
    scan
}

/// Returns the folder of the project; none if only old folders know it.
pub(crate) fn existing_project(
    scope: &Scope,
    scan: &legacy::Scan,
) -> Result<Option<ProjectDir>, CliError> {
    match scope.existing_project() {
        Ok(project) => Ok(Some(project)),
        Err(error) if error.exit() == Exit::NotFound => {
            let project = scope.require_project()?;
            let is_known = scan.tasks.iter().any(|task| task.project() == project);
            if is_known { Ok(None) } else { Err(error) }
        }
        Err(error) => Err(error),
    }
}

/// Returns the folder of the task, which may be an old one.
pub(crate) fn existing_task(ctx: &mut Context, scope: &Scope) -> Result<TaskDir, CliError> {
    match scope.existing_task() {
        Err(error) if error.exit() == Exit::NotFound => {
            let (project, task) = scope.require_task()?;
            let old = of_project(scan(ctx), project).tasks;
            old.into_iter().find(|old| old.id() == task).ok_or(error)
        }
        other => other,
    }
}

/// Returns the folder of a task that is to be changed; an old one is refused.
pub(crate) fn changeable_task(
    ctx: &mut Context,
    scope: &Scope,
    verb: &str,
) -> Result<TaskDir, CliError> {
    let task = existing_task(ctx, scope)?;
    if task.is_flat() {
        let path = task.path().display();
        return Err(CliError::conflict(format!(
            "cannot {verb} {}: {path} is a folder of the old layout, which is only read",
            task.id()
        ))
        .hint("`run-agent output` and `run-agent status` show it"));
    }
    Ok(task)
}
