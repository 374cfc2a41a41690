//! The limits of one attempt, and what an agent may print.

use cl_storage::FailureKind;
use cl_storage::run_info::{RunInfo, RunStatus};

use crate::stage::{Stage, id};

/// Runs a job that fails, and returns its record.
#[track_caller]
fn failed_job(stage: &Stage, flags: &str) -> RunInfo {
    stage.launch("job", "top", flags).run().assert_code(1);
    stage.assert_nobody_left();
    let info = stage.info("top");
    assert_eq!(info.status, RunStatus::Failed);
    info
}

fn kind(info: &RunInfo) -> FailureKind {
    info.failure.as_ref().unwrap().kind
}

#[test]
fn a_silent_agent_is_ended() {
    let stage =
        Stage::new("  - say: Hello.\n  - run: setsid sleep 300 >/dev/null 2>&1 &\n  - hang: true");
    let info = failed_job(&stage, "--idle-timeout 300ms");
    assert_eq!(kind(&info), FailureKind::Stall);
    assert_eq!(info.error_summary, "timed out");
    assert_eq!(info.stop.unwrap().survivors, 0);
    let warning = stage.said("top", "WARNING").concat();
    assert!(
        warning.contains("timed out after 300ms of idle output"),
        "{warning}"
    );
    assert_eq!(stage.said("top", "RUN_CRASH").len(), 1);
}

#[test]
fn a_trickle_is_no_silence() {
    let mut steps = String::new();
    for _ in 0..12 {
        steps += "  - sleep: 100ms\n  - say: Still here.\n";
    }
    let stage = Stage::new(&steps);
    stage.launch("job", "top", "--idle-timeout 1s").ok();
    assert_eq!(stage.info("top").status, RunStatus::Completed);
}

#[test]
fn an_idle_timeout_of_zero_is_none() {
    let stage =
        Stage::new("  - sleep: 500ms\n  - say: Late.").settings("defaults: {timeout: 100ms}\n");
    stage.launch("job", "top", "--idle-timeout 0").ok();
    let info = failed_job_named(&stage, "configured", "");
    assert_eq!(kind(&info), FailureKind::Stall, "the configuration's limit");
}

#[track_caller]
fn failed_job_named(stage: &Stage, name: &str, flags: &str) -> RunInfo {
    stage.launch("job", name, flags).run().assert_code(1);
    stage.info(name)
}

#[test]
fn an_attempt_has_a_longest_duration() {
    let stage = Stage::new("  - ignore_term: true\n  - say: Hello.\n  - hang: true");
    let info = failed_job(&stage, "--max-duration 300ms --grace 200ms");
    assert_eq!(kind(&info), FailureKind::Timeout);
    assert_eq!(info.exit_code, 137, "killed, because it does not listen");
}

#[test]
fn a_flood_is_ended_and_bounded() {
    let stage =
        Stage::new("  - run: {command: 'exec cat /dev/zero >$JRUN_RUN_FOLDER/agent-stdout.txt'}");
    let info = failed_job(&stage, "--max-output-bytes 4M");
    assert_eq!(kind(&info), FailureKind::OutputLimit);
    let stage = Stage::new("  - flood: {bytes: 64MiB}\n  - hang: true");
    let info = failed_job(&stage, "--max-output-bytes 4M");
    assert_eq!(kind(&info), FailureKind::OutputLimit);
    assert!(
        info.error_summary.contains("4194304"),
        "{}",
        info.error_summary
    );
}

#[test]
fn a_line_of_100_mb_survives_and_the_answer_is_found() {
    let stage = Stage::new("  - say: unused").command_agent(
        "huge",
        "head -c 100000000 /dev/zero | tr '\\0' x; echo; echo The answer. >$JRUN_RUN_FOLDER/output.md",
    );
    stage.launch_agent("job", "top", "huge", "").ok();
    let run = &stage.runs("top")[0];
    assert_eq!(std::fs::metadata(run.stdout()).unwrap().len(), 100_000_001);
    assert_eq!(
        std::fs::read_to_string(run.output()).unwrap(),
        "The answer.\n"
    );
    stage.ok(&format!("output {}", id("top")));
}

#[test]
fn bytes_that_are_no_text_survive() {
    let stage = Stage::new("  - say: unused")
        .command_agent("binary", "printf 'caf\\351 \\377\\376\\n'; printf 'end\\n'");
    stage.launch_agent("job", "top", "binary", "").ok();
    let run = &stage.runs("top")[0];
    let raw = std::fs::read(run.stdout()).unwrap();
    assert_eq!(raw, b"caf\xe9 \xff\xfe\nend\n");
    let output = std::fs::read_to_string(run.output()).unwrap();
    assert_eq!(output, "caf\u{fffd} \u{fffd}\u{fffd}\nend\n");
}

#[track_caller]
fn check_signal(name: &str, code: i32, summary: &str) {
    let stage = Stage::new(&format!("  - say: Hello.\n  - signal: {name}"));
    let info = failed_job(&stage, "");
    assert_eq!(info.exit_code, code);
    assert_eq!(kind(&info), FailureKind::AgentCrash);
    assert!(
        info.error_summary.contains(summary),
        "{}",
        info.error_summary
    );
    let crash = stage.said("top", "RUN_CRASH").concat();
    assert!(
        crash.starts_with(&format!("run stopped with code {code}\n")),
        "{crash}"
    );
}

#[test]
fn an_agent_killed_by_a_signal_is_recorded_as_such() {
    check_signal("KILL", 137, "");
    check_signal("TERM", 143, "");
    check_signal("SEGV", 139, "");
}

#[test]
fn an_agent_that_says_nothing_has_failed() {
    let stage = Stage::new("  - sleep: 1ms");
    let info = failed_job(&stage, "");
    assert_eq!(info.error_summary, "agent produced no output");
    assert_eq!(info.exit_code, 0);
    let crashes = stage.said("top", "RUN_CRASH");
    assert_eq!(crashes.len(), 1);
    let first = crashes[0].lines().next().unwrap();
    assert_eq!(first, "run stopped with code 0: agent produced no output");
    let output = std::fs::read_to_string(stage.runs("top")[0].output()).unwrap();
    assert!(output.contains("actor"), "{output}");
}

#[test]
fn an_agent_that_cannot_be_started_ends_the_loop() {
    let stage = Stage::new("  - say: unused").command_agent("gone", "true");
    let program = stage.path("program");
    std::fs::write(&program, "#!/nowhere/interpreter\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&program, mode).unwrap();
    let stage = stage.settings(&format!(
        "  broken: {{type: command, command: [{}], version_args: []}}\n",
        program.display()
    ));
    let finished = stage
        .launch_agent("task", "top", "broken", "--restart-delay 0")
        .run();
    finished.assert_code(1);
    let info = stage.info("top");
    assert_eq!(kind(&info), FailureKind::SpawnFailed);
    assert_eq!((info.status, info.exit_code), (RunStatus::Failed, -1));
    assert!(info.end_time.is_some());
    let expected = format!(
        "spawn_failed: could not start {}: its interpreter \"/nowhere/interpreter\" does not exist",
        program.display()
    );
    assert_eq!(info.error_summary, expected);
    assert_eq!(stage.said("top", "RUN_CRASH").len(), 1);
    assert!(stage.runs("top")[0].output().exists());
}

#[test]
fn the_answer_comes_from_the_agent_before_the_stream() {
    let stage = Stage::new("  - say: On the stream.\n  - output: In the file.");
    stage.launch("job", "top", "").ok();
    let output = std::fs::read_to_string(stage.runs("top")[0].output()).unwrap();
    assert_eq!(output.trim(), "In the file.");
}
