//! What runs use, what limits them, which processes they have, and what gates found: the same
//! documents that the command line prints.

use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use cl_config::AccountNames;
use cl_runner::processes;
use cl_storage::evidence::{self, Evidence};
use cl_storage::ledger::{self, Account, AccountKey, Ledger, LedgerError};
use cl_storage::redact::Redactor;
use cl_storage::task_state::TaskState;
use cl_storage::{ProjectId, TaskDir, TaskId};
use cl_wire::evidence::{EvidenceRow, TaskEvidence};
use cl_wire::facts::ClaimFact;
use cl_wire::limits::{Forgotten, ForgottenAccount, Limits};
use cl_wire::ps::Processes;
use cl_wire::usage::{UsageBy, UsageReport};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{files, place};
use crate::answer::{Answer, Json, Refusal, blocking};
use crate::app::App;

/// How many pieces of evidence of one task are shown; the newest.
const MOST_PIECES: u32 = 500;
/// The longest time that usage is added up for, in days.
const MOST_DAYS: i64 = 36_500;

/// Returns the routes of this module.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(usage))
        .routes(routes!(limits))
        .routes(routes!(forget))
        .routes(routes!(ps))
        .routes(routes!(evidence_of))
        .routes(routes!(evidence_output))
}

/// Which tasks are meant, and how they are added up.
#[derive(Debug, Deserialize)]
struct Asked {
    project_id: Option<String>,
    task_id: Option<String>,
    by: Option<String>,
    since: Option<String>,
    days: Option<String>,
}

impl Asked {
    /// Returns the project and task that are named, if any.
    fn scope(&self) -> Answer<(Option<ProjectId>, Option<TaskId>)> {
        fn given(text: Option<&String>) -> Option<&str> {
            text.map(String::as_str).filter(|text| !text.is_empty())
        }
        let project = given(self.project_id.as_ref());
        let task = given(self.task_id.as_ref());
        Ok((
            project.map(place::project_id).transpose()?,
            task.map(place::task_id).transpose()?,
        ))
    }

    fn by(&self) -> Answer<UsageBy> {
        let Some(word) = self.by.as_deref().filter(|word| !word.is_empty()) else {
            return Ok(UsageBy::Agent);
        };
        UsageBy::parse(word).ok_or_else(|| {
            let all = UsageBy::ALL.map(UsageBy::as_str).join(", ");
            Refusal::bad_request(format!("by must be one of {all}"))
        })
    }

    fn since(&self, now: Timestamp) -> Answer<Option<Timestamp>> {
        if let Some(since) = self.since.as_deref().filter(|since| !since.is_empty()) {
            let since = since.parse().map(Some);
            return since.map_err(|_| Refusal::bad_request("since must be a time of RFC 3339"));
        }
        let Some(days) = self.days.as_deref().filter(|days| !days.is_empty()) else {
            return Ok(None);
        };
        let days = days
            .parse()
            .ok()
            .filter(|days| (1..=MOST_DAYS).contains(days));
        let days = days.ok_or_else(|| Refusal::bad_request("days must be a number from 1"))?;
        let today = now.to_zoned(jiff::tz::TimeZone::UTC).start_of_day();
        let today = today.map_or(now, |day| day.timestamp());
        let start = today.checked_sub(SignedDuration::from_hours((days - 1) * 24));
        Ok(Some(start.unwrap_or(Timestamp::MIN)))
    }
}

