//! Files of tasks and runs over HTTP.

use serde_json::Value;

use crate::scene;
use crate::server::{Server, Setup};

fn served() -> Server {
    scene::place().start(&Setup::default())
}

#[track_caller]
fn file(server: &Server, query: &str) -> Value {
    let path = format!("{}/file?{query}", scene::run_path());
    server.get(&path).expect(200).json()
}

#[test]
fn files_have_documented_names() {
    let server = served();
    let output = file(&server, "name=output.md");
    assert_eq!(output["name"], "output.md");
    assert_eq!(output["content"], "# Done\n");
    assert_eq!(output["size_bytes"], 7);
    let keys: Vec<_> = output.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["content", "modified", "name", "size_bytes"]);
    assert_eq!(file(&server, "")["content"], "one\ntwo\nthree\n");
    let task = server.get(&format!("{}/file?name=TASK.md", scene::task_path()));
    assert_eq!(task.expect(200).json()["content"], "do it\n");
    for (path, message) in [
        (
            format!("{}/file?name=x", scene::run_path()),
            "unknown file: x",
        ),
        (
            format!("{}/file?name=stderr", scene::run_path()),
            "file not found: stderr",
        ),
        (
            format!("{}/file?name=DONE", scene::task_path()),
            "unknown task file: DONE",
        ),
        (
            format!("{}/runs/20260101-0000000000-1-7/file", scene::task_path()),
            "run not found",
        ),
    ] {
        let refused = server.get(&path).expect(404);
        assert_eq!(refused.json()["message"], message);
    }
}

#[test]
fn parts_say_where_they_go_on() {
    let server = served();
    let first = file(&server, "limit=4");
    assert_eq!(first["content"], "one\n");
    assert_eq!(first["truncated"], true);
    assert_eq!(first["next_offset"], 4);
    let rest = file(&server, "offset=4");
    assert_eq!(rest["content"], "two\nthree\n");
    assert_eq!(
        (&rest["offset"], &rest["next_offset"]),
        (&4.into(), &14.into())
    );
    assert_eq!(rest["truncated"], Value::Null);
    assert_eq!(file(&server, "tail=1")["content"], "three\n");
    assert_eq!(file(&server, "offset=99")["content"], "");
    for bad in ["offset=-1", "limit=x", "offset=1&tail=1"] {
        server
            .get(&format!("{}/file?{bad}", scene::run_path()))
            .expect(400);
    }
}

#[test]
fn what_is_replaced_is_told() {
    let place = scene::place();
    let yaml = "agents:\n  claude:\n    token: canary-key-000001\n";
    let server = place.start(&Setup::yaml(yaml));
    let stdout = scene::task_folder(&server).join("runs").join(scene::RUN);
    let stdout = stdout.join("agent-stdout.txt");
    std::fs::write(&stdout, b"a\xff, canary-key-000001\n").unwrap();
    let shown = file(&server, "");
    assert_eq!(
        (&shown["lossy"], &shown["masked"]),
        (&true.into(), &true.into())
    );
    let text = shown["content"].as_str().unwrap();
    assert!(
        text.starts_with("a\u{fffd}, ") && !text.contains("canary"),
        "{text}"
    );
}

#[test]
fn bytes_come_as_they_are_and_in_ranges() {
    let server = served();
    let path = format!("{}/file/raw?name=stdout", scene::run_path());
    let all = server.get(&path).expect(200);
    assert_eq!(all.text(), "one\ntwo\nthree\n");
    assert_eq!(
        all.header("content-type"),
        Some("text/plain; charset=utf-8")
    );
    assert_eq!(all.header("content-length"), Some("14"));
    let ask = |range: &str| server.ask(&server.request("GET", &path).header("range", range));
    let part = ask("bytes=4-6").expect(206);
    assert_eq!(part.text(), "two");
    assert_eq!(part.header("content-range"), Some("bytes 4-6/14"));
    assert_eq!(ask("bytes=-6").expect(206).text(), "three\n");
    let outside = ask("bytes=14-").expect(416);
    assert_eq!(outside.header("content-range"), Some("bytes */14"));
    let task = server.get(&format!("{}/file/raw", scene::task_path()));
    assert_eq!(task.expect(200).text(), "do it\n");
}

#[test]
fn bytes_keep_their_places_where_secrets_are_covered() {
    const SECRET: &str = "canary-key-000001";
    let place = scene::place();
    let yaml = format!("agents: {{claude: {{token: {SECRET}}}}}");
    let server = place.start(&Setup::yaml(&yaml));
    let stdout = scene::task_folder(&server).join("runs").join(scene::RUN);
    let stdout = stdout.join("agent-stdout.txt");
    // One lies across the end of a block, the last one is still being written.
    let before = "x".repeat(64 * 1024 - 5);
    let text = format!("{before}{SECRET}\u{e9} and {SECRET} {}", &SECRET[..11]);
    std::fs::write(&stdout, &text).unwrap();
    let stars = "*".repeat(SECRET.len());
    let shown = format!("{before}{stars}\u{e9} and {stars} {}", &stars[..11]);
    let path = format!("{}/file/raw?name=stdout", scene::run_path());
    assert!(server.get(&path).expect(200).text() == text, "as it is");
    server.get(&format!("{path}&covered=perhaps")).expect(400);
    let path = format!("{path}&covered=1");
    let all = server.get(&path).expect(200);
    assert!(all.text() == shown, "{}", &all.text()[before.len()..]);
    for cut in (before.len() - 2)..text.len() {
        let range = format!("bytes={}-{cut}", before.len() - 3);
        let request = server.request("GET", &path).header("range", &range);
        let part = server.ask(&request).expect(206);
        assert_eq!(part.body, shown.as_bytes()[before.len() - 3..=cut]);
        let range = format!("bytes={cut}-");
        let request = server.request("GET", &path).header("range", &range);
        let rest = server.ask(&request).expect(206);
        assert_eq!(rest.body, shown.as_bytes()[cut..]);
    }
}

#[test]
fn a_large_file_is_sent_block_by_block() {
    let server = served();
    let output = scene::task_folder(&server).join("runs").join(scene::RUN);
    let text = "0123456789abcdef".repeat(20 * 65536);
    std::fs::write(output.join("output.md"), &text).unwrap();
    let raw = server.get(&format!("{}/file/raw?name=output.md", scene::run_path()));
    assert!(raw.expect(200).body == text.as_bytes());
    let part = file(&server, "name=output.md");
    assert_eq!(part["truncated"], true);
    assert_eq!(part["next_offset"], 4 * 1024 * 1024);
    assert_eq!(part["size_bytes"], 20 * 1024 * 1024);
}
