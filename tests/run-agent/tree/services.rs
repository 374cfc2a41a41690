//! Agents that are a service: the worker that asks it, and what becomes of its answer.

use std::fs;
use std::path::Path;

use cl_storage::FailureKind;
use cl_storage::process::ProcessIdentity;
use cl_storage::run_info::RunStatus;
use cl_storage::task_state::ResultStatus;
use cl_testkit::model_server::{Fault, ModelServer, RecordedRequest, Script, Turn, Turns};
use cl_testkit::patience::{PATIENCE, eventually};

use crate::stage::{Stage, id};

const KEY: &str = "canary-service-key-0123456789";

/// A stage with the agents `sonar` and `grok`, which ask a server that plays `turns`.
fn stage(turns: Turns) -> (Stage, ModelServer) {
    stage_with(turns, "")
}

fn stage_with(turns: Turns, more: &str) -> (Stage, ModelServer) {
    let server = ModelServer::start(Script::new(turns.for_plain_requests())).unwrap();
    let stage = Stage::new("  - done: true");
    let token = stage.path("token");
    fs::write(&token, format!("{KEY}\n")).unwrap();
    let url = server.url();
    let token = token.display();
    let stage = stage.settings(&format!(
        "  sonar: {{type: perplexity, token_file: {token}, base_url: {url}, model: sonar-pro{more}}}\n  \
         grok: {{type: xai, token_file: {token}, base_url: {url}/v1{more}}}\n"
    ));
    (stage, server)
}

fn output(stage: &Stage, name: &str) -> String {
    fs::read_to_string(stage.runs(name)[0].output()).unwrap()
}

/// Runs the job `name` with `agent`, which must fail, and returns the kind of its failure.
#[track_caller]
fn failed_job(stage: &Stage, agent: &str, name: &str) -> cl_storage::Failure {
    stage
        .launch_agent("job", name, agent, "")
        .run()
        .assert_code(1);
    let info = stage.info(name);
    assert_eq!(info.status, RunStatus::Failed);
    info.failure.unwrap()
}

/// Waits until the worker of a run has asked, and returns who it is.
#[track_caller]
fn asking(stage: &Stage, server: &ModelServer, name: &str) -> ProcessIdentity {
    server.wait_for_requests(1, PATIENCE).unwrap();
    eventually("the worker's record", || {
        let run = stage.runs(name).pop()?;
        let info = cl_storage::run_info::RunInfo::read(&run).ok()??;
        // The record says what readers of the earlier implementation expect.
        (info.pid == 0 && info.pgid == 0 && info.phase.is_some_and(|p| p.as_str() == "running"))
            .then(|| cl_storage::pid_file::read(&run))?
    })
}

#[test]
fn an_answer_is_streamed_with_its_sources_and_completes_a_job() {
    let (stage, server) = stage(Turns::always(Turn::text("It is so [1], as known [2].")));
    stage.launch_agent("job", "top", "sonar", "").ok();
    let text = output(&stage, "top");
    let expected = "It is so [1], as known [2].\n\nSources:\n[1] https://example.com/a\n[2] https://example.com/b\n";
    assert_eq!(text, expected);
    let info = stage.info("top");
    assert_eq!((info.pid, info.pgid, info.exit_code), (0, 0, 0));
    assert_eq!(info.backend_model, "sonar-pro");
    let usage = info.usage.unwrap();
    assert_eq!(
        (
            usage.input_tokens,
            usage.cache_read_tokens,
            usage.output_tokens
        ),
        (120, 30, 25)
    );
    assert!(
        !stage.dir("top").path().join("DONE").exists(),
        "a job is one run"
    );
    let request: RecordedRequest = server.requests().remove(0);
    assert_eq!(request.path, "/chat/completions");
    assert_eq!(request.body["messages"][0]["content"], "Do it.\n");
    let header = |name: &str| {
        let found = request.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    };
    assert_eq!(header("authorization"), format!("Bearer {KEY}"));
    assert_eq!(header("user-agent"), "conductor-loop/perplexity");
    let lines = fs::read_to_string(stage.runs("top")[0].stdout()).unwrap();
    assert!(
        lines.matches("\"type\":\"text\"").count() >= 2,
        "in pieces: {lines}"
    );
    stage.assert_nobody_left();
}

#[test]
fn an_answer_completes_a_task_behind_its_gates() {
    let answers = Turns::new([Turn::text("Wrong."), Turn::text("Right.")]);
    let (stage, server) = stage(answers);
    let gate = stage.fill("grep -q Right @/root/demo/task-20260101-000000-top/runs/*/output.md");
    let command = stage.launch_agent("task", "top", "grok", "--restart-delay 0");
    command.args(&["--gate", &gate]).ok();
    assert_eq!(stage.ended("top").status, ResultStatus::Completed);
    assert!(stage.dir("top").path().join("DONE").is_file());
    let runs = stage.infos("top");
    assert_eq!(runs.len(), 2, "the first answer was refused");
    let requests = server.requests();
    assert_eq!(requests[0].path, "/v1/chat/completions");
    let second = requests[1].body["messages"][0]["content"].as_str().unwrap();
    assert!(second.starts_with("Do it.\n"), "{second}");
    assert!(
        second.contains("refused") && second.contains("Wrong."),
        "{second}"
    );
    assert!(
        !second.contains("DONE") && !second.contains("run-agent"),
        "{second}"
    );
    let status = stage.json(&format!("status {}", id("top")));
    assert_eq!(status["tasks"][0]["status"], "all_finished", "{status}");
}

