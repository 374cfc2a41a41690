//! What each fuzz target requires of any bytes.

use std::time::Duration;

use cl_bus::{Bus, Draft, Durability, Event, FollowOptions, Found, Message, Query, Start, Wake};
use cl_config::{Environment, Flags};
use cl_runner::launch::LaunchFile;
use cl_storage::owner::Owner;
use cl_storage::run_info::RunInfo;
use cl_storage::task_state::TaskState;
use cl_storage::{MessageId, ProjectId, Root, RunId, TaskId};

fn fact(body: &[u8]) -> Draft {
    Draft::new("FACT", ProjectId::parse("p").unwrap(), body)
}

fn bus_in(folder: &tempfile::TempDir) -> Bus {
    Bus::new(folder.path().join("bus.md")).with_durability(Durability::Os)
}

/// Hands out what a follower sees from the start.
fn followed(bus: &Bus) -> Vec<Message> {
    let options = FollowOptions {
        wake: Wake::Poll,
        ..FollowOptions::default()
    };
    let mut follower = bus.follow(&Start::Beginning, options).unwrap();
    let mut messages = Vec::new();
    loop {
        let events = follower.poll(Duration::ZERO).unwrap();
        if events.is_empty() {
            return messages;
        }
        messages.extend(events.into_iter().filter_map(|event| match event {
            Event::Message(entry) => Some(entry.message),
            _ => None,
        }));
    }
}

