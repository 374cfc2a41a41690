//! Searching files of runs, and reading them by ranges while they grow.

use std::io::Write as _;

use crate::scene;
use crate::server::{Server, Setup};

fn stdout_of(server: &Server) -> std::path::PathBuf {
    let run = scene::task_folder(server).join("runs").join(scene::RUN);
    run.join("agent-stdout.txt")
}

#[track_caller]
fn search(server: &Server, query: &str) -> serde_json::Value {
    let path = format!("{}/file/search?{query}", scene::run_path());
    server.get(&path).expect(200).json()
}

#[test]
fn places_are_found_with_what_stands_around_them() {
    let yaml = "agents:\n  claude:\n    token: canary-key-000001\n";
    let server = scene::place().start(&Setup::yaml(yaml));
    let text = "one\nan Error of canary-key-000001\ntwo\nERROR\n";
    std::fs::write(stdout_of(&server), text).unwrap();
    let found = search(&server, "q=error");
    let keys: Vec<_> = found.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["hits", "name", "next", "size_bytes"]);
    let hits = found["hits"].as_array().unwrap();
    assert_eq!(hits.len(), 2);
    assert_eq!((&hits[0]["at"], &hits[1]["at"]), (&7.into(), &38.into()));
    let excerpt = hits[0]["excerpt"].as_str().unwrap();
    assert!(
        excerpt.starts_with("an Error of ") && !excerpt.contains("canary"),
        "{excerpt}"
    );
    assert_eq!(hits[1]["excerpt"], "ERROR");
    assert_eq!(
        (&found["next"], &found["size_bytes"]),
        (&().into(), &44.into())
    );
    let first = search(&server, "q=error&limit=1");
    assert_eq!(
        (first["hits"].as_array().unwrap().len(), &first["next"]),
        (1, &38.into())
    );
    let rest = search(&server, "q=error&from=38");
    assert_eq!(rest["hits"][0]["at"], 38);
    assert_eq!(search(&server, "q=nothing")["hits"], serde_json::json!([]));
    for (query, status) in [
        ("q=".to_owned(), 400),
        ("name=stdout".to_owned(), 400),
        (format!("q={}", "x".repeat(1025)), 400),
        ("q=x&from=-1".to_owned(), 400),
        ("q=x&name=stderr".to_owned(), 404),
        ("q=x&name=run-info.yaml".to_owned(), 404),
    ] {
        let path = format!("{}/file/search?{query}", scene::run_path());
        server.get(&path).expect(status);
    }
}

#[test]
fn a_large_file_is_searched_piece_by_piece() {
    let server = scene::place().start(&Setup::default());
    let file = std::fs::File::create(stdout_of(&server)).unwrap();
    // Nothing stands in the first hundred megabytes.
    let last = 100 * 1024 * 1024;
    file.set_len(last).unwrap();
    (&file).write_all(b"needle").unwrap();
    std::fs::OpenOptions::new()
        .append(true)
        .open(stdout_of(&server))
        .unwrap()
        .write_all(b"needle\n")
        .unwrap();
    let (mut from, mut found, mut count) = (0, Vec::new(), 0);
    loop {
        let answer = search(&server, &format!("q=Needle&from={from}"));
        count += 1;
        let hits = answer["hits"].as_array().unwrap();
        found.extend(hits.iter().map(|hit| hit["at"].as_u64().unwrap()));
        let Some(next) = answer["next"].as_u64() else {
            break;
        };
        assert!(next > from && next - from <= 64 * 1024 * 1024);
        from = next;
    }
    assert_eq!(found, [0, last]);
    assert_eq!(count, 2);
}

#[test]
fn ranges_of_a_file_that_grows_say_how_large_it_is_then() {
    let server = scene::place().start(&Setup::default());
    let path = format!("{}/file/raw?name=stdout", scene::run_path());
    let ask = |range: &str| server.ask(&server.request("GET", &path).header("range", range));
    assert_eq!(
        ask("bytes=14-15").expect(416).header("content-range"),
        Some("bytes */14")
    );
    let mut file = std::fs::File::options()
        .append(true)
        .open(stdout_of(&server))
        .unwrap();
    file.write_all(b"four\n").unwrap();
    let part = ask("bytes=14-99").expect(206);
    assert_eq!(part.text(), "four\n");
    assert_eq!(part.header("content-range"), Some("bytes 14-18/19"));
    assert_eq!(part.header("accept-ranges"), Some("bytes"));
    // A gigabyte of which only a corner is asked for.
    file.set_len(1024 * 1024 * 1024).unwrap();
    file.write_all(b"the end\n").unwrap();
    let part = ask("bytes=1073741820-1073741999").expect(206);
    assert_eq!(part.body, b"\0\0\0\0the end\n");
    assert_eq!(
        part.header("content-range"),
        Some("bytes 1073741820-1073741831/1073741832")
    );
    assert_eq!(part.header("content-length"), Some("12"));
}
