//! Following many runs, and what changes below the root.

use std::collections::BTreeMap;

use cl_bus::Bus;
use cl_storage::{RunDir, TaskDir};
use cl_wire::events::Stream;

use super::{
    Client, PROJECT, append, begin_run, end_run, is_known_to_have_ended, json, numbered, post,
    runs_stream, task_at, text_of,
};
use crate::server::{Place, Setup};

#[test]
fn runs_of_a_task_and_of_all_are_followed_from_birth_to_end() {
    let place = Place::new();
    let (task, other) = (task_at(&place, "abc"), task_at(&place, "def"));
    let old = begin_run(&task);
    append(old.stdout(), "old\n");
    end_run(&old, 0);
    let first = begin_run(&task);
    append(first.stdout(), "before\n");
    let server = place.start(&Setup::default());
    let mut of_task = Client::open(&server, &runs_stream(&task), None);
    let mut of_all = Client::open(&server, "/api/v1/runs/stream/all", None);
    assert_eq!(of_task.line().2, "before");
    assert_eq!(
        json(&of_all.next_named("status"))["run_id"],
        first.id().as_str()
    );
    append(first.stdout(), "now\n");
    for client in [&mut of_task, &mut of_all] {
        assert_eq!(client.line().2, "now");
    }
    let second = begin_run(&other);
    append(second.stderr(), "born\n");
    let born = (second.id().to_string(), Stream::Stderr, "born".to_owned());
    assert_eq!(of_all.line(), born);
    let last = of_all.last_id.clone();
    drop(of_all);
    // What happens while nobody is there is told afterwards, once.
    append(second.stdout(), "while away\n");
    end_run(&second, 1);
    let third = begin_run(&other);
    append(third.stdout(), "short\nlife");
    end_run(&third, 0);
    append(first.stdout(), "still here\n");
    is_known_to_have_ended(&server, &third);
    let mut of_all = Client::open(&server, "/api/v1/runs/stream/all", last.as_deref());
    let mut seen: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut collect = |client: &mut Client, count: usize| {
        for _ in 0..count {
            let (run, _, line) = client.line();
            seen.entry(run).or_default().push(line);
        }
    };
    collect(&mut of_all, 2);
    let last = of_all.last_id.clone();
    let mut of_all = Client::open(&server, "/api/v1/runs/stream/all", last.as_deref());
    collect(&mut of_all, 2);
    append(first.stdout(), "the end\n");
    end_run(&first, 0);
    collect(&mut of_all, 1);
    assert_eq!(seen[first.id().as_str()], ["still here", "the end"]);
    assert_eq!(seen[second.id().as_str()], ["while away"]);
    assert_eq!(seen[third.id().as_str()], ["short", "life"]);
    loop {
        let status = json(&of_all.next_named("status"));
        if status["run_id"] == first.id().as_str() && status["status"] == "completed" {
            break;
        }
    }
    assert_eq!(of_task.line().2, "still here");
    // The whole history, in the order of the ends.
    let mut history = Client::open(&server, "/api/v1/runs/stream/all?from=start", None);
    let lines: Vec<String> = (0..7).map(|_| history.line().2).collect();
    assert_eq!(lines[0], "old");
    assert_eq!(lines.iter().filter(|line| **line == "born").count(), 1);
    assert!(lines.contains(&"before".to_owned()), "{lines:?}");
}

#[test]
fn a_fan_in_gives_every_line_once_to_a_client_that_comes_and_goes() {
    const RUNS: usize = 8;
    const LINES: usize = 3000;
    let place = Place::new();
    let task = task_at(&place, "abc");
    let server = place.start(&Setup::default());
    let runs: Vec<RunDir> = (0..RUNS).map(|_| begin_run(&task)).collect();
    let last = Client::open(&server, &format!("{}?from=start", runs_stream(&task)), None);
    drop(last);
    let writers: Vec<_> = runs
        .iter()
        .map(|run| {
            let run = run.clone();
            std::thread::spawn(move || {
                for part in 0..LINES / 100 {
                    append(run.stdout(), &text_of(part * 100..part * 100 + 100));
                }
                end_run(&run, 0);
            })
        })
        .collect();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let path = format!("{}?from=start", runs_stream(&task));
    let mut last: Option<String> = None;
    let mut turn = 0;
    while seen.values().sum::<usize>() < RUNS * LINES {
        let mut client = Client::open(&server, &path, last.as_deref());
        turn += 1;
        for _ in 0..turn * 100 {
            if seen.values().sum::<usize>() == RUNS * LINES {
                break;
            }
            let (run, _, line) = client.line();
            let count = seen.entry(run).or_default();
            assert_eq!(Some(line), numbered(*count..*count + 1).next());
            *count += 1;
        }
        last = client.last_id.clone();
    }
    for writer in writers {
        writer.join().unwrap();
    }
    // Nothing comes twice.
    let mut client = Client::open(&server, &path, last.as_deref());
    let next = begin_run(&task);
    append(next.stdout(), "next\n");
    assert_eq!(client.line().2, "next");
}

