//! The policy that the configuration gives.

use cl_config::{Config, ControlGroup};

use super::policy::{Gate, Policy};
use super::retry::{RetryOverride, RetryTable};
use super::turns::Turns;

/// Adds gates behind those there are; the same name and command count once.
pub fn add_gates(policy: &mut Policy, gates: impl IntoIterator<Item = Gate>) {
    for gate in gates {
        let is_there = |known: &Gate| known.name == gate.name && known.run == gate.run;
        if !policy.gates.iter().any(is_there) {
            policy.gates.push(gate);
        }
    }
}

/// Returns the gate that the configuration describes.
pub fn configured_gate(configured: &cl_config::Gate) -> Gate {
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
pub fn configured_policy(config: &Config) -> Policy {
    let defaults = &config.defaults;
    Policy {
        max_attempts: defaults.max_attempts,
        idle_timeout: defaults.timeout,
        max_duration: defaults.max_duration,
        max_task_duration: defaults.max_task_duration,
        budget: defaults.budget,
        require_change: defaults.require_change,
        max_output_bytes: defaults.max_output_bytes,
        gates: defaults.gates.iter().map(configured_gate).collect(),
        max_concurrent_runs: defaults.max_concurrent_runs.map(std::num::NonZeroU32::get),
        max_depth: config.delegation.max_depth,
        max_children: config.delegation.max_children,
        max_attempts_total: defaults.max_attempts_total.map(std::num::NonZeroU32::get),
        retry: RetryTable {
            overrides: (defaults.retry.iter())
                .map(|(kind, retry)| (kind.clone(), retry_override(retry)))
                .collect(),
        },
        limits: config.limits.clone(),
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
        action: retry.action,
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
        strategy: configured.strategy,
        agents: configured.agents.clone(),
        weights: configured.weights.clone(),
        fallback_on_failure: configured.fallback_on_failure,
        on_limit,
    }
}
