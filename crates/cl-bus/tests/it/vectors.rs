//! Files as writers, people and crashes leave them, and what must be read.

use cl_bus::{Reading, Reason};

use crate::support::{TestBus, read_in_every_way};

/// A header with the id `id`, as a writer without lengths makes it.
fn h(id: &str) -> String {
    format!(
        "---\nmsg_id: {id}\nts: 2026-02-01T10:00:00Z\ntype: FACT\nproject_id: p\ntask_id: \"\"\nrun_id: \"\"\n---\n"
    )
}

/// A header with the id `id` and a length.
fn hn(id: &str, body_bytes: usize) -> String {
    let header = h(id);
    let lines = header.strip_suffix("---\n").unwrap();
    format!("{lines}body_bytes: {body_bytes}\n---\n")
}

/// Names every message as `id "body"` with its flags, and every damage as its reason.
fn described(reading: &Reading) -> (Vec<String>, Vec<Reason>) {
    let messages = reading
        .messages()
        .map(|message| {
            let mut text = format!("{} {:?}", message.id, message.body);
            for (flag, name) in [
                (message.truncated, " truncated"),
                (message.edited, " edited"),
                (message.lossy, " lossy"),
            ] {
                if flag {
                    text.push_str(name);
                }
            }
            text
        })
        .collect();
    let damage = reading.damage.iter().map(|damage| damage.reason).collect();
    (messages, damage)
}

#[track_caller]
fn check_bytes(file: &[u8], messages: &[&str], damage: &[Reason]) -> Reading {
    let test = TestBus::with_bytes(file);
    let reading = read_in_every_way(&test);
    let (found, _) = described(&reading);
    assert_eq!(found, messages);
    // A check also tells what readers leave to its writer.
    let reported = test.bus.check().unwrap().damage;
    let reasons: Vec<Reason> = reported.iter().map(|damage| damage.reason).collect();
    assert_eq!(reasons, damage, "{reported:?}");
    reading
}

#[track_caller]
fn check_file(file: &str, messages: &[&str], damage: &[Reason]) -> Reading {
    check_bytes(file.as_bytes(), messages, damage)
}

fn texts(parts: &[&str]) -> String {
    parts.concat()
}

