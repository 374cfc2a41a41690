//! The core view of messages: reading and posting as commands do.

use axum::extract::{Query, State};
use cl_bus::{
    After, AppendError, Bus, Draft, Durability, Edge, Filter, Link, Parent, Query as Asked,
};
use cl_storage::{MessageId, ProjectId, TaskId};
use cl_view::{BusPage, BusPageError};
use cl_wire::ProblemCode;
use cl_wire::changes::{BusPost, BusPosted};
use jiff::Timestamp;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::messages::{is_no_bus, unreadable};
use super::place;
use crate::answer::{Answer, Json, Refusal, blocking};
use crate::app::App;
use crate::guard::Body;

/// The most messages of one answer.
const MOST: usize = 1000;

/// Returns the routes of this module.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(read, post))
}

/// What of which bus is read.
#[derive(Debug, Deserialize)]
struct Parts {
    project_id: String,
    task_id: Option<String>,
    after: Option<String>,
    before: Option<String>,
    later_than: Option<Timestamp>,
    #[serde(rename = "type")]
    kinds: Option<String>,
    text: Option<String>,
    run_id: Option<String>,
    issue_id: Option<String>,
    limit: Option<usize>,
    #[serde(default)]
    oldest: bool,
}

/// Reads messages of a project or a task, with their places.
#[utoipa::path(
    get, path = "/api/v1/core/messages", tag = "core",
    params(
        ("project_id" = String, Query), ("task_id" = Option<String>, Query),
        ("after" = Option<String>, Query, description = "Only those behind this message, or behind this cursor"),
        ("before" = Option<String>, Query, description = "Only those before it"),
        ("later_than" = Option<String>, Query, description = "Only those posted later"),
        ("type" = Option<String>, Query, description = "Only these types, with commas between them"),
        ("text" = Option<String>, Query, description = "Only those whose body holds this text"),
        ("run_id" = Option<String>, Query), ("issue_id" = Option<String>, Query),
        ("limit" = Option<usize>, Query, description = "At most so many, and never more than 1000"),
        ("oldest" = Option<bool>, Query, description = "The first ones rather than the last")
    ),
    responses((status = 200, body = serde_json::Value), (status = 400, body = cl_wire::Problem), (status = 404, body = cl_wire::Problem))
)]
async fn read(State(app): State<App>, Query(parts): Query<Parts>) -> Answer<Json<BusPage>> {
    let project = place::project_id(&parts.project_id)?;
    let task = parts.task_id.as_deref().map(place::task_id).transpose()?;
    let asked = asked(parts)?;
    blocking(move || {
        let bus = bus_of(&app, &project, task.as_ref())?;
        cl_view::bus_page(&bus, &asked).map(Json).map_err(|error| match error {
            BusPageError::NoPlace(_) => Refusal::bad_request(error.to_string()).hint(
                "write a time such as 2026-01-31, a duration such as 24h, or an id or cursor that `bus read --json` printed",
            ),
            BusPageError::Read(error) => unreadable(error),
            error => Refusal::internal("the message bus could not be read", &error),
        })
    })
    .await
}

fn bus_of(app: &App, project: &ProjectId, task: Option<&TaskId>) -> Answer<Bus> {
    match task {
        Some(task) => Ok(Bus::new(super::core::folder(app, project, task)?.bus())),
        None => match place::project(app, project) {
            Ok(folder) => Ok(Bus::new(folder.bus())),
            Err(_) => Err(super::core::no_project(app, project)),
        },
    }
}

fn asked(parts: Parts) -> Answer<Asked> {
    let place = |text: Option<String>| match text {
        None => Ok(None),
        Some(text) => match text.parse() {
            Ok(cursor) => Ok(Some(After::Cursor(cursor))),
            Err(_) => MessageId::parse(&text)
                .map(|id| Some(After::Id(id)))
                .map_err(|error| Refusal::bad_request(error.to_string())),
        },
    };
    let kinds = parts.kinds.unwrap_or_default();
    let kinds = kinds
        .split(',')
        .map(str::trim)
        .filter(|kind| !kind.is_empty());
    Ok(Asked {
        after: place(parts.after)?,
        before: place(parts.before)?,
        filter: Filter {
            kinds: kinds.map(str::to_owned).collect(),
            later_than: parts.later_than,
            text: parts.text,
            run_id: parts.run_id,
            issue_id: parts.issue_id,
        },
        limit: Some(parts.limit.unwrap_or(MOST).min(MOST)),
        keep: if parts.oldest {
            Edge::Oldest
        } else {
            Edge::Newest
        },
    })
}

/// Posts a message; it is as durable as was asked for when this is answered.
#[utoipa::path(
    post, path = "/api/v1/core/messages", tag = "core", request_body = BusPost,
    responses((status = 200, body = BusPosted), (status = 400, body = cl_wire::Problem), (status = 404, body = cl_wire::Problem), (status = 409, body = cl_wire::Problem))
)]
async fn post(State(app): State<App>, Body(asked): Body<BusPost>) -> Answer<Json<BusPosted>> {
    blocking(move || {
        let bus = bus_of(&app, &asked.project_id, asked.task_id.as_ref())?;
        let posted = append(&bus, asked)?;
        app.index.bus_grew(bus.path());
        Ok(Json(posted))
    })
    .await
}

fn append(bus: &Bus, asked: BusPost) -> Answer<BusPosted> {
    let durability = match asked.durability.as_str() {
        "disk" => Durability::Disk,
        "os" => Durability::Os,
        other => {
            return Err(Refusal::bad_request(format!(
                "unknown durability {other:?}"
            )));
        }
    };
    let mut draft = Draft::new(asked.kind.trim(), asked.project_id, asked.body.into_bytes());
    draft.task_id = asked.task_id;
    draft.run_id = asked.run_id;
    draft.issue_id = asked.issue_id;
    for (name, value) in &asked.meta {
        draft = draft.meta(name, value);
    }
    for url in asked.links {
        draft = draft.link(Link {
            url,
            ..Link::default()
        });
    }
    for (id, kind) in asked.parents {
        draft = draft.parent(Parent::new(id, kind));
    }
    let bus = bus.clone().with_durability(durability);
    let posted = bus.append_large(&draft).map_err(|error| refused(&error))?;
    Ok(BusPosted {
        attachment: posted.attachment.map(|path| path.display().to_string()),
        bus: bus.path().display().to_string(),
        durability: asked.durability,
        msg_id: posted.message.id,
        position: posted.message.position,
        project_id: draft.project_id,
        run_id: draft.run_id,
        task_id: draft.task_id,
    })
}

fn refused(error: &AppendError) -> Refusal {
    if error.is_lock_timeout() {
        return Refusal::conflict("the message bus is locked by another process")
            .hint("nothing was posted; try again");
    }
    match error {
        AppendError::Draft(error) => Refusal::bad_request(error.to_string())
            .hint("`run-agent bus post --help` shows what a message needs"),
        AppendError::File(error) if is_no_bus(error) => {
            Refusal::conflict("something else stands where the messages should be")
        }
        AppendError::Misplaced { .. } => Refusal::conflict(error.to_string())
            .hint("name the right bus with --project and --task"),
        error => Refusal::new(
            ProblemCode::Internal,
            format!("the message was not posted: {}", cl_view::chain(error)),
        ),
    }
}
