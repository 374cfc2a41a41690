//! `job batch`.

use cl_testkit::patience::until;
use cl_testkit::run_agent::{Finished, RunAgent};
use rustix::process::Signal;
use serde_json::Value;

use crate::schema::assert_valid;
use crate::stage::{Stage, id};

/// Notes that it runs, and fails or hangs if its prompt says so.
const ACTOR: &str = "
  - run: |
      prompt=$JRUN_RUN_FOLDER/prompt.md
      echo $(tail -n 1 $prompt) >>@/ran
      if grep -q Break $prompt; then exit 1; fi
      if grep -q Hang $prompt; then exec sleep 1000; fi
  - output: Fine.";

fn batch(stage: &Stage, args: &[&str]) -> RunAgent {
    let command = stage.command("job batch --agent actor");
    command.args(args)
}

#[track_caller]
fn lines(finished: &Finished) -> Vec<Value> {
    let lines = finished.stdout.lines();
    let lines: Vec<Value> = lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for line in &lines {
        assert_valid("job-batch", line);
    }
    lines
}

fn statuses(lines: &[Value]) -> Vec<&str> {
    lines
        .iter()
        .map(|line| line["status"].as_str().unwrap())
        .collect()
}

#[test]
fn items_run_one_after_another_in_the_order_given() {
    let stage = Stage::new(ACTOR);
    std::fs::write(stage.path("work/two.md"), "Two.\n").unwrap();
    let args = [
        "--prompt",
        "One.",
        "--prompt-file",
        "two.md",
        "--prompt",
        "Three.",
    ];
    let finished = batch(&stage, &args).ok();
    assert_eq!(stage.lines("ran"), ["One.", "Two.", "Three."]);
    let said: Vec<&str> = finished.stdout.lines().collect();
    assert_eq!(said.len(), 3, "{finished:?}");
    assert!(
        said[1].starts_with("batch item 2/3 completed: task-"),
        "{said:?}"
    );
    stage.assert_nobody_left();
}

#[test]
fn a_failure_ends_the_batch_or_not() {
    let stage = Stage::new(ACTOR);
    let args = ["--prompt", "Break.", "--prompt", "Two.", "--json"];
    let finished = batch(&stage, &args).run();
    finished.assert_code(1);
    let said = lines(&finished);
    assert_eq!(statuses(&said), ["failed", "not_started"]);
    assert_eq!(said[1]["reason"], "another item failed");
    assert_eq!(stage.lines("ran"), ["Break."]);
    assert!(
        finished
            .stderr
            .contains("1 of 2 batch items failed, 1 not started"),
        "{finished:?}"
    );
    let finished = batch(&stage, &args).arg("--continue-on-fail").run();
    finished.assert_code(1);
    assert_eq!(statuses(&lines(&finished)), ["failed", "completed"]);
    assert!(
        finished.stderr.contains("1 of 2 batch items failed"),
        "{finished:?}"
    );
}

#[test]
fn a_manifest_orders_its_items() {
    let stage = Stage::new(ACTOR);
    let manifest = format!(
        "version: 1\nitems:\n  - {{task: {last}, prompt: Last., depends_on: [{first}]}}\n  \
         - {{task: {first}, prompt_file: first.md, cwd: sub}}\n  \
         - {{task: {bad}, prompt: Break.}}\n  \
         - {{task: {never}, prompt: Never., depends_on: [{bad}]}}\n",
        last = id("last"),
        first = id("first"),
        bad = id("bad"),
        never = id("never"),
    );
    std::fs::create_dir(stage.path("plan")).unwrap();
    std::fs::create_dir(stage.path("plan/sub")).unwrap();
    std::fs::write(stage.path("plan/m.yaml"), manifest).unwrap();
    std::fs::write(stage.path("plan/first.md"), "First.").unwrap();
    let path = stage.path("plan/m.yaml");
    let args = [
        "--manifest",
        path.to_str().unwrap(),
        "--json",
        "--continue-on-fail",
        "--parallel",
        "4",
    ];
    let finished = batch(&stage, &args).run();
    finished.assert_code(1);
    let said = lines(&finished);
    let expected = ["completed", "completed", "failed", "not_started"];
    assert_eq!(statuses(&said), expected, "in the order of the manifest");
    assert_eq!(said[3]["reason"], format!("it depends on {}", id("bad")));
    let ran = stage.lines("ran");
    let at = |text: &str| ran.iter().position(|line| line == text).unwrap();
    assert!(at("First.") < at("Last."), "{ran:?}");
    assert!(stage.info("first").cwd.ends_with("plan/sub"));
    assert!(!stage.dir("never").exists());
}

#[test]
fn an_interruption_stops_all_that_run_and_reports_the_rest() {
    let stage = Stage::new(ACTOR).settings("defaults: {stop_suppression: 2h}\n");
    let args = [
        "--prompt",
        "Hang 1.",
        "--prompt",
        "Hang 2.",
        "--prompt",
        "Three.",
        "--parallel",
        "2",
        "--json",
    ];
    let running = batch(&stage, &args).spawn();
    stage.wait_for_lines("ran", 2);
    running.signal_group(Signal::INT);
    let finished = running.finish();
    finished.assert_code(130);
    assert_eq!(
        statuses(&lines(&finished)),
        ["stopped", "stopped", "not_started"]
    );
    stage.assert_nobody_left();
    let project = stage.scenario.root().projects().unwrap().remove(0);
    let tasks = project.tasks().unwrap();
    let marks = tasks.iter().filter_map(|task| {
        let text = std::fs::read_to_string(task.path().join("STOP-REQUESTED")).ok()?;
        let times = ["", "expires_at: "].map(|key| {
            let mut found = text.lines().filter_map(|line| line.strip_prefix(key));
            found
                .find_map(|time| time.parse::<jiff::Timestamp>().ok())
                .unwrap()
        });
        Some(times[1].duration_since(times[0]).as_secs())
    });
    let marks: Vec<i64> = marks.collect();
    assert_eq!(marks, [7200, 7200], "as the configuration says");
}

