//! The supervisor dies at each named point of its way through an attempt.

use cl_testkit::patience::until;

use crate::rig::{Rig, WAITING};

/// What a death at a point leaves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Left {
    /// The launcher was not told yet: it reports a failure, nothing has begun.
    Unacknowledged,
    /// A task without an agent.
    NoAgent,
    /// A task whose agent lives on.
    Agent,
    /// A task whose agent has ended by itself.
    EndedAgent,
    /// The result is on disk.
    Result,
}

/// Starts the task so that its supervisor dies at `point`; the agent waits,
/// or runs through if the point lies behind its end.
#[track_caller]
fn crash(point: &str, left: Left, extra: &[&str]) -> Rig {
    let rig = Rig::new(WAITING);
    if matches!(left, Left::EndedAgent | Left::Result) {
        rig.scenario.release("go");
    }
    let started = rig.start(extra).crash_at(point).run();
    rig.assert_crashed_at(point);
    let is_detached = extra.contains(&"--detach");
    match left {
        Left::Unacknowledged => started.assert_code(1),
        Left::Result => started.assert_code(0),
        _ if is_detached => started.assert_code(0),
        _ => {
            started.assert_code(1);
            assert!(started.stderr.contains("died"), "{started:#?}");
        }
    }
    if left == Left::Agent {
        rig.scenario.survivors().wait_for_one();
    }
    let standing = rig.assert_lost_and_true();
    assert_eq!(standing.active, left == Left::Agent, "{standing:#?}");
    if matches!(left, Left::EndedAgent | Left::Result) {
        assert_eq!(standing.status, "all_finished", "{standing:#?}");
    }
    rig
}

/// The owner is lost in a detached task, which is taken up at once.
#[track_caller]
fn check_resume(point: &str, left: Left) {
    let rig = crash(point, left, &["--detach"]);
    rig.post("between");
    take_up(&rig, left);
}

/// The owner is lost while somebody waits, the task is stopped, then taken up.
#[track_caller]
fn check_stop(point: &str, left: Left) {
    let rig = crash(point, left, &[]);
    let stopped = rig.stop();
    assert_eq!(stopped.json()["outcome"], "ended_lost", "{stopped:#?}");
    if !matches!(left, Left::EndedAgent | Left::Result) {
        assert_eq!(rig.standing().status, "stopped");
    }
    take_up(&rig, left);
}

#[track_caller]
fn take_up(rig: &Rig, left: Left) {
    if left == Left::Unacknowledged {
        // The launch has failed in front of the user, who makes it again.
        rig.scenario.release("go");
        rig.start(&[]).ok();
        rig.assert_done();
    } else {
        rig.resume_to_done();
    }
}

#[test]
fn the_end_of_a_run_is_told_exactly_once() {
    let told = |rig: &Rig| {
        let messages = rig.messages().into_iter();
        let of_ends = |message: &serde_json::Value| {
            ["RUN_STOP", "RUN_CRASH"].contains(&message["type"].as_str().unwrap())
        };
        messages.filter(of_ends).count()
    };
    for (point, before) in [("end-recorded", 0), ("result-unrecorded", 1)] {
        let rig = crash(point, Left::EndedAgent, &["--detach"]);
        assert_eq!(told(&rig), before, "{point}");
        rig.command(&["recover"]).ok();
        cl_testkit::patience::until("the end", || rig.standing().owner == "none");
        assert_eq!(told(&rig), 1, "{point}, taken up");
        let rig = crash(point, Left::EndedAgent, &[]);
        rig.stop();
        assert_eq!(told(&rig), 1, "{point}, stopped");
    }
}

