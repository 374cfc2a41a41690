//! The core view of changes: launching, giving up, waking and deleting tasks as commands do.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use axum::extract::{Path, State};
use cl_conduct::{Attach, Submission};
use cl_runner::cancel::{self, cancel_task, uncancel_task};
use cl_runner::delete::{DeleteError, WhenActive, delete_task};
use cl_runner::launch::{Gate, Kind, LaunchFile, OnChildTimeout, OnDeadlock, Policy, add_gates};
use cl_runner::settle::clear_for_resume;
use cl_runner::stop::StopOptions;
use cl_runner::unblock::{UnblockError, unblock_task};
use cl_runner::wake::{WakeError, WakeReport, wake_task};
use cl_storage::budget::Usd;
use cl_storage::marker::{self, Cancellation, Command, Marker, Rule, rule};
use cl_storage::owner::Owner;
use cl_storage::queue::Queue;
use cl_storage::{TaskDir, gc};
use cl_wire::ProblemCode;
use cl_wire::changes::{
    CancelAnswer, CancelRequest, ClearRequest, DeleteAnswer, DeleteRequest, LaunchKind,
    LaunchPolicy, LaunchRequest, Launched, TaskChanged, TaskDeleted, TaskStartable, UnblockAnswer,
};
use cl_wire::projects::Unblock;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::core::{changeable, folder};
use super::steering::not_cancelled;
use super::{place, submission};
use crate::answer::{Answer, Json, Refusal, blocking};
use crate::app::App;
use crate::guard::{Body, Browser};

/// For how long an answer waits for the launch of what was queued.
const LAUNCHING: Duration = Duration::from_secs(3);
/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Returns the routes of this module.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(launch))
        .routes(routes!(cancel))
        .routes(routes!(uncancel))
        .routes(routes!(unblock))
        .routes(routes!(wake))
        .routes(routes!(clear))
        .routes(routes!(delete))
}

/// Runs a task; it is in the queue when this is answered, and launched if nothing is in the way.
#[utoipa::path(
    post, path = "/api/v1/core/projects/{project_id}/tasks/{task_id}/launch", tag = "core",
    params(("project_id" = String, Path), ("task_id" = String, Path)), request_body = LaunchRequest,
    responses((status = 200, body = Launched), (status = 400, body = cl_wire::Problem), (status = 404, body = cl_wire::Problem), (status = 409, body = cl_wire::Problem))
)]
async fn launch(
    State(app): State<App>,
    Path((project, task)): Path<(String, String)>,
    Body(asked): Body<LaunchRequest>,
) -> Answer<Json<Launched>> {
    submission::refuse_while_draining(&app)?;
    let (project, id) = (place::project_id(&project)?, place::task_id(&task)?);
    let task = match asked.kind {
        LaunchKind::Resume => changeable(folder(&app, &project, &id)?, "resume")?,
        LaunchKind::Task | LaunchKind::Job => submission::new_task(&app, &project, &id)?,
    };
    let worker = app.clone();
    let submitted = task.clone();
    let launch_id = blocking(move || submit(&worker, &submitted, asked)).await?;
    app.conductor.wake();
    blocking(move || {
        let queue_position = launched(&app, &task, &launch_id);
        app.index.look_again(&project, &id);
        Ok(Json(Launched {
            launch_id,
            project,
            queue_position,
            task: id,
        }))
    })
    .await
}

