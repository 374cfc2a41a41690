//! `facts`.

use std::collections::BTreeMap;

use cl_bus::facts::{FactHash, Sheet, SheetPlace};
use cl_bus::{Bus, Draft, Durability};
use cl_storage::{ProjectDir, ProjectId};

use crate::place::{CHILD, PROJECT, Place, TASK};

/// Posts a message of the day's given hour on a task's bus.
fn post(place: &Place, task: &str, kind: &str, hour: u32, body: &str) {
    let task = place.task(task);
    let mut draft = Draft::new(kind, task.project().clone(), body).task(task.id().clone());
    draft.timestamp = Some(format!("2026-01-01T{hour:02}:00:00Z").parse().unwrap());
    let bus = Bus::new(task.bus()).with_durability(Durability::Os);
    bus.append(&draft).unwrap();
}

fn project(place: &Place) -> ProjectDir {
    let id = ProjectId::parse(PROJECT).unwrap();
    place.root.project(&id).unwrap()
}

fn sheet(place: &Place) -> Sheet {
    Sheet::read(&SheetPlace::of_project(&project(place))).unwrap()
}

fn with_facts() -> Place {
    let place = Place::new();
    post(&place, CHILD, "FACT", 2, "of the child");
    post(&place, TASK, "FACT", 1, "one\ntwo\nthree");
    post(&place, TASK, "DECISION", 3, "decided");
    post(&place, TASK, "fact", 4, "of the child\r\n");
    place
}

#[test]
fn facts_of_all_tasks_are_promoted_once() {
    let place = with_facts();
    let out = place.run("facts promote --project demo").ok();
    let file = project(&place).facts();
    let expected = format!(
        "promoted 2 fact(s), 1 already present\nwritten: {}\n",
        file.display()
    );
    assert_eq!(out, expected);
    let text = std::fs::read(&file).unwrap();
    for _ in 0..4 {
        let out = place
            .run_changing_nothing("facts promote --project demo")
            .ok();
        assert!(
            out.starts_with("promoted 0 fact(s), 3 already present\nunchanged: "),
            "{out}"
        );
    }
    assert_eq!(std::fs::read(&file).unwrap(), text);
    let sheet = sheet(&place);
    let texts: Vec<_> = sheet
        .facts()
        .iter()
        .map(|fact| fact.text.as_str())
        .collect();
    assert_eq!(texts, ["one\ntwo\nthree", "of the child"]);
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("- **Promoted by**: cli\n"), "{text}");
}

#[test]
fn the_promoting_run_is_recorded() {
    let place = with_facts();
    let mut command = place.command(["facts", "promote"]);
    command
        .env("JRUN_PROJECT_ID", PROJECT)
        .env("JRUN_ID", "20260101-0000000000-1-1");
    assert!(command.output().unwrap().status.success());
    let text = std::fs::read_to_string(project(&place).facts()).unwrap();
    assert!(
        text.contains("- **Promoted by**: 20260101-0000000000-1-1\n"),
        "{text}"
    );
}

#[test]
fn a_dry_run_names_each_candidate_and_writes_nothing() {
    let place = with_facts();
    let line = "facts promote --project demo --dry-run";
    let out = place.run_changing_nothing(line).ok();
    let lines: Vec<_> = out.lines().collect();
    assert_eq!(lines[0], format!("{TASK}  2026-01-01 01:00:00Z  one"));
    assert_eq!(
        lines[1],
        format!("{TASK}  2026-01-01 04:00:00Z  of the child")
    );
    assert_eq!(
        lines[2],
        format!("{CHILD}  2026-01-01 02:00:00Z  of the child  (already present)")
    );
    assert!(
        lines[3].starts_with("dry-run: would promote 2 fact(s) (1 already present)"),
        "{out}"
    );
    let json = place.run_changing_nothing(&format!("{line} --json")).json();
    assert_eq!(
        (json["dry_run"].as_bool(), json["written"].as_bool()),
        (Some(true), Some(false))
    );
    assert_eq!(json["promoted"], 2);
    assert_eq!(json["facts"][0]["task"], TASK);
    let hash = FactHash::of(b"one\ntwo\nthree");
    assert_eq!(json["facts"][0]["hash"], hash.as_str());
}

