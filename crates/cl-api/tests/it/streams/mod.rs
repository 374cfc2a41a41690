//! Event streams on real sockets.

mod buses;
mod client;
mod files;
mod many;
mod runs;

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;

use cl_bus::{Bus, Draft};
use cl_storage::run_info::{RunInfo, RunStatus};
use cl_storage::{Clock as _, ProjectId, Root, RunDir, SystemClock, TaskDir, TaskId, run_info};
use cl_testkit::patience;
use cl_wire::sse::Event;

use crate::server::{Place, Server};

pub(crate) use client::Client;

pub(crate) const PROJECT: &str = "p";

pub(crate) fn json(event: &Event) -> serde_json::Value {
    serde_json::from_str(&event.data).unwrap()
}

/// A task below the root of a server.
pub(crate) fn task_at(place: &Place, name: &str) -> TaskDir {
    let root = Root::at(&place.root()).unwrap();
    let id = TaskId::parse(&format!("task-20260101-000000-{name}")).unwrap();
    let task = root.task(&ProjectId::parse(PROJECT).unwrap(), &id).unwrap();
    task.ensure().unwrap();
    task
}

/// Begins a run of a task; its agent is this process.
pub(crate) fn begin_run(task: &TaskDir) -> RunDir {
    let now = SystemClock.now();
    let first = |run: &RunDir| RunInfo::preparing(run, "scripted", now);
    run_info::begin(task, now, first).unwrap().0
}

pub(crate) fn end_run(run: &RunDir, exit_code: i32) {
    run_info::update(run, |info| {
        info.status = if exit_code == 0 {
            RunStatus::Completed
        } else {
            RunStatus::Failed
        };
        (info.phase, info.exit_code) = (None, exit_code);
        info.end_time = Some(SystemClock.now());
    })
    .unwrap();
}

/// Waits until the server has seen the end of a run that completed.
#[track_caller]
fn is_known_to_have_ended(server: &Server, run: &RunDir) {
    patience::until("the index knows", || {
        let path = format!("/api/v1/runs/{}/stream", run.id());
        let mut client = Client::open(server, &path, None);
        json(&client.next_named("status"))["status"] == "completed"
    });
}

pub(crate) fn append(path: PathBuf, text: &str) {
    let mut file = File::options()
        .append(true)
        .create(true)
        .open(path)
        .unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

fn numbered(range: std::ops::Range<usize>) -> impl Iterator<Item = String> {
    range.map(|number| format!("line {number} of many, and some more words to make it usual"))
}

fn text_of(range: std::ops::Range<usize>) -> String {
    numbered(range).map(|line| line + "\n").collect()
}

fn run_stream(run: &RunDir) -> String {
    format!("/api/v1/runs/{}/stream", run.id())
}

fn file_stream(run: &RunDir, name: &str) -> String {
    let task = run.task().id();
    format!(
        "/api/projects/{PROJECT}/tasks/{task}/runs/{}/stream?name={name}",
        run.id()
    )
}

fn runs_stream(task: &TaskDir) -> String {
    format!("/api/projects/{PROJECT}/tasks/{}/runs/stream", task.id())
}

fn bus_stream(task: &TaskDir) -> String {
    format!(
        "/api/projects/{PROJECT}/tasks/{}/messages/stream",
        task.id()
    )
}

fn post(bus: &Bus, text: &str) {
    let draft = Draft::new("FACT", ProjectId::parse(PROJECT).unwrap(), text);
    bus.append(&draft).unwrap();
}
