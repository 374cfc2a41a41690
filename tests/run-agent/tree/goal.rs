//! `goal decompose` and `goal apply`.

use cl_testkit::patience::until;
use cl_testkit::run_agent::RunAgent;
use rustix::process::Signal;
use serde_json::Value;

use crate::schema::assert_valid;
use crate::stage::Stage;

/// Notes that it runs, does what the file `order` says, and is done.
const ACTOR: &str = "
  - run: |
      echo $JRUN_TASK_ID >>@/ran
      if [ -e @/order ]; then . @/order; fi
  - output: Done with it.
  - done: true";

fn order(stage: &Stage, text: &str) {
    std::fs::write(stage.path("order"), stage.fill(text)).unwrap();
}

fn decompose(stage: &Stage, args: &[&str]) -> RunAgent {
    stage.command("goal decompose").args(args)
}

fn plan(stage: &Stage) -> Value {
    decompose(stage, &["--goal", "Build it.", "--out", "plan.json"]).ok();
    let text = std::fs::read_to_string(stage.path("work/plan.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn apply(stage: &Stage, flags: &str) -> RunAgent {
    stage.command(&format!("goal apply plan.json {flags}"))
}

/// Returns the numbers of the tasks that ran, in order.
fn ran(stage: &Stage) -> Vec<String> {
    let number = |line: String| line.split('-').nth(3).unwrap().to_owned();
    stage.lines("ran").into_iter().map(number).collect()
}

fn statuses(text: &str, wanted: &str) -> usize {
    let lines = text.lines().map(|line| {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_valid("goal-apply", &line);
        line
    });
    lines.filter(|line| line["status"] == wanted).count()
}

#[test]
fn a_goal_always_gives_the_same_plan() {
    let stage = Stage::new(ACTOR);
    let said = decompose(&stage, &["--goal", "Build it.", "--json"])
        .ok()
        .json();
    assert_valid("goal-decompose", &said);
    std::fs::write(stage.path("work/goal.md"), "Build it.\r\n").unwrap();
    let out = decompose(&stage, &["--goal-file", "goal.md", "--out", "plan.json"]).ok();
    assert_eq!(out.stdout, "", "the file is enough");
    let text = std::fs::read_to_string(stage.path("work/plan.json")).unwrap();
    let file: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(file["tasks"], said["tasks"]);
    assert_eq!(file["goal"]["mode"], "file");
    let yaml = decompose(&stage, &["--goal", "Build it.", "--out", "-"])
        .ok()
        .stdout;
    assert!(
        yaml.starts_with("schema_version: goal-workflow/v1\n"),
        "{yaml}"
    );
    let agents: Vec<&str> = said["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| t["agent"].as_str().unwrap())
        .collect();
    assert_eq!(
        agents,
        [
            "claude", "codex", "codex", "codex", "claude", "gemini", "codex", "claude"
        ]
    );
    assert!(!stage.path("root").exists());
}

#[test]
fn a_plan_is_carried_out_in_order_and_only_once() {
    let stage = Stage::new(ACTOR);
    let plan = plan(&stage);
    let said = apply(&stage, "--json").ok().stdout;
    assert_eq!(statuses(&said, "started"), 8, "{said}");
    assert_eq!(statuses(&said, "done"), 8, "{said}");
    let order = ran(&stage);
    assert_eq!(
        (&order[..3], &order[6..]),
        (
            &["01", "02", "03"].map(str::to_owned)[..],
            &["07", "08"].map(str::to_owned)[..]
        )
    );
    let last = &plan["tasks"][7];
    let file = stage
        .path("root/demo")
        .join(last["prompt_file"].as_str().unwrap());
    let prompt = std::fs::read_to_string(file).unwrap();
    assert!(prompt.contains("> Build it."), "{prompt}");
    assert!(
        prompt.contains(last["depends_on"][0].as_str().unwrap()),
        "{prompt}"
    );
    for task in plan["tasks"].as_array().unwrap() {
        let shown = stage.json(&format!("task show {}", task["task_id"].as_str().unwrap()));
        assert_eq!(shown["task"]["depends_on"], task["depends_on"], "{shown}");
    }
    let again = apply(&stage, "--json").ok().stdout;
    assert_eq!(
        (statuses(&again, "started"), statuses(&again, "done")),
        (0, 8)
    );
    assert_eq!(stage.lines("ran").len(), 8);
}

#[test]
fn so_many_tasks_run_at_once_as_may() {
    let stage = Stage::new(ACTOR);
    plan(&stage);
    order(
        &stage,
        "case $JRUN_TASK_ID in *-04-*|*-05-*|*-06-*) until [ -e @/go ]; do sleep 0.02; done;; esac",
    );
    let running = apply(&stage, "--max-parallel 2").spawn();
    stage.wait_for_lines("ran", 5);
    let refused = apply(&stage, "").run();
    refused.assert_code(4);
    assert_eq!(stage.lines("ran").len(), 5, "the third one waits");
    stage.touch("go");
    running.finish().assert_code(0);
}

#[test]
fn a_limit_on_tasks_holds_without_the_command() {
    let stage = Stage::new(ACTOR);
    plan(&stage);
    order(
        &stage,
        "until [ -e @/go-$JRUN_TASK_ID ]; do sleep 0.02; done",
    );
    let running = apply(&stage, "--max-parallel 2 --json").spawn();
    let started = || {
        running
            .printed()
            .lines()
            .filter(|line| line.contains("\"started\""))
            .count()
    };
    // Three in a row, and two of the three that may run side by side.
    until("five launches", || started() == 5);
    stage.wait_for_lines("ran", 1);
    running.signal_group(Signal::INT);
    let finished = running.finish();
    assert!(
        finished.stderr.contains("to start the rest"),
        "{finished:?}"
    );
    for count in 1..=3 {
        stage.wait_for_lines("ran", count);
        let task = stage.lines("ran").pop().unwrap();
        stage.touch(&format!("go-{task}"));
    }
    stage.wait_for_lines("ran", 5);
    for task in &stage.lines("ran")[3..] {
        stage.touch(&format!("go-{task}"));
    }
    order(&stage, "");
    apply(&stage, "--max-parallel 2").ok();
    assert_eq!(ran(&stage).len(), 8);
}

#[test]
fn a_failure_keeps_what_depends_on_it_from_starting() {
    let stage = Stage::new(ACTOR).settings("defaults: {max_attempts: 1}\n");
    plan(&stage);
    order(&stage, "case $JRUN_TASK_ID in *-03-*) exit 3;; esac");
    let finished = apply(&stage, "--json").run();
    finished.assert_code(1);
    assert_eq!(statuses(&finished.stdout, "failed"), 1);
    assert_eq!(statuses(&finished.stdout, "started"), 8);
    assert_eq!(statuses(&finished.stdout, "blocked"), 5, "{finished:?}");
    order(&stage, "");
    let again = apply(&stage, "--json").run();
    again.assert_code(1);
    assert_eq!(statuses(&again.stdout, "started"), 0);
    assert_eq!(ran(&stage).len(), 3, "what failed is for a person");
    let failed = stage.lines("ran").pop().unwrap();
    stage
        .command(&format!("task resume {failed} --max-attempts 2"))
        .ok();
    // What waited for it begins by itself.
    stage.wait_for_lines("ran", 9);
    apply(&stage, "").ok();
    assert_eq!(ran(&stage).len(), 9);
}

#[test]
fn ending_the_command_leaves_the_tasks_alone() {
    for signal in [Signal::INT, Signal::KILL] {
        let stage = Stage::new(ACTOR);
        plan(&stage);
        order(&stage, "until [ -e @/go ]; do sleep 0.02; done");
        let running = apply(&stage, "--json").spawn();
        let started = || running.printed().matches("\"started\"").count();
        until("all launches", || started() == 8);
        stage.wait_for_lines("ran", 1);
        running.signal_group(signal);
        let code = if signal == Signal::INT {
            Some(130)
        } else {
            None
        };
        assert_eq!(running.finish().code, code);
        // Nobody applies the plan any more, and it is carried out.
        stage.touch("go");
        stage.wait_for_lines("ran", 8);
        let finished = apply(&stage, "--json").run();
        finished.assert_code(0);
        assert_eq!(statuses(&finished.stdout, "started"), 0);
        assert_eq!(statuses(&finished.stdout, "done"), 8);
        assert_eq!(stage.lines("ran").len(), 8, "nothing ran twice");
        stage.scenario.assert_no_clash();
    }
}

#[test]
fn mistakes_are_told_before_anything_is_made() {
    let stage = Stage::new(ACTOR);
    std::fs::write(stage.path("work/empty"), " \n").unwrap();
    for (args, code) in [
        (&[][..], 2),
        (&["--goal", " "], 2),
        (&["--goal", "x", "--goal-file", "empty"], 2),
        (&["--goal-file", "empty"], 2),
        (&["--goal-file", "nowhere"], 3),
        (&["--goal", "x", "--strategy", "other"], 2),
        (&["--goal", "x", "--template", "other"], 2),
        (&["--goal", "x", "--max-parallel", "17"], 2),
    ] {
        decompose(&stage, args).run().assert_code(code);
    }
    apply(&stage, "").run().assert_code(3);
    std::fs::write(stage.path("work/plan.json"), "{\"schema_version\": 1}").unwrap();
    apply(&stage, "").run().assert_code(2);
    let long = "Build it.\nAnd test it.";
    decompose(&stage, &["--goal", long, "--out", "plan.json"]).ok();
    let finished = apply(&stage, "").run();
    finished.assert_code(2);
    assert!(
        finished.stderr.contains("does not hold the whole goal"),
        "{finished:?}"
    );
    apply(&stage, "")
        .args(&["--goal", "Other."])
        .run()
        .assert_code(2);
    stage
        .scenario
        .command(&["goal", "apply", "plan.json", "--project", "other"])
        .run()
        .assert_code(2);
    apply(&stage, "--agent nobody")
        .args(&["--goal", long])
        .run()
        .assert_code(2);
    assert!(!stage.path("root").exists());
    let planned = apply(&stage, "--dry-run --json")
        .args(&["--goal", long])
        .ok()
        .stdout;
    assert_eq!(statuses(&planned, "planned"), 8);
    assert!(!stage.path("root").exists());
}
