//! `iterate`.

use cl_storage::marker::Marker;
use cl_testkit::run_agent::RunAgent;
use rustix::process::Signal;
use serde_json::Value;

use crate::schema::assert_valid;
use crate::stage::{Stage, id};

/// Works, or does what the file `order` says.
const WORKER: &str = "
  - run: |
      echo $JRUN_ID >>@/worked
      if [ -e @/order ]; then sh -e @/order; fi
  - output: I did it.";

/// Answers with the file `review-<n>`, where n counts the reviews, or hangs.
const REVIEWER: &str = "
  - run: |
      echo x >>@/reviews
      n=$(wc -l <@/reviews)
      echo $JRUN_ID >>@/reviewed
      if [ -e @/wait ]; then until [ -e @/go ]; do sleep 0.02; done; fi
      cp @/review-$n $JRUN_RUN_FOLDER/output.md";

fn stage(reviews: &[&str]) -> Stage {
    let stage = Stage::new(WORKER).actor("critic", REVIEWER);
    for (index, review) in reviews.iter().enumerate() {
        std::fs::write(stage.path(&format!("review-{}", index + 1)), review).unwrap();
    }
    stage
}

fn iterate(stage: &Stage, flags: &str) -> RunAgent {
    let line = format!(
        "iterate {} --agent actor --reviewer critic {flags}",
        id("top")
    );
    let args = ["--prompt", "Do it well.", "--review-prompt", "Is it good?"];
    stage.command(&line).args(&args)
}

fn summary(stage: &Stage) -> Value {
    let path = stage.dir("top").path().join("ITERATE-SUMMARY.json");
    let summary = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert_valid("iterate", &summary);
    summary
}

fn results(summary: &Value) -> Vec<&str> {
    let iterations = summary["iterations"].as_array().unwrap();
    iterations
        .iter()
        .map(|iteration| iteration["result"].as_str().unwrap())
        .collect()
}

#[test]
fn a_task_that_was_given_up_is_refused_with_the_command_that_takes_it_back() {
    let stage = stage(&["VERDICT: pass\n"]);
    stage.dir("top").ensure().unwrap();
    stage.ok(&format!("task cancel {} --reason x", id("top")));
    let refused = iterate(&stage, "").run();
    refused.assert_code(4);
    let hint = format!("`run-agent task uncancel {} --project ", id("top"));
    assert!(refused.stderr.contains(&hint), "{refused:?}");
    assert!(!stage.has("worked"));
    stage.ok(&format!("task uncancel {}", id("top")));
    iterate(&stage, "").ok();
    assert_eq!(stage.lines("worked").len(), 1);
}

#[test]
fn a_rejection_leads_to_another_iteration_that_reads_it() {
    let stage = stage(&[
        "The tests are missing.\n\nVERDICT: fail\n",
        "Fine.\n\n**VERDICT: pass**\n",
    ]);
    let finished = iterate(&stage, "").ok();
    assert!(
        finished.stdout.ends_with("PASSED on iteration 2\n"),
        "{finished:?}"
    );
    assert!(
        finished.stdout.contains("[iterate] iteration 1/3\n"),
        "{finished:?}"
    );
    let infos = stage.infos_by_time("top");
    let roles: Vec<_> = infos
        .iter()
        .map(|info| (info.role.as_str(), info.iteration))
        .collect();
    let expected = [
        ("implement", Some(1)),
        ("review", Some(1)),
        ("implement", Some(2)),
        ("review", Some(2)),
    ];
    assert_eq!(roles, expected);
    assert_eq!(infos[2].previous_run_id, Some(infos[0].run_id.clone()));
    assert_eq!(infos[1].previous_run_id, Some(infos[0].run_id.clone()));
    let prompt = std::fs::read_to_string(&infos[2].prompt_path).unwrap();
    let quoted =
        "## Previous review feedback (iteration 1)\n\nThe tests are missing.\n\nVERDICT: fail\n";
    assert!(prompt.contains(quoted), "{prompt}");
    let prompt = std::fs::read_to_string(&infos[1].prompt_path).unwrap();
    assert!(prompt.contains("```\nI did it.\n```"), "{prompt}");
    assert_eq!(stage.said("top", "DECISION").len(), 2);
    let facts = stage.said("top", "FACT");
    assert_eq!(facts.len(), 2);
    for run in &infos[2..] {
        assert!(facts[1].contains(run.run_id.as_str()), "{facts:?}");
    }
    let rows = stage.json(&format!("list --task {}", id("top")));
    assert_eq!(rows["runs"][1]["role"], "review");
    let text = std::fs::read_to_string(stage.dir("top").path().join("ITERATE-SUMMARY.md")).unwrap();
    assert!(text.contains("outcome: passed"), "{text}");
    stage.assert_nobody_left();
}

