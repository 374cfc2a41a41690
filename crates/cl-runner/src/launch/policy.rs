//! The limits and delays of a launch.

use std::path::PathBuf;
use std::time::Duration;

pub use cl_config::Limits;
use cl_storage::budget::Budget;

use super::retry::RetryTable;
use super::turns::Turns;

/// What happens to children that are still active when the wait for them ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnChildTimeout {
    /// They go on as the tasks they are.
    #[default]
    Leave,
    /// They are stopped.
    Stop,
}

/// What a task does whose dependencies can make no progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnDeadlock {
    /// It calls somebody and goes on waiting.
    #[default]
    Wait,
    /// It calls somebody and fails.
    Fail,
}

/// A command that must succeed before DONE is believed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Gate {
    /// What it is called in messages.
    pub name: String,
    /// The command, run by a shell.
    pub run: String,
    /// How long it may take; none takes [`Policy::gate_timeout`].
    #[serde(
        default,
        rename = "timeout_ms",
        with = "optional_millis",
        skip_serializing_if = "Option::is_none"
    )]
    pub timeout: Option<Duration>,
    /// The folder to run it in, relative to the working folder of the agents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<PathBuf>,
    /// Whether the task's own settings name it, which are read again at a resume.
    #[serde(default, skip_serializing_if = "is_false")]
    pub of_task: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_false(value: &bool) -> bool {
    !value
}

impl Gate {
    /// Returns a gate that is named like its command.
    pub fn from_command(run: impl Into<String>) -> Self {
        let run = run.into();
        Self {
            name: run.clone(),
            run,
            timeout: None,
            cwd: None,
            of_task: false,
        }
    }
}

/// The limits and delays of a launch. Durations are stored in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Policy {
    /// How many attempts the loop makes.
    pub max_attempts: u32,
    /// Pause between two attempts.
    #[serde(rename = "restart_delay_ms", with = "millis")]
    pub restart_delay: Duration,
    /// How long an agent may be silent.
    #[serde(rename = "idle_timeout_ms", with = "optional_millis")]
    pub idle_timeout: Option<Duration>,
    /// How long one attempt may take.
    #[serde(rename = "max_duration_ms", with = "optional_millis")]
    pub max_duration: Option<Duration>,
    /// How long the launch may take in all, waiting included.
    #[serde(rename = "max_task_duration_ms", with = "optional_millis")]
    pub max_task_duration: Option<Duration>,
    /// How much the task, and its project in a day, may use.
    pub budget: Budget,
    /// How much an agent may write to its two streams together.
    pub max_output_bytes: u64,
    /// How long a finished task waits for its children.
    #[serde(rename = "child_wait_ms", with = "millis")]
    pub child_wait: Duration,
    /// What happens to children after that.
    pub on_child_timeout: OnChildTimeout,
    /// From the request to stop to the kill.
    #[serde(rename = "grace_ms", with = "millis")]
    pub grace: Duration,
    /// Commands that must succeed before DONE is believed.
    pub gates: Vec<Gate>,
    /// Whether a claim without a changed working tree is refused.
    pub require_change: bool,
    /// How long one gate may take that does not say so itself.
    #[serde(rename = "gate_timeout_ms", with = "millis")]
    pub gate_timeout: Duration,
    /// How many times gates may refuse.
    pub max_gate_failures: u32,
    /// Whether later attempts go on with the agent's session.
    pub resume_session: bool,
    /// How many root attempts may run at once below the root; none is no limit.
    pub max_concurrent_runs: Option<u32>,
    /// How often a blocked task looks at its dependencies.
    #[serde(rename = "dependency_poll_ms", with = "millis")]
    pub dependency_poll: Duration,
    /// How long dependencies may be without progress before somebody is called.
    #[serde(rename = "stuck_after_ms", with = "millis")]
    pub stuck_after: Duration,
    /// What happens then.
    pub on_deadlock: OnDeadlock,
    /// How deep tasks may be nested.
    pub max_depth: u32,
    /// How many active children a task may have.
    pub max_children: u32,
    /// How many attempts the task gets on one day, over all launches; none is no limit.
    pub max_attempts_total: Option<u32>,
    /// What follows which kind of failure.
    pub retry: RetryTable,
    /// What is done about usage limits.
    pub limits: Limits,
    /// Which agents may be used besides the one that was named.
    pub turns: Turns,
    /// Whether the supervisor makes a control group for what it starts, where that is possible.
    pub use_control_group: bool,
}

impl Policy {
    /// Tells whether a claim to be done must be judged before it is believed.
    pub(crate) fn judges_claims(&self) -> bool {
        !self.gates.is_empty() || self.require_change
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            max_attempts: 100,
            restart_delay: Duration::from_secs(1),
            idle_timeout: None,
            max_duration: None,
            max_task_duration: None,
            budget: Budget::default(),
            max_output_bytes: 1 << 30,
            child_wait: Duration::from_mins(5),
            on_child_timeout: OnChildTimeout::Leave,
            grace: Duration::from_secs(10),
            gates: Vec::new(),
            require_change: false,
            gate_timeout: Duration::from_mins(30),
            max_gate_failures: 5,
            resume_session: false,
            max_concurrent_runs: None,
            dependency_poll: Duration::from_secs(2),
            stuck_after: Duration::from_mins(10),
            on_deadlock: OnDeadlock::Wait,
            max_depth: 16,
            max_children: 16,
            max_attempts_total: None,
            retry: RetryTable::default(),
            limits: Limits::default(),
            turns: Turns::default(),
            use_control_group: true,
        }
    }
}

mod millis {
    use std::time::Duration;

    pub(super) fn serialize<S: serde::Serializer>(
        value: &Duration,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.serialize_u64(u64::try_from(value.as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(
        from: D,
    ) -> Result<Duration, D::Error> {
        <u64 as serde::Deserialize>::deserialize(from).map(Duration::from_millis)
    }
}

pub(super) mod optional_millis {
    use std::time::Duration;

    #[expect(clippy::ref_option, reason = "the signature that serde asks for")]
    pub(in crate::launch) fn serialize<S: serde::Serializer>(
        value: &Option<Duration>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => super::millis::serialize(value, to),
            None => to.serialize_none(),
        }
    }

    pub(in crate::launch) fn deserialize<'de, D: serde::Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Duration>, D::Error> {
        let millis = <Option<u64> as serde::Deserialize>::deserialize(from)?;
        Ok(millis.map(Duration::from_millis))
    }
}
