//! What an agent's shell may do to and with the commands that launch children.

use cl_storage::run_info::RunStatus;
use cl_storage::task_state::ResultStatus;
use rustix::process::Signal;

use crate::stage::{Stage, id};

const UNTIL_GO: &str = "
  - wait_for: {file: @/go, timeout: 300s}
  - say: Finished.";

const DONE_AFTER_GO: &str = "
  - wait_for: {file: @/go, timeout: 300s}
  - done: true";

/// An agent whose shell ends a foreground `job` with `signal` when its child works.
fn check_killed_waiter(signal: &str) {
    let steps = format!(
        "
  - run: |
      run-agent job task-20260101-000000-child --agent child --prompt Part. >@/waiter 2>&1 &
      while ! [ -e @/works ]; do sleep 0.05; done
      kill -{signal} $!
      wait $!
      echo $? >@/code.new; mv @/code.new @/code
  - done: true"
    );
    let child = "
  - write: {path: @/works, content: yes}
  - wait_for: {file: @/go, timeout: 300s}
  - say: Finished.";
    let stage = Stage::new(&steps).actor("child", child);
    stage.detach("top", "--max-attempts 1");
    let code = stage.wait_for("code");
    let expected = if signal == "KILL" { "137" } else { "143" };
    assert_eq!(code.trim(), expected, "{:?}", stage.lines("waiter"));
    stage.waits_for("top", "children");
    stage.works("child");
    stage.touch("go");
    assert_eq!(stage.ended("child").status, ResultStatus::Completed);
    assert_eq!(stage.info("child").status, RunStatus::Completed);
    assert_eq!(stage.ended("top").status, ResultStatus::Completed);
}

#[test]
fn term_to_a_waiting_job_spares_the_child() {
    check_killed_waiter("TERM");
}

#[test]
fn hup_to_a_waiting_job_spares_the_child() {
    check_killed_waiter("HUP");
}

#[test]
fn kill_of_a_waiting_job_spares_the_child() {
    check_killed_waiter("KILL");
}

#[test]
fn a_shell_that_ends_slow_commands_spares_the_child() {
    let stage = Stage::new(
        "
  - run: {command: timeout 1 run-agent job task-20260101-000000-child --agent child --prompt Part., ignore_failure: true}
  - done: true",
    )
    .actor("child", UNTIL_GO);
    stage.detach("top", "--max-attempts 1");
    stage.waits_for("top", "children");
    stage.works("child");
    stage.touch("go");
    assert_eq!(stage.ended("top").status, ResultStatus::Completed);
    assert_eq!(stage.ended("child").status, ResultStatus::Completed);
}

#[test]
fn a_foreground_job_waits_for_the_child_and_passes_its_failure_on() {
    let stage = Stage::new(
        "
  - run: |
      run-agent job task-20260101-000000-good --agent good --prompt Part.
      echo $? >>@/codes
      run-agent job task-20260101-000000-bad --agent bad --prompt Part.
      echo $? >>@/codes
  - done: true",
    )
    .actor("good", "  - say: Fine.")
    .actor("bad", "  - exit: 3");
    stage.task("top", "--max-attempts 1").assert_code(0);
    assert_eq!(stage.lines("codes"), ["0", "1"]);
    assert_eq!(stage.info("bad").exit_code, 3);
}

#[test]
fn the_enclosing_task_as_a_name_becomes_a_sub_task_of_its_own() {
    let stage = Stage::new(
        "
  - run: run-agent job --task $JRUN_TASK_ID --agent child --detach --prompt Part. >@/child 2>@/notice
  - done: true",
    )
    .actor("child", "  - say: Hello.");
    stage.task("top", "--max-attempts 1").assert_code(0);
    let made = stage.lines("child").concat();
    assert_ne!(made, id("top"));
    assert!(stage.lines("notice").concat().contains("sub-task"));
    assert_eq!(stage.runs("top").len(), 1);
    let task = stage.scenario.task(&made);
    assert_eq!(task.runs().unwrap().len(), 1);
}

#[test]
fn an_unnamed_child_never_takes_the_enclosing_task() {
    let stage = Stage::new(
        "
  - run: run-agent job --agent child --detach --prompt Part. >@/child 2>@/notice
  - done: true",
    )
    .actor("child", "  - say: Hello.");
    stage.task("top", "--max-attempts 1").assert_code(0);
    assert_ne!(stage.lines("child").concat(), id("top"));
    assert_eq!(stage.runs("top").len(), 1);
}

