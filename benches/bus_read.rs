//! Reading a large bus, next to a bare read of the file.
//!
//! - B6: of 100 000 messages the last 20, all, and those behind one in the middle
//! - B7: from the acknowledgement of a message to its hand-over by a follower that has read everything

use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use cl_bus::{After, Bus, Draft, Durability, Event, FollowOptions, Found, Query, Start};
use cl_storage::{MessageId, ProjectId};
use cl_testkit::bench_process::{self, Measured};
use cl_testkit::bench_rows::{Goal, Plan, Row, Samples, data_folder, millis};
use cl_testkit::{bench_data, bench_floor};

/// How many messages are asked for from the end.
const TAIL: usize = 20;
/// How many messages a client asks for at once.
const PAGE: usize = 50;
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
    if plan.wants("B7") {
        follow(&mut plan, &data, place.path())?;
    }
    plan.finish()
}

/// The ways to read a bus that are compared.
#[derive(Debug, Clone, Copy)]
enum Call {
    Tail,
    All,
    SinceTheMiddle,
    AllSinceTheMiddle,
}

impl Call {
    const ALL: [Self; 4] = [
        Self::Tail,
        Self::All,
        Self::SinceTheMiddle,
        Self::AllSinceTheMiddle,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Tail => "tail 20",
            Self::All => "full read",
            Self::SinceTheMiddle => "50 since(id in the middle)",
            Self::AllSinceTheMiddle => "all since(id in the middle)",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|call| call.name() == name)
    }

    /// Reads and returns how many messages there were.
    fn read(self, bus: &Bus, count: u32) -> usize {
        let middle = MessageId::parse(&bench_data::message_id(count / 2));
        let behind = Query {
            after: Some(After::Id(middle.expect("ids of the data are valid"))),
            ..Query::default()
        };
        match self {
            Self::Tail => bus.tail(TAIL).expect("the data can be read").entries.len(),
            Self::All => stream(bus, &Query::default()),
            Self::AllSinceTheMiddle => stream(bus, &behind),
            Self::SinceTheMiddle => {
                let page = Query {
                    limit: Some(PAGE),
                    ..behind
                };
                let page = bus.page(&page).expect("the data can be read");
                page.entries.len()
            }
        }
    }

    fn expected(self, count: u32) -> usize {
        let count = count as usize;
        let behind = count - count / 2 - 1;
        match self {
            Self::Tail => TAIL,
            Self::All => count,
            Self::SinceTheMiddle => PAGE.min(behind),
            Self::AllSinceTheMiddle => behind,
        }
    }

    fn goal_ms(self) -> f64 {
        match self {
            Self::Tail | Self::SinceTheMiddle => 4.0,
            // Half as many messages as in a full read, and no goal of its own.
            Self::AllSinceTheMiddle => 60.0,
            Self::All => 120.0,
        }
    }

    fn reference(self) -> &'static str {
        match self {
            Self::Tail => "11 ms",
            Self::All => "2.6 s, 141 MB",
            Self::SinceTheMiddle | Self::AllSinceTheMiddle => "a full parse",
        }
    }
}

/// Hands over one message at a time, as a reader of a large bus does.
fn stream(bus: &Bus, query: &Query) -> usize {
    let mut messages = 0;
    bus.for_each(query, |found| {
        match found {
            Found::Entry(_) => messages += 1,
            Found::Damage(damage) => panic!("the data is whole, but: {damage}"),
        }
        ControlFlow::Continue(())
    })
    .expect("the data can be read");
    messages
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
            &mut || millis(|| bench_floor::read(&path).expect("the data can be read")),
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

fn follow(plan: &mut Plan, data: &Path, folder: &Path) -> io::Result<()> {
    let sizes = [1000, plan.amount(100_000, 1000)];
    let mut buses = Vec::new();
    for (number, size) in (0..).zip(sizes) {
        let path = folder.join(format!("{number}.md"));
        std::fs::copy(bench_data::bus(data, size)?, &path)?;
        buses.push(Bus::new(path).with_durability(Durability::Os));
    }
    let messages = plan.amount(30, 2);
    let mut figures = [Vec::new(), Vec::new()];
    let [small, large] = &mut figures;
    plan.take_turns_for(
        2,
        [&mut || hand_overs(&buses[0], messages, small), &mut || {
            hand_overs(&buses[1], messages, large)
        }],
    );
    let [small, large] = figures.map(Samples::new);
    let what = |size: u32| format!("message to a follower, bus of {size}");
    plan.push(Row::new("B7", &what(sizes[0]), "ms", &small).goal(Goal::AtMost(2.0)));
    plan.push(
        Row::new("B7", &what(sizes[1]), "ms", &large)
            .goal(Goal::AtMost(2.0))
            .reference("1.2 s (SSE)"),
    );
    plan.push(
        Row::new("B7", "the same", "ms", &large).floor(&small).note(
            "floor: ours with the small bus; a hundredth of a millisecond is the scheduler's",
        ),
    );
    Ok(())
}

/// Posts messages one by one, each as soon as the one before was handed over, and returns the worst time in
/// milliseconds. All times go to `figures`.
fn hand_overs(bus: &Bus, messages: u32, figures: &mut Vec<f64>) -> f64 {
    let (tell, told) = mpsc::channel();
    let is_over = AtomicBool::new(false);
    let worst = std::thread::scope(|scope| {
        scope.spawn(|| {
            let options = FollowOptions::default();
            let follower = bus.follow(&Start::Beginning, options);
            let mut follower = follower.expect("the data can be read");
            while !is_over.load(Ordering::Acquire) {
                let events = follower.poll(Duration::from_millis(50));
                let now = Instant::now();
                let last = events.expect("the data can be read").pop();
                let Some(Event::Message(entry)) = last else {
                    // The first look that finds nothing more says that all is read.
                    tell.send((None, now)).expect("it is waited for");
                    continue;
                };
                tell.send((Some(entry.message.id), now))
                    .expect("it is waited for");
            }
        });
        let next = || told.recv().expect("the follower goes on");
        while next().0.is_some() {}
        let mut worst = 0.0_f64;
        for _ in 0..messages {
            let id = bus.append(&draft()).expect("the disk takes it").id;
            let acknowledged = Instant::now();
            let handed_over = loop {
                if let (Some(found), now) = next()
                    && found == id
                {
                    break now;
                }
            };
            let took = handed_over.saturating_duration_since(acknowledged);
            figures.push(took.as_secs_f64() * 1e3);
            worst = worst.max(took.as_secs_f64() * 1e3);
        }
        is_over.store(true, Ordering::Release);
        worst
    });
    drop(told);
    worst
}

fn draft() -> Draft {
    let project = ProjectId::parse(bench_data::PROJECT).expect("a valid id");
    Draft::new("INFO", project, vec![b'x'; bench_data::BODY_BYTES])
}
