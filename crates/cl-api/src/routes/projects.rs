//! Projects: what there is, where their agents work, and how much of it.

use std::collections::BTreeSet;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use cl_storage::run_info::RunStatus;
use cl_storage::{ProjectId, work_folder};
use cl_view::tree::{MOST_ROWS, Member, Wish};
use cl_view::{flat, tree};
use cl_wire::Problem;
use cl_wire::projects::{
    FlatRuns, HomeDirs, Project, ProjectCreate, ProjectStats, Projects, ThreadParent,
};
use cl_wire::tree::Tree;
use jiff::Timestamp;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::listing::{Asked, Holds, flag, listed};
use super::submission::expand;
use super::{place, shape};
use crate::answer::{Answer, Json, Refusal, blocking, json};
use crate::app::App;
use crate::guard::Body;
use crate::state::{ProjectView, TaskEntry};

/// How many folders are suggested.
const MOST_DIRS: usize = 20;
/// So many tasks of a project are looked at for the folder that its agents work in.
const TASKS_LOOKED_AT: usize = 8;
/// So many tasks of all projects are looked at for folders to suggest.
const TASKS_FOR_DIRS: usize = 400;
/// The most runs of a selected task that a client may ask for.
const MOST_SELECTED: usize = 200;

/// Returns the routes of this module.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(projects, create))
        .routes(routes!(home_dirs))
        .routes(routes!(project))
        .routes(routes!(stats))
        .routes(routes!(flat_runs))
        .routes(routes!(tree_of))
}

/// Returns a project that is there.
pub(super) fn view_of(app: &App, id: &ProjectId) -> Answer<Arc<ProjectView>> {
    let not_found = || Refusal::not_found("project not found").detail("project_id", id.as_str());
    app.index.project(id).ok_or_else(not_found)
}

/// Lists the projects, those where something happened last first.
#[utoipa::path(
    get, path = "/api/projects", tag = "projects",
    responses((status = 200, body = Projects), (status = 304))
)]
async fn projects(State(app): State<App>, headers: HeaderMap) -> Answer<Response> {
    let view = app.index.view();
    // What stands in the files of a project itself is not in the view.
    let holds = Holds::ForASecond(view.version);
    listed(&app, &headers, "projects".to_owned(), holds, move |app| {
        let all = view.projects.values();
        let mut projects: Vec<Project> = all.map(|project| shown(app, project)).collect();
        projects
            .sort_by(|a, b| (b.last_activity.cmp(&a.last_activity)).then_with(|| a.id.cmp(&b.id)));
        Ok(Projects { projects })
    })
    .await
}

/// Makes a project, with the folder that its agents work in.
#[utoipa::path(
    post, path = "/api/projects", tag = "projects", request_body = ProjectCreate,
    responses((status = 201, body = Project), (status = 400, body = Problem), (status = 403, body = Problem), (status = 409, body = Problem))
)]
async fn create(State(app): State<App>, Body(asked): Body<ProjectCreate>) -> Answer<Response> {
    let made = blocking(move || {
        let id = asked.project_id;
        let work = work_folder_of(&app, &asked.project_root)?;
        let folder = app.root.project(&id).map_err(place::outside)?;
        let exists =
            || Refusal::conflict("project already exists").detail("project_id", id.as_str());
        let failed = |error: &(dyn std::error::Error + 'static)| {
            Refusal::internal("the project could not be made", error)
        };
        if folder.path().symlink_metadata().is_ok() {
            return Err(exists());
        }
        app.root.ensure().map_err(|error| failed(&error))?;
        if !work_folder::create(&folder, &work).map_err(|error| failed(&error))? {
            return Err(exists());
        }
        app.index.look_again_at_project(&id);
        Ok(shown(&app, &*view_of(&app, &id)?))
    });
    Ok(json(StatusCode::CREATED, &made.await?))
}

/// Checks the folder that agents are to work in.
fn work_folder_of(app: &App, named: &str) -> Answer<PathBuf> {
    let bad = |message: String| Err(Refusal::bad_request(message));
    let named = named.trim();
    if named.is_empty() {
        return bad("project_root is required".to_owned());
    }
    let path = expand(app, named);
    if !path.is_absolute() {
        return bad("project_root must be an absolute path or use ~/...".to_owned());
    }
    let Ok(real) = std::fs::canonicalize(&path) else {
        return bad(format!("project_root does not exist: {}", path.display()));
    };
    if !real.is_dir() {
        return bad(format!(
            "project_root is not a directory: {}",
            path.display()
        ));
    }
    if is_inside(&real, app.root.path()) {
        return bad("project_root must be outside conductor storage root".to_owned());
    }
    Ok(real)
}

fn is_inside(path: &FilePath, root: &FilePath) -> bool {
    path.starts_with(root) || std::fs::canonicalize(root).is_ok_and(|root| path.starts_with(root))
}

