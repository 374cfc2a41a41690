//! The resolver itself.

use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

use cl_storage::{IdError, ProjectId, Root, RunId, TaskId};

use super::inputs::{FoundRun, Inputs, TaskRule};
use super::{Enclosing, Origin, Resolved, Scope};
use crate::error::CliError;

/// Decides what a command is about.
///
/// Sources are looked at one after the other and only as long as something is
/// missing, so that a command with all its flags depends on nothing else.
pub fn resolve(inputs: &Inputs<'_>) -> Result<Scope, CliError> {
    let mut found = Found::from_flags(inputs)?;
    if !inputs.request.no_infer {
        for source in [run_folder, task_folder, id_variables, run_info] {
            if found.is_complete(inputs) {
                break;
            }
            if let Some(clue) = source(inputs)? {
                found.take(inputs, clue);
            }
        }
    }
    let root = match found.root.take() {
        Some(root) => root,
        None => fallback_root(inputs)?,
    };
    let at = |path: &Path| {
        Root::at(path).map_err(|error| {
            let from = &root.from;
            CliError::from(error).hint(format!("the root was taken from {from}; name a folder"))
        })
    };
    let opened = at(&root.value)?;
    if found.project.is_none() && inputs.request.infers_project && !inputs.request.no_infer {
        let clue = match current_folder(inputs, &opened)? {
            Some(clue) => Some(clue),
            None => home_folders(inputs, &opened),
        };
        if let Some(clue) = clue {
            found.take(inputs, clue);
        }
    }
    Ok(found.into_scope(Resolved::new(opened, root.from)))
}

/// What one source says. Parts are about each other: the run is one of the task.
#[derive(Debug)]
struct Clue {
    root: Option<PathBuf>,
    project: Option<Resolved<ProjectId>>,
    task: Option<Resolved<TaskId>>,
    run: Option<Resolved<RunId>>,
    origin: Origin,
}

#[derive(Debug, Default)]
struct Found {
    root: Option<Resolved<PathBuf>>,
    project: Option<Resolved<ProjectId>>,
    task: Option<Resolved<TaskId>>,
    run: Option<Resolved<RunId>>,
    parent_run: Option<Resolved<RunId>>,
    enclosing_project: Option<Resolved<ProjectId>>,
    enclosing_task: Option<Resolved<TaskId>>,
    enclosing_run: Option<Resolved<RunId>>,
    foreign_root: Option<PathBuf>,
}

impl Found {
    fn from_flags(inputs: &Inputs<'_>) -> Result<Self, CliError> {
        let request = inputs.request;
        let task = match request.task_rule {
            TaskRule::Existing => TaskId::parse_existing,
            TaskRule::New => TaskId::parse,
        };
        let task_flag = if request.task_is_positional {
            "position TASK"
        } else {
            "--task"
        };
        Ok(Self {
            root: request.root.as_ref().map(|path| {
                let path = inputs.environment.current_dir().join(path);
                Resolved::new(path, Origin::Flag("--root"))
            }),
            project: flag(request.project.as_deref(), "--project", ProjectId::parse)?,
            task: flag(request.task.as_deref(), task_flag, task)?,
            run: flag(request.run.as_deref(), "--run", RunId::parse)?,
            parent_run: flag(
                request.parent_run.as_deref(),
                "--parent-run-id",
                RunId::parse,
            )?,
            ..Self::default()
        })
    }

    fn is_complete(&self, inputs: &Inputs<'_>) -> bool {
        let request = inputs.request;
        self.root.is_some()
            && (self.project.is_some() || !request.infers_project)
            && (self.task.is_some() || !request.infers_task)
            && (self.enclosing_run.is_some() || !request.infers_enclosing)
    }

    /// Takes what is missing, unless the clue is about another root or project.
    fn take(&mut self, inputs: &Inputs<'_>, clue: Clue) {
        let request = inputs.request;
        let real = |path: &Path| inputs.surroundings.real_path(path);
        if let Some(root) = &clue.root {
            match &self.root {
                Some(known) if real(&known.value) != real(root) => {
                    self.foreign_root.get_or_insert_with(|| root.clone());
                    return;
                }
                Some(_) => {}
                None => self.root = Some(Resolved::new(root.clone(), clue.origin.clone())),
            }
        } else if self.foreign_root.is_some() {
            // The bare ids in the environment belong to the folders beside them.
            return;
        }
        if request.infers_project && self.project.is_none() {
            self.project.clone_from(&clue.project);
        }
        let is_same_project = same(self.project.as_ref(), clue.project.as_ref());
        if request.infers_task && self.task.is_none() && is_same_project {
            self.task.clone_from(&clue.task);
        }
        self.take_enclosing(clue);
    }

    fn take_enclosing(&mut self, clue: Clue) {
        if self.enclosing_project.is_none() {
            self.enclosing_project.clone_from(&clue.project);
        }
        if !same(self.enclosing_project.as_ref(), clue.project.as_ref()) {
            return;
        }
        if self.enclosing_task.is_none() {
            self.enclosing_task.clone_from(&clue.task);
        }
        if self.enclosing_run.is_none() && same(self.enclosing_task.as_ref(), clue.task.as_ref()) {
            self.enclosing_run = clue.run;
        }
    }

