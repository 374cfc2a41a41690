//! The end of a task is told to its project.

use cl_bus::{Bus, Message};

use crate::stage::{Stage, id};

const DONE: &str = "
  - run: run-agent bus post --type FACT --body 'The schema version is 3'
  - done: true";

fn told(stage: &Stage) -> Vec<Message> {
    let bus = stage
        .dir("any")
        .path()
        .with_file_name("PROJECT-MESSAGE-BUS.md");
    Bus::new(bus).all().unwrap().into_messages()
}

#[test]
fn a_done_task_is_told_of_once() {
    let stage = Stage::new(DONE);
    stage.task("top", "").assert_code(0);
    stage.ended("top");
    let told = told(&stage);
    assert_eq!(told.len(), 1, "{told:#?}");
    let (message, info) = (&told[0], stage.info("top"));
    assert_eq!(
        (message.kind.as_str(), message.run_id.as_str()),
        ("FACT", info.run_id.as_str())
    );
    assert_eq!(message.meta["source_task_id"], id("top"));
    assert_eq!(message.meta["task_fact_count"], "1");
    assert!(
        message.body.contains("- The schema version is 3\n"),
        "{}",
        message.body
    );
    let said = stage.messages("top");
    let position = |start: &str| said.iter().position(|m| m.body.starts_with(start)).unwrap();
    let notice = position("task completion facts propagated to project bus (msg_id=");
    assert!(said[notice].body.contains(message.id.as_str()));
    assert!(position("run stopped") < notice && position("task completed") < notice);
    let parents: Vec<_> = message.parents.iter().map(|p| p.msg_id.as_str()).collect();
    let stop = said.iter().find(|m| m.kind == "RUN_STOP").unwrap();
    let fact = said.iter().find(|m| m.kind == "FACT").unwrap();
    assert_eq!(parents, [stop.id.as_str(), fact.id.as_str()]);
    let state = std::fs::read_to_string(stage.dir("top").propagation()).unwrap();
    assert!(state.contains(message.id.as_str()), "{state}");
    assert!(stage.dir("top").propagation_lock().exists());
    // The bookkeeping is nothing that others should know.
    let promoted = stage.json("facts promote");
    assert_eq!(promoted["promoted"], 1, "{promoted}");
    assert_eq!(stage.json("facts promote --global")["promoted"], 1);
}

#[test]
fn a_start_over_an_old_done_tells_nothing_new() {
    let stage = Stage::new(DONE);
    for _ in 0..2 {
        stage.task("top", "").assert_code(0);
        stage.ended("top");
    }
    assert_eq!(told(&stage).len(), 1);
    let said = stage.said("top", "INFO");
    let is_already =
        |body: &String| body.starts_with("task completion facts already propagated (key=");
    assert_eq!(
        said.iter().filter(|body| is_already(body)).count(),
        1,
        "{said:#?}"
    );
}

#[test]
fn tasks_that_end_at_once_are_each_told_of() {
    let stage = Stage::new(DONE);
    let names = ["one", "two", "three", "four"];
    let started = names.map(|name| stage.start(name, ""));
    for command in started {
        command.finish().assert_code(0);
    }
    for name in names {
        stage.ended(name);
    }
    let mut tasks: Vec<_> = told(&stage)
        .iter()
        .map(|message| message.meta["source_task_id"].clone())
        .collect();
    tasks.sort();
    let mut expected = names.map(id);
    expected.sort();
    assert_eq!(tasks, expected);
}

#[test]
fn a_project_that_cannot_be_told_fails_no_task() {
    let stage = Stage::new(DONE);
    let bus = stage
        .dir("any")
        .path()
        .with_file_name("PROJECT-MESSAGE-BUS.md");
    std::fs::create_dir_all(&bus).unwrap();
    stage.task("top", "").assert_code(0);
    let result = stage.ended("top");
    assert_eq!(result.status.as_str(), "completed");
    let said = stage.said("top", "ERROR");
    assert_eq!(said.len(), 1, "{said:#?}");
    assert!(said[0].contains("project could not be told"), "{said:#?}");
}

#[test]
fn tasks_that_do_not_end_with_done_are_not_told_of() {
    let stage = Stage::new("  - say: Tried.");
    stage.task("top", "--max-attempts 1").assert_code(1);
    stage.launch("job", "single", "").ok();
    stage.ended("top");
    stage.ended("single");
    assert_eq!(told(&stage), []);
}
