//! Where a task stands, `task-state.yaml`: written by its owner alone, before it acts.

use jiff::Timestamp;

use crate::durable::{self, Mode};
use crate::failure::Failure;
use crate::id::{ProjectId, RunId, TaskId};
use crate::layout::TaskDir;
use crate::record::{self, RecordError};

pub(crate) const KNOWN_VERSION: u32 = 1;

/// The content of `task-state.yaml`.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct TaskState {
    /// Format of the file.
    pub version: u32,
    /// The launch that this state belongs to.
    pub launch_id: String,
    /// Attempts made so far.
    pub attempts: Attempts,
    /// Gate failures in a row.
    pub gate_failures: GateFailures,
    /// The claim to be done that was judged last in this launch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim: Option<ClaimRecord>,
    /// What was seen of work in this launch.
    #[serde(skip_serializing_if = "WorkSeen::is_empty")]
    pub work: WorkSeen,
    /// When this launch began; a recovery goes on with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub begun_at: Option<Timestamp>,
    /// The limits of the budget that were warned of in this launch.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub budget_told: Vec<String>,
    /// What the task waits for: `slot`, `dependencies`, `children`, `limit`, `delay`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting_for: Option<String>,
    /// When a waiting task goes on by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wake_at: Option<Timestamp>,
    /// The usage limit that it waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<LimitWait>,
    /// The agent that goes on with the launch, where it is not the one launched with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// The wait for other tasks, if there was one in this launch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dependencies: Option<DependencyWait>,
    /// The tasks that agents of this one launched.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<Child>,
    /// A person's wish to stop; lasts until an explicit start or resume.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop: Option<StopWish>,
    /// How the launch ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<TaskResult>,
}

/// How often agents were started for a task.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Attempts {
    /// Since the task exists.
    pub total: u32,
    /// In this launch; the limit on attempts counts these.
    pub this_launch: u32,
    /// On `day`.
    pub today: u32,
    /// The UTC day that `today` counts, `YYYY-MM-DD`.
    pub day: String,
    /// Attempts of this launch that a usage limit cut short, or that never got to start an
    /// agent; in none of the counts above.
    #[serde(skip_serializing_if = "is_zero")]
    pub limited: u32,
    /// The number of the last of them, see [`Attempts::ordinal`]; 0 is none.
    #[serde(skip_serializing_if = "is_zero")]
    pub last_limited: u32,
}

/// A usage limit that a task waits for.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct LimitWait {
    /// The configured name of the agent.
    pub agent: String,
    /// The label of its account.
    pub account: String,
    /// The window that is closed.
    pub window: String,
    /// One line about it.
    pub reason: String,
    /// When the window begins anew, if that was told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resets_at: Option<Timestamp>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature that serde asks for"
)]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Attempts {
    /// Counts one more attempt, started at `now`.
    pub fn count(&mut self, now: Timestamp) {
        let day = day_of(now);
        if self.day != day {
            self.day = day;
            self.today = 0;
        }
        self.total += 1;
        self.this_launch += 1;
        self.today += 1;
    }

    /// Takes the last attempt out of the counts: a usage limit cut it short, or no agent was started.
    ///
    /// Once for each attempt, however often it is called.
    pub fn forgive(&mut self) {
        if self.last_limited == self.ordinal() {
            return;
        }
        self.last_limited = self.ordinal();
        for count in [&mut self.total, &mut self.this_launch, &mut self.today] {
            *count = count.saturating_sub(1);
        }
        self.limited += 1;
    }

    /// Returns the number of the last attempt in this launch, from 1, whether it counts or not.
    pub fn ordinal(&self) -> u32 {
        self.this_launch.saturating_add(self.limited)
    }

    /// Returns how many attempts were made on the day of `now`.
    pub fn on_day_of(&self, now: Timestamp) -> u32 {
        if self.day == day_of(now) {
            self.today
        } else {
            0
        }
    }
}

fn day_of(now: Timestamp) -> String {
    now.strftime("%Y-%m-%d").to_string()
}

/// What was told of a wait for other tasks, so that it is told once.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct DependencyWait {
    /// The dependencies that were in the way when they were told last.
    pub blocked_by: Vec<TaskId>,
    /// Since when none of them can make progress.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stuck_since: Option<Timestamp>,
    /// The sets of them, as comma lists, for which somebody was called.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub escalated: Vec<String>,
}

