//! Tasks that wait for other tasks.

use std::fs;
use std::time::{Duration, Instant};

use cl_storage::FailureKind;
use cl_storage::marker::{self, Marker};
use cl_storage::task_config::TaskConfig;
use cl_storage::task_state::ResultStatus;
use cl_testkit::patience::{eventually, until};

use crate::stage::{Stage, id};

/// Looks often, so that tests need not wait.
const POLL: &str = "--dependency-poll-interval 50ms";

/// An agent that is done once a file of its task's name is there.
const WAITS: &str = "
  - run: echo $JRUN_TASK_ID >>@/began
  - run: 'while [ ! -e @/go-$JRUN_TASK_ID ]; do sleep 0.02; done'
  - say: It is so.
  - done: true";

/// An agent that is done at once.
const QUICK: &str = "
  - run: echo $JRUN_TASK_ID >>@/began
  - done: true";

fn go(stage: &Stage, name: &str) {
    stage.touch(&format!("go-{}", id(name)));
}

fn status(stage: &Stage, name: &str) -> String {
    row(stage, name)["status"].as_str().unwrap().to_owned()
}

fn row(stage: &Stage, name: &str) -> serde_json::Value {
    stage.json(&format!("status {}", id(name)))["tasks"][0].clone()
}

/// Starts a task that depends on others, and waits until it waits.
#[track_caller]
fn detach_blocked(stage: &Stage, name: &str, on: &[&str]) {
    let on: Vec<String> = on.iter().map(|name| id(name)).collect();
    stage.detach(name, &format!("{POLL} --depends-on {}", on.join(",")));
    stage.waits_for(name, "dependencies");
}

/// Waits until the task has said so many messages of a kind.
#[track_caller]
fn wait_said(stage: &Stage, name: &str, kind: &str, count: usize) -> Vec<String> {
    eventually(&format!("{count} {kind} of {name}"), || {
        let said = stage.said(name, kind);
        (said.len() >= count).then_some(said)
    })
}

#[test]
fn a_task_begins_when_all_that_it_depends_on_is_done() {
    let stage = Stage::new(WAITS);
    for name in ["one", "two"] {
        stage.detach(name, "");
    }
    detach_blocked(&stage, "top", &["one", "two"]);
    let blocked = row(&stage, "top");
    assert_eq!(blocked["status"], "blocked", "{blocked:#}");
    assert_eq!(blocked["waiting_for"], "dependencies");
    assert_eq!(
        blocked["depends_on"],
        serde_json::json!([id("one"), id("two")])
    );
    assert_eq!(blocked["blocked_by"], blocked["depends_on"]);
    assert_eq!(blocked["deadlocked_by"], serde_json::json!([]));
    let list = stage.ok("list");
    assert!(
        list.contains(&format!("{},{}", id("one"), id("two"))),
        "{list}"
    );
    let said = wait_said(&stage, "top", "PROGRESS", 1);
    assert_eq!(
        said,
        [format!(
            "task blocked by dependencies: {}, {}",
            id("one"),
            id("two")
        )]
    );
    go(&stage, "one");
    let said = wait_said(&stage, "top", "PROGRESS", 2);
    assert_eq!(
        said[1],
        format!("task blocked by dependencies: {}", id("two"))
    );
    assert!(stage.runs("top").is_empty(), "nothing was begun");
    go(&stage, "two");
    go(&stage, "top");
    assert_eq!(stage.ended("top").status, ResultStatus::Completed);
    assert_eq!(
        stage.said("top", "FACT")[0],
        "dependencies satisfied; starting task"
    );
    assert_eq!(stage.lines("began").last(), Some(&id("top")));
    assert_eq!(stage.said("top", "WARNING"), Vec::<String>::new());
    assert_eq!(row(&stage, "top")["blocked_by"], serde_json::json!([]));
}

#[test]
fn single_runs_wait_and_are_waited_for() {
    let stage = Stage::new(WAITS).actor(
        "single",
        "  - run: echo $JRUN_TASK_ID >>@/began\n  - say: Here.",
    );
    stage.detach("one", "");
    let flags = format!("--detach {POLL} --depends-on {}", id("one"));
    stage.launch_agent("job", "two", "single", &flags).ok();
    stage.waits_for("two", "dependencies");
    let flags = format!("--detach {POLL} --depends-on {}", id("two"));
    stage.launch_agent("task", "three", "actor", &flags).ok();
    stage.waits_for("three", "dependencies");
    go(&stage, "one");
    go(&stage, "three");
    assert_eq!(stage.ended("three").status, ResultStatus::Completed);
    assert_eq!(stage.lines("began"), [id("one"), id("two"), id("three")]);
    assert!(
        !Marker::Done.path(&stage.dir("two")).exists(),
        "a single run leaves no claim"
    );
}