#[test]
fn a_killed_batch_leaves_its_runs_to_their_supervisors() {
    let stage =
        Stage::new(&ACTOR.replace("exec sleep 1000", "until [ -e @/go ]; do sleep 0.02; done"));
    let task = ["--task", &id("one"), "--prompt", "Hang."];
    let running = batch(&stage, &task).spawn();
    stage.wait_for_lines("ran", 1);
    running.signal(Signal::KILL);
    running.finish();
    stage.works("one");
    stage.touch("go");
    assert_eq!(stage.ended("one").exit_code, 0);
    until("the end", || !stage.scenario.survivors().exist());
}

#[test]
fn nothing_starts_if_one_item_cannot() {
    let stage = Stage::new(ACTOR);
    for (args, code, part) in [
        (&["--prompt", "x"][..], 0, ""),
        (&[], 2, "there is no prompt"),
        (
            &["--prompt", "x", "--prompt", " "],
            2,
            "the prompt is empty",
        ),
        (&["--prompt", "x", "--prompt-file", "nowhere"], 3, "nowhere"),
        (&["--task", "t", "--prompt", "x"], 2, "task ID"),
        (
            &["--task", &id("one"), "--prompt", "x", "--prompt", "y"],
            2,
            "1 tasks are named for 2",
        ),
        (&["--prompt", "x", "--parallel", "0"], 2, "--parallel"),
        (
            &["--prompt", "x", "--manifest", "m.yaml"],
            2,
            "cannot be used with",
        ),
        (
            &["--manifest", "nowhere.yaml"],
            3,
            "could not read the manifest",
        ),
    ] {
        let finished = batch(&stage, args).run();
        finished.assert_code(code);
        assert!(finished.stderr.contains(part), "{args:?}: {finished:?}");
    }
    assert_eq!(stage.lines("ran").len(), 1, "only the good one");
    let bad = "items:\n  - prompt: x\n    agnt: y\n";
    std::fs::write(stage.path("work/m.yaml"), bad).unwrap();
    let finished = batch(&stage, &["--manifest", "m.yaml"]).run();
    finished.assert_code(2);
    assert!(finished.stderr.contains("m.yaml:3:5"), "{finished:?}");
    let other = stage.command("job batch --agent nobody --prompt x").run();
    other.assert_code(2);
}

#[test]
fn nothing_starts_if_a_task_runs_or_was_given_up() {
    let stage = Stage::new(
        &ACTOR
            .replace("exec sleep 1000", "until [ -e @/go ]; do sleep 0.02; done")
            .replace("- output: Fine.", "- done: true"),
    );
    let one = ["--task", &id("one"), "--prompt", "Hang."];
    let running = batch(&stage, &one).spawn();
    stage.wait_for_lines("ran", 1);
    let two = id("two");
    let both = [&["--task", &two, "--prompt", "Two."][..], &one].concat();
    for flag in ["--parallel=1", "--continue-on-fail"] {
        let refused = batch(&stage, &both).arg(flag).run();
        refused.assert_code(4);
        let said = format!("task {} is running already", id("one"));
        assert!(refused.stderr.contains(&said), "{refused:?}");
        assert_eq!(refused.stdout, "");
    }
    stage.touch("go");
    running.finish().assert_code(0);
    stage.ok(&format!("task cancel {} --reason no", id("one")));
    let refused = batch(&stage, &both).run();
    refused.assert_code(4);
    assert!(refused.stderr.contains("is marked"), "{refused:?}");
    assert!(!stage.dir("two").exists());
    assert_eq!(stage.lines("ran").len(), 1);
}

#[test]
fn inside_an_agent_the_items_are_its_children() {
    let stage = Stage::new(
        "
  - run: run-agent job batch --agent child --prompt One. --prompt Two. --parallel 2 >@/said 2>&1
  - done: true",
    )
    .actor("child", "  - say: Fine.");
    stage.task("top", "--max-attempts 1").assert_code(0);
    assert_eq!(stage.lines("said").len(), 2, "{:?}", stage.lines("said"));
    assert_eq!(stage.state("top").children.len(), 2);
}

#[test]
fn what_the_agents_say_is_followed_without_secrets() {
    const TALKER: &str = "
  - say: I begin with A_TOKEN=canary-value here.
  - output: Fine.";
    let stage = Stage::new(TALKER);
    let tasks = ["--task", &id("one"), "--task", &id("two")];
    let prompts = ["--prompt", "One.", "--prompt", "Two."];
    let finished = batch(&stage, &["--follow", "--parallel", "2"])
        .args(&tasks)
        .args(&prompts)
        .ok();
    for task in ["one", "two"] {
        let line = format!("[{}] I begin with A_TOKEN=[REDACTED] here.\n", id(task));
        assert!(finished.stdout.contains(&line), "{finished:?}");
    }
    assert!(!finished.stdout.contains("canary"), "{finished:?}");
    let finished = batch(&stage, &["--json", "-f"]).args(&prompts).ok();
    assert_eq!(statuses(&lines(&finished)), ["completed", "completed"]);
}