#[test]
fn a_stop_ends_the_worker_and_nobody_else() {
    let (stage, server) = stage(Turns::always(Turn::Fault(Fault::Hang)));
    stage.launch_agent("task", "other", "grok", "--detach").ok();
    asking(&stage, &server, "other");
    stage.launch_agent("task", "top", "grok", "--detach").ok();
    server.wait_for_requests(2, PATIENCE).unwrap();
    let worker = asking(&stage, &server, "top");
    let other = asking(&stage, &server, "other");
    assert!(worker.is_alive());
    let rows = stage.json("ps");
    let rows = rows["processes"]
        .as_array()
        .unwrap_or_else(|| panic!("{rows}"));
    let agents: Vec<_> = rows.iter().filter(|row| row["role"] == "agent").collect();
    assert_eq!(agents.len(), 2, "{rows:?}");
    assert!(!format!("{rows:?}").contains(KEY));
    stage.ok(&format!("stop {}", id("top")));
    assert!(!worker.is_alive(), "the worker is gone");
    assert!(other.is_alive(), "the other one is not");
    let info = stage.info("top");
    assert_eq!(info.failure.unwrap().kind, FailureKind::Cancelled);
    assert_eq!(info.stop.unwrap().survivors, 0);
    stage.ok(&format!("stop {}", id("other")));
    assert!(!other.is_alive());
}

