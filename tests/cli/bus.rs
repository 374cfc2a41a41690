//! `bus`.

mod damage;
mod posting;
mod reading;

use cl_bus::Bus;

use crate::place::{CHILD, PROJECT, Place, Ran, TASK};

fn with_task() -> Place {
    let place = Place::new();
    place.task(TASK);
    place
}

/// Runs a command as an agent of the task's run would.
fn as_agent(place: &Place, line: &str, variables: &[(&str, String)]) -> Ran {
    let task = place.task(TASK);
    let run = task.runs().unwrap().pop().unwrap();
    let mut command = place.command(line.split_whitespace());
    command
        .env("JRUN_RUN_FOLDER", run.path())
        .env("JRUN_TASK_FOLDER", task.path())
        .env("JRUN_PROJECT_ID", PROJECT)
        .env("JRUN_TASK_ID", TASK)
        .env("JRUN_ID", run.id().as_str())
        .env("JRUN_MESSAGE_BUS", task.bus());
    for (name, value) in variables {
        command.env(name, value);
    }
    let output = command.output().unwrap();
    Ran {
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn bodies(bus: &std::path::Path) -> Vec<String> {
    let reading = Bus::new(bus).all().unwrap();
    reading
        .messages()
        .map(|message| message.body.clone())
        .collect()
}

/// The bodies in an answer.
fn read_bodies(json: &serde_json::Value) -> Vec<&str> {
    let messages = json["messages"].as_array().unwrap();
    let bodies = messages.iter().map(|message| message["body"].as_str());
    bodies.map(Option::unwrap).collect()
}

/// A project with messages on its own bus and on those of two tasks.
fn with_messages() -> Place {
    let place = with_task();
    place.task(CHILD);
    for (to, body) in [
        (String::new(), "one"),
        (format!("--task {TASK}"), "two"),
        (format!("--task {CHILD}"), "three"),
        (format!("--task {TASK} --type FACT"), "four"),
    ] {
        place
            .run(&format!("bus post --project demo {to} --body {body}"))
            .ok();
    }
    place
}
