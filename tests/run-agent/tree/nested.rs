//! Agents that give work to other agents.

use cl_storage::durable;
use cl_storage::run_info::RunStatus;
use cl_storage::task_state::ResultStatus;

use crate::stage::{Stage, id, is_alive};

/// Three children, started from the shell of an agent, that wait for `go`.
const THREE: &str = "
  - run: |
      for name in one two three; do
        name=task-20260101-000000-$name
        run-agent job $name --detach --agent child --prompt Part.
      done
  - done: true";

const UNTIL_GO: &str = "
  - say: At work.
  - wait_for: {file: @/go, timeout: 300s}
  - say: Finished.";

fn family() -> Stage {
    Stage::new(THREE).actor("child", UNTIL_GO)
}

fn all_work(stage: &Stage) {
    for name in ["one", "two", "three"] {
        stage.works(name);
    }
}

#[test]
fn done_with_children_waits_without_a_restart_and_then_completes() {
    let stage = family();
    stage.detach("top", "--restart-delay 0");
    stage.waits_for("top", "children");
    all_work(&stage);
    let top = stage.info("top");
    for name in ["one", "two", "three"] {
        assert_eq!(stage.info(name).parent_run_id, Some(top.run_id.clone()));
        assert_eq!(stage.info(name).depth, Some(1));
    }
    stage.touch("go");
    assert_eq!(stage.ended("top").status, ResultStatus::Completed);
    assert_eq!(stage.infos("top").len(), 1, "never restarted");
    let last = stage.said("top", "INFO").pop().unwrap();
    assert_eq!(last, "task completed (all children finished)");
    for name in ["one", "two", "three"] {
        assert_eq!(stage.info(name).status, RunStatus::Completed);
        assert!(stage.ended("top").ended_at >= stage.ended(name).ended_at);
    }
}

#[test]
fn stopping_a_parent_stops_its_children() {
    let stage = family();
    stage.detach("top", "");
    stage.waits_for("top", "children");
    all_work(&stage);
    stage.ok(&format!("stop {}", id("top")));
    stage.assert_nobody_left();
    assert_eq!(stage.ended("top").status, ResultStatus::Stopped);
    for name in ["one", "two", "three"] {
        let result = stage.ended(name);
        assert_eq!(result.status, ResultStatus::Stopped);
        let by = result.failure.unwrap().detail;
        assert!(by.contains(&id("top")), "{by}");
        assert_eq!(stage.info(name).stop.unwrap().survivors, 0);
    }
}

#[test]
fn stopping_reaches_the_children_of_a_child_that_has_ended() {
    let nest = "
  - spawn: {prompt: Part., args: [task-20260101-000000-lower, --agent, child]}
  - say: Left it to another one.";
    let stage = Stage::new(
        "
  - spawn: {prompt: Part., args: [task-20260101-000000-middle, --agent, middle]}
  - done: true",
    )
    .actor("middle", nest)
    .actor("child", UNTIL_GO);
    stage.detach("top", "");
    assert_eq!(stage.ended("middle").status, ResultStatus::Completed);
    stage.waits_for("top", "children");
    stage.works("lower");
    stage.ok(&format!("stop {}", id("top")));
    stage.assert_nobody_left();
    assert_eq!(stage.ended("lower").status, ResultStatus::Stopped);
    assert_eq!(stage.ended("top").left_children, []);
}

