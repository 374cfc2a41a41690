//! Agents that speak the Agent Client Protocol: a scripted peer behind the real worker.

use std::fs;
use std::path::PathBuf;

use cl_storage::process::ProcessIdentity;
use cl_storage::run_info::{RunInfo, RunStatus};
use cl_storage::task_state::ResultStatus;
use cl_storage::{Failure, FailureKind};
use cl_testkit::acp_peer::{AcpPeer, SESSION, heard};
use cl_testkit::patience::{eventually, until};
use serde_json::{Value, json};

use crate::stage::{Stage, id};

/// What a peer does that claims that the task is done.
const CLAIMS_DONE: &str = ": >\"$JRUN_TASK_FOLDER/DONE\"";

/// A stage with the agent `peer`; `more` are further settings of it.
fn stage(peer: &AcpPeer, more: &str) -> Stage {
    let stage = Stage::new("  - done: true");
    let path = script(&stage);
    peer.write(&path, stage.scenario.survivors().path());
    let path = path.display();
    stage.settings(&format!(
        "  peer: {{type: acp, command: [/bin/sh, {path}]{more}}}\n"
    ))
}

fn script(stage: &Stage) -> PathBuf {
    stage.path("peer.sh")
}

/// Returns the methods that the peer was told, with the answers as `-`.
fn methods(stage: &Stage) -> Vec<String> {
    let heard = heard(&script(stage));
    let method = |line: &Value| line["method"].as_str().unwrap_or("-").to_owned();
    heard.iter().map(method).collect()
}

fn output(stage: &Stage, name: &str) -> String {
    fs::read_to_string(stage.runs(name)[0].output()).unwrap()
}

/// Runs a job with `peer`, which must fail, and returns the failure.
#[track_caller]
fn failed_job(stage: &Stage, flags: &str) -> Failure {
    stage
        .launch_agent("job", "top", "peer", flags)
        .run()
        .assert_code(1);
    let info = stage.info("top");
    assert_eq!(info.status, RunStatus::Failed);
    stage.assert_nobody_left();
    info.failure.unwrap()
}

#[track_caller]
fn check_failure(peer: &AcpPeer, more: &str, kind: FailureKind, part: &str) {
    let failure = failed_job(&stage(peer, more), "");
    assert_eq!(failure.kind, kind, "{failure}");
    assert!(failure.detail.contains(part), "{failure}");
}

#[test]
fn two_attempts_share_a_session_and_come_to_done() {
    // The peer of the second attempt is the same script: it is asked to load.
    let first = AcpPeer::new()
        .introduces(&json!({"loadSession": true}))
        .shell("if [ \"$JRUN_ATTEMPT\" = 1 ]; then")
        .waits_for("session/new")
        .answers(&json!({"sessionId": SESSION}))
        .prompted()
        .says("Half of it.")
        .stops("end_turn")
        .shell("exit; fi")
        .waits_for("session/load")
        .says("Half of it.")
        .answers(&json!({}))
        .prompted()
        .tells(&json!({"sessionUpdate": "agent_thought_chunk", "content": {"type": "text", "text": "hm"}}))
        .tells(&json!({"sessionUpdate": "tool_call", "toolCallId": "t", "title": "Write DONE"}))
        .shell(CLAIMS_DONE)
        .tells(&json!({"sessionUpdate": "tool_call_update", "toolCallId": "t", "status": "completed"}))
        .says("All ")
        .says("of it.")
        .stops("end_turn");
    let stage = stage(&first, "");
    let flags = "--resume-session --restart-delay 0";
    stage.launch_agent("task", "top", "peer", flags).ok();
    assert_eq!(stage.ended("top").status, ResultStatus::Completed);
    let infos = stage.infos("top");
    assert_eq!(infos.len(), 2);
    for info in &infos {
        assert_eq!(
            (info.session_id.as_str(), info.exit_code),
            (SESSION, 0),
            "{info:?}"
        );
        assert_eq!(info.agent.as_str(), "acp");
        assert!(info.commandline.contains("__acp-agent"), "{info:?}");
    }
    assert_eq!(output(&stage, "top"), "Half of it.\n");
    let second = fs::read_to_string(stage.runs("top")[1].output()).unwrap();
    assert_eq!(
        second, "All of it.\n",
        "neither what was loaded nor thoughts"
    );
    let expected = [
        "initialize",
        "session/new",
        "session/prompt",
        "initialize",
        "session/load",
        "session/prompt",
    ];
    assert_eq!(methods(&stage), expected);
    let heard = heard(&script(&stage));
    assert_eq!(heard[4]["params"]["sessionId"], SESSION);
    let cwd = stage.scenario.work();
    assert_eq!(heard[1]["params"]["cwd"], json!(cwd));
    let prompt = heard[2]["params"]["prompt"][0]["text"].as_str().unwrap();
    assert!(
        prompt.contains("Do it.") && prompt.contains("DONE"),
        "{prompt}"
    );
    stage.assert_nobody_left();
}