#[test]
fn whole_records() {
    let (a, b) = (&h("A"), &h("B"));
    check_file("", &[], &[]);
    check_file(&texts(&[a, "one\n"]), &[r#"A "one""#], &[]);
    check_file(
        &texts(&[a, "one\n\n", b, "two\n"]),
        &[r#"A "one""#, r#"B "two""#],
        &[],
    );
    check_file(
        &texts(&[a, "one\n", b, "two\n"]),
        &[r#"A "one""#, r#"B "two""#],
        &[],
    );
    check_file(
        &texts(&[a, "\n\n", b, "two\n"]),
        &[r#"A """#, r#"B "two""#],
        &[],
    );
    check_file(
        &texts(&[a, "one\n\n\n", b, "two\n"]),
        &[r#"A "one\n""#, r#"B "two""#],
        &[],
    );
    check_file(
        &texts(&[a, "one\r\n\r\n", b, "two\r\n"]),
        &[r#"A "one""#, r#"B "two""#],
        &[],
    );
    check_file(&texts(&[a, "x\r\ny\n"]), &[r#"A "x\r\ny""#], &[]);
}

#[test]
fn a_body_on_its_way_is_withheld() {
    check_file(&texts(&[&h("A"), "one"]), &[], &[Reason::UnfinishedTail]);
    check_file(&texts(&[&hn("A", 3), "one"]), &[r#"A "one""#], &[]);
    check_file(&texts(&[&hn("A", 3), "on"]), &[], &[Reason::UnfinishedTail]);
    check_file(&hn("A", 3), &[], &[Reason::UnfinishedTail]);
    check_file(&texts(&[&hn("A", 3), "one\n"]), &[r#"A "one""#], &[]);
    check_file(&texts(&[&hn("A", 0), "\n"]), &[r#"A """#], &[]);
    // The next record of a writer without lengths has begun to arrive.
    check_file(
        &texts(&[&h("A"), "one\n\n---\nmsg"]),
        &[r#"A "one""#],
        &[Reason::UnfinishedTail],
    );
}

#[test]
fn rules_and_headers_in_bodies_stay_text() {
    let (a, b) = (&h("A"), &h("B"));
    check_file(
        &texts(&[a, "a\n---\nb\n\n", b, "two\n"]),
        &[r#"A "a\n---\nb""#, r#"B "two""#],
        &[],
    );
    check_file(
        &texts(&[a, "a\n---\nk: v\n\n", b, "two\n"]),
        &[r#"A "a\n---\nk: v""#, r#"B "two""#],
        &[],
    );
    check_file(
        &texts(&[a, "a\n---\n\n", b, "two\n"]),
        &[r#"A "a\n---""#, r#"B "two""#],
        &[],
    );
    check_file(&texts(&[a, " ---\n--- \n"]), &[r#"A " ---\n--- ""#], &[]);
}

#[test]
fn broken_headers_cost_only_their_own_record() {
    let b = &h("B");
    check_file(
        &texts(&["---\nmsg_id: A\nts: 2026-0\n", b, "two\n"]),
        &[r#"B "two""#],
        &[Reason::TornHeader],
    );
    check_file(
        &texts(&["---\nmsg_id: [x\n---\nbody\n\n", b, "two\n"]),
        &[r#"B "two""#],
        &[Reason::BadHeader],
    );
    check_file(
        &texts(&["---\nmsg_id: A\nts: x\n---\nbody\n\n", b, "two\n"]),
        &[r#"B "two""#],
        &[Reason::MissingField],
    );
    check_file(
        &texts(&["---\nmsg_id:\ntype: FACT\n---\nbody\n\n", b, "two\n"]),
        &[r#"B "two""#],
        &[Reason::MissingField],
    );
    let long = "x".repeat(cl_bus::message::MAX_HEADER_BYTES);
    check_file(
        &texts(&[
            "---\nmsg_id: A\ntype: F\nk: ",
            &long,
            "\n---\nbody\n\n",
            b,
            "two\n",
        ]),
        &[r#"B "two""#],
        &[Reason::HeaderTooLong],
    );
    check_file(
        &texts(&["---\nmsg_id: A\ntype: F\nk: ", &long, "\n\n", b, "two\n"]),
        &[r#"B "two""#],
        &[Reason::HeaderTooLong],
    );
    // Older tools called the key otherwise: no boundary, and no message.
    check_file(
        &texts(&["---\nmessageId: A\n---\nx\n\n", b, "two\n"]),
        &[r#"B "two""#],
        &[],
    );
}

#[test]
fn a_damaged_stretch_has_a_place() {
    let torn = "---\nmsg_id: A\nts: 2026-0\n";
    let file = texts(&[&h("Z"), "zero\n\n", torn, &h("B"), "two\n"]);
    let reading = check_file(&file, &[r#"Z "zero""#, r#"B "two""#], &[Reason::TornHeader]);
    let damage = &reading.damage[0];
    let offset = usize::try_from(damage.offset).unwrap();
    let length = usize::try_from(damage.length).unwrap();
    assert_eq!(&file[offset..offset + length], torn);
    assert_eq!(
        damage.to_string(),
        format!("{length} bytes at offset {offset}: torn header")
    );
}

#[test]
fn legacy_lines() {
    let b = &h("B");
    let line = |n: u32, body: &str| format!("LEGACY-LINE-{n:09} {body:?}");
    check_file(
        &texts(&["[2026-02-01 10:00:00] FACT: x\n", b, "two\n"]),
        &[&line(1, "x"), r#"B "two""#],
        &[],
    );
    check_file(
        "# Title\n---\n[2026-02-01 10:00:00] FACT: x\n",
        &[&line(3, "x")],
        &[],
    );
    check_file(
        "[2026-02-01 10:00:01] just text\n",
        &[&line(1, "just text")],
        &[],
    );
    check_file("[bad] FACT: x\n", &[], &[]);
    check_file(
        "[2026-02-01 10:00:00] FACT: x",
        &[],
        &[Reason::UnfinishedTail],
    );
    // Inside the body of a writer without lengths it is text; behind a body of
    // known length it is a line of its own.
    check_file(
        &texts(&[
            &h("A"),
            "one\n[2026-02-01 10:00:00] FACT: x\n\n",
            b,
            "two\n",
        ]),
        &[r#"A "one\n[2026-02-01 10:00:00] FACT: x""#, r#"B "two""#],
        &[],
    );
    check_file(
        &texts(&[
            &hn("A", 3),
            "one\n[2026-02-01 10:00:00] FACT: x\n\n",
            b,
            "two\n",
        ]),
        &[r#"A "one""#, &line(11, "x"), r#"B "two""#],
        &[],
    );
}

#[test]
fn line_ends_of_other_systems() {
    let header = h("A").replace('\n', "\r\n");
    check_file(&texts(&[&header, "one\r\n"]), &[r#"A "one""#], &[]);
    check_file(
        &texts(&["\u{feff}", &h("A"), "one\n"]),
        &[r#"A "one""#],
        &[],
    );
}

#[test]
fn duplicates_are_left_out() {
    let a = &h("A");
    let reading = check_file(
        &texts(&[a, "one\n\n", &h("B"), "two\n\n", a, "three\n"]),
        &[r#"A "one""#, r#"B "two""#],
        &[Reason::DuplicateId],
    );
    assert_eq!(reading.damage[0].msg_id.as_ref().unwrap().as_str(), "A");
}

#[test]
fn nuls_are_no_text_and_hide_nothing() {
    let (a, b) = (&h("A"), &h("B"));
    let expected = [r#"A "one""#, r#"B "two""#];
    let nuls = "\0".repeat(1024 * 1024);
    check_file(
        &texts(&[a, "one\n", &nuls, b, "two\n"]),
        &expected,
        &[Reason::NulRun],
    );
    let nuls = "\0".repeat(70_000);
    check_file(
        &texts(&[a, "one\n", &nuls, b, "two\n"]),
        &expected,
        &[Reason::NulRun],
    );
    check_file(
        &texts(&[a, "one\n", &nuls, "\n\n", b, "two\n"]),
        &expected,
        &[Reason::NulRun],
    );
    check_file(
        &texts(&[&hn("A", 3), "one\n", &nuls, "\n", b, "two\n"]),
        &expected,
        &[Reason::NulRun],
    );
    // The beginning of a record is lost, and its rest belongs to nobody.
    for separator in ["", "\n", "\n---\nms"] {
        let torn = [
            &hn("A", 3),
            "one\n",
            separator,
            "\0\0",
            "rest\n\n",
            b,
            "two\n",
        ];
        check_file(&texts(&torn), &expected, &[Reason::NulRun]);
    }
    check_file(
        &texts(&[a, "on", &nuls, "\n\n", b, "two\n"]),
        &[r#"A "on" truncated"#, r#"B "two""#],
        &[Reason::TruncatedBody, Reason::NulRun],
    );
    check_file(
        &texts(&[&hn("A", 3), "o\0\0\0\n\n", b, "two\n"]),
        &[r#"A "o" truncated"#, r#"B "two""#],
        &[Reason::TruncatedBody, Reason::NulRun],
    );
    check_file(
        &texts(&["---\nmsg_id: A\nts: 20", &nuls, b, "two\n"]),
        &[r#"B "two""#],
        &[Reason::HeaderTooLong],
    );
    check_file(
        &texts(&["---\nmsg_id: A\nts: 20\0\0", b, "two\n"]),
        &[r#"B "two""#],
        &[Reason::TornHeader],
    );
}

#[test]
fn lengths_are_believed_up_to_the_next_boundary() {
    let b = &h("B");
    let whole = &[r#"A "one""#, r#"B "two""#];
    check_file(&texts(&[&hn("A", 3), "one\n\n", b, "two\n"]), whole, &[]);
    check_file(&texts(&[&hn("A", 3), "one\n", b, "two\n"]), whole, &[]);
    check_file(
        &texts(&[&hn("A", 3), "one\n\n\n \n\n", b, "two\n"]),
        whole,
        &[],
    );
    for (torn, body) in [("", ""), ("o", "o"), ("on", "on")] {
        let flagged = format!("A {body:?} truncated");
        let end = if torn.is_empty() { "\n" } else { "\n\n" };
        check_file(
            &texts(&[&hn("A", 3), torn, end, b, "two\n"]),
            &[&flagged, r#"B "two""#],
            &[Reason::TruncatedBody],
        );
    }
    check_file(
        &texts(&[&hn("A", 3), "another\n\n", b, "two\n"]),
        &[r#"A "another" edited"#, r#"B "two""#],
        &[Reason::EditedBody],
    );
    check_file(
        &texts(&[&hn("A", 3), "one\nmore\n\n", b, "two\n"]),
        &[r#"A "one\nmore" edited"#, r#"B "two""#],
        &[Reason::EditedBody],
    );
    // A length never reaches beyond a boundary, however well it would fit.
    let file = texts(&[b, "two\n"]);
    check_file(
        &texts(&[
            &hn("A", 5 + file.len()),
            "one\n\n",
            &file,
            "\n",
            &h("C"),
            "three\n",
        ]),
        &[r#"A "one" truncated"#, r#"B "two""#, r#"C "three""#],
        &[Reason::TruncatedBody],
    );
}

#[test]
fn first_bytes_of_torn_records_are_reported() {
    let record = texts(&["\n", &hn("X", 1), "x\n"]);
    for len in 1..="\n---\nmsg_id".len() {
        let completion = if record[..len].ends_with('\n') {
            ""
        } else {
            "\n"
        };
        let damage: &[Reason] = if len == 1 { &[] } else { &[Reason::TornHeader] };
        check_file(
            &texts(&[
                &hn("A", 3),
                "one\n",
                &record[..len],
                completion,
                "\n",
                &h("B"),
                "two\n",
            ]),
            &[r#"A "one""#, r#"B "two""#],
            damage,
        );
    }
}

#[test]
fn escapes_are_undone_only_where_announced() {
    let header = |escape: &str| {
        let header = h("A");
        let lines = header.strip_suffix("---\n").unwrap();
        format!("{lines}meta:\n    body_escape: {escape}\n---\n")
    };
    check_file(
        &texts(&[&header("backslash"), "\\---\n\\\\---\n"]),
        &[r#"A "---\n\\---""#],
        &[],
    );
    check_file(
        &texts(&[&header("other"), "\\---\n"]),
        &[r#"A "\\---""#],
        &[],
    );
    check_file(&texts(&[&h("A"), "\\---\n"]), &[r#"A "\\---""#], &[]);
}

#[test]
fn bodies_that_are_no_utf_8_are_shown_and_kept() {
    let file = [
        h("A").as_bytes(),
        b"caf\xe9\n\n",
        h("B").as_bytes(),
        b"two\n",
    ]
    .concat();
    let reading = check_bytes(&file, &["A \"caf\u{fffd}\" lossy", r#"B "two""#], &[]);
    assert_eq!(reading.entries[0].message.body_bytes(), b"caf\xe9");
}

#[test]
fn tails_of_large_files_equal_a_full_read() {
    // Larger than the first window, with what could mislead a reader that starts
    // in the middle: legacy lines, rules, repeats, damage.
    let mut file = String::from("[2026-02-01 10:00:00] FACT: start\n");
    for n in 0..1000 {
        let id = format!("M{n}");
        file += &match n % 5 {
            0 => texts(&[
                &h(&id),
                &"text\n---\n[2026-02-01 10:00:00] FACT: no\n".repeat(20),
                "\n",
            ]),
            1 => texts(&[&hn(&id, 3), "one\n[2026-02-01 10:00:00] FACT: yes\n\n"]),
            2 => texts(&["---\nmsg_id: torn\nts: \n\n", &h(&id), "x\n\n"]),
            3 => texts(&[&h(&format!("M{}", n - 3)), "repeated\n\n"]),
            _ => texts(&[&hn(&id, 5), "cut\n\n"]),
        };
    }
    file += &texts(&[&h("end"), "x\n"]);
    assert!(file.len() > 4 * 64 * 1024, "{}", file.len());
    let test = TestBus::with_bytes(file.as_bytes());
    let full = test.bus.all().unwrap();
    assert_eq!(full.entries.len(), 1 + 1000 + 1);
    for n in [1, 2, 3, 7, 20, 100, 999, 1000, 1001, 1002, 2000] {
        let tail = test.bus.tail(n).unwrap();
        assert_eq!(
            tail.entries,
            full.entries[1002_usize.saturating_sub(n)..],
            "{n}"
        );
    }
    let legacy = "[2026-02-01 10:00:00] FACT: x\n".repeat(9_000);
    let test = TestBus::with_bytes(legacy.as_bytes());
    let full = test.bus.all().unwrap();
    assert_eq!(test.bus.tail(3).unwrap().entries, full.entries[8_997..]);
}

#[test]
fn a_file_of_the_earlier_implementation_is_read() {
    let test = TestBus::with_bytes(include_bytes!("data/earlier.md"));
    let reading = read_in_every_way(&test);
    let json = serde_json::to_string_pretty(&reading.into_messages()).unwrap();
    insta::assert_snapshot!(json, @r#"
    [
      {
        "msg_id": "LEGACY-LINE-000000003",
        "timestamp": "2026-01-28T16:38:14Z",
        "type": "FACT",
        "project_id": "",
        "task_id": "",
        "run_id": "",
        "issue_id": "",
        "parents": [],
        "links": [],
        "meta": {},
        "body": "kept by hand, before there were records",
        "truncated": false,
        "edited": false,
        "lossy": false
      },
      {
        "msg_id": "MSG-20260223-191710-184887000-PID67946-0001",
        "timestamp": "2026-02-23T19:17:10.184887Z",
        "type": "QUESTION",
        "project_id": "my-project",
        "task_id": "task-20260223-191700-audit",
        "run_id": "20260223-1917000000-67946-1",
        "issue_id": "",
        "parents": [],
        "links": [],
        "meta": {},
        "body": "Which schema version?",
        "truncated": false,
        "edited": false,
        "lossy": false
      },
      {
        "msg_id": "MSG-20260223-191815-000001000-PID70001-0001",
        "timestamp": "2026-02-23T19:18:15.000001Z",
        "type": "FACT",
        "project_id": "my-project",
        "task_id": "task-20260223-191700-audit",
        "run_id": "",
        "issue_id": "",
        "parents": [
          {
            "msg_id": "MSG-20260223-191710-184887000-PID67946-0001",
            "kind": "answers",
            "meta": {
              "reason": "direct"
            }
          }
        ],
        "links": [
          {
            "url": "https://example.invalid/ctx",
            "label": "context",
            "kind": "reference"
          }
        ],
        "meta": {
          "when": "2026-02-23T19:18:00Z",
          "why": "one: two"
        },
        "body": "Cut here by readers of old:\n\n---\n\ntitle: front matter in a body\n---\nand read whole by this one",
        "truncated": false,
        "edited": false,
        "lossy": false
      },
      {
        "msg_id": "MSG-20260223-191820-000000000-PID70001-0002",
        "timestamp": "2026-02-23T19:18:20Z",
        "type": "ISSUE",
        "project_id": "my-project",
        "task_id": "",
        "run_id": "",
        "issue_id": "",
        "parents": [
          {
            "msg_id": "MSG-20260223-191710-184887000-PID67946-0001",
            "kind": "",
            "meta": {}
          }
        ],
        "links": [],
        "meta": {},
        "body": "older names, and parents as texts",
        "truncated": false,
        "edited": false,
        "lossy": false
      }
    ]
    "#);
}
