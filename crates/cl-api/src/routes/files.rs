//! Files of tasks and runs: parts of them in JSON, and their bytes.
//!
//! Only documented names are served, each from the one place where it stands. Folders and files
//! that are links are not followed.

mod part;
mod raw;

use std::fs::File;
use std::io;
use std::path::{Path as FilePath, PathBuf};

use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use cl_storage::redact::Redactor;
use cl_storage::run_info::RunInfo;
use cl_storage::{RunDir, TaskDir, durable};
use cl_wire::ProblemCode;
use cl_wire::projects::FileContent;
use jiff::Timestamp;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::listing::flag;
use super::place;
use crate::answer::{Answer, Json, Refusal, blocking};
use crate::app::App;

pub(super) use part::{is_inner, unfinished};
pub(super) use raw::raw;

use part::Part;

/// What `name` may be where a file of a run is meant.
pub(super) const RUN_FILES: &str = "`stdout` (unless given), `stderr`, `prompt` or `output.md`";
/// The one file of a task, and so the one that is meant where none is named.
const TASK_FILE: &str = "TASK.md";
/// The file of a run that is meant where none is named.
const USUAL_RUN_FILE: &str = "stdout";

/// Returns the routes of this module.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(task_file))
        .routes(routes!(task_bytes))
        .routes(routes!(run_file))
        .routes(routes!(run_bytes))
}

/// Which file, and what of it.
#[derive(Debug, Default, Deserialize)]
struct Wanted {
    name: Option<String>,
    offset: Option<String>,
    limit: Option<String>,
    tail: Option<String>,
    covered: Option<String>,
}

impl Wanted {
    /// Returns what knows the secrets that are to be covered.
    fn cover(&self, app: &App) -> Answer<Redactor> {
        let is_covered = flag("covered", self.covered.as_deref(), false)?;
        let known = is_covered.then(|| app.audit.redactor().clone());
        Ok(known.unwrap_or_default())
    }

    fn part(&self) -> Answer<Part> {
        Part::parse(
            self.offset.as_deref(),
            self.limit.as_deref(),
            self.tail.as_deref(),
        )
    }
}

/// Reads a file of a task, or a part of it.
#[utoipa::path(
    get, path = "/api/projects/{project_id}/tasks/{task_id}/file", tag = "files",
    params(
        ("project_id" = String, Path), ("task_id" = String, Path),
        ("name" = Option<String>, Query, description = "`TASK.md`, which is also the default"),
        ("offset" = Option<u64>, Query, description = "From this byte on"),
        ("limit" = Option<u64>, Query, description = "At most so many bytes; never more than 4 MiB"),
        ("tail" = Option<u64>, Query, description = "Only the last so many lines")
    ),
    responses((status = 200, body = FileContent), (status = 400, body = cl_wire::Problem), (status = 404, body = cl_wire::Problem))
)]
async fn task_file(
    State(app): State<App>,
    Path((project, task)): Path<(String, String)>,
    Query(wanted): Query<Wanted>,
) -> Answer<Json<FileContent>> {
    let (project, task) = (place::project_id(&project)?, place::task_id(&task)?);
    let part = wanted.part()?;
    blocking(move || {
        let task = place::known_task(&app, &project, &task)?;
        let name = wanted.name.unwrap_or_else(|| TASK_FILE.to_owned());
        let path = of_task(&task, &name)?;
        content(&app, name, &path, part)
    })
    .await
}

