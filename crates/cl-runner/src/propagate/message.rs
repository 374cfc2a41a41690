//! The message that tells a project of the end of a task.

use std::fmt::Write as _;
use std::path::Path;

use cl_bus::facts::{COMPLETION_KIND, FACT, KIND_KEY};
use cl_bus::{Draft, Link, Message, Parent};
use cl_storage::RunDir;
use cl_storage::run_info::RunStatus;
use jiff::Timestamp;

use super::Samples;
use super::account::Account;

/// How many facts the message quotes.
const QUOTED_FACTS: usize = 5;
/// The most characters of a quoted fact.
const LONGEST_QUOTE: usize = 160;
/// How many runs are listed, the latest; more would not fit into a header.
const LISTED_RUNS: usize = 400;

/// Returns the message about the end that `account` tells of.
pub(super) fn draft(account: &Account, key: &str, samples: Samples<'_>, now: Timestamp) -> Draft {
    let task = &account.task;
    let values = values(account, key, now);
    let body = body(account, &values, samples);
    let mut draft = Draft::new(FACT, task.project().clone(), body).task(task.id().clone());
    for (name, value) in values {
        draft = draft.meta(name, samples.mask(&value));
    }
    if let Some(event) = &account.latest_event {
        draft = draft.parent(Parent::new(event.id.clone(), "source_run_event"));
    }
    for fact in &account.facts {
        draft = draft.parent(Parent::new(fact.id.clone(), "source_fact"));
    }
    draft = draft
        .link(link(&task.bus(), "task message bus", "task_bus"))
        .link(link(&account.done_path, "DONE marker", "task_done"));
    if let Some((run, _)) = account.latest() {
        draft = draft
            .run(run.id().clone())
            .link(link(&run.info(), "latest run record", "run_info"))
            .link(link(&run.output(), "latest output", "output"));
    }
    draft
}

fn link(path: &Path, label: &str, kind: &str) -> Link {
    Link {
        url: text(path),
        label: label.to_owned(),
        kind: kind.to_owned(),
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Returns what the message states, by name, in the order of the body.
fn values(account: &Account, key: &str, now: Timestamp) -> Vec<(&'static str, String)> {
    let task = &account.task;
    let count = |status| account.count(status).to_string();
    let mut values = vec![
        (KIND_KEY, COMPLETION_KIND.to_owned()),
        ("propagation_key", key.to_owned()),
        ("source_project_id", task.project().to_string()),
        ("source_task_id", task.id().to_string()),
        ("source_task_dir", text(task.path())),
        ("source_task_bus_path", text(&task.bus())),
        ("source_done_path", text(&account.done_path)),
        ("source_done_mtime", account.done_at.to_string()),
        ("propagated_at", now.to_string()),
        ("run_count", account.runs.len().to_string()),
        ("completed_run_count", count(RunStatus::Completed)),
        ("failed_run_count", count(RunStatus::Failed)),
        ("running_run_count", count(RunStatus::Running)),
        ("task_fact_count", account.fact_count.to_string()),
        (
            "source_run_ids",
            ids(account.runs.iter().map(|(run, _)| run)),
        ),
        ("missing_run_info_ids", ids(account.without_record())),
    ];
    values.extend(latest_values(account));
    values
}

/// Returns what is stated about the latest run and its end.
fn latest_values(account: &Account) -> Vec<(&'static str, String)> {
    let mut values = Vec::new();
    let time = |time: Option<Timestamp>| time.map(|t| t.to_string()).unwrap_or_default();
    if let Some((run, info)) = account.latest() {
        values.push(("source_latest_run_id", run.id().to_string()));
        if let Some(info) = info {
            values.extend([
                ("source_latest_status", info.status.as_str().to_owned()),
                ("source_latest_exit_code", info.exit_code.to_string()),
                ("source_latest_start_time", time(info.start_time)),
                ("source_latest_end_time", time(info.end_time)),
            ]);
        }
        values.push(("source_output_path", text(&run.output())));
        values.push(("source_run_info_path", text(&run.info())));
    }
    if let Some(event) = &account.latest_event {
        values.extend([
            ("latest_run_event_id", event.id.to_string()),
            ("latest_run_event_type", event.kind.clone()),
            ("latest_run_event_ts", event.timestamp.to_string()),
        ]);
    }
    values
}

/// Returns the ids of the latest runs as a comma list.
fn ids<'a>(runs: impl Iterator<Item = &'a RunDir>) -> String {
    let ids: Vec<&str> = runs.map(|run| run.id().as_str()).collect();
    ids[ids.len().saturating_sub(LISTED_RUNS)..].join(",")
}

fn body(account: &Account, values: &[(&'static str, String)], samples: Samples<'_>) -> String {
    let mut text = String::from("task completion propagated to project scope\n");
    // Writing to a String cannot fail.
    for (name, value) in values.iter().filter(|(name, _)| *name != KIND_KEY) {
        writeln!(text, "{name}: {}", samples.mask(value)).unwrap_or_default();
    }
    text.push_str("run_outcome_summary:\n");
    for status in [RunStatus::Completed, RunStatus::Failed, RunStatus::Running] {
        let count = account.count(status);
        writeln!(text, "- {}: {count}", status.as_str()).unwrap_or_default();
    }
    let missing = account.without_record().count();
    writeln!(text, "- missing run-info: {missing}").unwrap_or_default();
    text.push_str("task_fact_signals:\n");
    let first = account.facts.len().saturating_sub(QUOTED_FACTS);
    match samples {
        _ if account.facts.is_empty() => text.push_str("- none\n"),
        Samples::LeftOut => text.push_str("- left out: told by whoever settled the task\n"),
        Samples::Masked(_) => {
            for fact in account.facts.iter().skip(first) {
                writeln!(text, "- {}", quote(fact, samples)).unwrap_or_default();
            }
        }
    }
    text
}

/// Returns the first line of a fact, blanks collapsed; secrets are masked before it is cut.
fn quote(fact: &Message, samples: Samples<'_>) -> String {
    let body = samples.mask(&fact.body);
    let line = body.trim().lines().next().unwrap_or_default();
    let words: Vec<&str> = line.split_whitespace().collect();
    words.join(" ").chars().take(LONGEST_QUOTE).collect()
}