fn submit(app: &App, task: &TaskDir, asked: LaunchRequest) -> Answer<String> {
    let last = LaunchFile::read(task).map_err(|error| Refusal::conflict(cl_view::chain(&error)))?;
    let last = last.filter(|_| asked.kind == LaunchKind::Resume);
    let mut base = submission::policy(app, task)?;
    if let Some(last) = &last {
        let of_task = base
            .gates
            .into_iter()
            .filter(|gate| gate.of_task)
            .collect::<Vec<_>>();
        base = last.policy.clone();
        base.gates.retain(|gate| !gate.of_task);
        add_gates(&mut base, of_task);
    }
    let given = asked.cwd.as_deref();
    let cwd = match (&last, given) {
        (Some(last), None) => last.cwd.clone(),
        _ => submission::working_folder(app, task.project(), given)?,
    };
    let mut env = last
        .as_ref()
        .map(|last| last.env.clone())
        .unwrap_or_default();
    env.extend(asked.env);
    let submission = Submission {
        kind: match asked.kind {
            LaunchKind::Task => Kind::Task,
            LaunchKind::Job => Kind::Job,
            LaunchKind::Resume => last.as_ref().map_or(Kind::Task, |last| last.kind),
        },
        attach: match asked.kind {
            LaunchKind::Resume => Attach::Resume,
            LaunchKind::Task | LaunchKind::Job => Attach::Attach,
        },
        prompt: asked
            .prompt
            .or_else(|| last.as_ref().and_then(|last| last.prompt.clone())),
        cwd,
        agent: asked.agent.or_else(|| last.map(|last| last.agent_name)),
        env,
        depends_on: asked.depends_on,
        parent_run: None,
        policy: laid_over(base, &asked.policy)?,
    };
    let takes_up = asked.force && asked.kind == LaunchKind::Resume;
    let given_up = marker::cancellation(task).filter(|_| takes_up);
    if takes_up {
        marker::clear(task, Marker::Cancelled)
            .map_err(|error| Refusal::internal("the task could not be taken up", &error))?;
    }
    let (root, settings) = (&app.root, &app.settings);
    let submitted = cl_conduct::submit(root, task, &submission, None, settings, app.now());
    // What was not accepted takes nothing back: the task stays given up.
    if let (Err(_), Some(given_up)) = (&submitted, given_up) {
        marker::cancel(task, &given_up)
            .map_err(|error| Refusal::internal("the task could not be given up again", &error))?;
    }
    submitted
        .map(|submitted| submitted.launch_id)
        .map_err(submission::refusal)
}

/// Lays what was asked for over what is configured.
pub(super) fn laid_over(base: Policy, asked: &LaunchPolicy) -> Answer<Policy> {
    let mut policy = base;
    let time = Duration::from_millis;
    let limit = |asked: Option<u64>, usual: Option<Duration>| asked.map(time).or(usual);
    policy.idle_timeout = limit(asked.idle_timeout_ms, policy.idle_timeout);
    policy.max_duration = limit(asked.max_duration_ms, policy.max_duration);
    policy.max_task_duration =
        limit(asked.max_task_duration_ms, policy.max_task_duration).filter(|it| !it.is_zero());
    let budget = &mut policy.budget.task;
    if let Some(cost) = &asked.max_cost_usd {
        let cost = Usd::parse(cost).ok_or_else(|| {
            Refusal::bad_request(format!("max_cost_usd: {cost:?} is no amount of money"))
                .about("policy.max_cost_usd")
        })?;
        budget.max_cost_usd = Some(cost);
    }
    budget.max_tokens = asked.max_tokens.or(budget.max_tokens);
    policy.max_output_bytes = asked.max_output_bytes.unwrap_or(policy.max_output_bytes);
    policy.child_wait = asked.child_wait_ms.map_or(policy.child_wait, time);
    policy.on_child_timeout = match asked.stops_children {
        Some(true) => OnChildTimeout::Stop,
        Some(false) => OnChildTimeout::Leave,
        None => policy.on_child_timeout,
    };
    policy.grace = asked.grace_ms.map_or(policy.grace, time);
    policy.resume_session |= asked.resume_session;
    policy.dependency_poll = asked
        .dependency_poll_ms
        .map_or(policy.dependency_poll, |ms| time(ms.max(50)));
    policy.on_deadlock = match asked.fails_on_deadlock {
        Some(true) => OnDeadlock::Fail,
        Some(false) => OnDeadlock::Wait,
        None => policy.on_deadlock,
    };
    policy.max_attempts = asked.max_attempts.unwrap_or(policy.max_attempts);
    policy.restart_delay = asked.restart_delay_ms.map_or(policy.restart_delay, time);
    policy.max_gate_failures = asked.max_gate_failures.unwrap_or(policy.max_gate_failures);
    policy.require_change |= asked.require_change;
    add_gates(&mut policy, asked.gates.iter().map(Gate::from_command));
    Ok(policy)
}

