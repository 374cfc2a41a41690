//! Ten processes that append to one bus at once.
//!
//! - B4: their rate, their worst single append next to the worst single sync of a file nearby, and whether all messages
//!   are there, in the order of each writer
//!
//! The benchmark starts itself as the writers.

use std::ffi::OsStr;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cl_bus::{Bus, Draft, Durability};
use cl_storage::ProjectId;
use cl_testkit::bench_data::{BODY_BYTES, PROJECT};
use cl_testkit::bench_rows::{Goal, Plan, Row, Samples};
use cl_testkit::{bench_floor, bench_process};

const WRITERS: u32 = 10;
/// How long a record is without its body, nearly.
const HEADER_BYTES: usize = 160;
/// Says that the process is a writer.
const WRITER: &str = "--writer";

fn main() -> io::Result<()> {
    let args: Vec<String> = std::env::args().collect();
    if let [_, flag, kind, path, number, count] = args.as_slice()
        && flag == WRITER
    {
        let number = number.parse().map_err(io::Error::other)?;
        let count = count.parse().map_err(io::Error::other)?;
        return write(Kind::from_name(kind)?, Path::new(path), number, count);
    }
    let mut plan = Plan::from_args(args);
    if plan.wants("B4") {
        for (durability, goal, reference) in [
            (Durability::Os, 100e3, "35 k/s"),
            (Durability::Disk, 10e3, "1.6 k/s"),
        ] {
            measure(&mut plan, durability, goal, reference);
        }
    }
    plan.finish()
}

/// How a writer writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Kind {
    is_ours: bool,
    durability: Durability,
}

impl Kind {
    const ALL: [(&str, bool, Durability); 4] = [
        ("ours-os", true, Durability::Os),
        ("ours-disk", true, Durability::Disk),
        ("floor-os", false, Durability::Os),
        ("floor-disk", false, Durability::Disk),
    ];

    fn name(self) -> &'static str {
        let found = Self::ALL.iter().find(|(_, is_ours, durability)| {
            (*is_ours, *durability) == (self.is_ours, self.durability)
        });
        found.map_or("", |(name, ..)| name)
    }

    fn from_name(name: &str) -> io::Result<Self> {
        let found = Self::ALL.iter().find(|(known, ..)| *known == name);
        let (_, is_ours, durability) =
            found.ok_or_else(|| io::Error::other("no such way to write"))?;
        Ok(Self {
            is_ours: *is_ours,
            durability: *durability,
        })
    }
}

