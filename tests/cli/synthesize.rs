//! `output synthesize`, as the built binary does it.

use std::fs;

use cl_storage::RunDir;
use cl_storage::run_info::RunStatus;
use serde_json::Value;

use crate::place::{CHILD, PROJECT, Place, TASK, add_run, ended};
use crate::schema::assert_valid;

/// Adds a run of `task` with an answer.
fn answered(place: &Place, task: &str, second: u32, text: &str) -> RunDir {
    let run = add_run(&place.task(task), second, ended(RunStatus::Completed, 0));
    fs::write(run.output(), text).unwrap();
    run
}

fn line(runs: &str, more: &str) -> String {
    format!("output synthesize --project {PROJECT} --task {TASK} --runs {runs} {more}")
}

fn json(place: &Place, runs: &str, more: &str) -> Value {
    let json = place
        .run_changing_nothing(&line(runs, &format!("--json {more}")))
        .json();
    assert_valid("output-synthesize", &json);
    json
}

#[test]
fn answers_stand_in_the_order_of_the_selectors() {
    let place = Place::new();
    let first = answered(&place, TASK, 1, "One.\n\n");
    let second = answered(&place, TASK, 2, "");
    let third = add_run(&place.task(CHILD), 3, ended(RunStatus::Completed, 0));
    fs::write(third.stdout(), "Three\n").unwrap();
    fs::write(third.prompt(), "not me").unwrap();
    // By id, by path, in another task of the project, and one of them twice.
    let runs = format!(
        "{},{},{},{}",
        third.id(),
        first.path().display(),
        second.id(),
        first.id()
    );
    let ran = place.run_changing_nothing(&line(&runs, ""));
    assert!(
        ran.err.contains("synthesized 3 runs (concatenate)"),
        "{}",
        ran.err
    );
    let section = |run: &RunDir, file: &str, text: &str| {
        let source = run.path().join(file);
        format!(
            "## run: {}\nsource: {}\n\n{text}\n\n---\n",
            run.id(),
            source.display()
        )
    };
    let expected = section(&third, "agent-stdout.txt", "Three")
        + &section(&first, "output.md", "One.")
        + &section(&second, "output.md", "");
    assert_eq!(ran.ok(), expected);
    let json = json(&place, &runs, "");
    assert_eq!(json["document"], expected);
    assert_eq!(json["runs"][0]["run_id"], third.id().as_str());
    assert_eq!(json["runs"][2]["missing"], false);
}

#[test]
fn a_missing_answer_is_told_and_strict_writes_nothing() {
    let place = Place::new();
    let there = answered(&place, TASK, 1, "Here.");
    let silent = add_run(&place.task(TASK), 2, ended(RunStatus::Failed, 1));
    let runs = format!("{},{},20260101-0000090000-1-1", there.id(), silent.id());
    let ran = place.run_changing_nothing(&line(&runs, ""));
    assert_eq!(
        ran.err.matches("has left no answer").count(),
        2,
        "{}",
        ran.err
    );
    assert_eq!(
        ran.ok().matches("> no output found for this run").count(),
        2
    );
    assert_eq!(json(&place, &runs, "")["missing"], 2);
    let out = place.work().join("out.md");
    fs::write(&out, "before").unwrap();
    place
        .run_changing_nothing(&line(&runs, "--strict --out out.md"))
        .fails(1, "2 of 3 runs");
    let ran = place.run(&line(&runs, "--out out.md"));
    assert!(ran.err.contains("2 without an answer"), "{}", ran.err);
    assert_eq!(ran.ok(), "");
    assert!(fs::read_to_string(&out).unwrap().starts_with("## run: "));
    assert_eq!(fs::read_dir(place.work()).unwrap().count(), 1);
    let json = place.run(&line(&runs, "--out out.md --json")).json();
    assert_valid("output-synthesize", &json);
    assert_eq!(json["document"], Value::Null);
}

#[test]
fn bad_selectors_and_places_are_refused() {
    let place = Place::new();
    let run = answered(&place, TASK, 1, "x");
    for (runs, code, part) in [
        ("runs/x", 2, "relative path"),
        ("../x", 2, "relative path"),
        (",", 2, "names no run"),
        ("nonsense", 2, "must match"),
    ] {
        place
            .run_changing_nothing(&line(runs, ""))
            .fails(code, part);
    }
    // A folder is only read if it is a run's, whoever names it.
    let stranger = place.path().join("stranger");
    fs::create_dir(&stranger).unwrap();
    fs::write(stranger.join("output.md"), "not an answer").unwrap();
    for (path, code, part) in [
        (stranger.to_str().unwrap(), 2, "is not the folder of a run"),
        ("/etc", 2, "is not the folder of a run"),
        ("/", 2, "is not the folder of a run"),
        ("/nowhere/at/all", 3, "does not exist"),
    ] {
        place
            .run_changing_nothing(&line(path, ""))
            .fails(code, part);
    }
    // A copy under another name is known by its record.
    fs::copy(
        run.path().join("run-info.yaml"),
        stranger.join("run-info.yaml"),
    )
    .unwrap();
    let copied = place
        .run_changing_nothing(&line(stranger.to_str().unwrap(), ""))
        .ok();
    assert!(
        copied.starts_with(&format!("## run: {}\n", run.id())),
        "{copied}"
    );
    let id = run.id().as_str();
    place
        .run_changing_nothing(&line(id, "--strategy reduce"))
        .fails(2, "strategy not implemented");
    place
        .run_changing_nothing(&line(id, "--strategy best"))
        .fails(2, "best");
    place
        .run_changing_nothing(&line(id, "--out ."))
        .fails(2, "is a folder");
    place
        .run_changing_nothing(&line(id, "--out missing/out.md"))
        .fails(1, "could not write");
    place
        .run_changing_nothing("output synthesize")
        .fails(2, "--runs");
    place
        .run_changing_nothing(&format!("output --tail 3 synthesize --runs {id}"))
        .fails(2, "--tail belongs to `output`");
    // A link in the place of an answer could show anything.
    fs::remove_file(run.output()).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", run.output()).unwrap();
    place
        .run_changing_nothing(&line(id, ""))
        .fails(1, "output.md");
}

