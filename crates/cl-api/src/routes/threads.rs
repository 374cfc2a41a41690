//! Tasks that answer a message: what they are linked by, and what both sides are told.

use cl_bus::{After, Bus, Draft, Edge, Message, Parent, Query, ReadError};
use cl_storage::thread_link::{self, ThreadLink};
use cl_storage::{RunId, TaskDir};
use cl_wire::v1::TaskCreate;

use crate::answer::{Answer, Refusal};
use crate::app::App;

/// The type of messages that open a task.
const REQUEST: &str = "USER_REQUEST";
/// The types of messages that may be answered.
const ANSWERED: [&str; 2] = ["QUESTION", "FACT"];

/// Returns what a task that is asked for answers, if it answers anything. Blocks.
pub(super) fn link_of(app: &App, asked: &TaskCreate) -> Answer<Option<ThreadLink>> {
    let kind = asked.thread_message_type.as_deref();
    let Some(parent) = &asked.thread_parent else {
        return match kind {
            None => Ok(None),
            Some(_) => Err(Refusal::bad_request(
                "thread_message_type requires thread_parent",
            )),
        };
    };
    if kind.is_some_and(|kind| kind != REQUEST) {
        let message = format!("thread_message_type must be {REQUEST}");
        return Err(Refusal::bad_request(message));
    }
    let invalid = |what: &str| Refusal::bad_request(format!("invalid parent reference: {what}"));
    if (&parent.project_id, &parent.task_id) == (&asked.project_id, &asked.task_id) {
        return Err(invalid("a task cannot answer itself"));
    }
    let folder = app.root.task(&parent.project_id, &parent.task_id);
    let folder = folder.map_err(|error| invalid(&error.to_string()))?;
    if !folder.path().is_dir() {
        return Err(
            Refusal::not_found("parent task not found").detail("task_id", parent.task_id.as_str())
        );
    }
    let found = message(&folder, &After::Id(parent.message_id.clone())).map_err(|error| {
        Refusal::internal("the messages of the parent task could not be read", &error)
    })?;
    let found = found.ok_or_else(|| {
        Refusal::not_found("parent message not found").detail("msg_id", parent.message_id.as_str())
    })?;
    if found.project_id != parent.project_id.as_str() || found.task_id != parent.task_id.as_str() {
        return Err(invalid("the message is of another task"));
    }
    if found.run_id != parent.run_id.as_str() {
        return Err(invalid("the message is of another run"));
    }
    if !ANSWERED.contains(&found.kind.as_str()) {
        let message = format!("parent message type {:?} is not supported", found.kind);
        let allowed = ANSWERED.join(",");
        return Err(Refusal::conflict(message).detail("allowed_parent_types", allowed));
    }
    Ok(Some(ThreadLink {
        parent_project_id: parent.project_id.clone(),
        parent_task_id: parent.task_id.clone(),
        parent_run_id: parent.run_id.clone(),
        parent_message_id: parent.message_id.clone(),
        parent_message_type: found.kind,
        linked_at: Some(app.now()),
    }))
}

/// Finds one message on the bus of a task, without reading all of it.
fn message(task: &TaskDir, place: &After) -> Result<Option<Message>, ReadError> {
    let bus = Bus::new(task.bus());
    let one = |query: Query| {
        bus.page(&Query {
            limit: Some(1),
            ..query
        })
    };
    // What stands before it leads to it.
    let before = one(Query {
        before: Some(place.clone()),
        keep: Edge::Newest,
        ..Query::default()
    });
    let before = match before {
        Err(error) if error.is_unknown_message() => return Ok(None),
        before => before?.entries.pop(),
    };
    let found = one(Query {
        after: before.map(|entry| After::Cursor(entry.cursor())),
        keep: Edge::Oldest,
        ..Query::default()
    })?;
    let found = found.entries.into_iter().next();
    let found = found.map(|entry| entry.message);
    Ok(found.filter(|found| found.id == *place.id()))
}

