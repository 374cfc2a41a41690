//! `run import`: processes that somebody else has started.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use cl_storage::TaskDir;
use cl_storage::owner::Owner;
use cl_storage::run_info::{RunInfo, RunStatus};
use cl_storage::task_state::{ResultStatus, TaskState};
use rustix::process::{Pid, Signal, kill_process};

use crate::place::{CHILD, DEAD, PROJECT, Place, TASK, eventually};
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
        (line(1, "--ownership managed"), 2, "process 1"),
        (line(1, ""), 2, "process 1"),
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
    import(&place, &foreign, "");
    // Two watchers of one process are one too many, and so are two of one task.
    let elsewhere = line(other, "").replace(TASK, CHILD);
    let refused = place.run_changing_nothing(&elsewhere);
    refused.fails(
        4,
        &format!("works for the task at {}", dir(&place).path().display()),
    );
    let second = Foreign::start(&place);
    let again = place.run(&line(i64::from(second.pid()), ""));
    again.fails(4, "is running already");
    fs::write(&foreign.go, "").unwrap();
    ended(&place);
}

#[test]
fn a_process_whose_watcher_was_lost_is_still_its_tasks() {
    let place = Place::new();
    let foreign = Foreign::start(&place);
    import(&place, &foreign, "");
    let watcher = Owner::read(&dir(&place)).unwrap().unwrap();
    kill_process(Pid::from_raw(watcher.pid).unwrap(), Signal::KILL).unwrap();
    eventually(|| !watcher.is_alive());
    let line = format!(
        "run import --project {PROJECT} --task {CHILD} --pid {} --agent claude",
        foreign.pid()
    );
    place.run(&line).fails(4, "works for the task at");
    fs::write(&foreign.go, "").unwrap();
    place.run("recover").ok();
    ended(&place);
}

#[test]
fn of_many_who_adopt_a_process_at_once_one_does() {
    let place = Place::new();
    let foreign = Foreign::start(&place);
    let line = |number: u32| {
        format!(
            "run import --project {PROJECT} --task task-20260101-00000{number}-many --pid {} --agent claude",
            foreign.pid()
        )
    };
    let running: Vec<Child> = (0..4).map(|number| place.start(&line(number))).collect();
    let mut codes: Vec<_> = (running.into_iter())
        .map(|child| child.wait_with_output().unwrap().status.code())
        .collect();
    codes.sort_unstable();
    assert_eq!(codes, [Some(0), Some(4), Some(4), Some(4)]);
    fs::write(&foreign.go, "").unwrap();
    nobody_watches(&place);
}

/// Waits until every watcher has given its task up.
fn nobody_watches(place: &Place) {
    eventually(|| {
        let projects = place.root.projects().unwrap();
        let tasks = projects.iter().flat_map(|project| project.tasks().unwrap());
        tasks.into_iter().all(|task| !task.owner().exists())
    });
}

#[test]
fn an_interrupted_import_has_adopted_the_process_or_left_nothing() {
    for (number, wanted) in [Signal::INT, Signal::TERM]
        .into_iter()
        .cycle()
        .take(12)
        .enumerate()
    {
        let place = Place::new();
        let mut foreign = Foreign::start(&place);
        let line = format!(
            "run import --project {PROJECT} --task {TASK} --pid {} --agent claude",
            foreign.pid()
        );
        let mut child = place.start(&line);
        let moment = std::time::Instant::now()
            + std::time::Duration::from_millis(3) * u32::try_from(number).unwrap();
        // The moment itself is what is tested: nothing is waited for.
        while std::time::Instant::now() < moment {
            std::thread::yield_now();
        }
        let me = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        // It may have done its work by now.
        kill_process(me, wanted).ok();
        let ended = std::os::unix::process::ExitStatusExt::signal(&child.wait().unwrap());
        assert!(
            ended.is_none_or(|signal| signal == wanted.as_raw()),
            "{ended:?}"
        );
        assert!(foreign.is_alive(), "it is not ours to end");
        let task = TaskDir::clone(
            &place
                .root
                .task(
                    &cl_storage::ProjectId::parse(PROJECT).unwrap(),
                    &cl_storage::TaskId::parse(TASK).unwrap(),
                )
                .unwrap(),
        );
        // A watcher that was started goes on or gives up; neither leaves half a task.
        let is_watched = || {
            task.owner().exists()
                && task.runs().is_ok_and(|runs| {
                    runs.first().is_some_and(|run| {
                        RunInfo::read(run).ok().flatten().is_some_and(|info| {
                            info.pid > 0 && info.phase == Some(cl_storage::run_info::Phase::Running)
                        })
                    })
                })
        };
        eventually(|| is_watched() || !task.exists());
        fs::write(&foreign.go, "").unwrap();
        nobody_watches(&place);
    }
}
