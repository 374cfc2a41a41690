//! Files of every format, read and written back.
//!
//! A file in `golden/` is never changed: a new version of a format gets a new
//! file beside it, and both must open.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

#[cfg(feature = "test-hooks")]
mod faults;
mod gc;
#[cfg(feature = "test-hooks")]
mod power_loss;

use cl_storage::owner::Owner;
use cl_storage::run_info::{RunInfo, RunStatus};
use cl_storage::task_state::{ResultStatus, TaskState};
use cl_storage::{FailureKind, ProjectId, Root, RunDir, RunId, TaskDir, TaskId};

struct Place {
    _folder: tempfile::TempDir,
    task: TaskDir,
    run: RunDir,
}

fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let project = ProjectId::parse("demo").unwrap();
    let id = TaskId::parse("task-20260101-120000-write-a-greeting").unwrap();
    let task = Root::at(folder.path())
        .unwrap()
        .task(&project, &id)
        .unwrap();
    task.ensure().unwrap();
    let run = task
        .run(&RunId::parse("20261121-0406201640-6407-3").unwrap())
        .unwrap();
    std::fs::create_dir(run.path()).unwrap();
    Place {
        _folder: folder,
        task,
        run,
    }
}

fn read_run(text: &str) -> RunInfo {
    let place = place();
    std::fs::write(place.run.info(), text).unwrap();
    RunInfo::read(&place.run).unwrap().unwrap()
}

#[test]
fn run_info_of_version_1() {
    let text = include_str!("golden/run-info-v1.yaml");
    let info = read_run(text);
    assert_eq!(info.status, RunStatus::Failed);
    assert_eq!(
        info.failure.as_ref().unwrap().kind,
        FailureKind::LimitWindow
    );
    assert_eq!(info.usage.as_ref().unwrap().turns, Some(2));
    assert_eq!(info.argv.len(), 3);
    assert_eq!(info.to_yaml(), text);
}

#[test]
fn run_info_of_the_earlier_implementation() {
    let text = include_str!("golden/run-info-reconciled.yaml");
    let info = read_run(text);
    assert_eq!((info.status, info.exit_code), (RunStatus::Failed, -1));
    assert_eq!(info.project_id.as_str(), "my-project");
    assert_eq!(
        info.to_yaml(),
        text,
        "field names, order and types are kept"
    );
}

#[test]
fn task_state_of_version_1() {
    let text = include_str!("golden/task-state-v1.yaml");
    let place = place();
    std::fs::write(place.task.state(), text).unwrap();
    let mut state = TaskState::read(&place.task).unwrap().unwrap();
    assert_eq!(state.attempts.this_launch, 3);
    assert_eq!(state.gate_failures.last_output, "one\n  two: three\n");
    assert_eq!(
        state.result.as_ref().unwrap().status,
        ResultStatus::Completed
    );
    assert_eq!(
        state.children[0].task.as_str(),
        "task-20260101-120100-child"
    );
    state.write(&place.task).unwrap();
    assert_eq!(TaskState::read(&place.task).unwrap(), Some(state));
}

#[test]
fn owner_of_version_1() {
    let place = place();
    std::fs::write(place.task.owner(), include_str!("golden/owner-v1.yaml")).unwrap();
    let owner = Owner::read(&place.task).unwrap().unwrap();
    assert_eq!(
        (owner.pid, owner.launch_id.as_str()),
        (6407, "20261121-040422-u8p540fq")
    );
    assert!(!owner.is_alive());
}
