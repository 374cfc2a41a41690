//! Which bus a command is about.
//!
//! ```text
//! 1  --bus FILE
//! 2  --project, --task              the project's or task's bus below the root
//! 3  JRUN_MESSAGE_BUS               inside a run only a bus of the run's own project
//! 4  the enclosing run              its task's bus
//! 5  the project that was inferred  its bus
//! 6  discovery                      the nearest bus file above the current folder
//! ```

use std::path::{Path, PathBuf};

use cl_bus::{Bus, Scope as BusScope};
use cl_storage::{ProjectId, TaskId};
use serde_json::json;

use crate::args::DiscoverArgs;
use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::scope::{Origin, Scope};

/// The bus that a command is about.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) path: PathBuf,
    /// The project that its messages belong to, as far as its place tells.
    pub(super) project: Option<ProjectId>,
    /// The task that its messages belong to, as far as its place tells.
    pub(super) task: Option<TaskId>,
    /// Where it was taken from.
    pub(super) from: Origin,
}

impl Target {
    /// Returns the bus.
    pub(super) fn bus(&self) -> Bus {
        Bus::new(&self.path)
    }

    fn at(path: PathBuf, from: Origin) -> Self {
        let scope = cl_bus::scope_of(&path);
        Self {
            project: scope.project_id().cloned(),
            task: scope.task_id().cloned(),
            path,
            from,
        }
    }

    fn of_task(
        scope: &Scope,
        project: &ProjectId,
        task: &TaskId,
        from: Origin,
    ) -> Result<Self, CliError> {
        let dir = scope.existing(project, task)?;
        Ok(Self {
            path: dir.bus(),
            project: Some(project.clone()),
            task: Some(task.clone()),
            from,
        })
    }

    fn of_project(scope: &Scope, from: Origin) -> Result<Self, CliError> {
        let dir = scope.existing_project()?;
        Ok(Self {
            path: dir.bus(),
            project: Some(dir.id().clone()),
            task: None,
            from,
        })
    }
}

/// Finds the bus that a command is about; its task or project exists.
pub(super) fn find(
    ctx: &mut Context,
    scope: &Scope,
    named: Option<&Path>,
) -> Result<Target, CliError> {
    if let Some(path) = named {
        return named_file(&ctx.absolute(path));
    }
    let is_flag = |from: &Origin| matches!(from, Origin::Flag(_));
    let project_flag = scope.project.as_ref().filter(|part| is_flag(&part.from));
    let task_flag = scope.task.as_ref().filter(|part| is_flag(&part.from));
    if let Some(task) = task_flag {
        let project = scope.require_project()?;
        return Target::of_task(scope, project, &task.value, task.from.clone());
    }
    if let Some(project) = project_flag {
        return Target::of_project(scope, project.from.clone());
    }
    if !ctx.global.no_infer {
        if let Some(target) = from_environment(ctx, scope)? {
            return Ok(target);
        }
        if let Some(outer) = &scope.enclosing {
            let (project, task) = (&outer.value.project, &outer.value.task);
            return Target::of_task(scope, project, task, outer.from.clone());
        }
    }
    match (&scope.project, &scope.task) {
        (Some(project), Some(task)) => {
            Target::of_task(scope, &project.value, &task.value, task.from.clone())
        }
        (Some(project), None) => Target::of_project(scope, project.from.clone()),
        (None, _) => discovered(ctx),
    }
}

fn named_file(path: &Path) -> Result<Target, CliError> {
    let folder = path.parent().filter(|folder| folder.is_dir());
    if folder.is_none() {
        let shown = path.display();
        return Err(
            CliError::not_found(format!("the folder of the bus {shown} does not exist"))
                .hint("check the path given with --bus"),
        );
    }
    if path.is_dir() {
        let shown = path.display();
        return Err(CliError::conflict(format!("{shown} is a directory"))
            .hint("a bus is a regular file; name one in it with --bus"));
    }
    Ok(Target::at(path.to_owned(), Origin::Flag("--bus")))
}

