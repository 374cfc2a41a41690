//! Writers that are killed: at every named step, and whenever it happens.
//!
//! The writer is this test binary, started again with a scenario in its
//! environment. It acknowledges on its standard output, which is a pipe and thus
//! keeps what was written before the kill.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

use cl_bus::{Bus, Durability, Event, Reason, Start};

use crate::support::{TestBus, events_now, fact};

/// `<path of the bus>;<name of the writer>;<number of messages>`.
const SCENARIO: &str = "CL_BUS_TEST_WRITER";
const SIGKILL: i32 = 9;

/// The writer. Without a scenario it is an empty test.
#[test]
fn writer() {
    #[expect(
        clippy::disallowed_methods,
        reason = "how the parent tells the scenario"
    )]
    let Ok(scenario) = std::env::var(SCENARIO) else {
        return;
    };
    let mut parts = scenario.split(';');
    let bus = Bus::new(parts.next().unwrap()).with_durability(Durability::Disk);
    let name = parts.next().unwrap();
    let count: usize = parts.next().unwrap().parse().unwrap();
    for n in 0..count {
        let appended = bus.append(&fact(text_of(name, n))).unwrap();
        acknowledge(&format!("acknowledged {name} {n} {}\n", appended.id));
    }
}

#[expect(clippy::print_stdout, reason = "how the writer acknowledges")]
fn acknowledge(line: &str) {
    use std::io::Write as _;
    print!("{line}");
    std::io::stdout().flush().unwrap();
}

/// A body of several lines, so that a cut shows.
fn text_of(name: &str, n: usize) -> String {
    format!(
        "{name} {n}\n---\n{}\nend of {name} {n}",
        "text ".repeat(n % 50)
    )
}

struct Writer {
    child: Child,
    lines: BufReader<ChildStdout>,
    acknowledged: Vec<String>,
}

impl Writer {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test starts its own binary again"
    )]
    fn start(bus: &Path, name: &str, count: usize, variables: &[(&str, &str)]) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "crash::writer",
                "--nocapture",
                "--test-threads=1",
            ])
            .env(SCENARIO, format!("{};{name};{count}", bus.display()))
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self {
            child,
            lines,
            acknowledged: Vec::new(),
        }
    }

    /// Reads acknowledgements until there are `count`, or no more.
    fn read_acknowledgements(&mut self, count: usize) {
        let mut line = String::new();
        while self.acknowledged.len() < count && self.lines.read_line(&mut line).unwrap() > 0 {
            // The harness prints the name of the test in front of the first line.
            if line.ends_with('\n')
                && let Some((_, text)) = line.trim_end().split_once("acknowledged ")
            {
                self.acknowledged.push(text.to_owned());
            }
            line.clear();
        }
    }

    fn finish(mut self) -> (ExitStatus, Vec<String>) {
        self.read_acknowledgements(usize::MAX);
        (self.child.wait().unwrap(), self.acknowledged)
    }

    fn kill(mut self) -> Vec<String> {
        self.child.kill().unwrap();
        self.finish().1
    }
}

/// Checks that the bus holds what was acknowledged, once, and nothing that nobody posted.
#[track_caller]
fn check_bus(bus: &Bus, acknowledged: &[String], kills: usize) {
    let reading = bus.all().unwrap();
    let mut whole: BTreeMap<String, usize> = BTreeMap::new();
    let mut last_of: BTreeMap<String, usize> = BTreeMap::new();
    let mut truncated = 0;
    for message in reading.messages() {
        let first_line = message.body.lines().next().unwrap_or_default();
        if message.truncated {
            truncated += 1;
            continue;
        }
        let (name, n) = first_line.split_once(' ').unwrap();
        let n: usize = n.parse().unwrap();
        assert_eq!(message.body, text_of(name, n), "a message nobody posted");
        *whole
            .entry(format!("{name} {n} {}", message.id))
            .or_default() += 1;
        let last = last_of.insert(name.to_owned(), n);
        assert!(last.is_none_or(|last| last < n), "order of {name}");
    }
    for text in acknowledged {
        assert_eq!(whole.get(text), Some(&1), "acknowledged: {text}");
    }
    assert!(
        whole.len() <= acknowledged.len() + kills,
        "each killed writer may have got one message in that it could not acknowledge"
    );
    let torn = reading
        .damage
        .iter()
        .filter(|damage| damage.reason != Reason::TruncatedBody);
    assert!(torn.count() + truncated <= kills, "{:?}", reading.damage);
    assert!(
        reading
            .damage
            .iter()
            .all(|damage| damage.reason != Reason::EditedBody)
    );
}

/// Appends after the kill; the bus must take it at once and show it.
#[track_caller]
fn check_next_append(bus: &Bus) {
    let name = "survivor";
    let appended = bus.append(&fact(text_of(name, 0))).unwrap();
    assert_eq!(appended.attempts, 1, "no lock is left");
    let last = bus.tail(1).unwrap().into_messages().remove(0);
    assert_eq!((last.id, last.body), (appended.id, text_of(name, 0)));
}

