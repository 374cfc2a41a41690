//! A server of the released form, asked over loopback.
//!
//! - S1: from its start until it is healthy, and until a listing is answered
//! - S2: listings of 3 000 runs over eight connections, next to a thread that writes as many bytes
//! - S6: what an idle server costs, alone and with ten clients of event streams
//! - S7: a burst of tasks that do nothing, from the first submission to the last end

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cl_storage::Root;
use cl_storage::queue::Queue;
use cl_testkit::bench_rows::{Goal, Plan, Row, Samples, data_folder, millis, percentile};
use cl_testkit::bench_server::{Place, cpu_seconds, memory_mb, shell_agent};
use cl_testkit::run_agent::RunAgent;
use cl_testkit::served::{Caller, Served};
use cl_testkit::{bench_data, patience};
use serde_json::json;

const PROGRAM: &str = env!("CARGO_BIN_EXE_run-agent");
/// Connections of S2 and S7.
const CONNECTIONS: u32 = 8;
/// How long S6 looks on.
const IDLE: Duration = Duration::from_secs(30);

fn main() -> io::Result<()> {
    let mut plan = Plan::from_args(std::env::args());
    let own = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let full = bench_data::root(&data_folder(own.path()), plan.amount(1000, 10), 3)?;
    if plan.wants("S1") {
        start(&mut plan, own.path())?;
    }
    if plan.wants("S2") {
        listings(&mut plan, &place(own.path(), "s2", &full)?);
    }
    if plan.wants("S6") {
        idle(&mut plan, &place(own.path(), "s6", &full)?)?;
    }
    if plan.wants("S7") {
        burst(&mut plan, own.path(), "disk")?;
        if let Ok(memory) = tempfile::tempdir_in("/dev/shm") {
            burst(&mut plan, memory.path(), "memory")?;
        }
    }
    plan.finish()
}

/// What every server of this file is told: an agent that does nothing but note that it began.
fn settings() -> String {
    let agent = "touch $JRUN_TASK_FOLDER/DONE; echo $JRUN_TASK_ID >>began";
    let agent = shell_agent("nothing", agent);
    format!("agents:\n{agent}defaults: {{max_concurrent_runs: 8}}\n")
}

fn place(parent: &Path, name: &str, root: &Path) -> io::Result<Place> {
    Place::new(parent, name, root, &settings())
}

fn serve(place: &Place) -> Served {
    place.serve(Path::new(PROGRAM))
}

fn get(caller: &mut Caller, path: &str) -> Vec<u8> {
    caller.get(path).expect("an answer").expect(200).body
}

fn start(plan: &mut Plan, own: &Path) -> io::Result<()> {
    let data = data_folder(own);
    let empty = own.join("s1-empty-root");
    fs::create_dir_all(&empty)?;
    let few = bench_data::root(&data, plan.amount(1000, 10), 3)?;
    let many = bench_data::root(&data, plan.amount(33_334, 20), 3)?;
    let mut add = |what: &str, root: &Path, rounds, reference| -> io::Result<()> {
        let place = place(own, "s1", root)?;
        let mut listed = Vec::new();
        let mut healthy = || {
            let started = Instant::now();
            let server = serve(&place);
            let mut caller = server.caller();
            get(&mut caller, "/api/v1/health");
            let took = started.elapsed().as_secs_f64() * 1e3;
            get(&mut caller, "/api/projects");
            listed.push(started.elapsed().as_secs_f64() * 1e3);
            server.kill();
            took
        };
        let mut floor = || millis(|| version(&place));
        let [ours, floor] = plan.take_turns_for(rounds, [&mut healthy, &mut floor]);
        let what = format!("server start to healthy: {what}; floor: a command that does nothing");
        let row = Row::new("S1", &what, "ms", &ours).floor(&floor);
        let listed = Samples::new(listed).median();
        let note = format!("first listing after {listed:.0} ms; seen to a tenth");
        let row = row.goal(Goal::AtMost(10.0)).reference(reference).note(note);
        plan.push(row);
        Ok(())
    };
    add("an empty root", &empty, 15, "5 ms")?;
    add("3 000 runs", &few, 15, "5 ms")?;
    add("100 000 runs", &many, 3, "–")
}

fn version(place: &Place) {
    let command = RunAgent::new(Path::new(PROGRAM), &place.work(), &place.work());
    command.arg("version").ok();
}

fn listings(plan: &mut Plan, place: &Place) {
    let server = serve(place);
    let mut caller = server.caller();
    // Answered when all is read.
    get(&mut caller, "/api/v1/runs");
    let project = bench_data::PROJECT;
    let paths = [
        ("projects", "/api/projects".to_owned(), "2.8/s"),
        ("tasks", format!("/api/projects/{project}/tasks"), "40/s"),
        (
            "runs",
            format!("/api/projects/{project}/runs/flat"),
            "200/s",
        ),
    ];
    for (what, path, reference) in paths {
        let reply = caller.get(&path).expect("an answer").expect(200);
        let (bytes, tag) = (reply.body.len(), reply.tag.unwrap_or_default());
        let pump = caller.elsewhere(pump(bytes).expect("a socket"));
        let mut times = Vec::new();
        let mut whole = || ask_at_once(&caller, &path, &[], plan.turn(), &mut times);
        let mut raw = || ask_at_once(&pump, &path, &[], plan.turn(), &mut Vec::new());
        let known = [("if-none-match", tag.as_str())];
        let mut unchanged = || ask_at_once(&caller, &path, &known, plan.turn(), &mut Vec::new());
        let [whole, raw, unchanged] = plan.take_turns([&mut whole, &mut raw, &mut unchanged]);
        let of = format!("GET {what} of 3 000 runs, {CONNECTIONS} connections");
        let goal = Goal::AtLeast(5000.0);
        let floor = "floor: as many bytes from a thread that only writes them";
        let row = Row::new("S2", &format!("{of}; {floor}"), "1/s", &whole).floor(&raw);
        let note = format!("{bytes} bytes each");
        plan.push(row.goal(goal).reference(reference).note(note));
        let slowest = Samples::one(percentile(times, 99));
        let row = Row::new("S2", &format!("{of}; p99"), "ms", &slowest);
        plan.push(row.goal(Goal::AtMost(10.0)));
        let what = format!("{of}; unchanged since the client asked (304)");
        plan.push(Row::new("S2", &what, "1/s", &unchanged).goal(goal));
    }
    server.end();
}

