//! What a person has decided about a task, told on its bus.

use std::path::PathBuf;

use cl_bus::{AppendError, Bus, Draft};
use cl_storage::TaskDir;

/// The bus could not be written; what was decided stands on disk and holds without it.
#[derive(Debug, thiserror::Error)]
#[error("the decision was not posted to {}: {why}", .bus.display())]
pub struct NotPosted {
    bus: PathBuf,
    why: AppendError,
}

/// Posts a `DECISION` on the bus of `task`; blocks for the bus's lock.
pub fn post(task: &TaskDir, text: String) -> Result<(), NotPosted> {
    let draft = Draft::new("DECISION", task.project().clone(), text).task(task.id().clone());
    let bus = task.bus();
    match Bus::new(&bus).append(&draft) {
        Ok(_) => Ok(()),
        Err(why) => Err(NotPosted { bus, why }),
    }
}
