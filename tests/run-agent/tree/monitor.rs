//! `monitor`.

use std::os::unix::fs::PermissionsExt as _;

use cl_storage::durable;
use cl_storage::lock::HeldLock;
use cl_storage::marker::{self, Marker};
use cl_storage::task_state::ResultStatus;
use cl_testkit::patience::{eventually, until};
use cl_testkit::run_agent::{Finished, RunAgent, Running};
use cl_testkit::scenario::PROJECT;
use rustix::process::Signal;
use serde_json::Value;

use crate::schema::assert_valid;
use crate::stage::{Stage, id};

/// Notes that it runs, does what the file `order` says, and is done.
const ACTOR: &str = "
  - run: |
      echo $JRUN_TASK_ID >>@/ran
      if [ -e @/order ]; then . @/order; fi
  - done: true";

const QUICK: &str = "--interval 200ms --rate-limit 0 --retry-delay 0 --agent actor";

fn list(stage: &Stage, text: &str) {
    std::fs::write(stage.path("work/TODOs.md"), text).unwrap();
}

fn listed(stage: &Stage) -> String {
    std::fs::read_to_string(stage.path("work/TODOs.md")).unwrap()
}

fn order(stage: &Stage, text: &str) {
    // Whole or not at all: an agent may be reading it.
    let (path, text) = (stage.path("order"), stage.fill(text));
    durable::replace(&path, text.as_bytes(), durable::Mode::Shared).unwrap();
}

fn monitor(stage: &Stage, flags: &str) -> RunAgent {
    stage.command(&format!("monitor {QUICK} {flags}"))
}

fn daemon(stage: &Stage, flags: &str) -> Running {
    let running = monitor(stage, &format!("{flags} --json")).spawn();
    until("a monitor", || is_running(stage));
    running
}

fn is_running(stage: &Stage) -> bool {
    let said = stage.json("monitor --status");
    assert_valid("monitor-status", &said);
    said["running"] == true && said["pid"].is_number()
}

fn events(text: &str) -> Vec<(String, String)> {
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    lines
        .map(|line: Value| {
            assert_valid("monitor", &line);
            (text(&line["action"]), text(&line["reason"]))
        })
        .collect()
}

#[track_caller]
fn end(running: Running) -> Finished {
    running.signal(Signal::TERM);
    let began = std::time::Instant::now();
    let finished = running.finish();
    assert!(began.elapsed() < std::time::Duration::from_secs(2));
    finished.assert_code(0);
    finished
}

fn counts(said: &[(String, String)], action: &str) -> usize {
    said.iter().filter(|(word, _)| word == action).count()
}

#[test]
fn tasks_are_started_and_their_boxes_ticked() {
    let stage = Stage::new(ACTOR);
    let text = format!(
        "# List\r\n- [ ] {}: Write it.\r\n- [x] {}: Old.\r\n",
        id("one"),
        id("old")
    );
    list(&stage, &text);
    let path = stage.path("work/TODOs.md");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    let running = daemon(&stage, "");
    until("the box", || {
        listed(&stage).contains("- [x] task-20260101-000000-one")
    });
    let said = events(&end(running).stdout);
    assert_eq!(counts(&said, "start"), 1, "{said:?}");
    assert_eq!(counts(&said, "tick"), 1, "{said:?}");
    assert_eq!(
        listed(&stage),
        text.replace("- [ ]", "- [x]"),
        "line ends are kept"
    );
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
    let prompt = std::fs::read_to_string(stage.dir("one").prompt()).unwrap();
    assert_eq!(prompt, format!("{}: Write it.\n", id("one")));
    assert_eq!(stage.lines("ran"), [id("one")]);
    assert!(!stage.dir("old").exists());
}

