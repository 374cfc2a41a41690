//! What both families of paths answer, field by field.

mod changed;
mod refused;
mod shown;

use cl_storage::process::ProcessIdentity;
use cl_storage::run_info::{RunInfo, RunStatus};
use cl_storage::{ProjectId, Root, RunId, TaskDir, TaskId, run_info};
use serde_json::Value;

use crate::server::{Place, Server, Setup};

const SCHEMA: &str = "task-20260223-200000-schema";
const T: &str = "task-20260223-204858-docs-pass";
const FIRST: &str = "20260223-2040000000-66788-1";
const R: &str = "20260223-2048580000-66788-1";
const LINK: &str = "\
parent_project_id: p
parent_task_id: task-20260223-200000-audit
parent_run_id: 20260223-2000010000-500-1
parent_message_id: MSG-20260223-200130-000000001-PID00500-0003
parent_message_type: QUESTION
";

fn task(place: &Place, project: &str, id: &str) -> TaskDir {
    let root = Root::at(&place.root()).unwrap();
    let id = TaskId::parse_existing(id).unwrap();
    let task = root.task(&ProjectId::parse(project).unwrap(), &id).unwrap();
    task.ensure().unwrap();
    task
}

/// Makes a run that has ended, changed by `change`.
fn run(task: &TaskDir, id: &str, change: impl FnOnce(&mut RunInfo)) {
    let folder = task.runs_folder().join(id);
    std::fs::create_dir(&folder).unwrap();
    let run = task.run(&RunId::parse(id).unwrap()).unwrap();
    let start = run.id().started_at().unwrap();
    let mut info = RunInfo::preparing(&run, "claude", start);
    (info.status, info.phase, info.exit_code) = (RunStatus::Completed, None, 0);
    info.end_time = Some("2026-02-23T20:45:00Z".parse().unwrap());
    change(&mut info);
    run_info::create(&run, &info).unwrap();
}

/// The tasks of the examples: one waits, one is at work for the second time.
fn examples() -> Place {
    let place = Place::new();
    task(&place, "p", SCHEMA);
    let docs = task(&place, "p", T);
    std::fs::write(docs.config(), format!("depends_on:\n    - {SCHEMA}\n")).unwrap();
    std::fs::write(docs.path().join("TASK-THREAD-LINK.yaml"), LINK).unwrap();
    std::fs::write(docs.bus(), "x".repeat(100)).unwrap();
    run(&docs, FIRST, |info| info.cwd.push_str("/srv/work/p"));
    let own = ProcessIdentity::of(std::process::id().try_into().unwrap());
    let own = own.unwrap().unwrap();
    run(&docs, R, |info| {
        (info.status, info.exit_code, info.end_time) = (RunStatus::Running, -1, None);
        info.start_time = Some("2026-02-23T20:48:58.12Z".parse().unwrap());
        (info.pid, info.process_start) = (own.pid, Some(own.start.clone()));
        info.previous_run_id = Some(RunId::parse(FIRST).unwrap());
        info.agent_version.push_str("2.1.50 (Claude Code)");
    });
    let folder = docs.runs_folder().join(R);
    std::fs::write(folder.join("agent-stdout.txt"), "o".repeat(2048)).unwrap();
    std::fs::write(folder.join("agent-stderr.txt"), "").unwrap();
    std::fs::write(folder.join("prompt.md"), "p".repeat(3100)).unwrap();
    place
}

fn served(place: Place) -> Server {
    place.start(&Setup::default())
}

#[track_caller]
fn get(server: &Server, path: &str) -> Value {
    server.get(path).expect(200).json()
}

#[track_caller]
fn refused(server: &Server, path: &str, status: u16, message: &str) -> Value {
    let reply = server.get(path).expect(status);
    let body = reply.json();
    assert_eq!(body["message"], message, "{path}");
    assert_eq!(body["error"]["message"], message, "{path}");
    body
}