/// Adds up what runs have used.
#[utoipa::path(
    get, path = "/api/v1/usage", tag = "resources",
    params(
        ("project_id" = Option<String>, Query), ("task_id" = Option<String>, Query, description = "Needs `project_id`"),
        ("by" = Option<String>, Query, description = "`agent` (unless given), `task`, `project`, `day` or `model`"),
        ("since" = Option<String>, Query, description = "Only runs that began then or later"),
        ("days" = Option<u64>, Query, description = "Only runs of the last so many days, in UTC")
    ),
    responses((status = 200, body = UsageReport), (status = 400, body = cl_wire::Problem), (status = 404, body = cl_wire::Problem))
)]
async fn usage(State(app): State<App>, Query(asked): Query<Asked>) -> Answer<Json<UsageReport>> {
    let (project, task) = asked.scope()?;
    let (by, since) = (asked.by()?, asked.since(app.now())?);
    if task.is_some() && project.is_none() {
        return Err(Refusal::bad_request("task_id needs project_id"));
    }
    blocking(move || {
        let mut sums = cl_view::UsageSums::new(by, since);
        let unreadable = |error| Refusal::internal("the runs could not be listed", &error);
        match (project, task) {
            (Some(project), Some(task)) => {
                let task = place::task(&app, &project, &task)?;
                sums.task(&task).map_err(unreadable)?;
            }
            (project, _) => {
                let projects = match project {
                    Some(project) => vec![place::project(&app, &project)?],
                    None => app.root.projects().map_err(unreadable)?,
                };
                for project in projects {
                    for task in project.tasks().map_err(unreadable)? {
                        sums.task(&task).map_err(unreadable)?;
                    }
                }
            }
        }
        Ok(Json(sums.report()))
    })
    .await
}

/// Shows what is known of the usage limits of agents, and of agents that fail.
#[utoipa::path(
    get, path = "/api/v1/limits", tag = "resources",
    responses((status = 200, body = Limits))
)]
async fn limits(State(app): State<App>) -> Answer<Json<Limits>> {
    blocking(move || {
        let (accounts, problems) = Ledger::of(&app.root).all();
        let names = AccountNames::of(&app.serving.config);
        let names = |account: &Account| names.of_account(&account.agent, &account.account);
        Ok(Json(cl_view::limits(
            &accounts,
            &problems,
            names,
            app.now(),
        )))
    })
    .await
}

/// Forgets what is known of the limits of an agent, named by its kind, name or account.
#[utoipa::path(
    delete, path = "/api/v1/limits/{agent}", tag = "resources",
    params(("agent" = String, Path)),
    responses((status = 200, body = Forgotten), (status = 404, body = cl_wire::Problem))
)]
async fn forget(State(app): State<App>, Path(agent): Path<String>) -> Answer<Json<Forgotten>> {
    let wanted = agent.trim().to_owned();
    if wanted.is_empty() {
        return Err(Refusal::bad_request("the agent's name is empty"));
    }
    blocking(move || {
        let failed =
            |error: LedgerError| Refusal::internal("the limits could not be forgotten", &error);
        let ledger = Ledger::of(&app.root);
        let (accounts, problems) = ledger.all();
        let names = AccountNames::of(&app.serving.config);
        let is_meant = |key: &AccountKey| {
            let names = names.of_account(key.agent(), key.account());
            key.agent() == wanted || key.account() == wanted || names.contains(&wanted)
        };
        let mut cleared = Vec::new();
        let mut add = |key: &AccountKey, copy: Option<String>| {
            cleared.push(ForgottenAccount {
                agent: key.agent().to_owned(),
                account: key.account().to_owned(),
                damaged_copy: copy,
            });
        };
        let keys = accounts.iter();
        for key in keys.filter_map(|it| AccountKey::parse(&it.agent, &it.account).ok()) {
            if is_meant(&key) && ledger.clear(&key).map_err(failed)? {
                add(&key, None);
            }
        }
        for key in problems.iter().filter_map(ledger::account_of) {
            if !is_meant(&key) {
                continue;
            }
            if let Some(copy) = ledger.clear_damaged(&key).map_err(failed)? {
                add(&key, Some(copy.display().to_string()));
            }
        }
        if cleared.is_empty() {
            let message = "nothing is known of the limits of this agent";
            return Err(Refusal::not_found(message).detail("agent", wanted));
        }
        Ok(Json(Forgotten { cleared }))
    })
    .await
}

