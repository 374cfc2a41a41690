//! `doctor agents --live`: agents that are really run, once and for a short time.

use std::time::{Duration, Instant};

use cl_testkit::model_server::{ModelServer, Script, Turn, Turns};
use cl_testkit::patience::until;
use cl_testkit::run_agent::RunAgent;
use rustix::process::Signal;
use serde_json::Value;

use crate::schema::assert_valid;
use crate::stage::Stage;

/// Returns `doctor` with the words of `line` and temporary files on the stage.
fn doctor(stage: &Stage, line: &str) -> RunAgent {
    std::fs::create_dir_all(stage.path("tmp")).unwrap();
    let words: Vec<&str> = line.split_whitespace().collect();
    let command = stage.scenario.command(&["doctor"]).args(&words);
    command.env("TMPDIR", stage.path("tmp"))
}

/// Asserts that neither processes nor files are left, and that the root was not used.
#[track_caller]
fn assert_nothing_left(stage: &Stage) {
    stage.assert_nobody_left();
    let left = std::fs::read_dir(stage.path("tmp")).unwrap().count();
    assert_eq!(left, 0, "scratch folders");
    assert!(!stage.has("root"), "the root is not for that");
}

/// Tries out an agent and returns what came of it.
#[track_caller]
fn live(stage: &Stage, line: &str, code: i32) -> Value {
    let ran = doctor(stage, &format!("{line} --live --json")).run();
    ran.assert_code(code);
    assert!(ran.stderr.contains("spends tokens"), "{ran:#?}");
    let json = ran.json();
    assert_valid("doctor-agents", &json);
    assert_nothing_left(stage);
    assert_eq!(json["summary"]["live_failed"], code, "{json:#}");
    json["agents"][0]["live"].clone()
}

#[test]
fn an_agent_that_answers_is_told_with_its_answer() {
    let stage = Stage::new("  - say: READY");
    let found = live(&stage, "agents actor", 0);
    assert_eq!(
        (&found["ok"], &found["failure"]),
        (&true.into(), &Value::Null)
    );
    assert!(
        found["answer"].as_str().unwrap().contains("READY"),
        "{found:#}"
    );
    let text = doctor(&stage, "actor --live").ok().stdout;
    assert!(text.contains("live: answered in"), "{text}");
    assert_eq!(stage.scenario.begun().len(), 2, "once each");
    assert_nothing_left(&stage);
}

#[test]
fn a_service_is_asked_through_its_adapter() {
    let turns = Turns::always(Turn::text("READY"));
    let server = ModelServer::start(Script::new(turns.for_plain_requests())).unwrap();
    let stage = Stage::new("  - done");
    let token = stage.path("token");
    std::fs::write(&token, "canary-live-key-0123456789\n").unwrap();
    let (url, token) = (server.url(), token.display());
    let stage = stage.settings(&format!(
        "  sonar: {{type: perplexity, token_file: {token}, base_url: {url}, model: sonar-pro}}\n"
    ));
    let found = live(&stage, "agents sonar", 0);
    assert_eq!(found["model"], "sonar-pro", "{found:#}");
    assert_eq!(found["usage"]["output_tokens"], 25, "{found:#}");
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_failure_is_told_with_its_kind_and_tried_once() {
    for (steps, kind) in [
        ("\n- error: {status: 401}", "auth"),
        ("\n- limit: {resets_in: 3h}", "limit_window"),
        ("\n- exit: 3", "agent_crash"),
    ] {
        let stage = Stage::new("  - done").speaker("claude", steps);
        let found = live(&stage, "agents speaker", 1);
        assert_eq!(found["failure"]["kind"], kind, "{found:#}");
        assert_eq!(found["answer"], Value::Null);
    }
    let stage = Stage::new("  - exit: 0").command_agent("mute", "exit 0");
    let found = live(&stage, "agents mute", 1);
    let detail = found["failure"]["detail"].as_str().unwrap();
    assert!(detail.contains("no output"), "{found:#}");
}

#[test]
fn an_agent_that_hangs_is_ended_at_the_limit() {
    let stage = Stage::new("  - hang");
    let found = live(&stage, "agents actor --timeout 1s", 1);
    assert_eq!(found["failure"]["kind"], "timeout", "{found:#}");
}

#[test]
fn an_interruption_ends_the_agent_and_leaves_nothing() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 143)] {
        let stage = Stage::new("  - hang");
        let running = doctor(&stage, "agents actor --live").spawn();
        stage.scenario.survivors().wait_for_one();
        until("the agent", || stage.scenario.begun().len() == 1);
        let asked = Instant::now();
        running.signal(signal);
        running.finish().assert_code(code);
        // A run that is not asked to stop is ended, too, but only 35 s later.
        assert!(asked.elapsed() < Duration::from_secs(30), "nobody asked");
        assert_nothing_left(&stage);
    }
}
