//! Files that a client of the changes follows, on real sockets.

use std::fs::File;
use std::io::Write as _;
use std::time::{Duration, Instant};

use cl_storage::RunDir;
use cl_testkit::patience;
use cl_wire::events::{Event, Grown};

use crate::server::{Place, Server, Setup};
use crate::streams::{Client, PROJECT, append, begin_run, end_run, task_at};

fn name_of(run: &RunDir, file: &str) -> String {
    format!("{PROJECT}/{}/{}/{file}", run.task().id(), run.id())
}

fn path_of(files: &[String]) -> String {
    let follow: Vec<_> = files.iter().map(|file| format!("follow={file}")).collect();
    format!("/api/stream?{}", follow.join("&"))
}

fn followed(server: &Server, run: &RunDir, file: &str) -> Client {
    Client::open(server, &path_of(&[name_of(run, file)]), None)
}

#[track_caller]
fn grown(client: &mut Client) -> Grown {
    let event = client.next_named("grown");
    assert_eq!(event.id, None, "a file has no place in the stream");
    match Event::read(event).unwrap() {
        Event::Grown(grown) => *grown,
        other => panic!("{other:?}"),
    }
}

/// Passes over what was before until a size is told.
#[track_caller]
fn grown_to(client: &mut Client, size: u64) -> Grown {
    loop {
        let told = grown(client);
        assert!(told.size <= size, "{told:?}");
        if told.size == size {
            return told;
        }
    }
}

#[test]
fn a_followed_file_is_told_at_once_and_as_it_grows() {
    let place = Place::new();
    let task = task_at(&place, "abc");
    let run = begin_run(&task);
    append(run.stdout(), "one\n");
    let server = place.start(&Setup::default());
    let mut client = Client::open(
        &server,
        &path_of(&[name_of(&run, "stdout"), name_of(&run, "stderr")]),
        None,
    );
    // Before everything else, so that nobody waits for a large root.
    let first = client.next().unwrap();
    assert_eq!(first.name(), "grown");
    let told: serde_json::Value = serde_json::from_str(&first.data).unwrap();
    // One of them is not there yet.
    assert_eq!(told["file"], "stderr");
    assert_eq!((&told["size"], &told["identity"]), (&0.into(), &().into()));
    let stdout = grown(&mut client);
    assert_eq!((stdout.file.as_str(), stdout.size), ("stdout", 4));
    assert_eq!(stdout.run_id, *run.id());
    assert!(!stdout.replaced && stdout.identity.is_some());
    client.next_named("ready");
    append(run.stdout(), "two\n");
    let more = grown_to(&mut client, 8);
    assert_eq!(more.identity, stdout.identity);
    assert!(!more.replaced);
    // Born while it is followed.
    append(run.stderr(), "oops\n");
    let born = grown(&mut client);
    assert_eq!(
        (born.file.as_str(), born.size, born.replaced),
        ("stderr", 5, false)
    );
    end_run(&run, 0);
    append(run.stdout(), "late\n");
    grown_to(&mut client, 13);
    server.get("/api/v1/status").expect(200);
}

#[test]
fn a_file_that_is_cut_replaced_or_removed_is_told_as_another_one() {
    let place = Place::new();
    let run = begin_run(&task_at(&place, "abc"));
    append(run.stdout(), "0123456789");
    let server = place.start(&Setup::default());
    let mut client = followed(&server, &run, "stdout");
    let first = grown(&mut client);
    assert_eq!(first.size, 10);
    File::options()
        .write(true)
        .open(run.stdout())
        .unwrap()
        .set_len(3)
        .unwrap();
    let cut = grown(&mut client);
    assert_eq!((cut.size, cut.replaced), (3, true));
    assert_eq!(cut.identity, first.identity);
    let other = run.path().join("other");
    std::fs::write(&other, "another one\n").unwrap();
    cl_storage::durable::rename(&other, &run.stdout()).unwrap();
    let replaced = grown(&mut client);
    assert_eq!((replaced.size, replaced.replaced), (12, true));
    assert_ne!(replaced.identity, first.identity);
    std::fs::remove_file(run.stdout()).unwrap();
    let gone = grown(&mut client);
    assert_eq!((gone.size, gone.replaced, gone.identity), (0, true, None));
    append(run.stdout(), "new\n");
    let new = grown_to(&mut client, 4);
    assert!(!new.replaced);
}

