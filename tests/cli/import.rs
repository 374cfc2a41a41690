//! `run import`: processes that somebody else has started.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use cl_storage::TaskDir;
use cl_storage::owner::Owner;
use cl_storage::run_info::{RunInfo, RunStatus};
use cl_storage::task_state::{ResultStatus, TaskState};
use rustix::process::{Pid, Signal, kill_process};

use crate::place::{DEAD, PROJECT, Place, TASK, eventually};
use crate::schema::assert_valid;

/// A process that appends to a log until a file appears; killed when it is dropped.
struct Foreign {
    child: Child,
    log: PathBuf,
    go: PathBuf,
}

impl Foreign {
    fn start(place: &Place) -> Self {
        let (log, go) = (place.work().join("log"), place.work().join("go"));
        let script = "echo one >>$0; while ! [ -e $1 ]; do sleep 0.02; done; echo two >>$0";
        #[expect(clippy::disallowed_methods, reason = "a process of somebody else")]
        let child = Command::new("/bin/sh")
            .args(["-c", script])
            .args([&log, &go])
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, log, go }
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }

    fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn import(place: &Place, foreign: &Foreign, more: &str) -> serde_json::Value {
    let line = format!(
        "run import --project {PROJECT} --task {TASK} --pid {} --agent Claude --stdout {} {more} --json",
        foreign.pid(),
        foreign.log.display()
    );
    let json = place.run(&line).json();
    assert_valid("run-import", &json);
    json
}

fn dir(place: &Place) -> TaskDir {
    place.task(TASK)
}

fn info(place: &Place) -> RunInfo {
    let runs = dir(place).runs().unwrap();
    assert_eq!(runs.len(), 1);
    RunInfo::read(&runs[0]).unwrap().unwrap()
}

fn copy(place: &Place) -> String {
    fs::read_to_string(dir(place).runs().unwrap()[0].stdout()).unwrap()
}

/// Waits until the watcher has given the task up.
#[track_caller]
fn ended(place: &Place) -> ResultStatus {
    eventually(|| !dir(place).owner().exists());
    TaskState::read(&dir(place))
        .unwrap()
        .unwrap()
        .result
        .unwrap()
        .status
}

#[test]
fn an_external_process_is_watched_to_its_end_and_never_stopped() {
    let place = Place::new();
    let mut foreign = Foreign::start(&place);
    let json = import(&place, &foreign, "--command-line claude");
    let running = info(&place);
    assert_eq!(json["run_id"], running.run_id.as_str());
    assert_eq!(
        (running.status, running.is_external),
        (RunStatus::Running, true)
    );
    assert_eq!(running.pid, i32::try_from(foreign.pid()).unwrap());
    assert_eq!(
        (running.agent.as_str(), running.commandline.as_str()),
        ("claude", "claude")
    );
    eventually(|| copy(&place) == "one\n");
    let refused = place.run(&format!("stop {TASK} --project {PROJECT} --force"));
    refused.fails(4, "only observed");
    place
        .run(&format!("task delete {TASK} --project {PROJECT} --force"))
        .fails(4, "only observed");
    assert!(foreign.is_alive());
    fs::write(&foreign.go, "").unwrap();
    assert_eq!(ended(&place), ResultStatus::Completed);
    let info = info(&place);
    assert_eq!((info.status, info.exit_code), (RunStatus::Completed, -1));
    assert_eq!(
        info.error_summary,
        "adopted process exited; exit code unavailable"
    );
    assert_eq!(copy(&place), "one\ntwo\n");
    let bus = fs::read_to_string(dir(&place).bus()).unwrap();
    for part in [
        "run adopted from external process\nrun_dir: ",
        "\nownership: external\n",
        "adopted process exited\nrun_dir: ",
        "\nstatus: completed\nexit_code: -1\n",
    ] {
        assert!(bus.contains(part), "{part:?} in {bus}");
    }
}

#[test]
fn a_managed_process_is_stopped_by_its_identity() {
    let place = Place::new();
    let mut foreign = Foreign::start(&place);
    import(&place, &foreign, "--ownership managed");
    place.run(&format!("stop {TASK} --project {PROJECT}")).ok();
    eventually(|| !foreign.is_alive());
    assert_eq!(ended(&place), ResultStatus::Stopped);
    let info = info(&place);
    assert_eq!(
        (info.status, info.error_summary.as_str()),
        (RunStatus::Failed, "stopped by request")
    );
    assert!(!info.is_external);
}

#[test]
fn a_killed_watcher_is_replaced() {
    let place = Place::new();
    let mut foreign = Foreign::start(&place);
    import(&place, &foreign, "");
    eventually(|| copy(&place) == "one\n");
    let watcher = Owner::read(&dir(&place)).unwrap().unwrap();
    kill_process(Pid::from_raw(watcher.pid).unwrap(), Signal::KILL).unwrap();
    eventually(|| !watcher.is_alive());
    let status = format!("status {TASK} --project {PROJECT} --json");
    let json = place.run(&status).json();
    assert_eq!(json["tasks"][0]["owner"], "lost", "{json}");
    let told = place.run("recover").ok();
    assert!(told.contains("is watched again"), "{told}");
    let json = place.run(&status).json();
    assert_eq!(json["tasks"][0]["owner"], "alive", "{json}");
    assert!(foreign.is_alive());
    fs::write(&foreign.go, "").unwrap();
    assert_eq!(ended(&place), ResultStatus::Completed);
    assert_eq!(copy(&place), "one\ntwo\n");
    assert_eq!(info(&place).status, RunStatus::Completed);
}

#[test]
fn what_cannot_be_adopted_leaves_nothing() {
    let place = Place::new();
    let line = |pid: i64, more: &str| {
        format!("run import --project {PROJECT} --task {TASK} --pid {pid} --agent claude {more}")
    };
    let me = i64::from(std::process::id());
    let foreign = Foreign::start(&place);
    let other = i64::from(foreign.pid());
    eventually(|| foreign.log.exists());
    for (line, code, part) in [
        (line(i64::from(DEAD), ""), 3, "does not exist"),
        (
            line(me, ""),
            2,
            "this command itself, or one that has called it",
        ),
        (line(0, ""), 2, "0 is not in"),
        (line(-1, ""), 2, "--pid"),
        (line(1, "--ownership managed"), 2, ""),
        (line(other, "--stdout ."), 2, "is a folder"),
        (line(other, "--stderr missing/log"), 3, "does not exist"),
        (line(other, "--ownership mine"), 2, "mine"),
        (
            format!("run import --project {PROJECT} --pid {other}"),
            2,
            "--agent",
        ),
    ] {
        place.run_changing_nothing(&line).fails(code, part);
    }
    // Two watchers of one task are one too many.
    import(&place, &foreign, "");
    let again = place.run(&line(other, ""));
    again.fails(4, "is running already");
    fs::write(&foreign.go, "").unwrap();
    ended(&place);
}