/// Waits a little for the launch; returns the place in the queue if it did not come.
///
/// So whoever was answered can stop the task, or ask for it, as after a launch of his own.
fn launched(app: &App, task: &TaskDir, launch_id: &str) -> Option<usize> {
    let deadline = Instant::now() + LAUNCHING;
    loop {
        let owner = Owner::read(task).ok().flatten();
        let file = LaunchFile::read(task).ok().flatten();
        let is_its = |id: &str| id == launch_id;
        if owner.is_some_and(|owner| is_its(&owner.launch_id))
            || file.is_some_and(|file| is_its(&file.launch_id))
        {
            return None;
        }
        if Instant::now() > deadline {
            let queue = Queue::read(&app.root).unwrap_or_default();
            return queue.position(task.project(), task.id());
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Gives a task up for good and keeps its folder.
#[utoipa::path(
    post, path = "/api/v1/core/projects/{project_id}/tasks/{task_id}/cancel", tag = "core",
    params(("project_id" = String, Path), ("task_id" = String, Path)), request_body = CancelRequest,
    responses((status = 200, body = CancelAnswer), (status = 400, body = cl_wire::Problem), (status = 404, body = cl_wire::Problem), (status = 409, body = cl_wire::Problem))
)]
async fn cancel(
    State(app): State<App>,
    Path((project, task)): Path<(String, String)>,
    Body(asked): Body<CancelRequest>,
) -> Answer<Json<CancelAnswer>> {
    let (project, id) = (place::project_id(&project)?, place::task_id(&task)?);
    blocking(move || {
        let task = changeable(folder(&app, &project, &id)?, "cancel")?;
        let answer = place::unless_deleted(&task, give_up(&app, &task, &asked));
        app.index.look_again(&project, &id);
        answer.map(Json)
    })
    .await
}

/// The wish is on disk before anything is ended.
fn give_up(app: &App, task: &TaskDir, asked: &CancelRequest) -> Answer<CancelAnswer> {
    let reason = asked.reason.trim();
    if reason.is_empty() {
        return Err(
            Refusal::bad_request("the reason is empty").hint("say why the task is given up")
        );
    }
    let cancellation = Cancellation {
        at: app.now(),
        reason: reason.to_owned(),
        superseded_by: asked.superseded_by.clone(),
    };
    let when_active = if asked.force {
        cancel::WhenActive::Stop(StopOptions {
            by: format!("conductor task cancel: {reason}"),
            grace: Duration::from_millis(asked.grace_ms),
            kills: true,
            suppression: None,
        })
    } else {
        cancel::WhenActive::Refuse
    };
    let mut cancelled = cancel_task(&app.root, task, cancellation, &when_active, &*app.clock)
        .map_err(|error| not_cancelled(&error))?;
    let warnings = std::mem::take(&mut cancelled.warnings);
    Ok(CancelAnswer {
        cancelled: cl_view::cancelled(task, cancelled),
        warnings,
    })
}

/// Takes a task out of the queue; what it was launched for before that can be seen.
pub(super) fn unqueue(app: &App, task: &TaskDir) -> Answer<()> {
    cl_conduct::withdraw(&app.root, task)
        .map(drop)
        .map_err(|error| Refusal::internal("could not take the task out of the queue", &error))
}

/// Takes the giving up of a task back; nothing is started.
#[utoipa::path(
    post, path = "/api/v1/core/projects/{project_id}/tasks/{task_id}/uncancel", tag = "core",
    params(("project_id" = String, Path), ("task_id" = String, Path)),
    responses((status = 200, body = TaskChanged), (status = 404, body = cl_wire::Problem), (status = 409, body = cl_wire::Problem))
)]
async fn uncancel(
    State(app): State<App>,
    Path((project, task)): Path<(String, String)>,
) -> Answer<Json<TaskChanged>> {
    let (project, id) = (place::project_id(&project)?, place::task_id(&task)?);
    blocking(move || {
        let task = changeable(folder(&app, &project, &id)?, "uncancel")?;
        let taken_back = uncancel_task(&task).map_err(|error| not_cancelled(&error));
        let taken_back = place::unless_deleted(&task, taken_back)?;
        app.index.look_again(&project, &id);
        let outcome = match taken_back {
            Some(_) => "uncancelled",
            None => "not_cancelled",
        };
        Ok(Json(changed(&task, outcome)))
    })
    .await
}

