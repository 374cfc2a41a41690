//! Files that no writer of ours leaves, read by a process whose memory is measured.
//!
//! The reader is this test binary, started again with a scenario in its environment.

use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use cl_bus::{After, Bus, FollowOptions, Reason, Start, Wake};
use cl_storage::MessageId;

use crate::support::{TestBus, bodies};

const MIB: usize = 1024 * 1024;
/// How large the files are.
const FILE_BYTES: usize = 64 * MIB;
/// What a reader may take at the most: a record of 16 MiB, as read and as shown, and itself.
const MOST_BYTES: usize = 56 * MIB;

/// `<path of the bus>;<way of reading>`.
const SCENARIO: &str = "CL_BUS_TEST_READER";
const WAYS: [&str; 5] = ["all", "tail", "since", "check", "follow"];
/// One way from the start and one from the end, which the others are made of.
const FEW_WAYS: [&str; 2] = ["all", "tail"];

/// The reader. Without a scenario it is an empty test.
#[test]
fn reader() {
    #[expect(
        clippy::disallowed_methods,
        reason = "how the parent tells the scenario"
    )]
    let Ok(scenario) = std::env::var(SCENARIO) else {
        return;
    };
    let (path, way) = scenario.split_once(';').unwrap();
    let bus = Bus::new(path);
    let found = match way {
        "all" => bus.all().unwrap().entries.len(),
        "tail" => bus.tail(2).unwrap().entries.len(),
        "since" => {
            let id = MessageId::parse("MSG-20260201-100000-000000000-PID00001-0001").unwrap();
            let missing = bus.since(&After::Id(id)).unwrap_err();
            assert!(missing.is_unknown_message());
            0
        }
        "check" => bus.check().unwrap().messages,
        _ => {
            let options = FollowOptions {
                wake: Wake::Poll,
                ..FollowOptions::default()
            };
            let mut follower = bus.follow(&Start::Beginning, options).unwrap();
            follower.poll(Duration::ZERO).unwrap().len()
        }
    };
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find(|line| line.starts_with("VmHWM:"));
    println!("\nfound {found} {}", peak.unwrap());
}

/// Returns how many KiB a process took that read the bus at `path`.
#[expect(
    clippy::disallowed_methods,
    reason = "a test starts its own binary again"
)]
fn peak_bytes(path: &Path, way: &str) -> usize {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "memory::reader", "--nocapture"])
        .env(SCENARIO, format!("{};{way}", path.display()))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let out = String::from_utf8_lossy(&output.stdout);
    let line = out.lines().find(|line| line.starts_with("found "));
    let line = line.unwrap_or_else(|| panic!("{out}{}", String::from_utf8_lossy(&output.stderr)));
    let kib = line.split_whitespace().nth(3).unwrap();
    kib.parse::<usize>().unwrap() * 1024
}

/// Writes `head`, `piece` until the file is large enough, and one more message.
fn large_file(test: &TestBus, head: &str, piece: &[u8]) {
    let mut out = BufWriter::new(std::fs::File::create(test.path()).unwrap());
    out.write_all(head.as_bytes()).unwrap();
    for _ in 0..FILE_BYTES / piece.len() {
        out.write_all(piece).unwrap();
    }
    out.write_all(b"\n\n---\nmsg_id: Z\ntype: FACT\nbody_bytes: 4\n---\nlast\n")
        .unwrap();
}

/// Requires that a large file is read in these ways in bounded memory.
#[track_caller]
fn check_file(
    ways: &[&str],
    head: &str,
    piece: &[u8],
    messages: usize,
    reasons: &[Reason],
) -> TestBus {
    let test = TestBus::new();
    large_file(&test, head, piece);
    for way in ways {
        let peak = peak_bytes(test.path(), way);
        assert!(peak < MOST_BYTES, "{way}: {} MiB", peak / MIB);
    }
    let reading = test.bus.all().unwrap();
    assert_eq!(reading.entries.len(), messages);
    let mut found: Vec<Reason> = reading.damage.iter().map(|damage| damage.reason).collect();
    found.dedup();
    assert_eq!(found, reasons);
    assert_eq!(bodies(&test.bus.tail(1).unwrap()), ["last"]);
    let damaged: u64 = reading.damage.iter().map(|damage| damage.length).sum();
    let is_told = reasons.is_empty() || damaged >= FILE_BYTES as u64;
    assert!(is_told, "{damaged} bytes are reported");
    test
}

#[test]
fn a_file_without_any_record() {
    check_file(&FEW_WAYS, "notes\n", b"text of many lines\n", 1, &[]);
}

#[test]
fn one_endless_line() {
    let text = b"[2026-02-01 10:00:00] FACT: x ".repeat(1000);
    check_file(&FEW_WAYS, "notes ", &text, 1, &[]);
}

#[test]
fn nothing_but_zeros() {
    check_file(&FEW_WAYS, "", &vec![0; MIB], 1, &[Reason::NulRun]);
}

#[test]
fn an_endless_header() {
    let head = "---\nmsg_id: A\ntype: FACT\n";
    check_file(&WAYS, head, b"key: value\n", 1, &[Reason::HeaderTooLong]);
}

#[test]
fn an_endless_body_of_an_older_writer() {
    let head = "---\nmsg_id: A\ntype: FACT\n---\n";
    let reasons = [Reason::TruncatedBody, Reason::BodyTooLong];
    let test = check_file(&WAYS, head, b"a line of text\n", 2, &reasons);
    let first = test.bus.all().unwrap().into_messages().remove(0);
    assert!(first.truncated);
    let shown = 16 * MIB - head.len();
    assert_eq!(first.body.len(), shown);
    assert!(first.body.starts_with("a line of text\na line"));
}

#[test]
fn an_endless_text_behind_a_short_body() {
    let head = "---\nmsg_id: A\ntype: FACT\nbody_bytes: 3\n---\none\n";
    let reasons = [Reason::EditedBody, Reason::BodyTooLong];
    check_file(&FEW_WAYS, head, b"a line of text\n", 2, &reasons);
}

#[test]
fn zeros_behind_a_whole_body() {
    for length in ["body_bytes: 3\n", ""] {
        let head = format!("---\nmsg_id: A\ntype: FACT\n{length}---\none\n");
        let test = check_file(&FEW_WAYS, &head, &vec![0; MIB], 2, &[Reason::NulRun]);
        let first = test.bus.all().unwrap().into_messages().remove(0);
        assert_eq!((first.body.as_str(), first.truncated), ("one", false));
    }
}
