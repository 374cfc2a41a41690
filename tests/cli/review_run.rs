//! `review run`, with real agents that play scripts.

use cl_testkit::patience::until;
use cl_testkit::scenario::{PROJECT, Scenario};
use rustix::process::Signal;

use crate::schema::assert_valid;

const WORK: &str = "task-20260101-000000-work";

/// Returns a place with a run to review, and the run's id.
fn reviewed() -> (Scenario, String) {
    let say = |text: &str| format!("version: 1\nsteps:\n  - say: \"{text}\"\n");
    let scenario = Scenario::new(env!("CARGO_BIN_EXE_run-agent"))
        .agent("worker", &say("The answer is 42."))
        .agent("kind", &say("Fine.\\n\\nVERDICT: pass"))
        .agent("strict", &say("Wrong.\\n\\nVERDICT: fail"))
        .agent("vague", &say("I would say it could be approved."))
        .agent(
            "slow",
            "version: 1\nsteps:\n  - write: {path: working, content: x}\n  - hang: true\n",
        );
    let line = [
        "job",
        WORK,
        "--agent",
        "worker",
        "--prompt",
        "Work.",
        "--project",
        PROJECT,
    ];
    scenario.command(&line).ok();
    let runs = scenario.task(WORK).runs().unwrap();
    (scenario, runs[0].id().to_string())
}

#[test]
fn reviewers_decide_and_their_votes_are_on_the_bus() {
    let (scenario, run) = reviewed();
    let review = |reviewers: &str, more: &[&str]| {
        let line = [
            "review",
            "run",
            &run,
            "--project",
            PROJECT,
            "--json",
            "--reviewer",
            reviewers,
        ];
        scenario.command(&line).args(more).run()
    };
    let good = review("kind,kind", &[]);
    good.assert_code(0);
    let json = good.json();
    assert_valid("review-run", &json);
    assert_eq!(
        (&json["met"], &json["approvals"]),
        (&true.into(), &2.into())
    );
    // The quorum that is asked for later sees the same votes.
    let runs: Vec<&str> = (json["reviews"].as_array().unwrap().iter())
        .map(|review| review["run_id"].as_str().unwrap())
        .collect();
    let tasks = |at: usize| json["reviews"][at]["task"].as_str().unwrap().to_owned();
    assert_ne!(tasks(0), tasks(1), "each reviewer has a task of its own");
    let runs = runs.join(",");
    let line = [
        "review",
        "quorum",
        "--runs",
        &runs,
        "--project",
        PROJECT,
        "--task",
        WORK,
    ];
    scenario.command(&line).ok();
    let vetoed = review("kind,strict", &["--required", "1"]);
    vetoed.assert_code(1);
    assert_valid("review-run", &vetoed.json());
    assert_eq!(vetoed.json()["reason"], "1 rejection");
    let vague = review("vague", &[]);
    vague.assert_code(1);
    assert_eq!(vague.json()["reviews"][0]["verdict"], "unknown");
}

#[test]
fn an_interrupt_stops_the_reviewer_and_decides_nothing() {
    let (scenario, run) = reviewed();
    let line = [
        "review",
        "run",
        &run,
        "--project",
        PROJECT,
        "--reviewer",
        "slow,kind",
    ];
    let running = scenario.command(&line).spawn();
    until("a reviewer at work", || {
        scenario.work().join("working").exists()
    });
    running.signal(Signal::INT);
    let finished = running.finish();
    finished.assert_code(130);
    assert_eq!(finished.stdout, "");
    assert!(!scenario.survivors().exist());
}

#[test]
fn what_cannot_be_reviewed_starts_nobody() {
    let (scenario, run) = reviewed();
    let check = |args: &[&str], code: i32, part: &str| {
        let line = ["review", "run", "--project", PROJECT];
        let finished = scenario.command(&line).args(args).run();
        finished.assert_code(code);
        assert!(finished.stderr.contains(part), "{finished:?}");
    };
    check(&["nonsense"], 2, "must match");
    check(&["20260101-0000000000-1-1"], 3, "does not exist");
    check(
        &[&run, "--reviewer", "kind", "--required", "2"],
        2,
        "only 1 reviewers",
    );
    check(&[&run, "--reviewer", "kind,nobody"], 2, "nobody");
    let begun = scenario.begun().len();
    assert_eq!(begun, 1, "only the worker");
}
