//! Gates with evidence: claims that are checked, and checked again.

use cl_storage::FailureKind;
use cl_storage::evidence::{Evidence, Verdict};
use cl_storage::task_state::ResultStatus;
use rustix::process::Signal;

use crate::stage::{Stage, id};

/// Fixes the bug in its second attempt only, and claims to be done in both.
const LIAR: &str = "attempts:
  - - say: All tests pass.
    - done: true
  - - write: {path: answer, content: '42'}
    - run: run-agent bus post --type DECISION --body 'the answer is 42'
    - done: true";

/// A check that tells by its exit and its output.
const TESTS: &str = "echo running tests; test \"$(cat answer 2>/dev/null)\" = 42";

fn git(stage: &Stage) {
    stage
        .shell("git init -q && echo x >README && git add README && git -c user.name=x -c user.email=x@example.com commit -qm one")
        .ok();
}

fn evidence(stage: &Stage, number: u32) -> Evidence {
    Evidence::read(&stage.dir("top"), number).unwrap().unwrap()
}

#[test]
fn an_agent_that_lies_mends_it_and_the_evidence_is_reproduced() {
    let stage = Stage::new(LIAR);
    git(&stage);
    let command = stage.launch("task", "top", "--restart-delay 0");
    command.args(&["--gate", TESTS]).ok();
    assert_eq!(stage.infos("top").len(), 2);
    let prompt = std::fs::read_to_string(stage.runs("top")[1].prompt()).unwrap();
    assert!(prompt.contains("running tests"), "{prompt}");
    assert!(prompt.contains("refused by"), "{prompt}");
    assert!(prompt.contains("All tests pass."), "{prompt}");
    let (refused, passed) = (evidence(&stage, 1), evidence(&stage, 2));
    assert_eq!(refused.verdict, Verdict::Refused);
    assert_eq!((refused.claim, refused.exit_code), (1, Some(1)));
    assert_eq!(passed.verdict, Verdict::Passed);
    assert_eq!((passed.claim, passed.exit_code), (2, Some(0)));
    assert!(passed.tree.starts_with("git:") && passed.tree != refused.tree);
    assert_eq!(passed.tree, passed.tree_after);
    assert_eq!(passed.output_bytes, "running tests\n".len() as u64);
    assert!(!passed.unquiet);
    let status = stage.json(&format!("status {}", id("top")));
    let row = &status["tasks"][0];
    assert_eq!(row["claim"]["passed"], 1);
    assert_eq!(row["suspicious"], false);
    let shown = stage.ok(&format!("task show {}", id("top")));
    assert!(shown.contains("done (1/1 gates)"), "{shown}");
    assert!(stage.ok("list").contains("done (1/1 gates)"));
    assert!(stage.infos("top")[0].rejected_by.contains("exit 1"));
    assert_eq!(stage.infos("top")[1].rejected_by, "");

    let verified = stage.json(&format!("verify {}", id("top")));
    crate::schema::assert_valid("verify", &verified);
    assert_eq!(verified["reproduced"], true, "{verified}");
    assert_eq!(verified["tree"]["same"], true);
    assert_eq!(verified["gates"][0]["same_output"], true);
    assert_eq!(verified["gates"][0]["same_environment"], true, "{verified}");

    let work = stage.scenario.work();
    std::fs::write(work.join("README"), "y\n").unwrap();
    let changed = stage.command(&format!("verify {}", id("top"))).run();
    changed.assert_code(1);
    assert!(changed.stdout.contains("the working tree has changed"));
    std::fs::write(work.join("README"), "x\n").unwrap();
    std::fs::write(work.join("answer"), "41").unwrap();
    let broken = stage.command(&format!("verify {} --json", id("top"))).run();
    broken.assert_code(1);
    crate::schema::assert_valid("verify", &broken.json());
    assert_eq!(broken.json()["gates"][0]["now"], "refused");
    assert_eq!(broken.json()["tree"]["same"], false);
    std::fs::write(work.join("answer"), "42").unwrap();
    stage.ok(&format!("verify {}", id("top")));
    stage.assert_nobody_left();
}

#[test]
fn without_git_the_files_are_compared() {
    let stage = Stage::new("  - write: {path: answer, content: '42'}\n  - done: true");
    let command = stage.launch("task", "top", "");
    command.args(&["--gate", TESTS]).ok();
    assert!(evidence(&stage, 1).tree.starts_with("files:"));
    stage.ok(&format!("verify {}", id("top")));
    std::fs::write(stage.scenario.work().join("new"), "").unwrap();
    stage
        .command(&format!("verify {}", id("top")))
        .run()
        .assert_code(1);
}

