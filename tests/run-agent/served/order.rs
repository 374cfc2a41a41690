//! A queue whose server dies again and again.

use cl_testkit::patience::until;

use crate::house::{House, QUICK, WAITING, chance, id, rounds};

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

#[test]
fn however_many_wait_for_others_they_hold_up_nobody() {
    const BLOCKED: usize = 100;
    let house = House::new(4, WAITING);
    let server = house.serve();
    let mut caller = server.caller();
    house.submit(&mut caller, 0).unwrap().expect(201);
    until("the one they wait for", || house.began().len() == 1);
    for number in 1..=BLOCKED {
        house
            .submit_after(&mut caller, number, &[0])
            .unwrap()
            .expect(201);
    }
    // It has a place in the queue, and what it waits for is told beside that.
    let standing = house.standing(&mut caller, BLOCKED);
    assert_eq!(standing["status"], "queued", "{standing}");
    let found = caller.get("/api/v1/status").unwrap().expect(200).json();
    assert_eq!(found["active_runs_count"], 1, "{found}");
    house.submit(&mut caller, BLOCKED + 1).unwrap().expect(201);
    until("the one behind them", || house.began().len() == 2);
    house.scenario.release("go");
    house.wait_for_all(BLOCKED + 2);
    assert!(house.begun().values().all(|times| *times == 1));
}

#[test]
fn what_waits_for_a_slot_is_not_said_to_run() {
    let house = House::new(1, WAITING);
    let server = house.serve();
    let mut caller = server.caller();
    for number in 0..3 {
        house.submit(&mut caller, number).unwrap().expect(201);
    }
    until("the first agent", || house.began().len() == 1);
    until("the others' places", || {
        (1..3).all(|number| {
            let runs = house.scenario.task(&id(number)).runs().unwrap();
            !runs.is_empty() && house.standing(&mut caller, number)["status"] == "queued"
        })
    });
    let found = caller.get("/api/v1/status").unwrap().expect(200).json();
    let running: Vec<_> = (found["running_tasks"].as_array().unwrap().iter())
        .map(|run| run["task_id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(running, [id(0)], "{found}");
    assert_eq!(found["active_runs_count"], 1);
    let metrics = caller.get("/metrics").unwrap().expect(200);
    let metrics = String::from_utf8(metrics.body).unwrap();
    for line in [
        "conductor_active_runs_total 1",
        "conductor_queued_runs_total 2",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{metrics}");
    }
    house.scenario.release("go");
    house.wait_for_all(3);
}
