//! Messages that the bus could not take yet, on disk: `<task>/bus-spool.yaml`.
//!
//! Written by the task's owner alone, after a post has failed and before anything
//! else is done; the next owner goes on where this one ended. A crash between an
//! append and the removal here leaves a message in both: it is told by its kind,
//! run and time, and not appended again.

use std::collections::{BTreeMap, VecDeque};

use cl_bus::{Bus, Draft};
use cl_storage::durable::{self, Mode};
use cl_storage::record::{self, RecordError};
use cl_storage::{RunId, TaskDir};
use jiff::Timestamp;

const VERSION: u32 = 1;

/// So far back a message is looked for that may have been appended already.
const LOOK_BACK: usize = 100;

/// The content of the file.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
struct Content {
    version: u32,
    messages: Vec<Spooled>,
}

/// One message, oldest first.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Spooled {
    #[serde(rename = "type")]
    kind: String,
    at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    run_id: Option<RunId>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    meta: BTreeMap<String, String>,
    body: String,
}

/// Replaces the spool of `task`; returns after it is on disk.
pub(super) fn save(task: &TaskDir, backlog: &VecDeque<Draft>) -> Result<(), RecordError> {
    let messages = backlog.iter().map(|draft| Spooled {
        kind: draft.kind.clone(),
        at: draft.timestamp.unwrap_or(Timestamp::UNIX_EPOCH),
        run_id: draft.run_id.clone(),
        meta: draft.meta.clone(),
        body: String::from_utf8_lossy(&draft.body).into_owned(),
    });
    let content = Content {
        version: VERSION,
        messages: messages.collect(),
    };
    record::write(&task.bus_spool(), &content, Mode::Private)
}

/// Removes the spool of `task`; a missing one is fine.
pub(super) fn remove(task: &TaskDir) -> std::io::Result<()> {
    durable::remove(&task.bus_spool())
}

/// Reads what an earlier owner left; nothing if there is none, or it cannot be read.
pub(super) fn load(task: &TaskDir, bus: &Bus) -> VecDeque<Draft> {
    let content = match record::read::<Content>(&task.bus_spool(), VERSION) {
        Ok(content) => content.unwrap_or_default(),
        Err(error) => {
            let error: &dyn std::error::Error = &error;
            tracing::error!(error, "messages of an earlier supervisor cannot be read");
            return VecDeque::new();
        }
    };
    let mut drafts: VecDeque<Draft> = content
        .messages
        .into_iter()
        .map(|message| {
            let mut draft = Draft::new(message.kind, task.project().clone(), message.body);
            draft.task_id = Some(task.id().clone());
            draft.run_id = message.run_id;
            draft.meta = message.meta;
            draft.timestamp = Some(message.at);
            draft
        })
        .collect();
    // They went to the bus in order: what is there is at the front here.
    while drafts.front().is_some_and(|draft| is_on(bus, draft)) {
        drafts.pop_front();
    }
    drafts
}

fn is_on(bus: &Bus, draft: &Draft) -> bool {
    let run = draft.run_id.as_ref().map_or("", RunId::as_str);
    bus.tail(LOOK_BACK).is_ok_and(|page| {
        page.entries.iter().any(|entry| {
            let message = &entry.message;
            message.kind == draft.kind
                && message.run_id == run
                && Some(message.timestamp) == draft.timestamp
        })
    })
}