#[test]
fn there_is_nothing_to_verify_without_evidence() {
    let stage = Stage::new("  - say: Nothing.\n  - done: true");
    stage.task("top", "").assert_code(0);
    let none = stage.command(&format!("verify {}", id("top"))).run();
    none.assert_code(3);
    assert!(none.stderr.contains("nothing to verify"), "{none:?}");
    stage
        .command(&format!("verify {}", id("other")))
        .run()
        .assert_code(3);
    stage.command("verify --task ../x").run().assert_code(2);
    let command = stage.launch("task", "gated", "--max-gate-failures 1");
    command.args(&["--gate", "false"]).run().assert_code(1);
    stage
        .command(&format!("verify {}", id("gated")))
        .run()
        .assert_code(3);
    let command = stage.launch("task", "lost", "");
    command.args(&["--gate", "true"]).ok();
    std::fs::remove_file(stage.dir("lost").gates_folder().join("1.yaml")).unwrap();
    let lost = stage.command(&format!("verify {}", id("lost"))).run();
    lost.assert_code(3);
    assert!(lost.stderr.contains("1.yaml is missing"), "{lost:?}");
    assert!(lost.stderr.contains("is damaged"), "{lost:?}");
}

#[test]
fn an_interrupted_verification_leaves_nothing() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let stage = Stage::new("  - write: {path: answer, content: '42'}\n  - done: true");
        let gate = stage.fill(
            "test -e @/slow || exit 0; exec 9>@/survivors; setsid sleep 300 & touch @/gate; trap '' INT TERM; sleep 300",
        );
        stage
            .launch("task", "top", "")
            .args(&["--gate", &gate])
            .ok();
        stage.touch("slow");
        let verify = stage.command(&format!("verify {}", id("top"))).spawn();
        stage.wait_for("gate");
        verify.signal(signal);
        verify.finish().assert_code(code);
        stage.assert_nobody_left();
    }
}

#[test]
fn a_gate_that_always_says_the_same_is_a_stalemate() {
    let stage = Stage::new("  - done: true");
    let command = stage.launch("task", "top", "--restart-delay 0 --max-gate-failures 9");
    let gate = "printf '\\033[3%dm' $(ls $JRUN_TASK_FOLDER/gates | wc -l); echo red; exit 1";
    command.args(&["--gate", gate]).run().assert_code(1);
    assert_eq!(stage.infos("top").len(), 3, "colours do not count");
    let failure = stage.ended("top").failure.unwrap();
    assert_eq!(failure.kind, FailureKind::GateFailed);
    assert!(failure.detail.contains("stalemate"), "{failure}");
    assert!(stage.said("top", "ERROR").concat().contains("stalemate"));

    let stage = Stage::new("  - done: true");
    let command = stage.launch("task", "top", "--restart-delay 0 --max-gate-failures 4");
    let gate = "ls $JRUN_TASK_FOLDER/gates; exit 1";
    command.args(&["--gate", gate]).run().assert_code(1);
    assert_eq!(
        stage.infos("top").len(),
        4,
        "it says something else each time"
    );
}

#[test]
fn a_gate_that_always_takes_too_long_is_a_stalemate_whatever_it_prints() {
    let stage = Stage::new("  - done: true");
    let dir = stage.dir("top");
    dir.ensure().unwrap();
    let gate = "gates: [{name: slow, timeout: 300ms, run: 'ls $JRUN_TASK_FOLDER/gates; exec sleep 300'}]\n";
    std::fs::write(dir.config(), gate).unwrap();
    let flags = "--restart-delay 0 --max-gate-failures 5";
    stage.task("top", flags).assert_code(1);
    assert_eq!(stage.infos("top").len(), 3);
    let failure = stage.ended("top").failure.unwrap();
    assert!(failure.detail.contains("stalemate"), "{failure}");
    stage.assert_nobody_left();
}

