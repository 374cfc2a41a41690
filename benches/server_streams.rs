//! Event streams of a server of the released form, over loopback.
//!
//! - S3: the stream of all runs below a root of 3 000: its first byte, and what 20 idle clients cost
//! - S4: from a message's submission to its arrival at 20 clients, with a bus of 100 000 messages
//! - S5: a burst of lines, appended at once, to five clients of which one takes nothing for a while

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use cl_storage::run_info::{self, RunInfo};
use cl_storage::{Clock as _, ProjectId, Root, RunDir, SystemClock, TaskId};
use cl_testkit::bench_floor::synced_append;
use cl_testkit::bench_rows::{Goal, Plan, Row, Samples, data_folder, millis, percentile};
use cl_testkit::bench_server::{
    Place, cpu_seconds, descriptors, forget_peak, memory_mb, peak_memory_mb,
};
use cl_testkit::following::Follower;
use cl_testkit::served::{Caller, Served};
use cl_testkit::{bench_data, patience};
use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_run-agent");
/// Clients of S3 and S4.
const CLIENTS: usize = 20;
/// Clients of S5, the last of which is slow.
const READERS: usize = 5;
/// How long S3 looks on.
const IDLE: Duration = Duration::from_secs(30);
/// After how long a client of S5 that takes nothing is cut off, and how long it takes nothing.
const CUT_AFTER: &str = "1s";
const SLOW_FOR: Duration = Duration::from_secs(4);

fn main() -> io::Result<()> {
    let mut plan = Plan::from_args(std::env::args());
    let own = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    if plan.wants("S3") {
        all_runs(&mut plan, own.path())?;
    }
    if plan.wants("S4") {
        posts(&mut plan, own.path(), "on the disk")?;
        if let Ok(memory) = tempfile::tempdir_in("/dev/shm") {
            posts(&mut plan, memory.path(), "in memory")?;
        }
    }
    if plan.wants("S5") {
        burst(&mut plan, own.path())?;
    }
    plan.finish()
}

fn serve(place: &Place) -> Served {
    place.serve(Path::new(PROGRAM))
}

fn all_runs(plan: &mut Plan, own: &Path) -> io::Result<()> {
    let root = bench_data::root(&data_folder(own), plan.amount(1000, 10), 3)?;
    let place = Place::new(own, "s3", &root, "{}\n")?;
    let path = "/api/v1/runs/stream/all";
    let server = serve(&place);
    let caller = server.caller();
    // The index is not built yet.
    let cold = millis(|| caller.follow(path, None).expect("a stream"));
    caller.clone().get("/api/v1/runs")?.expect(200);
    let mut first = || millis(|| caller.follow(path, None).expect("a stream"));
    let [first] = plan.take_turns_for(25, [&mut first]);
    let row = Row::new(
        "S3",
        "all-runs stream of 3 000 runs: first byte",
        "ms",
        &first,
    );
    let note = format!("{cold:.1} ms right after the start");
    plan.push(row.goal(Goal::AtMost(20.0)).reference("116 s").note(note));
    let clients: Vec<Follower> = (0..CLIENTS)
        .map(|_| caller.follow(path, None))
        .collect::<io::Result<_>>()?;
    let time = plan.amount(IDLE, Duration::from_millis(100));
    let before = cpu_seconds(server.pid())?;
    std::thread::sleep(time);
    let used = cpu_seconds(server.pid())? - before;
    let row = |what: &str, unit: &str, figure| Row::new("S3", what, unit, &Samples::one(figure));
    let seconds = time.as_secs();
    plan.push(
        row(
            &format!("{CLIENTS} idle clients: CPU in {seconds} s"),
            "s",
            used,
        )
        .goal(Goal::AtMost(0.1))
        .reference("43 s"),
    );
    plan.push(
        row(
            &format!("{CLIENTS} idle clients: RSS"),
            "MB",
            memory_mb(server.pid())?,
        )
        .goal(Goal::AtMost(30.0))
        .reference("320 MB"),
    );
    let (_, notifiers) = descriptors(server.pid())?;
    #[expect(clippy::cast_precision_loss, reason = "a few")]
    let notifiers = notifiers as f64;
    plan.push(row("notifiers of the system", "", notifiers).goal(Goal::AtMost(1.0)));
    drop(clients);
    server.end();
    Ok(())
}

