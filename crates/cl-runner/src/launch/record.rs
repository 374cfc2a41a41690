//! How a task is launched: the record in the pipe and the file on disk.

use std::collections::BTreeMap;
use std::path::PathBuf;

use cl_agent::AgentSpec;
use cl_config::SecretSource;
use cl_storage::durable::{Mode as FileMode, Replace};
use cl_storage::queue::OF_KEY;
use cl_storage::record::{self, RecordError};
use cl_storage::task_state::ParentTask;
use cl_storage::{ProjectId, RunId, TaskDir, TaskId, digest};
use jiff::Timestamp;

use super::agents::AgentEntry;
use super::policy::Policy;
use crate::notify::NotifyPlan;

/// The version of launch records; launcher and supervisor are one executable,
/// which may have been replaced on disk between two launches.
pub(crate) const RECORD_VERSION: u32 = 1;

/// Whether one run is asked for or a finished task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The restart loop: runs until DONE.
    Task,
    /// One run.
    Job,
}

/// Whether a task is started or taken up again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Started.
    Start,
    /// Taken up again: markers are cleared, the first prompt says so.
    Resume,
    /// Taken up after its supervisor died: like a resume, but a DONE still counts.
    Recover,
    /// Started or taken up by a program that looks for work: any marker forbids it,
    /// and none is taken away on behalf of the person who has left it.
    TakeUp,
}

/// Who waits for the task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// A command that waits.
    Foreground,
    /// Nobody.
    Detached,
    /// The agent of another task.
    Nested,
}

impl Origin {
    fn as_str(self) -> &'static str {
        match self {
            Self::Foreground => "foreground",
            Self::Detached => "detached",
            Self::Nested => "nested",
        }
    }
}

/// What a run is within a series of runs of one task.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Step {
    /// What it is for: `implement`, `review`, `stage`.
    pub role: String,
    /// Which round or stage it belongs to.
    pub iteration: u32,
}

/// Everything a supervisor needs, secrets included; never written to disk.
#[derive(serde::Serialize, serde::Deserialize)]
pub struct LaunchRecord {
    /// Format of the record.
    pub version: u32,
    /// Names this launch; results are looked up by it.
    pub launch_id: String,
    /// One run or a finished task.
    pub kind: Kind,
    /// Started or taken up again.
    pub mode: Mode,
    /// Who waits.
    pub origin: Origin,
    /// The root, absolute.
    pub root: PathBuf,
    /// The project.
    pub project: ProjectId,
    /// The task.
    pub task: TaskId,
    /// The prompt; none takes the task's prompt of record.
    pub prompt: Option<String>,
    /// Working folder of the agents, absolute.
    pub cwd: PathBuf,
    /// The task whose agent launches this one.
    pub parent: Option<ParentTask>,
    /// The id that was promised for the run of the first attempt.
    #[serde(default)]
    pub first_run: Option<RunId>,
    /// A parent run named by hand, outside of any nesting.
    pub parent_run: Option<RunId>,
    /// The run that the first attempt continues, named by hand.
    pub previous_run: Option<RunId>,
    /// The tasks that must be done first; none keeps those that are stored.
    #[serde(default)]
    pub depends_on: Option<Vec<TaskId>>,
    /// A task that was given up is taken up again all the same.
    #[serde(default)]
    pub takes_up_cancelled: bool,
    /// How many tasks stand above.
    pub depth: u32,
    /// Name of the agent, a key of `agents`.
    pub agent: String,
    /// All agents that this task and its children may use.
    pub agents: BTreeMap<String, AgentEntry>,
    /// Variables for the agents, from the command line.
    pub extra_env: BTreeMap<String, String>,
    /// Limits and delays.
    pub policy: Policy,
    /// Address of the server, if one is known.
    pub conductor_url: Option<String>,
    /// What its run is within a series; none outside of any.
    #[serde(default)]
    pub step: Option<Step>,
    /// Who is told of what.
    #[serde(default)]
    pub notify: Option<NotifyPlan>,
}

impl std::fmt::Debug for LaunchRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LaunchRecord")
            .field("launch_id", &self.launch_id)
            .field("project", &self.project)
            .field("task", &self.task)
            .finish_non_exhaustive()
    }
}

impl LaunchRecord {
    /// Returns the version that this build writes.
    pub fn current_version() -> u32 {
        RECORD_VERSION
    }
}

