//! Many writers at once, in processes of their own, killed now and then.
//!
//! The writer is this test binary, started again with a scenario in its
//! environment. It acknowledges on its standard output, which is a pipe and thus
//! keeps what was written before a kill.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

use cl_bus::{Bus, Durability, Event, Reason, Start};

use crate::support::{TestBus, fact};

/// `<path of the bus>;<name of the writer>;<number of messages>;<durability>;<limit of a file>`.
const SCENARIO: &str = "CL_BUS_TEST_WRITER";
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
    let bus = Bus::new(parts.next().unwrap());
    let name = parts.next().unwrap();
    let count: usize = parts.next().unwrap().parse().unwrap();
    let durability = match parts.next().unwrap() {
        "disk" => Durability::Disk,
        _ => Durability::Os,
    };
    let rotate_at = parts.next().unwrap().parse().ok();
    let bus = bus.with_durability(durability).rotating_at(rotate_at);
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

/// How a writer writes.
#[derive(Clone, Copy)]
pub(crate) struct WriterOptions {
    pub(crate) count: usize,
    pub(crate) durability: Durability,
    pub(crate) rotate_at: Option<u64>,
}

impl WriterOptions {
    /// So many messages, on disk, into one file.
    pub(crate) fn new(count: usize) -> Self {
        Self {
            count,
            durability: Durability::Disk,
            rotate_at: None,
        }
    }
}

pub(crate) struct Writer {
    child: Child,
    lines: BufReader<ChildStdout>,
    acknowledged: Vec<String>,
}

impl Writer {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test starts its own binary again"
    )]
    pub(crate) fn start(
        bus: &Path,
        name: &str,
        options: WriterOptions,
        variables: &[(&str, &str)],
    ) -> Self {
        let WriterOptions {
            count,
            durability,
            rotate_at,
        } = options;
        let durability = if durability == Durability::Disk {
            "disk"
        } else {
            "os"
        };
        let rotate_at = rotate_at.map_or(String::new(), |bytes| bytes.to_string());
        let scenario = format!("{};{name};{count};{durability};{rotate_at}", bus.display());
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "writers::writer",
                "--nocapture",
                "--test-threads=1",
            ])
            .env(SCENARIO, scenario)
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
    pub(crate) fn read_acknowledgements(&mut self, count: usize) {
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

    pub(crate) fn finish(mut self) -> (ExitStatus, Vec<String>) {
        self.read_acknowledgements(usize::MAX);
        (self.child.wait().unwrap(), self.acknowledged)
    }

    pub(crate) fn kill(mut self) -> Vec<String> {
        self.child.kill().unwrap();
        self.finish().1
    }
}

