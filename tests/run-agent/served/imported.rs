//! What the earlier implementation had queued.

use cl_testkit::patience::until;
use cl_testkit::scenario::PROJECT;

use crate::house::{House, QUICK, id};

fn entry(number: usize, order: usize, folder: &str, rest: &str) -> String {
    format!(
        "  - run_id: 20260223-2109590000-700-{number}
    project_id: {PROJECT}
    task_id: {}
    run_prompt: Do thing {number}.
    request:
      projectid: {PROJECT}
      agenttype: actor
      prompt: Do thing {number}.
      config: {{}}
      projectroot: {folder}
      attachmode: create
      processimport: null
      dependson: [{rest}]
      threadparent: null
      threadmessagetype: \"\"
    submitted_at: 2026-02-23T21:09:59.9Z
    order: {order}
    state: queued
",
        id(number)
    )
}

#[test]
fn what_an_earlier_program_had_queued_is_launched_once_and_in_order() {
    let house = House::new(1, QUICK);
    let root = house.scenario.root();
    root.ensure_conductor_folder().unwrap();
    let work = house.scenario.work();
    let work = work.to_str().unwrap();
    let text = format!(
        "version: 1\nlimit: 1\nnext_order: 9\nentries:\n{}{}{}{}",
        entry(2, 3, work, &id(0)),
        entry(1, 2, work, ""),
        entry(0, 4, work, ""),
        entry(3, 1, "/nowhere/at/all", ""),
    );
    let file = root.conductor_folder().join("root-task-planner.yaml");
    std::fs::write(&file, text).unwrap();
    let mut server = house.serve();
    until("the first", || !house.began().is_empty());
    server.kill();
    server = house.serve();
    until("all that can begin", || house.began().len() == 3);
    assert_eq!(house.began(), [id(1), id(0), id(2)]);
    let mut caller = server.caller();
    until("what is in the way", || {
        let status = caller.get("/api/v1/status").unwrap().expect(200).json();
        let problems = status["readiness"]["problems"].to_string();
        problems.contains(&id(3)) && problems.contains("/nowhere/at/all")
    });
    let prompt = house.scenario.task(&id(2)).prompt();
    assert_eq!(std::fs::read_to_string(prompt).unwrap(), "Do thing 2.\n");
}
