//! Submitting tasks.

use std::path::{Path, PathBuf};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use cl_conduct::{Attach, CONTINUE, Submission, SubmitError};
use cl_runner::launch::{Kind, LaunchFile, OrderError, Policy};
use cl_storage::dependencies::DependencyError;
use cl_storage::task_config::TaskConfig;
use cl_storage::thread_link::ThreadLink;
use cl_storage::{ProjectId, TaskDir, TaskId, work_folder};
use cl_wire::ProblemCode;
use cl_wire::v1::{Admission, AttachMode, TaskCreate, TaskCreated};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::threads::{self, Linked};
use super::{changing, imports};
use crate::answer::{Answer, Refusal, blocking, json};
use crate::app::App;
use crate::guard::Body;

/// The header whose value makes a submission happen once, however often it is sent.
const KEY: &str = "idempotency-key";
/// The longest key.
const LONGEST_KEY: usize = 255;

/// Returns the routes of this module.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(create))
}

/// Accepts a task; it is on disk, in the queue, when this is answered.
#[utoipa::path(
    post, path = "/api/v1/tasks", tag = "tasks", request_body = TaskCreate,
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[\\x21-\\x7e]+$", description = "The same key, the same submission")),
    responses(
        (status = 201, body = TaskCreated), (status = 400, body = cl_wire::Problem),
        (status = 404, body = cl_wire::Problem), (status = 409, body = cl_wire::Problem)
    )
)]
async fn create(
    State(app): State<App>,
    headers: HeaderMap,
    Body(asked): Body<TaskCreate>,
) -> Answer<Response> {
    refuse_while_draining(&app)?;
    let key = key(&headers)?;
    let (project, task) = (asked.project_id.clone(), asked.task_id.clone());
    let folder = new_task(&app, &project, &task)?;
    let worker = app.clone();
    let created = blocking(move || submit(&worker, &folder, asked, key.as_deref())).await?;
    app.conductor.wake();
    let index = app.clone();
    blocking(move || {
        index.index.look_again(&project, &task);
        Ok(())
    })
    .await?;
    Ok(json(StatusCode::CREATED, &created))
}

/// Refuses while no new task is begun.
pub(crate) fn refuse_while_draining(app: &App) -> Answer<()> {
    if !app.conductor.is_draining() {
        return Ok(());
    }
    let message = "self-update drain is in progress; task creation is temporarily unavailable";
    Err(Refusal::conflict(message).detail("self_update_state", "deferred"))
}

/// Reads the key of a submission.
pub(crate) fn key(headers: &HeaderMap) -> Answer<Option<String>> {
    let Some(value) = headers.get(KEY) else {
        return Ok(None);
    };
    let is_fine = |key: &&str| (1..=LONGEST_KEY).contains(&key.len());
    let key = value.to_str().ok().filter(is_fine).ok_or_else(|| {
        Refusal::bad_request("Idempotency-Key must be 1 to 255 visible ASCII characters")
    })?;
    Ok(Some(key.to_owned()))
}

/// Returns the folder of a task that may be made; its ids are held to the strict rules.
pub(super) fn new_task(app: &App, project: &ProjectId, task: &TaskId) -> Answer<TaskDir> {
    let folder = app.root.task(project, task);
    folder.map_err(|error| Refusal::bad_request(cl_view::chain(&error)).about("task_id"))
}

fn submit(app: &App, task: &TaskDir, asked: TaskCreate, key: Option<&str>) -> Answer<TaskCreated> {
    let link = threads::link_of(app, &asked)?;
    let prompt = asked.prompt.clone();
    let linked = |link: &Option<ThreadLink>| {
        let link = link.as_ref();
        link.map(|link| Linked::write(task, link)).transpose()
    };
    if let Some(process) = asked.process_import {
        let parent_run = link.as_ref().map(|link| link.parent_run_id.clone());
        let linked = linked(&link)?;
        let created = imports::import(app, task, &asked.agent_type, process, parent_run);
        let created = created.inspect_err(|_| linked.into_iter().for_each(Linked::take_back))?;
        if let Some(link) = &link {
            threads::tell(app, task, link, created.run_id.as_ref(), &prompt);
        }
        return Ok(created);
    }
    let mut submission = submission(app, task, asked)?;
    submission.parent_run = link.as_ref().map(|link| link.parent_run_id.clone());
    let (root, settings) = (&app.root, &app.settings);
    // Whoever sees the task in the queue sees what it answers.
    let linked = linked(&link)?;
    let submitted = cl_conduct::submit(root, task, &submission, key, settings, app.now());
    let submitted = submitted.map_err(|error| {
        linked.into_iter().for_each(Linked::take_back);
        refusal(error)
    })?;
    if let Some(link) = link.filter(|_| !submitted.is_repeated) {
        threads::tell(app, task, &link, submitted.run.as_ref(), &prompt);
    }
    let config = TaskConfig::read(task).unwrap_or_default();
    let queue_position = submitted.queue_position;
    Ok(TaskCreated {
        project_id: task.project().clone(),
        task_id: task.id().clone(),
        run_id: submitted.run,
        status: match queue_position {
            None if submitted.is_repeated => Admission::Started,
            _ => Admission::Queued,
        },
        queue_position,
        depends_on: config.depends_on,
    })
}

