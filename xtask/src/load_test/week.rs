//! A week in a few minutes: what a server holds must not grow while clients and tasks come and go.

use std::collections::VecDeque;
use std::io::Write as _;
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use cl_testkit::bench_data;
use cl_testkit::bench_server::{Place, cpu_seconds, descriptors, memory_mb};
use cl_testkit::served::{Caller, Served};
use serde_json::json;

use super::tally::{Question, Tally};
use super::traffic::{PATHS, task_name};
use super::{PROJECT, conclude, settings};

/// Tasks and runs on disk before anything happens.
const TASKS: u32 = 33_334;
const RUNS: u32 = 3;
/// Clients that come and go.
const CLIENTS: u64 = 20;
/// A task is submitted so often; those that ended are deleted when so many are there.
const SUBMIT_EVERY: Duration = Duration::from_millis(200);
const MOST_TASKS: usize = 100;
/// Lines that each agent prints.
const LINES: u32 = 20;
const SAMPLE_EVERY: Duration = Duration::from_secs(5);
/// What more is held at the end than at the beginning and yet counts as the same.
const MORE_MB: f64 = 4.0;
const MORE_FILES: f64 = 6.0;

/// What the server's process holds at a moment.
#[derive(Debug, Clone, Copy)]
struct Sample {
    seconds: f64,
    memory_mb: f64,
    files: f64,
    cpu_seconds: f64,
}

impl Sample {
    #[expect(clippy::cast_precision_loss, reason = "a few hundred files")]
    fn take(server: &Served, started: Instant) -> Result<Self> {
        let pid = server.pid();
        Ok(Self {
            seconds: started.elapsed().as_secs_f64(),
            memory_mb: memory_mb(pid)?,
            files: descriptors(pid)?.0 as f64,
            cpu_seconds: cpu_seconds(pid)?,
        })
    }
}

/// Lets the clients come and go for `length`, and compares the beginning with the end.
pub(super) fn run(program: &Path, folder: &Path, length: Duration) -> Result<String> {
    println!("-- {} runs on disk", TASKS * RUNS);
    let root = bench_data::root(folder, TASKS, RUNS)?;
    let own = tempfile::tempdir_in(folder)?;
    // What an earlier week has left.
    for left in [root.join(PROJECT), root.join(".conductor")] {
        if left.exists() {
            std::fs::remove_dir_all(left)?;
        }
    }
    let place = Place::new(own.path(), "place", &root, &settings(LINES))?;
    let server = place.serve(program);
    let mut caller = server.caller();
    let tally = Tally::new();
    let project = json!({"project_root": place.work(), "project_id": PROJECT});
    let made = Question::post("/api/projects", &project);
    tally.ask("make project", &mut caller, &made, &[201]);
    // Answered when all is read.
    tally.ask(
        "first listing",
        &mut caller,
        &Question::get("/api/v1/tasks"),
        &[200],
    );
    let started = Instant::now();
    let before = Sample::take(&server, started)?;
    let is_over = AtomicBool::new(false);
    let samples = std::thread::scope(|scope| -> Result<Vec<Sample>> {
        let (tally, is_over) = (&tally, &is_over);
        let (tasks, work) = (caller.clone(), place.work());
        scope.spawn(move || come_and_end(tally, tasks, &work, is_over));
        for seed in 0..CLIENTS {
            let (caller, address) = (caller.clone(), server.address());
            scope.spawn(move || {
                let mut chance = Chance(seed);
                while !is_over.load(Ordering::Acquire) {
                    come_and_go(tally, &caller, address, &mut chance);
                }
            });
        }
        let mut samples = Vec::new();
        while started.elapsed() < length {
            std::thread::sleep(SAMPLE_EVERY);
            match Sample::take(&server, started) {
                Ok(sample) => samples.push(sample),
                Err(error) => tally.fault(format!("the server is gone: {error:#}")),
            }
        }
        is_over.store(true, Ordering::Release);
        Ok(samples)
    })?;
    let after = await_quiet(&server, started, before)?;
    server.end();
    let told = compare(before, &samples, after)?;
    Ok(format!("{}; {told}", conclude(&tally)?))
}

/// Submits tasks and deletes those that have ended.
fn come_and_end(tally: &Tally, mut caller: Caller, work: &Path, is_over: &AtomicBool) {
    let mut there: VecDeque<String> = VecDeque::new();
    let mut number = 0;
    while !is_over.load(Ordering::Acquire) {
        let task = task_name(number);
        number += 1;
        let body = json!({
            "project_id": PROJECT, "agent_type": "talker", "prompt": "x",
            "project_root": work, "task_id": task,
        });
        let question = Question::post("/api/v1/tasks", &body);
        if tally
            .ask("submit", &mut caller, &question, &[201])
            .is_some()
        {
            there.push_back(task);
        }
        while there.len() > MOST_TASKS
            && let Some(task) = there.pop_front()
        {
            let path = format!("/api/projects/{PROJECT}/tasks/{task}");
            let deleted = tally.ask("delete", &mut caller, &Question::delete(&path), &[204, 409]);
            if deleted.is_some_and(|reply| reply.status == 409) {
                // It has not ended yet.
                there.push_front(task);
                break;
            }
        }
        std::thread::sleep(SUBMIT_EVERY);
    }
    tally.count("tasks left", there.len() as u64);
}