/// Suggests folders that agents have worked in.
#[utoipa::path(get, path = "/api/projects/home-dirs", tag = "projects", responses((status = 200, body = HomeDirs)))]
async fn home_dirs(State(app): State<App>) -> Answer<Json<HomeDirs>> {
    let dirs = blocking(move || {
        let view = app.index.view();
        let mut dirs: BTreeSet<PathBuf> = BTreeSet::new();
        for project in view.projects.values().take(TASKS_FOR_DIRS) {
            dirs.extend(marked(&app, &project.id).map(|(folder, _)| folder));
        }
        let mut tasks: Vec<&Arc<TaskEntry>> = view.tasks().collect();
        tasks.sort_by_key(|entry| std::cmp::Reverse(entry.row.last_activity));
        for entry in tasks.into_iter().take(TASKS_FOR_DIRS) {
            if dirs.len() >= MOST_DIRS {
                break;
            }
            dirs.extend(worked_in(&app, entry));
        }
        let dirs = dirs.into_iter().take(MOST_DIRS);
        let dirs = dirs.map(|dir| dir.to_string_lossy().into_owned());
        Ok(HomeDirs {
            dirs: dirs.collect(),
        })
    });
    Ok(Json(dirs.await?))
}

/// Returns the folder that was set for a project, and when. Blocks.
fn marked(app: &App, id: &ProjectId) -> Option<(PathBuf, Option<Timestamp>)> {
    let folder = app.root.project(id).ok()?;
    let work = work_folder::read(&folder).ok().flatten()?;
    let made = folder.path().metadata().and_then(|found| found.modified());
    let made = made.ok().and_then(|time| Timestamp::try_from(time).ok());
    Some((work, made))
}

/// Returns the folder that the first run of a task worked in, unless it is one of ours.
fn worked_in(app: &App, entry: &TaskEntry) -> Option<PathBuf> {
    let runs = app.index.run_facts(entry);
    let folders = runs.iter().filter_map(|run| run.cwd.as_deref());
    let mut folders = folders.map(PathBuf::from);
    folders.find(|folder| folder.is_absolute() && !is_inside(folder, app.root.path()))
}

/// Returns a project as it is shown. Blocks.
fn shown(app: &App, project: &ProjectView) -> Project {
    let last = project
        .tasks
        .values()
        .filter_map(|entry| entry.row.last_activity);
    let marked = marked(app, &project.id);
    let made = marked.as_ref().and_then(|(_, made)| *made);
    let folder = marked.map(|(folder, _)| folder).or_else(|| {
        let mut tasks = project.tasks.values().take(TASKS_LOOKED_AT);
        tasks.find_map(|entry| worked_in(app, entry))
    });
    Project {
        id: project.id.clone(),
        last_activity: last.max().or(made),
        task_count: project.tasks.len(),
        project_root: folder.map(|folder| folder.to_string_lossy().into_owned()),
    }
}

/// Shows a project.
#[utoipa::path(
    get, path = "/api/projects/{project_id}", tag = "projects", params(("project_id" = String, Path)),
    responses((status = 200, body = Project), (status = 400, body = Problem), (status = 404, body = Problem))
)]
async fn project(State(app): State<App>, Path(project): Path<String>) -> Answer<Json<Project>> {
    let id = place::project_id(&project)?;
    let project = blocking(move || Ok(shown(&app, &*view_of(&app, &id)?)));
    Ok(Json(project.await?))
}

/// Counts what a project has.
#[utoipa::path(
    get, path = "/api/projects/{project_id}/stats", tag = "projects", params(("project_id" = String, Path)),
    responses((status = 200, body = ProjectStats), (status = 304), (status = 400, body = Problem), (status = 404, body = Problem))
)]
async fn stats(
    State(app): State<App>,
    headers: HeaderMap,
    Path(project): Path<String>,
) -> Answer<Response> {
    let project = view_of(&app, &place::project_id(&project)?)?;
    let key = format!("stats {}", project.id);
    // Buses grow without a change of the view.
    let holds = Holds::ForASecond(project.version);
    listed(&app, &headers, key, holds, move |app| {
        Ok(counted(app, &project))
    })
    .await
}

fn counted(app: &App, project: &ProjectView) -> ProjectStats {
    let mut stats = ProjectStats {
        project_id: project.id.clone(),
        total_tasks: project.tasks.len(),
        total_runs: 0,
        running_runs: 0,
        completed_runs: 0,
        failed_runs: 0,
        crashed_runs: 0,
        message_bus_files: 0,
        message_bus_total_bytes: 0,
    };
    let mut buses: Vec<PathBuf> = Vec::new();
    buses.extend(app.root.project(&project.id).map(|folder| folder.bus()));
    for entry in project.tasks.values() {
        let runs = app.index.run_facts(entry);
        stats.total_runs += runs.len();
        for run in &*runs {
            *match run.status {
                RunStatus::Running => &mut stats.running_runs,
                RunStatus::Completed => &mut stats.completed_runs,
                RunStatus::Failed => &mut stats.failed_runs,
                RunStatus::Unknown => &mut stats.crashed_runs,
            } += 1;
        }
        buses.extend(entry.dir(&app.root).map(|folder| folder.bus()));
    }
    for bus in buses {
        let found = bus
            .symlink_metadata()
            .ok()
            .filter(std::fs::Metadata::is_file);
        stats.message_bus_files += usize::from(found.is_some());
        stats.message_bus_total_bytes += found.map_or(0, |found| found.len());
    }
    stats
}

