//! Posting messages.

use super::{as_agent, bodies, with_task};
use crate::place::{CHILD, PROJECT, Ran, TASK, add_run, alive};

#[test]
fn a_posted_message_is_read_back() {
    let place = with_task();
    let to = format!("--project demo --task {TASK}");
    let out = place
        .run(&format!(
            "bus post {to} --type FACT --body known --meta k=v --link https://example.org"
        ))
        .ok();
    let id = out.trim().strip_prefix("msg_id: ").unwrap().to_owned();
    let out = place
        .run(&format!(
            "bus post {to} --type ANSWER --body so --parent answers:{id}"
        ))
        .ok();
    assert!(out.starts_with("msg_id: MSG-"), "{out}");
    let text = place.run_changing_nothing(&format!("bus read {to}")).ok();
    let first = text.lines().next().unwrap();
    assert!(
        first.starts_with("[20") && first.ends_with("Z] (FACT) known"),
        "{text}"
    );
    let json = place
        .run_changing_nothing(&format!("bus read {to} --json"))
        .json();
    let messages = json["messages"].as_array().unwrap();
    assert_eq!(messages[0]["meta"]["k"], "v");
    assert_eq!(messages[0]["project_id"], PROJECT);
    assert_eq!(messages[0]["task_id"], TASK);
    assert_eq!(messages[0]["links"][0]["url"], "https://example.org");
    assert_eq!(messages[1]["parents"][0]["msg_id"], id);
    assert_eq!(messages[1]["parents"][0]["kind"], "answers");
    for (filter, count) in [
        ("--type fact", 1),
        ("--tail 1", 1),
        ("--tail 0", 2),
        ("--since 1h", 2),
        ("--text KNOW", 1),
        ("--type fact --type ANSWER,x", 2),
        ("--run 20260201-1000000000-1-1", 0),
        (&format!("--after {id}"), 1),
        (&format!("--before {id}"), 0),
        (&format!("--issue {id}"), 1),
        ("--since 2020-01-01T00:00:00Z", 2),
        ("--since 2999-01-01T00:00:00Z", 0),
        (&format!("--since {id}"), 1),
    ] {
        let line = format!("bus read {to} --json {filter}");
        let json = place.run_changing_nothing(&line).json();
        assert_eq!(
            json["messages"].as_array().unwrap().len(),
            count,
            "{filter}"
        );
    }
}

#[test]
fn the_body_may_be_piped() {
    let place = with_task();
    let line = format!("bus post --project demo --task {TASK}");
    place.run_with_input(&line, b"two\nlines\n").ok();
    assert_eq!(bodies(&place.task(TASK).bus()), ["two\nlines"]);
    place
        .run_with_input(&line, b"")
        .fails(2, "message body is empty");
    place
        .run_with_input(&line, &vec![b'x'; 64 * 1024 * 1024 + 1])
        .fails(2, "the limit is 67108864");
    assert_eq!(bodies(&place.task(TASK).bus()).len(), 1);
}

#[test]
fn a_large_body_is_attached() {
    let place = with_task();
    let folder = place.task(TASK).path().to_owned();
    let to = format!("--project demo --task {TASK}");
    let body = "line\n".repeat(300_000);
    std::fs::write(place.work().join("report.txt"), &body).unwrap();
    let line = format!("bus post {to} --json --body-file report.txt");
    let attachment = |ran: Ran| {
        let json = ran.json();
        std::path::PathBuf::from(json["attachment"].as_str().unwrap())
    };
    let from_pipe = format!("bus post {to} --json");
    for from_file in [true, false] {
        let path = attachment(if from_file {
            place.run(&line)
        } else {
            place.run_with_input(&from_pipe, body.as_bytes())
        });
        assert_eq!(path.parent().unwrap(), folder);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), body);
        let json = place
            .run_changing_nothing(&format!("bus read {to} --json"))
            .json();
        let messages = json["messages"].as_array().unwrap();
        let message = messages.last().unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        assert_eq!(message["links"][0]["url"], name);
        assert_eq!(message["links"][0]["kind"], "attachment");
        assert_eq!(message["meta"]["attachment_bytes"], body.len().to_string());
        assert_eq!(message["body"].as_str().unwrap(), &body[..4096]);
        let text = place
            .run_changing_nothing(&format!("bus read {to} --tail 1"))
            .ok();
        assert!(
            text.contains(&format!("(INFO) [whole text in {name}] line")),
            "{text}"
        );
    }
    // What fits stays a message, from a file as from a pipe.
    std::fs::write(place.work().join("small.txt"), "small\n").unwrap();
    let json = place
        .run(&format!("bus post {to} --json --body-file small.txt"))
        .json();
    assert_eq!(json["attachment"], serde_json::Value::Null);
    assert_eq!(bodies(&place.task(TASK).bus()).last().unwrap(), "small");
    for (rest, code) in [("none.txt", 3), (".", 1)] {
        place
            .run_changing_nothing(&format!("bus post {to} --body-file {rest}"))
            .fails(code, "could not read the body from");
    }
    place
        .run_changing_nothing(&format!("bus post {to} --body x --body-file small.txt"))
        .fails(2, "cannot be used with");
}

