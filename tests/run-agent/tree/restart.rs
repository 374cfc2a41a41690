//! The restart loop, attempt after attempt.

use cl_storage::FailureKind;
use cl_storage::run_info::RunStatus::{Completed, Failed};
use cl_storage::task_state::ResultStatus;

use crate::stage::Stage;

const PREFIX: &str = "Continue working on the following:";

fn prompts(stage: &Stage) -> Vec<String> {
    let infos = stage.infos("top");
    infos
        .iter()
        .map(|info| std::fs::read_to_string(&info.prompt_path).unwrap())
        .collect()
}

#[test]
fn an_exit_without_done_is_followed_by_another_attempt() {
    let stage = Stage::new(
        "attempts:
  - - say: Not done.
  - - exit: 3
  - - done: true",
    );
    let finished = stage.task("top", "--restart-delay 0 --json");
    finished.assert_code(0);
    let told = finished.json();
    assert_eq!(told["attempts"], 3);
    assert_eq!(told["status"], "completed");
    let infos = stage.infos("top");
    let ends: Vec<_> = infos
        .iter()
        .map(|info| (info.status, info.exit_code))
        .collect();
    assert_eq!(ends, [(Completed, 0), (Failed, 3), (Completed, 0)]);
    let attempts: Vec<_> = infos.iter().map(|info| info.attempt).collect();
    assert_eq!(attempts, [Some(1), Some(2), Some(3)]);
    assert_eq!(infos[0].previous_run_id, None);
    assert_eq!(infos[1].previous_run_id.as_ref(), Some(&infos[0].run_id));
    assert_eq!(infos[2].previous_run_id.as_ref(), Some(&infos[1].run_id));
    let prompts = prompts(&stage);
    assert!(!prompts[0].contains(PREFIX));
    for prompt in &prompts[1..] {
        assert_eq!(prompt.matches(PREFIX).count(), 1);
        assert!(
            prompt.ends_with(&format!("{PREFIX}\n\nDo it.\n")),
            "{prompt}"
        );
    }
    stage.scenario.assert_no_clash();
}

#[test]
fn attempts_are_used_up() {
    let stage = Stage::new("  - say: Never done.");
    stage
        .task("top", "--restart-delay 0 --max-attempts 3")
        .assert_code(1);
    assert_eq!(stage.infos("top").len(), 3);
    let failure = stage.ended("top").failure.unwrap();
    assert_eq!(failure.kind, FailureKind::CleanExitNotDone);
    assert!(failure.detail.contains("3 attempts"), "{failure}");
    let errors = stage.said("top", "ERROR");
    assert!(errors[0].starts_with("task failed: "), "{errors:?}");
}

#[test]
fn fast_failures_that_look_alike_end_the_loop() {
    let stage = Stage::new("  - exit: 1");
    stage
        .task("top", "--restart-delay 10ms --max-attempts 50")
        .assert_code(1);
    let infos = stage.infos("top");
    assert_eq!(infos.len(), 5);
    // The pause doubles: 10, 20, 40, 80 ms lie at least between end and start.
    for (number, pair) in infos.windows(2).enumerate() {
        let pause = pair[1]
            .start_time
            .unwrap()
            .duration_since(pair[0].end_time.unwrap());
        let least = 10_i128 << number;
        assert!(pause.as_millis() >= least, "pause {number}: {pause}");
    }
    let failure = stage.ended("top").failure.unwrap();
    assert_eq!(failure.kind, FailureKind::AgentCrash);
    assert!(failure.detail.contains("failing fast"), "{failure}");
}

#[test]
fn a_refused_done_is_explained_in_the_next_prompt() {
    let stage = Stage::new(
        "attempts:
  - - done: true
  - - write: {path: @/mended, content: yes}
    - done: true",
    );
    let gate = stage.fill("echo the check sees nothing; test -e @/mended");
    let command = stage.launch("task", "top", "--restart-delay 0");
    command.args(&["--gate", &gate]).ok();
    let prompts = prompts(&stage);
    assert_eq!(prompts.len(), 2);
    assert!(
        prompts[1].contains("the check sees nothing"),
        "{}",
        prompts[1]
    );
    assert!(prompts[1].contains(PREFIX));
    assert!(!prompts[0].contains("the check sees nothing"));
    let folder = stage.dir("top").path().to_owned();
    assert!(folder.join("DONE").is_file());
    assert!(folder.join("DONE.rejected-1").is_file());
    let errors = stage.said("top", "ERROR").concat();
    assert!(errors.contains("the check sees nothing"), "{errors}");
    assert_eq!(stage.state("top").gate_failures.count, 1);
}

#[test]
fn gate_failures_are_used_up() {
    let stage = Stage::new("  - done: true");
    let command = stage.launch("task", "top", "--restart-delay 0 --max-gate-failures 2");
    command.args(&["--gate", "exit 7"]).run().assert_code(1);
    assert_eq!(stage.infos("top").len(), 2);
    let failure = stage.ended("top").failure.unwrap();
    assert_eq!(failure.kind, FailureKind::GateFailed);
    let folder = stage.dir("top").path().to_owned();
    assert!(!folder.join("DONE").exists());
    assert!(folder.join("DONE.rejected-2").is_file());
}

