//! `list --blocked`, `task cancel`, `task uncancel` and `task unblock` on files alone.

use cl_bus::Bus;
use cl_storage::marker::{self, Marker};
use cl_storage::run_info::RunStatus;
use cl_storage::task_config::TaskConfig;
use cl_storage::{TaskDir, queue};

use crate::place::{CHILD, PROJECT, Place, TASK, add_run, adopt, alive, ended, own};
use crate::schema::assert_valid;

const OTHER: &str = "task-20260101-000200-other";

/// A task that was never run, and one that depends on it.
fn chain() -> (Place, TaskDir, TaskDir) {
    let place = Place::new();
    let (first, second) = (place.task(TASK), place.task(CHILD));
    write_config(&second, &format!("depends_on:\n    - {TASK}\n"));
    (place, first, second)
}

fn write_config(task: &TaskDir, text: &str) {
    std::fs::write(task.config(), text).unwrap();
}

fn decisions(task: &TaskDir) -> Vec<String> {
    let messages = Bus::new(task.bus()).all().unwrap().into_messages();
    let of_kind = messages
        .into_iter()
        .filter(|message| message.kind == "DECISION");
    of_kind.map(|message| message.body).collect()
}

#[test]
fn a_chain_that_nobody_started_is_listed_with_the_reason() {
    let (place, ..) = chain();
    let json = place
        .run_changing_nothing("list --blocked --project demo --json")
        .json();
    assert_valid("list-blocked", &json);
    assert_eq!(
        json["blocked"],
        serde_json::json!([
            {
                "task_id": TASK, "status": "idle", "depends_on": [], "blocked_by": [],
                "chain": [TASK], "reason": "never-started",
                "hint": format!(
                    "run-agent task cancel {TASK} --project demo --reason TEXT, \
                     or run-agent task resume {TASK} --project demo"
                ),
            },
            {
                "task_id": CHILD, "status": "blocked", "depends_on": [TASK], "blocked_by": [TASK],
                "chain": [CHILD, TASK], "reason": "never-started",
                "hint": format!(
                    "run-agent task cancel {TASK} --project demo --reason TEXT, \
                     or run-agent task unblock {CHILD} --project demo"
                ),
            },
        ])
    );
    let text = place
        .run_changing_nothing("list --blocked --project demo")
        .ok();
    let lines: Vec<Vec<&str>> = text
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(
        lines[0],
        ["TASK_ID", "STATUS", "BLOCKED_BY", "CHAIN", "REASON"]
    );
    assert_eq!(
        lines[2],
        [CHILD, "blocked", TASK, CHILD, "->", TASK, "never-started"]
    );
    let status = place.run("status --project demo --json").json();
    assert_eq!(status["tasks"][1]["status"], "blocked");
    assert_eq!(
        status["tasks"][1]["deadlocked_by"],
        serde_json::json!([TASK])
    );
    assert_eq!(
        status["tasks"][1]["queue_position"],
        serde_json::Value::Null
    );
}

#[test]
fn what_waits_for_an_active_task_is_listed_on_request_only() {
    let (place, first, _) = chain();
    add_run(&first, 1, alive);
    own(&first, None);
    let none = place.run("list --blocked --project demo").ok();
    assert_eq!(none, "No blocked tasks in project demo.\n");
    let json = place.run("list --blocked --project demo --json").json();
    assert_eq!(json, serde_json::json!({"blocked": []}));
    let json = place
        .run("list --blocked --all --project demo --json")
        .json();
    assert_valid("list-blocked", &json);
    assert_eq!(json["blocked"][0]["reason"], "running");
    assert_eq!(json["blocked"].as_array().unwrap().len(), 1);
}

/// Checks the reason that is given for the dependency after `act`.
#[track_caller]
fn check_reason(act: impl FnOnce(&TaskDir), reason: &str) {
    let (place, first, _) = chain();
    act(&first);
    let json = place.run("list --blocked --project demo --json").json();
    let rows = json["blocked"].as_array().unwrap();
    let row = rows.iter().find(|row| row["task_id"] == CHILD).unwrap();
    assert_eq!(row["reason"], reason, "{row:#}");
}

#[test]
fn every_reason_has_its_word() {
    check_reason(
        |first| std::fs::remove_dir_all(first.path()).unwrap(),
        "missing",
    );
    check_reason(
        |first| {
            add_run(first, 1, ended(RunStatus::Failed, 1));
        },
        "failed",
    );
    let cancel = |first: &TaskDir| std::fs::write(Marker::Cancelled.path(first), "").unwrap();
    check_reason(cancel, "cancelled");
    let stop = |first: &TaskDir| {
        add_run(first, 1, ended(RunStatus::Failed, 143));
        marker::request_stop(
            first,
            &marker::StopMark::permanent("test"),
            jiff::Timestamp::UNIX_EPOCH,
        )
        .unwrap();
    };
    check_reason(stop, "zombie");
}