#[test]
fn type_and_time_select_exactly_theirs() {
    let titles = |options: &str| {
        let place = with_facts();
        let json = place
            .run(&format!("facts promote --project demo --json {options}"))
            .json();
        let facts = json["facts"].as_array().unwrap().clone();
        let texts: Vec<String> = facts
            .iter()
            .map(|fact| fact["title"].as_str().unwrap().to_owned())
            .collect();
        texts.join(",")
    };
    assert_eq!(titles("--filter-type DECISION"), "decided");
    assert_eq!(
        titles("--filter-type decision --since 2026-01-01T03:00:00Z"),
        ""
    );
    assert_eq!(titles("--since 2026-01-01T01:00:00Z"), "of the child");
    assert_eq!(titles("--since 2026-01-01T00:59:59Z"), "one,of the child");
    assert_eq!(titles("--since 1h"), "");
    assert_eq!(titles("--since 87600h"), "one,of the child");
    assert_eq!(titles(&format!("--task {CHILD}")), "of the child");
}

#[test]
fn what_cannot_be_read_gets_one_warning() {
    let place = with_facts();
    let broken = place.task("task-20260101-000200-broken");
    std::fs::create_dir(broken.bus()).unwrap();
    let ran = place.run("facts promote --project demo");
    assert_eq!(ran.err.matches("Warning:").count(), 1, "{}", ran.err);
    assert!(
        ran.err.contains("task-20260101-000200-broken"),
        "{}",
        ran.err
    );
    assert!(ran.ok().starts_with("promoted 2 fact(s)"));
}

#[test]
fn promoting_processes_do_not_lose_each_others_facts() {
    let place = Place::new();
    for number in 0..12 {
        post(
            &place,
            TASK,
            "FACT",
            number,
            &format!("fact {number}\nof many"),
        );
    }
    let mut commands: Vec<_> = (0..8)
        .map(|_| place.start("facts promote --project demo --json"))
        .collect();
    let mut new = 0;
    // Whoever reads meanwhile sees whole facts only.
    while let Some(mut command) = commands.pop() {
        loop {
            for fact in sheet(&place).facts() {
                assert_eq!(fact.hash, FactHash::of(fact.text.as_bytes()));
            }
            if command.try_wait().unwrap().is_some() {
                break;
            }
        }
        let output = command.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        new += json["promoted"].as_u64().unwrap();
    }
    assert_eq!(new, 12);
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    for fact in sheet(&place).facts() {
        *counts.entry(fact.text.clone()).or_default() += 1;
    }
    assert!(
        counts.len() == 12 && counts.values().all(|count| *count == 1),
        "{counts:?}"
    );
}

#[test]
fn configured_tokens_are_not_written() {
    let place = Place::new();
    let token = format!("canary-{}", "7".repeat(20));
    let config = format!("agents:\n  mine:\n    type: claude\n    token: {token}\n");
    std::fs::write(place.work().join("conductor.yaml"), config).unwrap();
    post(&place, TASK, "FACT", 1, &format!("the token is {token}"));
    let out = place.run("facts promote --project demo --json").ok();
    assert!(!out.contains(&token), "{out}");
    let text = std::fs::read_to_string(project(&place).facts()).unwrap();
    assert!(text.contains("the token is [REDACTED]"), "{text}");
    let out = place.run("facts promote --project demo").ok();
    assert!(
        out.starts_with("promoted 0 fact(s), 1 already present"),
        "{out}"
    );
}

