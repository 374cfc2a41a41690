//! Recorded facts in the one JSON form: every key is always there.

use cl_storage::task_state::{ClaimRecord, TaskResult};
use cl_storage::{Failure, FailureKind, ProjectId, RunId, TaskId, Usage};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Why something failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FailureFact {
    /// Its kind, in snake case.
    #[schema(value_type = String)]
    pub kind: FailureKind,
    /// What was seen.
    pub detail: String,
    /// When it may be over.
    #[schema(value_type = Option<String>)]
    pub retry_at: Option<Timestamp>,
}

impl From<Failure> for FailureFact {
    fn from(failure: Failure) -> Self {
        Self {
            kind: failure.kind,
            detail: failure.detail,
            retry_at: failure.retry_at,
        }
    }
}

impl std::fmt::Display for FailureFact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.detail.as_str() {
            "" => write!(f, "{}", self.kind),
            detail => write!(f, "{}: {detail}", self.kind),
        }
    }
}

/// What a run used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct UsageFact {
    /// Tokens read.
    pub input_tokens: u64,
    /// Tokens written.
    pub output_tokens: u64,
    /// Tokens read from the cache of the service.
    pub cache_read_tokens: u64,
    /// Tokens written to that cache.
    pub cache_write_tokens: u64,
    /// What it cost, in US dollars, as the agent tells.
    pub cost_usd: Option<f64>,
    /// Turns of the conversation.
    pub turns: Option<u32>,
}

impl From<Usage> for UsageFact {
    fn from(usage: Usage) -> Self {
        Self {
            input_tokens: usage.input_tokens,
            output_tokens: usage.output_tokens,
            cache_read_tokens: usage.cache_read_tokens,
            cache_write_tokens: usage.cache_write_tokens,
            cost_usd: usage.cost_usd,
            turns: usage.turns,
        }
    }
}

/// What the gates said of the claim that was judged last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ClaimFact {
    /// Which claim of the launch it is.
    pub number: u32,
    /// How many gates judge it.
    pub gates: u32,
    /// How many of them passed.
    pub passed: u32,
    /// The numbers of their evidence.
    pub evidence: Vec<u32>,
    /// The working tree that they have proven.
    pub tree: Option<String>,
    /// Nothing was seen of any work behind it.
    pub suspicious: bool,
}

impl From<ClaimRecord> for ClaimFact {
    fn from(claim: ClaimRecord) -> Self {
        Self {
            number: claim.number,
            gates: claim.gates,
            passed: claim.passed,
            evidence: claim.evidence,
            tree: Some(claim.tree).filter(|tree| !tree.is_empty()),
            suspicious: claim.suspicious,
        }
    }
}

/// How a launch ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ResultFact {
    /// `completed`, `failed` or `stopped`.
    pub status: String,
    /// The exit code of the command that waited for it.
    pub exit_code: i32,
    /// When it ended.
    #[schema(value_type = String)]
    pub ended_at: Timestamp,
    /// Why it failed.
    pub failure: Option<FailureFact>,
    /// The child tasks that were still active then.
    #[schema(value_type = Vec<String>)]
    pub left_children: Vec<TaskId>,
}

impl From<TaskResult> for ResultFact {
    fn from(result: TaskResult) -> Self {
        Self {
            status: result.status.as_str().to_owned(),
            exit_code: result.exit_code,
            ended_at: result.ended_at,
            failure: result.failure.map(FailureFact::from),
            left_children: result
                .left_children
                .into_iter()
                .map(|child| child.task)
                .collect(),
        }
    }
}

/// The task and run that launched another one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ParentRef {
    /// The project.
    #[schema(value_type = String)]
    pub project_id: ProjectId,
    /// The task.
    #[schema(value_type = String)]
    pub task_id: TaskId,
    /// The run.
    #[schema(value_type = String)]
    pub run_id: RunId,
}

/// A task that an agent of another one launched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ChildRef {
    /// The project.
    #[schema(value_type = String)]
    pub project_id: ProjectId,
    /// The task.
    #[schema(value_type = String)]
    pub task_id: TaskId,
    /// The run that launched it.
    #[schema(value_type = String)]
    pub parent_run_id: RunId,
    /// Whether it has anything that runs.
    pub active: bool,
}