#[test]
fn a_task_is_given_up_once_and_keeps_its_folder() {
    let (place, first, second) = chain();
    add_run(&first, 1, ended(RunStatus::Failed, 1));
    let runs = first.runs().unwrap();
    let line = format!("task cancel {TASK} --project demo --json --superseded-by {OTHER} --reason");
    let json = place.run(&format!("{line} elsewhere")).json();
    assert_valid("task-cancel", &json);
    assert_eq!(
        (&json["outcome"], &json["stopped"]),
        (&"cancelled".into(), &false.into())
    );
    let text = std::fs::read_to_string(Marker::Cancelled.path(&first)).unwrap();
    assert!(text.starts_with("cancelled_at: 20"), "{text}");
    assert!(
        text.ends_with(&format!("\nreason: elsewhere\nsuperseded_by: {OTHER}\n")),
        "{text}"
    );
    assert_eq!(first.runs().unwrap(), runs);
    assert_eq!(
        decisions(&first),
        [format!("task cancelled: elsewhere; superseded by {OTHER}")]
    );
    let word = place
        .run(&format!("status {TASK} --project demo --status"))
        .ok();
    assert_eq!(word, "cancelled\n");
    let list = place
        .run("list --project demo --status cancelled --json")
        .json();
    assert_eq!(list["tasks"][0]["task_id"], TASK);
    // The second time keeps what was said first.
    let again = place.run(&format!("{line} never-mind")).json();
    assert_valid("task-cancel", &again);
    assert_eq!(
        (&again["outcome"], &again["reason"]),
        (&"already_cancelled".into(), &"elsewhere".into())
    );
    assert_eq!(
        std::fs::read_to_string(Marker::Cancelled.path(&first)).unwrap(),
        text
    );
    assert_eq!(decisions(&first).len(), 1);
    let shown = place.run(&format!("task show {TASK} --project demo")).ok();
    assert!(
        shown.contains(&format!("elsewhere, superseded by {OTHER}")),
        "{shown}"
    );
    // Its successor counts in its place.
    let blocked = || {
        place
            .run(&format!("status {CHILD} --project demo --status"))
            .ok()
    };
    assert_eq!(blocked(), "blocked\n");
    marker::create_done(&place.task(OTHER)).unwrap();
    assert_eq!(blocked(), "idle\n");
    assert_eq!(TaskConfig::read(&second).unwrap().depends_on.len(), 1);
}

#[test]
fn giving_up_is_taken_back() {
    let (place, first, _) = chain();
    let line = format!("task uncancel {TASK} --project demo");
    let json = place.run(&format!("{line} --json")).json();
    assert_valid("task-uncancel", &json);
    assert_eq!(json["outcome"], "not_cancelled");
    place
        .run(&format!("task cancel {TASK} --project demo --reason x"))
        .ok();
    let json = place.run(&format!("{line} --json")).json();
    assert_valid("task-uncancel", &json);
    assert_eq!(json["outcome"], "uncancelled");
    assert!(!Marker::Cancelled.path(&first).exists());
    assert_eq!(decisions(&first), ["task cancelled: x", "task uncancelled"]);
    let ran = place.run(&line);
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), ""));
}

#[test]
fn an_active_run_or_child_is_not_given_up_without_force() {
    let (place, first, _) = chain();
    let run = add_run(&first, 1, alive);
    own(&first, None);
    let line = format!("task cancel {TASK} --project demo --reason x");
    place
        .run_changing_nothing(&line)
        .fails(4, run.id().as_str());
    let place = Place::new();
    let (first, child) = (place.task(TASK), place.task(CHILD));
    let run = add_run(&first, 1, ended(RunStatus::Completed, 0));
    adopt(&run, &child);
    add_run(&child, 2, alive);
    own(&child, None);
    place.run_changing_nothing(&line).fails(4, CHILD);
}

#[test]
fn a_task_that_was_given_up_is_resumed_by_force_only() {
    let (place, first, _) = chain();
    place
        .run(&format!("task cancel {TASK} --project demo --reason x"))
        .ok();
    let line = format!("task resume {TASK} --project demo --no-start");
    place.run_changing_nothing(&line).fails(4, "was given up");
    let json = place.run(&format!("{line} --force --json")).json();
    assert_valid("task-resume-no-start", &json);
    assert_eq!(json["cleared"], serde_json::json!(["CANCELLED"]));
    assert!(!Marker::Cancelled.path(&first).exists());
    let text = place.run(&line).ok();
    assert!(text.contains("can be started again"), "{text}");
}