fn posts(plan: &mut Plan, parent: &Path, where_: &str) -> io::Result<()> {
    let messages = plan.amount(100_000, 50);
    let bus = bench_data::bus(&data_folder(parent), messages)?;
    let root = parent.join("s4-root");
    let project = root.join(bench_data::PROJECT);
    fs::create_dir_all(&project)?;
    fs::copy(bus, project.join(cl_bus::PROJECT_BUS))?;
    let place = Place::new(parent, "s4", &root, "{}\n")?;
    let server = serve(&place);
    let mut caller = server.caller();
    let path = format!("/api/projects/{}/messages", bench_data::PROJECT);
    let stream = format!("{path}/stream");
    let (arrived, arrivals) = mpsc::channel();
    let count = plan.amount(200, 3);
    let mut raw = File::create(parent.join("s4-raw"))?;
    let (mut times, mut acknowledged, mut floor) = (Vec::new(), Vec::new(), Vec::new());
    std::thread::scope(|scope| -> io::Result<()> {
        for _ in 0..CLIENTS {
            let mut follower = caller.follow(&stream, None)?;
            let arrived = arrived.clone();
            scope.spawn(move || {
                while let Ok(Some(told)) = follower.tell() {
                    let at = Instant::now();
                    let Some(number) = number_of(&told.data) else {
                        continue;
                    };
                    arrived.send((number, at)).unwrap_or_default();
                    if number + 1 == count {
                        break;
                    }
                }
            });
        }
        for number in 0..count {
            floor.push(millis(|| {
                synced_append(&mut raw, &[b'x'; 400]).expect("a disk");
            }));
            let body = json!({"type": "INFO", "body": format!("number {number}")});
            let posted = Instant::now();
            caller.post(&path, None, &body)?.expect(201);
            acknowledged.push(posted.elapsed().as_secs_f64() * 1e3);
            for _ in 0..CLIENTS {
                let (arrived, at): (u32, Instant) = arrivals
                    .recv_timeout(patience::PATIENCE)
                    .expect("a message that was posted arrives");
                assert_eq!(arrived, number, "in order, each once");
                times.push(at.duration_since(posted).as_secs_f64() * 1e3);
            }
        }
        Ok(())
    })?;
    let (floor, answered) = (percentile(floor, 99), percentile(acknowledged, 99));
    let middle = percentile(times.clone(), 50);
    let what = format!(
        "post to event, {CLIENTS} clients, bus of {messages} messages: p99; root {where_}; \
         floor: p99 of a raw append and its sync"
    );
    let row = Row::new("S4", &what, "ms", &Samples::one(percentile(times, 99)));
    let note = format!("median {middle:.2} ms; p99 of the answer {answered:.2} ms");
    plan.push(
        row.floor(&Samples::one(floor))
            .goal(Goal::AtMost(10.0))
            .reference("12.7 s")
            .note(note),
    );
    server.end();
    Ok(())
}

/// Reads the number in the text of a message.
fn number_of(data: &str) -> Option<u32> {
    let message: Value = serde_json::from_str(data).ok()?;
    let body = message.get("body")?.as_str()?;
    body.strip_prefix("number ")?.parse().ok()
}

/// What a client of S5 has read.
struct Lines {
    follower: Follower,
    next: usize,
}

impl Lines {
    /// Reads on until line `until`; an error if the stream breaks before.
    fn read(&mut self, until: usize) -> io::Result<()> {
        while self.next < until {
            let told = self.follower.tell()?;
            let told = told.ok_or(io::ErrorKind::UnexpectedEof)?;
            if told.name != "log" {
                continue;
            }
            let line: Value = serde_json::from_str(&told.data)?;
            let line = line["line"].as_str().unwrap_or_default();
            assert_eq!(line, line_of(self.next), "all lines, in order, each once");
            self.next += 1;
        }
        Ok(())
    }
}

