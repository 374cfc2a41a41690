//! Buses that are damaged, and files that are none.

use cl_bus::Bus;

use super::{as_agent, bodies, with_task};
use crate::place::{CHILD, Place, TASK, add_run, alive};

#[test]
fn a_tampered_bus_is_passed_over_with_a_warning() {
    let place = with_task();
    add_run(&place.task(TASK), 1, alive);
    let outside = place.work().join("MESSAGE-BUS.md");
    std::fs::write(&outside, "").unwrap();
    let foreign = place.root.path().join("other");
    std::fs::create_dir(&foreign).unwrap();
    for path in [
        outside.clone(),
        foreign.join("PROJECT-MESSAGE-BUS.md"),
        place.task(TASK).path().join("notes.md"),
        place
            .root
            .path()
            .join("demo/../other/PROJECT-MESSAGE-BUS.md"),
        "relative.md".into(),
    ] {
        let value = path.to_string_lossy().into_owned();
        let ran = as_agent(
            &place,
            "bus post --body x",
            &[("JRUN_MESSAGE_BUS", value.clone())],
        );
        assert!(
            ran.err.contains("Warning: $JRUN_MESSAGE_BUS"),
            "{value}: {}",
            ran.err
        );
        assert!(ran.err.contains("the run's own bus is used"), "{}", ran.err);
        ran.ok();
    }
    assert_eq!(bodies(&place.task(TASK).bus()).len(), 5);
    assert_eq!(std::fs::read(&outside).unwrap(), b"");
    assert_eq!(std::fs::read_dir(&foreign).unwrap().count(), 0);
    // A sibling task of the same project is fine.
    let sibling = place.task(CHILD).bus().to_string_lossy().into_owned();
    let ran = as_agent(
        &place,
        "bus post --body y",
        &[("JRUN_MESSAGE_BUS", sibling)],
    );
    assert_eq!(ran.err, "");
    assert_eq!(bodies(&place.task(CHILD).bus()), ["y"]);
}

#[test]
fn damage_is_listed_with_its_place() {
    let place = with_task();
    let task = place.task(TASK);
    let to = format!("--project demo --task {TASK}");
    place.run(&format!("bus post {to} --body whole")).ok();
    let out = place.run_changing_nothing(&format!("bus check {to}")).ok();
    assert!(
        out.contains("1 messages") && out.contains("0 damaged"),
        "{out}"
    );
    let mut bytes = std::fs::read(task.bus()).unwrap();
    let at = bytes.len();
    bytes.extend_from_slice(b"\n---\nmsg_id: MSG-torn\n");
    std::fs::write(task.bus(), &bytes).unwrap();
    let ran = place.run_changing_nothing(&format!("bus check {to}"));
    assert_eq!(ran.code, Some(1));
    assert!(
        ran.out.contains(&format!("offset {}", at + 1)),
        "{}",
        ran.out
    );
    let ran = place.run_changing_nothing(&format!("bus check {to} --json"));
    let json: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(json["messages"], 1);
    assert_eq!(json["damage"].as_array().unwrap().len(), 1);
    // Somebody may still be at work on it.
    let ran = place.run_changing_nothing(&format!("bus read {to}"));
    assert!(!ran.err.contains("damaged"), "{}", ran.err);
    assert!(ran.ok().ends_with("whole\n"));
    place.run(&format!("bus post {to} --body later")).ok();
    let ran = place.run_changing_nothing(&format!("bus read {to}"));
    assert!(ran.err.contains("damaged"), "{}", ran.err);
    assert!(ran.ok().ends_with("later\n"));
    std::fs::write(task.bus(), vec![b'\0'; 5000]).unwrap();
    for command in ["read", "check"] {
        let ran = place.run_changing_nothing(&format!("bus {command} {to}"));
        assert!(
            ran.code.is_some() && !ran.err.contains("panicked"),
            "{ran:?}"
        );
    }
}