#[test]
fn dependencies_are_lifted_one_by_one_and_all() {
    let (place, _, second) = chain();
    let rest = "gates:\n  - name: tests\n    run: cargo test\n";
    write_config(&second, &format!("{rest}depends_on: [{TASK}, {OTHER}]\n"));
    let line = format!("task unblock {CHILD} --project demo --json");
    let json = place
        .run(&format!("{line} --dependency {OTHER} --reason because"))
        .json();
    assert_valid("task-unblock", &json);
    assert_eq!(json["unblocked"], serde_json::json!([OTHER]));
    assert_eq!(json["gating"], serde_json::json!([TASK]));
    assert_eq!(json["depends_on"], serde_json::json!([TASK, OTHER]));
    let json = place.run(&line).json();
    assert_eq!(json["unblocked"], serde_json::json!([TASK]));
    let again = place.run(&line).json();
    assert_valid("task-unblock", &again);
    assert_eq!(again["unblocked"], serde_json::json!([]));
    let text = std::fs::read_to_string(second.config()).unwrap();
    assert!(text.contains(rest), "what others wrote is kept: {text}");
    assert_eq!(
        decisions(&second),
        [
            format!("dependencies lifted: {OTHER}; because"),
            format!("dependencies lifted: {TASK}"),
        ]
    );
    let word = place
        .run(&format!("status {CHILD} --project demo --status"))
        .ok();
    assert_eq!(word, "idle\n");
}

#[test]
fn the_older_queue_shows_once_it_was_taken_over() {
    let (place, first, _) = chain();
    let (project, task) = (first.project(), first.id());
    let accepted = queue::Accepted {
        project,
        task,
        launch: "launch",
        run: None,
        request: serde_json::json!({"prompt": "x"}),
        may_begin: false,
    };
    queue::submit(&place.root, accepted, jiff::Timestamp::UNIX_EPOCH).unwrap();
    let json = place
        .run_changing_nothing("status --project demo --json")
        .json();
    assert_eq!(json["tasks"][0]["status"], "queued");
    assert_eq!(json["tasks"][0]["queue_position"], 1);
    let none = place
        .run_changing_nothing("list --blocked --project demo")
        .ok();
    assert_eq!(
        none, "No blocked tasks in project demo.\n",
        "what waits for it will begin"
    );
}

#[test]
fn no_task_counts_in_the_place_of_one_that_counts_in_its_own() {
    let (place, first, _) = chain();
    let cancel = |task: &str, successor: &str| {
        let line = format!("task cancel {task} --project demo --reason x --superseded-by");
        place.run(&format!("{line} {successor}"))
    };
    cancel(CHILD, TASK).ok();
    let refused = cancel(TASK, CHILD);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.err.contains("which it supersedes"), "{refused:?}");
    assert!(!Marker::Cancelled.path(&first).exists());
}

#[test]
fn bad_input_is_refused_before_anything_is_changed() {
    let (place, ..) = chain();
    let cancel = format!("task cancel {TASK} --project {PROJECT}");
    let unblock = format!("task unblock {CHILD} --project {PROJECT}");
    for (line, code, part) in [
        (cancel.clone(), 2, "--reason"),
        (format!("{cancel} --reason="), 2, "reason is empty"),
        (
            format!("{cancel} --reason x --superseded-by ../x"),
            2,
            "--superseded-by",
        ),
        (
            format!("{cancel} --reason x --superseded-by {TASK}"),
            2,
            "by itself",
        ),
        (
            format!("{cancel} --reason x --grace soon"),
            2,
            "not a duration",
        ),
        (
            format!("task cancel {OTHER} --project demo --reason x"),
            3,
            OTHER,
        ),
        (format!("task uncancel {OTHER} --project demo"), 3, OTHER),
        (format!("task uncancel a/b --project {PROJECT}"), 2, "a/b"),
        (
            format!("{unblock} --dependency {OTHER}"),
            3,
            "does not depend on",
        ),
        (format!("{unblock} --dependency ../x"), 2, "--dependency"),
        (format!("task unblock {OTHER} --project demo"), 3, OTHER),
        ("list --blocked".to_owned(), 2, "--project"),
        ("list --blocked --project nowhere".to_owned(), 3, "nowhere"),
        ("list --all --project demo".to_owned(), 2, "--blocked"),
        (
            "list --blocked --status failed --project demo".to_owned(),
            2,
            "cannot be used",
        ),
        (
            format!("task {OTHER} --project demo --prompt x --depends-on a/b"),
            2,
            "--depends-on",
        ),
        (
            format!("job {OTHER} --project demo --prompt x --on-deadlock panic"),
            2,
            "panic",
        ),
    ] {
        place.run_changing_nothing(&line).fails(code, part);
    }
}

#[test]
fn a_damaged_configuration_is_told_and_hides_nothing() {
    let (place, first, second) = chain();
    write_config(&second, "depends_on: [");
    let json = place.run("status --project demo --json").json();
    assert_eq!(json["tasks"].as_array().unwrap().len(), 2);
    let problem = json["tasks"][1]["problems"][0].as_str().unwrap();
    assert!(problem.contains("TASK-CONFIG.yaml"), "{problem}");
    place
        .run_changing_nothing(&format!("task unblock {CHILD} --project demo"))
        .fails(1, "TASK-CONFIG.yaml");
    drop(first);
}