/// How often a gate refused in this launch.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct GateFailures {
    /// Refusals in this launch.
    pub count: u32,
    /// The gate that refused last.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub last_gate: String,
    /// The end of what it printed, for the next prompt; without secrets.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub last_output: String,
    /// Digest of all it printed, colours aside, together with how it ended.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub last_digest: String,
    /// Refusals in a row by that gate with that digest.
    #[serde(skip_serializing_if = "is_zero")]
    pub alike: u32,
}

impl GateFailures {
    /// Counts one more refusal.
    pub fn count(&mut self, gate: String, output: String, digest: String) {
        let is_alike = self.alike > 0 && self.last_gate == gate && self.last_digest == digest;
        self.alike = if is_alike { self.alike + 1 } else { 1 };
        self.count += 1;
        self.last_gate = gate;
        self.last_output = output;
        self.last_digest = digest;
    }

    /// Forgets the last refusal, but not how many there were.
    pub fn forget_last(&mut self) {
        *self = Self {
            count: self.count,
            ..Self::default()
        };
    }
}

/// A claim to be done, and what its gates said.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct ClaimRecord {
    /// Which claim of the launch it is, from 1.
    pub number: u32,
    /// How many gates judge it.
    pub gates: u32,
    /// How many of them passed.
    pub passed: u32,
    /// The evidence of these, by the numbers of its files in `gates/`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<u32>,
    /// The seals of that evidence, in the same order; missing in states of earlier builds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub seals: Vec<String>,
    /// The working tree when the last gate had ended.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tree: String,
    /// Nothing was seen of any work behind it.
    #[serde(skip_serializing_if = "is_false")]
    pub suspicious: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_false(value: &bool) -> bool {
    !value
}

/// What was seen of work in a launch.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct WorkSeen {
    /// The working tree before the first attempt.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tree_before: String,
    /// An agent called a tool.
    pub tools: bool,
    /// An agent said something or left an answer.
    pub output: bool,
}

impl WorkSeen {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A task launched by an agent of this task.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Child {
    /// Its project.
    pub project: ProjectId,
    /// The child task.
    pub task: TaskId,
    /// The run whose agent asked for it.
    pub parent_run: RunId,
}

/// A person's wish to stop.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct StopWish {
    /// When.
    pub requested_at: Timestamp,
    /// Who or what asked.
    pub by: String,
}

/// How a launch of a task ended.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct TaskResult {
    /// `completed`, `failed` or `stopped`.
    pub status: ResultStatus,
    /// Exit code of the command that waited for it.
    pub exit_code: i32,
    /// When it ended.
    pub ended_at: Timestamp,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// Child tasks that were still active when this one was completed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_children: Vec<Child>,
}

/// The word for how a launch ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResultStatus {
    /// The task, or the single run of a job, ended well.
    Completed,
    /// It ended badly, and nothing will be tried again.
    Failed,
    /// Somebody stopped it.
    Stopped,
}

impl ResultStatus {
    /// Returns the word used in files and output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
        }
    }
}

impl TaskState {
    /// Reads the state of `task`; `None` if it never had an owner.
    pub fn read(task: &TaskDir) -> Result<Option<Self>, RecordError> {
        record::read(&task.state(), KNOWN_VERSION)
    }

    /// Reads the state of `task`, moving a damaged one aside. Only for the owner.
    ///
    /// One of a newer format is somebody else's from the future: an error.
    pub fn read_or_set_aside(task: &TaskDir) -> Result<Self, RecordError> {
        match Self::read(task) {
            Ok(state) => Ok(state.unwrap_or_default()),
            Err(error @ (RecordError::TooNew { .. } | RecordError::Io { .. })) => Err(error),
            Err(error) => {
                let aside = task.path().join("task-state.yaml.damaged");
                durable::rename(&task.state(), &aside).map_err(RecordError::io(&aside))?;
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "moved a damaged task state aside"
                );
                Ok(Self::default())
            }
        }
    }

    /// Replaces the state of `task`; returns after it is on disk. Only for the owner.
    pub fn write(&mut self, task: &TaskDir) -> Result<(), RecordError> {
        self.write_with(task, crate::durable::replace)
    }

    /// Replaces the state of `task` by `replace`, which says when it is on disk. Only for the owner.
    pub fn write_with(
        &mut self,
        task: &TaskDir,
        replace: crate::durable::Replace,
    ) -> Result<(), RecordError> {
        self.version = KNOWN_VERSION;
        record::write_with(&task.state(), self, Mode::Shared, replace)
    }
}