macro_rules! points {
    ($($name:ident, $point:literal, $left:ident;)*) => {
        mod resumed {
            use super::{Left, check_resume};
            $(#[test] fn $name() { check_resume($point, Left::$left); })*
        }
        mod stopped {
            use super::{Left, check_stop};
            $(#[test] fn $name() { check_stop($point, Left::$left); })*
        }
    };
}

points! {
    owned, "owned", Unacknowledged;
    launch_recorded, "launch-recorded", Unacknowledged;
    before_the_run_folder, "before-run-folder", NoAgent;
    before_the_record, "run-unrecorded", NoAgent;
    recorded, "run-recorded", NoAgent;
    unspawned, "unspawned", NoAgent;
    spawned_but_unrecorded, "spawned-unrecorded", Agent;
    started, "started", Agent;
    exited_but_unrecorded, "exited-unrecorded", EndedAgent;
    draining, "draining", EndedAgent;
    end_recorded, "end-recorded", EndedAgent;
    before_the_result, "result-unrecorded", EndedAgent;
    after_the_result, "result-recorded", Result;
    before_the_project_is_told, "propagation-unposted", Result;
    after_the_project_was_told, "propagation-posted", Result;
    after_that_was_recorded, "propagation-recorded", Result;
}

#[test]
fn a_refusal_that_was_recorded_is_not_forgotten() {
    let rig = Rig::new(WAITING);
    rig.scenario.release("go");
    let gate = "test -e pass";
    let args = ["--detach", "--gate", gate];
    rig.start(&args).crash_at("refusal-recorded").run();
    rig.assert_crashed_at("refusal-recorded");
    rig.assert_lost_while_judged();
    // The claim may still stand: whoever goes on asks the gate again.
    std::fs::write(rig.scenario.work().join("pass"), "").unwrap();
    rig.resume_to_done();
}

#[test]
fn a_stalemate_is_counted_over_recoveries() {
    let rig = Rig::new("version: 1\nsteps:\n  - done: true\n");
    let args = ["--detach", "--gate", "echo red; exit 1"];
    let point = "refusal-recorded";
    rig.start(&args).crash_at("refusal-recorded:2").run();
    rig.assert_crashed_at(point);
    rig.assert_lost_while_judged();
    rig.scenario.command(&["recover"]).ok();
    until("the end", || {
        let standing = rig.standing();
        standing.owner == "none" && !standing.active
    });
    let whole = rig.standing().whole;
    assert_eq!(whole["status"], "failed");
    let detail = whole["failure"]["detail"].as_str().unwrap();
    assert!(detail.contains("stalemate"), "{detail}");
    // The claim that was refused when the supervisor died is asked about again.
    assert_eq!(rig.task().runs().unwrap().len(), 2);
}

#[test]
fn a_claim_stands_only_on_evidence_that_is_on_disk() {
    for (point, evidence) in [
        ("evidence-unrecorded", 0),
        ("evidence-recorded", 1),
        ("claim-recorded", 1),
    ] {
        let rig = Rig::new("version: 1\nsteps:\n  - done: true\n");
        rig.start(&["--detach", "--gate", "true"])
            .crash_at(point)
            .run();
        rig.assert_crashed_at(point);
        let standing = rig.assert_lost_while_judged();
        assert_eq!(standing.whole["done"], false, "{point}");
        let first = rig.task().gates_folder().join("1.yaml");
        assert_eq!(usize::from(first.is_file()), evidence, "{point}");
        rig.command(&["verify"]).run().assert_code(3);
        // Whoever goes on asks the gate again.
        rig.start(&["--gate", "true"]).ok();
        rig.assert_done();
        rig.command(&["verify"]).ok();
        let claim = &rig.standing().whole["claim"];
        assert_eq!(claim["evidence"][0], 2, "{point}: {claim}");
    }
}

#[test]
fn a_child_that_was_recorded_and_not_launched_holds_nobody_up() {
    let script = r"
version: 1
attempts:
  - - spawn: {prompt: Help., task: task-20260101-000001-child}
    - done: true
  - - wait_for: {file: go, timeout: 300s}
    - done: true
";
    let rig = Rig::new(script);
    let point = "child-recorded-unlaunched";
    rig.start(&["--detach"]).crash_at(point).run();
    rig.assert_crashed_at(point);
    // Its agent hears of the death and ends, or is ended.
    assert_eq!(rig.standing().owner, "lost");
    rig.scenario.release("go");
    rig.resume(&[]).ok();
    rig.scenario.assert_no_clash();
    assert!(!rig.scenario.survivors().exist());
    let standing = rig.standing();
    assert_eq!(standing.status, "all_finished", "{standing:#?}");
}

/// Returns the contents of all Rust files below `folder`.
fn sources(folder: &std::path::Path, texts: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, texts);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            texts.push(std::fs::read_to_string(path).unwrap());
        }
    }
}

#[test]
fn every_point_has_a_test() {
    let top = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let (mut code, mut tests) = (Vec::new(), Vec::new());
    sources(&top.join("crates"), &mut code);
    sources(&top.join("tests/run-agent"), &mut tests);
    // Rotation needs a bus larger than any task of these tests makes.
    sources(&top.join("crates/cl-bus/tests"), &mut tests);
    let mut points = 0;
    for text in &code {
        for rest in text.split("crash::point(\"").skip(1) {
            let name = rest.split('"').next().unwrap();
            points += 1;
            let is_tested = tests.iter().any(|test| test.contains(name));
            assert!(is_tested, "no test kills at {name}");
        }
    }
    assert!(points > 15, "the sources were not found");
}
