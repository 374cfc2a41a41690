//! What holds for every message, every file and every cut.

use std::io::Write as _;

use cl_bus::{Bus, Draft, Link, Message, Parent, Reason, Start};
use cl_storage::{MessageId, ProjectId, RunId, TaskId};
use proptest::prelude::*;

use crate::support::{TestBus, events_now, fact, messages_of, read_in_every_way};

/// Pieces of which bodies and files are made that a reader could stumble over.
const PIECES: [&str; 22] = [
    "---\n",
    "---\r\n",
    "---",
    "\\---\n",
    "\\\\---",
    "msg_id: X\n",
    "msg_id:",
    "type: FACT\n",
    "ts: 2026-02-01T10:00:00Z\n",
    "body_bytes: 3\n",
    "meta:\n    body_escape: backslash\n",
    "\n",
    "\r\n",
    "\0",
    "\0\0\0",
    "[2026-02-01 10:00:00] FACT: x\n",
    "text",
    "one\n",
    "-",
    " ",
    "\u{feff}",
    "ä",
];

fn pieces() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(proptest::sample::select(PIECES.to_vec()), 0..12)
        .prop_map(|pieces| pieces.concat().into_bytes())
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        3 => pieces(),
        1 => proptest::collection::vec(any::<u8>(), 0..40),
        1 => any::<String>().prop_map(String::into_bytes),
    ]
}

prop_compose! {
    fn draft()(
        body in body(),
        kind in "[A-Za-z0-9_/-]{1,10}",
        task in proptest::option::of("[a-z]{3,9}"),
        run in proptest::option::of(0..9_u32),
        issue_id in "\\PC{0,6}",
        meta in proptest::collection::btree_map(any::<String>(), any::<String>(), 0..3),
        parents in proptest::collection::vec(("[!-~]{1,9}", any::<String>()), 0..3),
        links in proptest::collection::vec((any::<String>(), any::<String>()), 0..3),
        millis in proptest::option::of(0..4_000_000_000_000_i64),
    ) -> Draft {
        Draft {
            // An empty body is only for what the runner posts.
            kind: if body.is_empty() { format!("RUN_{kind}") } else { kind },
            project_id: ProjectId::parse("p").unwrap(),
            task_id: task.map(|text| TaskId::parse(&format!("task-20260201-100000-{text}")).unwrap()),
            run_id: run.map(|n| RunId::parse(&format!("20260201-1000000000-1-{n}")).unwrap()),
            issue_id,
            parents: parents
                .into_iter()
                .map(|(id, kind)| Parent::new(MessageId::parse(&id).unwrap(), kind))
                .collect(),
            links: links
                .into_iter()
                .map(|(url, label)| Link { url, label, kind: String::new() })
                .collect(),
            meta: meta.into_iter().filter(|(key, _)| key != "body_escape").collect(),
            timestamp: millis.map(|n| jiff::Timestamp::from_millisecond(n).unwrap()),
            body,
        }
    }
}

#[track_caller]
fn assert_same(message: &Message, draft: &Draft, id: &MessageId) {
    assert_eq!(message.id, *id);
    assert_eq!(message.body_bytes(), draft.body);
    assert_eq!(message.kind, draft.kind);
    assert_eq!(message.project_id, draft.project_id.as_str());
    assert_eq!(
        message.task_id,
        draft.task_id.as_ref().map_or("", |id| id.as_str())
    );
    assert_eq!(
        message.run_id,
        draft.run_id.as_ref().map_or("", |id| id.as_str())
    );
    if draft.kind != "ISSUE" {
        assert_eq!(message.issue_id, draft.issue_id);
    }
    assert_eq!(message.parents, draft.parents);
    assert_eq!(message.links, draft.links);
    assert_eq!(message.meta, draft.meta);
    if let Some(timestamp) = draft.timestamp {
        assert_eq!(message.timestamp, timestamp);
    }
    assert!(!message.truncated && !message.edited);
    assert_eq!(message.lossy, std::str::from_utf8(&draft.body).is_err());
}

fn post_all(bus: &Bus, drafts: &[Draft]) -> Vec<MessageId> {
    drafts
        .iter()
        .map(|draft| bus.append(draft).unwrap().id)
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn what_was_posted_is_read_back(drafts in proptest::collection::vec(draft(), 1..5)) {
        let test = TestBus::new();
        let ids = post_all(&test.bus, &drafts);
        let reading = read_in_every_way(&test);
        prop_assert!(reading.damage.is_empty(), "{:?}", reading.damage);
        prop_assert_eq!(reading.entries.len(), drafts.len());
        for ((message, draft), id) in reading.messages().zip(&drafts).zip(&ids) {
            assert_same(message, draft, id);
        }
    }

    #[test]
    fn every_file_is_read_alike_in_every_way(pieces in proptest::collection::vec(pieces(), 0..8)) {
        let test = TestBus::with_bytes(&pieces.concat());
        let before = read_ids(&test.bus);
        test.post("next");
        let reading = read_in_every_way(&test);
        let last = reading.messages().last().unwrap();
        prop_assert_eq!(&last.body, "next");
        prop_assert!(before.len() <= reading.entries.len());
    }

    #[test]
    fn a_follower_of_a_growing_file_sees_what_a_full_read_sees(
        drafts in proptest::collection::vec(draft(), 1..5),
        steps in proptest::collection::vec(1..90_usize, 1..20),
    ) {
        let source = TestBus::new();
        post_all(&source.bus, &drafts);
        let bytes = source.bytes();
        let target = TestBus::new();
        let mut follower = target.follow(&Start::Beginning);
        let mut events = Vec::new();
        let mut file = std::fs::File::create(target.path()).unwrap();
        let (mut at, mut step) = (0, steps.iter().cycle());
        while at < bytes.len() {
            let next = (at + step.next().unwrap()).min(bytes.len());
            file.write_all(&bytes[at..next]).unwrap();
            at = next;
            events.extend(events_now(&mut follower));
        }
        let full = source.bus.all().unwrap();
        prop_assert_eq!(messages_of(&events), full.messages().collect::<Vec<_>>());
        prop_assert_eq!(messages_of(&events).len(), events.len(), "no damage, no reset");
    }
}

