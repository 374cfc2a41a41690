//! Supervisors that die while their server lives.

use cl_storage::owner::{Owner, OwnerState};
use cl_testkit::patience::until;
use rustix::process::{Pid, Signal, kill_process};

use crate::house::{House, WAITING, chance, id, rounds};

const TASKS: usize = 4;

#[test]
fn a_supervisor_that_dies_beside_its_server_is_replaced_once() {
    rounds(|| lost(1 + chance(TASKS)));
}

fn lost(killed: usize) {
    let house = House::new(TASKS, WAITING);
    let server = house.serve();
    let mut caller = server.caller();
    for number in 0..TASKS {
        house.submit(&mut caller, number).unwrap().expect(201);
    }
    until("agents", || house.began().len() == TASKS);
    let supervisors: Vec<i32> = (0..killed)
        .map(|number| {
            let owner = Owner::read(&house.scenario.task(&id(number))).unwrap();
            owner.unwrap().pid
        })
        .collect();
    for pid in &supervisors {
        kill_process(Pid::from_raw(*pid).unwrap(), Signal::KILL).unwrap();
    }
    until("agents in the place of the lost", || {
        house.began().len() == TASKS + killed
    });
    for number in 0..killed {
        let task = house.scenario.task(&id(number));
        until("an owner", || {
            let owner = Owner::read(&task).unwrap();
            OwnerState::of(owner.as_ref()) == OwnerState::Alive
        });
    }
    house.scenario.release("go");
    house.wait_for_all(TASKS);
    let begun = house.begun();
    for number in 0..TASKS {
        let times = if number < killed { 2 } else { 1 };
        assert_eq!(begun[&id(number)], times, "{number}: {begun:?}");
    }
    server.end().assert_code(0);
}