/// A link that stands until the task is accepted, and is taken back if it is not.
#[derive(Debug)]
pub(super) struct Linked {
    task: TaskDir,
    was_there: bool,
    before: Option<ThreadLink>,
}

impl Linked {
    /// Writes the link of a task that is about to be accepted; whoever sees the task sees the link.
    pub(super) fn write(task: &TaskDir, link: &ThreadLink) -> Answer<Self> {
        let failed = |error: &(dyn std::error::Error + 'static)| {
            Refusal::internal("the link to the message could not be written", error)
        };
        let was_there = task.path().is_dir();
        let before = thread_link::read(task).map_err(|error| failed(&error))?;
        task.ensure().map_err(|error| failed(&error))?;
        thread_link::write(task, link).map_err(|error| failed(&error))?;
        Ok(Self {
            task: task.clone(),
            was_there,
            before,
        })
    }

    /// Leaves everything as it was before.
    pub(super) fn take_back(self) {
        let taken_back = match &self.before {
            Some(before) => thread_link::write(&self.task, before),
            None => thread_link::remove(&self.task),
        };
        if let Err(error) = taken_back {
            tracing::warn!(error = %cl_view::chain(&error), "a thread link could not be taken back");
        }
        if !self.was_there {
            self.task.remove_if_unused();
        }
    }
}

/// Tells both buses of a task that was accepted. The task stands whether or not that works.
pub(super) fn tell(
    app: &App,
    task: &TaskDir,
    link: &ThreadLink,
    run: Option<&RunId>,
    prompt: &str,
) {
    let source = app.root.task(&link.parent_project_id, &link.parent_task_id);
    let Ok(source) = source else { return };
    let request = Draft::new(REQUEST, task.project().clone(), prompt).task(task.id().clone());
    let request = match run {
        Some(run) => request.run(run.clone()),
        None => request,
    };
    let request = linked(request, task, link, run, "child_task");
    let posted = Bus::new(task.bus()).append(&request);
    let posted = posted.inspect_err(|error| {
        tracing::warn!(%error, "a request was not posted to the task that it opened");
    });
    let text = format!(
        "threaded user request opened child task {}/{}",
        task.project(),
        task.id()
    );
    let notice = Draft::new(REQUEST, link.parent_project_id.clone(), text)
        .task(link.parent_task_id.clone())
        .run(link.parent_run_id.clone());
    let mut notice = linked(notice, task, link, run, "source_task")
        .meta("thread_source_message_id", link.parent_message_id.as_str());
    if let Ok(posted) = &posted {
        notice = notice.meta("thread_child_message_id", posted.id.as_str());
    }
    if let Err(error) = Bus::new(source.bus()).append(&notice) {
        tracing::warn!(%error, "a request was not posted to the task that it answers");
    }
}

/// Adds to a message what it answers, and what was opened for that.
fn linked(
    draft: Draft,
    task: &TaskDir,
    link: &ThreadLink,
    run: Option<&RunId>,
    direction: &str,
) -> Draft {
    let mut parent = Parent::new(link.parent_message_id.clone(), "thread_answer");
    for (name, value) in [
        ("project_id", link.parent_project_id.as_str()),
        ("task_id", link.parent_task_id.as_str()),
        ("run_id", link.parent_run_id.as_str()),
    ] {
        parent.meta.insert(name.to_owned(), value.to_owned());
    }
    let run = run.map(RunId::as_str).unwrap_or_default();
    draft
        .parent(parent)
        .meta("thread_parent_project_id", link.parent_project_id.as_str())
        .meta("thread_parent_task_id", link.parent_task_id.as_str())
        .meta("thread_parent_run_id", link.parent_run_id.as_str())
        .meta("thread_parent_message_id", link.parent_message_id.as_str())
        .meta(
            "thread_parent_message_type",
            link.parent_message_type.as_str(),
        )
        .meta("thread_child_project_id", task.project().as_str())
        .meta("thread_child_task_id", task.id().as_str())
        .meta("thread_child_run_id", run)
        .meta("thread_direction", direction)
}
