//! Runs as they are named on a command line: by id, or by the path of their folder.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use cl_storage::{ProjectDir, RunDir, RunId};

use crate::error::CliError;
use crate::scope::Scope;

/// A run that was named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Selected {
    /// Its id.
    pub(super) id: String,
    /// Its folder; where it would be, if it is not there.
    pub(super) folder: PathBuf,
}

/// One selector as it was typed.
enum Selector {
    Run(RunId),
    Folder(PathBuf),
}

/// What a record says of the run itself.
#[derive(serde::Deserialize)]
struct Recorded {
    run_id: String,
}

/// Finds the runs that `selectors` name, each once, in their order.
///
/// A run by id is looked for in the task of the command, then in the other tasks
/// of its project: children are tasks of their own.
pub(super) fn select(scope: &Scope, selectors: &[String]) -> Result<Vec<Selected>, CliError> {
    let parsed: Result<Vec<Selector>, CliError> = selectors
        .iter()
        .map(|text| text.trim())
        .filter(|text| !text.is_empty())
        .map(parse)
        .collect();
    let mut seen = HashSet::new();
    let mut found = Vec::new();
    for selector in parsed? {
        let selected = match selector {
            Selector::Run(id) => by_id(scope, &id)?,
            Selector::Folder(path) => by_folder(path)?,
        };
        let real = std::fs::canonicalize(&selected.folder);
        if seen.insert(real.unwrap_or_else(|_| selected.folder.clone())) {
            found.push(selected);
        }
    }
    if found.is_empty() {
        return Err(CliError::usage("--runs names no run"));
    }
    Ok(found)
}

fn parse(text: &str) -> Result<Selector, CliError> {
    if Path::new(text).is_absolute() {
        return Ok(Selector::Folder(PathBuf::from(text)));
    }
    if text.contains('/') || text.starts_with('.') {
        return Err(CliError::usage(format!("{text} is a relative path"))
            .hint("name the run by its id, or by the absolute path of its folder"));
    }
    Ok(Selector::Run(RunId::parse(text)?))
}

/// Takes a folder for a run's if its record or its name says so, and no other.
///
/// A run's folder that is gone is a run without an answer, as one that is named by id is.
fn by_folder(path: PathBuf) -> Result<Selected, CliError> {
    // The record knows better than the name of a folder that was copied.
    let recorded = cl_storage::record::read_text(&path.join("run-info.yaml"))
        .ok()
        .flatten()
        .and_then(|text| {
            RunId::parse(&cl_storage::yaml::parse::<Recorded>(&text).ok()?.run_id).ok()
        });
    let named = || RunId::parse(path.file_name()?.to_str()?).ok();
    let Some(id) = recorded.or_else(named) else {
        let shown = path.display();
        return Err(if path.exists() {
            CliError::usage(format!("{shown} is not the folder of a run"))
                .hint("a run's folder is called by the run's id, or holds its run-info.yaml")
        } else {
            CliError::not_found(format!("{shown} does not exist"))
        });
    };
    Ok(Selected {
        id: id.to_string(),
        folder: path,
    })
}

fn by_id(scope: &Scope, id: &RunId) -> Result<Selected, CliError> {
    let project = scope.existing_project()?;
    let task = scope.task.as_ref().map(|task| &task.value);
    let own = task.map(|task| project.task(task)).transpose()?;
    let own = own.map(|task| task.run(id)).transpose()?;
    if let Some(run) = own.as_ref().filter(|run| run.path().is_dir()) {
        return Ok(selected(run));
    }
    let others = in_project(&project, id)?;
    if others.len() > 1 {
        let project = project.id();
        return Err(
            CliError::usage(format!("run {id} is in several tasks of project {project}"))
                .hint("add --task ID"),
        );
    }
    // Where it would be tells where it was looked for.
    let nowhere = || Selected {
        id: id.to_string(),
        folder: project.path().join("*").join("runs").join(id.as_str()),
    };
    let found = others.first().or(own.as_ref());
    Ok(found.map_or_else(nowhere, selected))
}

fn selected(run: &RunDir) -> Selected {
    Selected {
        id: run.id().to_string(),
        folder: run.path().to_owned(),
    }
}

/// Lists the runs called `id` in all tasks of `project`.
pub(super) fn in_project(project: &ProjectDir, id: &RunId) -> Result<Vec<RunDir>, CliError> {
    let mut found = Vec::new();
    for task in project.tasks()? {
        // A task whose folder is strange does not hide the others.
        if let Ok(run) = task.run(id)
            && run.path().is_dir()
        {
            found.push(run);
        }
    }
    Ok(found)
}
