//! Event streams on real sockets.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use cl_bus::{Bus, Draft};
use cl_storage::run_info::{self, RunInfo, RunStatus};
use cl_storage::{Clock as _, ProjectId, Root, RunDir, SystemClock, TaskDir, TaskId};
use cl_testkit::patience;
use cl_wire::events::Stream;
use cl_wire::sse::{Decoder, Event, Part};

use crate::http::Connection;
use crate::server::{Place, Server, Setup};

/// How long a test waits for an event.
const PATIENCE: Duration = Duration::from_mins(1);
pub(crate) const PROJECT: &str = "p";

/// A client of one stream.
pub(crate) struct Client {
    connection: Connection,
    decoder: Decoder,
    ready: std::collections::VecDeque<Event>,
    /// The place of the last event.
    pub(crate) last_id: Option<String>,
    has_ended: bool,
}

impl Client {
    #[track_caller]
    pub(crate) fn open(server: &Server, path: &str, last_id: Option<&str>) -> Self {
        let mut request = server.request("GET", path);
        if let Some(last_id) = last_id {
            request = request.header("last-event-id", last_id);
        }
        let mut connection = server.connect();
        connection.send(request.bytes());
        let head = connection.head().unwrap();
        assert_eq!(head.status, 200, "{path}");
        assert_eq!(head.header("content-type"), Some("text/event-stream"));
        assert_eq!(head.header("cache-control"), Some("no-cache"));
        // The head does not wait for the first event.
        let first = connection.chunk().unwrap();
        assert!(first.starts_with(b": ok\n"), "{first:?}");
        Self {
            connection,
            decoder: Decoder::default(),
            ready: std::collections::VecDeque::new(),
            last_id: last_id.map(str::to_owned),
            has_ended: false,
        }
    }

    /// Returns the next event; none at the end of the stream.
    #[track_caller]
    pub(crate) fn next(&mut self) -> Option<Event> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(event) = self.ready.pop_front() {
                if let Some(id) = &event.id {
                    self.last_id = Some(id.clone());
                }
                return Some(event);
            }
            assert!(Instant::now() < deadline, "no event came");
            let Some(chunk) = self.connection.chunk() else {
                self.has_ended = true;
                return None;
            };
            let mut parts = Vec::new();
            self.decoder.feed(&chunk, &mut parts).unwrap();
            for part in parts {
                if let Part::Event(event) = part {
                    self.ready.push_back(event);
                }
            }
        }
    }

    /// Returns the next event with this name, passing over others.
    #[track_caller]
    pub(crate) fn next_named(&mut self, name: &str) -> Event {
        let deadline = Instant::now() + PATIENCE;
        loop {
            assert!(Instant::now() < deadline, "no {name} came");
            let event = self.next().expect("the stream goes on");
            if event.name() == name {
                return event;
            }
        }
    }

    /// Returns the next line of a run.
    #[track_caller]
    fn line(&mut self) -> (String, Stream, String) {
        let event = self.next_named("log");
        let line: cl_wire::events::LogLine = serde_json::from_str(&event.data).unwrap();
        (line.run_id.to_string(), line.stream, line.line)
    }

    #[track_caller]
    fn expect_lines(&mut self, expected: impl IntoIterator<Item = String>) {
        for expected in expected {
            assert_eq!(self.line().2, expected);
        }
    }

    /// Returns the text of the next message.
    #[track_caller]
    fn message(&mut self) -> String {
        json(&self.next_named("message"))["body"]
            .as_str()
            .unwrap()
            .to_owned()
    }
}

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
fn a_hundred_messages_on_an_empty_bus_all_arrive() {
    let place = Place::new();
    let task = task_at(&place, "abc");
    let server = place.start(&Setup::default());
    let paths = [
        bus_stream(&task),
        format!(
            "/api/v1/messages/stream?project_id={PROJECT}&task_id={}",
            task.id()
        ),
    ];
    let mut clients: Vec<Client> = paths
        .iter()
        .map(|path| Client::open(&server, path, None))
        .collect();
    let bus = Bus::new(task.bus());
    // One write, as of somebody who was away: what is in it comes at once.
    let source = tempfile::tempdir().unwrap();
    let other = Bus::new(source.path().join("TASK-MESSAGE-BUS.md"));
    for number in 0..100 {
        post(&other, &format!("message {number}\n---\nmsg_id: no"));
    }
    append(task.bus(), &std::fs::read_to_string(other.path()).unwrap());
    for client in &mut clients {
        for number in 0..100 {
            assert!(client.message().starts_with(&format!("message {number}\n")));
        }
    }
    post(&bus, "later");
    for client in &mut clients {
        assert_eq!(client.message(), "later");
    }
    let project = Bus::new(server.root().join(PROJECT).join("PROJECT-MESSAGE-BUS.md"));
    let mut of_project = Client::open(
        &server,
        &format!("/api/projects/{PROJECT}/messages/stream"),
        None,
    );
    post(&project, "to all");
    assert_eq!(of_project.message(), "to all");
}

