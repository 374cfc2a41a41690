//! A queue whose server dies again and again.

use cl_testkit::patience::until;

use crate::house::{House, QUICK, chance, id, rounds};

const QUEUE: usize = 50;

#[test]
fn a_queue_keeps_its_order_through_kills_and_nothing_begins_twice() {
    rounds(|| {
        let mut moments = [chance(QUEUE), chance(QUEUE), chance(QUEUE)];
        moments.sort_unstable();
        order(&moments);
    });
}

fn order(moments: &[usize]) {
    let house = House::new(
        1,
        &format!("[ -e go ] || while [ ! -e go ]; do sleep 0.05; done; {QUICK}"),
    );
    let mut server = house.serve();
    let mut caller = server.caller();
    for number in 0..QUEUE {
        house.submit(&mut caller, number).unwrap().expect(201);
    }
    house.scenario.release("go");
    for moment in moments {
        until("its moment", || house.began().len() >= *moment);
        server.kill();
        server = house.serve();
    }
    house.wait_for_all(QUEUE);
    let expected: Vec<String> = (0..QUEUE).map(id).collect();
    assert_eq!(house.began(), expected, "killed at {moments:?}");
}
