//! `review quorum`, as the built binary does it.

use cl_storage::RunDir;
use cl_storage::run_info::RunStatus;

use crate::place::{CHILD, PROJECT, Place, Ran, TASK, add_run, ended};
use crate::schema::assert_valid;

fn reviewers(place: &Place) -> [RunDir; 3] {
    let run = |task, second| add_run(&place.task(task), second, ended(RunStatus::Completed, 0));
    [run(TASK, 1), run(TASK, 2), run(CHILD, 3)]
}

/// Posts as a reviewer's agent does.
fn post(place: &Place, task: Option<&str>, run: &str, kind: &str, body: &str) {
    let task = task
        .map(|task| format!("--task {task}"))
        .unwrap_or_default();
    let line = format!("bus post --project {PROJECT} {task} --type {kind} --run {run}");
    place.run_with_input(&line, body.as_bytes()).ok();
}

#[track_caller]
fn quorum(place: &Place, runs: &str, more: &str) -> Ran {
    let line = format!("review quorum --project {PROJECT} --runs {runs} {more}");
    place.run_changing_nothing(&line)
}

#[test]
fn a_quorum_is_met_over_the_buses_of_project_and_tasks() {
    let place = Place::new();
    let [one, two, three] = reviewers(&place);
    let runs = format!("{},{},{}", one.id(), two.id(), three.id());
    quorum(&place, &runs, "").fails(1, "");
    post(
        &place,
        Some(TASK),
        one.id().as_str(),
        "REVIEW",
        "Good.\n\nVERDICT: pass\n",
    );
    post(&place, None, two.id().as_str(), "decision", "lgtm");
    let ran = quorum(&place, &runs, "");
    let told = ran.ok();
    assert!(told.starts_with("review quorum check\n"), "{told}");
    assert!(told.contains("\napprovals: 2 (required: 2)\n"), "{told}");
    assert!(
        told.contains(&format!("runs without verdict: {}\n", three.id())),
        "{told}"
    );
    assert!(told.ends_with("result: QUORUM MET\n"), "{told}");
    // The third reviewer is in a child task, and rejects: one is enough.
    post(
        &place,
        Some(CHILD),
        three.id().as_str(),
        "REVIEW",
        "{\"verdict\": \"reject\"}",
    );
    let ran = quorum(&place, &runs, "");
    assert!(
        ran.out.ends_with("result: QUORUM NOT MET — 1 rejection\n"),
        "{}",
        ran.out
    );
    ran.fails(1, "");
    let json: serde_json::Value =
        serde_json::from_str(&quorum(&place, &runs, "--json").out).unwrap();
    assert_valid("review-quorum", &json);
    assert_eq!(
        (&json["met"], &json["rejections"]),
        (&false.into(), &1.into())
    );
    post(
        &place,
        Some(CHILD),
        three.id().as_str(),
        "REVIEW",
        "APPROVED",
    );
    let json = quorum(&place, &runs, "--required 3 --json").json();
    assert_valid("review-quorum", &json);
    assert_eq!(json["met"], true);
}

#[test]
fn nobody_votes_twice_and_nobody_votes_for_others() {
    let place = Place::new();
    let [one, two, _] = reviewers(&place);
    let runs = format!("{},{}", one.id(), two.id());
    for _ in 0..3 {
        post(&place, Some(TASK), one.id().as_str(), "REVIEW", "APPROVED");
    }
    // A message without a run is nobody's.
    let line =
        format!("bus post --project {PROJECT} --task {TASK} --no-infer --type REVIEW --body LGTM");
    place.run(&line).ok();
    post(
        &place,
        Some(TASK),
        two.id().as_str(),
        "REVIEW",
        "unblocked, and tests PASS",
    );
    let ran = quorum(&place, &runs, "");
    assert!(ran.out.contains("1 of 2 required approvals"), "{}", ran.out);
    ran.fails(1, "");
    let line = format!(
        "bus post --project {PROJECT} --task {TASK} --run {} --type REVIEW --body prose --meta verdict=approved",
        two.id()
    );
    place.run(&line).ok();
    quorum(&place, &runs, &format!("--task {TASK}")).ok();
}

#[test]
fn what_only_sounds_like_approval_is_none() {
    for (body, rejections) in [
        ("NOT APPROVED", 1),
        ("- [ ] not approved", 0),
        ("It is approved by the tests, LGTM overall.", 0),
        ("", 0),
        ("Nothing to say.", 0),
        ("> APPROVED\n\nREJECTED", 1),
        ("```\nVERDICT: pass\n```\n\nVERDICT: fail", 1),
        ("```\nRESULT: pass\n```", 0),
        ("{\"verdict\": \"fail\", \"text\": \"APPROVED\"}", 1),
        ("{\"verdict\": \"soon\"}", 0),
        ("{\"text\": \"VERDICT: pass\"}", 0),
        ("VERDICT: pass\n\nVERDICT: fail", 1),
    ] {
        let place = Place::new();
        let [one, two, _] = reviewers(&place);
        let runs = format!("{},{}", one.id(), two.id());
        if !body.is_empty() {
            post(&place, Some(TASK), one.id().as_str(), "REVIEW", body);
        }
        // The other one approves, and again: that is one vote.
        for _ in 0..2 {
            post(&place, Some(TASK), two.id().as_str(), "REVIEW", "APPROVED");
        }
        let ran = quorum(&place, &runs, "--required 2 --json");
        let told: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
        assert_valid("review-quorum", &told);
        assert_eq!(ran.code, Some(1), "{body}: {told:#}");
        assert_eq!(
            (&told["met"], &told["approvals"], &told["rejections"]),
            (&false.into(), &1.into(), &rejections.into()),
            "{body}: {told:#}"
        );
    }
}

#[test]
fn the_latest_vote_of_a_run_is_its_vote() {
    for (first, second, code) in [
        ("APPROVED", "CHANGES REQUESTED", 1),
        ("CHANGES REQUESTED", "APPROVED", 0),
        ("APPROVED", "I am not sure any more.", 0),
    ] {
        let place = Place::new();
        let [one, ..] = reviewers(&place);
        for body in [first, second] {
            post(&place, Some(TASK), one.id().as_str(), "REVIEW", body);
        }
        let ran = quorum(&place, one.id().as_str(), "--required 1");
        assert_eq!(ran.code, Some(code), "{first}, {second}: {}", ran.out);
    }
}

#[test]
fn unknown_runs_are_listed_and_bad_requests_refused() {
    let place = Place::new();
    let [one, ..] = reviewers(&place);
    let stranger = "20260101-0000590000-77-1";
    let runs = format!("{},{stranger}", one.id());
    let ran = quorum(&place, &runs, "");
    assert!(
        ran.out.contains(&format!("unknown runs: {stranger}\n")),
        "{}",
        ran.out
    );
    ran.fails(1, "is not known here");
    quorum(&place, one.id().as_str(), "").fails(2, "can never be met");
    let twice = format!("{},{}", one.id(), one.id());
    quorum(&place, &twice, "").fails(2, "can never be met");
    quorum(&place, &runs, "--required 0").fails(2, "0 is not in");
    quorum(&place, "no/run", "").fails(2, "run");
    quorum(&place, ",", "").fails(2, "names no run");
    place
        .run(&format!("review quorum --project missing --runs {runs}"))
        .fails(3, "missing does not exist");
    place.run("review quorum --project demo").fails(2, "--runs");
    // What cannot be read is not a quorum that is not met.
    std::fs::create_dir(place.task(TASK).bus()).unwrap();
    quorum(&place, &runs, "").fails(2, "could not read");
}
