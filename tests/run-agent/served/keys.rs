//! Keys of submissions, and launches that came behind them.

use cl_storage::queue::has_server_entry;
use cl_testkit::patience::until;
use cl_testkit::scenario::PROJECT;
use serde_json::json;

use crate::house::{House, QUICK, WAITING, id};

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

#[test]
fn a_key_begins_nothing_after_its_task_was_taken_out_of_the_queue() {
    let house = House::new(1, WAITING);
    let server = house.serve();
    let mut caller = server.caller();
    house.submit(&mut caller, 0).unwrap().expect(201);
    until("the first agent", || house.began().len() == 1);
    // Each of these waits until the first one is done.
    let path = |number, rest: &str| format!("/api/projects/{PROJECT}/tasks/{}{rest}", id(number));
    for number in 1..4 {
        let submit = |caller: &mut _| house.submit_after(caller, number, &[0]).unwrap();
        submit(&mut caller).expect(201);
        match number {
            1 | 2 => caller.post(&path(number, "/stop"), None, &json!({})),
            _ => caller.ask("DELETE", &path(number, ""), &[], None),
        }
        .map(|reply| assert!(reply.status < 300, "{}", reply.json()))
        .unwrap();
        until("the way out of the queue", || {
            let task = house.scenario.task(&id(number));
            !has_server_entry(&house.scenario.root(), task.project(), task.id())
        });
        let again = submit(&mut caller).expect(409).json();
        let message = again["error"]["message"].as_str().unwrap();
        assert!(message.contains("before it began"), "{again}");
    }
    drop(server);
    // It is remembered beyond the server, and only for its task and key.
    let server = house.serve();
    let mut caller = server.caller();
    house
        .submit_after(&mut caller, 2, &[0])
        .unwrap()
        .expect(409);
    let body = json!({"project_id": PROJECT, "task_id": id(2), "agent_type": "actor",
        "attach_mode": "attach", "prompt": "Do it.", "project_root": house.scenario.work()});
    caller
        .post("/api/v1/tasks", Some("another"), &body)
        .unwrap()
        .expect(201);
    std::fs::write(house.scenario.work().join("go"), "").unwrap();
    house.wait_for_all(1);
    until("the other one", || house.begun().contains_key(&id(2)));
    assert!(!house.begun().contains_key(&id(3)));
}