#[test]
fn a_damaged_bus_is_copied_without_its_damage() {
    let place = with_task();
    let bus = place.task(TASK).bus();
    let to = format!("--project demo --task {TASK}");
    place.run(&format!("bus post {to} --body one")).ok();
    let archive = Bus::new(&bus).rotate(0).unwrap().unwrap();
    place.run(&format!("bus post {to} --body two")).ok();
    let mut bytes = std::fs::read(&bus).unwrap();
    bytes.extend_from_slice(b"\n---\nmsg_id: MSG-torn\n");
    std::fs::write(&bus, &bytes).unwrap();
    let name = archive.file_name().unwrap().to_str().unwrap().to_owned();
    let ran = place.run_changing_nothing(&format!("bus check {to}"));
    assert!(ran.out.contains(&format!("archive {name}")), "{}", ran.out);
    assert!(ran.out.contains("2 messages"), "{}", ran.out);
    let ran = place.run(&format!("bus check {to} --repair-to copy.md"));
    assert_eq!(ran.code, Some(1), "there is damage: {ran:?}");
    assert!(ran.out.contains("copied 2 messages to "), "{}", ran.out);
    assert!(
        ran.out.contains("left out: 21 bytes at offset"),
        "{}",
        ran.out
    );
    assert_eq!(bodies(&place.work().join("copy.md")), ["one", "two"]);
    assert_eq!(
        std::fs::read(&bus).unwrap(),
        bytes,
        "the bus stays as it is"
    );
    place.run("bus check --bus copy.md").ok();
    for existing in ["copy.md".to_owned(), bus.display().to_string()] {
        place
            .run_changing_nothing(&format!("bus check {to} --repair-to {existing}"))
            .fails(4, "exists already");
    }
    place
        .run_changing_nothing(&format!("bus check {to} --repair-to none/copy.md"))
        .fails(3, "does not exist");
    place
        .run_changing_nothing("bus check --bus none.md --repair-to x.md")
        .fails(3, "does not exist");
    let ran = place.run(&format!("bus check {to} --json --repair-to other.md"));
    let json: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(json["archive_names"], serde_json::json!([name]));
    assert_eq!(json["repaired"]["messages"], 2);
    assert_eq!(json["repaired"]["left_out"].as_array().unwrap().len(), 1);
}

#[test]
fn a_bus_that_is_no_file_is_refused() {
    let place = with_task();
    let bus = place.task(TASK).bus();
    let to = format!("--project demo --task {TASK}");
    let outside = place.work().join("outside");
    std::fs::write(&outside, "").unwrap();
    std::os::unix::fs::symlink(&outside, &bus).unwrap();
    for line in [format!("bus post {to} --body x"), format!("bus read {to}")] {
        place.run_changing_nothing(&line).fails(4, "is a symlink");
    }
    std::fs::remove_file(&bus).unwrap();
    std::fs::create_dir(&bus).unwrap();
    place
        .run_changing_nothing(&format!("bus post {to} --body x"))
        .fails(4, "not a regular file");
}

#[test]
fn a_file_of_other_text_is_no_bus() {
    let place = Place::new();
    let notes = place.work().join("notes.md");
    let post = "bus post --project demo --bus notes.md --body x";
    std::fs::write(&notes, "# Notes\n\nwhich somebody keeps\n").unwrap();
    place
        .run_changing_nothing(post)
        .fails(4, "holds text and not a single message");
    let ran = place.run_changing_nothing("bus check --bus notes.md");
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(
        ran.out.ends_with("no message and 30 bytes of other text\n"),
        "{}",
        ran.out
    );
    place.run(&format!("{post} --force")).ok();
    // From now on it is one.
    place.run(post).ok();
    assert_eq!(bodies(&notes), ["x", "x"]);
    place.run("bus check --bus notes.md").ok();
    for (own, count) in [
        ("", 1),
        (" \n\n", 1),
        ("[2026-01-01 10:00:00] FACT: y\n", 2),
    ] {
        std::fs::write(&notes, own).unwrap();
        place.run_changing_nothing("bus check --bus notes.md").ok();
        place.run(post).ok();
        assert_eq!(bodies(&notes).len(), count, "{own:?}");
    }
    for command in ["post --body x", "read", "check"] {
        place
            .run_changing_nothing(&format!("bus {command} --bus ."))
            .fails(4, "is a directory");
    }
}
