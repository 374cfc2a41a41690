//! `list`, `status` and `task show`.

use cl_storage::marker;
use cl_storage::run_info::RunStatus;

use crate::place::{CHILD, DEAD, PROJECT, Place, TASK, add_run, adopt, alive, ended, own};

/// A failed attempt, a running one, and a child task that is done.
fn family() -> Place {
    let place = Place::new();
    let task = place.task(TASK);
    let first = add_run(&task, 1, ended(RunStatus::Failed, 1));
    let second = add_run(&task, 2, |info| {
        alive(info);
        info.attempt = Some(2);
        info.previous_run_id = Some(first.id().clone());
    });
    let child = place.task(CHILD);
    add_run(&child, 30, ended(RunStatus::Completed, 0));
    marker::create_done(&child).unwrap();
    adopt(&second, &child);
    own(&task, None);
    place
}

/// Replaces times of files in JSON, and what this test's process is called.
fn stable_json(place: &Place, mut value: serde_json::Value) -> String {
    mask(&mut value);
    place.stable(&serde_json::to_string_pretty(&value).unwrap())
}

fn mask(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(object) => {
            for (key, value) in object {
                let is_fluid = matches!(key.as_str(), "last_activity" | "pid" | "duration");
                if is_fluid && !value.is_null() {
                    *value = "[fluid]".into();
                }
                mask(value);
            }
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(mask),
        _ => {}
    }
}

#[test]
fn projects_are_listed_by_name() {
    let place = Place::new();
    place.task(TASK);
    std::fs::create_dir(place.root.path().join(".conductor")).unwrap();
    std::fs::create_dir(place.root.path().join("_audit")).unwrap();
    std::fs::create_dir(place.root.path().join("another")).unwrap();
    assert_eq!(place.run_changing_nothing("list").ok(), "another\ndemo\n");
    let json = place.run_changing_nothing("list --json").json();
    crate::schema::assert_valid("list-projects", &json);
    assert_eq!(
        json.to_string(),
        r#"{"legacy_projects":[],"projects":["another","demo"]}"#
    );
}

#[test]
fn an_empty_or_missing_root_lists_nothing() {
    let place = Place::new();
    let ran = place.run_changing_nothing("list");
    assert!(ran.err.contains("no projects"), "{}", ran.err);
    assert_eq!(ran.ok(), "");
    // The default root of a fresh machine does not exist, and is not made.
    let before = place.files();
    for line in ["list", "status", "status --json"] {
        let mut command = place.command(line.split(' '));
        let output = command.env_remove("CONDUCTOR_ROOT").output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{line}");
    }
    assert_eq!(place.files(), before);
    place
        .run_changing_nothing("list --root /nowhere/at/all")
        .fails(3, "the root /nowhere/at/all does not exist");
}

#[test]
fn children_stand_under_their_parent() {
    let place = family();
    let out = place.run_changing_nothing("list --project demo").ok();
    let lines: Vec<&str> = out.lines().collect();
    assert!(lines[0].starts_with("TASK_ID"), "{out}");
    assert!(lines[1].starts_with(TASK), "{out}");
    assert!(lines[2].starts_with(&format!("└ {CHILD}")), "{out}");
    assert!(lines[1].contains("running") && lines[2].contains("all_finished"));
    assert!(!out.contains('\u{1b}'), "no colour into a pipe");
    assert!(lines.iter().all(|line| *line == line.trim_end()));
}

#[test]
fn json_of_tasks() {
    let place = family();
    let list = place
        .run_changing_nothing("list --project demo --json")
        .json();
    let status = place
        .run_changing_nothing("status --project demo --json")
        .json();
    assert_eq!(list, status, "one row for both");
    insta::assert_snapshot!("tasks", stable_json(&place, list));
}

#[test]
fn json_of_runs() {
    let place = family();
    let line = format!("list --project demo --task {TASK} --json");
    let json = place.run_changing_nothing(&line).json();
    insta::assert_snapshot!("runs", stable_json(&place, json));
}

#[test]
fn json_of_one_task() {
    let place = family();
    let mut json = place
        .run_changing_nothing(&format!("task show {TASK} --project demo --json"))
        .json();
    // It grows as the test runs.
    assert!(json["activity"]["silent_seconds"].take().is_u64());
    insta::assert_snapshot!("show", stable_json(&place, json));
}