/// What an agent asks for when it launches a child through its supervisor.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct NestedOptions {
    /// One run or a finished task.
    pub kind: Kind,
    /// Started or taken up again.
    pub mode: Mode,
    /// The run whose agent asks.
    pub parent_run: RunId,
    /// The prompt; none takes the task's prompt of record.
    pub prompt: Option<String>,
    /// Working folder, absolute.
    pub cwd: PathBuf,
    /// Name of the agent; none takes the parent's.
    pub agent: Option<String>,
    /// Limits and delays; none takes the parent's, without its gates.
    pub policy: Option<Policy>,
    /// Variables for the agent, on top of the parent's.
    #[serde(default)]
    pub extra_env: BTreeMap<String, String>,
    /// The run that this one repeats.
    #[serde(default)]
    pub previous_run: Option<RunId>,
    /// What the run is within a series; none outside of any.
    #[serde(default)]
    pub step: Option<Step>,
    /// The tasks that must be done first; none keeps those that are stored.
    #[serde(default)]
    pub depends_on: Option<Vec<TaskId>>,
}

/// The content of `launch.yaml`: how a task was launched, without secrets.
///
/// The first keys are [`cl_storage::task_state::LaunchSummary`].
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct LaunchFile {
    /// Format of the file.
    pub version: u32,
    /// The launch.
    pub launch_id: String,
    /// The id that was promised for the run of its first attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_run: Option<RunId>,
    /// `task` or `job`.
    pub kind: Kind,
    /// `foreground`, `detached` or `nested`.
    pub origin: Origin,
    /// When.
    pub launched_at: Timestamp,
    /// The configured name of the agent.
    pub agent_name: String,
    /// The task whose agent launched this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<ParentTask>,
    /// How many tasks stand above.
    pub depth: u32,
    /// Working folder of the agents.
    pub cwd: PathBuf,
    /// The prompt of this launch, where it is not the task's prompt of record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// Variables for the agents, from the command line; not secret.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// The agent.
    pub agent: AgentSpec,
    /// Where its secrets were found, by variable; resume looks there again.
    #[serde(default)]
    pub secrets: BTreeMap<String, SecretSource>,
    /// Limits and delays.
    pub policy: Policy,
    /// Who is told of what, for those who record an end in the place of a dead supervisor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notify: Option<NotifyPlan>,
    /// Launches before this one that were asked for by a key, oldest first: who asks again
    /// with a key is answered from them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<EarlierLaunch>,
}

/// A launch before the one on record, that was asked for by a key.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct EarlierLaunch {
    /// The launch.
    pub launch_id: String,
    /// The id that was promised for the run of its first attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_run: Option<RunId>,
    /// SHA-256 of its prompt in hexadecimal, without the line ends behind it, where that was not
    /// the task's prompt of record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_sha256: Option<String>,
}

/// Launches that are remembered beside the last one.
const MOST_EARLIER: usize = 32;

/// Returns the id of the launch that a key stands for: the same key, the same launch.
pub fn launch_of_key(key: &str) -> String {
    format!("{OF_KEY}{}", &digest::sha256_hex(key.as_bytes())[..32])
}

/// Returns what [`EarlierLaunch::prompt_sha256`] is of `prompt`.
pub fn prompt_digest(prompt: &str) -> String {
    digest::sha256_hex(prompt.trim_end_matches('\n').as_bytes())
}

impl LaunchFile {
    /// Returns what the next launch remembers of this one and those before it.
    pub(crate) fn into_earlier(self) -> Vec<EarlierLaunch> {
        let mut earlier = self.earlier;
        if self.launch_id.starts_with(OF_KEY) {
            earlier.retain(|launch| launch.launch_id != self.launch_id);
            earlier.push(EarlierLaunch {
                launch_id: self.launch_id,
                first_run: self.first_run,
                prompt_sha256: self.prompt.as_deref().map(prompt_digest),
            });
        }
        let surplus = earlier.len().saturating_sub(MOST_EARLIER);
        earlier.drain(..surplus);
        earlier
    }

    /// Reads how `task` was launched; `None` if it never was by us.
    pub fn read(task: &TaskDir) -> Result<Option<Self>, RecordError> {
        record::read(&task.launch(), RECORD_VERSION)
    }

    /// Replaces the file; returns after it is on disk. Only for the owner.
    pub(crate) fn write(&self, task: &TaskDir, replace: Replace) -> Result<(), RecordError> {
        record::write_with(&task.launch(), self, FileMode::Private, replace)
    }
}

/// Tells whether `prompt` is what `TASK.md` says, the line ends behind it aside.
pub fn is_prompt_of_record(task: &TaskDir, prompt: &str) -> bool {
    let of_record = std::fs::read_to_string(task.prompt()).unwrap_or_default();
    is_same_prompt(&of_record, prompt)
}

pub(crate) fn is_same_prompt(one: &str, other: &str) -> bool {
    one.trim_end_matches('\n') == other.trim_end_matches('\n')
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