/// Answers whatever is asked with `bytes` bytes, on threads that end with their connections.
fn pump(bytes: usize) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    let mut answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {bytes}\r\n\r\n").into_bytes();
    answer.resize(answer.len() + bytes, b' ');
    let answer: Arc<[u8]> = answer.into();
    std::thread::spawn(move || {
        // Ends with the benchmark.
        for stream in listener.incoming().map_while(Result::ok) {
            let answer = Arc::clone(&answer);
            std::thread::spawn(move || serve_raw(stream, &answer));
        }
    });
    Ok(address)
}

fn serve_raw(mut stream: TcpStream, answer: &[u8]) {
    stream.set_nodelay(true).unwrap_or_default();
    let mut request = [0; 4096];
    // A request comes in one piece.
    while stream.read(&mut request).is_ok_and(|read| read > 0) {
        if stream.write_all(answer).is_err() {
            break;
        }
    }
}

/// Returns how many answers there are in a second, and adds their times in milliseconds.
fn ask_at_once(
    caller: &Caller,
    path: &str,
    headers: &[(&str, &str)],
    turn: Duration,
    times: &mut Vec<f64>,
) -> f64 {
    let started = Instant::now();
    let took: Vec<f64> = std::thread::scope(|scope| {
        let asking: Vec<_> = (0..CONNECTIONS)
            .map(|_| {
                let mut caller = caller.clone();
                scope.spawn(move || {
                    let mut times = Vec::new();
                    while started.elapsed() < turn {
                        times.push(millis(|| {
                            let reply = caller.ask("GET", path, headers, None);
                            let status = reply.expect("an answer").status;
                            assert!(matches!(status, 200 | 304), "{status}");
                        }));
                    }
                    times
                })
            })
            .collect();
        let times = asking.into_iter().map(std::thread::ScopedJoinHandle::join);
        times.flat_map(|times| times.expect("answers")).collect()
    });
    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
    let rate = took.len() as f64 / started.elapsed().as_secs_f64();
    times.extend(took);
    rate
}

fn idle(plan: &mut Plan, place: &Place) -> io::Result<()> {
    let server = serve(place);
    let mut caller = server.caller();
    get(&mut caller, "/api/v1/runs");
    let time = plan.amount(IDLE, Duration::from_millis(100));
    let seconds = time.as_secs();
    let used = used_in(&server, time)?;
    let row = |what: &str, unit: &str, figure| Row::new("S6", what, unit, &Samples::one(figure));
    plan.push(
        row(&format!("idle server: CPU in {seconds} s"), "s", used)
            .goal(Goal::AtMost(0.01))
            .reference("0.01 s"),
    );
    let memory = memory_mb(server.pid())?;
    plan.push(
        row("idle server with 3 000 runs: RSS", "MB", memory)
            .goal(Goal::AtMost(15.0))
            .reference("12 MB"),
    );
    let project = bench_data::PROJECT;
    let paths = [
        "/api/stream".to_owned(),
        "/api/v1/runs/stream/all".to_owned(),
        format!("/api/projects/{project}/stream"),
        format!("/api/projects/{project}/messages/stream"),
        format!("/api/v1/messages/stream?project_id={project}"),
    ];
    let clients: Vec<_> = (paths.iter().cycle().take(10))
        .map(|path| caller.follow(path, None))
        .collect::<io::Result<_>>()?;
    let used = used_in(&server, time)?;
    let what = format!(
        "idle server, {} clients of streams: CPU in {seconds} s",
        clients.len()
    );
    // A hundredth of a processor.
    let most = time.as_secs_f64() / 100.0;
    plan.push(row(&what, "s", used).goal(Goal::AtMost(most)));
    drop(clients);
    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
    let size = fs::metadata(PROGRAM)?.len() as f64 / 1e6;
    plan.push(
        row("size of the binary", "MB", size)
            .goal(Goal::AtMost(15.0))
            .reference("16.6 MB"),
    );
    server.end();
    Ok(())
}

fn used_in(server: &Served, time: Duration) -> io::Result<f64> {
    let before = cpu_seconds(server.pid())?;
    std::thread::sleep(time);
    Ok(cpu_seconds(server.pid())? - before)
}

fn burst(plan: &mut Plan, parent: &Path, name: &str) -> io::Result<()> {
    let count = plan.amount(1000, 8);
    let root = parent.join("s7-root");
    let place = place(parent, "s7", &root)?;
    let server = serve(&place);
    let started = Instant::now();
    std::thread::scope(|scope| {
        for first in 0..CONNECTIONS {
            let (mut caller, work) = (server.caller(), place.work());
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
    let path = place.work().join("began");
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