    fn into_scope(self, root: Resolved<Root>) -> Scope {
        let enclosing = match (
            self.enclosing_project,
            self.enclosing_task,
            self.enclosing_run,
        ) {
            (Some(project), Some(task), Some(run)) => Some(Resolved::new(
                Enclosing {
                    project: project.value,
                    task: task.value,
                    run: run.value,
                },
                run.from,
            )),
            _ => None,
        };
        let parent_run = self.parent_run.or_else(|| {
            enclosing
                .as_ref()
                .map(|outer| Resolved::new(outer.value.run.clone(), outer.from.clone()))
        });
        Scope {
            root,
            project: self.project,
            task: self.task,
            run: self.run,
            enclosing,
            parent_run,
            foreign_root: self.foreign_root,
        }
    }
}

/// Tells whether both name the same thing; a clue without it is about any.
fn same<T: PartialEq>(known: Option<&Resolved<T>>, said: Option<&Resolved<T>>) -> bool {
    match (known, said) {
        (Some(known), Some(said)) => known.value == said.value,
        _ => true,
    }
}

fn flag<T>(
    text: Option<&str>,
    name: &'static str,
    parse: impl Fn(&str) -> Result<T, IdError>,
) -> Result<Option<Resolved<T>>, CliError> {
    parsed(text, Origin::Flag(name), parse)
}

fn variable<T>(
    inputs: &Inputs<'_>,
    name: &'static str,
    parse: impl Fn(&str) -> Result<T, IdError>,
) -> Result<Option<Resolved<T>>, CliError> {
    let text = inputs
        .environment
        .get_os(name)
        .map(|text| text.to_string_lossy());
    parsed(text.as_deref(), Origin::Variable(name), parse)
}

fn parsed<T>(
    text: Option<&str>,
    from: Origin,
    parse: impl Fn(&str) -> Result<T, IdError>,
) -> Result<Option<Resolved<T>>, CliError> {
    match text.map(parse).transpose() {
        Ok(value) => Ok(value.map(|value| Resolved::new(value, from))),
        Err(error) => Err(invalid(&error, &from)),
    }
}

fn invalid(error: &IdError, from: &Origin) -> CliError {
    let hint = match from {
        Origin::Flag(_) => "correct the id".to_owned(),
        _ => format!("correct {from}, name the right one with a flag, or add --no-infer"),
    };
    CliError::usage(format!("{error} (from {from})")).hint(hint)
}

/// Reads the parts of `<root>/<project>/<task>`, given the two last names.
fn task_place(folder: &Path, from: &Origin) -> Result<Clue, CliError> {
    let root = folder.ancestors().nth(2);
    let project = folder.ancestors().nth(1).and_then(Path::file_name);
    let (Some(root), Some(project), Some(task)) = (root, project, folder.file_name()) else {
        return Err(no_folder(folder, from, "<root>/<project>/<task>"));
    };
    Ok(Clue {
        root: Some(root.to_owned()),
        project: parsed(Some(&text(project)), from.clone(), ProjectId::parse)?,
        task: parsed(Some(&text(task)), from.clone(), TaskId::parse_existing)?,
        run: None,
        origin: from.clone(),
    })
}

/// Reads the parts of `<root>/<project>/<task>/runs/<run>`.
fn run_place(folder: &Path, from: &Origin) -> Result<Clue, CliError> {
    let runs = folder.parent();
    let is_runs = runs.and_then(Path::file_name) == Some(OsStr::new("runs"));
    let (true, Some(task), Some(run)) = (is_runs, folder.ancestors().nth(2), folder.file_name())
    else {
        return Err(no_folder(
            folder,
            from,
            "<root>/<project>/<task>/runs/<run>",
        ));
    };
    Ok(Clue {
        run: parsed(Some(&text(run)), from.clone(), RunId::parse)?,
        ..task_place(task, from)?
    })
}

fn text(name: &OsStr) -> std::borrow::Cow<'_, str> {
    name.to_string_lossy()
}

fn no_folder(folder: &Path, from: &Origin, shape: &str) -> CliError {
    CliError::usage(format!(
        "{from} is {}, which is no {shape}",
        folder.display()
    ))
    .hint(format!("correct {from}, or add --no-infer"))
}

/// Returns the folder that a variable names; it must not climb.
fn folder_variable(
    inputs: &Inputs<'_>,
    name: &'static str,
) -> Result<Option<(PathBuf, Origin)>, CliError> {
    let Some(value) = inputs.environment.get_os(name) else {
        return Ok(None);
    };
    let (folder, from) = (PathBuf::from(value), Origin::Variable(name));
    let climbs = folder.components().any(|part| part == Component::ParentDir);
    if climbs || !folder.is_absolute() {
        return Err(no_folder(&folder, &from, "absolute path without \"..\""));
    }
    Ok(Some((folder, from)))
}

/// F1: the run's folder in the environment.
fn run_folder(inputs: &Inputs<'_>) -> Result<Option<Clue>, CliError> {
    folder_variable(inputs, "JRUN_RUN_FOLDER")?
        .map(|(folder, from)| run_place(&folder, &from))
        .transpose()
}