/// A client that does one thing and leaves, in one of several ways.
fn come_and_go(tally: &Tally, caller: &Caller, address: std::net::SocketAddr, chance: &mut Chance) {
    let streams = [
        "/api/stream",
        "/api/v1/runs/stream/all",
        "/api/projects/load/stream",
        "/api/projects/load/messages/stream",
    ];
    match chance.below(8) {
        0 => {
            // Says half of something and leaves.
            if let Ok(mut stream) = TcpStream::connect(address) {
                stream.write_all(b"GET /api/v1/st").unwrap_or_default();
                stream.shutdown(Shutdown::Both).unwrap_or_default();
            }
            tally.count("half requests", 1);
        }
        kind @ 1..=5 => {
            let path = streams[kind % streams.len()];
            let asked = Instant::now();
            match caller.follow(path, None) {
                Ok(mut follower) => {
                    tally.took("stream, first byte", asked.elapsed());
                    let stays = Duration::from_millis(200 + 100 * chance.below(50) as u64);
                    while asked.elapsed() < stays {
                        match follower.tell() {
                            Ok(Some(_)) => {}
                            Ok(None) => return tally.fault(format!("{path} ended")),
                            Err(error) => return tally.fault(format!("{path} broke: {error}")),
                        }
                    }
                }
                Err(error) => tally.fault(format!("{path}: {error}")),
            }
        }
        _ => {
            // One connection, some questions, with pauses.
            let mut caller = caller.clone();
            for _ in 0..chance.below(10) {
                // Those of all runs are left out: each is 30 MB here.
                let path = PATHS[chance.below(6)];
                tally.ask("read", &mut caller, &Question::get(path), &[200]);
                std::thread::sleep(Duration::from_millis(20 * chance.below(20) as u64));
            }
        }
    }
}

/// Waits until what clients held is let go; returns what the server holds then.
fn await_quiet(server: &Served, started: Instant, before: Sample) -> Result<Sample> {
    for _ in 0..60 {
        let sample = Sample::take(server, started)?;
        if sample.files <= before.files + MORE_FILES {
            break;
        }
        std::thread::sleep(Duration::from_secs(1));
    }
    Sample::take(server, started)
}

/// Prints the first, the middle and the last tenth, and fails where the last is more than the first.
///
/// The first tenth is the second one: in the first, caches fill.
fn compare(before: Sample, samples: &[Sample], after: Sample) -> Result<String> {
    let tenth = samples.len() / 10;
    ensure!(tenth > 0, "too short: only {} samples", samples.len());
    let mean = |from: usize| -> Sample {
        let part = &samples[from..from + tenth];
        #[expect(clippy::cast_precision_loss, reason = "a few samples")]
        let mean_of = |of: fn(&Sample) -> f64| part.iter().map(of).sum::<f64>() / tenth as f64;
        Sample {
            seconds: mean_of(|sample| sample.seconds),
            memory_mb: mean_of(|sample| sample.memory_mb),
            files: mean_of(|sample| sample.files),
            cpu_seconds: mean_of(|sample| sample.cpu_seconds),
        }
    };
    let (first, middle) = (mean(tenth), mean(samples.len() / 2));
    let last = mean(samples.len() - tenth);
    println!(
        "{:<22}{:>8}{:>10}{:>8}{:>10}",
        "when", "s", "RSS MB", "files", "CPU s"
    );
    for (when, sample) in [
        ("before", before),
        ("first", first),
        ("middle", middle),
        ("last", last),
        ("without clients", after),
    ] {
        let Sample {
            seconds,
            memory_mb,
            files,
            cpu_seconds,
        } = sample;
        println!("{when:<22}{seconds:>8.0}{memory_mb:>10.1}{files:>8.0}{cpu_seconds:>10.1}");
    }
    ensure!(
        last.memory_mb <= first.memory_mb + MORE_MB,
        "the server grew from {:.1} MB to {:.1} MB",
        first.memory_mb,
        last.memory_mb
    );
    ensure!(
        last.files <= first.files + MORE_FILES && after.files <= before.files + MORE_FILES,
        "the server keeps files open: {:.0}, then {:.0}; {:.0} before and {:.0} without clients",
        first.files,
        last.files,
        before.files,
        after.files
    );
    Ok(format!(
        "RSS {:.1}, {:.1}, {:.1} MB; files {:.0}, {:.0}, {:.0}",
        first.memory_mb, middle.memory_mb, last.memory_mb, first.files, middle.files, last.files
    ))
}

/// Chance that is the same each time.
struct Chance(u64);

impl Chance {
    /// Returns a number below `most`.
    fn below(&mut self, most: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or_default() % most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(memory_mb: impl Fn(usize) -> f64, files: impl Fn(usize) -> f64) -> Vec<Sample> {
        let sample = |number: usize| Sample {
            seconds: 0.0,
            memory_mb: memory_mb(number),
            files: files(number),
            cpu_seconds: 0.0,
        };
        (0..100).map(sample).collect()
    }

    #[test]
    fn growth_is_seen_and_caches_that_fill_are_not() {
        #[expect(clippy::cast_precision_loss, reason = "a hundred")]
        let grows = |number: usize| 50.0 + number as f64;
        let fills = |number: usize| if number < 10 { 20.0 } else { 60.0 };
        for (all, is_fine) in [
            (samples(|_| 50.0, |_| 30.0), true),
            (samples(fills, |_| 30.0), true),
            (samples(grows, |_| 30.0), false),
            (samples(|_| 50.0, grows), false),
        ] {
            let ends = samples(|_| 50.0, |_| 30.0)[0];
            assert_eq!(compare(ends, &all, ends).is_ok(), is_fine);
        }
    }
}
