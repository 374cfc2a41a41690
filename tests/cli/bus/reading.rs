//! Reading and following messages.

use std::io::{BufRead as _, BufReader, Read as _};

use cl_storage::run_info::RunStatus;

use super::{as_agent, bodies, read_bodies, with_messages, with_task};
use crate::place::{CHILD, TASK, add_run, alive, ended};

#[test]
fn pages_lead_on_by_their_cursors() {
    let place = with_task();
    let to = format!("--project demo --task {TASK}");
    for n in 0..5 {
        place.run(&format!("bus post {to} --body {n}")).ok();
    }
    let read = |rest: &str| {
        place
            .run_changing_nothing(&format!("bus read {to} --json {rest}"))
            .json()
    };
    let page = read("--since 1h --limit 2");
    assert_eq!(read_bodies(&page), ["0", "1"]);
    assert_eq!(page["has_more"], true);
    let next = page["next"].as_str().unwrap().to_owned();
    let page = read(&format!("--after {next} --limit 9"));
    assert_eq!(read_bodies(&page), ["2", "3", "4"]);
    assert_eq!(page["has_more"], false);
    let last = page["next"].as_str().unwrap().to_owned();
    let page = read(&format!("--after {last}"));
    assert_eq!(read_bodies(&page), Vec::<&str>::new());
    assert_eq!(page["next"], last.as_str());
    let page = read("--limit 2");
    assert_eq!(read_bodies(&page), ["3", "4"]);
    let previous = page["previous"].as_str().unwrap();
    let page = read(&format!("--before {previous} --limit 2"));
    assert_eq!(read_bodies(&page), ["1", "2"]);
    assert_eq!(page["has_more"], true);
}

#[test]
fn a_place_that_is_gone_gives_the_last_messages() {
    let place = with_messages();
    for n in 0..25 {
        let line = format!("bus post --project demo --task {TASK} --durability os --body {n}");
        place.run(&line).ok();
    }
    for scope in [
        format!("--project demo --task {TASK}"),
        "--project demo --all".to_owned(),
    ] {
        for named in [
            "--after MSG-none",
            "--after 7:MSG-none",
            "--before MSG-none",
            "--since MSG-none",
        ] {
            let line = format!("bus read {scope} --json --limit 3 {named}");
            let ran = place.run_changing_nothing(&line);
            assert!(
                ran.err.contains("MSG-none is not there any more"),
                "{ran:?}"
            );
            let json = ran.json();
            assert_eq!(json["reset"], true, "{line}");
            assert_eq!(read_bodies(&json).len(), 20, "{line}");
            assert_eq!(read_bodies(&json)[19], "24", "{line}");
        }
    }
}

#[test]
fn what_can_be_no_place_is_refused() {
    let place = with_messages();
    for scope in [
        format!("--project demo --task {TASK}"),
        "--project demo --all".to_owned(),
    ] {
        for named in [
            "--since yesterday",
            "--since 2026-13-01",
            "--since 99999999h",
            "--after nowhere",
            "--before nowhere",
        ] {
            place
                .run_changing_nothing(&format!("bus read {scope} {named}"))
                .fails(2, "neither a time nor a duration");
        }
        let line = format!("bus read {scope} --json --since");
        let all = place.run(&format!("{line} 2020-01-01")).json();
        assert!(!read_bodies(&all).is_empty());
        assert_eq!(all["reset"], false);
        let none = place.run(&format!("{line} 2100-01-01")).json();
        assert_eq!(read_bodies(&none), [""; 0]);
    }
}

