//! What was told last, `TASK-COMPLETE-FACT-PROPAGATION.yaml`.

use cl_storage::durable::{self, Mode};
use cl_storage::record::{self, RecordError};
use cl_storage::yaml::Mapping;
use cl_storage::{MessageId, TaskDir};
use jiff::Timestamp;

const KNOWN_VERSION: u32 = 1;

/// The content of the file.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
pub(super) struct State {
    #[serde(rename = "last_propagation_key")]
    pub(super) key: String,
    #[serde(rename = "last_project_message_id")]
    message: MessageId,
    #[serde(rename = "last_propagated_at")]
    at: Timestamp,
}

impl State {
    pub(super) fn new(key: &str, message: MessageId, now: Timestamp) -> Self {
        Self {
            key: key.to_owned(),
            message,
            at: now,
        }
    }

    /// Reads the state of `task`; a damaged one counts as none and is replaced.
    ///
    /// What it said is then found on the project's bus. One of a newer version is
    /// an error and never replaced.
    pub(super) fn read(task: &TaskDir) -> Result<Option<Self>, RecordError> {
        match record::read(&task.propagation(), KNOWN_VERSION) {
            Err(error @ RecordError::Malformed { .. }) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the record of what was told to the project is damaged"
                );
                Ok(None)
            }
            other => other,
        }
    }

    /// Replaces the state of `task`; returns after it is on disk.
    pub(super) fn write(&self, task: &TaskDir) -> Result<(), RecordError> {
        let path = task.propagation();
        durable::replace(&path, self.to_yaml().as_bytes(), Mode::Shared)
            .map_err(|source| RecordError::Io { path, source })
    }

    pub(super) fn to_yaml(&self) -> String {
        let mut yaml = Mapping::new();
        yaml.plain("version", KNOWN_VERSION)
            .plain("last_propagation_key", &self.key)
            .plain("last_project_message_id", &self.message)
            .plain("last_propagated_at", self.at);
        yaml.finish()
    }
}