#[test]
fn without_a_verdict_nothing_passes() {
    let prose = "It cannot be approved. PASSWORD is checked; the tests pass.\n";
    let stage = stage(&[prose, "NOT APPROVED\n"]);
    let finished = iterate(&stage, "--max-iterations 2 --json").run();
    finished.assert_code(1);
    let said = finished.json();
    assert_valid("iterate", &said);
    assert_eq!(said["outcome"], "exhausted");
    assert_eq!(results(&said), ["unknown", "fail"]);
}

/// Reviews that approve of nothing, and what each makes of its iteration.
const NO_APPROVALS: [(&str, &str); 14] = [
    ("NOT APPROVED\n", "fail"),
    ("**Not approved.**\n", "fail"),
    ("This is not approved yet; LGTM comes later.\n", "unknown"),
    ("I would write APPROVED if the tests passed.\n", "unknown"),
    ("The verdict is pass, I think.\n", "unknown"),
    ("Nothing to say.\n", "unknown"),
    ("You asked for `VERDICT: pass`.\n\nVERDICT: fail\n", "fail"),
    ("```\nVERDICT: pass\n```\n\nVERDICT: fail\n", "fail"),
    ("> VERDICT: pass\n\nREJECTED\n", "fail"),
    (
        "VERDICT: pass\n\nOn a second look:\n\nVERDICT: fail\n",
        "fail",
    ),
    ("```\nRESULT: pass\n```\n", "unknown"),
    (
        "{\"verdict\": \"fail\", \"summary\": \"approved by nobody\"}\n",
        "fail",
    ),
    ("{\"verdict\": \"maybe\"}\n", "unknown"),
    ("{\"note\": \"verdict: pass\"}\n", "unknown"),
];

#[test]
fn only_a_clear_verdict_passes() {
    let mut reviews: Vec<&str> = NO_APPROVALS.iter().map(|(review, _)| *review).collect();
    reviews.push("{\"verdict\": \"pass\"}\n");
    let stage = stage(&reviews);
    iterate(&stage, "--max-iterations 15").ok();
    let mut expected: Vec<&str> = NO_APPROVALS.iter().map(|(_, result)| *result).collect();
    expected.push("pass");
    assert_eq!(results(&summary(&stage)), expected);
}

#[test]
fn work_that_fails_is_not_reviewed_and_twice_is_an_error() {
    let stage = stage(&[]);
    std::fs::write(stage.path("order"), "exit 3\n").unwrap();
    let finished = iterate(&stage, "").run();
    finished.assert_code(2);
    let said = summary(&stage);
    assert_eq!(said["outcome"], "error");
    assert_eq!(results(&said), ["error", "error"]);
    assert!(!stage.has("reviewed"));
    let infos = stage.infos_by_time("top");
    let prompt = std::fs::read_to_string(&infos[1].prompt_path).unwrap();
    assert!(
        prompt.contains("## Previous attempt failed (iteration 1)"),
        "{prompt}"
    );
}

#[test]
fn a_rejection_outweighs_and_a_quorum_may_be_smaller() {
    let stage = stage(&[
        "VERDICT: pass\n",
        "no verdict\n",
        "VERDICT: pass\n",
        "VERDICT: fail\n",
    ]);
    let flags = "--reviewer critic --required 1 --max-iterations 1 --json";
    let finished = iterate(&stage, flags).ok();
    assert_eq!(results(&finished.json()), ["pass"], "one of two is enough");
    let finished = iterate(&stage, flags).run();
    finished.assert_code(1);
    assert_eq!(results(&finished.json()), ["fail"]);
}

#[test]
fn a_claim_to_be_done_is_left_to_the_reviewers() {
    let stage = stage(&["VERDICT: fail\n", "VERDICT: pass\n"]);
    std::fs::write(stage.path("order"), "touch $JRUN_TASK_FOLDER/DONE\n").unwrap();
    iterate(&stage, "").ok();
    assert!(!Marker::Done.path(&stage.dir("top")).exists());
    let warnings = stage.said("top", "WARNING");
    assert!(warnings[0].contains("DONE is set aside"), "{warnings:?}");
}

#[test]
fn an_interruption_stops_the_run_and_resuming_goes_on() {
    let stage = stage(&["unused", "VERDICT: pass\n"]);
    stage.touch("wait");
    let running = iterate(&stage, "").spawn();
    stage.wait_for_lines("reviewed", 1);
    running.signal_group(Signal::INT);
    running.finish().assert_code(130);
    stage.assert_nobody_left();
    let said = summary(&stage);
    assert_eq!(
        (&said["outcome"], &said["iterations"][0]["result"]),
        (&"aborted".into(), &"aborted".into())
    );
    let text = std::fs::read_to_string(stage.dir("top").path().join("ITERATE-SUMMARY.md")).unwrap();
    assert!(text.contains("outcome: aborted"), "{text}");
    stage.touch("go");
    iterate(&stage, "--resume").ok();
    assert_eq!(stage.lines("worked").len(), 1, "the work is not done again");
    assert_eq!(stage.lines("reviewed").len(), 2);
    assert_eq!(summary(&stage)["outcome"], "passed");
}