#[test]
fn a_project_is_read_as_one() {
    let place = with_messages();
    let read =
        |rest: &str| place.run_changing_nothing(&format!("bus read --project demo --all {rest}"));
    let json = read("--json").json();
    assert_eq!(read_bodies(&json), ["one", "two", "three", "four"]);
    let sources: Vec<_> = json["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| message["source"].as_str().unwrap())
        .collect();
    assert_eq!(sources, ["project", TASK, CHILD, TASK]);
    let text = read("").ok();
    let first = text.lines().next().unwrap();
    assert!(first.ends_with("Z] project (INFO) one"), "{text}");
    // Forwards and backwards, page by page.
    let page = read("--json --since 1h --limit 3").json();
    assert_eq!(read_bodies(&page), ["one", "two", "three"]);
    assert_eq!(page["has_more"], true);
    let next = page["next"].as_str().unwrap();
    assert_eq!(
        read_bodies(&read(&format!("--json --after {next}")).json()),
        ["four"]
    );
    let page = read("--json --limit 1").json();
    assert_eq!(read_bodies(&page), ["four"]);
    let previous = page["previous"].as_str().unwrap();
    let page = read(&format!("--json --before {previous} --limit 2")).json();
    assert_eq!(read_bodies(&page), ["two", "three"]);
    let id = page["messages"][0]["msg_id"].as_str().unwrap();
    assert_eq!(
        read_bodies(&read(&format!("--json --after {id}")).json()),
        ["three", "four"]
    );
    assert_eq!(read_bodies(&read("--json --type fact").json()), ["four"]);
    assert_eq!(
        read("--json --text nothing").json()["messages"],
        serde_json::json!([])
    );
    // A bus that cannot be read hides no other.
    std::fs::remove_file(place.task(CHILD).bus()).unwrap();
    std::fs::create_dir(place.task(CHILD).bus()).unwrap();
    let ran = read("--json");
    assert!(ran.err.contains("is left out"), "{ran:?}");
    let json = ran.json();
    assert_eq!(read_bodies(&json), ["one", "two", "four"]);
    assert_eq!(json["failed"][0]["source"], CHILD);
}

#[test]
fn a_thread_is_read_across_buses() {
    let place = with_messages();
    let post = |rest: &str| {
        let out = place.run(&format!("bus post --project demo {rest}")).ok();
        out.trim().strip_prefix("msg_id: ").unwrap().to_owned()
    };
    let question = post("--type QUESTION --body why");
    let answer = post(&format!(
        "--task {TASK} --body because --parent answers:{question}"
    ));
    post(&format!(
        "--task {CHILD} --body thanks --parent {answer} --parent MSG-elsewhere"
    ));
    let read = |rest: &str| place.run_changing_nothing(&format!("bus read {rest}"));
    for scope in [
        "--project demo".to_owned(),
        format!("--project demo --task {TASK}"),
    ] {
        let json = read(&format!("{scope} --thread {answer} --json")).json();
        assert_eq!(read_bodies(&json), ["why", "because", "thanks"]);
        assert_eq!(json["messages"][2]["source"], CHILD);
        assert_eq!(json["missing"], serde_json::json!(["MSG-elsewhere"]));
        assert_eq!(json["has_more"], false);
    }
    let ran = read(&format!("--project demo --thread {question} --limit 2"));
    assert!(ran.err.contains("There are more"), "{ran:?}");
    assert_eq!(ran.ok().lines().count(), 2);
    // A file outside any project has threads of its own.
    place
        .run("bus post --bus own.md --project demo --body x --parent MSG-1")
        .ok();
    let json = read("--bus own.md --thread MSG-1 --json").json();
    assert_eq!(read_bodies(&json), ["x"]);
    read("--project demo --thread MSG-none").fails(3, "MSG-none is on no bus");
    read(&format!("--project demo --thread {answer} --type FACT")).fails(2, "cannot be used with");
}

#[test]
fn the_shape_of_what_is_read() {
    let place = with_messages();
    let mut bytes = b"---\nmsg_id: MSG-torn\n\n".to_vec();
    bytes.extend(std::fs::read(place.task(CHILD).bus()).unwrap());
    std::fs::write(place.task(CHILD).bus(), bytes).unwrap();
    for (name, scope) in [
        ("read_one", format!("--project demo --task {CHILD}")),
        ("read_all", "--project demo --all".to_owned()),
    ] {
        let line = format!("bus read {scope} --json");
        let mut json = place.run_changing_nothing(&line).json();
        assert_eq!(json["skipped_entries"], 1);
        for message in json["messages"].as_array_mut().unwrap() {
            message["msg_id"] = "<id>".into();
            message["timestamp"] = "<time>".into();
        }
        json["messages"].as_array_mut().unwrap().truncate(1);
        json["damage"][0]["offset"] = "<offset>".into();
        for cursor in ["next", "previous"] {
            assert!(json[cursor].is_string(), "{json}");
            json[cursor] = "<cursor>".into();
        }
        let text = serde_json::to_string_pretty(&json).unwrap();
        insta::assert_snapshot!(name, place.stable(&text));
    }
}

#[test]
fn what_cannot_be_read_is_said() {
    let place = with_messages();
    let cut = place
        .run("bus read --project demo --all --json --limit 1")
        .json();
    let cut = cut["next"].as_str().unwrap();
    let one = format!("--project demo --task {TASK}");
    for (line, part) in [
        (
            format!("{one} --after {cut}"),
            "the cursor is one of a whole project",
        ),
        (format!("{one} --all"), "--all reads every task"),
        (format!("{one} --after buses-1.x"), "cursor"),
        (format!("{one} --limit 0"), "at least 1"),
        (format!("{one} --limit x"), "--limit"),
        (format!("{one} --limit 1 --tail 1"), "cannot be used with"),
        (format!("{one} --limit 1 --follow"), "cannot be used with"),
        (
            format!("{one} --before MSG-1 --follow"),
            "cannot be used with",
        ),
        (format!("{one} --run nonsense"), "--run"),
        (
            format!("{one} --after MSG-1 --since MSG-1"),
            "both name a message",
        ),
        ("--bus x.md --all".to_owned(), "cannot be used with"),
    ] {
        place
            .run_changing_nothing(&format!("bus read {line}"))
            .fails(2, part);
    }
    place
        .run_changing_nothing("bus read --project none --all")
        .fails(3, "does not exist");
}

#[test]
fn following_a_project_finds_new_tasks() {
    let place = with_messages();
    let mut child = place.start("bus read --project demo --all --follow --json --tail 1");
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || -> serde_json::Value {
        let line = lines.next().unwrap().unwrap();
        serde_json::from_str(&line).unwrap()
    };
    assert_eq!(next()["body"], "four");
    let new = "task-20260301-000000-new";
    place.task(new);
    place
        .run(&format!("bus post --project demo --task {new} --body five"))
        .ok();
    let five = next();
    assert_eq!(
        (&five["body"], &five["source"]),
        (&"five".into(), &new.into())
    );
    place.run("bus post --project demo --body six").ok();
    assert_eq!(next()["body"], "six");
    child.kill().unwrap();
    child.wait().unwrap();
    let cursor = five["cursor"].as_str().unwrap();
    let line = format!("bus read --project demo --all --json --after {cursor}");
    assert_eq!(read_bodies(&place.run(&line).json()), ["six"]);
}

#[test]
fn any_file_may_be_named() {
    let place = with_task();
    add_run(&place.task(TASK), 1, alive);
    as_agent(&place, "bus post --bus own.md --body x", &[]).ok();
    assert_eq!(bodies(&place.work().join("own.md")), ["x"]);
    let bus = place.task(TASK).bus();
    let line = format!("bus post --bus {} --project other --body x", bus.display());
    place
        .run_changing_nothing(&line)
        .fails(4, "but the bus belongs to project demo");
    place.run(&format!("{line} --force")).ok();
}

#[test]
fn discovery_prints_where() {
    let place = with_task();
    place
        .run_changing_nothing("bus discover")
        .fails(2, "cannot find message bus");
    let loose = place.work().join("MESSAGE-BUS.md");
    std::fs::write(&loose, "").unwrap();
    let ran = place.run_changing_nothing("bus discover");
    assert_eq!(
        ran.ok(),
        format!("{}\n", loose.canonicalize().unwrap().display())
    );
    let json = place
        .run_changing_nothing(&format!("bus discover --project demo --task {TASK} --json"))
        .json();
    let text = serde_json::to_string_pretty(&json).unwrap();
    insta::assert_snapshot!("discover", place.stable(&text));
    place
        .run_changing_nothing("bus discover --from /nowhere")
        .fails(3, "no message bus");
}

#[test]
fn control_characters_stay_in_a_pipe() {
    let place = with_task();
    let to = format!("--project demo --task {TASK}");
    place
        .run_with_input(&format!("bus post {to}"), b"a\x1b[31mb")
        .ok();
    let out = place.run(&format!("bus read {to}")).ok();
    assert!(out.ends_with("a\x1b[31mb\n"), "{out:?}");
}

#[test]
fn following_prints_each_message_once() {
    let place = with_task();
    let to = format!("--project demo --task {TASK}");
    place.run(&format!("bus post {to} --body before")).ok();
    let mut child = place.start(&format!("bus read {to} --follow --json --type INFO"));
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || -> String {
        let line = lines.next().unwrap().unwrap();
        let json: serde_json::Value = serde_json::from_str(&line).unwrap();
        json["body"].as_str().unwrap().to_owned()
    };
    assert_eq!(next(), "before");
    place
        .run(&format!("bus post {to} --type FACT --body other"))
        .ok();
    place.run(&format!("bus post {to} --body after")).ok();
    assert_eq!(next(), "after");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let place = with_task();
    let task = place.task(TASK);
    add_run(&task, 1, ended(RunStatus::Completed, 0));
    let mut child = place.start("list --project demo");
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!((output.status.code(), err.as_str()), (Some(0), ""));
}

#[test]
fn all_messages_as_json_are_printed_while_they_are_read() {
    const MESSAGES: usize = 1000;
    let place = with_task();
    let to = format!("--project demo --task {TASK}");
    let body = "x".repeat(60_000);
    place
        .run_with_input(&format!("bus post {to}"), body.as_bytes())
        .ok();
    let bus = place.task(TASK).bus();
    let one = std::fs::read_to_string(&bus).unwrap();
    assert!(one.len() > 60_000, "it was put aside");
    let messages = (1..=MESSAGES).map(|n| one.replacen("-0001\n", &format!("-{n:04}\n"), 1));
    let all: String = messages.collect();
    std::fs::write(&bus, all).unwrap();
    let mut child = place.start(&format!("bus read {to} --json --tail 0"));
    let mut out = child.stdout.take().unwrap();
    // As soon as it prints it cannot go on, because nobody reads.
    let mut text = vec![0; 1];
    out.read_exact(&mut text).unwrap();
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.unwrap().trim().trim_end_matches(" kB");
    let peak: usize = peak.parse().unwrap();
    assert!(
        peak < 30_000,
        "{peak} KiB for {} of bus",
        one.len() * MESSAGES
    );
    out.read_to_end(&mut text).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let json: serde_json::Value = serde_json::from_slice(&text).unwrap();
    crate::schema::assert_valid("bus-read", &json);
    assert_eq!(json["messages"].as_array().unwrap().len(), MESSAGES);
}

#[test]
fn all_messages_as_json_are_the_same_document_as_some() {
    let place = with_messages();
    let to = format!("--project demo --task {TASK}");
    let same = |filter: &str| {
        let [all, some] = ["--tail 0", "--tail 100"].map(|tail| {
            let line = format!("bus read {to} --json {filter} {tail}");
            place.run_changing_nothing(&line).json()
        });
        assert_eq!(all, some, "{filter}");
        all
    };
    let whole = same("");
    assert_eq!(read_bodies(&whole), ["two", "four"]);
    assert_eq!(same("--type NONE")["messages"], serde_json::json!([]));
    let bus = place.task(TASK).bus();
    let mut text = std::fs::read_to_string(&bus).unwrap();
    text.push_str("no record\n");
    std::fs::write(&bus, text).unwrap();
    same("");
    std::fs::remove_file(&bus).unwrap();
    same("");
}
