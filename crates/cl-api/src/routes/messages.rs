//! Reading and posting messages.

use std::sync::{Mutex, PoisonError};

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use cl_bus::{
    After, AppendError, Bus, Draft, Edge, FileError, Filter, Link, Message, Parent, Query as Asked,
    ReadError,
};
use cl_storage::{MessageId, ProjectId, RunId, TaskId, digest};
use cl_wire::ProblemCode;
use cl_wire::messages::{self, MOST_MESSAGES, Messages, Post, PostTo, Posted, USUAL_TYPE};
use jiff::Timestamp;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{place, submission};
use crate::answer::{Answer, Json, Refusal, blocking, json};
use crate::app::App;
use crate::guard::Body;
use crate::journal::About;

/// Where a message says under which key it was posted.
const KEY_META: &str = "idempotency_key";

/// Returns the routes of this module.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(any, post_any))
        .routes(routes!(of_project, post_to_project))
        .routes(routes!(of_task, post_to_task))
}

/// Which bus, and what of it.
#[derive(Debug, Default, Deserialize)]
struct AnyParts {
    project_id: Option<String>,
    task_id: Option<String>,
    #[serde(flatten)]
    parts: Parts,
}

/// What of a bus is read.
#[derive(Debug, Default, Deserialize)]
struct Parts {
    since: Option<String>,
    after: Option<String>,
    before: Option<String>,
    limit: Option<String>,
    #[serde(rename = "type")]
    kinds: Option<String>,
    run_id: Option<String>,
}

impl Parts {
    /// Makes a question for the bus of it; what it asks for is always bounded.
    fn asked(self) -> Answer<Asked> {
        let place = |name: &str, text: Option<String>| match text.filter(|text| !text.is_empty()) {
            None => Ok(None),
            Some(text) => MessageId::parse(&text)
                .map(|id| Some(After::Id(id)))
                .map_err(|error| Refusal::bad_request(format!("{name}: {error}"))),
        };
        let after = match place("since", self.since)? {
            Some(after) => Some(after),
            None => place("after", self.after)?,
        };
        let usable = |text: &String| text.trim().parse().ok().filter(|limit| *limit > 0);
        let limit: Option<usize> = self.limit.as_ref().and_then(usable);
        // Whoever reads on behind a message wants what follows it, not the end.
        let keep = match (limit, &after) {
            (None, Some(_)) => Edge::Oldest,
            _ => Edge::Newest,
        };
        let kinds = self.kinds.unwrap_or_default();
        let kinds = kinds.split(',').map(str::trim).filter(|k| !k.is_empty());
        Ok(Asked {
            after,
            before: place("before", self.before)?,
            filter: Filter {
                kinds: kinds.map(str::to_owned).collect(),
                run_id: self.run_id.filter(|run| !run.is_empty()),
                ..Filter::default()
            },
            limit: Some(limit.unwrap_or(MOST_MESSAGES).min(MOST_MESSAGES)),
            keep,
        })
    }
}

/// Reads the messages of a project or, with a task, of that task.
#[utoipa::path(
    get, path = "/api/v1/messages", tag = "messages",
    params(
        ("project_id" = String, Query), ("task_id" = Option<String>, Query),
        ("after" = Option<String>, Query, description = "Only those behind this message; also `since`"),
        ("before" = Option<String>, Query, description = "Only those before this message"),
        ("limit" = Option<usize>, Query, description = "The last so many of them, at most 5000"),
        ("type" = Option<String>, Query, description = "Only these types, with commas between them"),
        ("run_id" = Option<String>, Query, description = "Only those of this run")
    ),
    responses((status = 200, body = Messages), (status = 400, body = cl_wire::Problem), (status = 404, body = cl_wire::Problem))
)]
async fn any(State(app): State<App>, Query(query): Query<AnyParts>) -> Answer<Json<Messages>> {
    let project = query.project_id.unwrap_or_default();
    if project.is_empty() {
        return Err(Refusal::bad_request("project_id is required"));
    }
    let project = place::project_id(&project)?;
    let task = query.task_id.filter(|task| !task.is_empty());
    let task = task.as_deref().map(place::task_id).transpose()?;
    read(app, project, task, query.parts).await
}

/// Reads the messages of a project.
#[utoipa::path(
    get, path = "/api/projects/{project_id}/messages", tag = "messages",
    params(
        ("project_id" = String, Path),
        ("since" = Option<String>, Query, description = "Only those behind this message; also `after`"),
        ("before" = Option<String>, Query, description = "Only those before this message"),
        ("limit" = Option<usize>, Query, description = "The last so many of them, at most 5000"),
        ("type" = Option<String>, Query, description = "Only these types, with commas between them"),
        ("run_id" = Option<String>, Query, description = "Only those of this run")
    ),
    responses((status = 200, body = Messages), (status = 404, body = cl_wire::Problem))
)]
async fn of_project(
    State(app): State<App>,
    Path(project): Path<String>,
    Query(parts): Query<Parts>,
) -> Answer<Json<Messages>> {
    read(app, place::project_id(&project)?, None, parts).await
}