#[test]
fn ending_the_monitor_leaves_its_tasks_alone() {
    let stage = Stage::new(ACTOR);
    order(&stage, "until [ -e @/go ]; do sleep 0.02; done");
    list(&stage, &format!("- [ ] {}\n", id("one")));
    let running = daemon(&stage, "");
    stage.works("one");
    end(running);
    assert!(!is_running(&stage));
    stage.works("one");
    let running = daemon(&stage, "");
    running.signal(Signal::KILL);
    running.finish();
    let running = daemon(&stage, "");
    stage.touch("go");
    until("the box", || listed(&stage).contains("- [x]"));
    end(running);
    assert_eq!(stage.lines("ran").len(), 1, "never started twice");
    stage.scenario.assert_no_clash();
}

#[test]
fn of_two_that_start_together_one_is_the_monitor() {
    let stage = Stage::new(ACTOR);
    list(&stage, "nothing\n");
    let folder = stage.path("root").join(PROJECT);
    std::fs::create_dir_all(&folder).unwrap();
    std::os::unix::fs::symlink(stage.path("root"), stage.path("link")).unwrap();
    let garbage = [
        "",
        "1\n",
        "pid: [",
        "pid: 1\nprocess_start: x\n",
        "99999999",
    ];
    for garbage in garbage.iter().cycle().take(50) {
        std::fs::write(folder.join(".monitor.pid"), garbage).unwrap();
        let root = stage.path("link");
        let flag = ["--root", root.to_str().unwrap()];
        let mut two = [
            monitor(&stage, "").spawn(),
            monitor(&stage, "").args(&flag).spawn(),
        ];
        let loser = eventually("one that has ended", || {
            two.iter_mut().position(Running::has_ended)
        });
        let [first, second] = two;
        let (loser, winner) = if loser == 0 {
            (first, second)
        } else {
            (second, first)
        };
        let lost = loser.finish();
        lost.assert_code(4);
        assert!(
            lost.stderr
                .contains("monitor already running for project \"demo\""),
            "{lost:?}"
        );
        until("its name", || is_running(&stage));
        end(winner);
        let text = std::fs::read_to_string(folder.join(".monitor.pid")).unwrap();
        assert_eq!(text, "", "the file stays, without a name");
    }
}

#[test]
fn a_monitor_of_an_earlier_build_is_noticed() {
    let stage = Stage::new(ACTOR);
    list(&stage, &format!("- [ ] {}\n", id("one")));
    let folder = stage.path("root").join(PROJECT);
    std::fs::create_dir_all(&folder).unwrap();
    let plate = folder.join(".monitor.pid");
    let no_wait = std::time::Duration::ZERO;
    let held = HeldLock::acquire(&plate, durable::Mode::Shared, no_wait).unwrap();
    let lost = monitor(&stage, "--once").run();
    lost.assert_code(4);
    assert!(lost.stderr.contains("monitor already running"), "{lost:?}");
    assert!(!stage.dir("one").exists());
    drop(held);
    monitor(&stage, "--once").ok();
    stage.ended("one");
}

#[test]
fn a_box_that_names_no_task_is_told_once() {
    let stage = Stage::new(ACTOR);
    let text = format!("```\n- [ ] {}\n```\n* [ ] task-2026-bad\n", id("shown"));
    list(&stage, &text);
    let running = daemon(&stage, "");
    list(&stage, &format!("moved\n{text}1. [ ] {}\n", id("one")));
    until("the box", || {
        listed(&stage).contains("1. [x] task-20260101-000000-one")
    });
    let said = end(running).stderr;
    assert_eq!(said.matches("the box names no task").count(), 1, "{said}");
    assert!(!stage.dir("shown").exists(), "it is an example");
}

