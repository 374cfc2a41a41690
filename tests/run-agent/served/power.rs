//! A loss of power: everything is gone at once, and the next boot is another one.

use std::path::Path;

use cl_testkit::patience::until;

use crate::house::{House, WAITING, chance, id, rounds};

const RUNNING: usize = 3;
const TASKS: usize = 8;

#[test]
fn what_a_loss_of_power_has_ended_is_taken_up_once() {
    rounds(|| power(chance(2) == 0));
}

fn power(dies_again: bool) {
    let house = House::new(RUNNING, WAITING);
    let server = house.serve();
    let mut caller = server.caller();
    for number in 0..TASKS {
        house.submit(&mut caller, number).unwrap().expect(201);
    }
    until("agents", || house.began().len() == RUNNING);
    house.scenario.kill_everything();
    drop(server);
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    forget_boot(house.scenario.root().path(), boot.trim());

    let mut server = house.serve();
    if dies_again {
        server.kill();
        server = house.serve();
    }
    until("the agents again", || house.began().len() == 2 * RUNNING);
    house.scenario.release("go");
    house.wait_for_all(TASKS);
    let begun = house.begun();
    for number in 0..TASKS {
        let times = if number < RUNNING { 2 } else { 1 };
        assert_eq!(begun[&id(number)], times, "{number}: {begun:?}");
    }
    server.end().assert_code(0);
}

/// Writes another boot into every file below `folder` that names `boot`.
fn forget_boot(folder: &Path, boot: &str) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let kind = path.symlink_metadata().unwrap().file_type();
        if kind.is_dir() {
            forget_boot(&path, boot);
        } else if kind.is_file()
            && let Ok(text) = std::fs::read_to_string(&path)
            && text.contains(boot)
        {
            let other = "00000000-0000-4000-8000-000000000000";
            std::fs::write(&path, text.replace(boot, other)).unwrap();
        }
    }
}