#[test]
fn between_two_attempts_a_task_is_not_done() {
    let stage = Stage::new(QUICK).actor(
        "slow",
        "attempts:\n  - - say: Not yet.\n  - - wait_for: {file: @/go, timeout: 300s}\n    - done: true",
    );
    stage
        .launch_agent("task", "one", "slow", "--detach --restart-delay 0")
        .ok();
    until("the second attempt", || stage.runs("one").len() == 2);
    detach_blocked(&stage, "top", &["one"]);
    assert!(!stage.has("began"));
    stage.touch("go");
    assert_eq!(stage.ended("top").status, ResultStatus::Completed);
}

/// Everything that ends the wait without an agent.
#[track_caller]
fn check_wait_ends(act: impl FnOnce(&Stage), result: ResultStatus, word: &str) {
    let stage = Stage::new(QUICK);
    let patient = format!("--detach --depends-on {}", id("nowhere"));
    stage.launch("task", "top", &patient).ok();
    stage.waits_for("top", "dependencies");
    act(&stage);
    assert_eq!(stage.ended("top").status, result);
    assert_eq!(status(&stage, "top"), word);
    assert!(stage.runs("top").is_empty());
    assert!(!stage.has("began"));
}

#[test]
fn a_stop_ends_the_wait() {
    let stop = |stage: &Stage| {
        stage.ok(&format!("stop {}", id("top")));
    };
    check_wait_ends(stop, ResultStatus::Stopped, "stopped");
}

#[test]
fn giving_the_task_up_ends_the_wait() {
    let cancel = |stage: &Stage| {
        stage.ok(&format!("task cancel {} --reason x", id("top")));
    };
    check_wait_ends(cancel, ResultStatus::Stopped, "cancelled");
}

#[test]
fn a_claim_of_its_own_ends_the_wait() {
    let claim = |stage: &Stage| marker::create_done(&stage.dir("top")).unwrap();
    check_wait_ends(claim, ResultStatus::Completed, "all_finished");
}

#[test]
fn what_nobody_will_satisfy_is_told_and_the_task_is_launched() {
    let stage = Stage::new(QUICK).actor("bad", "  - exit: 3");
    stage
        .launch_agent("job", "failed", "bad", "")
        .run()
        .assert_code(1);
    stage.task("given-up", "").assert_code(0);
    stage.ok(&format!("task cancel {} --reason x", id("given-up")));
    fs::create_dir_all(stage.dir("fresh").runs_folder()).unwrap();
    let on = ["failed", "given-up", "nowhere", "fresh"]
        .map(id)
        .join(", ");
    let ran = stage
        .launch("task", "top", &format!("--detach {POLL}"))
        .args(&["--depends-on", &on])
        .ok();
    let expected = [
        ("failed", "failed"),
        ("given-up", "cancelled"),
        ("nowhere", "missing"),
    ]
    .map(|(name, reason)| {
        format!(
            "dependency {} is {reason}; task will stay blocked",
            id(name)
        )
    });
    for line in &expected {
        assert!(
            ran.stderr.contains(&format!("Warning: {line}\n")),
            "{}",
            ran.stderr
        );
    }
    assert!(!ran.stderr.contains(&id("fresh")), "{}", ran.stderr);
    let said = wait_said(&stage, "top", "WARNING", 1);
    assert_eq!(said, [expected.join("\n")]);
    stage.waits_for("top", "dependencies");
    let row = row(&stage, "top");
    assert_eq!(
        row["deadlocked_by"],
        serde_json::json!([id("failed")]),
        "{row:#}"
    );
    let show = stage.ok(&format!("task show {}", id("top")));
    assert!(
        show.contains(&format!("deadlocked: {}", id("failed"))),
        "{show}"
    );
}

#[test]
fn a_cycle_is_refused_and_leaves_nothing() {
    let stage = Stage::new(QUICK);
    detach_blocked(&stage, "one", &["two"]);
    detach_blocked(&stage, "two", &["three"]);
    let ran = stage
        .launch("task", "three", &format!("--depends-on {}", id("one")))
        .run();
    ran.assert_code(4);
    let cycle = ["one", "two", "three", "one"].map(id).join(" -> ");
    // The search begins with the first in the order of ids.
    assert!(
        ran.stderr
            .contains(&format!("dependency cycle detected: {cycle}")),
        "{}",
        ran.stderr
    );
    assert!(!stage.dir("three").exists());
    let itself = stage
        .launch("task", "four", &format!("--depends-on {}", id("four")))
        .run();
    itself.assert_code(2);
    assert!(
        itself.stderr.contains("cannot depend on itself"),
        "{}",
        itself.stderr
    );
    assert!(!stage.dir("four").exists());
}