#[test]
fn evidence_that_was_changed_or_lost_is_named_and_its_command_not_run() {
    let stage = Stage::new("  - done: true");
    let command = stage.launch("task", "top", "");
    let gates = ["--gate", "echo one", "--gate", "echo two"];
    command.args(&gates).ok();
    let folder = stage.dir("top").gates_folder();
    let verify = || {
        let verified = stage.command(&format!("verify {} --json", id("top"))).run();
        crate::schema::assert_valid("verify", &verified.json());
        let flaws: Vec<String> = (verified.json()["gates"].as_array().unwrap())
            .iter()
            .map(|gate| gate["flaws"].to_string())
            .collect();
        verified.assert_code(i32::from(flaws != ["[]", "[]"]));
        (verified.json(), flaws)
    };
    assert_eq!(verify().1, ["[]", "[]"]);
    let (output, record) = (folder.join("1.out"), folder.join("2.yaml"));
    let printed = std::fs::read(&output).unwrap();
    std::fs::remove_file(&output).unwrap();
    let (lost, flaws) = verify();
    assert_eq!(flaws, ["[\"output_missing\"]", "[]"]);
    assert_eq!(lost["gates"][0]["now"], "passed", "it is run all the same");
    std::fs::write(&output, "eno\n").unwrap();
    assert_eq!(verify().1, ["[\"output_changed\"]", "[]"]);
    std::fs::write(&output, printed).unwrap();
    let told = std::fs::read_to_string(&record).unwrap();
    let other = told.replace("echo two", "touch ran; echo two");
    std::fs::write(&record, other).unwrap();
    let (edited, flaws) = verify();
    assert_eq!(flaws, ["[]", "[\"command\"]"]);
    assert_eq!(edited["gates"][1]["now"], serde_json::Value::Null);
    assert!(!stage.scenario.work().join("ran").exists());
    let shown = stage.command(&format!("verify {}", id("top"))).run();
    shown.assert_code(1);
    assert!(
        shown
            .stdout
            .contains("2.yaml does not hold: its command was changed since"),
        "{shown:?}"
    );
    std::fs::write(&record, told.replace("exit_code: 0", "exit_code: 1")).unwrap();
    assert_eq!(verify().1, ["[]", "[\"record\"]"]);
    std::fs::write(&record, told).unwrap();
    assert_eq!(verify().1, ["[]", "[]"]);
}

#[test]
fn a_claim_without_any_work_is_suspicious() {
    let stage = Stage::new("  - done: true");
    stage.task("top", "").assert_code(0);
    let status = stage.json(&format!("status {}", id("top")));
    assert_eq!(status["tasks"][0]["suspicious"], true, "{status}");
    let warnings = stage.said("top", "WARNING").concat();
    assert!(warnings.contains("suspicious"), "{warnings}");
    let shown = stage.ok(&format!("task show {}", id("top")));
    assert!(shown.contains("suspicious"), "{shown}");
    for (name, steps) in [
        ("word", "  - say: Looked at it.\n  - done: true"),
        (
            "change",
            "  - write: {path: new, content: x}\n  - done: true",
        ),
    ] {
        let stage = Stage::new(steps);
        stage.task(name, "").assert_code(0);
        let status = stage.json(&format!("status {}", id(name)));
        assert_eq!(status["tasks"][0]["suspicious"], false, "{name}: {status}");
    }
}

#[test]
fn a_change_can_be_required() {
    let stage = Stage::new(
        "attempts:
  - - say: I have done it.
    - done: true
  - - write: {path: new, content: x}
    - done: true",
    );
    git(&stage);
    stage
        .task("top", "--restart-delay 0 --require-change")
        .assert_code(0);
    assert_eq!(stage.infos("top").len(), 2);
    assert_eq!(stage.infos("top")[0].rejected_by, "require-change");
    let errors = stage.said("top", "ERROR").concat();
    assert!(errors.contains("gate failed: require-change"), "{errors}");
    let prompt = std::fs::read_to_string(stage.runs("top")[1].prompt()).unwrap();
    assert!(
        prompt.contains("Nothing in the working folder has changed"),
        "{prompt}"
    );

    let stage =
        Stage::new("  - say: Done.\n  - done: true").settings("defaults: {require_change: true}\n");
    stage.task("top", "--restart-delay 0").assert_code(1);
    let failure = stage.ended("top").failure.unwrap();
    assert_eq!(failure.kind, FailureKind::GateFailed);
    assert!(failure.detail.contains("require-change"), "{failure}");
}

