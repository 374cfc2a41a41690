//! Following files of runs.

use std::fs::File;
use std::io::Write as _;

use super::{Client, append, begin_run, end_run, file_stream, json, run_stream, task_at};
use crate::server::{Place, Setup};

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