#[test]
fn list_ps_and_show_tell_who_belongs_to_whom() {
    let stage = family();
    stage.detach("top", "");
    stage.waits_for("top", "children");
    all_work(&stage);
    let parent = stage.info("top").run_id.to_string();
    let listed = stage.json("list");
    for row in listed["tasks"].as_array().unwrap() {
        if row["task_id"] == id("top").as_str() {
            assert_eq!(row["children"].as_array().unwrap().len(), 3);
            assert_eq!(row["waiting_for"], "children");
        } else {
            assert_eq!(row["parent"]["task_id"], id("top").as_str());
            assert_eq!(row["parent"]["run_id"], parent.as_str());
        }
    }
    let shown = stage.json(&format!("task show {}", id("one")));
    assert_eq!(shown["runs"][0]["parent_run_id"], parent.as_str());
    assert_eq!(shown["launch"]["origin"], "nested");
    let text = stage.ok(&format!("task show {}", id("top")));
    assert!(text.contains(&format!("{} (active)", id("two"))), "{text}");
    let processes = stage.json("ps");
    let rows = processes["processes"].as_array().unwrap();
    let pid_of = |name: &str, role: &str| {
        let mut found = rows.iter().filter(|row| row["task"] == id(name).as_str());
        found.find(|row| row["role"] == role).cloned().unwrap()
    };
    for name in ["one", "two", "three"] {
        let supervisor = pid_of(name, "supervisor");
        assert_eq!(supervisor["parent_pid"], pid_of("top", "supervisor")["pid"]);
        assert_eq!(pid_of(name, "agent")["parent_pid"], supervisor["pid"]);
        assert_eq!(pid_of(name, "agent")["pid"], stage.info(name).pid);
    }
    stage.touch("go");
    stage.ended("top");
}

#[test]
fn children_beyond_the_limit_go_on_as_tasks() {
    let stage = family();
    let ran = stage.task("top", "--child-wait-timeout 200ms");
    ran.assert_code(0);
    let messages = stage.messages("top");
    let warning = messages
        .iter()
        .find(|message| message.kind == "WARNING")
        .unwrap();
    let mut orphans: Vec<&str> = warning.meta["orphaned_runs"].split(',').collect();
    orphans.sort_unstable();
    assert_eq!(orphans, [id("one"), id("three"), id("two")]);
    assert!(warning.body.contains("timeout waiting for children"));
    let left = stage.state("top").result.unwrap().left_children;
    assert_eq!(left.len(), 3);
    all_work(&stage);
    stage.touch("go");
    for name in ["one", "two", "three"] {
        assert_eq!(stage.ended(name).status, ResultStatus::Completed);
    }
}

#[test]
fn children_beyond_the_limit_are_stopped_if_asked_for() {
    let stage = family();
    let ran = stage.task("top", "--child-wait-timeout 200ms --on-child-timeout stop");
    ran.assert_code(0);
    for name in ["one", "two", "three"] {
        assert_eq!(stage.ended(name).status, ResultStatus::Stopped);
        assert!(!is_alive(&stage.info(name)));
    }
    assert_eq!(stage.state("top").result.unwrap().left_children, []);
}

#[test]
fn stopping_a_task_that_has_ended_stops_its_children_and_says_so() {
    let stage = family();
    stage
        .task("top", "--child-wait-timeout 200ms")
        .assert_code(0);
    all_work(&stage);
    let said = stage.ok(&format!("stop {}", id("top")));
    assert!(
        said.contains("had ended already; 3 child tasks were stopped"),
        "{said}"
    );
    for name in ["one", "two", "three"] {
        assert_eq!(stage.ended(name).status, ResultStatus::Stopped);
    }
    stage.assert_nobody_left();
    let row = &stage.json(&format!("status {}", id("top")))["tasks"][0];
    assert_eq!(row["status"], "all_finished", "it had ended well: {row:#}");
}

#[test]
fn children_are_stopped_when_the_parents_folder_is_deleted() {
    let stage = family();
    stage.detach("top", "");
    stage.waits_for("top", "children");
    all_work(&stage);
    // At once: what is emptied step by step may be written to meanwhile.
    durable::rename(stage.dir("top").path(), &stage.path("deleted")).unwrap();
    std::fs::remove_dir_all(stage.path("deleted")).ok();
    for name in ["one", "two", "three"] {
        let result = stage.ended(name);
        assert_eq!(result.status, ResultStatus::Stopped);
    }
    stage.scenario.survivors().wait_for_none();
    assert!(!stage.dir("top").path().exists());
}