#[test]
fn json_of_a_post() {
    let place = with_task();
    let line = format!("bus post --project demo --task {TASK} --body x --json --durability os");
    let json = place.run(&line).json();
    assert_eq!(json["durability"], "os");
    assert_eq!(json["task_id"], TASK);
    assert_eq!(json["run_id"], serde_json::Value::Null);
    assert_eq!(json["position"], 0);
}

#[test]
fn what_does_not_exist_gets_no_file() {
    let place = with_task();
    let none = "task-20260101-000000-none";
    for line in [
        format!("bus post --project demo --task {none} --body x"),
        format!("bus read --project demo --task {none}"),
        format!("bus check --project demo --task {none}"),
        "bus post --project none --body x".to_owned(),
        "bus post --bus none/MESSAGE-BUS.md --project demo --body x".to_owned(),
        "bus read --bus none.md".to_owned(),
    ] {
        place.run_changing_nothing(&line).fails(3, "does not exist");
    }
    place
        .run_changing_nothing("bus post --body x")
        .fails(2, "cannot find message bus");
}

#[test]
fn mistakes_in_a_message_post_nothing() {
    let place = with_task();
    let to = format!("--project demo --task {TASK}");
    for (rest, part) in [
        ("--body x --type a.b", "invalid message type"),
        ("--body x --meta novalue", "NAME=VALUE"),
        ("--body x --parent a:", "message ID is empty"),
        ("--body x --run nonsense", "from --run"),
    ] {
        place
            .run_changing_nothing(&format!("bus post {to} {rest}"))
            .fails(2, part);
    }
}

#[test]
fn inside_a_run_its_own_bus_and_ids_are_used() {
    let place = with_task();
    let run = add_run(&place.task(TASK), 1, alive);
    let json = as_agent(&place, "bus post --body x --json", &[]).json();
    assert_eq!(json["run_id"], run.id().as_str());
    assert_eq!(json["task_id"], TASK);
    assert_eq!(bodies(&place.task(TASK).bus()), ["x"]);
}

#[test]
fn explicit_flags_beat_the_environment() {
    let place = with_task();
    add_run(&place.task(TASK), 1, alive);
    let other = place.task(CHILD);
    as_agent(
        &place,
        &format!("bus post --task {CHILD} --body to-child"),
        &[],
    )
    .ok();
    assert_eq!(bodies(&other.bus()), ["to-child"]);
    as_agent(&place, "bus post --project demo --body to-project", &[]).ok();
    let project = place.root.project(other.project()).unwrap();
    assert_eq!(bodies(&project.bus()), ["to-project"]);
    assert!(!place.task(TASK).bus().exists());
}

#[test]
fn a_parent_that_is_elsewhere_is_warned_about() {
    let place = with_task();
    let to = format!("--project demo --task {TASK}");
    let ran = place.run(&format!("bus post {to} --body x --parent MSG-elsewhere"));
    assert!(
        ran.err
            .contains("Warning: MSG-elsewhere is not on this bus"),
        "{}",
        ran.err
    );
    let out = ran.ok();
    let id = out.trim().strip_prefix("msg_id: ").unwrap();
    let ran = place.run(&format!("bus post {to} --body y --parent {id}"));
    assert_eq!(ran.err, "");
    ran.ok();
}