#[test]
fn messages_are_resumed_behind_the_last_and_unknown_places_are_told() {
    let place = Place::new();
    let task = task_at(&place, "abc");
    let bus = Bus::new(task.bus());
    for number in 0..30 {
        post(&bus, &format!("{number}"));
    }
    let server = place.start(&Setup::default());
    let path = bus_stream(&task);
    let mut client = Client::open(&server, &path, None);
    for number in 10..30 {
        assert_eq!(client.message(), number.to_string());
    }
    let last = client.last_id.clone().unwrap();
    drop(client);
    for number in 30..200 {
        post(&bus, &format!("{number}"));
        if number % 50 == 0 {
            assert!(bus.rotate(1).unwrap().is_some());
        }
    }
    let mut client = Client::open(&server, &path, Some(&last));
    for number in 30..200 {
        assert_eq!(client.message(), number.to_string());
    }
    // The file is archived while somebody follows it.
    for number in 200..260 {
        post(&bus, &format!("{number}"));
        if number % 20 == 0 {
            assert!(bus.rotate(1).unwrap().is_some());
        }
        assert_eq!(client.message(), number.to_string());
    }
    for unknown in ["MSG-20200101-000000-000000001-PID00001-0001", "rubbish"] {
        let mut client = Client::open(&server, &path, Some(unknown));
        let reset = client.next().unwrap();
        assert_eq!(
            (reset.name(), &json(&reset)["reason"]),
            ("reset", &"since_id_not_found".into())
        );
        for number in 240..260 {
            assert_eq!(client.message(), number.to_string());
        }
    }
    let mut whole = Client::open(&server, &format!("{path}?from=start"), None);
    for number in 0..260 {
        assert_eq!(whole.message(), number.to_string());
    }
}

#[test]
fn every_message_comes_once_however_often_the_client_comes_again() {
    let place = Place::new();
    let task = task_at(&place, "abc");
    let bus = Bus::new(task.bus());
    let server = place.start(&Setup::default());
    let path = format!("{}?from=start", bus_stream(&task));
    let writer = std::thread::spawn(move || {
        for number in 0..1000 {
            post(&bus, &format!("{number}"));
            if number % 300 == 299 {
                bus.rotate(1).unwrap();
            }
        }
    });
    let mut last = None;
    let mut number = 0;
    while number < 1000 {
        let mut client = Client::open(&server, &path, last.as_deref());
        for _ in 0..=(number * 7 % 23) {
            if number < 1000 {
                assert_eq!(client.message(), number.to_string());
                number += 1;
            }
        }
        last = client.last_id.clone();
    }
    writer.join().unwrap();
}

#[test]
fn files_that_are_cut_replaced_or_missing_are_told_and_read_again() {
    let place = Place::new();
    let task = task_at(&place, "abc");
    let run = begin_run(&task);
    let server = place.start(&Setup::default());
    let mut client = Client::open(&server, &run_stream(&run), None);
    assert_eq!(client.next().unwrap().name(), "status");
    append(run.stdout(), "one\ntwo\n");
    client.expect_lines(["one".to_owned(), "two".to_owned()]);
    File::create(run.stdout())
        .unwrap()
        .write_all(b"1\n")
        .unwrap();
    let reset = client.next_named("reset");
    assert_eq!(json(&reset)["stream"], "stdout");
    client.expect_lines(["1".to_owned()]);
    std::fs::remove_file(run.stdout()).unwrap();
    assert_eq!(json(&client.next_named("reset"))["reason"], "removed");
    append(run.stdout(), "new\n");
    client.expect_lines(["new".to_owned()]);
    // A place that is not in the file any more.
    let mut far = Client::open(&server, &run_stream(&run), Some("s=1000;e=0"));
    assert_eq!(json(&far.next_named("reset"))["reason"], "truncated");
    far.expect_lines(["new".to_owned()]);
    // Bytes that are no text are shown as such, and long lines are cut.
    append(run.stdout(), &"x".repeat(1_000_000));
    append(run.stdout(), "\nnext\n");
    let event = client.next_named("log");
    let long = json(&event);
    assert_eq!(
        (long["line"].as_str().unwrap().len(), &long["truncated"]),
        (256 * 1024, &true.into())
    );
    client.expect_lines(["next".to_owned()]);
    let mut file = File::options().append(true).open(run.stdout()).unwrap();
    file.write_all(b"a\xff\xfeb\n").unwrap();
    client.expect_lines(["a\u{fffd}\u{fffd}b".to_owned()]);
    // A link is not followed.
    let secret = server.place().outside().join("secret");
    std::fs::write(&secret, "canary\n").unwrap();
    std::fs::remove_file(run.stderr()).unwrap_or_default();
    std::os::unix::fs::symlink(&secret, run.stderr()).unwrap();
    let reply = server.get(&run_stream(&run));
    assert_eq!(reply.status, 500);
    assert!(!reply.text().contains("canary"));
}

#[test]
fn a_file_is_followed_as_it_is() {
    let place = Place::new();
    let task = task_at(&place, "abc");
    let run = begin_run(&task);
    let server = place.start(&Setup::default());
    let path = file_stream(&run, "stdout");
    let mut client = Client::open(&server, &path, None);
    append(run.stdout(), "a\nb\n");
    let event = client.next().unwrap();
    assert_eq!(
        (event.name(), event.data.as_str(), event.id.as_deref()),
        ("message", "a\nb\n", Some("4"))
    );
    append(run.stdout(), "\u{e9}\nand the rest");
    assert_eq!(client.next().unwrap().data, "\u{e9}\n");
    let last = client.last_id.clone();
    end_run(&run, 0);
    for mut client in [client, Client::open(&server, &path, last.as_deref())] {
        assert_eq!(client.next().unwrap().data, "and the rest");
        let done = client.next().unwrap();
        assert_eq!((done.name(), done.data.as_str()), ("done", "run completed"));
        assert!(client.next().is_none());
    }
    let long: String = "\u{e9}".repeat(500_000);
    std::fs::write(run.output(), &long).unwrap();
    let mut client = Client::open(
        &server,
        &format!("{}&from=start", file_stream(&run, "output.md")),
        None,
    );
    let mut text = String::new();
    loop {
        let event = client.next().unwrap();
        if event.name() == "done" {
            break;
        }
        text.push_str(&event.data);
    }
    assert_eq!(text, long);
    let mut missing = Client::open(&server, &file_stream(&run, "prompt"), None);
    assert_eq!(missing.next().unwrap().name(), "done");
}

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