#[test]
fn a_task_that_runs_already_is_not_launched_again() {
    // The grandparent's name from inside a child: both are at work.
    let stage = Stage::new(
        "
  - run: run-agent job task-20260101-000000-child --agent child --prompt Part.
  - done: true",
    )
    .actor(
        "child",
        "
  - run: |
      run-agent job --task task-20260101-000000-top --agent actor --prompt Again. >@/out 2>&1
      echo $? >@/code
  - say: Refused.",
    );
    stage.task("top", "--max-attempts 1").assert_code(0);
    let said = stage.lines("out").concat();
    assert_eq!(stage.lines("code"), ["4"], "{said}");
    assert!(said.contains("running already"), "{said}");
    assert_eq!(stage.runs("top").len(), 1);
}

#[test]
fn one_slot_is_enough_for_a_deep_family() {
    let pass_on = |lower: &str| {
        format!(
            "
  - run: run-agent task task-20260101-000000-{lower} --agent {lower} --prompt Part.
  - done: true"
        )
    };
    let stage = Stage::new(&pass_on("second"))
        .actor("second", &pass_on("third"))
        .actor("third", &pass_on("fourth"))
        .actor("fourth", "  - done: true")
        .settings("defaults: {max_concurrent_runs: 1}\n");
    stage.task("top", "--max-attempts 1").assert_code(0);
    for (name, depth) in [("top", 0), ("second", 1), ("third", 2), ("fourth", 3)] {
        let info = stage.info(name);
        assert_eq!(
            (info.depth, info.status),
            (Some(depth), RunStatus::Completed)
        );
    }
}

#[test]
fn a_detached_launch_returns_at_once_whatever_was_inherited() {
    let stage = Stage::new(
        "
  - run: |
      exec 3>&1 4>@/extra
      x=$(run-agent task task-20260101-000000-child --agent child --detach --prompt Part. 5>&1)
      echo $x >@/printed
  - done: true",
    )
    .actor("child", DONE_AFTER_GO);
    stage.detach("top", "--max-attempts 1");
    // The child runs until `go`: only a launch that returned lets its parent claim to be done.
    stage.waits_for("top", "children");
    assert_eq!(stage.lines("printed"), [id("child")]);
    let child = stage.works("child");
    let supervisor = child.supervisor_pid.unwrap();
    for entry in std::fs::read_dir(format!("/proc/{supervisor}/fd")).unwrap() {
        let target = std::fs::read_link(entry.unwrap().path()).unwrap_or_default();
        assert_ne!(target, stage.path("extra"));
        assert_ne!(target, stage.path("survivors"));
    }
    stage.touch("go");
    stage.ended("top");
}

#[test]
fn a_detached_launch_from_a_plain_shell_returns_at_once() {
    let stage = Stage::new(DONE_AFTER_GO);
    let line = format!(
        "x=$({} task {} --agent actor --detach --prompt Do. --project demo 3>&1); echo $x >{}",
        env!("CARGO_BIN_EXE_run-agent"),
        id("top"),
        stage.path("printed").display()
    );
    stage.shell(&line).ok();
    assert_eq!(stage.lines("printed"), [id("top")]);
    stage.works("top");
    stage.touch("go");
    stage.ended("top");
}

#[test]
fn nesting_has_a_deepest_level() {
    let stage = Stage::new(
        "
  - run: run-agent job task-20260101-000000-second --agent second --prompt Part.
  - done: true",
    )
    .actor(
        "second",
        "
  - run: |
      run-agent job task-20260101-000000-third --agent actor --prompt Part. >@/out 2>&1
      echo $? >@/code
  - say: Refused.",
    )
    .settings("delegation: {max_depth: 1}\n");
    stage.task("top", "--max-attempts 1").assert_code(0);
    assert_eq!(stage.lines("code"), ["4"]);
    let said = stage.lines("out").concat();
    assert!(said.contains("nested 1 deep"), "{said}");
    assert!(
        !stage.dir("third").exists(),
        "nothing is made for a refused child"
    );
}