/// F2: the task's folder in the environment.
fn task_folder(inputs: &Inputs<'_>) -> Result<Option<Clue>, CliError> {
    folder_variable(inputs, "JRUN_TASK_FOLDER")?
        .map(|(folder, from)| task_place(&folder, &from))
        .transpose()
}

/// F3: bare ids in the environment.
fn id_variables(inputs: &Inputs<'_>) -> Result<Option<Clue>, CliError> {
    let clue = Clue {
        root: None,
        project: variable(inputs, "JRUN_PROJECT_ID", ProjectId::parse)?,
        task: variable(inputs, "JRUN_TASK_ID", TaskId::parse_existing)?,
        run: variable(inputs, "JRUN_ID", RunId::parse)?,
        origin: Origin::Variable("JRUN_PROJECT_ID"),
    };
    Ok((clue.project.is_some() || clue.run.is_some()).then_some(clue))
}

/// F4: a run record in the current folder or above it.
fn run_info(inputs: &Inputs<'_>) -> Result<Option<Clue>, CliError> {
    let current = inputs.environment.current_dir();
    let Some(record) = inputs.surroundings.run_info_above(current)? else {
        return Ok(None);
    };
    let from = Origin::RunInfo(record.path.clone());
    let folder = record.path.parent().unwrap_or(current);
    let said = said_by(&record, &from)?;
    // The place confirms the record, and is all there is if the record is damaged.
    match run_place(folder, &from) {
        Ok(place) if agrees(&place, &said) => Ok(Some(place)),
        _ if said.project.is_some() && said.task.is_some() => Ok(Some(said)),
        _ => Ok(None),
    }
}

fn said_by(record: &FoundRun, from: &Origin) -> Result<Clue, CliError> {
    Ok(Clue {
        root: None,
        project: parsed(record.project.as_deref(), from.clone(), ProjectId::parse)?,
        task: parsed(record.task.as_deref(), from.clone(), TaskId::parse_existing)?,
        run: parsed(record.run.as_deref(), from.clone(), RunId::parse)?,
        origin: from.clone(),
    })
}

fn agrees(place: &Clue, said: &Clue) -> bool {
    same(place.project.as_ref(), said.project.as_ref())
        && same(place.task.as_ref(), said.task.as_ref())
        && same(place.run.as_ref(), said.run.as_ref())
}

/// F5: the current folder lies below the root, or holds tasks.
fn current_folder(inputs: &Inputs<'_>, root: &Root) -> Result<Option<Clue>, CliError> {
    let current = inputs
        .surroundings
        .real_path(inputs.environment.current_dir());
    let from = Origin::CurrentFolder(current.clone());
    let clue = |project, task| Clue {
        root: None,
        project,
        task,
        run: None,
        origin: from.clone(),
    };
    if let Ok(below) = current.strip_prefix(root.path()) {
        let mut names = below.iter().map(text);
        let project = names.next().and_then(|name| ProjectId::parse(&name).ok());
        let Some(project) = project else {
            return Ok(None);
        };
        let task = names.next().and_then(|name| TaskId::parse(&name).ok());
        let task = task.map(|task| Resolved::new(task, from.clone()));
        return Ok(Some(clue(Some(Resolved::new(project, from.clone())), task)));
    }
    let Some(name) = current.file_name().map(text) else {
        return Ok(None);
    };
    if !inputs.surroundings.holds_tasks(&current) {
        return Ok(None);
    }
    let project = parsed(Some(&name), from.clone(), ProjectId::parse)?;
    Ok(Some(clue(project, None)))
}

/// F6: a project says that the current project folder is its own.
fn home_folders(inputs: &Inputs<'_>, root: &Root) -> Option<Clue> {
    let surroundings = inputs.surroundings;
    let folder = surroundings.project_folder(inputs.environment.current_dir());
    let folder = surroundings.real_path(&folder);
    let home = surroundings
        .project_homes(root)
        .into_iter()
        .find(|home| surroundings.real_path(&home.folder) == folder);
    home.map(|home| {
        let from = Origin::HomeFolders(home.described_in);
        Clue {
            root: None,
            project: Some(Resolved::new(home.project, from.clone())),
            task: None,
            run: None,
            origin: from,
        }
    })
}

fn fallback_root(inputs: &Inputs<'_>) -> Result<Resolved<PathBuf>, CliError> {
    let environment = inputs.environment;
    if let Some(root) = environment.get_os("CONDUCTOR_ROOT") {
        let root = environment.current_dir().join(root);
        return Ok(Resolved::new(root, Origin::Variable("CONDUCTOR_ROOT")));
    }
    if let Some((root, from)) = inputs.surroundings.configured_root()? {
        return Ok(Resolved::new(root, from));
    }
    let home = environment.home().ok_or_else(|| {
        CliError::usage("cannot tell where the root is: there is no home folder")
            .hint("add --root DIR, or set CONDUCTOR_ROOT")
    })?;
    Ok(Resolved::new(home.join(".run-agent/runs"), Origin::Default))
}
