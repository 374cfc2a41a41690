//! What an append leaves in the file, and what it refuses.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::Duration;

use cl_bus::attach::{MAX_ATTACHMENT_BYTES, PREVIEW_BYTES, attachment_of};
use cl_bus::message::MAX_BODY_BYTES;
use cl_bus::{AppendError, Bus, Draft, Durability, FileError, Link, LockPolicy, Parent, Scope};
use cl_storage::clock::FixedClock;
use cl_storage::durable::Mode;
use cl_storage::lock::HeldLock;
use cl_storage::{MessageId, ProjectId, RunId, TaskId};

use crate::support::{TestBus, bodies, fact};

fn at(time: &str) -> Arc<FixedClock> {
    Arc::new(FixedClock::new(time.parse().unwrap()))
}

/// Returns the file with the ids of `bus`'s messages replaced by `ID1`, `ID2`, ….
fn text_without_ids(test: &TestBus) -> String {
    let mut text = String::from_utf8(test.bytes()).unwrap();
    for (n, message) in test.bus.all().unwrap().messages().enumerate() {
        text = text.replace(message.id.as_str(), &format!("ID{}", n + 1));
    }
    text
}

fn impatient(bus: &Bus, attempts: u32) -> Bus {
    bus.clone().with_lock_policy(LockPolicy {
        wait: Duration::from_millis(1),
        attempts,
        back_off: Duration::ZERO,
    })
}

