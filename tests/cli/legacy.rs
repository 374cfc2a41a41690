//! Folders of the old flat layout, as the built binary shows them.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::place::{DEAD, PROJECT, Place, TASK};

const OLD: &str = "run_20260128-163814-2127";

struct Old {
    place: Place,
    extra: PathBuf,
}

impl Old {
    fn new() -> Self {
        let place = Place::new();
        let extra = place.path().join("extra");
        fs::create_dir_all(extra.join("runs")).unwrap();
        let config = format!("storage:\n  extra_roots: [{}]\n", extra.display());
        fs::write(place.work().join("conductor.yaml"), config).unwrap();
        Self { place, extra }
    }

    fn add(&self, folder: &str, file: &str, text: &str) -> PathBuf {
        let folder = self.extra.join("runs").join(folder);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(file), text).unwrap();
        folder
    }

    fn json(&self, line: &str) -> Value {
        self.place.run_changing_nothing(line).json()
    }
}

#[test]
fn a_folder_named_twice_counts_once_and_a_missing_one_is_told() {
    let old = Old::new();
    old.add(OLD, "cwd.txt", "CWD=/srv/work\nEXIT_CODE=0\n");
    let (extra, missing) = (old.extra.display(), old.place.path().join("missing"));
    let config = format!(
        "storage:\n  extra_roots: [{extra}, {extra}/../extra, {}]\n",
        missing.display()
    );
    fs::write(old.place.work().join("conductor.yaml"), config).unwrap();
    for command in ["list --project work", "status --project work"] {
        let ran = old.place.run_changing_nothing(&format!("{command} --json"));
        assert!(ran.err.contains("missing is no folder"), "{}", ran.err);
        assert_eq!(ran.json()["tasks"].as_array().unwrap().len(), 1);
    }
    let json = old.json("doctor storage --json");
    let finding = json["findings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["code"] == "missing_extra_root")
        .unwrap();
    assert_eq!(finding["path"], missing.to_str().unwrap());
}

#[test]
fn old_runs_are_listed_beside_the_others() {
    let old = Old::new();
    old.place.task(TASK);
    old.add(
        OLD,
        "cwd.txt",
        "CWD=/srv/Old Work\nAGENT=Claude\nEXIT_CODE=3\n",
    );
    let dead = format!("RUN_ID=20260128-163815-1\nCWD=/srv/demo\nPID={DEAD}\n");
    old.add("any name", "cwd.txt", &dead);
    old.add("nameless", "cwd.txt", "CWD=/srv/demo\n");
    let json = old.json("list --json");
    assert_eq!(json["projects"], serde_json::json!(["demo", "old-work"]));
    assert_eq!(json["legacy_projects"], serde_json::json!(["old-work"]));
    let json = old.json("list --project old-work --json");
    let row = &json["tasks"][0];
    assert_eq!(row["task_id"], OLD);
    assert_eq!(
        (&row["status"], &row["exit_code"]),
        (&"failed".into(), &3.into())
    );
    assert_eq!(
        (&row["legacy"], &row["agent"]),
        (&true.into(), &"claude".into())
    );
    let json = old.json(&format!("list --project {PROJECT} --json"));
    let legacy: Vec<&Value> = json["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| &row["legacy"])
        .collect();
    assert_eq!(legacy, [false, true]);
    assert_eq!(json["problems"].as_array().unwrap().len(), 1, "{json}");
    let json = old.json(&format!("list --project old-work --task {OLD} --json"));
    assert_eq!(json["runs"][0]["run_id"], OLD);
    assert_eq!(json["runs"][0]["legacy"], true);
    let text = old.place.run(&format!("list --project {PROJECT}"));
    assert!(text.err.contains("does not tell the id"), "{}", text.err);
    assert!(text.ok().contains("old layout"));
}

#[test]
fn status_tells_how_they_ended() {
    let old = Old::new();
    let dead = format!("PID={DEAD}\n");
    let alive = format!("PID={}\n", std::process::id());
    for (n, ending, status) in [
        (1, "EXIT_CODE=0", "completed"),
        (2, "EXIT_CODE=1", "failed"),
        (3, dead.as_str(), "failed"),
        (4, alive.as_str(), "failed"),
        (5, "", "unknown"),
    ] {
        let id = format!("20260128-163814-{n}");
        old.add(&id, "cwd.txt", &format!("CWD=/srv/demo\n{ending}\n"));
        let json = old.json(&format!("status --project demo {id} --json"));
        assert_eq!(json["tasks"][0]["status"], status, "{ending}");
        let line = format!("status --project demo {id} --status");
        assert_eq!(old.place.run(&line).ok().trim(), status);
    }
    let all = old.json("status --json");
    assert_eq!(all["tasks"].as_array().unwrap().len(), 5);
    old.place
        .run("status --project demo missing")
        .fails(3, "missing does not exist");
}

#[test]
fn output_comes_from_the_folder_or_from_where_the_record_says() {
    let old = Old::new();
    let elsewhere = old.place.path().join("elsewhere.log");
    fs::write(&elsewhere, "from elsewhere\n").unwrap();
    let text = format!(
        "CWD=/srv/demo\nSTDOUT={}\nEXIT_CODE=0\n",
        elsewhere.display()
    );
    let folder = old.add(OLD, "cwd.txt", &text);
    let line = format!("output --project demo {OLD}");
    assert_eq!(
        old.place.run_changing_nothing(&line).ok(),
        "from elsewhere\n"
    );
    fs::write(folder.join("agent-stdout.txt"), "from the folder\n").unwrap();
    assert_eq!(old.place.run(&line).ok(), "from the folder\n");
    fs::write(folder.join("output.md"), "the answer\n").unwrap();
    assert_eq!(old.place.run(&line).ok(), "the answer\n");
    assert_eq!(old.json(&format!("{line} --json"))["legacy"], true);
    let line = format!("{line} --file stderr");
    old.place.run(&line).fails(3, "has no standard error");
}

#[test]
fn a_record_in_yaml_is_preferred() {
    let old = Old::new();
    let yaml =
        format!("run_id: {OLD}\nproject_id: yaml\ntask_id: t\nstatus: completed\nexit_code: 0\n");
    old.add(OLD, "cwd.txt", "CWD=/srv/text\nEXIT_CODE=1\n");
    old.add(OLD, "run-info.yaml", &yaml);
    let json = old.json("status --project yaml --json");
    assert_eq!(json["tasks"][0]["status"], "completed");
    old.add(OLD, "run-info.yaml", "version: [");
    let json = old.json("list --project unknown --json");
    assert_eq!(json["problems"].as_array().unwrap().len(), 1);
}

#[test]
fn nothing_changes_them() {
    let old = Old::new();
    old.add(OLD, "cwd.txt", "CWD=/srv/old\nEXIT_CODE=0\n");
    for line in [
        format!("stop --project old {OLD}"),
        format!("task resume --project old {OLD}"),
        "gc --older-than 0 --project old".to_owned(),
    ] {
        let ran = old.place.run_changing_nothing(&line);
        ran.fails(4, "only read");
    }
    old.place
        .run_changing_nothing("gc --older-than 0 --orphans --delete-done-tasks")
        .ok();
}

#[test]
fn a_folder_that_is_not_there_is_empty_and_a_broken_config_is_told() {
    let old = Old::new();
    fs::remove_dir_all(&old.extra).unwrap();
    assert_eq!(old.json("list --json")["projects"], serde_json::json!([]));
    fs::write(old.place.work().join("conductor.yaml"), "storage: [").unwrap();
    let ran = old.place.run("list");
    assert!(ran.err.contains("extra_roots"), "{}", ran.err);
    ran.ok();
}