#[test]
fn of_two_launches_that_make_a_cycle_together_one_is_refused() {
    let stage = Stage::new(QUICK);
    let launch = |name: &str, on: &str| {
        let flags = format!("--detach {POLL} --depends-on {}", id(on));
        stage.launch("task", name, &flags).spawn()
    };
    let (one, two) = (launch("one", "two"), launch("two", "one"));
    let mut codes = [one.finish().code, two.finish().code];
    codes.sort_unstable();
    assert_eq!(codes, [Some(0), Some(4)]);
}

#[test]
fn dependencies_are_kept_replaced_and_cleared() {
    let stage = Stage::new(QUICK);
    let stored = || {
        TaskConfig::read(&stage.dir("top"))
            .unwrap()
            .depends_on
            .len()
    };
    detach_blocked(&stage, "top", &["one", "two"]);
    stage.ok(&format!("stop {}", id("top")));
    // Not given: as stored.
    stage.detach("top", POLL);
    stage.waits_for("top", "dependencies");
    assert_eq!(stored(), 2);
    stage.ok(&format!("stop {}", id("top")));
    detach_blocked(&stage, "top", &["two"]);
    assert_eq!(stored(), 1);
    stage.ok(&format!("stop {}", id("top")));
    stage
        .launch("task", "top", POLL)
        .args(&["--depends-on", ""])
        .ok();
    assert!(!stage.dir("top").config().exists());
    assert_eq!(status(&stage, "top"), "all_finished");
}

#[test]
fn a_launch_that_is_refused_puts_the_dependencies_back() {
    let stage = Stage::new(QUICK);
    stage.task("top", "").assert_code(0);
    // A task that is done for one prompt is not begun for another.
    let other = stage
        .command(&format!(
            "task {} --agent actor --prompt Other --depends-on {}",
            id("top"),
            id("one")
        ))
        .run();
    other.assert_code(4);
    assert!(!stage.dir("top").config().exists(), "{other:?}");
}

#[test]
fn lifting_a_dependency_lets_the_task_begin_at_once() {
    let stage = Stage::new(QUICK);
    let on = ["one", "two"].map(id).join(",");
    let patient = format!("--detach --dependency-poll-interval 1h --depends-on {on}");
    stage.launch("task", "top", &patient).ok();
    stage.waits_for("top", "dependencies");
    let before = TaskConfig::read(&stage.dir("top")).unwrap();
    stage.ok(&format!(
        "task unblock {} --dependency {}",
        id("top"),
        id("one")
    ));
    let said = wait_said(&stage, "top", "PROGRESS", 2);
    assert_eq!(
        said[1],
        format!("task blocked by dependencies: {}", id("two"))
    );
    let asked = Instant::now();
    stage
        .command(&format!("task unblock {}", id("top")))
        .args(&["--reason", "not needed"])
        .ok();
    until("the agent", || stage.has("began"));
    assert!(
        asked.elapsed() < Duration::from_secs(3),
        "{:?}",
        asked.elapsed()
    );
    assert_eq!(stage.ended("top").status, ResultStatus::Completed);
    let after = TaskConfig::read(&stage.dir("top")).unwrap();
    assert_eq!(after.depends_on, before.depends_on);
    assert_eq!(after.unblocked.unwrap().reason, "not needed");
    assert_eq!(
        stage.said("top", "DECISION"),
        [
            format!("dependencies lifted: {}", id("one")),
            format!("dependencies lifted: {}; not needed", id("two")),
        ]
    );
}

/// Two tasks that nobody ever ran, the second behind the first, while newer copies of
/// the same work had been done under other ids.
#[test]
fn two_tasks_that_nobody_ran_are_found_and_resolved() {
    let stage = Stage::new(QUICK);
    let (batch, runner) = (stage.dir("job-batch-cli"), stage.dir("workflow-runner-cli"));
    for task in [&batch, &runner] {
        fs::create_dir_all(task.path()).unwrap();
        fs::write(task.prompt(), "Do it.\n").unwrap();
    }
    // As the earlier implementation wrote it.
    let config = format!("depends_on:\n    - {}\n", batch.id());
    fs::write(runner.config(), config).unwrap();
    stage.task("job-batch-cli-r3", "").assert_code(0);
    let blocked = stage.json("list --blocked")["blocked"].clone();
    let found: Vec<_> = (blocked.as_array().unwrap().iter())
        .map(|row| {
            (
                row["task_id"].clone(),
                row["reason"].clone(),
                row["chain"].clone(),
            )
        })
        .collect();
    let never = serde_json::json!("never-started");
    assert_eq!(
        found,
        [
            (
                batch.id().as_str().into(),
                never.clone(),
                serde_json::json!([batch.id()])
            ),
            (
                runner.id().as_str().into(),
                never,
                serde_json::json!([runner.id(), batch.id()])
            ),
        ]
    );
    assert_eq!(status(&stage, "workflow-runner-cli"), "blocked");
    stage.detach("workflow-runner-cli", POLL);
    stage.waits_for("workflow-runner-cli", "dependencies");
    stage
        .command(&format!(
            "task cancel {} --superseded-by {}",
            batch.id(),
            id("job-batch-cli-r3")
        ))
        .args(&["--reason", "done as -r3"])
        .ok();
    assert_eq!(
        stage.ended("workflow-runner-cli").status,
        ResultStatus::Completed
    );
    let none = stage.ok("list --blocked");
    assert_eq!(none, "No blocked tasks in project demo.\n");
    assert_eq!(status(&stage, "job-batch-cli"), "cancelled");
}