#[test]
fn the_bytes_of_a_record() {
    let test = TestBus::new();
    let bus = test
        .bus
        .clone()
        .with_clock(at("2026-02-23T19:17:10.184887Z"));
    let question = Draft::new(
        "QUESTION",
        ProjectId::parse("my-project").unwrap(),
        "Which?\n---\n",
    )
    .task(TaskId::parse("task-20260223-191700-audit").unwrap())
    .run(RunId::parse("20260223-1917000000-67946-1").unwrap());
    bus.append(&question).unwrap();
    let mut answer = Parent::new(MessageId::parse("MSG-1").unwrap(), "answers");
    answer.meta.insert("reason".into(), "direct".into());
    let full = Draft {
        issue_id: "I-1".into(),
        timestamp: Some("2026-02-23T20:18:15+01:00".parse().unwrap()),
        ..fact("Line one\n\nLine two")
    };
    let full = full
        .parent(answer)
        .parent(Parent::new(MessageId::parse("MSG-2").unwrap(), ""))
        .link(Link {
            url: "https://example.invalid/ctx".into(),
            label: "context".into(),
            kind: String::new(),
        })
        .meta("when", "2026-02-23T19:18:00Z")
        .meta("why", "one: two");
    bus.append(&full).unwrap();
    insta::assert_snapshot!(text_without_ids(&test), @r#"
    ---
    msg_id: ID1
    ts: 2026-02-23T19:17:10.184887Z
    type: QUESTION
    project_id: my-project
    task_id: task-20260223-191700-audit
    run_id: 20260223-1917000000-67946-1
    meta:
        body_escape: backslash
    body_bytes: 12
    ---
    Which?
    \---


    ---
    msg_id: ID2
    ts: 2026-02-23T19:18:15Z
    type: FACT
    project_id: p
    task_id: ""
    run_id: ""
    issue_id: I-1
    parents:
        - msg_id: MSG-1
          kind: answers
          meta:
              reason: direct
        - msg_id: MSG-2
    links:
        - url: https://example.invalid/ctx
          label: context
    meta:
        when: "2026-02-23T19:18:00Z"
        why: 'one: two'
    body_bytes: 18
    ---
    Line one

    Line two
    "#);
}

#[test]
fn ids_hold_time_pid_and_sequence() {
    let test = TestBus::new();
    let bus = test
        .bus
        .clone()
        .with_clock(at("2026-02-23T19:17:10.000001Z"));
    let id = bus.append(&fact("x")).unwrap().id;
    let (front, sequence) = id.as_str().rsplit_once('-').unwrap();
    let pid = std::process::id() % 100_000;
    assert_eq!(front, format!("MSG-20260223-191710-000001000-PID{pid:05}"));
    assert_eq!((sequence.len(), sequence.parse::<u32>().is_ok()), (4, true));
}

#[test]
fn a_clock_that_jumps_back_keeps_the_order() {
    let test = TestBus::new();
    let clock = at("2026-02-23T19:17:10Z");
    let bus = test.bus.clone().with_clock(clock.clone());
    let first = bus.append(&fact("first")).unwrap();
    clock.set("2020-01-01T00:00:00Z".parse().unwrap());
    let second = bus.append(&fact("second")).unwrap();
    assert!(second.position > first.position);
    assert_eq!(bodies(&bus.all().unwrap()), ["first", "second"]);
}

#[test]
fn an_issue_without_an_id_names_itself() {
    let test = TestBus::new();
    let issue = Draft {
        kind: "ISSUE".into(),
        ..fact("broken")
    };
    let id = test.bus.append(&issue).unwrap().id;
    let follow_up = Draft {
        issue_id: "I-7".into(),
        ..issue
    };
    test.bus.append(&follow_up).unwrap();
    let found: Vec<String> = test
        .bus
        .all()
        .unwrap()
        .messages()
        .map(|m| m.issue_id.clone())
        .collect();
    assert_eq!(found, [id.as_str(), "I-7"]);
}

#[test]
fn an_acknowledgement_says_where_and_how_durable() {
    let test = TestBus::new();
    let os = test.post("one");
    let disk = test
        .bus
        .clone()
        .with_durability(Durability::Disk)
        .append(&fact("two"))
        .unwrap();
    assert_eq!(
        (os.position, os.durability, os.attempts),
        (0, Durability::Os, 1)
    );
    assert_eq!(disk.durability, Durability::Disk);
    let cursors: Vec<_> = test
        .bus
        .all()
        .unwrap()
        .entries
        .iter()
        .map(cl_bus::Entry::cursor)
        .collect();
    assert_eq!(cursors, [os.cursor(), disk.cursor()]);
    let text = disk.cursor().to_string();
    assert_eq!(text.parse::<cl_bus::Cursor>().unwrap(), disk.cursor());
    assert!("x".parse::<cl_bus::Cursor>().is_err());
    assert!("7:a b".parse::<cl_bus::Cursor>().is_err());
}

#[test]
fn a_torn_tail_is_completed_and_never_cut() {
    for torn in [
        "text without an end",
        "---\nmsg_id: A\nts: 20",
        "---\nmsg_id: A\ntype: F\nbody_bytes: 9\n---\nhalf",
    ] {
        let test = TestBus::with_bytes(torn.as_bytes());
        test.post("next");
        assert!(
            test.bytes()
                .starts_with(format!("{torn}\n\n---\n").as_bytes())
        );
        assert_eq!(bodies(&test.bus.all().unwrap()).last().unwrap(), "next");
    }
}

#[test]
fn the_json_of_a_message_has_every_key() {
    let test = TestBus::new();
    test.post("x");
    let message = test.bus.all().unwrap().into_messages().remove(0);
    let json = serde_json::to_value(&message).unwrap();
    let keys: Vec<&str> = json
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let mut expected = [
        "msg_id",
        "timestamp",
        "type",
        "project_id",
        "task_id",
        "run_id",
        "issue_id",
        "parents",
        "links",
        "meta",
        "body",
        "truncated",
        "edited",
        "lossy",
    ];
    expected.sort_unstable();
    let mut keys = keys;
    keys.sort_unstable();
    assert_eq!(keys, expected);
    assert_eq!(
        serde_json::from_value::<cl_bus::Message>(json).unwrap(),
        message
    );
}

#[test]
fn what_is_no_regular_file_is_refused() {
    let test = TestBus::new();
    let target = test.beside("target.md");
    let link = test.beside("link.md");
    std::os::unix::fs::symlink(&target, &link).unwrap();
    let socket = test.beside("socket.md");
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let folder = test.beside("folder.md");
    std::fs::create_dir(&folder).unwrap();
    for (path, expected) in [
        (&link, "is a symlink"),
        (&socket, "is not a regular file"),
        (&folder, "is not a regular file"),
    ] {
        let bus = Bus::new(path);
        let expected = format!("message bus path {path:?} {expected}");
        assert_eq!(bus.append(&fact("x")).unwrap_err().to_string(), expected);
        assert_eq!(bus.all().unwrap_err().to_string(), expected);
        assert_eq!(bus.check().unwrap_err().to_string(), expected);
    }
    drop(listener);
    assert!(!target.exists(), "nothing was made through the link");
}

#[test]
fn a_missing_file_is_empty_and_a_missing_folder_an_error() {
    let test = TestBus::new();
    assert!(test.bus.all().unwrap().entries.is_empty());
    assert!(test.bus.tail(5).unwrap().entries.is_empty());
    assert!(test.bus.check().unwrap().is_clean());
    let after = cl_bus::After::Id(MessageId::parse("MSG-1").unwrap());
    assert!(test.bus.since(&after).unwrap_err().is_unknown_message());
    assert!(!test.path().exists(), "reading makes no file");
    let nowhere = Bus::new(test.beside("missing/bus.md"));
    let error = nowhere.append(&fact("x")).unwrap_err();
    assert!(
        matches!(error, AppendError::File(FileError::Io { .. })),
        "{error:?}"
    );
}

#[test]
fn an_unknown_id_is_told_from_a_failure() {
    let test = TestBus::new();
    test.post("x");
    let after = cl_bus::After::Id(MessageId::parse("MSG-1").unwrap());
    let error = test.bus.since(&after).unwrap_err();
    assert!(error.is_unknown_message());
    assert!(
        error
            .to_string()
            .starts_with("since id \"MSG-1\" not found"),
        "{error}"
    );
}

#[test]
fn a_bus_takes_only_its_own_messages_unless_forced() {
    let test = TestBus::new();
    let folder = test.beside("p");
    std::fs::create_dir(&folder).unwrap();
    let bus = Bus::new(folder.join(cl_bus::PROJECT_BUS));
    assert!(matches!(bus.scope(), Scope::Project { .. }));
    let foreign = Draft {
        project_id: ProjectId::parse("q").unwrap(),
        ..fact("x")
    };
    let error = bus.append(&foreign).unwrap_err();
    assert!(matches!(error, AppendError::Misplaced { .. }), "{error:?}");
    assert!(!bus.path().exists(), "a refusal leaves no file");
    bus.append(&fact("x")).unwrap();
    bus.taking_foreign_ids().append(&foreign).unwrap();
}

#[test]
fn a_held_lock_ends_in_a_lock_timeout() {
    let test = TestBus::new();
    test.post("one");
    let held = HeldLock::acquire(test.path(), Mode::Shared, Duration::ZERO).unwrap();
    let error = impatient(&test.bus, 2).append(&fact("x")).unwrap_err();
    assert!(error.is_lock_timeout(), "{error:?}");
    assert_eq!(error.to_string(), "append failed after 2 attempts");
    drop(held);
    assert_eq!(
        impatient(&test.bus, 1)
            .append(&fact("two"))
            .unwrap()
            .attempts,
        1
    );
    assert_eq!(bodies(&test.bus.all().unwrap()), ["one", "two"]);
}

#[test]
fn a_waiter_gets_the_lock_when_it_is_released() {
    let test = TestBus::new();
    test.post("one");
    let held = HeldLock::acquire(test.path(), Mode::Shared, Duration::ZERO).unwrap();
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| test.bus.append(&fact("two")).unwrap());
        drop(held);
        waiter.join().unwrap();
    });
    assert_eq!(bodies(&test.bus.all().unwrap()), ["one", "two"]);
}

