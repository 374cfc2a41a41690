//! The policy of a launch: what is configured, with the flags laid over it.

use std::time::Duration;

pub(super) use cl_runner::launch::configured_policy;
use cl_runner::launch::{Gate, OnChildTimeout, OnDeadlock, Policy, add_gates, configured_gate};
use cl_storage::TaskDir;
use cl_storage::task_config::TaskConfig;

use crate::args::{ChildTimeout, Deadlock, LaunchArgs, LoopArgs};
use crate::context::Context;
use crate::error::CliError;

/// Looking at other tasks more often than this only costs.
const SHORTEST_POLL: Duration = Duration::from_millis(50);

/// Lays the flags over `base`: what was not given stays as it is.
pub(super) fn policy(base: Policy, args: &LaunchArgs, restart: Option<&LoopArgs>) -> Policy {
    let mut policy = base;
    if let Some(limit) = args.idle_timeout {
        // Zero is kept: it switches the limit of the agent's configuration off.
        policy.idle_timeout = Some(limit);
    }
    if let Some(limit) = args.max_duration {
        // Zero is kept: it switches off what holds for agents of some kinds.
        policy.max_duration = Some(limit);
    }
    if let Some(limit) = args.max_task_duration {
        policy.max_task_duration = (!limit.is_zero()).then_some(limit);
    }
    let budget = &mut policy.budget.task;
    budget.max_cost_usd = args.max_cost.or(budget.max_cost_usd);
    budget.max_tokens = args.max_tokens.or(budget.max_tokens);
    if let Some(bytes) = args.max_output_bytes {
        policy.max_output_bytes = bytes;
    }
    policy.child_wait = args.child_wait_timeout.unwrap_or(policy.child_wait);
    policy.on_child_timeout = match args.on_child_timeout {
        Some(ChildTimeout::Leave) => OnChildTimeout::Leave,
        Some(ChildTimeout::Stop) => OnChildTimeout::Stop,
        None => policy.on_child_timeout,
    };
    policy.grace = args.grace.unwrap_or(policy.grace);
    policy.resume_session |= args.resume_session;
    policy.dependency_poll = args
        .dependency_poll_interval
        .map_or(policy.dependency_poll, |poll| poll.max(SHORTEST_POLL));
    policy.on_deadlock = match args.on_deadlock {
        Some(Deadlock::Wait) => OnDeadlock::Wait,
        Some(Deadlock::Fail) => OnDeadlock::Fail,
        None => policy.on_deadlock,
    };
    if let Some(restart) = restart {
        policy.max_attempts = restart.max_attempts.unwrap_or(policy.max_attempts);
        policy.restart_delay = restart.restart_delay.unwrap_or(policy.restart_delay);
        policy.max_gate_failures = restart
            .max_gate_failures
            .unwrap_or(policy.max_gate_failures);
        policy.require_change |= restart.require_change;
        add_gates(&mut policy, restart.gates.iter().map(Gate::from_command));
    }
    policy
}

/// Adds the gates that the task's own settings name now, and forgets those they named before.
///
/// Mistakes in these settings are a usage error, those in what the task depends on included.
pub(super) fn add_task_gates(
    ctx: &Context,
    policy: &mut Policy,
    task: &TaskDir,
) -> Result<(), CliError> {
    policy.gates.retain(|gate| !gate.of_task);
    let path = task.config();
    let text = TaskConfig::text(task).map_err(|error| {
        CliError::usage(format!("could not read {}", path.display())).caused_by(error)
    })?;
    let text = text.unwrap_or_default();
    let gates = cl_config::task_gates(&text, &path, task.id(), &ctx.environment)?;
    let gates = gates.iter().map(|configured| Gate {
        of_task: true,
        ..configured_gate(configured)
    });
    add_gates(policy, gates);
    Ok(())
}
