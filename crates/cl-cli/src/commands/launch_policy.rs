//! The policy of a launch: what is configured, with the flags laid over it.

use std::time::Duration;

use cl_config::{Config, ControlGroup};
use cl_runner::launch::{
    Gate, LimitPolicy, OnChildTimeout, OnDeadlock, Policy, RetryAction, RetryOverride, RetryTable,
    TurnStrategy, Turns,
};
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

/// Adds gates behind those there are; the same name and command count once.
fn add_gates(policy: &mut Policy, gates: impl IntoIterator<Item = Gate>) {
    for gate in gates {
        let is_there = |known: &Gate| known.name == gate.name && known.run == gate.run;
        if !policy.gates.iter().any(is_there) {
            policy.gates.push(gate);
        }
    }
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
        ..gate(configured)
    });
    add_gates(policy, gates);
    Ok(())
}

fn gate(configured: &cl_config::Gate) -> Gate {
    let cl_config::Gate {
        name,
        run,
        timeout,
        cwd,
    } = configured.clone();
    Gate {
        name,
        run,
        timeout,
        cwd,
        of_task: false,
    }
}

/// Returns the policy that the configuration gives.
pub(super) fn configured_policy(config: &Config) -> Policy {
    let defaults = &config.defaults;
    Policy {
        max_attempts: defaults.max_attempts,
        idle_timeout: defaults.timeout,
        max_duration: defaults.max_duration,
        max_task_duration: defaults.max_task_duration,
        budget: defaults.budget,
        require_change: defaults.require_change,
        max_output_bytes: defaults.max_output_bytes,
        gates: defaults.gates.iter().map(gate).collect(),
        max_concurrent_runs: defaults.max_concurrent_runs.map(std::num::NonZeroU32::get),
        max_depth: config.delegation.max_depth,
        max_children: config.delegation.max_children,
        max_attempts_total: defaults.max_attempts_total.map(std::num::NonZeroU32::get),
        retry: RetryTable {
            overrides: (defaults.retry.iter())
                .map(|(kind, retry)| (kind.clone(), retry_override(retry)))
                .collect(),
        },
        limits: LimitPolicy {
            auto_resume: config.limits.auto_resume,
            stop_at_percent: config.limits.stop_at_percent,
        },
        turns: defaults
            .diversification
            .as_ref()
            .map(turns)
            .unwrap_or_default(),
        use_control_group: defaults.control_group == ControlGroup::Auto,
        ..Policy::default()
    }
}

fn retry_override(retry: &cl_config::Retry) -> RetryOverride {
    RetryOverride {
        action: retry.action.map(|action| match action {
            cl_config::RetryAction::Retry => RetryAction::Retry,
            cl_config::RetryAction::Wait => RetryAction::Wait,
            cl_config::RetryAction::Switch => RetryAction::Switch,
            cl_config::RetryAction::Stop => RetryAction::Stop,
        }),
        attempts: retry.attempts,
        backoff: retry.backoff,
        max_backoff: retry.max_backoff,
    }
}

/// Agents take turns until the launch is known to name one.
fn turns(configured: &cl_config::Diversification) -> Turns {
    let on_limit = configured.on_limit.clone();
    if !configured.enabled {
        return Turns {
            on_limit,
            ..Turns::default()
        };
    }
    Turns {
        is_open: true,
        strategy: match configured.strategy {
            cl_config::Strategy::RoundRobin => TurnStrategy::RoundRobin,
            cl_config::Strategy::Weighted => TurnStrategy::Weighted,
        },
        agents: configured.agents.clone(),
        weights: configured.weights.clone(),
        fallback_on_failure: configured.fallback_on_failure,
        on_limit,
    }
}
