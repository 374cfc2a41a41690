//! `workflow run`.

use cl_testkit::run_agent::RunAgent;
use rustix::process::Signal;
use serde_json::Value;

use crate::schema::assert_valid;
use crate::stage::{Stage, id};

/// Notes its stage, and does what the file `order` says.
const ACTOR: &str = "
  - run: |
      grep -o 'stage [0-9]* of' $JRUN_RUN_FOLDER/prompt.md >>@/ran
      if [ -e @/order ]; then . @/order; fi
  - output: Done with it.";

const HANG: &str = "if grep -q 'stage 2 of' $JRUN_RUN_FOLDER/prompt.md && ! [ -e @/go ]; then
  touch @/hangs; until [ -e @/go ]; do sleep 0.02; done; fi";

fn workflow(stage: &Stage, flags: &str) -> RunAgent {
    let line = format!("workflow run {} --agent actor {flags}", id("top"));
    stage.command(&line)
}

fn order(stage: &Stage, text: &str) {
    std::fs::write(stage.path("order"), stage.fill(text)).unwrap();
}

fn prompted(stage: &Stage, flags: &str) -> RunAgent {
    workflow(stage, flags).args(&["--prompt", "Write it."])
}

#[track_caller]
fn said(text: &str) -> Value {
    let said = serde_json::from_str(text).unwrap();
    assert_valid("workflow-run", &said);
    said
}

fn ran(stage: &Stage) -> Vec<String> {
    let number = |line: String| line.split(' ').nth(1).unwrap().to_owned();
    stage.lines("ran").into_iter().map(number).collect()
}

#[test]
fn stages_run_in_order_and_are_linked() {
    let stage = Stage::new(ACTOR);
    let finished = prompted(&stage, "--to-stage 2 --json").ok();
    let said = said(&finished.stdout);
    assert_eq!(said["executed_stages"], serde_json::json!([0, 1, 2]));
    assert_eq!(said["skipped_stages"], serde_json::json!([]));
    assert!(said["state"]["completed_at"].is_string());
    assert_eq!(ran(&stage), ["0", "1", "2"]);
    let infos = stage.infos_by_time("top");
    for (index, info) in infos.iter().enumerate() {
        assert_eq!(
            (info.role.as_str(), info.iteration),
            ("stage", u32::try_from(index).ok())
        );
        let before = index
            .checked_sub(1)
            .map(|before| infos[before].run_id.clone());
        assert_eq!(info.previous_run_id, before);
    }
    let task = std::fs::read_to_string(stage.dir("top").prompt()).unwrap();
    assert_eq!(task, "Write it.\n", "the task, not the first stage");
    let prompt = std::fs::read_to_string(&infos[2].prompt_path).unwrap();
    assert!(prompt.contains("Do not create the file DONE"), "{prompt}");
    assert!(prompt.contains(infos[0].output_path.as_str()), "{prompt}");
    assert_eq!(stage.said("top", "DECISION").len(), 1);
    assert_eq!(stage.said("top", "FACT").len(), 4);
    let text = workflow(&stage, "--resume --to-stage 3").ok().stdout;
    assert!(
        text.contains("executed stages: [3]\nskipped stages: [0, 1, 2]\n"),
        "{text}"
    );
}

#[test]
fn a_stage_that_fails_ends_the_workflow_and_resuming_repeats_it() {
    let stage = Stage::new(ACTOR);
    order(
        &stage,
        "if grep -q 'stage 1 of' $JRUN_RUN_FOLDER/prompt.md; then exit 3; fi",
    );
    let finished = prompted(&stage, "--to-stage 2 --json").run();
    finished.assert_code(1);
    let failed = said(&finished.stdout);
    assert!(
        failed["error"].as_str().unwrap().contains("stage 1 failed"),
        "{failed}"
    );
    assert_eq!(failed["state"]["stages"][1]["status"], "failed");
    assert_eq!(
        stage
            .said("top", "ERROR")
            .iter()
            .filter(|text| text.starts_with("workflow stage 1 failed"))
            .count(),
        1
    );
    order(&stage, "");
    let resumed = said(&workflow(&stage, "--to-stage 2 --resume --json").ok().stdout);
    assert_eq!(resumed["executed_stages"], serde_json::json!([1, 2]));
    assert_eq!(resumed["state"]["stages"][1]["attempts"], 2);
    let fresh = said(&workflow(&stage, "--to-stage 0 --json").ok().stdout);
    assert_eq!(fresh["state"]["stages"][0]["attempts"], 1);
    assert_eq!(
        fresh["state"]["stages"][1]["status"], "completed",
        "not selected"
    );
}

