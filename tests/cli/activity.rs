//! What tasks are doing: `status --activity`, `task show`, `ps` and `doctor processes`.

use cl_storage::run_info::RunStatus;
use serde_json::Value;

use crate::place::{Place, TASK, add_run, alive, ended, own};
use crate::schema::assert_valid;

/// A task that has been running for long without a word, by this test's own process.
const NOWHERE: &str = "task-20260101-000900-nowhere";

fn silent() -> Place {
    let place = Place::new();
    let task = place.task(TASK);
    add_run(&task, 1, alive);
    own(&task, None);
    place
}

fn activity(place: &Place, line: &str) -> Value {
    let json = place.run_changing_nothing(line).json();
    assert_valid("status-activity", &json);
    json["tasks"][0]["activity"].clone()
}

#[test]
fn a_silent_task_is_stuck_and_adrift() {
    let place = silent();
    let found = activity(&place, "status --activity --json --project demo");
    // The test's own threads may compute meanwhile.
    assert!(["stuck", "working"].contains(&found["state"].as_str().unwrap()));
    assert!(found["silent_seconds"].as_u64().unwrap() > 900);
    assert_eq!(found["analysis_drift_risk"], true);
    assert_eq!(found["drift_threshold_seconds"], 1200);
    assert_eq!(found["latest_bus_message"], Value::Null);
    let text = place.run("status --activity --project demo").ok();
    assert!(
        text.contains("DRIFT_RISK") && text.contains("no FACT"),
        "{text}"
    );
    let lines = place.run("status --activity --concise --project demo").ok();
    assert_eq!(lines.trim().split('\t').count(), 9, "{lines}");
}

#[test]
fn a_message_that_matters_ends_the_drift() {
    let place = silent();
    let post = format!("bus post --project demo --task {TASK} --type FACT --body found");
    place.run(&post).ok();
    let found = activity(&place, "status --activity --json --project demo");
    assert_eq!(found["state"], "working");
    assert_eq!(found["analysis_drift_risk"], false);
    assert_eq!(found["latest_bus_message"]["type"], "FACT");
    assert_eq!(found["latest_bus_message"]["body_preview"], "found");
    assert!(found["last_meaningful_signal_at"].is_string());
}

#[test]
fn a_task_that_has_ended_does_nothing() {
    let place = Place::new();
    add_run(&place.task(TASK), 1, ended(RunStatus::Completed, 0));
    let found = activity(&place, "status --activity --json --project demo");
    assert_eq!(found["state"], Value::Null);
    assert_eq!(found["analysis_drift_risk"], false);
    let without = place.run("status --json --project demo").json();
    assert_eq!(without["tasks"][0].get("activity"), None);
}

#[test]
fn processes_are_shown_with_their_load_and_task() {
    let place = silent();
    let json = place.run_changing_nothing("ps --json").json();
    assert_valid("ps", &json);
    let rows = json["processes"].as_array().unwrap();
    let row = rows.iter().find(|row| row["role"] == "supervisor").unwrap();
    assert_eq!(row["pid"], std::process::id());
    assert_eq!(row["level"], 0);
    for key in ["cpu_ms", "cpu_percent", "rss_bytes", "age_seconds"] {
        assert!(row[key].is_number(), "{key}: {row}");
    }
    assert!(
        row["command"]
            .as_str()
            .unwrap()
            .contains("processes_are_shown")
    );
    assert_eq!(json["totals"]["processes"], rows.len());
    assert_eq!(json["tasks"][0]["task"], TASK);
    assert!(json["tasks"][0]["activity"]["state"].is_string());
    let text = place.run("ps --all").ok();
    assert!(text.contains("CPU%") && text.contains(TASK), "{text}");
}

#[test]
fn wrong_flags_are_told() {
    let place = silent();
    place.run("ps --all --project demo").fails(2, "exclude");
    for json in ["", "--json"] {
        let line = |words: &str| format!("ps {words} {json}");
        let ran = place.run_changing_nothing(&line("--project nosuch"));
        ran.fails(3, "project nosuch does not exist");
        let ran = place.run_changing_nothing(&line(&format!("--task {NOWHERE}")));
        ran.fails(3, "does not exist in any project");
        let ran = place.run_changing_nothing(&line(&format!("--project demo --task {NOWHERE}")));
        ran.fails(3, "does not exist in project demo");
    }
    place
        .run("status --drift-after soon")
        .fails(2, "--drift-after");
    place.run("doctor processes extra").fails(2, "extra");
}

#[test]
fn the_doctor_tells_what_there_is() {
    let place = Place::new();
    let json = place.run_changing_nothing("doctor processes --json").json();
    assert_valid("doctor-processes", &json);
    assert_eq!(json["ok"], true);
    let names: Vec<&str> = (json["checks"].as_array().unwrap().iter())
        .map(|check| check["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["identity", "pidfd", "subreaper", "control group"]);
    std::fs::write(
        place.work().join("conductor.yaml"),
        "defaults: {control_group: \"off\"}\n",
    )
    .unwrap();
    let text = place.run("doctor processes").ok();
    assert!(text.contains("switched off"), "{text}");
}

#[test]
fn without_a_task_there_is_an_empty_document() {
    let place = Place::new();
    let json = place.run_changing_nothing("ps --json").json();
    assert_valid("ps", &json);
    assert_eq!(json["totals"]["processes"], 0);
    let json = place
        .run_changing_nothing("status --activity --json")
        .json();
    assert_valid("status-activity", &json);
    assert_eq!(json["tasks"], serde_json::json!([]));
}