fn read_ids(bus: &Bus) -> Vec<MessageId> {
    bus.all()
        .unwrap()
        .messages()
        .map(|message| message.id.clone())
        .collect()
}

#[test]
fn a_cut_anywhere_costs_the_last_message_at_most() {
    let drafts = [
        fact("first\n---\nmsg_id: X\n---\n"),
        fact("msg_id: not one\r\n"),
        fact("third\0---\nmsg_id: Y\ntype: FACT\n\n\n").meta("key", "two\nlines"),
        Draft {
            kind: "RUN_START".into(),
            ..fact("")
        },
        fact("last\n\n"),
    ];
    let source = TestBus::new();
    post_all(&source.bus, &drafts);
    let originals = source.bus.all().unwrap().entries;
    let bytes = source.bytes();
    for cut in 0..bytes.len() {
        let test = TestBus::with_bytes(&bytes[..cut]);
        let started = originals
            .iter()
            .filter(|entry| entry.position < cut as u64)
            .count();
        let left = test.bus.all().unwrap().entries;
        assert!(
            left.len() + 1 >= started,
            "cut at {cut} costs more than the last message"
        );
        assert_eq!(
            left,
            originals[..left.len()],
            "cut at {cut} changes or invents a message"
        );

        let mut follower = test.follow(&Start::Beginning);
        let mut events = events_now(&mut follower);
        assert_eq!(messages_of(&events).len(), left.len(), "cut at {cut}");
        test.post("next");
        let reading = test.bus.all().unwrap();
        let mut after: Vec<&Message> = reading.messages().collect();
        assert_eq!(after.pop().unwrap().body, "next", "cut at {cut}");
        for (message, original) in after.iter().zip(&originals) {
            let original = &original.message;
            assert_eq!(message.id, original.id, "cut at {cut}");
            if message.truncated {
                // The backslash of an escaped line may be the last there is of it.
                let torn = message.body.trim_end_matches('\n').replace('\\', "");
                assert!(original.body.starts_with(&torn), "cut at {cut}: {torn:?}");
            } else {
                assert_eq!(*message, original, "cut at {cut}");
            }
        }
        let truncated = after.iter().filter(|message| message.truncated).count();
        assert!(truncated <= 1 && after.len() <= started, "cut at {cut}");
        let hidden = reading
            .damage
            .iter()
            .any(|damage| damage.reason == Reason::TornHeader);
        assert!(
            after.len() == started || hidden,
            "cut at {cut}: a loss is reported"
        );
        events.extend(events_now(&mut follower));
        assert_eq!(
            messages_of(&events),
            reading.messages().collect::<Vec<_>>(),
            "cut at {cut}"
        );
    }
}

#[test]
fn the_hardest_bodies_read_back() {
    let record = {
        let other = TestBus::new();
        other.post("another record");
        other.bytes()
    };
    let bodies = [
        vec![b'-'; 1024 * 1024],
        b"---\n".repeat(10_000),
        record.clone(),
        [b"\n", record.as_slice()].concat(),
        b"msg_id: forged\nts: 2026-02-01T10:00:00Z\ntype: FACT\n---\nforged\n".to_vec(),
        b"\0---\nmsg_id: forged\ntype: FACT\n---\n".to_vec(),
        b"\r\n---\r\nmsg_id: forged\r\n".to_vec(),
        b"\n".repeat(1000),
        vec![0; 1000],
        (0..=255).collect(),
    ];
    let test = TestBus::new();
    for body in &bodies {
        test.bus.append(&fact(body.clone())).unwrap();
    }
    let reading = test.bus.all().unwrap();
    assert!(reading.damage.is_empty(), "{:?}", reading.damage);
    let found: Vec<&[u8]> = reading.messages().map(Message::body_bytes).collect();
    assert!(found == bodies.iter().map(Vec::as_slice).collect::<Vec<_>>());
    assert_eq!(test.bus.tail(4).unwrap().entries, reading.entries[6..]);
    assert!(read_in_every_way(&test) == reading);
    test.bus.rotate(0).unwrap().unwrap();
    test.bus.append(&fact("next")).unwrap();
    assert_eq!(read_in_every_way(&test).entries.len(), bodies.len() + 1);
}