#[test]
fn a_message_goes_to_the_file_at_the_path_not_to_the_one_that_was_opened() {
    // Whoever replaces the file holds its lock; the waiter opened the old one.
    for _ in 0..20 {
        let test = TestBus::new();
        test.post("old");
        let moved = test.beside("moved.md");
        let held = HeldLock::acquire(test.path(), Mode::Shared, Duration::ZERO).unwrap();
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| test.bus.append(&fact("new")).unwrap());
            std::thread::yield_now();
            cl_storage::durable::rename(test.path(), &moved).unwrap();
            drop(held);
            waiter.join().unwrap();
        });
        assert_eq!(bodies(&test.bus.all().unwrap()), ["new"]);
        assert_eq!(bodies(&Bus::new(&moved).all().unwrap()), ["old"]);
    }
}

#[test]
fn threads_lose_and_mix_nothing() {
    const THREADS: usize = 8;
    const EACH: usize = 50;
    let test = TestBus::new();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let bus = &test.bus;
            scope.spawn(move || {
                for n in 0..EACH {
                    bus.append(&fact(format!("{thread} {n}"))).unwrap();
                }
            });
        }
    });
    let reading = test.bus.all().unwrap();
    assert!(reading.damage.is_empty(), "{:?}", reading.damage);
    for thread in 0..THREADS {
        let own: Vec<String> = bodies(&reading)
            .into_iter()
            .filter(|b| b.starts_with(&format!("{thread} ")))
            .collect();
        let expected: Vec<String> = (0..EACH).map(|n| format!("{thread} {n}")).collect();
        assert_eq!(own, expected, "order of one writer");
    }
    assert_eq!(reading.entries.len(), THREADS * EACH);
}