/// Reads the messages of a task.
#[utoipa::path(
    get, path = "/api/projects/{project_id}/tasks/{task_id}/messages", tag = "messages",
    params(
        ("project_id" = String, Path), ("task_id" = String, Path),
        ("since" = Option<String>, Query, description = "Only those behind this message; also `after`"),
        ("before" = Option<String>, Query, description = "Only those before this message"),
        ("limit" = Option<usize>, Query, description = "The last so many of them, at most 5000"),
        ("type" = Option<String>, Query, description = "Only these types, with commas between them"),
        ("run_id" = Option<String>, Query, description = "Only those of this run")
    ),
    responses((status = 200, body = Messages), (status = 404, body = cl_wire::Problem))
)]
async fn of_task(
    State(app): State<App>,
    Path((project, task)): Path<(String, String)>,
    Query(parts): Query<Parts>,
) -> Answer<Json<Messages>> {
    let (project, task) = (place::project_id(&project)?, place::task_id(&task)?);
    read(app, project, Some(task), parts).await
}

async fn read(
    app: App,
    project: ProjectId,
    task: Option<TaskId>,
    parts: Parts,
) -> Answer<Json<Messages>> {
    let asked = parts.asked()?;
    blocking(move || {
        let bus = match &task {
            Some(task) => Bus::new(place::known_task(&app, &project, task)?.bus()),
            None => Bus::new(place::project(&app, &project)?.bus()),
        };
        let page = bus.page(&asked).map_err(unreadable)?;
        let items = page.entries.into_iter().map(|entry| entry.message);
        Ok(Json(Messages {
            messages: items.map(cl_view::message_item).collect(),
            has_more: page.has_more,
        }))
    })
    .await
}

/// Tells whether something else stands in the place of a bus: a link is not followed.
pub(super) fn is_no_bus(error: &FileError) -> bool {
    matches!(
        error,
        FileError::Symlink { .. } | FileError::NotRegular { .. }
    ) || error.is_in_the_way()
}

/// Says why messages cannot be read.
pub(crate) fn unreadable(error: ReadError) -> Refusal {
    match error {
        ReadError::UnknownMessage { id, .. } => {
            Refusal::not_found("message id not found").detail("msg_id", id.as_str())
        }
        ReadError::File(error) if is_no_bus(&error) => {
            Refusal::conflict("something else stands where the messages should be")
        }
        error => Refusal::internal("the messages could not be read", &error),
    }
}

/// Posts a message to a project or, with a task, to that task.
#[utoipa::path(
    post, path = "/api/v1/messages", tag = "messages", request_body = PostTo,
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[\\x21-\\x7e]+$", description = "The same key, the same message")),
    responses((status = 201, body = Posted), (status = 400, body = cl_wire::Problem), (status = 404, body = cl_wire::Problem), (status = 409, body = cl_wire::Problem))
)]
async fn post_any(
    State(app): State<App>,
    headers: HeaderMap,
    Body(asked): Body<PostTo>,
) -> Answer<Response> {
    let post = Post {
        kind: asked.kind,
        body: asked.body,
        run_id: asked.run_id,
        parents: asked.parents,
        links: asked.links,
        meta: asked.meta,
    };
    append(app, asked.project_id, asked.task_id, post, &headers).await
}

/// Posts a message to a project.
#[utoipa::path(
    post, path = "/api/projects/{project_id}/messages", tag = "messages", request_body = Post,
    params(
        ("project_id" = String, Path),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[\\x21-\\x7e]+$", description = "The same key, the same message")
    ),
    responses((status = 201, body = Posted), (status = 400, body = cl_wire::Problem), (status = 404, body = cl_wire::Problem), (status = 409, body = cl_wire::Problem))
)]
async fn post_to_project(
    State(app): State<App>,
    Path(project): Path<String>,
    headers: HeaderMap,
    Body(post): Body<Post>,
) -> Answer<Response> {
    append(app, place::project_id(&project)?, None, post, &headers).await
}

/// Posts a message to a task.
#[utoipa::path(
    post, path = "/api/projects/{project_id}/tasks/{task_id}/messages", tag = "messages", request_body = Post,
    params(
        ("project_id" = String, Path), ("task_id" = String, Path),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[\\x21-\\x7e]+$", description = "The same key, the same message")
    ),
    responses((status = 201, body = Posted), (status = 400, body = cl_wire::Problem), (status = 404, body = cl_wire::Problem), (status = 409, body = cl_wire::Problem))
)]
async fn post_to_task(
    State(app): State<App>,
    Path((project, task)): Path<(String, String)>,
    headers: HeaderMap,
    Body(post): Body<Post>,
) -> Answer<Response> {
    let (project, task) = (place::project_id(&project)?, place::task_id(&task)?);
    append(app, project, Some(task), post, &headers).await
}