/// The part of `launch.yaml` that readers need: what was launched and by whom.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct LaunchSummary {
    /// The launch.
    pub launch_id: String,
    /// `task` (restart loop) or `job` (one run).
    pub kind: String,
    /// `foreground`, `detached` or `nested`.
    pub origin: String,
    /// When.
    pub launched_at: Timestamp,
    /// The configured name of the agent.
    pub agent_name: String,
    /// The task whose agent launched this one.
    #[serde(default)]
    pub parent: Option<ParentTask>,
    /// How many tasks stand above.
    #[serde(default)]
    pub depth: u32,
    /// The part of its limits that readers need.
    #[serde(default)]
    pub policy: PolicySummary,
}

/// The part of a launch's limits that readers need.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct PolicySummary {
    /// How many attempts the loop makes; none where the launch does not say.
    pub max_attempts: Option<u32>,
    /// What must pass before DONE is believed.
    pub gates: Vec<GateSummary>,
    /// Whether a claim without a changed working tree is refused.
    pub require_change: bool,
}

/// A gate as readers need it.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct GateSummary {
    /// What it is called.
    pub name: String,
}

/// The task and run that launched a nested task.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ParentTask {
    /// Its project.
    pub project: ProjectId,
    /// The task.
    pub task: TaskId,
    /// The run whose agent asked.
    pub run: RunId,
}

impl LaunchSummary {
    /// Reads how `task` was launched; `None` if it never was by us.
    pub fn read(task: &TaskDir) -> Result<Option<Self>, RecordError> {
        record::read(&task.launch(), KNOWN_VERSION)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Root;

    #[test]
    fn the_state_survives_a_round_trip() {
        let folder = tempfile::tempdir().unwrap();
        let project = ProjectId::parse("p").unwrap();
        let id = TaskId::parse("task-20260101-000000-abc").unwrap();
        let task = Root::at(folder.path())
            .unwrap()
            .task(&project, &id)
            .unwrap();
        task.ensure().unwrap();
        assert_eq!(TaskState::read(&task).unwrap(), None);
        let mut state = TaskState {
            launch_id: "l".into(),
            waiting_for: Some("slot".into()),
            limit: Some(LimitWait {
                agent: "claude".into(),
                account: "work".into(),
                window: "five_hour".into(),
                reason: "used up: \"5-hour\" #1".into(),
                resets_at: Some(Timestamp::UNIX_EPOCH),
            }),
            agent: Some("codex".into()),
            gate_failures: GateFailures {
                count: 1,
                last_gate: "cargo test".into(),
                last_output: "a\n  b: c\n\nd #e\n".into(),
                last_digest: "d1".into(),
                alike: 1,
            },
            claim: Some(ClaimRecord {
                number: 2,
                gates: 2,
                passed: 2,
                evidence: vec![3, 4],
                seals: Vec::new(),
                tree: "git:1".into(),
                suspicious: true,
            }),
            children: vec![Child {
                project,
                task: id,
                parent_run: RunId::parse("20260101-0000000000-1-1").unwrap(),
            }],
            result: Some(TaskResult {
                status: ResultStatus::Stopped,
                exit_code: 130,
                ended_at: Timestamp::UNIX_EPOCH,
                failure: Some(Failure::new(crate::FailureKind::Cancelled, "user")),
                left_children: Vec::new(),
            }),
            ..TaskState::default()
        };
        state
            .attempts
            .count("2026-01-01T10:00:00Z".parse().unwrap());
        state
            .attempts
            .count("2026-01-02T10:00:00Z".parse().unwrap());
        assert_eq!((state.attempts.total, state.attempts.today), (2, 1));
        state.attempts.forgive();
        state.attempts.forgive();
        let counts = &state.attempts;
        assert_eq!(
            (counts.total, counts.this_launch, counts.ordinal()),
            (1, 1, 2)
        );
        assert_eq!(counts.on_day_of("2026-01-03T00:00:00Z".parse().unwrap()), 0);
        state.write(&task).unwrap();
        assert_eq!(TaskState::read(&task).unwrap(), Some(state));
    }

    #[test]
    fn refusals_that_look_alike_are_counted_in_a_row() {
        let mut failures = GateFailures::default();
        let mut count = |gate: &str, digest: &str| {
            failures.count(gate.into(), String::new(), digest.into());
            (failures.count, failures.alike)
        };
        assert_eq!(count("a", "1"), (1, 1));
        assert_eq!(count("a", "1"), (2, 2));
        assert_eq!(count("b", "1"), (3, 1), "another gate");
        assert_eq!(count("b", "2"), (4, 1), "another output");
        assert_eq!(count("b", "2"), (5, 2));
        failures.forget_last();
        assert_eq!((failures.count, failures.alike), (5, 0));
    }
}