#[test]
fn children_have_a_largest_number() {
    let stage = Stage::new(
        "
  - run: |
      for name in one two three; do
        run-agent job task-20260101-000000-$name --agent child --detach --prompt Part. >@/$name.out 2>&1
        echo $? >>@/codes
      done
  - write: {path: @/go, content: yes}
  - run: |
      run-agent watch task-20260101-000000-one task-20260101-000000-two
      run-agent job task-20260101-000000-three --agent child --detach --prompt Part.
  - done: true",
    )
    .actor("child", UNTIL_GO)
    .settings("delegation: {max_children: 2}\n");
    stage.task("top", "--max-attempts 1").assert_code(0);
    assert_eq!(stage.lines("codes"), ["0", "0", "4"]);
    let said = stage.lines("three.out").concat();
    assert!(said.contains("2 is the limit"), "{said}");
    assert_eq!(
        stage.info("three").status,
        RunStatus::Completed,
        "with room again"
    );
}

#[test]
fn another_root_is_launched_directly_and_ends_with_the_attempt() {
    let stage = Stage::new(
        "
  - run: |
      CONDUCTOR_CONFIG=@/conductor.yaml run-agent task task-20260101-000000-elsewhere --root @/other --project demo \\
        --agent child --detach --grace 5s --prompt Part.
  - wait_for: {file: @/inside, timeout: 60s}
  - done: true",
    )
    .actor(
        "child",
        "
  - ignore_term: true
  - run: env >@/inside.new; mv @/inside.new @/inside
  - hang: true",
    );
    stage
        .task("top", "--max-attempts 1 --grace 500ms")
        .assert_code(0);
    stage.assert_nobody_left();
    let seen = stage.lines("inside");
    assert!(seen.contains(&"JRUN_DEPTH=0".to_owned()), "{seen:?}");
    assert!(seen.contains(&"JRUN_PARENT_ID=".to_owned()), "{seen:?}");
    assert_eq!(stage.state("top").children, []);
}

#[test]
fn done_of_a_child_is_not_done_of_its_parent() {
    let stage = Stage::new(
        "attempts:
  - - run: run-agent task task-20260101-000000-child --agent child --gate false --max-gate-failures 1 --prompt Part. || true
    - run: test ! -e $JRUN_TASK_FOLDER/DONE
    - say: Not yet.
  - - done: true",
    )
    .actor("child", "  - done: true");
    stage
        .task("top", "--restart-delay 0 --max-attempts 2")
        .assert_code(0);
    assert_eq!(
        stage.infos("top").len(),
        2,
        "the child's end did not end the parent"
    );
    assert_eq!(stage.ended("child").status, ResultStatus::Failed);
    assert_eq!(
        stage.ended("child").failure.unwrap().kind.to_string(),
        "gate_failed"
    );
    assert_eq!(stage.state("top").gate_failures.count, 0);
}

#[test]
fn variables_reach_a_child() {
    let stage = Stage::new(
        "
  - run: run-agent job task-20260101-000000-child --agent child --env COLOUR=green --env JRUN_ID=forged --prompt Part.
  - done: true",
    )
    .actor("child", "  - run: env >@/inside\n  - say: Seen.");
    stage.task("top", "--max-attempts 1").assert_code(0);
    let seen = stage.lines("inside");
    assert!(seen.contains(&"COLOUR=green".to_owned()), "{seen:?}");
    let own = format!("JRUN_ID={}", stage.info("child").run_id);
    assert!(seen.contains(&own), "{seen:?}");
}

#[test]
fn a_stopping_task_takes_no_more_children() {
    let stage = Stage::new(
        "
  - ignore_term: true
  - run: |
      trap '' TERM
      touch @/works
      while ! [ -e @/stopping ]; do sleep 0.05; done
      run-agent job task-20260101-000000-late --agent actor --detach --prompt Part. >@/out 2>&1
      echo $? >@/code.new; mv @/code.new @/code
  - hang: true",
    );
    let running = stage.start("top", "--grace 60s");
    stage.wait_for("works");
    running.signal_group(Signal::INT);
    cl_testkit::patience::until("the wish to stop", || stage.state("top").stop.is_some());
    stage.touch("stopping");
    assert_eq!(
        stage.wait_for("code").trim(),
        "4",
        "{:?}",
        stage.lines("out")
    );
    running.signal_group(Signal::INT);
    running.finish().assert_code(130);
    assert!(!stage.dir("late").exists());
    stage.assert_nobody_left();
}