fn line_of(number: usize) -> String {
    format!("line {number} of many, and some more words to make it usual")
}

fn burst(plan: &mut Plan, own: &Path) -> io::Result<()> {
    let count = plan.amount(100_000, 500);
    let root = own.join("s5-root");
    fs::create_dir_all(&root)?;
    let run = begin_run(&root)?;
    let settings = format!("api: {{limits: {{write_timeout: {CUT_AFTER}}}}}\n");
    let place = Place::new(own, "s5", &root, &settings)?;
    let server = serve(&place);
    let caller = server.caller();
    let path = format!("/api/v1/runs/{}/stream", run.id());
    let open = |caller: &Caller| -> io::Result<Lines> {
        Ok(Lines {
            follower: caller.follow(&path, None)?,
            next: 0,
        })
    };
    let mut clients: Vec<Lines> = (0..READERS)
        .map(|_| open(&caller))
        .collect::<io::Result<_>>()?;
    let text: String = (0..count).map(|number| line_of(number) + "\n").collect();
    let before = memory_mb(server.pid())?;
    forget_peak(server.pid())?;
    let mut slow = clients.pop().expect("five clients");
    let started = Instant::now();
    File::options()
        .append(true)
        .create(true)
        .open(run.stdout())?
        .write_all(text.as_bytes())?;
    let (fast, cuts) = std::thread::scope(|scope| -> io::Result<(f64, u32)> {
        let slow = scope.spawn(|| -> io::Result<u32> {
            slow.read(1)?;
            std::thread::sleep(plan.amount(SLOW_FOR, Duration::ZERO));
            let mut cuts = 0;
            while slow.read(count).is_err() {
                cuts += 1;
                assert!(cuts < 10, "it is cut off once");
                let place = slow.follower.last_id().map(str::to_owned);
                slow.follower = caller.follow(&path, place.as_deref())?;
            }
            Ok(cuts)
        });
        let reading: Vec<_> = clients
            .iter_mut()
            .map(|client| scope.spawn(|| client.read(count)))
            .collect();
        for client in reading {
            client.join().expect("a client")?;
        }
        let fast = started.elapsed().as_secs_f64();
        Ok((fast, slow.join().expect("a client")?))
    })?;
    let grown = peak_memory_mb(server.pid())? - before;
    let rate = f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / fast;
    let what = format!("{count} lines in one append to {READERS} clients, one slow");
    let lost = Row::new("S5", &format!("{what}: lines lost"), "", &Samples::one(0.0));
    let note = format!("all in order; the slow one was cut off {cuts} times and went on");
    plan.push(lost.goal(Goal::AtMost(0.0)).reference("83 %").note(note));
    let row = Row::new(
        "S5",
        &format!("{what}: RSS grows by"),
        "MB",
        &Samples::one(grown),
    );
    plan.push(row.goal(Goal::AtMost(8.0)));
    let row = Row::new(
        "S5",
        &format!("{what}: lines to each of the others"),
        "1/s",
        &Samples::one(rate),
    );
    plan.push(row);
    server.end();
    Ok(())
}

/// Begins a run whose agent is this process.
fn begin_run(root: &Path) -> io::Result<RunDir> {
    let root = Root::at(root).map_err(io::Error::other)?;
    let project = ProjectId::parse(bench_data::PROJECT).map_err(io::Error::other)?;
    let id = TaskId::parse("task-20260101-000000-burst").map_err(io::Error::other)?;
    let task = root.task(&project, &id).map_err(io::Error::other)?;
    task.ensure().map_err(io::Error::other)?;
    let now = SystemClock.now();
    let first = |run: &RunDir| RunInfo::preparing(run, "scripted", now);
    let (run, _) = run_info::begin(&task, now, first).map_err(io::Error::other)?;
    Ok(run)
}