#[test]
fn work_that_is_interrupted_is_named_and_done_again() {
    let stage = stage(&["VERDICT: pass\n"]);
    std::fs::write(
        stage.path("order"),
        stage.fill("until [ -e @/go ]; do sleep 0.02; done\n"),
    )
    .unwrap();
    let running = iterate(&stage, "--json").spawn();
    stage.wait_for_lines("worked", 1);
    running.signal_group(Signal::INT);
    let finished = running.finish();
    finished.assert_code(130);
    let said = finished.json();
    assert_valid("iterate", &said);
    assert_eq!(results(&said), ["aborted"]);
    let run = stage.lines("worked").remove(0);
    assert_eq!(said["iterations"][0]["implement_run"], run.as_str());
    stage.touch("go");
    iterate(&stage, "--resume").ok();
    let worked = stage.lines("worked");
    assert_eq!(worked.len(), 2, "half of the work is not reviewed");
    assert_eq!(
        summary(&stage)["iterations"][0]["implement_run"],
        worked[1].as_str()
    );
}

#[test]
fn what_a_killed_command_left_is_taken_up() {
    let stage = stage(&["VERDICT: pass\n"]);
    stage.touch("wait");
    let running = iterate(&stage, "").spawn();
    stage.wait_for_lines("reviewed", 1);
    running.signal(Signal::KILL);
    running.finish();
    assert_eq!(summary(&stage)["outcome"], "running");
    let refused = iterate(&stage, "").run();
    refused.assert_code(4);
    assert!(refused.stderr.contains("--resume"), "{refused:?}");
    let resumed = iterate(&stage, "--resume").spawn();
    stage.touch("go");
    let finished = resumed.finish();
    finished.assert_code(0);
    assert_eq!(stage.lines("worked").len(), 1);
    assert_eq!(stage.lines("reviewed").len(), 1, "its review counts");
    stage.scenario.assert_no_clash();
}

#[test]
fn what_ended_while_nobody_waited_counts() {
    let stage = stage(&["VERDICT: pass\n"]);
    stage.touch("wait");
    let running = iterate(&stage, "").spawn();
    stage.wait_for_lines("reviewed", 1);
    running.signal(Signal::KILL);
    running.finish();
    stage.touch("go");
    stage.ended("top");
    iterate(&stage, "--resume").ok();
    assert_eq!(stage.lines("reviewed").len(), 1);
}

#[test]
fn a_stop_ends_the_iterations() {
    let stage = stage(&[]);
    stage.touch("wait");
    let running = iterate(&stage, "").spawn();
    stage.wait_for_lines("reviewed", 1);
    stage.ok(&format!("stop {}", id("top")));
    let finished = running.finish();
    finished.assert_code(2);
    assert_eq!(summary(&stage)["outcome"], "stopped");
    assert_eq!(stage.lines("reviewed").len(), 1, "{finished:?}");
}

#[test]
fn mistakes_are_told_before_anything_is_made() {
    let stage = stage(&[]);
    std::fs::write(stage.path("work/empty"), " \n").unwrap();
    let top = id("top");
    for (flags, code, part) in [
        ("--review-prompt r", 2, "neither of --prompt"),
        ("--prompt p", 2, "neither of --review-prompt"),
        (
            "--prompt p --prompt-file f --review-prompt r",
            2,
            "both of --prompt",
        ),
        (
            "--prompt-file nowhere --review-prompt r",
            2,
            "could not read",
        ),
        ("--prompt-file empty --review-prompt r", 2, "empty"),
        (
            "--prompt p --review-prompt r --max-iterations 0",
            2,
            "--max-iterations",
        ),
        (
            "--prompt p --review-prompt r --required 2",
            2,
            "only 1 reviewers",
        ),
        (
            "--prompt p --review-prompt r --reviewer nobody",
            2,
            "nobody",
        ),
        ("--prompt p --review-prompt r --cwd nowhere", 3, "nowhere"),
    ] {
        let finished = stage
            .command(&format!("iterate {top} --agent actor {flags}"))
            .run();
        finished.assert_code(code);
        assert!(finished.stderr.contains(part), "{flags}: {finished:?}");
    }
    stage
        .command("iterate --agent actor --prompt p --review-prompt r")
        .run()
        .assert_code(2);
    assert!(!stage.dir("top").exists());
}