#[test]
fn changes_are_told_after_a_snapshot_and_resumed() {
    let place = Place::new();
    let tasks = [task_at(&place, "abc"), task_at(&place, "def")];
    let run = begin_run(&tasks[0]);
    end_run(&run, 0);
    let server = place.start(&Setup::default());
    let of_project = format!("/api/projects/{PROJECT}/stream");
    for path in ["/api/stream", of_project.as_str()] {
        let mut client = Client::open(&server, path, None);
        let snapshot = client.next().unwrap();
        assert_eq!(snapshot.name(), "snapshot");
        assert_eq!(json(&snapshot)["tasks"], 2);
        assert!(json(&snapshot)["etag"].as_str().unwrap().starts_with("W/"));
        assert_eq!(json(&client.next().unwrap())["what"], "project");
        for task in &tasks {
            let change = json(&client.next().unwrap());
            assert_eq!(
                (&change["what"], &change["task"]["task_id"]),
                (&"task".into(), &task.id().as_str().into())
            );
        }
        assert_eq!(client.next().unwrap().name(), "ready");
    }
    let mut client = Client::open(&server, &of_project, None);
    client.next_named("ready");
    let next = |client: &mut Client, what: &str, task: &TaskDir| {
        loop {
            let change = json(&client.next_named("change"));
            if change["what"] == what && change["task_id"] == task.id().as_str() {
                return change;
            }
        }
    };
    let second = begin_run(&tasks[1]);
    let mut change = next(&mut client, "task", &tasks[1]);
    while change["run"]["run_id"] != second.id().as_str() {
        change = next(&mut client, "task", &tasks[1]);
    }
    assert_eq!(change["task"]["latest_status"], "running");
    post(&Bus::new(tasks[1].bus()), "hello");
    assert!(next(&mut client, "bus", &tasks[1])["msg_id"].is_string());
    // What is posted by way of the server is told also of a task that has ended: nobody
    // watches its folder.
    let path = format!("/api/projects/{PROJECT}/tasks/{}/messages", tasks[0].id());
    let posted = server.post(&path, &serde_json::json!({"body": "late"}));
    let posted = posted.expect(201).json();
    assert_eq!(
        next(&mut client, "bus", &tasks[0])["msg_id"],
        posted["msg_id"]
    );
    let last = client.last_id.clone();
    drop(client);
    let third = task_at(server.place(), "ghi");
    std::fs::remove_dir_all(tasks[0].path()).unwrap();
    let mut client = Client::open(&server, &of_project, last.as_deref());
    next(&mut client, "task", &third);
    let mut client = Client::open(&server, &of_project, last.as_deref());
    next(&mut client, "task_gone", &tasks[0]);
    // A place of another server, or one that is none.
    for unknown in ["1-1", "rubbish"] {
        let mut client = Client::open(&server, &of_project, Some(unknown));
        assert_eq!(client.next().unwrap().name(), "reset");
        let snapshot = client.next().unwrap();
        assert_eq!(
            (snapshot.name(), &json(&snapshot)["tasks"]),
            ("snapshot", &2.into())
        );
    }
    let mut later = Client::open(&server, "/api/stream?from=end", None);
    assert_eq!(later.next().unwrap().name(), "ready");
    std::fs::remove_dir_all(server.root().join(PROJECT)).unwrap();
    loop {
        if json(&later.next_named("change"))["what"] == "project_gone" {
            break;
        }
    }
    assert_eq!(server.get(&of_project).expect(404).code(), "NOT_FOUND");
}