#[test]
fn permission_is_given_or_refused_as_configured() {
    let options = json!([
        {"optionId": "always", "kind": "allow_always", "name": "Always"},
        {"optionId": "yes", "kind": "allow_once", "name": "Yes"},
        {"optionId": "no", "kind": "reject_once", "name": "No"},
    ]);
    let question = json!({"sessionId": SESSION, "toolCall": {"toolCallId": "t", "title": "Run make"}, "options": options});
    let peer = AcpPeer::new()
        .opens(&json!({}))
        .prompted()
        .asks("session/request_permission", &question)
        .asks(
            "fs/read_text_file",
            &json!({"sessionId": SESSION, "path": "/etc/passwd"}),
        )
        .says("Asked.")
        .stops("end_turn");
    for (more, option) in [("", "yes"), (", permissions: reject", "no")] {
        let stage = stage(&peer, more);
        stage.launch_agent("job", "top", "peer", "").ok();
        let heard = heard(&script(&stage));
        let answer = &heard[3]["result"]["outcome"];
        assert_eq!(*answer, json!({"outcome": "selected", "optionId": option}));
        assert_eq!(heard[4]["error"]["code"], -32601, "files are not offered");
        let lines = fs::read_to_string(stage.runs("top")[0].stdout()).unwrap();
        let allowed = format!("\"title\":\"Run make\",\"allowed\":{}", option == "yes");
        assert!(lines.contains(&allowed), "{lines}");
        stage.assert_nobody_left();
    }
}

/// Waits for the worker of a run whose agent was given its prompt.
#[track_caller]
fn prompted(stage: &Stage) -> RunInfo {
    let info = stage.works("top");
    until("the prompt", || {
        methods(stage)
            .iter()
            .any(|method| method == "session/prompt")
    });
    info
}

#[test]
fn a_stop_lets_the_agent_end_its_turn() {
    let peer = AcpPeer::new()
        .opens(&json!({}))
        .prompted()
        .shell("kept=$id")
        .waits_for("session/cancel")
        .shell("id=$kept")
        .says("Stopped.")
        .stops("cancelled");
    let stage = stage(&peer, "");
    stage.launch_agent("task", "top", "peer", "--detach").ok();
    prompted(&stage);
    stage.ok(&format!("stop {}", id("top")));
    let info = stage.info("top");
    assert_eq!(info.failure.unwrap().kind, FailureKind::Cancelled);
    assert_eq!(info.stop.unwrap().survivors, 0);
    assert_eq!(methods(&stage).last().unwrap(), "session/cancel");
    assert_eq!(output(&stage, "top"), "Stopped.\n");
    stage.assert_nobody_left();
}

#[test]
fn a_stop_ends_an_agent_that_does_not_listen_and_all_it_has_started() {
    let peer = AcpPeer::new()
        .opens(&json!({}))
        .prompted()
        .shell("trap '' TERM INT; setsid sh -c 'trap \"\" TERM; sleep 600; sleep 600' & while :; do sleep 600; done");
    let stage = stage(&peer, "");
    stage.launch_agent("task", "top", "peer", "--detach").ok();
    let worker = prompted(&stage);
    stage.ok(&format!("stop {} --grace 1s", id("top")));
    let identity = ProcessIdentity {
        pid: worker.pid,
        start: worker.process_start.unwrap(),
    };
    assert!(!identity.is_alive());
    assert_eq!(stage.info("top").stop.unwrap().survivors, 0);
    stage.assert_nobody_left();
}

