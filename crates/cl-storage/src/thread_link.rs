//! `TASK-THREAD-LINK.yaml`: the message that a task answers.
//!
//! ```text
//! parent_project_id: my-project
//! parent_task_id: task-20260223-200000-audit
//! parent_run_id: 20260223-2000010000-500-1
//! parent_message_id: MSG-20260223-200130-000000001-PID00500-0003
//! parent_message_type: QUESTION
//! linked_at: 2026-02-23T21:10:00.1Z
//! ```
//!
//! Written once, before the task can begin, and never changed.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::durable::{self, Mode};
use crate::id::{MessageId, ProjectId, RunId, TaskId};
use crate::layout::TaskDir;
use crate::record::{self, RecordError};

const FILE: &str = "TASK-THREAD-LINK.yaml";

/// The message that a task answers, as its file names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreadLink {
    /// The project of the message.
    pub parent_project_id: ProjectId,
    /// The task on whose bus it stands.
    pub parent_task_id: TaskId,
    /// The run that posted it.
    pub parent_run_id: RunId,
    /// The message.
    pub parent_message_id: MessageId,
    /// Its type; empty where that is not known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub parent_message_type: String,
    /// When the link was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub linked_at: Option<Timestamp>,
}

/// Returns the file of `task`.
fn path(task: &TaskDir) -> PathBuf {
    task.path().join(FILE)
}

/// Reads what `task` answers; `None` if it answers nothing.
pub fn read(task: &TaskDir) -> Result<Option<ThreadLink>, RecordError> {
    record::read(&path(task), 0)
}

/// Writes down what `task` answers; returns after that is on disk.
pub fn write(task: &TaskDir, link: &ThreadLink) -> Result<(), RecordError> {
    record::write(&path(task), link, Mode::Shared)
}

/// Takes back what [`write`] has written for a task that was not accepted.
pub fn remove(task: &TaskDir) -> Result<(), RecordError> {
    let path = path(task);
    durable::remove(&path).map_err(RecordError::io(&path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Root;

    const TEXT: &str = "\
parent_project_id: my-project
parent_task_id: task-20260223-200000-audit
parent_run_id: 20260223-2000010000-500-1
parent_message_id: MSG-20260223-200130-000000001-PID00500-0003
parent_message_type: QUESTION
linked_at: 2026-02-23T21:10:00.1Z
";

    #[test]
    fn a_link_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(folder.path()).unwrap();
        let project = ProjectId::parse("p").unwrap();
        let id = TaskId::parse("task-20260223-211000-answer").unwrap();
        let task = root.task(&project, &id).unwrap();
        task.ensure().unwrap();
        assert_eq!(read(&task).unwrap(), None);
        std::fs::write(path(&task), TEXT).unwrap();
        let link = read(&task).unwrap().unwrap();
        assert_eq!(link.parent_message_type, "QUESTION");
        write(&task, &link).unwrap();
        assert_eq!(read(&task).unwrap().unwrap(), link);
        let written = std::fs::read_to_string(path(&task)).unwrap();
        assert_eq!(written.replace('"', ""), TEXT, "any quoting is fine");
        remove(&task).unwrap();
        remove(&task).unwrap();
        assert_eq!(read(&task).unwrap(), None);
    }

    #[test]
    fn a_link_to_nothing_is_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(folder.path()).unwrap();
        let project = ProjectId::parse("p").unwrap();
        let id = TaskId::parse("task-20260223-211000-answer").unwrap();
        let task = root.task(&project, &id).unwrap();
        task.ensure().unwrap();
        for text in [
            "parent_task_id: t\n",
            &TEXT.replace("my-project", "../outside"),
        ] {
            std::fs::write(path(&task), text).unwrap();
            assert!(read(&task).is_err(), "{text}");
        }
    }
}