/// Checks that the bus holds what was acknowledged, once, and nothing that nobody posted.
#[track_caller]
pub(crate) fn check_bus(bus: &Bus, acknowledged: &[String], kills: usize) {
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
pub(crate) fn check_next_append(bus: &Bus) {
    let name = "survivor";
    let appended = bus.append(&fact(text_of(name, 0))).unwrap();
    assert_eq!(appended.attempts, 1, "no lock is left");
    let last = bus.tail(1).unwrap().into_messages().remove(0);
    assert_eq!((last.id, last.body), (appended.id, text_of(name, 0)));
}

/// The acknowledgement of [`check_next_append`].
pub(crate) fn survivor(bus: &Bus) -> Vec<String> {
    let last = bus.tail(1).unwrap().into_messages().remove(0);
    vec![format!("survivor 0 {}", last.id)]
}

#[test]
fn writers_killed_at_any_moment_lose_nothing_acknowledged() {
    const ROUNDS: usize = 12;
    const WRITERS: usize = 3;
    let test = TestBus::new();
    let mut acknowledged = Vec::new();
    for round in 0..ROUNDS {
        let mut writers: Vec<Writer> = (0..WRITERS)
            .map(|n| {
                Writer::start(
                    test.path(),
                    &format!("r{round}w{n}"),
                    WriterOptions::new(10_000),
                    &[],
                )
            })
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

/// How many messages each writer posts; more when somebody wants to know it exactly.
fn messages_each() -> usize {
    #[expect(
        clippy::disallowed_methods,
        reason = "how a person asks for a longer test"
    )]
    let wanted = std::env::var("CL_BUS_TEST_MESSAGES").ok();
    wanted.map_or(100, |text| text.parse().unwrap())
}

/// Lets ten processes write at once and a reader follow; every third one is killed
/// on the way if `kills`.
#[track_caller]
fn check_ten_processes(options: WriterOptions, kills: bool) -> TestBus {
    const WRITERS: usize = 10;
    let test = TestBus::new();
    let mut follower = test.follow(&Start::Beginning);
    let is_killed = |n: usize| kills && n.is_multiple_of(3);
    let (mut followed, mut acknowledged) = (Vec::new(), Vec::new());
    std::thread::scope(|scope| {
        let finishing: Vec<_> = (0..WRITERS)
            .map(|n| {
                let mut writer = Writer::start(test.path(), &format!("w{n}"), options, &[]);
                scope.spawn(move || {
                    if !is_killed(n) {
                        let (status, lines) = writer.finish();
                        assert!(status.success(), "{status:?}");
                        assert_eq!(lines.len(), options.count);
                        return lines;
                    }
                    let random = cl_storage::id::random_text(1).as_bytes()[0];
                    writer.read_acknowledgements(usize::from(random) * options.count / 256);
                    writer.kill()
                })
            })
            .collect();
        while !finishing
            .iter()
            .all(std::thread::ScopedJoinHandle::is_finished)
        {
            for event in follower.poll(std::time::Duration::from_millis(5)).unwrap() {
                match event {
                    Event::Message(entry) => followed.push(entry.message),
                    Event::Damage(damage) => assert!(kills, "{damage:?}"),
                    Event::Reset(cause) => panic!("{cause:?}"),
                }
            }
            // Nobody ever sees a part of a message, but for what a kill left.
            for message in test.bus.tail(20).unwrap().messages() {
                assert!(
                    kills || !message.truncated && !message.edited,
                    "{message:?}"
                );
            }
        }
        for writer in finishing {
            acknowledged.extend(writer.join().unwrap());
        }
    });
    check_next_append(&test.bus);
    acknowledged.extend(survivor(&test.bus));
    while followed.len() < test.bus.all().unwrap().entries.len() {
        let events = follower.poll(std::time::Duration::from_secs(10)).unwrap();
        assert!(!events.is_empty(), "the follower misses something");
        for event in events {
            if let Event::Message(entry) = event {
                followed.push(entry.message);
            }
        }
    }
    let killed = (0..WRITERS).filter(|&n| is_killed(n)).count();
    check_bus(&test.bus, &acknowledged, killed);
    assert_eq!(followed, test.bus.all().unwrap().into_messages());
    if !kills {
        assert!(test.bus.check().unwrap().is_clean());
    }
    test
}

#[test]
fn ten_processes_at_once() {
    for durability in [Durability::Disk, Durability::Os] {
        let options = WriterOptions {
            durability,
            ..WriterOptions::new(messages_each())
        };
        check_ten_processes(options, false);
    }
}

#[test]
fn ten_processes_some_of_which_are_killed() {
    for durability in [Durability::Disk, Durability::Os] {
        let options = WriterOptions {
            durability,
            ..WriterOptions::new(messages_each())
        };
        check_ten_processes(options, true);
    }
}

#[test]
fn ten_processes_through_fifty_rotations() {
    for kills in [false, true] {
        let options = WriterOptions {
            durability: Durability::Os,
            rotate_at: Some(4096),
            ..WriterOptions::new(messages_each())
        };
        let test = check_ten_processes(options, kills);
        let archives = test.bus.check().unwrap().archives;
        assert!(archives >= 50, "{archives}");
    }
}
