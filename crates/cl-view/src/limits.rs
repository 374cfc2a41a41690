//! What is known of the usage limits of accounts, as it is shown.

use cl_storage::ledger::{Account, Window};
use cl_storage::record::RecordError;
use cl_wire::limits::{HealthRow, Limits, WindowRow};
use jiff::Timestamp;

use crate::words::describe_record_error;

/// Shows what a ledger holds; `names` tells which names of the configuration use an
/// agent's account.
pub fn limits(
    accounts: &[Account],
    problems: &[RecordError],
    names: impl Fn(&Account) -> Vec<String>,
    now: Timestamp,
) -> Limits {
    let windows = accounts.iter().flat_map(|account| {
        let names = names(account);
        let windows = account.windows.iter();
        windows.map(move |window| window_row(account, window, names.clone(), now))
    });
    let failing = accounts.iter().filter(|it| it.health.failures > 0);
    Limits {
        windows: windows.collect(),
        agents: failing
            .map(|account| health_row(account, names(account), now))
            .collect(),
        problems: problems.iter().map(describe_record_error).collect(),
    }
}

fn window_row(account: &Account, window: &Window, names: Vec<String>, now: Timestamp) -> WindowRow {
    let resets_at = window.resets_at.filter(|reset| *reset > now);
    WindowRow {
        agent: account.agent.clone(),
        account: account.account.clone(),
        names,
        window: window.window.clone(),
        state: window.state,
        used_percent: window.used_percent,
        resets_at,
        resets_in_seconds: resets_at.map(|reset| reset.duration_since(now).as_secs()),
        closed_until: window.closed_until().filter(|until| *until > now),
        source: window.source,
        at: window.at,
        age_seconds: now.duration_since(window.at).as_secs().max(0),
    }
}

fn health_row(account: &Account, names: Vec<String>, now: Timestamp) -> HealthRow {
    let degraded_until = account.degraded_until(now);
    HealthRow {
        agent: account.agent.clone(),
        account: account.account.clone(),
        names,
        degraded: degraded_until.is_some(),
        degraded_until,
        failures: account.health.failures,
        last_kind: account.health.last_kind,
        last_at: account.health.last_at,
    }
}
