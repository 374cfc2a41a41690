//! Tasks that run while their server dies.

use std::time::{Duration, Instant};

use cl_testkit::patience::{until, within};

use crate::house::{House, WAITING, chance, rounds};

const TASKS: usize = 6;

#[test]
fn tasks_go_on_without_their_server_and_the_next_one_shows_them_within_a_second() {
    rounds(|| running(chance(TASKS + 1)));
}

fn running(deadly: usize) {
    let house = House::new(TASKS, WAITING);
    let server = house.serve();
    let mut caller = server.caller();
    for number in 0..TASKS {
        house.submit(&mut caller, number).unwrap().expect(201);
    }
    until("agents", || house.began().len() >= deadly);
    server.kill();

    let server = house.serve();
    let listening = Instant::now();
    let mut caller = server.caller();
    let running = house.begun();
    let shown = within(Duration::from_secs(1), || {
        let all = (0..TASKS).filter(|number| running.contains_key(&crate::house::id(*number)));
        let mut all = all.map(|number| house.standing(&mut caller, number)["status"].clone());
        all.all(|status| status == "running").then_some(())
    });
    assert!(shown.is_some(), "not after {:?}", listening.elapsed());
    until("all agents", || house.began().len() == TASKS);
    house.scenario.release("go");
    house.wait_for_all(TASKS);
    assert!(house.begun().values().all(|times| *times == 1));
}