#[test]
fn the_nearest_bus_is_discovered() {
    let test = TestBus::new();
    let root = test.beside("r");
    let deep = root.join("p/t/runs/x");
    std::fs::create_dir_all(&deep).unwrap();
    let touch = |path: &str| {
        Bus::new(root.join(path))
            .taking_foreign_ids()
            .append(&fact("x"))
            .unwrap();
    };
    touch("p/PROJECT-MESSAGE-BUS.md");
    touch("MESSAGE-BUS.md");
    assert_eq!(
        cl_bus::discover(&deep),
        Some(root.join("p/PROJECT-MESSAGE-BUS.md"))
    );
    assert_eq!(cl_bus::discover(&root), Some(root.join("MESSAGE-BUS.md")));
    touch("p/t/MESSAGE-BUS.md");
    std::os::unix::fs::symlink(
        root.join("MESSAGE-BUS.md"),
        root.join("p/t/TASK-MESSAGE-BUS.md"),
    )
    .unwrap();
    assert_eq!(
        cl_bus::discover(&deep),
        Some(root.join("p/t/MESSAGE-BUS.md")),
        "links are passed over"
    );
    std::fs::create_dir(root.join("p/t/PROJECT-MESSAGE-BUS.md")).unwrap();
    assert_eq!(
        cl_bus::discover(&deep),
        Some(root.join("p/t/MESSAGE-BUS.md")),
        "folders, too"
    );
}

#[test]
fn a_large_body_goes_into_a_file_beside_the_bus() {
    let test = TestBus::new();
    let small = fact(vec![b'x'; MAX_BODY_BYTES]);
    assert_eq!(test.bus.append_large(&small).unwrap().attachment, None);
    for (body, extension) in [
        ("ä\n".repeat(MAX_BODY_BYTES).into_bytes(), "txt"),
        (vec![0xff; MAX_BODY_BYTES + 1], "bin"),
    ] {
        let draft = fact(body.clone()).meta("k", "v");
        let posted = test.bus.append_large(&draft).unwrap();
        let path = posted.attachment.unwrap();
        assert_eq!(path.parent(), test.path().parent());
        assert_eq!(path.extension().unwrap(), extension);
        assert_eq!(std::fs::read(&path).unwrap(), body);
        let modes = [&path, test.path()].map(|path| {
            let found = std::fs::metadata(path).unwrap();
            found.permissions().mode() & 0o777
        });
        assert_eq!(modes[0], modes[1]);
        let message = test.bus.tail(1).unwrap().into_messages().remove(0);
        assert_eq!(message.id, posted.message.id);
        assert_eq!(message.body_bytes(), &body[..message.body_bytes().len()]);
        assert!(message.body_bytes().len() <= PREVIEW_BYTES);
        let link = &message.links[0];
        assert_eq!(attachment_of(test.path(), link), Some(path));
        assert_eq!(message.meta["attachment_path"], link.url);
        assert_eq!(message.meta["attachment_bytes"], body.len().to_string());
        let digest = cl_storage::digest::sha256_hex(&body);
        assert_eq!(message.meta["attachment_sha256"], digest);
        assert!(link.label.contains(&digest));
        assert_eq!(message.meta["k"], "v");
    }
}

#[test]
fn a_large_message_that_is_refused_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let task = folder.path().join("p/t");
    std::fs::create_dir_all(&task).unwrap();
    let bus = Bus::new(task.join(cl_bus::TASK_BUS));
    let body = vec![b'x'; MAX_BODY_BYTES + 1];
    let other = ProjectId::parse("other").unwrap();
    let mut drafts = vec![
        fact(body.clone()).meta("attachment_path", "x"),
        fact(body.clone()).meta("k", "v".repeat(70_000)),
        Draft::new("A B", ProjectId::parse("p").unwrap(), body.clone()),
        Draft::new("FACT", other, body.clone()),
    ];
    drafts.push(fact(vec![b'x'; MAX_ATTACHMENT_BYTES + 1]));
    for draft in &drafts {
        bus.append_large(draft).unwrap_err();
        assert_eq!(std::fs::read_dir(&task).unwrap().count(), 0);
    }
    // Refused only when the file was there already.
    std::fs::create_dir(bus.path()).unwrap();
    bus.append_large(&fact(body)).unwrap_err();
    assert_eq!(std::fs::read_dir(&task).unwrap().count(), 1);
}

#[test]
fn waiting_in_vain_leaves_few_threads_and_files_behind() {
    let test = TestBus::new();
    test.post("one");
    let held = HeldLock::acquire(test.path(), Mode::Shared, Duration::ZERO).unwrap();
    let bus = impatient(&test.bus, 1);
    let count = |folder: &str| std::fs::read_dir(folder).unwrap().count();
    let before = count("/proc/self/task") + count("/proc/self/fd");
    for _ in 0..50 {
        assert!(bus.append(&fact("x")).unwrap_err().is_lock_timeout());
    }
    let after = count("/proc/self/task") + count("/proc/self/fd");
    assert!(after <= before + 20, "{before} {after}");
    drop(held);
    // Nobody holds what was waited for in vain.
    test.post("two");
    bus.append(&fact("three")).unwrap();
}
