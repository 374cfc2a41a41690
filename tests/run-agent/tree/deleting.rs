//! `task delete` of tasks that run.

use crate::stage::{Stage, id};

const WORKING: &str = "  - write: {path: @/works, content: yes}\n  - hang: true";

#[test]
fn force_stops_a_task_and_then_deletes_it() {
    let stage = Stage::new(WORKING);
    stage.detach("top", "");
    stage.wait_for("works");
    let refused = stage.command(&format!("task delete {}", id("top"))).run();
    refused.assert_code(4);
    assert!(refused.stderr.contains("supervisor (pid"), "{refused:?}");
    stage.works("top");
    let forced = stage
        .command(&format!("task delete {} --force --json", id("top")))
        .ok();
    assert!(!forced.json()["stopped"].as_array().unwrap().is_empty());
    stage.assert_nobody_left();
    assert!(!stage.dir("top").path().exists());
}

#[test]
fn force_stops_children_which_are_kept() {
    let steps = format!(
        "
  - run: run-agent job {} --agent child --prompt Part. --detach
  - done: true",
        id("child")
    );
    let stage = Stage::new(&steps).actor("child", WORKING);
    stage.task("top", "--child-wait-timeout 1ms").assert_code(0);
    stage.wait_for("works");
    let delete = format!("task delete {}", id("top"));
    let refused = stage.command(&delete).run();
    refused.assert_code(4);
    let child = format!("child task demo/{}", id("child"));
    assert!(refused.stderr.contains(&child), "{refused:?}");
    stage.ok(&format!("{delete} --force"));
    stage.assert_nobody_left();
    assert!(!stage.dir("top").path().exists());
    // The child is a task in its own right, and is there to be looked at.
    assert!(stage.dir("child").path().exists());
}