#[test]
fn paragraphs_are_merged_and_votes_are_counted() {
    let place = Place::new();
    let yes = answered(&place, TASK, 1, "Shared.\n\nVERDICT: pass");
    let also = answered(&place, TASK, 2, "Shared.\n\nOwn.\n\nVERDICT: pass");
    let no = answered(&place, TASK, 3, "VERDICT: fail");
    let runs = format!("{},{},{}", yes.id(), also.id(), no.id());
    let merged = place.run(&line(&runs, "--strategy merge")).ok();
    assert_eq!(merged.matches("Shared.").count(), 1, "{merged}");
    let both = format!("Shared.\n<!-- said by: {}, {} -->", yes.id(), also.id());
    assert!(merged.contains(&both), "{merged}");
    let vote = json(&place, &runs, "--strategy vote");
    assert_eq!(vote["vote"]["winner"], "pass");
    assert!(
        vote["document"]
            .as_str()
            .unwrap()
            .starts_with("## vote: pass\n")
    );
    let split = format!("{},{}", yes.id(), no.id());
    let ran = place.run(&line(&split, "--strategy vote"));
    assert!(ran.out.contains("## vote: no majority"), "{}", ran.out);
    ran.fails(1, "no majority");
}

#[test]
fn a_configured_secret_is_masked_and_the_fact_is_posted() {
    let place = Place::new();
    let run = answered(&place, TASK, 1, "the token is canary-secret-0001 indeed");
    fs::write(
        place.work().join("conductor.yaml"),
        "agents:\n  a: {type: codex, token: canary-secret-0001}\n",
    )
    .unwrap();
    let ran = place.run(&line(run.id().as_str(), "--post-fact --out out.md"));
    assert!(!ran.err.contains("canary"), "{}", ran.err);
    ran.ok();
    let text = fs::read_to_string(place.work().join("out.md")).unwrap();
    assert!(
        text.contains("[REDACTED]") && !text.contains("canary"),
        "{text}"
    );
    let bus = fs::read_to_string(place.task(TASK).bus()).unwrap();
    assert!(bus.contains("synthesized 1 runs (concatenate)"), "{bus}");
}

#[test]
fn an_answer_beyond_all_bounds_is_refused() {
    let place = Place::new();
    let run = answered(&place, TASK, 1, "");
    let file = fs::File::options().write(true).open(run.output()).unwrap();
    file.set_len((16 << 20) + 1).unwrap();
    place
        .run(&line(run.id().as_str(), "--out out.md"))
        .fails(1, "too large");
    assert!(!place.work().join("out.md").exists());
}

#[test]
fn members_that_failed_said_nothing_or_far_too_much() {
    const BIG: usize = 50 * 1024 * 1024;
    let place = Place::new();
    let good = answered(&place, TASK, 1, "Yes.\n\nBecause.\n");
    let failed = add_run(&place.task(TASK), 2, ended(RunStatus::Failed, 1));
    fs::write(failed.output(), "Yes.\n").unwrap();
    let empty = answered(&place, TASK, 3, " \n");
    let big = answered(&place, TASK, 4, &"Yes. ".repeat(BIG / 5));
    let some = format!("{},{},{}", good.id(), failed.id(), empty.id());

    let ran = place.run_changing_nothing(&line(&some, ""));
    assert_eq!(
        ran.ok().matches("Yes.").count(),
        2,
        "what a failed run said is there"
    );
    let merged = json(&place, &some, "--strategy merge");
    let document = merged["document"].as_str().unwrap();
    assert_eq!(document.matches("Yes.").count(), 1, "{document}");
    assert!(document.contains(failed.id().as_str()), "{document}");

    // Two of three say the same; a silent one more, and there is no majority.
    let same = answered(&place, TASK, 5, "Yes.");
    let three = format!("{},{},{}", failed.id(), same.id(), empty.id());
    let ran = place.run_changing_nothing(&line(&three, "--strategy vote"));
    assert!(ran.ok().contains("Yes."));
    let silent = answered(&place, TASK, 6, "");
    let four = format!("{three},{}", silent.id());
    place
        .run_changing_nothing(&line(&four, "--strategy vote"))
        .fails(1, "");

    // What is too much is never cut in silence, and nothing is written.
    fs::write(place.work().join("out.md"), "before").unwrap();
    for strategy in ["concatenate", "merge", "vote"] {
        let all = format!("{some},{}", big.id());
        let more = format!("--strategy {strategy} --out out.md");
        place
            .run_changing_nothing(&line(&all, &more))
            .fails(1, "too large");
    }
}
