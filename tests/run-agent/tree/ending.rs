//! Signals to the one who waits, and what becomes of the agent's processes.

use cl_storage::FailureKind;
use cl_storage::run_info::RunStatus;
use cl_storage::task_state::ResultStatus;
use cl_testkit::patience::{eventually, until};
use rustix::process::Signal;

use crate::stage::{Stage, id};

/// An agent whose shell leaves every kind of process that is hard to end.
const WILD: &str = "
  - run: |
      exec >/dev/null 2>&1
      setsid sh -c 'echo session >>@/members; sleep 300; :' &
      (setsid sh -c 'sleep 300 & echo orphan >>@/members; exit' &)
      (sh -c '(sh -c \"echo twice >>@/members; sleep 300; :\" &) & exit' &)
      nohup sh -c 'echo nohup >>@/members; sleep 300; :' &
      sh -c 'trap \"\" TERM INT HUP; echo deaf >>@/members; while :; do sleep 1; done' &
      setsid env -i /bin/sh -c 'echo bare >>@/members; /bin/sleep 300; :' &
      (setsid env -i /bin/sh -c 'trap \"\" TERM; (echo ghost >>@/members; while :; do /bin/sleep 1; done) & exit' &)
      sh -c 'echo stopped >>@/members; kill -STOP $$' &
  - run: while [ $(wc -l <@/members) -lt 8 ]; do sleep 0.02; done
  - say: All of them are at work.
  - hang: true";

const KINDS: usize = 8;

/// Checks what a stopped task and its only run say.
#[track_caller]
fn check_stopped(stage: &Stage, exit_code: i32, by: &str) {
    let result = stage.ended("top");
    assert_eq!(result.status, ResultStatus::Stopped);
    assert_eq!(result.exit_code, exit_code);
    let info = stage.info("top");
    assert_eq!(info.status, RunStatus::Failed);
    assert_eq!(info.failure.unwrap().kind, FailureKind::Cancelled);
    let stop = info.stop.unwrap();
    assert_eq!(stop.survivors, 0);
    assert_eq!(stop.by, by);
    let closing = stage.said("top", "RUN_STOP");
    assert_eq!(closing.len(), 1);
    assert!(closing[0].contains("stopped: true"), "{closing:?}");
    assert!(stage.said("top", "RUN_CRASH").is_empty());
    assert_eq!(stage.json("list")["tasks"][0]["status"], "stopped");
}

#[track_caller]
fn check_signal(signal: Signal, exit_code: i32, by: &str) {
    let stage = Stage::new(WILD);
    let running = stage.start("top", "--grace 500ms");
    stage.wait_for_lines("members", KINDS);
    running.signal_group(signal);
    running.finish().assert_code(exit_code);
    stage.assert_nobody_left();
    check_stopped(&stage, exit_code, by);
}

#[test]
fn ctrl_c_ends_the_whole_tree() {
    check_signal(Signal::INT, 130, "Ctrl-C");
}

#[test]
fn term_ends_the_whole_tree() {
    check_signal(Signal::TERM, 143, "signal TERM");
}

#[test]
fn a_second_ctrl_c_does_not_wait_for_the_grace_period() {
    let stage = Stage::new(
        "  - ignore_term: true\n  - write: {path: @/works, content: yes}\n  - hang: true",
    );
    let running = stage.start("top", "--grace 1h");
    stage.wait_for("works");
    running.signal_group(Signal::INT);
    until("the wish to stop", || stage.state("top").stop.is_some());
    assert!(stage.scenario.survivors().exist());
    running.signal_group(Signal::INT);
    running.finish().assert_code(130);
    stage.assert_nobody_left();
    assert_eq!(stage.info("top").exit_code, 137);
}

#[test]
fn hang_up_detaches_and_the_task_goes_on() {
    let stage = Stage::new("  - wait_for: {file: @/go, timeout: 300s}\n  - done: true");
    let running = stage.start("top", "");
    stage.works("top");
    running.signal_group(Signal::HUP);
    let finished = running.finish();
    finished.assert_code(143);
    assert!(finished.stderr.contains("goes on"), "{}", finished.stderr);
    stage.works("top");
    stage.touch("go");
    assert_eq!(stage.ended("top").status, ResultStatus::Completed);
}

#[test]
fn a_ctrl_c_while_the_supervisor_starts_leaves_nothing() {
    for round in 0..12 {
        let stage = Stage::new("  - hang: true");
        let running = stage.start("top", "--grace 0");
        // Ever later moments of the start.
        let seen = || match round % 4 {
            0 => true,
            1 => stage.dir("top").path().exists(),
            2 => stage.dir("top").path().join("owner.yaml").exists(),
            _ => stage.state_if_any("top").is_some(),
        };
        until("that moment", seen);
        running.signal_group(Signal::INT);
        let finished = running.finish();
        assert_ne!(finished.code, Some(0), "{finished:?}");
        until("the end of the supervisor", || {
            !stage.dir("top").path().join("owner.yaml").exists()
        });
        stage.assert_nobody_left();
        if let Some(state) = stage.state_if_any("top") {
            assert_eq!(state.result.unwrap().status, ResultStatus::Stopped);
        }
    }
}