async fn append(
    app: App,
    project: ProjectId,
    task: Option<TaskId>,
    post: Post,
    headers: &HeaderMap,
) -> Answer<Response> {
    let key = submission::key(headers)?;
    let posted = blocking(move || {
        let bus = match &task {
            Some(id) => {
                let task = place::task(&app, &project, id)?;
                if let Some(run) = &post.run_id {
                    place::one_run(&task, run)?;
                }
                Bus::new(task.bus())
            }
            None => Bus::new(place::project(&app, &project)?.bus()),
        };
        let draft = draft(project, task, post)?;
        let posted = match key {
            Some(key) => append_once(&bus, draft, &key, app.now()),
            None => append_new(&bus, draft, app.now()),
        }?;
        app.metrics.appended();
        // Folders of ended tasks are not watched.
        app.index.bus_grew(bus.path());
        Ok(posted)
    })
    .await?;
    let mut response = json(StatusCode::CREATED, &posted);
    response.extensions_mut().insert(About {
        message_id: Some(posted.msg_id),
    });
    Ok(response)
}

fn draft(project: ProjectId, task: Option<TaskId>, post: Post) -> Answer<Draft> {
    if post.body.trim().is_empty() {
        return Err(Refusal::bad_request("body is required"));
    }
    let kind = post.kind.as_deref().map(str::trim);
    let kind = kind
        .filter(|kind| !kind.is_empty())
        .unwrap_or(USUAL_TYPE)
        .to_owned();
    let parent = |parent: messages::Parent| Parent {
        msg_id: parent.msg_id,
        kind: parent.kind,
        meta: parent.meta,
    };
    let link = |link: messages::Link| Link {
        url: link.url,
        label: link.label,
        kind: link.kind,
    };
    Ok(Draft {
        task_id: task,
        run_id: post.run_id,
        parents: post.parents.into_iter().map(parent).collect(),
        links: post.links.into_iter().map(link).collect(),
        meta: post.meta,
        ..Draft::new(kind, project, post.body)
    })
}

fn append_new(bus: &Bus, mut draft: Draft, now: Timestamp) -> Answer<Posted> {
    draft.timestamp = Some(now);
    let appended = bus.append_large(&draft).map_err(refused)?.message;
    Ok(Posted {
        msg_id: appended.id,
        timestamp: now,
    })
}

/// Appends a message unless one with the same key is among the last [`MOST_MESSAGES`].
///
/// The bus itself is the memory, so that a server that was started again knows the key.
fn append_once(bus: &Bus, mut draft: Draft, key: &str, now: Timestamp) -> Answer<Posted> {
    // Two requests with one key may come at once; other writers do not use keys.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let key = &digest::sha256_hex(key.as_bytes())[..32];
    let asked = Asked {
        limit: Some(MOST_MESSAGES),
        keep: Edge::Newest,
        ..Asked::default()
    };
    let page = bus.page(&asked).map_err(unreadable)?;
    let has_key = |message: &Message| message.meta.get(KEY_META).is_some_and(|known| known == key);
    let mut earlier = page.entries.iter().map(|entry| &entry.message);
    if let Some(earlier) = earlier.find(|message| has_key(message)) {
        let run = draft.run_id.as_ref().map_or("", RunId::as_str);
        // What was too large for the bus stands in a file, and the message shows its beginning.
        let is_same = earlier.kind == draft.kind
            && earlier.run_id == run
            && (earlier.body_bytes() == draft.body
                || earlier
                    .meta
                    .contains_key(cl_bus::attach::ATTACHMENT_KEYS[0]));
        return if is_same {
            Ok(Posted {
                msg_id: earlier.id.clone(),
                timestamp: earlier.timestamp,
            })
        } else {
            Err(
                Refusal::conflict("the same Idempotency-Key was used for another message")
                    .detail("msg_id", earlier.id.as_str()),
            )
        };
    }
    draft.meta.insert(KEY_META.to_owned(), key.to_owned());
    append_new(bus, draft, now)
}

fn refused(error: AppendError) -> Refusal {
    match error {
        AppendError::Draft(error) => Refusal::bad_request(error.to_string()),
        AppendError::File(error) if is_no_bus(&error) => {
            Refusal::conflict("something else stands where the messages should be")
        }
        AppendError::Misplaced { .. } => Refusal::conflict(cl_view::chain(&error)),
        error if error.is_lock_timeout() => Refusal::new(
            ProblemCode::Unavailable,
            "others are writing to the bus; nothing was posted",
        )
        .retry_after(1),
        AppendError::Unsynced { ref id, .. } => {
            let id = id.to_string();
            Refusal::internal(
                "the message is there, but a loss of power may take it away",
                &error,
            )
            .detail("msg_id", id)
        }
        error => Refusal::internal("the message could not be posted", &error),
    }
}