#[track_caller]
fn check_crash_point(point: &str, passage: usize, torn: &[Reason], extra: usize) {
    let test = TestBus::new();
    let log = test.beside("crash.log");
    let armed = format!("{point}:{passage}");
    let variables = [
        ("CL_CRASH_POINT", armed.as_str()),
        ("CL_CRASH_LOG", log.to_str().unwrap()),
    ];
    let mut follower = test.follow(&Start::Beginning);
    let (status, acknowledged) = Writer::start(test.path(), "w", 5, &variables).finish();
    assert_eq!(status.signal(), Some(SIGKILL), "{status:?}");
    assert_eq!(
        std::fs::read_to_string(&log).unwrap(),
        format!("{point}\n"),
        "the fault landed"
    );
    assert_eq!(acknowledged.len(), passage - 1);

    let mut events = events_now(&mut follower);
    assert_eq!(test.bus.all().unwrap().entries.len(), passage - 1 + extra);
    check_next_append(&test.bus);
    check_bus(&test.bus, &[acknowledged, survivor(&test.bus)].concat(), 1);
    let reading = test.bus.all().unwrap();
    let reasons: Vec<Reason> = reading.damage.iter().map(|damage| damage.reason).collect();
    assert_eq!(reasons, torn);
    assert_eq!(test.bus.check().unwrap().damage, reading.damage);
    events.extend(events_now(&mut follower));
    let followed = events
        .iter()
        .filter(|event| matches!(event, Event::Message(_)))
        .count();
    assert_eq!(followed, reading.entries.len());
}

/// The acknowledgement of [`check_next_append`].
fn survivor(bus: &Bus) -> Vec<String> {
    let last = bus.tail(1).unwrap().into_messages().remove(0);
    vec![format!("survivor 0 {}", last.id)]
}

#[test]
fn killed_while_holding_the_lock() {
    check_crash_point("bus-locked", 1, &[], 0);
    check_crash_point("bus-locked", 3, &[], 0);
}

#[test]
fn killed_with_half_a_record_written() {
    check_crash_point("bus-half-written", 1, &[Reason::TornHeader], 0);
    check_crash_point("bus-half-written", 3, &[Reason::TornHeader], 0);
}

#[test]
fn killed_with_a_record_written_and_not_synced() {
    check_crash_point("bus-written", 1, &[], 1);
    check_crash_point("bus-written", 3, &[], 1);
}

#[test]
fn killed_before_the_acknowledgement() {
    check_crash_point("bus-synced", 1, &[], 1);
    check_crash_point("bus-synced", 3, &[], 1);
}

#[test]
fn writers_killed_at_any_moment_lose_nothing_acknowledged() {
    const ROUNDS: usize = 12;
    const WRITERS: usize = 3;
    let test = TestBus::new();
    let mut acknowledged = Vec::new();
    for round in 0..ROUNDS {
        let mut writers: Vec<Writer> = (0..WRITERS)
            .map(|n| Writer::start(test.path(), &format!("r{round}w{n}"), 10_000, &[]))
            .collect();
        for (n, writer) in writers.iter_mut().enumerate() {
            writer.read_acknowledgements(1 + (round * 7 + n * 3) % 11);
        }
        for writer in writers {
            acknowledged.extend(writer.kill());
        }
    }
    check_next_append(&test.bus);
    acknowledged.extend(survivor(&test.bus));
    check_bus(&test.bus, &acknowledged, ROUNDS * WRITERS);
}

#[test]
fn ten_processes_with_a_hundred_messages_each() {
    const WRITERS: usize = 10;
    const EACH: usize = 100;
    let test = TestBus::new();
    let mut follower = test.follow(&Start::Beginning);
    let writers: Vec<Writer> = (0..WRITERS)
        .map(|n| Writer::start(test.path(), &format!("w{n}"), EACH, &[]))
        .collect();
    let (mut followed, mut acknowledged) = (Vec::new(), Vec::new());
    std::thread::scope(|scope| {
        let finishing: Vec<_> = writers
            .into_iter()
            .map(|writer| scope.spawn(|| writer.finish()))
            .collect();
        // Meanwhile nobody ever sees a part of a message.
        while !finishing
            .iter()
            .all(std::thread::ScopedJoinHandle::is_finished)
        {
            for event in follower.poll(std::time::Duration::from_millis(5)).unwrap() {
                match event {
                    Event::Message(entry) => followed.push(entry.message),
                    other => panic!("{other:?}"),
                }
            }
            for message in test.bus.tail(20).unwrap().messages() {
                assert!(!message.truncated && !message.edited, "{message:?}");
            }
        }
        for writer in finishing {
            let (status, lines) = writer.join().unwrap();
            assert!(status.success(), "{status:?}");
            acknowledged.extend(lines);
        }
    });
    for event in events_now(&mut follower) {
        if let Event::Message(entry) = event {
            followed.push(entry.message);
        }
    }
    assert_eq!(acknowledged.len(), WRITERS * EACH);
    check_bus(&test.bus, &acknowledged, 0);
    assert_eq!(followed, test.bus.all().unwrap().into_messages());
    assert!(test.bus.check().unwrap().is_clean());
}
