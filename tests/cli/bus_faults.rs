//! `bus` on a disk that refuses, and with bodies that could be taken for records.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::Command;

use cl_bus::{Bus, Message, Reason};

use crate::place::Place;

const SIGXFSZ: i32 = 25;

/// A place with a bus beside the root that holds one message.
fn place() -> (Place, Bus) {
    let place = Place::new();
    let bus = Bus::new(place.path().join("bus.md"));
    post(&place, &bus, b"before\n").ok();
    (place, bus)
}

fn post(place: &Place, bus: &Bus, input: &[u8]) -> crate::place::Ran {
    let line = format!("bus post --project p --bus {}", bus.path().display());
    place.run_with_input(&line, input)
}

#[expect(
    clippy::disallowed_methods,
    reason = "these tests are about the process that users start"
)]
fn shell(program: &str, arguments: &[&str], script: &str) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).args(["-c", script]);
    command.env("HOME", "/nowhere");
    command
}

fn bodies(bus: &Bus) -> Vec<String> {
    let reading = bus.all().unwrap();
    assert_eq!(reading.damage, []);
    reading
        .into_messages()
        .into_iter()
        .map(|m| m.body)
        .collect()
}

/// Runs `script` in a file system of its own that has 64 KiB at `$D`.
fn in_small_file_system(place: &Place, script: &str) -> String {
    let folder = place.path().join("small");
    fs::create_dir(&folder).unwrap();
    let script = format!(
        "mount -t tmpfs -o size=64k,mode=700 tmpfs {folder} || exit 9; cd {folder}; \
         post() {{ {binary} bus post --project p --bus {folder}/bus.md --body \"$1\" >/dev/null 2>{folder}.err; \
         echo posted $?; grep -o 'No space[a-z ]*\\|Read-only[a-z ]*' {folder}.err; }}; {script}; \
         {binary} bus check --bus {folder}/bus.md >/dev/null; echo checked $?; \
         {binary} bus read --bus {folder}/bus.md --json | grep -o '\"msg_id\"' | wc -l",
        folder = folder.display(),
        binary = env!("CARGO_BIN_EXE_run-agent"),
    );
    let namespace = ["--mount", "--map-root-user", "/bin/sh"];
    let output = shell("unshare", &namespace, &script).output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    format!("{}{err}", String::from_utf8_lossy(&output.stdout))
}

#[test]
fn a_full_disk_takes_no_message_and_the_next_one_follows() {
    let script = "post before; size=$(wc -c <bus.md); \
         head -c 1M /dev/zero >filler 2>/dev/null; \
         post \"$(head -c 9000 /dev/zero | tr '\\0' x)\"; \
         [ $size = $(wc -c <bus.md) ] && echo nothing is left; \
         rm filler; post after";
    let out = in_small_file_system(&Place::new(), script);
    let lines: Vec<&str> = out.lines().map(str::trim_end).collect();
    let expected = [
        "posted 0",
        "posted 1",
        "No space left on device",
        "nothing is left",
        "posted 0",
        "checked 0",
        "2",
    ];
    assert_eq!(lines, expected, "{out}");
}

#[test]
fn a_read_only_file_system_takes_no_message_and_is_read() {
    let script = "post before; mount -o remount,ro . ; post refused";
    let out = in_small_file_system(&Place::new(), script);
    let lines: Vec<&str> = out.lines().map(str::trim_end).collect();
    let expected = [
        "posted 0",
        "posted 1",
        "Read-only file system",
        "checked 0",
        "1",
    ];
    assert_eq!(lines, expected, "{out}");
}