/// The bus that the environment names, if it may be trusted.
///
/// An agent that passes another task's variables to its children would mix the
/// messages of two tasks; only an explicit flag may leave the run's project.
fn from_environment(ctx: &mut Context, scope: &Scope) -> Result<Option<Target>, CliError> {
    const NAME: &str = "JRUN_MESSAGE_BUS";
    let Some(value) = ctx.environment.get_os(NAME) else {
        return Ok(None);
    };
    let path = PathBuf::from(value);
    let from = Origin::Variable(NAME);
    let own_project = scope.enclosing.as_ref().map(|outer| &outer.value.project);
    match place_below_root(scope, &path) {
        Some((project, task)) if own_project.is_none_or(|own| *own == project) => {
            let target = match task {
                Some(task) => Target::of_task(scope, &project, &task, from)?,
                None => Target {
                    path: scope.root().project(&project)?.bus(),
                    project: Some(project),
                    task: None,
                    from,
                },
            };
            Ok(Some(target))
        }
        place => {
            let why = match (place, own_project) {
                (Some((project, _)), Some(own)) => {
                    format!("it belongs to project {project}, and this run to {own}")
                }
                _ => format!(
                    "it is no bus below the root {}",
                    scope.root().path().display()
                ),
            };
            let instead = if own_project.is_some() {
                "the run's own bus is used"
            } else {
                "it is ignored"
            };
            ctx.console.warn(format_args!(
                "${NAME} is {}: {why}; {instead} (--bus names any file)",
                path.display()
            ));
            Ok(None)
        }
    }
}

/// Returns project and task of a bus that lies exactly where a bus below the root does.
fn place_below_root(scope: &Scope, path: &Path) -> Option<(ProjectId, Option<TaskId>)> {
    let root = scope.root();
    let folder = std::fs::canonicalize(path.parent()?).ok()?;
    let path = folder.join(path.file_name()?);
    match cl_bus::scope_of(&path) {
        BusScope::Task {
            project_id,
            task_id,
        } => {
            let own = root.task(&project_id, &task_id).ok()?.bus();
            (own == path).then_some((project_id, Some(task_id)))
        }
        BusScope::Project { project_id } => {
            let own = root.project(&project_id).ok()?.bus();
            (own == path).then_some((project_id, None))
        }
        BusScope::Loose { .. } => None,
    }
}

fn discovered(ctx: &Context) -> Result<Target, CliError> {
    let current = ctx.environment.current_dir();
    let found = cl_bus::discover(current).filter(|_| !ctx.global.no_infer);
    found
        .map(|path| Target::at(path, Origin::CurrentFolder(current.to_owned())))
        .ok_or_else(|| {
            CliError::usage("cannot find message bus: run from inside a task or project directory")
                .hint("or add --project ID, with --task ID for a task's bus")
        })
}

/// Prints the bus that would be used.
pub fn discover(ctx: &mut Context, args: &DiscoverArgs) -> Result<Exit, CliError> {
    let target = if let Some(folder) = &args.from {
        let folder = ctx.absolute(folder);
        let found = cl_bus::discover(&folder).ok_or_else(|| {
            let shown = folder.display();
            CliError::not_found(format!("there is no message bus in {shown} or above it"))
                .hint("`run-agent bus discover` without --from looks everywhere else, too")
        })?;
        Target::at(found, Origin::Flag("--from"))
    } else {
        let scope = ctx.scope()?;
        find(ctx, &scope, None)?
    };
    if ctx.console.is_json() {
        ctx.console.json(&json!({
            "path": target.path,
            "from": target.from.to_string(),
            "project_id": target.project,
            "task_id": target.task,
            "exists": target.path.exists(),
        }))?;
    } else {
        ctx.console.line(target.path.display())?;
        if !matches!(target.from, Origin::Flag(_)) {
            ctx.console.note(format_args!("Taken from {}", target.from));
        }
    }
    Ok(Exit::Success)
}
