//! `watch`.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use cl_storage::marker;
use cl_storage::run_info::{self, RunStatus};

use crate::place::{CHILD, Place, TASK, add_run, alive, ended, eventually};

#[test]
fn tasks_that_have_ended_end_the_watch_at_once() {
    let place = Place::new();
    let task = place.task(TASK);
    add_run(&task, 1, ended(RunStatus::Completed, 0));
    marker::create_done(&task).unwrap();
    let ran = place.run_changing_nothing("watch --project demo");
    assert_eq!(ran.ok(), format!("{TASK} all_finished\n"));
    let json = place
        .run_changing_nothing("watch --project demo --json")
        .json();
    assert_eq!(json["all_done"], true);
    assert_eq!(json["tasks"][0]["status"], "all_finished");
}

#[test]
fn a_failure_is_an_exit_code_of_one() {
    let place = Place::new();
    add_run(&place.task(TASK), 1, ended(RunStatus::Failed, 7));
    add_run(&place.task(CHILD), 2, ended(RunStatus::Completed, 0));
    let ran = place.run_changing_nothing("watch --project demo");
    assert_eq!(ran.code, Some(1));
    assert!(
        ran.err.contains("1 of 2 tasks did not succeed"),
        "{}",
        ran.err
    );
    let ran = place.run_changing_nothing(&format!("watch {CHILD} --project demo"));
    assert_eq!(ran.code, Some(0), "only the tasks that were named count");
}

#[test]
fn a_loop_that_ended_without_done_has_failed_and_a_job_has_not() {
    for (kind, code) in [("task", 1), ("job", 0)] {
        let place = Place::new();
        let task = place.task(TASK);
        add_run(&task, 1, ended(RunStatus::Completed, 0));
        let launch = format!(
            "version: 1\nlaunch_id: l\nkind: {kind}\norigin: detached\n\
             launched_at: 2026-01-01T00:00:00Z\nagent_name: scripted\n"
        );
        std::fs::write(task.launch(), launch).unwrap();
        assert_eq!(place.run("watch --project demo").code, Some(code), "{kind}");
    }
}

#[test]
fn a_stopped_task_is_a_failure() {
    let place = Place::new();
    let task = place.task(TASK);
    add_run(&task, 1, ended(RunStatus::Failed, 143));
    marker::request_stop(
        &task,
        &marker::StopMark::permanent("test"),
        "2026-01-01T00:00:00Z".parse().unwrap(),
    )
    .unwrap();
    let ran = place.run_changing_nothing("watch --project demo");
    assert_eq!(ran.code, Some(1));
    assert!(ran.out.contains("stopped"), "{}", ran.out);
}

#[test]
fn the_time_is_limited() {
    let place = Place::new();
    add_run(&place.task(TASK), 1, alive);
    let line = "watch --project demo --timeout 150ms --interval 50ms";
    let ran = place.run_changing_nothing(line);
    assert_eq!(ran.code, Some(124), "{ran:?}");
    assert_eq!(
        ran.out,
        format!("{TASK} running\n"),
        "only changes are printed"
    );
    assert!(
        ran.err.contains(TASK) && ran.err.contains("Hint:"),
        "{}",
        ran.err
    );
    let ran = place.run_changing_nothing(&format!("{line} --json"));
    let error: serde_json::Value = serde_json::from_str(ran.err.trim()).unwrap();
    assert_eq!(error["error"]["code"], "timeout");
}

#[test]
fn changes_are_printed_when_they_happen() {
    let place = Place::new();
    let run = add_run(&place.task(TASK), 1, alive);
    let child = place.start("watch --project demo --interval 50ms --timeout 20s");
    run_info::update(&run, ended(RunStatus::Completed, 0)).unwrap();
    let output = child.wait_with_output().unwrap();
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{out}");
    assert!(out.ends_with("completed\n"), "{out}");
}

#[test]
fn any_failure_can_end_the_watch() {
    let place = Place::new();
    add_run(&place.task(TASK), 1, alive);
    add_run(&place.task(CHILD), 2, ended(RunStatus::Failed, 1));
    let line = "watch --project demo --until any-failed --timeout 20s";
    assert_eq!(place.run(line).code, Some(1));
}

#[test]
fn idle_is_when_nothing_runs() {
    let place = Place::new();
    let task = place.task(TASK);
    let line = "watch --project demo --until idle --timeout 20s --interval 50ms";
    assert_eq!(
        place.run(line).code,
        Some(0),
        "a task that never ran is idle"
    );
    let run = add_run(&task, 1, alive);
    let mut child = place.start(line);
    assert!(child.try_wait().unwrap().is_none());
    run_info::update(&run, ended(RunStatus::Completed, 0)).unwrap();
    eventually(|| child.try_wait().unwrap().is_some());
}

#[test]
fn what_does_not_exist_is_not_waited_for() {
    let place = Place::new();
    place.task(TASK);
    place
        .run_changing_nothing("watch --project demo task-20260101-000000-none")
        .fails(3, "does not exist");
    place
        .run_changing_nothing("watch --project none")
        .fails(3, "project none does not exist");
    place
        .run_changing_nothing("watch")
        .fails(2, "cannot tell which project");
}

/// Serves what says its version and answers nothing else: with silence, or with what is none of ours.
fn half_a_server(is_silent: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        while let Ok((mut client, _)) = listener.accept() {
            let mut head = BufReader::new(client.try_clone().unwrap()).lines();
            let line = head.next().unwrap().unwrap();
            while head.next().unwrap().is_ok_and(|line| !line.is_empty()) {}
            let (status, kind, body) = match line.contains("/version") {
                true => ("200 OK", "application/json", "{\"version\":\"x\"}"),
                false if is_silent => {
                    kept.push(client);
                    continue;
                }
                false => ("503 Unavailable", "text/plain", "starting"),
            };
            let length = body.len();
            let head = format!("Content-Type: {kind}\r\nContent-Length: {length}\r\n");
            write!(
                client,
                "HTTP/1.1 {status}\r\n{head}Connection: close\r\n\r\n{body}"
            )
            .ok();
        }
    });
    url
}

#[test]
fn a_server_that_does_not_answer_is_waited_for_no_longer_than_was_said() {
    let place = Place::new();
    for is_silent in [false, true] {
        let url = half_a_server(is_silent);
        let began = Instant::now();
        let line = format!("watch {TASK} --project demo --timeout 2s --server {url}");
        place.run(&line).fails(124, "the server does not answer");
        let took = began.elapsed();
        assert!(took < Duration::from_secs(20), "{is_silent}: {took:?}");
    }
}