/// Which runs are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Flat {
    /// Only those that run, and what connects them; 1 or 0.
    #[serde(default)]
    active_only: Option<String>,
    /// The runs of this task, and what connects them.
    #[serde(default)]
    selected_task_id: Option<String>,
    /// Only so many of that task, the latest; at most 200, and 0 for all.
    #[serde(default)]
    selected_task_limit: Option<String>,
}

/// Lists runs for clients that nest them themselves.
#[utoipa::path(
    get, path = "/api/projects/{project_id}/runs/flat", tag = "runs",
    params(("project_id" = String, Path), Flat),
    responses((status = 200, body = FlatRuns), (status = 304), (status = 400, body = Problem), (status = 404, body = Problem))
)]
async fn flat_runs(
    State(app): State<App>,
    headers: HeaderMap,
    Path(project): Path<String>,
    Asked(asked): Asked<Flat>,
) -> Answer<Response> {
    let id = place::project_id(&project)?;
    let task = asked
        .selected_task_id
        .as_deref()
        .filter(|id| !id.is_empty());
    let limit = asked.selected_task_limit.as_deref();
    let limit = limit.map(str::trim).filter(|limit| !limit.is_empty());
    let limit = limit.map(str::parse::<usize>).transpose();
    let wanted = flat::Wanted {
        active_only: flag("active_only", asked.active_only.as_deref(), false)?,
        task: task.map(place::task_id).transpose()?,
        task_limit: limit
            .map_err(|_| Refusal::bad_request("invalid selected_task_limit"))?
            .unwrap_or(0)
            .min(MOST_SELECTED),
    };
    let project = view_of(&app, &id)?;
    let key = format!("flat {} {wanted:?}", project.id);
    let holds = Holds::AtVersion(project.version);
    listed(&app, &headers, key, holds, move |app| {
        let mut runs = Vec::new();
        for (task, entry) in project.tasks.iter() {
            let facts = app.index.run_facts(entry);
            runs.extend(facts.iter().map(|run| shape::flat_run(task, run)));
        }
        Ok(FlatRuns {
            runs: flat::choose(runs, &wanted),
        })
    })
    .await
}

/// What of the tree is wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Selected {
    /// The task whose runs are there whatever else is left out.
    #[serde(default)]
    task_id: Option<String>,
}

/// Shows the tree of a project: what stands below what.
#[utoipa::path(
    get, path = "/api/projects/{project_id}/tree", tag = "projects",
    params(("project_id" = String, Path), Selected),
    responses((status = 200, body = Tree), (status = 304), (status = 400, body = Problem), (status = 404, body = Problem))
)]
async fn tree_of(
    State(app): State<App>,
    headers: HeaderMap,
    Path(project): Path<String>,
    Asked(asked): Asked<Selected>,
) -> Answer<Response> {
    let id = place::project_id(&project)?;
    let selected = asked.task_id.as_deref().filter(|id| !id.is_empty());
    let selected = selected.map(place::task_id).transpose()?;
    let project = view_of(&app, &id)?;
    let key = format!("tree {} {selected:?}", project.id);
    let holds = Holds::AtVersion(project.version);
    listed(&app, &headers, key, holds, move |app| {
        Ok(planted(app, &project, selected.as_ref()))
    })
    .await
}

/// Builds the tree of a project. Blocks.
pub(crate) fn planted(
    app: &App,
    project: &ProjectView,
    selected: Option<&cl_storage::TaskId>,
) -> Tree {
    let threads: Vec<Option<Arc<ThreadParent>>> = project
        .tasks
        .values()
        .map(|entry| app.index.thread_of(entry))
        .collect();
    let members: Vec<Member<'_>> = project
        .tasks
        .values()
        .zip(&threads)
        .map(|(entry, thread)| Member {
            row: &entry.row,
            thread_parent: thread.as_deref(),
        })
        .collect();
    let wish = Wish {
        selected,
        most_rows: MOST_ROWS,
    };
    let runs_of = |row: &cl_wire::TaskRow| {
        let Some(entry) = project.tasks.get(&row.task_id) else {
            return Vec::new();
        };
        let runs = app.index.run_facts(entry);
        runs.iter()
            .map(|run| shape::run_node(&row.task_id, run))
            .collect()
    };
    tree::build(
        &project.id,
        &members,
        project.problems.to_vec(),
        wish,
        runs_of,
    )
}
