//! A server of the released form, asked over loopback.
//!
//! - S1: from its start until it is healthy, and until a listing is answered
//! - S2: listings of 3 000 runs over eight connections, next to a path that answers one word
//! - S6: what an idle server costs
//! - S7: a burst of tasks that do nothing, from the first submission to the last end

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cl_storage::Root;
use cl_storage::queue::Queue;
use cl_testkit::bench_rows::{Goal, Plan, Row, Samples, data_folder, millis};
use cl_testkit::run_agent::RunAgent;
use cl_testkit::served::{Caller, Served};
use cl_testkit::{bench_data, patience};
use serde_json::json;

/// Connections of S2 and S7.
const CONNECTIONS: u32 = 8;
/// How long S6 looks on.
const IDLE: Duration = Duration::from_secs(30);

fn main() -> io::Result<()> {
    let mut plan = Plan::from_args(std::env::args());
    let own = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let tasks = plan.amount(1000, 10);
    let full = bench_data::root(&data_folder(own.path()), tasks, 3)?;
    if plan.wants("S1") {
        start(&mut plan, own.path(), &full, tasks * 3)?;
    }
    if plan.wants("S2") {
        listings(&mut plan, &Place::new(own.path(), "s2", &full)?, tasks * 3);
    }
    if plan.wants("S6") {
        idle(&mut plan, &Place::new(own.path(), "s6", &full)?)?;
    }
    if plan.wants("S7") {
        burst(&mut plan, own.path(), "disk")?;
        if let Ok(memory) = tempfile::tempdir_in("/dev/shm") {
            burst(&mut plan, memory.path(), "memory")?;
        }
    }
    plan.finish()
}

/// A home and a configuration, for a root.
struct Place {
    folder: PathBuf,
    root: PathBuf,
}

impl Place {
    fn new(parent: &Path, name: &str, root: &Path) -> io::Result<Self> {
        let folder = parent.join(name);
        for part in ["home", "work"] {
            fs::create_dir_all(folder.join(part))?;
        }
        let agent = "touch $JRUN_TASK_FOLDER/DONE; echo $JRUN_TASK_ID >>began";
        fs::write(
            folder.join("conductor.yaml"),
            format!(
                "agents:\n  nothing: {{type: command, version_args: [], \
                 command: [/bin/sh, -c, \"{agent}\"]}}\ndefaults: {{max_concurrent_runs: 8}}\n"
            ),
        )?;
        Ok(Self {
            folder,
            root: root.to_owned(),
        })
    }

    fn serve(&self) -> Served {
        let program = Path::new(env!("CARGO_BIN_EXE_run-agent"));
        let home = self.folder.join("home");
        let command = RunAgent::new(program, &self.folder, &self.folder.join("work"))
            .args(&["serve", "--port", "0"])
            .env("HOME", home.clone())
            .env("CONDUCTOR_ROOT", self.root.clone())
            .env("CONDUCTOR_CONFIG", self.folder.join("conductor.yaml"));
        Served::spawn(command, &home)
    }
}

fn get(caller: &mut Caller, path: &str) -> Vec<u8> {
    caller.get(path).expect("an answer").expect(200).body
}

fn start(plan: &mut Plan, own: &Path, full: &Path, runs: u32) -> io::Result<()> {
    let empty = own.join("s1-empty-root");
    fs::create_dir_all(&empty)?;
    for (what, root) in [
        ("an empty root".to_owned(), empty.as_path()),
        (format!("{runs} runs"), full),
    ] {
        let place = Place::new(own, "s1", root)?;
        let mut listed = Vec::new();
        let mut healthy = || {
            let started = Instant::now();
            let server = place.serve();
            let mut caller = server.caller();
            get(&mut caller, "/api/v1/health");
            let took = started.elapsed().as_secs_f64() * 1e3;
            get(&mut caller, "/api/projects");
            listed.push(started.elapsed().as_secs_f64() * 1e3);
            server.kill();
            took
        };
        let [ours] = plan.take_turns_for(plan.amount(15, 1), [&mut healthy]);
        let what = format!("server start to healthy: {what}");
        let row = Row::new("S1", &what, "ms", &ours).goal(Goal::AtMost(10.0));
        let listed = Samples::new(listed).median();
        // The start is seen by looking every 10 ms at what the server says.
        let note = format!("first listing after {listed:.0} ms; seen to 10 ms");
        plan.push(row.reference("5 ms").note(note));
    }
    Ok(())
}

fn listings(plan: &mut Plan, place: &Place, runs: u32) {
    let server = place.serve();
    let mut caller = server.caller();
    let flat = format!("/api/projects/{}/runs/flat", bench_data::PROJECT);
    patience::until("the whole index", || {
        let text = get(&mut caller, &flat);
        text.windows(8)
            .filter(|part| *part == b"\"run_id\"")
            .count()
            > 0
            || !plan.is_test() && text.len() > 100_000
            || plan.is_test()
    });
    let project = bench_data::PROJECT;
    let paths = [
        ("projects", "/api/projects".to_owned(), "2.8/s"),
        ("tasks", format!("/api/projects/{project}/tasks"), "40/s"),
        ("runs", flat, "200/s"),
    ];
    for (what, path, reference) in paths {
        let (mut ours, mut worst) = (0.0, 0.0);
        let mut one = || {
            let measured = ask_at_once(&server, &path, plan.turn());
            (ours, worst) = measured;
            ours
        };
        let mut floor = || ask_at_once(&server, "/api/v1/health", plan.turn()).0;
        let [samples, floor] = plan.take_turns_for(3, [&mut one, &mut floor]);
        let bytes = get(&mut caller, &path).len();
        let what = format!("GET {what} of {runs} runs, {CONNECTIONS} connections; floor: health");
        let row = Row::new("S2", &what, "1/s", &samples).floor(&floor);
        let note = format!("{bytes} bytes each; p99 of the last turn {worst:.1} ms");
        plan.push(
            row.goal(Goal::AtLeast(5000.0))
                .reference(reference)
                .note(note),
        );
    }
    server.end();
}