/// Queues a task that was launched before, as it was launched; markers are its supervisor's.
pub(crate) fn resume(app: &App, task: &TaskDir) -> Answer<()> {
    refuse_while_draining(app)?;
    let file = LaunchFile::read(task)
        .map_err(|error| Refusal::conflict(cl_view::chain(&error)))?
        .ok_or_else(|| {
            Refusal::conflict("it is not known how the task was launched")
                .hint("submit it with attach_mode `attach`")
        })?;
    let submission = Submission {
        kind: file.kind,
        attach: Attach::Resume,
        prompt: file.prompt,
        cwd: file.cwd,
        agent: Some(file.agent_name),
        env: file.env,
        depends_on: None,
        parent_run: None,
        policy: file.policy,
    };
    let (root, settings) = (&app.root, &app.settings);
    cl_conduct::submit(root, task, &submission, None, settings, app.now())
        .map(drop)
        .map_err(refusal)
}

/// Makes a submission of what was asked for.
fn submission(app: &App, task: &TaskDir, asked: TaskCreate) -> Answer<Submission> {
    if asked.agent_type.trim().is_empty() {
        return Err(Refusal::bad_request("agent_type is required").about("agent_type"));
    }
    if asked.prompt.trim().is_empty() {
        return Err(Refusal::bad_request("prompt is required").about("prompt"));
    }
    let policy = policy(app, task)?;
    let policy = match &asked.policy {
        Some(asked) => changing::laid_over(policy, asked)?,
        None => policy,
    };
    let attach = match asked.attach_mode.unwrap_or_default() {
        AttachMode::Create => Attach::Create,
        AttachMode::Attach => Attach::Attach,
        AttachMode::Resume => Attach::Resume,
    };
    let prompt = match attach {
        Attach::Resume => format!("{CONTINUE}{}", asked.prompt),
        Attach::Create | Attach::Attach => asked.prompt,
    };
    Ok(Submission {
        kind: Kind::Task,
        attach,
        prompt: Some(prompt),
        cwd: working_folder(app, task.project(), asked.project_root.as_deref())?,
        agent: Some(asked.agent_type),
        env: asked.config.unwrap_or_default(),
        depends_on: asked.depends_on,
        parent_run: None,
        policy,
    })
}

/// Returns the folder that agents work in: the one named, else the project's.
pub(super) fn working_folder(
    app: &App,
    project: &ProjectId,
    named: Option<&str>,
) -> Answer<PathBuf> {
    let Some(named) = named.filter(|named| !named.trim().is_empty()) else {
        return known_folder(app, project);
    };
    let path = expand(app, named);
    if !path.is_absolute() {
        let message = "project_root must be an absolute path or use ~/...";
        return Err(Refusal::bad_request(message).about("project_root"));
    }
    if !path.is_dir() {
        let message = format!("project_root does not exist: {}", path.display());
        return Err(Refusal::bad_request(message).about("project_root"));
    }
    std::fs::canonicalize(&path).map_err(|error| {
        Refusal::bad_request(format!(
            "project_root cannot be used: {}: {error}",
            path.display()
        ))
        .about("project_root")
    })
}

/// Returns a path with `~/` replaced by the home folder.
pub(crate) fn expand(app: &App, path: &str) -> PathBuf {
    let home = app.serving.environment.home();
    match (path.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(path),
    }
}

/// Returns the folder that the project's agents work in, as far as that is known.
fn known_folder(app: &App, project: &ProjectId) -> Answer<PathBuf> {
    let folder = app.root.project(project).ok();
    let known = folder.and_then(|folder| work_folder::read(&folder).ok().flatten());
    known
        .filter(|path: &PathBuf| Path::is_dir(path))
        .ok_or_else(|| {
            Refusal::bad_request(format!(
                "project_root is required: project {project} has none yet"
            ))
            .hint("name the folder that the agent is to work in")
            .about("project_root")
        })
}

pub(super) fn policy(app: &App, task: &TaskDir) -> Answer<Policy> {
    cl_conduct::policy::of_task(&app.settings, task)
        .map_err(|error| Refusal::conflict(cl_view::chain(&error)))
}

/// Says why a submission was not accepted.
pub(super) fn refusal(error: SubmitError) -> Refusal {
    match error {
        SubmitError::Agent(OrderError::Choice(error)) => Refusal::bad_request(error.to_string())
            .hint("`run-agent validate` shows the agents there are")
            .about("agent_type"),
        SubmitError::Agent(error) => Refusal::bad_request(cl_view::chain(&error))
            .hint("`run-agent validate` shows what each agent needs")
            .about("agent_type"),
        SubmitError::Conflict(message) => Refusal::conflict(message)
            .hint("take another task id, or attach_mode `attach` or `resume`")
            .about("task_id"),
        error @ SubmitError::Withdrawn => Refusal::conflict(error.to_string())
            .hint("submit it under another key to have it all the same")
            .about("idempotency_key"),
        SubmitError::NoPrompt => Refusal::bad_request("prompt is required").about("prompt"),
        SubmitError::Dependencies(
            error @ (DependencyError::Cycle(_) | DependencyError::Itself(_)),
        ) => Refusal::conflict(error.to_string()).about("depends_on"),
        SubmitError::Layout(error) => Refusal::bad_request(cl_view::chain(&error)).about("task_id"),
        error => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "could not accept a task"
            );
            Refusal::new(ProblemCode::Internal, "the task could not be written down")
                .hint("the server's log says why; nothing was accepted")
        }
    }
}
