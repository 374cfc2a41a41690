//! What a server was asked to run.

use std::collections::BTreeMap;
use std::path::PathBuf;

use cl_runner::launch::{Kind, Policy};
use cl_storage::queue::Entry;
use cl_storage::{RunId, TaskId};
use serde::{Deserialize, Serialize};

/// What becomes of a task that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attach {
    /// It is in the way.
    #[default]
    Create,
    /// It is started again, with what is asked now.
    Attach,
    /// It is taken up again where it stopped.
    Resume,
}

/// What a server was asked to run; kept in its queue entry as it is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Submission {
    /// A restart loop or a single run.
    pub kind: Kind,
    /// What becomes of a task that is there already.
    pub attach: Attach,
    /// What the agent is to do; none takes what `TASK.md` says.
    pub prompt: Option<String>,
    /// The folder that the agents work in, absolute.
    pub cwd: PathBuf,
    /// The configured name of the agent; none lets the configuration choose.
    pub agent: Option<String>,
    /// Variables for the agents; not secret.
    pub env: BTreeMap<String, String>,
    /// The tasks that must be done first; none keeps those that are stored.
    pub depends_on: Option<Vec<TaskId>>,
    /// The run that it is a child of.
    pub parent_run: Option<RunId>,
    /// Limits and delays.
    pub policy: Policy,
}

impl Submission {
    /// Reads back what an entry of the queue was made of; says what is wrong with it.
    pub(crate) fn of(entry: &Entry) -> Result<Self, String> {
        let request = entry.request.clone().ok_or("it holds no request")?;
        serde_json::from_value(request).map_err(|error| error.to_string())
    }
}
