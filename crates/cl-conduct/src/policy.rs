//! The limits, delays and gates of a task that a server launches.

use cl_config::ConfigError;
use cl_runner::launch::{Gate, Policy, add_gates, configured_gate, configured_policy};
use cl_storage::TaskDir;
use cl_storage::record::RecordError;
use cl_storage::task_config::TaskConfig;

use crate::Settings;

/// Why the gates that belong to a task are not known.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// The task's settings could not be read.
    #[error(transparent)]
    Unreadable(#[from] RecordError),
    /// They are wrong.
    #[error(transparent)]
    Wrong(#[from] ConfigError),
}

/// Returns what the settings say of every task, with the gates that belong to `task`.
///
/// # Errors
///
/// If the task's settings are there and cannot be used: its gates must not be passed over.
pub fn of_task(settings: &Settings, task: &TaskDir) -> Result<Policy, PolicyError> {
    let mut policy = configured_policy(&settings.config);
    let path = task.config();
    let text = TaskConfig::text(task)?.unwrap_or_default();
    let gates = cl_config::task_gates(&text, &path, task.id(), &settings.environment)?;
    let gates = gates.iter().map(|configured| Gate {
        of_task: true,
        ..configured_gate(configured)
    });
    add_gates(&mut policy, gates);
    Ok(policy)
}
