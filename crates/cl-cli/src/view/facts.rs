//! Recorded facts in the one JSON form: every key is always there.

use cl_storage::task_state::{ClaimRecord, TaskResult};
use cl_storage::{Failure, FailureKind, ProjectId, RunId, TaskId, Usage};
use jiff::Timestamp;
use serde::Serialize;

/// Why something failed.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct FailureFact {
    pub(crate) kind: FailureKind,
    pub(crate) detail: String,
    pub(crate) retry_at: Option<Timestamp>,
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
#[derive(Debug, Clone, Serialize)]
pub(crate) struct UsageFact {
    pub(crate) input_tokens: u64,
    pub(crate) output_tokens: u64,
    pub(crate) cache_read_tokens: u64,
    pub(crate) cache_write_tokens: u64,
    pub(crate) cost_usd: Option<f64>,
    pub(crate) turns: Option<u32>,
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
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ClaimFact {
    /// Which claim of the launch it is.
    pub(crate) number: u32,
    /// How many gates judge it.
    pub(crate) gates: u32,
    /// How many of them passed.
    pub(crate) passed: u32,
    /// The numbers of their evidence.
    pub(crate) evidence: Vec<u32>,
    /// The working tree that they have proven.
    pub(crate) tree: Option<String>,
    /// Nothing was seen of any work behind it.
    pub(crate) suspicious: bool,
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
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ResultFact {
    pub(crate) status: &'static str,
    pub(crate) exit_code: i32,
    pub(crate) ended_at: Timestamp,
    pub(crate) failure: Option<FailureFact>,
    /// The child tasks that were still active then.
    pub(crate) left_children: Vec<TaskId>,
}

impl From<TaskResult> for ResultFact {
    fn from(result: TaskResult) -> Self {
        Self {
            status: result.status.as_str(),
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
#[derive(Debug, Clone, Serialize)]
#[expect(
    clippy::struct_field_names,
    reason = "they are the keys of the JSON form"
)]
pub(crate) struct ParentRef {
    pub(crate) project_id: ProjectId,
    pub(crate) task_id: TaskId,
    pub(crate) run_id: RunId,
}

/// A task that an agent of another one launched.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ChildRef {
    pub(crate) project_id: ProjectId,
    pub(crate) task_id: TaskId,
    pub(crate) parent_run_id: RunId,
    /// Whether it has anything that runs.
    pub(crate) active: bool,
}
