//! The clients: some read, some submit, some follow and check that nothing is missing.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use cl_testkit::bench_server::Place;
use cl_testkit::following::Told;
use cl_testkit::served::Caller;
use serde_json::{Value, json};

use super::tally::{Question, Tally};
use super::{LINES, PROJECT, settings};

/// What is read again and again.
pub(super) const PATHS: &[&str] = &[
    "/api/projects",
    "/api/projects/load/tasks",
    "/api/projects/load/runs/flat",
    "/api/projects/load/tree",
    "/api/projects/load/stats",
    "/api/projects/load/messages?limit=20",
    "/api/v1/tasks",
    "/api/v1/runs",
    "/api/v1/status",
    "/api/v1/health",
    "/metrics",
];
/// Followers that come and go leave after so many lines or messages.
const STAY: usize = 37;
/// Messages are posted with this pause.
const POST_EVERY: Duration = Duration::from_millis(20);
/// How often is looked whether all tasks are done.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// How much is done.
#[derive(Debug)]
pub(super) struct Load {
    pub(super) tasks: u32,
    pub(super) readers: u32,
    pub(super) limit: Duration,
}

/// What the clients of one load share.
struct Scene<'a> {
    tally: &'a Tally,
    load: &'a Load,
    deadline: Instant,
    next_task: AtomicU32,
    posted: AtomicU32,
    /// All tasks are done: readers and posters end.
    is_over: AtomicBool,
    /// Nothing more is posted.
    is_posted: AtomicBool,
}

impl Scene<'_> {
    fn is_late(&self) -> bool {
        Instant::now() >= self.deadline
    }

    fn goes_on(&self) -> bool {
        !self.is_over.load(Ordering::Acquire) && !self.is_late()
    }
}

/// Puts a server of its own under load.
pub(super) fn run(program: &Path, folder: &Path, load: &Load) -> Result<Tally> {
    let root = folder.join("root");
    std::fs::create_dir(&root)?;
    let place = Place::new(folder, "place", &root, &settings(LINES))?;
    let server = place.serve(program);
    let caller = server.caller();
    let tally = Tally::new();
    let project = json!({"project_root": place.work(), "project_id": PROJECT});
    let made = Question::post("/api/projects", &project);
    tally.ask("make project", &mut caller.clone(), &made, &[201]);
    let scene = Scene {
        tally: &tally,
        load,
        deadline: Instant::now() + load.limit,
        next_task: AtomicU32::new(0),
        posted: AtomicU32::new(0),
        is_over: AtomicBool::new(false),
        is_posted: AtomicBool::new(false),
    };
    std::thread::scope(|scope| {
        let scene = &scene;
        let all = "/api/v1/runs/stream/all?from=start";
        let bus = "/api/projects/load/messages/stream?from=start";
        for stay in [usize::MAX, usize::MAX, STAY, STAY] {
            let (lines, messages) = (caller.clone(), caller.clone());
            scope.spawn(move || follow_lines(scene, &lines, all, stay));
            scope.spawn(move || follow_messages(scene, &messages, bus, stay));
        }
        for _ in 0..load.readers.div_ceil(2) {
            let (caller, work) = (caller.clone(), place.work());
            scope.spawn(move || submit(scene, caller, &work));
        }
        for number in 0..load.readers {
            let caller = caller.clone();
            scope.spawn(move || read(scene, caller, number as usize));
        }
        let posts = caller.clone();
        scope.spawn(move || post(scene, posts));
        await_end(scene, &place.work());
    });
    let said = server.end();
    if said.code != Some(0) || said.stderr.contains("panicked") {
        tally.fault(format!(
            "the server ends with {:?}: {}",
            said.code, said.stderr
        ));
    }
    Ok(tally)
}

/// Waits until every task has run, and checks that each did once.
fn await_end(scene: &Scene<'_>, work: &Path) {
    let wanted = scene.load.tasks as usize;
    let began = || std::fs::read_to_string(work.join("began")).unwrap_or_default();
    while began().lines().count() < wanted && !scene.is_late() {
        std::thread::sleep(LOOK_EVERY);
    }
    let text = began();
    let tasks: BTreeSet<&str> = text.lines().collect();
    let lines = text.lines().count();
    if tasks.len() != wanted {
        let fault = format!("only {} of {wanted} tasks began", tasks.len());
        scene.tally.fault(fault);
    }
    if lines != tasks.len() {
        let fault = format!("{} tasks began twice", lines - tasks.len());
        scene.tally.fault(fault);
    }
    scene.is_over.store(true, Ordering::Release);
}

fn submit(scene: &Scene<'_>, mut caller: Caller, work: &Path) {
    while !scene.is_late() {
        let number = scene.next_task.fetch_add(1, Ordering::Relaxed);
        if number >= scene.load.tasks {
            return;
        }
        let body = json!({
            "project_id": PROJECT, "agent_type": "talker", "prompt": "x", "project_root": work,
            "task_id": task_name(number),
        });
        let question = Question::post("/api/v1/tasks", &body);
        scene.tally.ask("submit", &mut caller, &question, &[201]);
    }
}

pub(super) fn task_name(number: u32) -> String {
    format!("task-20260101-000000-n{number:05}")
}