#[test]
fn a_limit_of_file_sizes_leaves_nothing_of_a_message() {
    let (place, bus) = place();
    let before = fs::read(bus.path()).unwrap();
    let input = place.path().join("input");
    fs::write(&input, "x".repeat(50_000)).unwrap();
    let post_large = |prefix: &str| {
        let script = format!(
            "{prefix} ulimit -f 16; exec {} bus post --project p --bus {} <{}",
            env!("CARGO_BIN_EXE_run-agent"),
            bus.path().display(),
            input.display()
        );
        shell("/bin/sh", &[], &script).output().unwrap()
    };
    // The system takes some bytes and refuses the others.
    let output = post_large("trap '' XFSZ;");
    assert_eq!(output.status.code(), Some(1));
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(err.contains("File too large"), "{err}");
    assert_eq!(fs::read(bus.path()).unwrap(), before);
    post(&place, &bus, b"between\n").ok();
    assert_eq!(bodies(&bus), ["before", "between"]);

    // Without the trap it kills the writer in the middle of its write.
    let size = fs::metadata(bus.path()).unwrap().len();
    let output = post_large("");
    assert_eq!(output.status.signal(), Some(SIGXFSZ), "the fault landed");
    assert!(fs::metadata(bus.path()).unwrap().len() > size);
    post(&place, &bus, b"after\n").ok();
    let reading = bus.all().unwrap();
    let reasons: Vec<Reason> = reading.damage.iter().map(|damage| damage.reason).collect();
    assert_eq!(reasons, [Reason::TruncatedBody]);
    let whole: Vec<&Message> = reading.messages().filter(|m| !m.truncated).collect();
    let whole: Vec<&str> = whole.iter().map(|m| m.body.as_str()).collect();
    assert_eq!(whole, ["before", "between", "after"]);
}

#[test]
fn a_bus_of_somebody_else_is_read_and_takes_no_message() {
    const NOBODY: u32 = 65534;
    if !rustix::process::geteuid().is_root() {
        // Only root can become somebody else.
        return;
    }
    let (place, bus) = place();
    let open = |path: &Path| fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
    open(place.path());
    let binary = place.path().join("run-agent");
    fs::copy(env!("CARGO_BIN_EXE_run-agent"), &binary).unwrap();
    open(&binary);
    let before = fs::read(bus.path()).unwrap();
    let run = |line: &str| {
        let script = format!(
            "cd {}; {} {line} --bus {}",
            place.path().display(),
            binary.display(),
            bus.path().display()
        );
        let mut command = shell("/bin/sh", &[], &script);
        command.uid(NOBODY).gid(NOBODY).output().unwrap()
    };
    let refused = run("bus post --project p --body x");
    let err = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{err}");
    assert!(err.contains("ermission denied"), "{err}");
    assert_eq!(fs::read(bus.path()).unwrap(), before);
    let read = run("bus read");
    let out = String::from_utf8_lossy(&read.stdout);
    assert!(out.contains("before"), "{out}");
}

#[test]
fn the_hardest_bodies_are_posted_and_read_byte_by_byte() {
    let (place, bus) = place();
    let record = fs::read(bus.path()).unwrap();
    let hard: Vec<Vec<u8>> = vec![
        vec![b'-'; 1024 * 1024],
        record.clone(),
        [b"\n\n", record.as_slice(), b"\n"].concat(),
        b"a\n---\nk: v\n---\n".to_vec(),
        b"msg_id: forged\nts: 2026-02-01T10:00:00Z\ntype: FACT\n---\nforged\n".to_vec(),
        b"---\nmsg_id: forged\ntype: FACT\nbody_bytes: 1\n---\nx\n".to_vec(),
        b"\0---\nmsg_id: forged\ntype: FACT\n---\n\0".to_vec(),
        b"\r\n---\r\nmsg_id: forged\r\ntype: FACT\r\n---\r\nx\r\n".to_vec(),
        b"[2026-02-01 10:00:00] FACT: x\n".to_vec(),
    ];
    for body in &hard {
        // Of what comes from a pipe one line end is taken off.
        post(&place, &bus, &[body.as_slice(), b"\n"].concat()).ok();
    }
    post(&place, &bus, b"after\n").ok();
    let mut expected: Vec<&[u8]> = hard.iter().map(Vec::as_slice).collect();
    expected.insert(0, b"before");
    expected.push(b"after");
    let path = bus.path().display();
    for (line, from) in [
        ("--tail 0".to_owned(), 0),
        ("--tail 4".to_owned(), expected.len() - 4),
        ("--tail 0 --type INFO".to_owned(), 0),
    ] {
        let json = place
            .run_changing_nothing(&format!("bus read --bus {path} --json {line}"))
            .json();
        let messages = json["messages"].as_array().unwrap();
        let found: Vec<&[u8]> = (messages.iter())
            .map(|message| message["body"].as_str().unwrap().as_bytes())
            .collect();
        assert!(found == expected[from..], "{line}: {}", found.len());
    }
    let reading = bus.all().unwrap();
    assert_eq!(reading.damage, []);
    let found: Vec<&[u8]> = reading.messages().map(Message::body_bytes).collect();
    assert!(found == expected);
}
