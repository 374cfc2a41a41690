//! `usage`: sums over the records of runs.

use cl_storage::run_info::RunStatus;
use cl_storage::{Failure, FailureKind, Usage};

use crate::place::{Place, TASK, add_run, ended};
use crate::schema::assert_valid;

fn used(input: u64, cost: Option<f64>) -> Usage {
    Usage {
        input_tokens: input,
        output_tokens: 1,
        cost_usd: cost,
        turns: Some(2),
        ..Usage::default()
    }
}

/// Two tasks: a good run, one that hit a limit, one whose claim was refused, one that tells nothing.
fn place() -> Place {
    let place = Place::new();
    let task = place.task(TASK);
    add_run(&task, 1, |info| {
        ended(RunStatus::Failed, 1)(info);
        info.agent_name = "fast".into();
        info.failure = Some(Failure::new(FailureKind::LimitWindow, ""));
        info.usage = Some(used(10, Some(0.25)));
    });
    add_run(&task, 2, |info| {
        ended(RunStatus::Completed, 0)(info);
        info.agent_name = "fast".into();
        info.rejected_by = "tests (exit 1)".into();
        info.usage = Some(used(100, None));
    });
    let other = place.task("task-20260101-000200-other");
    add_run(&other, 3, |info| {
        ended(RunStatus::Completed, 0)(info);
        info.agent_name = "slow".into();
        info.backend_model = "m-1".into();
    });
    place
}

#[test]
fn tokens_cost_and_waste_are_added_up() {
    let place = place();
    let document = place.run_changing_nothing("usage --json").json();
    assert_valid("usage", &document);
    let (fast, slow) = (&document["rows"][0], &document["rows"][1]);
    assert_eq!(
        (fast["key"].as_str(), fast["runs"].as_u64()),
        (Some("fast"), Some(2))
    );
    assert_eq!(fast["input_tokens"], 110);
    assert_eq!(fast["cost_usd"], 0.25);
    assert_eq!(fast["runs_without_cost"], 1);
    assert_eq!(fast["wasted"]["runs"], 2);
    assert_eq!(fast["wasted"]["input_tokens"], 110);
    assert!(
        slow["cost_usd"].is_null() && slow["input_tokens"].is_null(),
        "{slow}"
    );
    assert_eq!(slow["wasted"]["runs"], 0);
    assert_eq!(document["total"]["runs"], 3);
    let text = place.run("usage --by model").ok();
    assert!(text.contains("m-1") && text.contains("unknown"), "{text}");
    for (by, keys) in [("task", 2), ("project", 1), ("day", 1), ("model", 2)] {
        let document = place.run(&format!("usage --json --by {by}")).json();
        assert_eq!(document["rows"].as_array().unwrap().len(), keys, "{by}");
        assert_eq!(document["by"], by);
    }
    let one = place
        .run(&format!("usage --json --project demo --task {TASK}"))
        .json();
    assert_eq!(one["total"]["runs"], 2);
}

#[test]
fn only_recent_runs_count_if_asked_for() {
    let place = place();
    for flags in ["--days 1", "--since 1h"] {
        let document = place.run(&format!("usage --json {flags}")).json();
        assert_valid("usage", &document);
        assert_eq!(document["total"]["runs"], 0, "{flags}");
    }
    let document = place.run("usage --json --since 1970-01-01").json();
    assert_eq!(document["total"]["runs"], 3);
    place.run("usage --by colour").fails(2, "colour");
    place.run("usage --days 0").fails(2, "--days");
    place
        .run("usage --days 1 --since 1h")
        .fails(2, "cannot be used with");
    place.run("usage --project nothing").fails(3, "nothing");
}

#[test]
fn a_damaged_record_is_named_and_hides_no_other() {
    let place = place();
    let task = place.task(TASK);
    let run = task.runs().unwrap().remove(0);
    std::fs::write(run.info(), "version: [").unwrap();
    let document = place.run("usage --json").json();
    assert_eq!(document["total"]["runs"], 2);
    assert_eq!(document["problems"].as_array().unwrap().len(), 1);
}
