//! What gates found, and what they find now.

use cl_storage::evidence::{Evidence, Flaw, Verdict};
use cl_storage::{ProjectId, RunId, TaskId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::facts::ClaimFact;

/// The evidence of a task: what the gates found of its claims to be done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TaskEvidence {
    /// The project.
    #[schema(value_type = String, example = "p")]
    pub project_id: ProjectId,
    /// The task.
    #[schema(value_type = String, example = "task-20260223-204858-docs-pass")]
    pub task_id: TaskId,
    /// What they said of the claim that was judged last.
    pub claim: Option<ClaimFact>,
    /// Each piece, oldest first.
    pub evidence: Vec<EvidenceRow>,
    /// What could not be read.
    pub problems: Vec<String>,
}

/// What one gate found once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EvidenceRow {
    /// The number of the piece.
    #[schema(example = 1)]
    pub number: u32,
    /// What the gate is called.
    #[schema(example = "tests")]
    pub name: String,
    /// Its command.
    #[schema(example = "cargo test")]
    pub run: String,
    /// Its working folder.
    #[schema(example = "/srv/work/p")]
    pub cwd: String,
    /// The launch whose claim it judged.
    pub launch_id: String,
    /// Which claim of the launch it was, from one.
    #[schema(example = 1)]
    pub claim: u32,
    /// The run before it.
    #[schema(value_type = Option<String>)]
    pub run_id: Option<RunId>,
    /// Its word.
    #[schema(value_type = String, example = "passed")]
    pub verdict: Verdict,
    /// Why it refused.
    pub reason: Option<String>,
    /// Its exit code, if it ended by itself.
    #[schema(example = 0)]
    pub exit_code: Option<i32>,
    /// The signal that ended it, if one did.
    pub signal: Option<i32>,
    /// When it was started.
    #[schema(value_type = String, format = DateTime, example = "2026-02-23T20:49:01.5Z")]
    pub started_at: Timestamp,
    /// How long it took.
    #[schema(example = 5300)]
    pub duration_ms: u64,
    /// How long it was allowed to take.
    pub timeout_ms: u64,
    /// The working tree before it.
    pub tree: String,
    /// The working tree after it.
    pub tree_after: String,
    /// Name of the file that holds what it printed.
    pub output: String,
    /// How large that is.
    pub output_bytes: u64,
    /// Its SHA-256.
    pub output_sha256: String,
    /// Child tasks were still at work when it ran.
    pub unquiet: bool,
}

impl EvidenceRow {
    /// Shows the piece `number`.
    pub fn of(number: u32, evidence: Evidence) -> Self {
        Self {
            number,
            name: evidence.name,
            run: evidence.run,
            cwd: evidence.cwd.display().to_string(),
            launch_id: evidence.launch_id,
            claim: evidence.claim,
            run_id: evidence.run_id,
            verdict: evidence.verdict,
            reason: Some(evidence.reason).filter(|reason| !reason.is_empty()),
            exit_code: evidence.exit_code,
            signal: evidence.signal,
            started_at: evidence.started_at,
            duration_ms: evidence.duration_ms,
            timeout_ms: evidence.timeout_ms,
            tree: evidence.tree,
            tree_after: evidence.tree_after,
            output: evidence.output,
            output_bytes: evidence.output_bytes,
            output_sha256: evidence.output_sha256,
            unquiet: evidence.unquiet,
        }
    }
}

/// What the gates of a claim find now, beside what they found; `verify --json`.
///
/// Keys stand in the order of the alphabet, as they have always been printed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Verified {
    /// Each gate.
    pub gates: Vec<GateAgain>,
    /// The project.
    #[schema(value_type = String, example = "p")]
    pub project: ProjectId,
    /// All gates pass, and the evidence holds.
    pub reproduced: bool,
    /// The task.
    #[schema(value_type = String, example = "task-20260223-204858-docs-pass")]
    pub task: TaskId,
    /// The working tree.
    pub tree: TreeAgain,
}

/// The working tree now, beside the one that was proven.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TreeAgain {
    /// Now.
    pub now: String,
    /// Whether they are the same; `null` if they could not be compared.
    pub same: Option<bool>,
    /// Then.
    pub then: String,
}

/// What a gate finds now, beside what it found; `null` where it was not asked again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GateAgain {
    /// Its working folder.
    pub cwd: String,
    /// How long it takes.
    pub duration_ms: Option<u64>,
    /// What of its evidence does not hold.
    #[schema(value_type = Vec<String>)]
    pub flaws: Vec<Flaw>,
    /// What it is called.
    #[schema(example = "tests")]
    pub name: String,
    /// Its word now.
    #[schema(value_type = Option<String>, example = "passed")]
    pub now: Option<Verdict>,
    /// Why it refuses.
    pub reason: Option<String>,
    /// Its command.
    #[schema(example = "cargo test")]
    pub run: String,
    /// Its environment is the same as then.
    pub same_environment: Option<bool>,
    /// What it prints is the same as then.
    pub same_output: Option<bool>,
    /// Its word then.
    #[schema(value_type = String, example = "passed")]
    pub then: Verdict,
    /// Child tasks were still at work then.
    pub unquiet: bool,
}