#[test]
fn what_only_waits_is_listed_on_request() {
    let stage = Stage::new(WAITS);
    stage.detach("one", "");
    stage.works("one");
    detach_blocked(&stage, "top", &["one"]);
    assert_eq!(
        stage.ok("list --blocked"),
        "No blocked tasks in project demo.\n"
    );
    let all = stage.json("list --blocked --all")["blocked"].clone();
    assert_eq!(all[0]["task_id"], id("top"), "{all:#}");
    assert_eq!(all[0]["reason"], "running");
    go(&stage, "one");
    go(&stage, "top");
    stage.ended("top");
}

#[test]
fn an_active_task_is_given_up_by_force_only() {
    let stage = Stage::new(WAITS);
    stage.detach("top", "--restart-delay 0");
    stage.works("top");
    let refused = stage
        .command(&format!("task cancel {} --reason x", id("top")))
        .run();
    refused.assert_code(4);
    assert!(refused.stderr.contains("--force"), "{}", refused.stderr);
    assert!(!Marker::Cancelled.path(&stage.dir("top")).exists());
    stage.ok(&format!("task cancel {} --reason x --force", id("top")));
    stage.assert_nobody_left();
    assert_eq!(status(&stage, "top"), "cancelled");
    assert_eq!(
        stage.info("top").failure.unwrap().kind,
        FailureKind::Cancelled
    );
    for verb in ["task", "task resume"] {
        let line = format!("{verb} {} --agent actor", id("top"));
        let ran = stage.command(&line).run();
        ran.assert_code(4);
        assert!(
            ran.stderr.contains("--force` takes it up again"),
            "{}",
            ran.stderr
        );
    }
    assert_eq!(stage.runs("top").len(), 1, "nobody has started it");
    go(&stage, "top");
    stage.ok(&format!("task resume {} --force", id("top")));
    assert_eq!(status(&stage, "top"), "all_finished");
    assert!(!Marker::Cancelled.path(&stage.dir("top")).exists());
}

#[test]
fn a_pause_between_attempts_ends_when_the_task_is_given_up() {
    let stage = Stage::new("  - exit: 1");
    stage.detach("top", "--restart-delay 1h");
    stage.waits_for("top", "delay");
    stage.ok(&format!("task cancel {} --reason x", id("top")));
    stage.ended("top");
    assert_eq!(status(&stage, "top"), "cancelled");
    assert_eq!(stage.runs("top").len(), 1);
}

/// Killed in the middle, the command has left the wish, and the task ends.
#[test]
fn giving_up_survives_the_end_of_the_command() {
    let stage =
        Stage::new("  - ignore_term: true\n  - write: {path: @/works, content: x}\n  - hang: true");
    stage.detach("top", "");
    stage.wait_for("works");
    let line = format!("task cancel {} --reason x --force --grace 2s", id("top"));
    let command = stage.command(&line).spawn();
    until("the wish", || {
        Marker::StopRequested.path(&stage.dir("top")).exists()
    });
    command.signal(rustix::process::Signal::INT);
    assert_ne!(command.finish().code, Some(0));
    stage.ended("top");
    stage.assert_nobody_left();
    assert_eq!(status(&stage, "top"), "cancelled");
}

#[test]
fn a_child_waits_for_its_sibling() {
    let stage = Stage::new(&format!(
        "
  - run: |
      run-agent task {one} --agent child --detach --prompt Part. >/dev/null
      run-agent task {two} --agent child --detach --prompt Part. --depends-on {one} {POLL} >/dev/null
  - done: true",
        one = id("one"),
        two = id("two")
    ))
    .actor("child", QUICK);
    stage.task("top", "--child-wait-timeout 60s").assert_code(0);
    assert_eq!(stage.lines("began"), [id("one"), id("two")]);
}