fn read(scene: &Scene<'_>, mut caller: Caller, first: usize) {
    let mut tags: BTreeMap<&str, String> = BTreeMap::new();
    for path in PATHS.iter().cycle().skip(first) {
        if !scene.goes_on() {
            return;
        }
        let tag = tags.get(path).cloned();
        let headers: Vec<_> = (tag.iter())
            .map(|tag| ("if-none-match", tag.as_str()))
            .collect();
        let question = Question {
            headers: &headers,
            ..Question::get(path)
        };
        let reply = scene.tally.ask("read", &mut caller, &question, &[200, 304]);
        if let Some(tag) = reply.and_then(|reply| reply.tag) {
            tags.insert(path, tag);
        }
    }
}

fn post(scene: &Scene<'_>, mut caller: Caller) {
    let path = "/api/projects/load/messages";
    while scene.goes_on() {
        let number = scene.posted.load(Ordering::Acquire);
        let body = json!({"type": "INFO", "body": format!("number {number}")});
        let question = Question::post(path, &body);
        if scene
            .tally
            .ask("post", &mut caller, &question, &[201])
            .is_some()
        {
            scene.posted.store(number + 1, Ordering::Release);
        }
        std::thread::sleep(POST_EVERY);
    }
    scene.is_posted.store(true, Ordering::Release);
}

/// Follows a stream until `take` has all; comes again after each `stay` things that it took.
///
/// `take` says how many it took of an event, and `has_all` whether that is all.
fn follow(
    scene: &Scene<'_>,
    caller: &Caller,
    path: &str,
    stay: usize,
    mut take: impl FnMut(&Told) -> usize,
    has_all: impl Fn() -> bool,
) {
    let mut last_id: Option<String> = None;
    while !has_all() && !scene.is_late() {
        let asked = Instant::now();
        let mut follower = match caller.follow(path, last_id.as_deref()) {
            Ok(follower) => follower,
            Err(error) => return scene.tally.fault(format!("{path}: {error}")),
        };
        scene.tally.took("stream, first byte", asked.elapsed());
        let mut taken = 0;
        while taken < stay && !scene.is_late() {
            match follower.tell() {
                Ok(Some(told)) => taken += take(&told),
                Ok(None) => return scene.tally.fault(format!("{path} ended")),
                Err(error) => return broken(scene, path, &error),
            }
            if has_all() {
                break;
            }
        }
        last_id = follower.last_id().map(str::to_owned);
    }
}

fn broken(scene: &Scene<'_>, path: &str, error: &io::Error) {
    scene.tally.fault(format!("{path} broke: {error}"));
}

/// What a follower has read of the runs of each task.
#[derive(Debug, Default)]
pub(super) struct Lines {
    next: BTreeMap<String, u32>,
    pub(super) total: u64,
}

impl Lines {
    /// Takes a line; an error says what is wrong with it.
    pub(super) fn take(&mut self, line: &str) -> Result<(), String> {
        let wrong = || format!("a line that no agent printed: {line}");
        let (number, task) = line
            .strip_prefix("line ")
            .and_then(|rest| rest.split_once(" of "))
            .ok_or_else(wrong)?;
        let number: u32 = number.parse().map_err(|_| wrong())?;
        let next = self.next.entry(task.to_owned()).or_default();
        let expected = std::mem::replace(next, number + 1);
        self.total += 1;
        if number == expected {
            return Ok(());
        }
        Err(format!(
            "line {number} of {task} came in place of {expected}"
        ))
    }
}

fn follow_lines(scene: &Scene<'_>, caller: &Caller, path: &str, stay: usize) {
    let lines = std::cell::RefCell::new(Lines::default());
    let wanted = u64::from(scene.load.tasks) * u64::from(LINES);
    let take = |told: &Told| {
        if told.name != "log" {
            return 0;
        }
        let event: Value = serde_json::from_str(&told.data).unwrap_or_default();
        let line = event["line"].as_str().unwrap_or_default();
        if let Err(fault) = lines.borrow_mut().take(line) {
            scene.tally.fault(fault);
        }
        1
    };
    follow(scene, caller, path, stay, take, || {
        lines.borrow().total >= wanted
    });
    let total = lines.borrow().total;
    scene.tally.count("lines followed", total);
    if total != wanted {
        let fault = format!("a follower of all runs has {total} of {wanted} lines");
        scene.tally.fault(fault);
    }
}

fn follow_messages(scene: &Scene<'_>, caller: &Caller, path: &str, stay: usize) {
    let next = std::cell::Cell::new(0_u32);
    let take = |told: &Told| {
        let event: Value = serde_json::from_str(&told.data).unwrap_or_default();
        let body = event["body"].as_str().unwrap_or_default();
        let number = body.strip_prefix("number ");
        let Some(number) = number.and_then(|number| number.parse::<u32>().ok()) else {
            return 0;
        };
        let expected = next.replace(number + 1);
        if number != expected {
            let fault = format!("message {number} came in place of {expected}");
            scene.tally.fault(fault);
        }
        1
    };
    let has_all = || {
        scene.is_posted.load(Ordering::Acquire)
            && next.get() >= scene.posted.load(Ordering::Acquire)
    };
    follow(scene, caller, path, stay, take, has_all);
    scene
        .tally
        .count("messages followed", u64::from(next.get()));
    if !has_all() {
        let fault = format!("a follower of the bus has {} messages", next.get());
        scene.tally.fault(fault);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_missing_or_comes_twice_is_seen() {
        let mut lines = Lines::default();
        for (line, is_fine) in [
            ("line 0 of a", true),
            ("line 0 of b", true),
            ("line 1 of a", true),
            ("line 1 of a", false),
            ("line 2 of a", true),
            ("line 4 of a", false),
            ("line 2 of b", false),
            ("something else", false),
        ] {
            assert_eq!(lines.take(line).is_ok(), is_fine, "{line}");
        }
    }
}