/// Reads the bytes of a file of a task, as they are or with known secrets covered.
#[utoipa::path(
    get, path = "/api/projects/{project_id}/tasks/{task_id}/file/raw", tag = "files",
    params(
        ("project_id" = String, Path), ("task_id" = String, Path),
        ("name" = Option<String>, Query, description = "`TASK.md`, which is also the default"),
        ("covered" = Option<bool>, Query, description = "Asterisks stand in the place of secrets that the server knows, one for each byte"),
        ("Range" = Option<String>, Header, description = "One range of bytes")
    ),
    responses(
        (status = 200, body = String, content_type = "text/plain"), (status = 206, body = String, content_type = "text/plain"),
        (status = 404, body = cl_wire::Problem), (status = 416, description = "The file has no such range")
    )
)]
async fn task_bytes(
    State(app): State<App>,
    Path((project, task)): Path<(String, String)>,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Answer<Response> {
    let (project, task) = (place::project_id(&project)?, place::task_id(&task)?);
    raw(wanted.cover(&app)?, headers, move || {
        let task = place::known_task(&app, &project, &task)?;
        let name = wanted.name.unwrap_or_else(|| TASK_FILE.to_owned());
        let path = of_task(&task, &name)?;
        open(&name, &path)
    })
    .await
}

/// Reads a file of a run, or a part of it.
#[utoipa::path(
    get, path = "/api/projects/{project_id}/tasks/{task_id}/runs/{run_id}/file", tag = "files",
    params(
        ("project_id" = String, Path), ("task_id" = String, Path), ("run_id" = String, Path),
        ("name" = Option<String>, Query, description = RUN_FILES),
        ("offset" = Option<u64>, Query, description = "From this byte on"),
        ("limit" = Option<u64>, Query, description = "At most so many bytes; never more than 4 MiB"),
        ("tail" = Option<u64>, Query, description = "Only the last so many lines")
    ),
    responses((status = 200, body = FileContent), (status = 400, body = cl_wire::Problem), (status = 403, body = cl_wire::Problem), (status = 404, body = cl_wire::Problem))
)]
async fn run_file(
    State(app): State<App>,
    Path(ids): Path<(String, String, String)>,
    Query(wanted): Query<Wanted>,
) -> Answer<Json<FileContent>> {
    let part = wanted.part()?;
    let run = run_of(&app, &ids)?;
    blocking(move || {
        let name = run_file_name(wanted.name);
        let path = of_run(&app, &run()?, &name)?;
        content(&app, name, &path, part)
    })
    .await
}

/// Reads the bytes of a file of a run, as they are or with known secrets covered.
#[utoipa::path(
    get, path = "/api/projects/{project_id}/tasks/{task_id}/runs/{run_id}/file/raw", tag = "files",
    params(
        ("project_id" = String, Path), ("task_id" = String, Path), ("run_id" = String, Path),
        ("name" = Option<String>, Query, description = RUN_FILES),
        ("covered" = Option<bool>, Query, description = "Asterisks stand in the place of secrets that the server knows, one for each byte"),
        ("Range" = Option<String>, Header, description = "One range of bytes")
    ),
    responses(
        (status = 200, body = String, content_type = "text/plain"), (status = 206, body = String, content_type = "text/plain"),
        (status = 403, body = cl_wire::Problem), (status = 404, body = cl_wire::Problem), (status = 416, description = "The file has no such range")
    )
)]
async fn run_bytes(
    State(app): State<App>,
    Path(ids): Path<(String, String, String)>,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Answer<Response> {
    let run = run_of(&app, &ids)?;
    raw(wanted.cover(&app)?, headers, move || {
        let name = run_file_name(wanted.name);
        let path = of_run(&app, &run()?, &name)?;
        open(&name, &path)
    })
    .await
}

/// Parses the ids of a run; what is returned finds its folder, and blocks.
pub(super) fn run_of(
    app: &App,
    (project, task, run): &(String, String, String),
) -> Answer<impl FnOnce() -> Answer<RunDir> + Send + 'static + use<>> {
    let (project, task) = (place::project_id(project)?, place::task_id(task)?);
    let (app, id) = (app.clone(), place::run_id(run)?);
    Ok(move || place::one_run(&place::known_task(&app, &project, &task)?, &id))
}

/// Returns the file of a run that is meant.
pub(super) fn run_file_name(named: Option<String>) -> String {
    named.unwrap_or_else(|| USUAL_RUN_FILE.to_owned())
}