/// Returns how many answers there are in a second, and the 99th percentile of their times.
fn ask_at_once(server: &Served, path: &str, turn: Duration) -> (f64, f64) {
    let started = Instant::now();
    let times: Vec<f64> = std::thread::scope(|scope| {
        let asking: Vec<_> = (0..CONNECTIONS)
            .map(|_| {
                let mut caller = server.caller();
                scope.spawn(move || {
                    let mut times = Vec::new();
                    while started.elapsed() < turn {
                        times.push(millis(|| get(&mut caller, path)));
                    }
                    times
                })
            })
            .collect();
        let times = asking.into_iter().map(std::thread::ScopedJoinHandle::join);
        times.flat_map(|times| times.expect("answers")).collect()
    });
    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
    let rate = times.len() as f64 / started.elapsed().as_secs_f64();
    let mut sorted = times;
    sorted.sort_by(f64::total_cmp);
    (rate, sorted[(sorted.len() - 1) * 99 / 100])
}

fn idle(plan: &mut Plan, place: &Place) -> io::Result<()> {
    let server = place.serve();
    let mut caller = server.caller();
    get(&mut caller, "/api/projects");
    let time = plan.amount(IDLE, Duration::from_millis(100));
    let before = cpu_seconds(server.pid())?;
    std::thread::sleep(time);
    let used = cpu_seconds(server.pid())? - before;
    let memory = memory_mb(server.pid())?;
    let seconds = time.as_secs();
    let row = |what: &str, unit: &str, figure| Row::new("S6", what, unit, &Samples::one(figure));
    plan.push(
        row(&format!("idle server: CPU in {seconds} s"), "s", used)
            .goal(Goal::AtMost(0.01))
            .reference("0.01 s"),
    );
    plan.push(
        row("idle server with 3 000 runs: RSS", "MB", memory)
            .goal(Goal::AtMost(15.0))
            .reference("12 MB"),
    );
    server.end();
    Ok(())
}

/// Returns the CPU time that a process has used, in hundredths of a second exactly.
fn cpu_seconds(pid: i32) -> io::Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or("").split(' ').collect();
    let ticks = fields.iter().skip(11).take(2);
    let ticks: f64 = ticks.filter_map(|field| field.parse::<f64>().ok()).sum();
    #[expect(clippy::cast_precision_loss, reason = "it is 100")]
    let per_second = rustix::param::clock_ticks_per_second() as f64;
    Ok(ticks / per_second)
}

fn memory_mb(pid: i32) -> io::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kilobytes
        .map(|kilobytes| kilobytes / 1024.0)
        .ok_or_else(|| io::Error::other("no VmRSS"))
}

fn burst(plan: &mut Plan, parent: &Path, name: &str) -> io::Result<()> {
    let count = plan.amount(1000, 8);
    let root = parent.join("s7-root");
    let place = Place::new(parent, "s7", &root)?;
    let server = place.serve();
    let started = Instant::now();
    std::thread::scope(|scope| {
        for first in 0..CONNECTIONS {
            let (mut caller, work) = (server.caller(), place.folder.join("work"));
            scope.spawn(move || {
                for number in (first..count).step_by(CONNECTIONS as usize) {
                    let body = json!({
                        "project_id": "bench", "agent_type": "nothing", "prompt": "x",
                        "task_id": format!("task-20260101-000000-n{number:04}"),
                        "project_root": work,
                    });
                    let reply = caller.post("/api/v1/tasks", None, &body);
                    reply.expect("an answer").expect(201);
                }
            });
        }
    });
    let accepted = started.elapsed().as_secs_f64();
    let path = place.folder.join("work/began");
    let root = Root::at(&root).map_err(io::Error::other)?;
    let began = || fs::read_to_string(&path).unwrap_or_default();
    let all = patience::within(Duration::from_mins(10), || {
        let is_done = began().lines().count() >= count as usize
            && Queue::read(&root).ok()?.entries().next().is_none();
        is_done.then_some(())
    });
    let took = started.elapsed().as_secs_f64();
    let text = began();
    let tasks: BTreeSet<&str> = text.lines().collect();
    assert!(all.is_some(), "only {} began", tasks.len());
    assert_eq!(tasks.len(), text.lines().count(), "none began twice");
    let rate = f64::from(count) / took;
    let what = format!("{count} tasks submitted in a burst, 8 slots, until all are done; root ");
    let what = what
        + if name == "disk" {
            "on the disk"
        } else {
            "in memory"
        };
    let row = Row::new("S7", &what, "1/s", &Samples::one(rate));
    let row = match name {
        "disk" => row,
        _ => row.goal(Goal::AtLeast(150.0)),
    };
    let note = format!("all accepted after {accepted:.1} s; none lost, none twice");
    plan.push(row.reference("queues anew twice").note(note));
    server.end();
    Ok(())
}