#[test]
fn a_stopped_or_cancelled_task_stays_as_it_is() {
    let stage = Stage::new(ACTOR);
    order(&stage, "until [ -e @/go ]; do sleep 0.02; done");
    list(
        &stage,
        &format!("- [ ] {}\n- [ ] {}\n", id("one"), id("two")),
    );
    stage.dir("two").ensure().unwrap();
    let given_up = marker::Cancellation {
        at: jiff::Timestamp::UNIX_EPOCH,
        reason: "no".to_owned(),
        superseded_by: None,
    };
    marker::cancel(&stage.dir("two"), &given_up).unwrap();
    let running = daemon(&stage, "");
    stage.works("one");
    stage.ok(&format!("stop {}", id("one")));
    let reason = "skip restart: stop-requested within window";
    until("the skip line", || running.printed().contains(reason));
    list(
        &stage,
        &format!("- [ ] {}\n- [ ] {}\nchanged\n", id("one"), id("two")),
    );
    until("a third task", || {
        list(
            &stage,
            &format!(
                "- [ ] {}\n- [ ] {}\n- [ ] {}\n",
                id("one"),
                id("two"),
                id("three")
            ),
        );
        stage.dir("three").exists()
    });
    let said = events(&end(running).stdout);
    let skips = said.iter().filter(|(_, why)| why == reason).count();
    assert_eq!(skips, 1, "told once: {said:?}");
    assert!(
        said.iter().any(|(_, why)| why == "it was given up"),
        "{said:?}"
    );
    assert_eq!(counts(&said, "resume"), 0, "{said:?}");
    assert!(
        Marker::StopRequested.path(&stage.dir("one")).exists(),
        "never taken away"
    );
    assert_eq!(stage.runs("one").len(), 1);
    assert_eq!(stage.runs("two").len(), 0);
}

#[test]
fn a_stop_whose_window_is_over_is_no_obstacle() {
    let stage = Stage::new(ACTOR);
    list(&stage, &format!("- [ ] {}\n", id("one")));
    stage.dir("one").ensure().unwrap();
    let marker = Marker::StopRequested.path(&stage.dir("one"));
    std::fs::write(&marker, "2026-01-01T00:00:00Z\n").unwrap();
    monitor(&stage, "--once").ok();
    stage.ended("one");
    assert!(!marker.exists(), "its owner has deleted it");
}

#[test]
fn a_task_that_always_fails_is_given_up() {
    let stage = Stage::new("  - run: echo x >>@/ran\n  - exit: 3");
    list(&stage, &format!("- [ ] {}\n", id("one")));
    stage
        .launch("task", "one", "--max-attempts 1")
        .run()
        .assert_code(1);
    let running = daemon(&stage, "--max-attempts 2");
    until("the end of it", || running.printed().contains("give_up"));
    let said = events(&end(running).stdout);
    assert_eq!(counts(&said, "resume"), 2, "{said:?}");
    assert_eq!(stage.lines("ran").len(), 3);
    assert_eq!(
        stage
            .said("one", "ERROR")
            .iter()
            .filter(|text| text.contains("needs a person"))
            .count(),
        1
    );
    let again = monitor(&stage, "--max-attempts 2 --once --json").ok();
    assert_eq!(
        events(&again.stdout)[0],
        ("skip".into(), "it was started too often".into())
    );
    assert_eq!(stage.lines("ran").len(), 3, "another monitor remembers");
}

#[test]
fn a_run_without_a_sign_of_life_is_stopped_and_the_task_goes_on() {
    let stage = Stage::new(ACTOR);
    order(
        &stage,
        "if ! [ -e @/go ]; then touch @/go; exec sleep 1000; fi",
    );
    list(&stage, &format!("- [ ] {}\n", id("one")));
    let running = daemon(&stage, "--stale-after 1s");
    until("the box", || listed(&stage).contains("- [x]"));
    let said = events(&end(running).stdout);
    assert!(counts(&said, "recover") >= 1, "{said:?}");
    assert_eq!(stage.lines("ran").len(), 2);
    assert_eq!(
        stage.infos_by_time("one")[0].stop.as_ref().unwrap().by,
        marker::MONITOR
    );
    let prompt = std::fs::read_to_string(&stage.infos_by_time("one")[1].prompt_path).unwrap();
    assert!(
        prompt.contains("Continue working on the following"),
        "{prompt}"
    );
}

#[test]
fn a_lost_task_is_taken_up() {
    let stage = Stage::new(ACTOR);
    order(&stage, "until [ -e @/go ]; do sleep 0.02; done");
    list(&stage, &format!("- [ ] {}\n", id("one")));
    stage.detach("one", "");
    let info = stage.works("one");
    let supervisor = rustix::process::Pid::from_raw(info.supervisor_pid.unwrap()).unwrap();
    rustix::process::kill_process(supervisor, Signal::KILL).unwrap();
    stage.touch("go");
    let running = daemon(&stage, "");
    until("the box", || listed(&stage).contains("- [x]"));
    end(running);
    stage.scenario.assert_no_clash();
}