/// Shows the processes of tasks, and what they are doing.
#[utoipa::path(
    get, path = "/api/v1/ps", tag = "resources",
    params(("project_id" = Option<String>, Query), ("task_id" = Option<String>, Query)),
    responses((status = 200, body = Processes), (status = 400, body = cl_wire::Problem))
)]
async fn ps(State(app): State<App>, Query(asked): Query<Asked>) -> Answer<Json<Processes>> {
    let (project, task) = asked.scope()?;
    blocking(move || {
        let unreadable = |error| Refusal::internal("the processes could not be listed", &error);
        let mut rows =
            processes::list(&app.root, app.audit.redactor(), &*app.clock).map_err(unreadable)?;
        rows.retain(|row| {
            project.as_ref().is_none_or(|id| row.project == *id)
                && task.as_ref().is_none_or(|id| row.task == *id)
        });
        let shown = cl_view::processes(&app.root, &rows, app.now()).map_err(unreadable)?;
        Ok(Json(shown))
    })
    .await
}

/// Shows what the gates found of a task's claims to be done.
#[utoipa::path(
    get, path = "/api/projects/{project_id}/tasks/{task_id}/evidence", tag = "tasks",
    params(("project_id" = String, Path), ("task_id" = String, Path)),
    responses((status = 200, body = TaskEvidence), (status = 404, body = cl_wire::Problem))
)]
async fn evidence_of(
    State(app): State<App>,
    Path((project, task)): Path<(String, String)>,
) -> Answer<Json<TaskEvidence>> {
    let (project, id) = (place::project_id(&project)?, place::task_id(&task)?);
    blocking(move || {
        let task = place::known_task(&app, &project, &id)?;
        Ok(Json(all_evidence(&task)))
    })
    .await
}

fn all_evidence(task: &TaskDir) -> TaskEvidence {
    let mut problems = Vec::new();
    let claim = match TaskState::read(task) {
        Ok(state) => state.and_then(|state| state.claim).map(ClaimFact::from),
        Err(error) => {
            problems.push(cl_view::describe_record_error(&error));
            None
        }
    };
    let next = evidence::next_number(task).unwrap_or_else(|error| {
        problems.push(format!("the evidence could not be listed: {error}"));
        1
    });
    let mut pieces = Vec::new();
    for number in next.saturating_sub(MOST_PIECES).max(1)..next {
        match Evidence::read(task, number) {
            Ok(Some(piece)) => pieces.push(EvidenceRow::of(number, piece)),
            Ok(None) => {}
            Err(error) => problems.push(cl_view::describe_record_error(&error)),
        }
    }
    TaskEvidence {
        project_id: task.project().clone(),
        task_id: task.id().clone(),
        claim,
        evidence: pieces,
        problems,
    }
}

/// Reads what a gate printed.
#[utoipa::path(
    get, path = "/api/projects/{project_id}/tasks/{task_id}/evidence/{number}/output", tag = "tasks",
    params(
        ("project_id" = String, Path), ("task_id" = String, Path),
        ("number" = u32, Path, description = "The number of the piece of evidence"),
        ("Range" = Option<String>, Header, description = "One range of bytes")
    ),
    responses(
        (status = 200, body = String, content_type = "text/plain"), (status = 206, body = String, content_type = "text/plain"),
        (status = 404, body = cl_wire::Problem), (status = 416, description = "The file has no such range")
    )
)]
async fn evidence_output(
    State(app): State<App>,
    Path((project, task, number)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Answer<Response> {
    let (project, id) = (place::project_id(&project)?, place::task_id(&task)?);
    let number: u32 = number
        .parse()
        .map_err(|_| Refusal::bad_request("number: must be that of a piece of evidence"))?;
    files::raw(Redactor::default(), headers, move || {
        let task = place::known_task(&app, &project, &id)?;
        let missing = || Refusal::not_found("there is no such evidence");
        let piece = Evidence::read(&task, number)
            .map_err(|error| Refusal::conflict(cl_view::describe_record_error(&error)))?
            .ok_or_else(missing)?;
        // The record names a file beside it; whatever else it names is not looked at.
        let is_name = !piece.output.contains(['/', '\\']) && !piece.output.starts_with('.');
        if piece.output.is_empty() || !is_name {
            return Err(missing());
        }
        let folder = task.gates_folder();
        if folder.is_symlink() {
            return Err(missing());
        }
        files::open(&piece.output, &folder.join(&piece.output))
    })
    .await
}
