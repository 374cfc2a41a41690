//! Keys of submissions, and launches that came behind them.

use cl_testkit::patience::until;
use cl_testkit::scenario::PROJECT;

use crate::house::{House, QUICK, id};

#[test]
fn a_key_is_known_after_other_launches_of_its_task() {
    let house = House::new(2, QUICK);
    let server = house.serve();
    let mut caller = server.caller();
    let first = house.submit(&mut caller, 0).unwrap().expect(201).json();
    house.wait_for_all(1);
    for times in 2..4 {
        let task = id(0);
        let command = [
            "task",
            "resume",
            task.as_str(),
            "--project",
            PROJECT,
            "--detach",
        ];
        house.scenario.command(&command).ok();
        until("another launch", || house.began().len() == times);
        house.wait_for_all(1);
        let again = house.submit(&mut caller, 0).unwrap().expect(201).json();
        assert_eq!(again["run_id"], first["run_id"]);
        assert_eq!(again["status"], "started");
    }
    assert_eq!(house.began().len(), 3);
}