#[test]
fn facts_of_a_project_become_facts_for_all() {
    let place = with_facts();
    let bus = project(&place).bus();
    place.run("facts promote --project demo").ok();
    place
        .run("bus post --project demo --type FACT --body shared")
        .ok();
    assert!(bus.exists());
    let front =
        "---\ncreated_at: 2026-02-05T10:30:45Z\nscope: global\ntitle: Chosen\n---\n# Keep it\n";
    let folder = project(&place);
    std::fs::write(folder.path().join("FACT-1-chosen.md"), front).unwrap();
    std::fs::write(folder.path().join("FACT-2-broken.md"), "no front").unwrap();
    let ran = place.run("facts promote --global --project demo");
    assert!(ran.err.contains("FACT-2-broken.md"), "{}", ran.err);
    let out = ran.ok();
    assert!(
        out.starts_with("promoted 4 fact(s), 0 already present\n"),
        "{out}"
    );
    let global = SheetPlace::of_root(&place.root);
    assert!(out.contains(&global.path().display().to_string()), "{out}");
    let sheet = Sheet::read(&global).unwrap();
    assert!(sheet.facts().iter().all(|fact| fact.project == PROJECT));
    assert_eq!(sheet.facts()[3].title, "Chosen");
    assert_eq!(sheet.facts()[0].task, TASK);
    let out = place.run("facts promote --global --project demo").ok();
    assert!(
        out.starts_with("promoted 0 fact(s), 4 already present\nunchanged: "),
        "{out}"
    );
    let projects = place.run("list --json").json();
    assert_eq!(projects["projects"], serde_json::json!([PROJECT]));
}

#[test]
fn the_list_marks_exactly_what_is_promoted() {
    let place = with_facts();
    place
        .run(&format!("facts promote --project demo --task {CHILD}"))
        .ok();
    let list = |options: &str| {
        let json = place
            .run_changing_nothing(&format!("facts list --json {options}"))
            .json();
        let facts = json["facts"].as_array().unwrap().clone();
        facts
            .iter()
            .map(|fact| {
                let text = |key: &str| fact[key].as_str().unwrap_or_default().to_owned();
                let marks = fact["promoted"].as_array().unwrap().len();
                format!("{} {} {}", text("origin"), text("title"), marks)
            })
            .collect::<Vec<_>>()
            .join(", ")
    };
    let of_tasks = "task_bus one 0, task_bus of the child 1, task_bus of the child 1";
    assert_eq!(list("--project demo"), of_tasks);
    assert_eq!(list(""), of_tasks, "without a project, those of all");
    assert_eq!(list("--scope task"), of_tasks);
    assert_eq!(list("--scope project"), "project_facts of the child 1");
    assert_eq!(list("--scope global"), "");
    assert_eq!(
        list(&format!("--project demo --task {CHILD}")),
        "task_bus of the child 1"
    );
    assert_eq!(list("--limit 1"), "task_bus of the child 1");
    assert_eq!(
        list("--since 2026-01-01T02:00:00Z"),
        "task_bus of the child 1"
    );
    place.run("facts promote --project demo --global").ok();
    assert_eq!(list("--scope global"), "global_facts of the child 2");
    let body = place.run("facts list --json --limit 3").json()["facts"][0]["body"].clone();
    assert_eq!(body, "one\ntwo\nthree");
    let text = place.run_changing_nothing("facts list --project demo").ok();
    let hash = FactHash::of(b"of the child");
    let line = text.lines().nth(2).unwrap();
    let words: Vec<_> = line.split_whitespace().collect();
    assert_eq!(
        words[..5],
        [
            "2026-01-01",
            "02:00:00Z",
            hash.prefix(),
            "project,global",
            CHILD
        ],
        "{text}"
    );
}

#[test]
fn what_is_wrong_is_said() {
    let place = with_facts();
    place.run("facts promote").fails(2, "which project");
    place
        .run("facts promote --project none")
        .fails(3, "does not exist");
    place
        .run("facts promote --project demo --since soon")
        .fails(2, "24h");
    place
        .run("facts promote --project demo --filter-type=")
        .fails(2, "--filter-type");
    std::fs::create_dir(project(&place).facts()).unwrap();
    place
        .run("facts promote --project demo")
        .fails(4, "not a regular file");
}