fn measure(plan: &mut Plan, durability: Durability, goal: f64, reference: &str) {
    let messages = plan.amount(1000, 5);
    let run = |is_ours, is_probed| {
        let kind = Kind {
            is_ours,
            durability,
        };
        all_at_once(kind, messages, is_probed).expect("the writers end well")
    };
    let [ours, floor] = plan.take_turns_for(
        2,
        [&mut || run(true, false).rate, &mut || {
            run(false, false).rate
        }],
    );
    let name = match durability {
        Durability::Disk => "disk",
        Durability::Os => "os",
    };
    plan.push(
        Row::new(
            "B4",
            &format!("10 processes × {messages}, {name}"),
            "1/s",
            &ours,
        )
        .floor(&floor)
        .goal(Goal::AtLeast(goal))
        .reference(reference)
        .note("none lost, in order; floor: flock, write, unlock, sync by each"),
    );
    let probed = run(true, true);
    plan.push(
        Row::new(
            "B4",
            &format!("worst single append, {name}"),
            "ms",
            &Samples::one(millis(probed.worst_append)),
        )
        .floor(&Samples::one(millis(probed.worst_sync)))
        .goal(Goal::RatioAtMost(3.0))
        .note("floor: worst single sync nearby at the same time"),
    );
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// What ten writers did.
struct Outcome {
    /// Messages a second, of all writers together.
    rate: f64,
    worst_append: Duration,
    /// The worst sync of another file meanwhile; zero unless asked for.
    worst_sync: Duration,
}

/// Lets ten processes write at the same time, and checks what they wrote.
fn all_at_once(kind: Kind, messages: u32, is_probed: bool) -> io::Result<Outcome> {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let path = folder.path().join(cl_bus::LOOSE_BUS);
    let mut writers = (0..WRITERS)
        .map(|number| Writer::start(kind, &path, number, messages))
        .collect::<io::Result<Vec<_>>>()?;
    for writer in &mut writers {
        writer.line()?;
    }
    let is_over = AtomicBool::new(false);
    let (took, worst_append, worst_sync) = std::thread::scope(|scope| {
        let probe = is_probed.then(|| scope.spawn(|| probe(folder.path(), &is_over)));
        let started = Instant::now();
        let outcome = go(&mut writers);
        let took = started.elapsed();
        is_over.store(true, Ordering::Release);
        let worst_sync = match probe {
            Some(probe) => probe.join().expect("the probe does not panic")?,
            None => Duration::ZERO,
        };
        io::Result::Ok((took, outcome?, worst_sync))
    })?;
    for writer in writers {
        writer.end()?;
    }
    if kind.is_ours {
        check(&path, messages);
    }
    Ok(Outcome {
        rate: f64::from(WRITERS * messages) / took.as_secs_f64(),
        worst_append,
        worst_sync,
    })
}

/// Starts the writing, waits for its end and returns the worst append.
fn go(writers: &mut [Writer]) -> io::Result<Duration> {
    for writer in &mut *writers {
        let input = writer.process.stdin.as_mut();
        input.expect("it was piped").write_all(b"\n")?;
    }
    let mut worst = Duration::ZERO;
    for writer in writers {
        let nanos = writer.line()?.trim().parse().map_err(io::Error::other)?;
        worst = worst.max(Duration::from_nanos(nanos));
    }
    Ok(worst)
}

/// Syncs a file of its own until it is over, and returns the worst time.
fn probe(folder: &Path, is_over: &AtomicBool) -> io::Result<Duration> {
    let mut file = bench_floor::open(&folder.join("probe"))?;
    let mut worst = Duration::ZERO;
    while !is_over.load(Ordering::Acquire) {
        let started = Instant::now();
        bench_floor::synced_append(&mut file, &[b'x'; BODY_BYTES])?;
        worst = worst.max(started.elapsed());
    }
    Ok(worst)
}

/// Panics unless every message of every writer is there, in its order.
fn check(path: &PathBuf, messages: u32) {
    let reading = Bus::new(path).all().expect("the bus can be read");
    assert!(reading.damage.is_empty(), "the bus is whole");
    let mut next = vec![0_usize; WRITERS as usize];
    for message in reading.messages() {
        let mut words = message.body.split(' ').map(str::parse);
        let (Some(Ok(writer)), Some(Ok(number))) = (words.next(), words.next()) else {
            panic!("a message that no writer wrote");
        };
        let writer: usize = writer;
        assert_eq!(next[writer], number, "writer {writer} keeps its order");
        next[writer] += 1;
    }
    assert!(
        next.iter().all(|next| *next == messages as usize),
        "none is lost: {next:?}"
    );
}

/// A started process that writes as soon as it is told to.
struct Writer {
    process: Child,
    output: BufReader<ChildStdout>,
}

impl Writer {
    fn start(kind: Kind, path: &Path, number: u32, messages: u32) -> io::Result<Self> {
        let (number, messages) = (number.to_string(), messages.to_string());
        let args: [&OsStr; 5] = [
            WRITER.as_ref(),
            kind.name().as_ref(),
            path.as_ref(),
            number.as_ref(),
            messages.as_ref(),
        ];
        let mut process = bench_process::command(&std::env::current_exe()?, &args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = process.stdout.take().expect("it was piped");
        Ok(Self {
            process,
            output: BufReader::new(output),
        })
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        Ok(line)
    }

    fn end(mut self) -> io::Result<()> {
        let status = self.process.wait()?;
        if !status.success() {
            return Err(io::Error::other(format!("a writer ended with {status}")));
        }
        Ok(())
    }
}

/// The life of a writer: says that it is ready, waits, writes, tells its worst append in nanoseconds.
#[expect(
    clippy::print_stdout,
    reason = "the answers to the process that started this one"
)]
fn write(kind: Kind, path: &Path, number: u32, messages: u32) -> io::Result<()> {
    let bus = Bus::new(path).with_durability(kind.durability);
    let project = ProjectId::parse(PROJECT).map_err(io::Error::other)?;
    let mut file = bench_floor::open(path)?;
    let record = [b'x'; HEADER_BYTES + BODY_BYTES];
    println!("ready");
    io::stdin().read_line(&mut String::new())?;
    let mut worst = Duration::ZERO;
    for message in 0..messages {
        let mut body = format!("{number} {message} ").into_bytes();
        body.resize(BODY_BYTES, b'x');
        let draft = Draft::new("INFO", project.clone(), body);
        let started = Instant::now();
        if kind.is_ours {
            bus.append(&draft).map_err(io::Error::other)?;
        } else {
            bench_floor::locked_append(&mut file, path, &record)?;
            if kind.durability == Durability::Disk {
                bench_floor::sync(&file)?;
            }
        }
        worst = worst.max(started.elapsed());
    }
    println!("{}", worst.as_nanos());
    Ok(())
}