#[test]
fn what_an_agent_leaves_behind_ends_with_its_run() {
    let stage = Stage::new(&WILD.replace("  - hang: true", "  - done: true"));
    stage.task("top", "--grace 500ms").assert_code(0);
    assert_eq!(stage.lines("members").len(), KINDS);
    stage.assert_nobody_left();
    let info = stage.info("top");
    assert_eq!((info.status, info.exit_code), (RunStatus::Completed, 0));
}

#[test]
fn leftovers_end_between_attempts_and_nested_tasks_go_on() {
    let stage = Stage::new(
        "attempts:
  - - run: setsid sh -c 'echo $$ >@/leftover; exec sleep 300' >/dev/null 2>&1 &
    - spawn: {prompt: Part., args: [task-20260101-000000-child, --agent, child]}
    - wait_for: {file: @/leftover}
    - exit: 1
  - - run: '! kill -0 $(cat @/leftover)'
    - done: true",
    )
    .actor(
        "child",
        "  - wait_for: {file: @/go, timeout: 300s}\n  - say: Finished.",
    );
    stage.detach("top", "--restart-delay 0 --max-attempts 2");
    stage.waits_for("top", "children");
    assert_eq!(stage.infos("top").len(), 2);
    stage.works("child");
    stage.touch("go");
    assert_eq!(stage.ended("top").status, ResultStatus::Completed);
    assert_eq!(stage.ended("child").status, ResultStatus::Completed);
}

#[test]
fn late_writers_of_the_answer_may_finish() {
    let stage = Stage::new("  - say: unused").settings("").command_agent(
        "launcher",
        "(sleep 0.3; echo The answer.; : >$JRUN_TASK_FOLDER/DONE) & exit 0",
    );
    stage
        .launch_agent("task", "top", "launcher", "--max-attempts 1")
        .ok();
    let output = std::fs::read_to_string(stage.runs("top")[0].output()).unwrap();
    assert_eq!(output, "The answer.\n");
}

#[test]
fn a_tree_of_two_hundred_processes_is_gone() {
    let stage = Stage::new(
        "
  - run: |
      exec >/dev/null 2>&1
      i=0
      while [ $i -lt 50 ]; do
        sleep 300 &
        setsid sleep 300 &
        (env -i /bin/sleep 300 &)
        (setsid env -i /bin/sleep 300 &)
        i=$((i+1))
      done
  - write: {path: @/works, content: yes}
  - hang: true",
    );
    let running = stage.start("top", "");
    stage.wait_for("works");
    let count = || {
        let shown = stage.json("ps");
        let shown = shown["processes"].as_array().unwrap().len();
        (shown >= 200).then_some(shown)
    };
    // Those without any mark, too: their supervisor has adopted them.
    eventually("the processes in the list", count);
    running.signal_group(Signal::INT);
    running.finish().assert_code(130);
    stage.assert_nobody_left();
    assert_eq!(stage.info("top").stop.unwrap().survivors, 0);
}

fn signal_supervisor(stage: &Stage, signal: Signal) {
    let pid = stage.info("top").supervisor_pid;
    let pid = pid.and_then(rustix::process::Pid::from_raw);
    rustix::process::kill_process(pid.unwrap(), signal).unwrap();
}

#[test]
fn an_interrupt_of_the_supervisor_stops_the_task() {
    let stage = Stage::new(WILD);
    stage.detach("top", "--grace 500ms");
    stage.wait_for_lines("members", KINDS);
    signal_supervisor(&stage, Signal::INT);
    stage.ended("top");
    stage.assert_nobody_left();
    check_stopped(&stage, 143, "signal INT to the supervisor");
}

#[test]
fn a_supervisor_that_is_terminated_ends_the_tree_and_leaves_the_task_to_recovery() {
    // As all are when the machine goes down, which is no wish to stop.
    let stage = Stage::new(WILD);
    stage.detach("top", "--grace 500ms");
    stage.wait_for_lines("members", KINDS);
    signal_supervisor(&stage, Signal::TERM);
    let owner = || cl_storage::owner::Owner::read(&stage.dir("top")).unwrap();
    until("the end of the supervisor", || {
        cl_storage::owner::OwnerState::of(owner().as_ref()) == cl_storage::owner::OwnerState::Lost
    });
    stage.assert_nobody_left();
    let state = stage.state("top");
    assert_eq!((state.stop, state.result), (None, None));
    let told = stage.said("top", "WARNING");
    assert!(
        told.iter().any(|text| text.contains("signal TERM")),
        "{told:?}"
    );
    stage.ok("recover");
    stage.wait_for_lines("members", 2 * KINDS);
    assert_eq!(stage.runs("top").len(), 2);
    stage.ok(&format!("stop {} --force", id("top")));
    assert_eq!(stage.ended("top").status, ResultStatus::Stopped);
    stage.assert_nobody_left();
}

#[test]
fn hang_up_and_broken_pipes_do_not_hurt_a_supervisor() {
    let stage = Stage::new("  - wait_for: {file: @/go, timeout: 300s}\n  - done: true");
    stage.detach("top", "");
    let pid = stage
        .works("top")
        .supervisor_pid
        .and_then(rustix::process::Pid::from_raw);
    for signal in [Signal::HUP, Signal::PIPE, Signal::USR1] {
        rustix::process::kill_process(pid.unwrap(), signal).unwrap();
    }
    stage.touch("go");
    assert_eq!(stage.ended("top").status, ResultStatus::Completed);
}
