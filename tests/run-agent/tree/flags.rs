//! Programs that do not know the flags they are given.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use cl_storage::FailureKind;
use cl_storage::run_info::RunStatus;

use crate::stage::Stage;

/// Asked for events; answers a question with them.
const EVENTS: &str = r#"printf '%s\n' '{"type":"init","session_id":"s","model":"m"}' \
'{"type":"message","role":"assistant","content":"the answer","delta":true}' \
'{"type":"result","status":"success","stats":{"input_tokens":1,"output_tokens":1,"total_tokens":2}}'"#;

/// A stage with the agent `stub` of type `kind`, whose program says these things.
fn stage(kind: &str, help: &str, work: &str) -> Stage {
    let stage = Stage::new("  - done: true");
    let path = stage.path("stub");
    let text = format!(
        "#!/bin/sh\ncase \"$*\" in --version) echo 0.61.0; exit;; --help) echo '{help}'; exit;; esac\n\
         echo \"$*\" >> {}\necho \"$TMPDIR\" > {}\n{work}\n",
        stage.path("calls").display(),
        stage.path("tmpdir").display(),
    );
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    stage.settings(&format!(
        "  stub: {{type: {kind}, command: {}}}\n",
        path.display()
    ))
}

fn calls(stage: &Stage) -> Vec<String> {
    let text = fs::read_to_string(stage.path("calls")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

fn warnings(stage: &Stage, name: &str) -> usize {
    let bus = fs::read_to_string(stage.dir(name).bus()).unwrap();
    bus.matches("its output is plain text").count()
}

const ALL: &str = "--help --screen-reader --approval-mode --skip-trust --output-format";

#[test]
fn a_modern_program_is_started_once_and_its_events_are_read() {
    let stage = stage("gemini", ALL, EVENTS);
    stage
        .launch_agent("job", "modern", "stub", "")
        .run()
        .assert_code(0);
    assert_eq!(calls(&stage).len(), 1);
    let run = &stage.runs("modern")[0];
    assert_eq!(
        fs::read_to_string(run.output()).unwrap().trim(),
        "the answer"
    );
    assert_eq!(warnings(&stage, "modern"), 0);
    let temporary = fs::read_to_string(stage.path("tmpdir")).unwrap();
    assert_eq!(temporary.trim(), run.path().join("tmp").to_str().unwrap());
}

#[test]
fn a_program_that_rejects_the_stream_is_used_without_it_in_the_same_run() {
    let work = "case \"$*\" in *--output-format*) echo 'Unknown argument: output-format' >&2; exit 1;; esac\n\
                echo plain answer";
    let stage = stage("gemini", ALL, work);
    stage
        .launch_agent("job", "old", "stub", "")
        .run()
        .assert_code(0);
    assert_eq!(calls(&stage).len(), 2);
    assert_eq!(stage.runs("old").len(), 1);
    let run = &stage.runs("old")[0];
    assert_eq!(
        fs::read_to_string(run.output()).unwrap().trim(),
        "plain answer"
    );
    let kept = fs::read_to_string(run.path().join("agent-stderr.attempt1.txt")).unwrap();
    assert!(kept.contains("Unknown argument"), "{kept}");
    assert_eq!(warnings(&stage, "old"), 1);
}

#[test]
fn a_program_whose_help_lacks_the_stream_is_used_without_it_at_once() {
    let help = ALL.replace(" --output-format", "");
    let stage = stage("gemini", &help, "echo plain answer");
    stage
        .launch_agent("job", "older", "stub", "")
        .run()
        .assert_code(0);
    let calls = calls(&stage);
    assert!(
        calls.len() == 1 && !calls[0].contains("--output-format"),
        "{calls:?}"
    );
    assert_eq!(warnings(&stage, "older"), 1);
}

#[test]
fn a_program_that_rejects_everything_has_failed_after_two_tries() {
    let stage = stage(
        "gemini",
        ALL,
        "echo 'Unknown argument: output-format' >&2; exit 1",
    );
    stage
        .launch_agent("job", "broken", "stub", "")
        .run()
        .assert_code(1);
    assert_eq!(calls(&stage).len(), 2);
    let failure = stage.info("broken").failure.unwrap();
    assert_eq!(failure.kind, FailureKind::SpawnFailed);
    assert_eq!(failure.detail, "gemini CLI rejected its arguments");
}

#[test]
fn a_failure_that_only_mentions_the_flag_is_not_tried_again() {
    let work = "echo 'I was reading about output-format' >&2; exit 1";
    let stage = stage("gemini", ALL, work);
    stage
        .launch_agent("job", "prose", "stub", "")
        .run()
        .assert_code(1);
    assert_eq!(calls(&stage).len(), 1);
}

#[test]
fn a_program_that_lacks_a_flag_is_refused_before_it_works() {
    let stage = stage("pi", "--help -p --model --session", "echo worked");
    stage
        .launch_agent("job", "lacking", "stub", "")
        .run()
        .assert_code(1);
    assert!(calls(&stage).is_empty());
    let info = stage.info("lacking");
    assert_eq!(info.status, RunStatus::Failed);
    let failure = info.failure.unwrap();
    assert_eq!(failure.kind, FailureKind::SpawnFailed);
    assert!(
        failure.detail.contains("--mode") && failure.detail.contains("npm install"),
        "{}",
        failure.detail
    );
}