fn changed(task: &TaskDir, outcome: &str) -> TaskChanged {
    TaskChanged {
        outcome: outcome.to_owned(),
        project: task.project().clone(),
        task: task.id().clone(),
    }
}

/// Ends a task's wait for a usage limit.
#[utoipa::path(
    post, path = "/api/v1/core/projects/{project_id}/tasks/{task_id}/wake", tag = "core",
    params(("project_id" = String, Path), ("task_id" = String, Path)),
    responses((status = 200, body = TaskChanged), (status = 404, body = cl_wire::Problem), (status = 409, body = cl_wire::Problem))
)]
async fn wake(
    State(app): State<App>,
    Path((project, task)): Path<(String, String)>,
) -> Answer<Json<TaskChanged>> {
    let (project, id) = (place::project_id(&project)?, place::task_id(&task)?);
    blocking(move || {
        let task = changeable(folder(&app, &project, &id)?, "wake")?;
        let report = wake_task(&task, &*app.clock);
        let report = report.map_err(|error| {
            let text = format!("{id} was not woken: {}", cl_view::chain(&error));
            match error {
                WakeError::TimedOut { .. } => {
                    Refusal::new(ProblemCode::Unavailable, text).detail("exit", "timeout")
                }
                _ => Refusal::new(ProblemCode::Internal, text),
            }
        });
        let report = place::unless_deleted(&task, report)?;
        app.index.look_again(&project, &id);
        match report {
            WakeReport::Awake => Ok(Json(changed(&task, "awake"))),
            WakeReport::NotWaiting(why) => {
                Err(Refusal::conflict(format!("task {id} was not woken: {why}"))
                    .hint("`run-agent status` shows what it does"))
            }
            WakeReport::NotRunning => Err(Refusal::conflict(format!("task {id} is not running"))
                .hint("`run-agent task resume` takes up a task that has ended, `run-agent recover` one whose supervisor died")),
        }
    })
    .await
}

/// Lets a task begin without tasks that it waits for.
#[utoipa::path(
    post, path = "/api/v1/core/projects/{project_id}/tasks/{task_id}/unblock", tag = "core",
    params(("project_id" = String, Path), ("task_id" = String, Path)), request_body = Unblock,
    responses((status = 200, body = UnblockAnswer), (status = 404, body = cl_wire::Problem), (status = 409, body = cl_wire::Problem))
)]
async fn unblock(
    State(app): State<App>,
    Path((project, task)): Path<(String, String)>,
    Body(asked): Body<Unblock>,
) -> Answer<Json<UnblockAnswer>> {
    let (project, id) = (place::project_id(&project)?, place::task_id(&task)?);
    let worker = app.clone();
    let answer = blocking(move || {
        let app = worker;
        let task = changeable(folder(&app, &project, &id)?, "unblock")?;
        let (named, now) = (&asked.dependencies, app.now());
        let unblocked = unblock_task(&app.root, &task, named, &asked.reason, now)
            .map_err(|error| not_unblocked(&error));
        let unblocked = place::unless_deleted(&task, unblocked)?;
        app.index.look_again(&project, &id);
        let warnings = unblocked.warning.iter().map(ToString::to_string).collect();
        Ok(Json(UnblockAnswer {
            unblocked: cl_view::unblocked(&task, unblocked),
            warnings,
        }))
    })
    .await?;
    // What was blocked in the queue may begin.
    app.conductor.wake();
    Ok(answer)
}

fn not_unblocked(error: &UnblockError) -> Refusal {
    match (error, error.hint()) {
        (UnblockError::Unknown { .. }, Some(hint)) => {
            Refusal::not_found(error.to_string()).hint(hint)
        }
        _ => Refusal::new(ProblemCode::Internal, cl_view::chain(error)),
    }
}

