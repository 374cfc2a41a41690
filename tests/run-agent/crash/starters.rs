//! Two starters of one task at the same time.

use cl_testkit::patience::until;

use crate::rig::{Rig, WAITING, kill};

/// Exactly one wins; the other one is told so and harms nothing.
fn check_race(rig: &Rig, round: u32) {
    let racers: Vec<_> = (0..2).map(|_| rig.start(&["--detach"]).spawn()).collect();
    let ended: Vec<_> = racers.into_iter().map(|racer| racer.finish()).collect();
    let mut codes: Vec<_> = ended.iter().map(|racer| racer.code).collect();
    codes.sort_unstable();
    assert_eq!(codes, [Some(0), Some(4)], "round {round}: {ended:#?}");
    let loser = ended.iter().find(|racer| racer.code == Some(4)).unwrap();
    assert!(loser.stderr.contains("is running already"), "{loser:#?}");
    let standing = rig.standing();
    assert_eq!(standing.owner, "alive", "round {round}: {standing:#?}");
    rig.wait_for_waiting();
}

#[test]
fn exactly_one_of_two_starters_of_a_new_task_wins() {
    // A starter waits 2 s for an owner that is about to go, so rounds run side by side.
    std::thread::scope(|scope| {
        for round in 0..20 {
            scope.spawn(move || {
                let rig = Rig::new(WAITING);
                check_race(&rig, round);
                assert_eq!(rig.scenario.begun().len(), 1);
                rig.scenario.release("go");
                until("the winner's end", || rig.standing().owner == "none");
                rig.assert_done();
            });
        }
    });
}

#[test]
fn exactly_one_of_two_starters_takes_a_lost_task() {
    let rig = Rig::new(WAITING);
    rig.start(&["--detach"]).ok();
    rig.wait_for_waiting();
    let first = rig.wait_for_recorded_agent();
    rig.kill_supervisor();
    check_race(&rig, 0);
    until("the lost agent's end", || !first.is_alive());
    until("the second agent", || rig.scenario.begun().len() == 2);
    rig.kill_supervisor();
    rig.resume_to_done();
    kill(&first);
}

#[test]
fn a_starter_that_comes_later_is_refused() {
    let rig = Rig::new(WAITING);
    rig.start(&["--detach"]).ok();
    rig.wait_for_waiting();
    let before = rig.owner();
    for command in [rig.start(&[]), rig.resume(&[])] {
        let refused = command.run();
        refused.assert_code(4);
        assert!(
            refused.stderr.contains("is running already"),
            "{refused:#?}"
        );
    }
    assert_eq!(rig.owner(), before);
    rig.scenario.release("go");
    until("the end", || rig.standing().owner == "none");
    rig.assert_done();
    assert_eq!(rig.scenario.begun().len(), 1);
}
