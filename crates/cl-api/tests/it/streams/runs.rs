//! Following one run.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use cl_testkit::patience;
use cl_wire::events::Stream;

use super::{
    Client, PROJECT, append, begin_run, bus_stream, end_run, file_stream, json, numbered,
    run_stream, runs_stream, task_at, text_of,
};
use crate::server::{Place, Setup};

#[test]
fn a_run_is_followed_from_its_first_line_to_its_end() {
    let place = Place::new();
    let task = task_at(&place, "abc");
    let run = begin_run(&task);
    append(run.stdout(), "one\r\ntwo\nthr");
    append(run.stderr(), "oh\n");
    let server = place.start(&Setup::default());
    let mut client = Client::open(&server, &run_stream(&run), None);
    let status = json(&client.next().unwrap());
    assert_eq!(
        (&status["status"], &status["exit_code"]),
        (&"running".into(), &(-1).into())
    );
    assert_eq!(client.line().2, "one");
    assert_eq!(client.line().2, "two");
    let (id, stream, line) = client.line();
    assert_eq!(
        (id.as_str(), stream, line.as_str()),
        (run.id().as_str(), Stream::Stderr, "oh")
    );
    assert_eq!(client.last_id.as_deref(), Some("s=9;e=3"));
    // A line that is written in two halves comes once.
    append(run.stdout(), "ee\n");
    client.expect_lines(["three".to_owned()]);
    append(run.stdout(), "half\u{e9}");
    for number in 0..20 {
        append(run.stderr(), &format!("error {number}\n"));
        client.expect_lines([format!("error {number}")]);
    }
    end_run(&run, 3);
    // What has no end comes when the run has one, and the status after all lines.
    client.expect_lines(["half\u{e9}".to_owned()]);
    let status = client.next_named("status");
    assert_eq!(json(&status)["status"], "failed");
    let done = client.next().unwrap();
    assert_eq!(
        (done.name(), &json(&done)["exit_code"]),
        ("done", &3.into())
    );
    assert!(client.next().is_none());
    // Who was there until the end is told so again, and no line.
    let mut again = Client::open(&server, &run_stream(&run), client.last_id.as_deref());
    assert_eq!(again.next().unwrap().name(), "status");
    assert_eq!(again.next().unwrap().name(), "done");
    assert!(again.next().is_none());
}

#[test]
fn a_stream_begins_where_it_is_asked_to() {
    let place = Place::new();
    let task = task_at(&place, "abc");
    let run = begin_run(&task);
    append(run.stdout(), &text_of(0..6000));
    let server = place.start(&Setup::default());
    let path = run_stream(&run);
    let mut usual = Client::open(&server, &path, None);
    usual.expect_lines(numbered(1000..6000));
    let mut whole = Client::open(&server, &format!("{path}?from=start"), None);
    whole.expect_lines(numbered(0..6000));
    let mut end = Client::open(&server, &format!("{path}?from=end"), None);
    let mut zero = Client::open(&server, &format!("{path}?from=end"), Some("s=0;e=0"));
    zero.expect_lines(numbered(0..6000));
    assert_eq!(end.next_named("status").name(), "status");
    append(run.stdout(), &text_of(6000..6001));
    for client in [&mut usual, &mut whole, &mut end, &mut zero] {
        client.expect_lines(numbered(6000..6001));
    }
    let place = whole.last_id.clone().unwrap();
    append(run.stdout(), &text_of(6001..6005));
    let mut behind = Client::open(&server, &format!("{path}?from={place}"), None);
    behind.expect_lines(numbered(6001..6005));
    for bad in ["from=middle", "from=s=x"] {
        let reply = server.get(&format!("{path}?{bad}"));
        assert_eq!(reply.status, 400, "{bad}");
    }
}

#[test]
fn what_does_not_exist_is_refused_at_once() {
    let place = Place::new();
    let task = task_at(&place, "abc");
    let run = begin_run(&task);
    let server = place.start(&Setup::default());
    let other = "task-20260101-000000-other";
    for path in [
        "/api/v1/runs/20260101-0000000000-1-1/stream".to_owned(),
        format!("/api/projects/{PROJECT}/tasks/{other}/runs/stream"),
        format!("/api/projects/none/tasks/{}/runs/stream", task.id()),
        format!("/api/projects/{PROJECT}/tasks/{other}/messages/stream"),
        "/api/projects/none/messages/stream".to_owned(),
        "/api/v1/messages/stream?project_id=none".to_owned(),
        format!("/api/v1/messages/stream?project_id={PROJECT}&task_id={other}"),
        format!(
            "/api/projects/{PROJECT}/tasks/{}/runs/20260101-0000000000-1-1/stream",
            task.id()
        ),
        file_stream(&run, "secrets"),
    ] {
        assert_eq!(server.get(&path).expect(404).code(), "NOT_FOUND", "{path}");
    }
    for path in [
        "/api/v1/runs/..%2f..%2fetc/stream",
        "/api/v1/messages/stream",
        "/api/v1/messages/stream?project_id=..",
        "/api/projects/../messages/stream?x",
    ] {
        let status = server.get(path).status;
        assert!(status == 400 || status == 404, "{path}: {status}");
    }
    let reply = server.ask(&server.anonymous("GET", &run_stream(&run)));
    assert_eq!(reply.status, 401);
}