/// Takes away what keeps a task from being started, and starts nothing.
#[utoipa::path(
    post, path = "/api/v1/core/projects/{project_id}/tasks/{task_id}/clear", tag = "core",
    params(("project_id" = String, Path), ("task_id" = String, Path)), request_body = ClearRequest,
    responses((status = 200, body = TaskStartable), (status = 404, body = cl_wire::Problem), (status = 409, body = cl_wire::Problem))
)]
async fn clear(
    State(app): State<App>,
    Path((project, task)): Path<(String, String)>,
    Body(asked): Body<ClearRequest>,
) -> Answer<Json<TaskStartable>> {
    let (project, id) = (place::project_id(&project)?, place::task_id(&task)?);
    blocking(move || {
        let task = changeable(folder(&app, &project, &id)?, "resume")?;
        let command = if asked.force {
            Command::ForcedResume
        } else {
            Command::Resume
        };
        let is_cancelled = Marker::Cancelled.path(&task).is_file();
        if is_cancelled && rule(Marker::Cancelled, command) == Rule::Refuse {
            return Err(Refusal::conflict(format!("task {id} was given up"))
                .hint("add --force to take it up again"));
        }
        let is_taken_away =
            |marker: &Marker| rule(*marker, command) == Rule::Clear && marker.path(&task).is_file();
        let markers = Marker::ALL.into_iter().filter(is_taken_away);
        let cleared = markers
            .map(|marker| marker.file_name().to_owned())
            .collect();
        clear_for_resume(&task, command, &*app.clock).map_err(|error| {
            let why = cl_view::chain(&error);
            Refusal::conflict(format!("could not take up {id}: {why}"))
        })?;
        app.index.look_again(&project, &id);
        Ok(Json(TaskStartable {
            cleared,
            outcome: "startable".to_owned(),
            project,
            task: id,
        }))
    })
    .await
}

/// Deletes a task with its runs and messages; not through browsers.
#[utoipa::path(
    post, path = "/api/v1/core/projects/{project_id}/tasks/{task_id}/delete", tag = "core",
    params(("project_id" = String, Path), ("task_id" = String, Path)), request_body = DeleteRequest,
    responses((status = 200, body = DeleteAnswer), (status = 403, body = cl_wire::Problem), (status = 404, body = cl_wire::Problem), (status = 409, body = cl_wire::Problem))
)]
async fn delete(
    State(app): State<App>,
    browser: Browser,
    Path((project, task)): Path<(String, String)>,
    Body(asked): Body<DeleteRequest>,
) -> Answer<Json<DeleteAnswer>> {
    browser.must_not("task deletion")?;
    let (project, id) = (place::project_id(&project)?, place::task_id(&task)?);
    blocking(move || {
        let task = changeable(folder(&app, &project, &id)?, "delete")?;
        let dependents = place::project(&app, &project).and_then(|folder| {
            gc::dependents(&folder, &id)
                .map_err(|error| Refusal::internal("the project could not be read", &error))
        })?;
        let when_active = if asked.force {
            WhenActive::Stop(StopOptions {
                by: "conductor task delete".to_owned(),
                grace: Duration::from_millis(asked.grace_ms),
                kills: true,
                suppression: None,
            })
        } else {
            WhenActive::Refuse
        };
        unqueue(&app, &task)?;
        let report = delete_task(&app.root, &task, &when_active, &*app.clock)
            .map_err(|error| undeleted(&error, &task))?;
        app.index.look_again(&project, &id);
        let shown = |path: &PathBuf| path.display().to_string();
        let leftover = report.deleted.leftover.as_ref();
        Ok(Json(DeleteAnswer {
            leftover_error: leftover.map(|(_, error)| cl_view::chain(error)),
            deleted: TaskDeleted {
                dependents,
                leftover: leftover.map(|(path, _)| shown(path)),
                path: report.deleted.task.path.display().to_string(),
                project,
                size_bytes: report.deleted.task.size_bytes,
                stopped: report.stopped.iter().map(ToString::to_string).collect(),
                task: id,
            },
        }))
    })
    .await
}

fn undeleted(error: &DeleteError, task: &TaskDir) -> Refusal {
    let id = task.id();
    if !task.exists() {
        return Refusal::not_found(format!("task {id} does not exist any more"))
            .hint("somebody else has deleted it meanwhile");
    }
    let text = format!("the task was not deleted: {}", cl_view::chain(error));
    let refusal = if error.is_conflict() {
        Refusal::conflict(text)
    } else {
        Refusal::new(ProblemCode::Internal, text)
    };
    match error {
        DeleteError::Active { .. } => {
            refusal.hint("wait for it, or stop and delete it with --force")
        }
        DeleteError::Survivors { .. } => refusal.hint(format!(
            "`run-agent ps` shows them; `run-agent stop --force {id}` tries again"
        )),
        _ => refusal,
    }
}