#[test]
fn an_interruption_stops_the_stage() {
    let stage = Stage::new(ACTOR);
    order(&stage, HANG);
    let running = prompted(&stage, "--to-stage 3 --json").spawn();
    stage.wait_for("hangs");
    running.signal_group(Signal::INT);
    let finished = running.finish();
    finished.assert_code(130);
    stage.assert_nobody_left();
    let ended = said(&finished.stdout);
    assert_eq!(ended["state"]["stages"][2]["error"], "interrupted");
    stage.touch("go");
    let resumed = said(&workflow(&stage, "--to-stage 3 --resume --json").ok().stdout);
    assert_eq!(resumed["executed_stages"], serde_json::json!([2, 3]));
}

#[test]
fn a_killed_command_is_resumed_in_the_middle_of_a_stage() {
    let stage = Stage::new(ACTOR);
    order(&stage, HANG);
    let running = prompted(&stage, "--to-stage 3").spawn();
    stage.wait_for("hangs");
    running.signal(Signal::KILL);
    running.finish();
    workflow(&stage, "--to-stage 3").run().assert_code(4);
    let resumed = workflow(&stage, "--to-stage 3 --resume --json").spawn();
    stage.touch("go");
    let finished = resumed.finish();
    finished.assert_code(0);
    assert_eq!(
        said(&finished.stdout)["executed_stages"],
        serde_json::json!([2, 3])
    );
    assert_eq!(ran(&stage), ["0", "1", "2", "3"], "its run counts");
    stage.scenario.assert_no_clash();
}

#[test]
fn a_stage_whose_run_was_lost_is_marked_and_repeated() {
    let stage = Stage::new(ACTOR);
    order(&stage, HANG);
    let running = prompted(&stage, "--to-stage 2").spawn();
    stage.wait_for("hangs");
    running.signal(Signal::KILL);
    running.finish();
    stage.ok(&format!("stop {} --force", id("top")));
    stage.touch("go");
    let resumed = said(&workflow(&stage, "--to-stage 2 --resume --json").ok().stdout);
    assert_eq!(resumed["state"]["stages"][2]["attempts"], 2);
    assert_eq!(ran(&stage), ["0", "1", "2", "2"]);
}

#[test]
fn a_dry_run_writes_nothing() {
    let stage = Stage::new(ACTOR);
    let planned = said(
        &prompted(&stage, "--from-stage 3 --to-stage 4 --dry-run --json")
            .ok()
            .stdout,
    );
    assert_eq!(planned["planned_stages"], serde_json::json!([3, 4]));
    assert_eq!(
        (&planned["state"], &planned["executed_stages"]),
        (&Value::Null, &serde_json::json!([]))
    );
    assert!(!stage.path("root").exists());
    prompted(&stage, "--to-stage 0").ok();
    let text = workflow(&stage, "--to-stage 1 --resume --dry-run")
        .ok()
        .stdout;
    assert!(text.contains("dry-run planned stages: [1]\n"), "{text}");
    assert_eq!(ran(&stage), ["0"]);
}

#[test]
fn mistakes_are_told_before_anything_is_made() {
    let stage = Stage::new(ACTOR);
    for (flags, part) in [
        ("", "has no TASK.md"),
        ("--prompt x --from-stage 13", "--from-stage"),
        ("--prompt x --from-stage 3 --to-stage 2", "is behind"),
        ("--prompt x --template other", "unknown template"),
        ("--prompt-file empty", "empty"),
        ("--prompt x --agent nobody", "cannot be used multiple times"),
    ] {
        std::fs::write(stage.path("work/empty"), "").unwrap();
        let finished = workflow(&stage, flags).run();
        finished.assert_code(2);
        assert!(finished.stderr.contains(part), "{flags}: {finished:?}");
    }
    assert!(!stage.path("root").exists());
    prompted(&stage, "--to-stage 0 --template the_prompt_V5").ok();
    let other = workflow(&stage, "--prompt Other. --to-stage 0").run();
    other.assert_code(2);
    assert!(other.stderr.contains("says something else"), "{other:?}");
    let state = stage.dir("top").path().join("workflow-state.yaml");
    let line = format!(
        "workflow run {} --prompt x --state-file {}",
        id("two"),
        state.display()
    );
    stage.command(&line).run().assert_code(4);
}