#[test]
fn what_a_killed_supervisor_leaves_is_found_without_a_number_in_the_record() {
    let (stage, server) = stage(Turns::new([Turn::Fault(Fault::Hang), Turn::text("Done.")]));
    let stage = stage.settings("defaults: {max_concurrent_runs: 1}\n");
    stage.launch_agent("task", "top", "sonar", "--detach").ok();
    let worker = asking(&stage, &server, "top");
    let owner = cl_storage::owner::Owner::read(&stage.dir("top"))
        .unwrap()
        .unwrap();
    let pid = rustix::process::Pid::from_raw(owner.pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    eventually("the supervisor's death", || {
        (!owner.is_alive()).then_some(())
    });
    assert!(worker.is_alive(), "it goes on by itself");
    let status = stage.json(&format!("status {}", id("top")));
    assert_eq!(status["tasks"][0]["owner"], "lost", "{status}");
    let rows = stage.json("ps").to_string();
    assert!(rows.contains(&format!("\"pid\":{}", worker.pid)), "{rows}");
    // The slot of a worker that lives is taken.
    let other = stage.launch_agent("job", "other", "actor", "--detach");
    other.ok();
    stage.waits_for("other", "slot");
    stage.ok("recover");
    assert_eq!(stage.ended("top").status, ResultStatus::Completed);
    assert!(!worker.is_alive(), "no two workers for one task");
    stage.ended("other");
    assert_eq!(stage.infos("top").len(), 2);
}

#[test]
fn a_limit_is_told_with_its_time() {
    let hour = std::time::Duration::from_hours(1);
    let limited = Fault::RateLimited {
        retry_after: Some(hour),
    };
    let (stage, server) = stage(Turns::always(Turn::Fault(limited)));
    let stage = stage.settings("limits: {auto_resume: false}\n");
    let failure = failed_job(&stage, "sonar", "top");
    assert_eq!(failure.kind, FailureKind::LimitWindow);
    let left =
        failure.retry_at.unwrap().as_second() - stage.info("top").start_time.unwrap().as_second();
    assert!((3500..=3700).contains(&left), "{left}");
    assert_eq!(
        server.request_count(),
        1,
        "it is not waited for by a process"
    );
}

#[test]
fn passing_failures_are_tried_again_and_told() {
    let soon = Fault::RateLimited {
        retry_after: Some(std::time::Duration::ZERO),
    };
    let (stage, server) = stage(Turns::new([
        Turn::Fault(soon.clone()),
        Turn::Fault(Fault::ServerError),
        Turn::Fault(Fault::CutStream),
    ]));
    let stage = stage.settings("limits: {auto_resume: false}\n");
    // The third one breaks off behind a piece of the answer, which is not said twice.
    let failure = failed_job(&stage, "grok", "cut");
    assert_eq!(failure.kind, FailureKind::ApiTransient);
    assert_eq!(server.request_count(), 3);
    let notes = fs::read_to_string(stage.runs("cut")[0].stderr()).unwrap();
    assert!(
        notes.contains("try 1 of 5 failed: HTTP status 429"),
        "{notes}"
    );
    assert!(
        notes.contains("try 2 of 5 failed: HTTP status 500"),
        "{notes}"
    );
    stage.launch_agent("job", "good", "grok", "").ok();
    server.play(Script::new(
        Turns::always(Turn::Fault(soon)).for_plain_requests(),
    ));
    let failure = failed_job(&stage, "grok", "limited");
    assert_eq!(failure.kind, FailureKind::LimitWindow);
    assert_eq!(server.request_count(), 4 + 5, "five tries");
}

#[test]
fn each_way_of_not_answering_has_its_kind() {
    let (stage, server) = stage(Turns::always(Turn::text("x")));
    for (name, fault, kind) in [
        ("refused", Fault::Unauthorized, FailureKind::Auth),
        ("overlong", Fault::BadRequest, FailureKind::ContextOverflow),
        ("midway", Fault::BrokenJsonMidway, FailureKind::ApiTransient),
        ("event", Fault::ErrorEvent, FailureKind::ApiTransient),
        (
            "credit",
            Fault::Status {
                status: 402,
                message: "pay".to_owned(),
            },
            FailureKind::LimitCredit,
        ),
    ] {
        let asked = server.request_count();
        server.play(Script::new(
            Turns::always(Turn::Fault(fault)).for_plain_requests(),
        ));
        assert_eq!(failed_job(&stage, "grok", name).kind, kind, "{name}");
        assert_eq!(
            server.request_count(),
            asked + 1,
            "{name} is not asked again"
        );
    }
}

#[test]
fn silence_is_a_stall_before_and_within_the_answer() {
    let (stage, server) = stage_with(Turns::always(Turn::Fault(Fault::Hang)), ", timeout: 300ms");
    assert_eq!(failed_job(&stage, "grok", "hang").kind, FailureKind::Stall);
    server.play(Script::new(
        Turns::always(Turn::Fault(Fault::Stall)).for_plain_requests(),
    ));
    assert_eq!(failed_job(&stage, "grok", "stall").kind, FailureKind::Stall);
    let said = output(&stage, "stall");
    assert!(!said.trim().is_empty(), "what was said is kept");
    stage
        .launch_agent(
            "job",
            "long",
            "sonar",
            "--idle-timeout 0 --max-duration 300ms",
        )
        .run()
        .assert_code(1);
    assert_eq!(
        stage.info("long").failure.unwrap().kind,
        FailureKind::Timeout
    );
}

#[test]
fn without_a_key_it_is_said_which_one() {
    let server = ModelServer::start(Script::always(Turn::text("x"))).unwrap();
    let url = server.url();
    let stage =
        Stage::new("  - done: true").settings(&format!("  grok: {{type: xai, base_url: {url}}}\n"));
    let failure = failed_job(&stage, "grok", "none");
    assert_eq!(failure.kind, FailureKind::Auth);
    assert!(failure.detail.contains("XAI_API_KEY"), "{failure}");
    // One in the environment does, and another service's does not.
    stage
        .launch_agent("job", "given", "grok", "")
        .env("XAI_API_KEY", KEY)
        .env("PERPLEXITY_API_KEY", "canary-other")
        .ok();
    assert_eq!(server.request_count(), 1);
}

#[test]
fn the_key_is_nowhere_but_in_the_request() {
    let echo = Fault::Status {
        status: 401,
        message: format!("Incorrect API key provided: {KEY}"),
    };
    let (stage, server) = stage(Turns::new([Turn::Fault(Fault::Hang), Turn::Fault(echo)]));
    stage.launch_agent("task", "top", "grok", "--detach").ok();
    let worker = asking(&stage, &server, "top");
    let line = fs::read(format!("/proc/{}/cmdline", worker.pid)).unwrap();
    let line = String::from_utf8_lossy(&line).into_owned();
    assert!(
        line.contains("__rest-agent") && !line.contains("canary"),
        "{line}"
    );
    let env = fs::read(format!("/proc/{}/environ", worker.pid)).unwrap();
    let env = String::from_utf8_lossy(&env).into_owned();
    assert_eq!(env.matches("canary").count(), 1, "its own key only");
    stage.ok(&format!("stop {}", id("top")));
    stage
        .launch_agent("job", "echo", "grok", "")
        .run()
        .assert_code(1);
    let token = stage.path("token");
    no_key_below(stage.scenario.path(), &token);
}

/// Fails if a file below `folder` other than `except` holds the key.
fn no_key_below(folder: &Path, except: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() {
            no_key_below(&path, except);
        } else if path.is_file() && path != except {
            let bytes = fs::read(&path).unwrap();
            let is_there = bytes.windows(KEY.len()).any(|part| part == KEY.as_bytes());
            assert!(!is_there, "{} holds the key", path.display());
        }
    }
}