/// Returns where a file of a task stands.
fn of_task(task: &TaskDir, name: &str) -> Answer<PathBuf> {
    match name {
        TASK_FILE => Ok(task.prompt()),
        _ => Err(unknown("task file", name)),
    }
}

/// Returns where a file of a run stands: where it always does, else where its record says.
pub(crate) fn of_run(app: &App, run: &RunDir, name: &str) -> Answer<PathBuf> {
    let (usual, recorded): (_, fn(RunInfo) -> String) = match name {
        "stdout" => (run.stdout(), |info| info.stdout_path),
        "stderr" => (run.stderr(), |info| info.stderr_path),
        "prompt" => (run.prompt(), |info| info.prompt_path),
        "output.md" => (run.output(), |info| info.output_path),
        _ => return Err(unknown("file", name)),
    };
    if usual.symlink_metadata().is_ok() {
        return Ok(usual);
    }
    // Runs of other programs have their streams elsewhere.
    let info = RunInfo::read(run).ok().flatten();
    let recorded = info.map(recorded).filter(|path| !path.is_empty());
    let Some(recorded) = recorded.map(PathBuf::from) else {
        return Ok(usual);
    };
    let escapes = || {
        Refusal::new(
            ProblemCode::Forbidden,
            "run file path escapes configured root",
        )
    };
    let root = std::fs::canonicalize(app.root.path()).map_err(|_| escapes())?;
    match std::fs::canonicalize(&recorded) {
        Ok(real) if real.starts_with(&root) => Ok(real),
        // A stranger is not told what is there and what is not.
        Err(_) if recorded.starts_with(&root) || recorded.starts_with(app.root.path()) => Ok(usual),
        Ok(_) | Err(_) => Err(escapes()),
    }
}

fn unknown(what: &str, name: &str) -> Refusal {
    let shown: String = name.chars().take(120).collect();
    Refusal::not_found(format!("unknown {what}: {shown}"))
}

/// A file that was opened, as it was then.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) file: File,
    pub(super) size: u64,
    modified: Timestamp,
}

/// Opens a file that is no link; `name` is what its reader calls it. Blocks.
pub(super) fn open(name: &str, path: &FilePath) -> Answer<Opened> {
    let not_found = || Refusal::not_found(format!("file not found: {name}"));
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => not_found(),
        // Where a link leads is none of the reader's business.
        _ if path.is_symlink() => not_found(),
        _ => Refusal::internal("the file could not be read", &error),
    };
    let file = durable::open_real(path).map_err(failed)?;
    let about = file.metadata().map_err(failed)?;
    if !about.is_file() {
        return Err(not_found());
    }
    let modified = about.modified().ok();
    let modified = modified.and_then(|time| Timestamp::try_from(time).ok());
    Ok(Opened {
        file,
        size: about.len(),
        modified: modified.unwrap_or(Timestamp::UNIX_EPOCH),
    })
}

fn content(app: &App, name: String, path: &FilePath, part: Part) -> Answer<Json<FileContent>> {
    let opened = open(&name, path)?;
    let read = part::read(opened.file, opened.size, part)
        .map_err(|error| Refusal::internal("the file could not be read", &error))?;
    let (text, lossy) = match String::from_utf8(read.bytes) {
        Ok(text) => (text, false),
        Err(error) => (String::from_utf8_lossy(error.as_bytes()).into_owned(), true),
    };
    let shown = app.audit.redactor().redact_known(&text).into_owned();
    let masked = shown != text;
    let is_all = read.from == 0 && read.to >= opened.size;
    Ok(Json(FileContent {
        name,
        content: shown,
        modified: opened.modified,
        size_bytes: opened.size,
        offset: read.from,
        truncated: read.to < opened.size,
        next_offset: if is_all { 0 } else { read.to },
        lossy,
        masked,
    }))
}