#[test]
fn gates_of_flags_settings_and_the_task_all_apply() {
    let stage = Stage::new("  - write: {path: new, content: x}\n  - done: true")
        .settings("defaults: {gates: [{name: one, run: 'true'}, {name: twice, run: ':'}]}\n");
    let dir = stage.dir("top");
    dir.ensure().unwrap();
    let config = "depends_on: []\ngates:\n  - {name: two, run: 'test -e new', timeout: 1m, cwd: .}\n  - {name: twice, run: ':'}\n";
    std::fs::write(dir.config(), config).unwrap();
    stage
        .launch("task", "top", "")
        .args(&["--gate", "test 1"])
        .ok();
    let names: Vec<String> = (1..=4).map(|n| evidence(&stage, n).name).collect();
    assert_eq!(names, ["one", "twice", "two", "test 1"]);
    assert_eq!(evidence(&stage, 3).timeout_ms, 60_000);
    assert_eq!(std::fs::read_to_string(dir.config()).unwrap(), config);
    // The file is read again when the task is taken up again.
    std::fs::write(dir.config(), "gates: [{name: three, run: 'true'}]\n").unwrap();
    stage.ok(&format!("task resume {}", id("top")));
    let names: Vec<String> = (5..=7).map(|n| evidence(&stage, n).name).collect();
    assert_eq!(names, ["one", "twice", "test 1"]);
    assert_eq!(evidence(&stage, 8).name, "three");
}

#[test]
fn a_mistake_in_the_gates_of_a_task_refuses_the_launch() {
    let stage = Stage::new("  - done: true");
    let dir = stage.dir("top");
    dir.ensure().unwrap();
    std::fs::write(dir.config(), "gates:\n  - {name: two, rum: 'true'}\n").unwrap();
    let refused = stage.task("top", "");
    refused.assert_code(2);
    assert!(
        refused.stderr.contains("TASK-CONFIG.yaml:2:17"),
        "{refused:?}"
    );
    assert!(
        refused.stderr.contains("did you mean \"run\"?"),
        "{refused:?}"
    );
    assert!(!dir.launch().exists());
    std::fs::write(dir.config(), "gates: [").unwrap();
    stage.task("top", "").assert_code(2);
}

#[test]
fn a_mistake_in_what_a_task_depends_on_is_told_before_anything_else() {
    let stage = Stage::new("  - say: Not yet.");
    stage.task("top", "--max-attempts 1").assert_code(1);
    let (dir, me) = (stage.dir("top"), id("top"));
    for (text, place, message) in [
        (
            "depends_on:\n  - ../x\n".to_owned(),
            "TASK-CONFIG.yaml:2:5",
            "depends_on[0]",
        ),
        (
            format!("depends_on: [{me}]\n"),
            "TASK-CONFIG.yaml:1:14",
            "cannot depend on itself",
        ),
        (
            "gates: [{run: ls, cwd: ../..}]\n".to_owned(),
            "TASK-CONFIG.yaml:1:24",
            "must stay in the task's working folder",
        ),
    ] {
        std::fs::write(dir.config(), text).unwrap();
        let refused = stage.command(&format!("task resume {me}")).run();
        refused.assert_code(2);
        let stderr = &refused.stderr;
        assert!(
            stderr.contains(place) && stderr.contains(message),
            "{stderr}"
        );
        assert!(
            stderr.contains('^') && !stderr.contains("Resuming"),
            "{stderr}"
        );
    }
    assert_eq!(stage.runs("top").len(), 1);
}

#[test]
fn a_gate_in_a_folder_that_a_link_leads_out_of_the_working_folder_refuses() {
    let stage = Stage::new("  - done: true");
    let dir = stage.dir("top");
    dir.ensure().unwrap();
    std::os::unix::fs::symlink(stage.path(""), stage.scenario.work().join("out")).unwrap();
    let gate = "gates: [{name: far, cwd: out, run: 'touch ran'}]\n";
    std::fs::write(dir.config(), gate).unwrap();
    stage.task("top", "--max-attempts 1").assert_code(1);
    let found = evidence(&stage, 1);
    assert_eq!(found.verdict, Verdict::Refused);
    assert!(found.reason.contains("not in the task's working folder"));
    assert!(!stage.has("ran"));
}

#[test]
fn evidence_beside_children_says_so() {
    let stage = Stage::new(
        "
  - spawn: {prompt: Part., args: [task-20260101-000000-child, --agent, child]}
  - done: true",
    )
    .actor(
        "child",
        "  - wait_for: {file: @/go, timeout: 300s}\n  - say: Finished.",
    );
    let command = stage.launch("task", "top", "--detach --child-wait-timeout 100ms");
    command.args(&["--gate", "true"]).ok();
    assert_eq!(stage.ended("top").status, ResultStatus::Completed);
    assert!(evidence(&stage, 1).unquiet);
    stage.touch("go");
    stage.ended("child");
}
