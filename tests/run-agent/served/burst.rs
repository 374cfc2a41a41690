//! A burst of submissions, and a server that dies in it.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use cl_testkit::patience::until;

use crate::house::{House, QUICK, chance, id, rounds};

const BURST: usize = 200;
const CONNECTIONS: usize = 8;

#[test]
fn every_submission_that_was_acknowledged_is_there_after_a_kill_and_runs_once() {
    rounds(|| burst(chance(BURST)));
}

fn burst(deadly: usize) {
    let house = House::new(8, QUICK);
    let server = house.serve();
    let acknowledged = Mutex::new(BTreeMap::new());
    let count = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for first in 0..CONNECTIONS {
            let (house, acknowledged, count) = (&house, &acknowledged, &count);
            let mut caller = server.caller();
            scope.spawn(move || {
                for number in (first..BURST).step_by(CONNECTIONS) {
                    let Ok(reply) = house.submit(&mut caller, number) else {
                        break;
                    };
                    let run = reply.expect(201).json()["run_id"].clone();
                    acknowledged.lock().unwrap().insert(number, run);
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        until("the deadly submission", || {
            count.load(Ordering::Relaxed) >= deadly
        });
        server.kill();
    });
    let acknowledged = acknowledged.into_inner().unwrap();

    let server = house.serve();
    let mut caller = server.caller();
    for number in acknowledged.keys() {
        let standing = house.standing(&mut caller, *number);
        assert_eq!(standing["task_id"], id(*number).as_str(), "{standing}");
    }
    // Whoever was not answered asks again; whoever was may do so, too.
    for number in 0..BURST {
        let reply = house.submit(&mut caller, number).unwrap().expect(201);
        if let Some(run) = acknowledged.get(&number) {
            assert_eq!(&reply.json()["run_id"], run, "killed after {deadly}");
        }
    }
    house.wait_for_all(BURST);
    let begun = house.begun();
    let twice: Vec<_> = begun.iter().filter(|(_, times)| **times != 1).collect();
    assert!(twice.is_empty(), "killed after {deadly}: {twice:?}");
    assert_eq!(begun.len(), BURST, "killed after {deadly}");
}

#[test]
fn two_that_ask_for_the_same_task_at_once_get_one() {
    let house = House::new(8, QUICK);
    let server = house.serve();
    for number in 0..20 {
        let replies: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    let (house, mut caller) = (&house, server.caller());
                    scope.spawn(move || house.submit(&mut caller, number).unwrap())
                })
                .collect();
            threads.into_iter().map(|it| it.join().unwrap()).collect()
        });
        let runs: Vec<_> = replies
            .into_iter()
            .map(|reply| reply.expect(201).json()["run_id"].clone())
            .collect();
        assert!(runs.windows(2).all(|pair| pair[0] == pair[1]), "{runs:?}");
    }
    house.wait_for_all(20);
    assert!(house.begun().values().all(|times| *times == 1));
}