/// Any file: every way of reading agrees, damage lies in the file, and the next
/// message is read back and costs none that was there.
pub(crate) fn bus_parse(bytes: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let bus = bus_in(&folder);
    std::fs::write(bus.path(), bytes).unwrap();
    let full = bus.all().unwrap();
    for damage in &full.damage {
        let end = damage.offset + damage.length;
        assert!(damage.length > 0 && end <= bytes.len() as u64, "{damage:?}");
    }
    for message in full.messages() {
        assert!(!message.id.as_str().is_empty() && !message.kind.is_empty());
    }
    let mut streamed = Vec::new();
    bus.for_each(&Query::default(), |found| {
        if let Found::Entry(entry) = found {
            streamed.push(entry);
        }
        std::ops::ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(streamed, full.entries);
    let count = full.entries.len();
    for n in [1, 2, count] {
        let from = if n == 0 { 0 } else { count.saturating_sub(n) };
        assert_eq!(bus.tail(n).unwrap().entries, full.entries[from..], "{n}");
    }
    assert_eq!(bus.check().unwrap().messages, count);
    let seen: Vec<Message> = full.messages().cloned().collect();
    assert_eq!(followed(&bus), seen);

    let appended = bus.append(&fact(b"next")).unwrap();
    let after = bus.all().unwrap();
    let last = after.entries.last().unwrap();
    assert_eq!(last.message.id, appended.id);
    assert_eq!(last.message.body, "next");
    // A message may be completed by what follows it, but it stays.
    for message in &seen {
        let still = after.messages().any(|found| found.id == message.id);
        assert!(still, "{} is gone", message.id);
    }
}

/// Any bytes as bodies among other records: `parse(write(m)) = m`.
pub(crate) fn bus_roundtrip(bytes: &[u8]) {
    let (cuts, data) = bytes.split_at(bytes.len().min(3));
    let part = |n: usize| usize::from(cuts.get(n).copied().unwrap_or(0)) * data.len() / 256;
    let (first, second) = (part(0).min(part(1)), part(0).max(part(1)));
    let bodies: Vec<&[u8]> = [&data[..first], &data[first..second], &data[second..], data]
        .into_iter()
        .filter(|body| !body.is_empty())
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let rotates = cuts.get(2).is_some_and(|byte| byte % 4 == 0);
    let bus = bus_in(&folder).rotating_at(rotates.then_some(1));
    let ids: Vec<MessageId> = bodies
        .iter()
        .map(|body| bus.append(&fact(body)).unwrap().id)
        .collect();
    let full = bus.all().unwrap();
    assert_eq!(full.damage, []);
    assert_eq!(full.entries.len(), bodies.len());
    for ((message, body), id) in full.messages().zip(&bodies).zip(&ids) {
        assert_eq!(message.body_bytes(), *body);
        assert_eq!(&message.id, id);
        assert!(!message.truncated && !message.edited);
    }
    assert_eq!(followed(&bus), full.clone().into_messages());
    for n in 1..=bodies.len() {
        let from = bodies.len() - n;
        assert_eq!(bus.tail(n).unwrap().entries, full.entries[from..]);
        let after = cl_bus::After::Id(ids[from].clone());
        let since = bus.since(&after).unwrap();
        assert_eq!(since.entries, full.entries[from + 1..]);
    }
    // Behind any text, the next message is whole.
    let path = folder.path().join("behind.md");
    std::fs::write(&path, data).unwrap();
    let behind = Bus::new(path).with_durability(Durability::Os);
    for body in &bodies {
        behind.append(&fact(body)).unwrap();
        let last = behind.tail(1).unwrap().into_messages().remove(0);
        assert_eq!(last.body_bytes(), *body);
    }
}

/// Any bytes as any of the YAML files: an answer or an error, and a run record that
/// was read is written and read as the same.
pub(crate) fn yaml_entry_points(bytes: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let project = ProjectId::parse("demo").unwrap();
    let id = TaskId::parse("task-20260101-120000-write-a-greeting").unwrap();
    let task = Root::at(folder.path())
        .unwrap()
        .task(&project, &id)
        .unwrap();
    let run = task
        .run(&RunId::parse("20261121-0406201640-6407-3").unwrap())
        .unwrap();
    std::fs::create_dir_all(run.path()).unwrap();
    let config = folder.path().join("conductor.yaml");
    for path in [
        run.info(),
        task.state(),
        task.owner(),
        task.launch(),
        config.clone(),
    ] {
        std::fs::write(path, bytes).unwrap();
    }
    if let Ok(Some(info)) = RunInfo::read(&run) {
        let text = info.to_yaml();
        std::fs::write(run.info(), &text).unwrap();
        let again = RunInfo::read(&run).unwrap().unwrap();
        assert_eq!(again, info, "{text}");
    }
    if let Ok(Some(mut state)) = TaskState::read(&task) {
        state.write(&task).unwrap();
        assert_eq!(TaskState::read(&task).unwrap(), Some(state));
    }
    let told = [
        Owner::read(&task).err().map(|e| e.to_string()),
        LaunchFile::read(&task).err().map(|e| e.to_string()),
        cl_config::load(
            &Flags::new(Some(config)),
            &Environment::new([("HOME", "/nowhere")], "/nowhere"),
        )
        .err()
        .map(|e| e.to_string()),
    ];
    assert!(told.iter().flatten().all(|text| !text.is_empty()));
}

/// Any text as an id: what is accepted is one part of a path, and its text is itself.
pub(crate) fn ids(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for line in text.lines().chain([text.as_ref()]) {
        let accepted = [
            ProjectId::parse(line).map(String::from),
            TaskId::parse(line).map(String::from),
            TaskId::parse_existing(line).map(String::from),
            RunId::parse(line).map(String::from),
        ];
        for id in accepted.into_iter().flatten() {
            assert_eq!(id, line);
            assert!(!id.is_empty() && !id.starts_with(['.', '_']), "{id:?}");
            assert!(
                !id.contains(['/', '\\', '\0']) && !id.contains(".."),
                "{id:?}"
            );
            assert!(
                id.len() <= 255 && !id.chars().any(char::is_control),
                "{id:?}"
            );
        }
        if let Ok(id) = MessageId::parse(line) {
            assert_eq!(MessageId::parse(id.as_str()).unwrap(), id);
            assert!(!id.as_str().chars().any(char::is_whitespace), "{id:?}");
        }
        if let Ok(cursor) = line.parse::<cl_bus::Cursor>() {
            assert_eq!(
                cursor.to_string().parse::<cl_bus::Cursor>().unwrap(),
                cursor
            );
        }
    }
}