#[test]
fn one_task_as_text() {
    let place = family();
    let out = place
        .run_changing_nothing(&format!("task show --project demo --task {CHILD}"))
        .ok();
    // How wide a column is depends on the digits of process ids.
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let lines: Vec<String> = place.stable(&out).lines().map(words).collect();
    insta::assert_snapshot!("show_text", lines.join("\n"));
}

#[test]
fn runs_as_text() {
    let place = family();
    let out = place
        .run_changing_nothing(&format!("list --project demo --task {TASK}"))
        .ok();
    let lines: Vec<&str> = out.lines().collect();
    assert!(
        lines[1].contains("failed") && lines[1].contains("59s"),
        "{out}"
    );
    assert!(lines[2].contains("running"), "{out}");
}

#[test]
fn status_of_one_task_and_its_word() {
    let place = family();
    let table = place
        .run_changing_nothing(&format!("status --project demo {TASK}"))
        .ok();
    assert_eq!(table.lines().count(), 2, "{table}");
    let word = format!("status --project demo --task {CHILD} --status");
    assert_eq!(place.run_changing_nothing(&word).ok(), "all_finished\n");
    let json = place.run_changing_nothing(&format!("{word} --json")).json();
    assert_eq!(json.to_string(), r#"{"status":"all_finished"}"#);
    place
        .run_changing_nothing("status --project demo --status")
        .fails(2, "cannot tell which task");
}

#[test]
fn status_filters() {
    let place = family();
    for (word, expected) in [
        ("running", TASK),
        ("active", TASK),
        ("done", CHILD),
        ("all_finished", CHILD),
    ] {
        let line = format!("status --project demo --status {word} --concise");
        let out = place.run_changing_nothing(&line).ok();
        assert_eq!(out.lines().count(), 1, "{word}: {out}");
        assert!(out.starts_with(expected), "{word}: {out}");
    }
    let ran = place.run_changing_nothing("status --project demo --status failed");
    assert!(ran.err.contains("No task matches"));
    assert_eq!(ran.ok(), "");
    place
        .run_changing_nothing("list --status failed")
        .fails(2, "--status chooses among the tasks");
    for command in ["list", "status"] {
        place
            .run_changing_nothing(&format!("{command} --project demo --status nonsense"))
            .fails(2, "partial_failure");
    }
}

#[test]
fn concise_fields_are_separated_by_tabs() {
    let place = family();
    let out = place
        .run_changing_nothing("status --project demo --concise")
        .ok();
    let out = place.stable(&out);
    assert_eq!(
        out,
        format!(
            "{TASK}\trunning\t-\t[run-2]\t-\ttrue\n{CHILD}\tall_finished\t0\t[run-1]\tDONE\tfalse\n"
        )
    );
}

#[test]
fn without_a_project_every_task_is_shown() {
    let place = family();
    let out = place.run_changing_nothing("status").ok();
    assert_eq!(out.lines().count(), 3, "{out}");
    let json = place.run_changing_nothing("status --json").json();
    assert_eq!(json["tasks"].as_array().unwrap().len(), 2);
    assert_eq!(json["all_finished"], false);
    assert_eq!(json["counts"]["running"], 1);
}

#[test]
fn a_lost_owner_is_shown() {
    let place = Place::new();
    let task = place.task(TASK);
    add_run(&task, 1, alive);
    own(&task, Some(DEAD));
    for line in ["list --project demo", "status --project demo"] {
        let out = place.run_changing_nothing(line).ok();
        assert!(
            out.contains("owner: lost") && out.contains("running"),
            "{out}"
        );
    }
    let json = place
        .run_changing_nothing("status --project demo --json")
        .json();
    assert_eq!(json["tasks"][0]["owner"], "lost");
}

#[test]
fn a_dead_run_is_failed_and_says_why() {
    let place = Place::new();
    let task = place.task(TASK);
    add_run(&task, 1, |info| {
        alive(info);
        info.pid = DEAD;
    });
    let out = place.run_changing_nothing("status --project demo").ok();
    assert!(
        out.contains("failed") && out.contains("runner_lost"),
        "{out}"
    );
}

#[test]
fn damaged_records_are_named_and_hide_nothing() {
    let place = Place::new();
    let task = place.task(TASK);
    add_run(&task, 1, ended(RunStatus::Completed, 0));
    for (second, content) in [
        (2, &b"version: ["[..]),
        (3, b""),
        (4, b"version: 1\nrun_id"),
        (5, b"\x00\x01\xff"),
    ] {
        let run = add_run(&task, second, |_| ());
        std::fs::write(run.info(), content).unwrap();
    }
    let newer = add_run(&task, 6, |_| ());
    std::fs::write(newer.info(), "version: 99\nstatus: completed\n").unwrap();
    let whole = place.task(CHILD);
    add_run(&whole, 30, ended(RunStatus::Completed, 0));
    std::fs::write(whole.state(), "version: 99\n").unwrap();

    for line in ["list --project demo", "status --project demo", "status"] {
        let ran = place.run_changing_nothing(line);
        assert!(ran.err.contains("run-info.yaml"), "{}", ran.err);
        assert!(ran.err.contains("newer version"), "{}", ran.err);
        assert!(!ran.err.to_lowercase().contains("error:"), "{}", ran.err);
        let out = ran.ok();
        assert!(out.contains(TASK) && out.contains(CHILD), "{out}");
    }
    let json = place
        .run_changing_nothing("list --project demo --json")
        .json();
    let problems = json["problems"].as_array().unwrap();
    assert!(problems.len() >= 2, "{problems:?}");
    let line = format!("list --project demo --task {TASK} --json");
    let json = place.run_changing_nothing(&line).json();
    assert_eq!(json["runs"].as_array().unwrap().len(), 6);
    for command in [
        "status",
        "watch --timeout 50ms",
        "output",
        "logs",
        "task show",
    ] {
        let line = format!("{command} --project {PROJECT} --task {TASK}");
        let ran = place.run_changing_nothing(&line);
        assert!(ran.code.is_some(), "{line} died: {ran:?}");
        assert!(!ran.err.contains("panicked"), "{}", ran.err);
    }
}

#[test]
fn a_missing_record_is_hinted_at_once() {
    let place = Place::new();
    let task = place.task(TASK);
    let run = task
        .create_run("2026-01-01T00:00:01Z".parse().unwrap())
        .unwrap();
    let ran = place.run_changing_nothing(&format!("status --project demo --task {TASK}"));
    let hint = format!(
        "run-info.yaml missing for run {}; status is unknown",
        run.id()
    );
    assert_eq!(ran.err.matches(&hint).count(), 1, "{}", ran.err);
    assert!(ran.ok().contains("unknown"));
    let ran = place.run_changing_nothing("list --project demo");
    assert!(!ran.err.contains("rror"), "{}", ran.err);
}

#[test]
fn the_current_folder_tells_the_project() {
    let place = family();
    let task = place.task(TASK);
    let mut command = place.command(["status", "--concise"]);
    let output = command.current_dir(task.path()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 2);
    let mut command = place.command(["task", "show", "--json"]);
    let output = command.current_dir(task.path()).output().unwrap();
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["task"]["task_id"], TASK);
}

#[test]
fn over_all_projects_each_row_tells_its_project() {
    let place = family();
    let other = cl_storage::ProjectId::parse("other").unwrap();
    let same = cl_storage::TaskId::parse(TASK).unwrap();
    for round in ["one project", "two projects"] {
        let table = place.run_changing_nothing("status").ok();
        assert!(table.starts_with("PROJECT"), "{round}: {table}");
        let table = place.run_changing_nothing("status --activity").ok();
        assert!(table.starts_with("PROJECT"), "{round}: {table}");
        for line in ["status --concise", "status --activity --concise"] {
            let text = place.run_changing_nothing(line).ok();
            let row = |project: &str| text.contains(&format!("{project}\t{TASK}\t"));
            assert!(row(PROJECT), "{round}: {text}");
            assert_eq!(row("other"), round == "two projects", "{text}");
        }
        place.root.task(&other, &same).unwrap().ensure().unwrap();
    }
    let table = place.run_changing_nothing("status --project demo").ok();
    assert!(table.starts_with("TASK_ID"), "{table}");
}
