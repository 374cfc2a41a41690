//! A writer of messages dies in the middle: `bus post`, and the supervisor.

use cl_testkit::patience::until;
use cl_testkit::run_agent::crashes;

use crate::rig::{Rig, WAITING};

/// A finished task with a bus that others post to.
fn done_task() -> Rig {
    let rig = Rig::new(WAITING);
    rig.scenario.release("go");
    rig.start(&[]).ok();
    rig
}

/// Returns how many damaged places `bus check` reports.
#[track_caller]
fn damaged(rig: &Rig) -> usize {
    let checked = rig.command(&["bus", "check", "--json"]).run();
    let damage = checked.json()["damage"].as_array().unwrap().len();
    checked.assert_code(i32::from(damage > 0));
    damage
}

/// `bus post` dies at `point`; what it had not acknowledged is there `times` or not at all.
#[track_caller]
fn check_post(point: &str, times: &[usize]) {
    let rig = done_task();
    rig.post("before");
    let args = ["bus", "post", "--body", "the dying one's words"];
    let died = rig.command(&args).crash_at(point).run();
    assert_eq!((died.code, died.stdout.as_str()), (None, ""), "{died:#?}");
    assert_eq!(crashes(rig.scenario.path()), [point]);
    rig.post("after");
    rig.assert_messages();
    let messages = rig.messages();
    let count = |body: &str| messages.iter().filter(|m| m["body"] == body).count();
    assert_eq!((count("before"), count("after")), (1, 1));
    assert!(times.contains(&count("the dying one's words")));
    assert_eq!(damaged(&rig), usize::from(point == "bus-half-written"));
    rig.assert_done();
}

#[test]
fn a_post_that_dies_with_the_lock_leaves_nothing() {
    check_post("bus-locked", &[0]);
}

#[test]
fn a_post_that_dies_half_written_leaves_nothing() {
    check_post("bus-half-written", &[0]);
}

#[test]
fn a_post_that_dies_before_the_sync_may_have_posted() {
    check_post("bus-written", &[0, 1]);
}

#[test]
fn a_post_that_dies_before_it_says_so_has_posted() {
    check_post("bus-synced", &[1]);
}

#[test]
fn a_post_that_dies_behind_its_attachment_leaves_a_file_and_no_message() {
    let rig = done_task();
    let body = rig.scenario.path().join("large.txt");
    std::fs::write(&body, vec![b'x'; 2 * 1024 * 1024]).unwrap();
    let args = ["bus", "post", "--body-file", body.to_str().unwrap()];
    let before = rig.messages().len();
    let died = rig.command(&args).crash_at("bus-attached").run();
    assert_eq!(died.code, None, "{died:#?}");
    assert_eq!(crashes(rig.scenario.path()), ["bus-attached"]);
    assert_eq!(rig.messages().len(), before);
    rig.command(&args).run().assert_code(0);
    assert_eq!(rig.messages().len(), before + 1);
    assert_eq!(damaged(&rig), 0);
    rig.assert_done();
}

/// The supervisor dies at the `n`th passage of a point of the bus.
#[track_caller]
fn check_supervisor(point: &str) {
    let rig = Rig::new(WAITING);
    rig.start(&["--detach"]).crash_at(point).run();
    rig.assert_crashed_at(point);
    rig.post("between");
    rig.assert_lost_and_true();
    rig.resume_to_done();
    // What is torn stays in sight, and swallows none of its neighbours.
    let is_torn = point.starts_with("bus-half-written");
    assert_eq!(damaged(&rig), usize::from(is_torn), "{point}");
}

#[test]
fn a_supervisor_that_dies_while_it_posts_spoils_no_message() {
    for point in [
        "bus-locked:1",
        "bus-half-written:1",
        "bus-half-written:2",
        "bus-written:2",
        "bus-synced:2",
    ] {
        check_supervisor(point);
    }
}

#[test]
fn a_supervisor_that_dies_while_it_replaces_a_file_leaves_a_whole_one() {
    // Owner, prompt, launch, state, run record …: every replacement of a first attempt.
    for number in 1..=10 {
        for point in ["replace-before-rename", "replace-before-folder-sync"] {
            let rig = Rig::new(WAITING);
            let point = format!("{point}:{number}");
            rig.start(&["--detach"]).crash_at(&point).run();
            until(&point, || {
                !crashes(rig.scenario.path()).is_empty()
                    || rig.scenario.work().join("waiting").exists()
            });
            if crashes(rig.scenario.path()).is_empty() {
                // The first attempt makes fewer replacements: the task just runs.
                rig.kill_supervisor();
            }
            until("the supervisor's end", || {
                rig.owner().is_none_or(|owner| !owner.is_alive())
            });
            let standing = rig.standing();
            assert_eq!(
                standing.active,
                rig.scenario.survivors().exist(),
                "{point}: {standing:#?}"
            );
            rig.scenario.release("go");
            // The launch may have failed before the task had a prompt: it is made again.
            rig.start(&[]).ok();
            rig.assert_done();
        }
    }
}