#[test]
fn a_burst_is_told_some_times_and_its_end_always() {
    let place = Place::new();
    let run = begin_run(&task_at(&place, "abc"));
    append(run.stdout(), "");
    let server = place.start(&Setup::default());
    let mut clients: Vec<_> = (0..3).map(|_| followed(&server, &run, "stdout")).collect();
    for client in &mut clients {
        assert_eq!(grown(client).size, 0);
    }
    let began = Instant::now();
    let mut file = File::options().append(true).open(run.stdout()).unwrap();
    for _ in 0..20_000 {
        file.write_all(b"a line of a program that says much\n")
            .unwrap();
    }
    let size = file.metadata().unwrap().len();
    for client in &mut clients {
        let mut count = 1;
        while grown(client).size < size {
            count += 1;
        }
        // A bound on how often, however slow the machine is.
        let most = began.elapsed().as_millis() / 100 + 2;
        assert!(count <= most, "{count} in {:?}", began.elapsed());
    }
}

#[test]
fn a_client_that_comes_again_hears_what_is_and_goes_on_in_the_stream() {
    let place = Place::new();
    let run = begin_run(&task_at(&place, "abc"));
    append(run.stdout(), "one\n");
    let server = place.start(&Setup::default());
    let mut client = followed(&server, &run, "stdout");
    let before = grown(&mut client);
    client.next_named("ready");
    let last = client.last_id.clone();
    drop(client);
    append(run.stdout(), "two\n");
    let path = path_of(&[name_of(&run, "stdout"), name_of(&run, "prompt")]);
    let mut client = Client::open(&server, &path, last.as_deref());
    assert_eq!(client.next().unwrap().name(), "grown");
    let now = grown(&mut client);
    assert_eq!((now.size, now.identity), (8, before.identity));
    append(run.stdout(), "three\n");
    // No snapshot: the place was that of the changes.
    loop {
        let event = client.next().unwrap();
        assert!(!["snapshot", "reset"].contains(&event.name()));
        if event.name() == "grown" {
            break;
        }
    }
}

#[test]
fn what_cannot_be_followed_is_refused_and_what_is_gone_is_told() {
    let place = Place::new();
    let run = begin_run(&task_at(&place, "abc"));
    let server = place.start(&Setup::default());
    let task = run.task().id();
    for (file, status) in [
        ("x".to_owned(), 400),
        (format!("{PROJECT}/{task}/{}", run.id()), 400),
        (format!("{PROJECT}/{task}/not-a-run/stdout"), 400),
        (format!("..%2F..%2Fetc/{task}/{}/stdout", run.id()), 400),
        (format!("..%2Fp/{task}/stdout"), 400),
        (name_of(&run, "run-info.yaml"), 404),
        (name_of(&run, "..%2Fstdout"), 400),
    ] {
        let refused = server.get(&path_of(&[file])).expect(status);
        assert!(refused.json()["message"].is_string());
    }
    let many: Vec<_> = (0..65)
        .map(|number| format!("{PROJECT}/{task}/20260101-0000000000-1-{number}/stdout"))
        .collect();
    server.get(&path_of(&many)).expect(400);
    // A page that shows a run that was removed keeps its stream.
    let mut client = Client::open(&server, &path_of(&many[..64]), None);
    for _ in 0..64 {
        let gone = grown(&mut client);
        assert_eq!((gone.size, gone.identity), (0, None));
    }
    client.next_named("ready");
}

#[test]
fn whoever_follows_files_leaves_nothing_behind() {
    let place = Place::new();
    let run = begin_run(&task_at(&place, "abc"));
    append(run.stdout(), "one\n");
    let server = place.start(&Setup::default());
    drop(followed(&server, &run, "stdout"));
    let files = server.open_files();
    for _ in 0..50 {
        let mut client = followed(&server, &run, "stdout");
        assert_eq!(grown(&mut client).size, 4);
    }
    patience::until("nothing stays open", || server.open_files() <= files + 2);
    // Without notifications it is looked at from time to time.
    let yaml = "api:\n  sse:\n    poll_interval_ms: 50\n";
    let server = Place::new().start(&Setup::yaml(yaml));
    let run = begin_run(&task_at(server.place(), "def"));
    append(run.stdout(), "one\n");
    let mut client = followed(&server, &run, "stdout");
    grown_to(&mut client, 4);
    append(run.stdout(), "two\n");
    let began = Instant::now();
    grown_to(&mut client, 8);
    assert!(began.elapsed() < Duration::from_mins(1));
}