#[test]
fn an_agent_outlives_neither_its_turn_nor_its_worker() {
    // It goes on behind its turn, deaf to the end of its input and to SIGTERM.
    let peer = AcpPeer::new()
        .opens(&json!({}))
        .prompted()
        .says("Done.")
        .stops("end_turn")
        .shell("trap '' TERM; while :; do sleep 600; done");
    let stage = stage(&peer, "");
    stage.launch_agent("job", "top", "peer", "").ok();
    assert_eq!(output(&stage, "top"), "Done.\n");
    stage.assert_nobody_left();

    let peer = AcpPeer::new()
        .opens(&json!({}))
        .prompted()
        .shell("exec sleep 600");
    let stage = self::stage(&peer, "");
    stage.launch_agent("job", "top", "peer", "--detach").ok();
    let worker = prompted(&stage);
    let pid = rustix::process::Pid::from_raw(worker.pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    stage.ended("top");
    assert_eq!(
        stage.info("top").failure.unwrap().kind,
        FailureKind::AgentCrash
    );
    stage.assert_nobody_left();
}

#[test]
fn a_program_that_speaks_something_else_is_named_as_such() {
    let peer = AcpPeer::new().shell("while echo 'Welcome to the shop!'; do :; done");
    check_failure(&peer, "", FailureKind::SpawnFailed, "Welcome to the shop!");
}

#[test]
fn a_message_without_end_does_not_fill_the_memory() {
    let peer = AcpPeer::new()
        .opens(&json!({}))
        .prompted()
        .shell("trap '' PIPE; head -c 100000000 /dev/zero | tr '\\0' x; sleep 600");
    check_failure(&peer, "", FailureKind::OutputLimit, "16777216 bytes");
}

#[test]
fn an_agent_that_ends_early_is_told_with_its_own_words() {
    let peer = AcpPeer::new()
        .waits_for("initialize")
        .shell("echo 'Error: Invalid API key' >&2; exit 3");
    let part = "ended with exit code 3 before it answered initialize: Error: Invalid API key";
    check_failure(&peer, "", FailureKind::Auth, part);
    let peer = AcpPeer::new()
        .opens(&json!({}))
        .prompted()
        .says("So")
        .shell("exit 0");
    let part = "ended with exit code 0 before it answered session/prompt";
    check_failure(&peer, "", FailureKind::AgentCrash, part);
}

#[test]
fn what_an_agent_refuses_has_its_kind() {
    let login = AcpPeer::new()
        .introduces(&json!({}))
        .waits_for("session/new")
        .refuses(-32000, "Authentication required");
    check_failure(&login, "", FailureKind::Auth, "it offers: Log in");
    let opened = AcpPeer::new().opens(&json!({}));
    let limited = opened.clone().prompted().refuses(429, "Too many requests");
    let limits = stage(&limited, "").settings("limits: {auto_resume: false}\n");
    assert_eq!(failed_job(&limits, "").kind, FailureKind::LimitWindow);
    let refusal = opened.clone().prompted().stops("refusal");
    check_failure(&refusal, "", FailureKind::PermissionBlocked, "refused");
    let model = ", model: huge";
    check_failure(&opened, model, FailureKind::SpawnFailed, "remove `model`");
}

#[test]
fn silence_is_limited_as_everywhere() {
    let peer = AcpPeer::new()
        .waits_for("initialize")
        .shell("exec sleep 600");
    let failure = failed_job(&stage(&peer, ""), "--idle-timeout 1s --grace 1s");
    assert_eq!(failure.kind, FailureKind::Stall);
}

#[test]
fn a_program_that_is_not_there_stops_the_launch() {
    let stage =
        Stage::new("  - done: true").settings("  peer: {type: acp, command: no-such-agent}\n");
    let finished = stage.launch_agent("task", "top", "peer", "").run();
    assert_ne!(finished.code, Some(0));
    assert!(finished.stderr.contains("no-such-agent"), "{finished:?}");
    assert!(!stage.dir("top").path().exists(), "nothing is left of it");
}

#[test]
fn the_agent_gets_what_it_is_given_and_no_other_secret() {
    let peer = AcpPeer::new()
        .shell("env >\"$0.env\"")
        .opens(&json!({}))
        .prompted()
        .stops("end_turn");
    let stage = stage(&peer, ", env: {PEER_API_KEY: canary-own}");
    stage
        .launch_agent("job", "top", "peer", "")
        .env("ANTHROPIC_API_KEY", "canary-other")
        .run();
    let env = eventually("its environment", || {
        fs::read_to_string(stage.path("peer.sh.env")).ok()
    });
    assert!(env.contains("PEER_API_KEY=canary-own"), "{env}");
    assert!(env.contains("JRUN_ID="), "{env}");
    assert!(!env.contains("canary-other"), "{env}");
    let info = stage.info("top");
    assert!(!format!("{info:?}").contains("canary"), "{info:?}");
}