#[test]
fn a_burst_reaches_twenty_clients_whatever_two_of_them_do() {
    const LINES: usize = 100_000;
    let place = Place::new();
    let task = task_at(&place, "abc");
    let run = begin_run(&task);
    let server = place.start(&Setup::yaml("api:\n  limits:\n    write_timeout: 1s\n"));
    let path = format!("{}?from=start", run_stream(&run));
    let server = &server;
    // One takes nothing until it is cut off, and one comes again every 200 ms.
    let mut stalled = Client::open(server, &path, None);
    let opened = AtomicUsize::new(0);
    let opened = &opened;
    std::thread::scope(|scope| {
        for _ in 0..18 {
            let path = &path;
            scope.spawn(move || {
                let mut client = Client::open(server, path, None);
                opened.fetch_add(1, Ordering::SeqCst);
                client.expect_lines(numbered(0..5000 + LINES));
                assert_eq!(json(&client.next_named("done"))["status"], "completed");
                assert!(client.next().is_none());
            });
        }
        let path = &path;
        scope.spawn(move || {
            let mut client = Client::open(server, path, None);
            opened.fetch_add(1, Ordering::SeqCst);
            let mut since = Instant::now();
            for line in numbered(0..5000 + LINES) {
                if since.elapsed() > Duration::from_millis(200) {
                    let last = client.last_id.clone();
                    client = Client::open(server, path, last.as_deref());
                    since = Instant::now();
                }
                assert_eq!(client.line().2, line);
            }
        });
        patience::until("all are there", || opened.load(Ordering::SeqCst) == 19);
        append(run.stdout(), &text_of(0..5000));
        append(run.stdout(), &text_of(5000..5000 + LINES));
        end_run(&run, 0);
    });
    // It gets what the kernels hold, and resumes behind it.
    let mut count = 0;
    let mut has_resumed = false;
    while count < 5000 + LINES {
        let is_cut = match std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| stalled.next()))
        {
            Ok(Some(event)) => {
                if event.name() == "log" {
                    let line: cl_wire::events::LogLine = serde_json::from_str(&event.data).unwrap();
                    assert_eq!(Some(line.line), numbered(count..count + 1).next());
                    count += 1;
                }
                false
            }
            Ok(None) | Err(_) => true,
        };
        if is_cut {
            assert!(!has_resumed, "cut once");
            has_resumed = true;
            let last = stalled.last_id.clone();
            stalled = Client::open(server, &path, last.as_deref());
        }
    }
    assert!(has_resumed, "it was not cut off");
}

#[test]
fn a_client_that_goes_leaves_nothing_behind() {
    let place = Place::new();
    let task = task_at(&place, "abc");
    let run = begin_run(&task);
    let yaml = "api:\n  sse:\n    max_clients_per_run: 2\n";
    let server = place.start(&Setup::yaml(yaml));
    let path = run_stream(&run);
    let files = || server.open_files();
    let first = Client::open(&server, &path, None);
    let second = Client::open(&server, &path, None);
    let refused = server.get(&path).expect(429);
    assert_eq!(refused.code(), "TOO_MANY_REQUESTS");
    assert!(refused.text().contains("max clients reached for run"));
    let after: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..60).contains(&after));
    // Fan-in streams are not of this run alone.
    drop(Client::open(&server, "/api/v1/runs/stream/all", None));
    let busy = files();
    drop((first, second));
    patience::until("the seats are free", || {
        let mut connection = server.connect();
        connection.send(server.request("GET", &path).bytes());
        connection.head().unwrap().status == 200
    });
    for _ in 0..100 {
        let mut connection = server.connect();
        connection.send(server.request("GET", &path).bytes());
        connection.head().unwrap();
    }
    patience::until("nothing stays open", || files() <= busy);
}

#[test]
fn idle_streams_beat_and_end_with_the_server() {
    let place = Place::new();
    let task = task_at(&place, "abc");
    let run = begin_run(&task);
    let server = place.start(&Setup::yaml("api:\n  sse:\n    heartbeat_interval_s: 1\n"));
    let paths = [
        run_stream(&run),
        file_stream(&run, "stdout"),
        runs_stream(&task),
        "/api/v1/runs/stream/all".to_owned(),
        bus_stream(&task),
    ];
    let mut clients: Vec<Client> = paths
        .iter()
        .map(|path| Client::open(&server, path, None))
        .collect();
    for client in &mut clients {
        for _ in 0..2 {
            assert_eq!(client.next_named("heartbeat").data, "{}");
        }
    }
    let place = server.stop();
    for client in &mut clients {
        while let Some(event) = client.next() {
            assert_eq!(event.name(), "heartbeat");
        }
    }
    drop(place);
}
