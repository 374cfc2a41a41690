//! Reading a large bus, next to a bare read of the file.
//!
//! - B6: of 100 000 messages the last 20, all, and those behind one in the middle

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use cl_bus::{After, Bus};
use cl_storage::MessageId;
use cl_testkit::bench_data;
use cl_testkit::bench_process::{self, Measured};
use cl_testkit::bench_rows::{Goal, Plan, Row, Samples, data_folder, millis};

/// How many messages are asked for from the end.
const TAIL: usize = 20;
/// Says that the process is to read the bus once and to tell its peak of memory.
const READ_ONCE: &str = "--read-once";

fn main() -> io::Result<()> {
    let args: Vec<String> = std::env::args().collect();
    if let [_, flag, call, path] = args.as_slice()
        && flag == READ_ONCE
    {
        return read_once(call, Path::new(path));
    }
    let mut plan = Plan::from_args(args);
    let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let data = data_folder(place.path());
    if plan.wants("B6") {
        reads(&mut plan, &data)?;
    }
    plan.finish()
}

/// The ways to read a bus that are compared.
#[derive(Debug, Clone, Copy)]
enum Call {
    Tail,
    All,
    SinceTheMiddle,
}

impl Call {
    const ALL: [Self; 3] = [Self::Tail, Self::All, Self::SinceTheMiddle];

    fn name(self) -> &'static str {
        match self {
            Self::Tail => "tail 20",
            Self::All => "full read",
            Self::SinceTheMiddle => "since(id in the middle)",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|call| call.name() == name)
    }

    /// Reads and returns how many messages there were.
    fn read(self, bus: &Bus, count: u32) -> usize {
        let reading = match self {
            Self::Tail => bus.tail(TAIL),
            Self::All => bus.all(),
            Self::SinceTheMiddle => {
                let id = MessageId::parse(&bench_data::message_id(count / 2));
                bus.since(&After::Id(id.expect("ids of the data are valid")))
            }
        };
        let reading = reading.expect("the data can be read");
        assert!(reading.damage.is_empty(), "the data is whole");
        reading.entries.len()
    }

    fn expected(self, count: u32) -> usize {
        let count = count as usize;
        match self {
            Self::Tail => TAIL,
            Self::All => count,
            Self::SinceTheMiddle => count - count / 2 - 1,
        }
    }

    fn goal_ms(self) -> f64 {
        match self {
            Self::Tail | Self::SinceTheMiddle => 4.0,
            Self::All => 120.0,
        }
    }

    fn reference(self) -> &'static str {
        match self {
            Self::Tail => "11 ms",
            Self::All => "2.6 s, 141 MB",
            Self::SinceTheMiddle => "a full parse",
        }
    }
}

fn reads(plan: &mut Plan, data: &Path) -> io::Result<()> {
    let count = plan.amount(100_000, 100);
    let path = bench_data::bus(data, count)?;
    let bus = Bus::new(&path);
    for call in Call::ALL {
        let [ours, floor] = plan.take_turns([
            &mut || {
                millis(|| {
                    let messages = call.read(&bus, count);
                    assert_eq!(messages, call.expected(count));
                })
            },
            &mut || millis(|| bare_read(&path).expect("the data can be read")),
        ]);
        plan.push(
            Row::new("B6", call.name(), "ms", &ours)
                .floor(&floor)
                .goal(Goal::AtMost(call.goal_ms()))
                .reference(call.reference())
                .note(format!("{count} messages; floor: read of the file")),
        );
        let row = Row::new("B6", call.name(), "MB", &peak(call, &path, count)?);
        plan.push(
            row.goal(Goal::AtMost(16.0))
                .note("peak memory of a process that does it"),
        );
    }
    Ok(())
}

/// Reads the file in chunks and returns its length.
fn bare_read(path: &PathBuf) -> io::Result<usize> {
    let mut file = File::open(path)?;
    let mut chunk = vec![0; 64 * 1024];
    let mut length = 0;
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(length),
            bytes => length += bytes,
        }
    }
}

/// Returns the peak of memory of a new process that reads the bus once.
fn peak(call: Call, path: &Path, count: u32) -> io::Result<Samples> {
    let own = std::env::current_exe()?;
    let name = format!("{}/{count}", call.name());
    let Measured { stdout, .. } =
        bench_process::run(&own, &[READ_ONCE.as_ref(), name.as_ref(), path.as_os_str()])?;
    let megabytes = stdout.trim().parse().map_err(io::Error::other)?;
    Ok(Samples::one(megabytes))
}

#[expect(
    clippy::print_stdout,
    reason = "the answer to the process that started this one"
)]
fn read_once(call: &str, path: &Path) -> io::Result<()> {
    let parts = call.split_once('/');
    let call = parts.and_then(|(name, count)| Some((Call::from_name(name)?, count.parse().ok()?)));
    let (call, count) = call.ok_or_else(|| io::Error::other("no such way to read"))?;
    assert_eq!(call.read(&Bus::new(path), count), call.expected(count));
    println!("{}", bench_process::own_peak_mb()?);
    Ok(())
}