#[test]
fn a_gate_that_removes_the_claim_refuses_it() {
    for (gate, how) in [
        ("echo swept; rm -f $JRUN_TASK_FOLDER/DONE", "DONE was gone"),
        (
            "echo swept; rm -f $JRUN_TASK_FOLDER/DONE; exit 3",
            "exit 3; DONE was gone",
        ),
    ] {
        let stage = Stage::new("  - done: true");
        let command = stage.launch("task", "top", "--restart-delay 0 --max-gate-failures 2");
        command.args(&["--gate", gate]).run().assert_code(1);
        let failure = stage.ended("top").failure.unwrap();
        assert_eq!(failure.kind, FailureKind::GateFailed);
        assert_eq!(stage.infos("top").len(), 2);
        let errors = stage.said("top", "ERROR");
        assert!(errors[0].contains("DONE vanished"), "{errors:?}");
        assert!(
            errors[0].contains(how) && errors[0].contains("swept"),
            "{errors:?}"
        );
        assert!(
            stage
                .said("top", "INFO")
                .iter()
                .all(|text| !text.contains("gate passed"))
        );
        let prompts = prompts(&stage);
        assert!(prompts[1].contains(how), "{}", prompts[1]);
    }
}

#[test]
fn a_gate_sees_a_quiet_tree_and_leaves_nothing() {
    let stage = Stage::new(
        "
  - spawn: {prompt: Part., args: [task-20260101-000000-child, --agent, child]}
  - done: true",
    )
    .actor("child", "  - wait_for: {file: @/go, timeout: 300s}\n  - write: {path: @/part, content: yes}\n  - say: Finished.");
    let gate = stage.fill("exec 9>@/survivors; setsid sleep 300 >/dev/null 2>&1 & test -e @/part");
    let command = stage.launch("task", "top", "--detach --max-attempts 1");
    command.args(&["--gate", &gate]).ok();
    stage.waits_for("top", "children");
    stage.touch("go");
    assert_eq!(stage.ended("top").status, ResultStatus::Completed);
    stage.assert_nobody_left();
}

#[test]
fn done_that_is_a_folder_fails_the_task() {
    let stage = Stage::new("  - run: mkdir $JRUN_TASK_FOLDER/DONE\n  - say: A folder.");
    stage.task("top", "--restart-delay 0").assert_code(1);
    assert_eq!(stage.infos("top").len(), 1);
    let failure = stage.ended("top").failure.unwrap();
    assert!(failure.detail.contains("not a regular file"), "{failure}");
}

#[test]
fn done_before_the_start_completes_without_a_run() {
    let stage = Stage::new("  - write: {path: @/works, content: yes}");
    stage.dir("top").ensure().unwrap();
    std::fs::write(stage.dir("top").path().join("DONE"), "").unwrap();
    stage.task("top", "").assert_code(0);
    assert_eq!(stage.infos("top").len(), 0);
    assert!(!stage.has("works"));
}

#[test]
fn events_come_in_order_with_their_bodies() {
    let stage = Stage::new(
        "attempts:
  - - run: run-agent bus post --type FACT --body 'It is so.'
    - stderr: one
    - stderr: two
    - exit: 2
  - - done: true",
    );
    stage.task("top", "--restart-delay 0").assert_code(0);
    let infos = stage.infos("top");
    let messages = stage.messages("top");
    let kinds: Vec<&str> = messages
        .iter()
        .map(|message| message.kind.as_str())
        .collect();
    let expected = "INFO RUN_START FACT RUN_CRASH WARNING INFO RUN_START RUN_STOP INFO FACT";
    assert_eq!(kinds.join(" "), expected);
    let place = |name: &str| stage.runs("top")[0].path().join(name).display().to_string();
    let (folder, output) = (
        stage.runs("top")[0].path().display().to_string(),
        place("output.md"),
    );
    assert_eq!(messages[0].body, "starting root agent (restart #0)");
    assert_eq!(
        messages[1].body,
        format!(
            "run started\nrun_dir: {folder}\nprompt: {}\nstdout: {}\nstderr: {}\noutput: {output}",
            place("prompt.md"),
            place("agent-stdout.txt"),
            place("agent-stderr.txt")
        )
    );
    assert_eq!(messages[2].run_id, infos[0].run_id.to_string());
    assert_eq!(
        messages[3].body,
        format!(
            "run stopped with code 2\nrun_dir: {folder}\noutput: {output}\n\n## stderr (last 50 lines)\none\ntwo"
        )
    );
    assert_eq!(messages[5].body, "starting root agent (restart #1)");
    assert!(messages[7].body.starts_with("run stopped with code 0\n"));
    assert_eq!(messages[7].run_id, infos[1].run_id.to_string());
    assert_eq!(
        messages[8].body,
        "task completed (DONE marker present, no active children)"
    );
}