#[test]
fn only_so_many_run_at_once() {
    let stage = Stage::new(ACTOR);
    order(&stage, "until [ -e @/go ]; do sleep 0.02; done");
    let names = ["one", "two", "three"];
    let lines: Vec<String> = names
        .iter()
        .map(|name| format!("- [ ] {}", id(name)))
        .collect();
    list(&stage, &lines.join("\n"));
    let running = daemon(&stage, "--max-parallel 2");
    stage.works("two");
    until("the third one waits", || {
        running.printed().contains("as many run as may")
    });
    assert!(!stage.dir("three").exists());
    stage.touch("go");
    until("all boxes", || !listed(&stage).contains("- [ ]"));
    end(running);
    assert_eq!(stage.lines("ran").len(), 3);
}

#[test]
fn a_dry_run_does_nothing_and_needs_no_lock() {
    let stage = Stage::new(ACTOR);
    list(&stage, &format!("- [ ] {}\n", id("one")));
    let said = monitor(&stage, "--once --dry-run --json").ok();
    assert_eq!(
        events(&said.stdout),
        [("start".into(), "it never ran".into())]
    );
    assert!(!stage.path("root").exists());
    let text = monitor(&stage, "--once --dry-run").ok().stdout;
    assert!(
        text.starts_with("monitor: checking 1 pending task(s) from "),
        "{text}"
    );
    list(&stage, "nothing\n");
    let text = monitor(&stage, "--once --dry-run").ok().stdout;
    assert!(
        text.starts_with("monitor: no pending task IDs found in "),
        "{text}"
    );
}

#[test]
fn a_run_that_ended_well_is_done_only_if_the_user_says_so() {
    let stage = Stage::new("  - output: The answer.");
    list(&stage, &format!("- [ ] {}\n", id("one")));
    stage.launch("job", "one", "").ok();
    let said = monitor(&stage, "--once --json").ok();
    assert_eq!(events(&said.stdout)[0].1, "its run ended well without DONE");
    let said = monitor(&stage, "--once --json --finalize-on-output").ok();
    assert_eq!(events(&said.stdout)[0].0, "finalize");
    assert!(listed(&stage).contains("- [x]"));
    assert!(Marker::Done.path(&stage.dir("one")).is_file());
}

#[test]
fn an_agent_that_cannot_be_started_is_an_error() {
    let stage = Stage::new(ACTOR);
    list(&stage, &format!("- [ ] {}\n", id("one")));
    stage
        .command("monitor --once --agent nobody")
        .run()
        .assert_code(2);
    let missing = stage.command("monitor --once --todo nowhere.md").run();
    missing.assert_code(3);
    assert!(missing.stderr.contains("nowhere.md"), "{missing:?}");
    let zero = stage.command("monitor --interval 0").run();
    zero.assert_code(2);
    assert!(zero.stderr.contains("--once"), "{zero:?}");
    stage
        .command("monitor --max-attempts 0")
        .run()
        .assert_code(2);
    let status = stage.command("monitor --status").ok();
    assert_eq!(status.stdout, "no monitor running\n");
    assert!(!stage.path("root").exists());
}

#[test]
fn an_agent_that_only_writes_causes_no_passes() {
    let stage = Stage::new(ACTOR);
    order(
        &stage,
        "until [ -e @/go ]; do echo noise; echo noise >&2; sleep 0.01; done",
    );
    list(&stage, &format!("- [ ] {}\n", id("one")));
    let running = daemon(&stage, "");
    stage.works("one");
    stage.touch("go");
    assert_eq!(stage.ended("one").status, ResultStatus::Completed);
    until("the box", || listed(&stage).contains("- [x]"));
    let said = events(&end(running).stdout);
    assert_eq!(
        counts(&said, "start") + counts(&said, "resume"),
        1,
        "{said:?}"
    );
}
