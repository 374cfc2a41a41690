//! Many agents at once.

use cl_storage::run_info::RunStatus;
use cl_storage::task_state::ResultStatus;

use crate::stage::Stage;

const CROWD: usize = 50;

fn name(number: usize) -> String {
    format!("member-{number}")
}

/// Checks that every task of the crowd has ended well.
#[track_caller]
fn check_all_done(stage: &Stage) {
    for number in 0..CROWD {
        let name = name(number);
        assert_eq!(stage.ended(&name).status, ResultStatus::Completed, "{name}");
        let info = stage.info(&name);
        assert_eq!(
            (info.status, info.exit_code),
            (RunStatus::Completed, 0),
            "{name}"
        );
    }
    stage.assert_nobody_left();
    stage.scenario.assert_no_clash();
    let counts = stage.json("list")["counts"].clone();
    assert_eq!(counts["all_finished"], CROWD);
}

/// Every agent waits until all have written their line: they are alive together.
#[test]
fn fifty_agents_work_truly_at_once() {
    let stage = Stage::new(
        "
  - run: echo $JRUN_TASK_ID >>@/present
  - wait_for: {file: @/go, timeout: 300s}
  - done: true",
    );
    for number in 0..CROWD {
        stage.detach(&name(number), "--max-attempts 1");
    }
    stage.wait_for_lines("present", CROWD);
    for number in 0..CROWD {
        stage.works(&name(number));
    }
    stage.touch("go");
    check_all_done(&stage);
}

/// Every agent notes when it comes and goes, under a lock.
#[test]
fn eight_slots_hold_eight_agents_and_all_get_their_turn() {
    let stage = Stage::new(
        "
  - run: flock @/lock sh -c 'echo enter >>@/visits'
  - wait_for: {file: @/go, timeout: 300s}
  - sleep: 20ms
  - run: flock @/lock sh -c 'echo leave >>@/visits'
  - done: true",
    )
    .settings("defaults: {max_concurrent_runs: 8}\n");
    for number in 0..CROWD {
        stage.detach(&name(number), "--max-attempts 1");
    }
    // Whoever may work does so now; the others wait for a slot.
    stage.wait_for_lines("visits", 8);
    stage.touch("go");
    check_all_done(&stage);
    let (mut present, mut most) = (0_usize, 0);
    for visit in stage.lines("visits") {
        present = if visit == "enter" {
            present + 1
        } else {
            present - 1
        };
        most = most.max(present);
    }
    assert_eq!(present, 0);
    assert_eq!(most, 8, "the most agents at once");
    assert_eq!(stage.lines("visits").len(), 2 * CROWD);
}

/// The agents of the crowd of the first test, started by one agent.
#[test]
fn a_parent_of_many_children_counts_all_of_them() {
    let stage = Stage::new(
        "
  - run: |
      for n in 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
        run-agent job task-20260101-000000-member-$n --agent child --detach --prompt Part. >/dev/null &
      done
      wait
  - done: true",
    )
    .actor("child", "  - run: echo x >>@/present\n  - wait_for: {file: @/go, timeout: 300s}\n  - say: Here.");
    stage.detach("top", "--max-attempts 1");
    stage.wait_for_lines("present", 16);
    stage.waits_for("top", "children");
    assert_eq!(stage.state("top").children.len(), 16);
    stage.touch("go");
    assert_eq!(stage.ended("top").status, ResultStatus::Completed);
    for number in 0..16 {
        assert_eq!(stage.info(&name(number)).status, RunStatus::Completed);
    }
}
