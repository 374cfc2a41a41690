//! `stop` against everybody who starts a task again.
//!
//! One round: a task keeps ending without DONE, each attempt leaving a descendant that
//! would outlive it. Its own loop, a monitor that looks all the time, or a resume starts it
//! again and again. At a random moment it is stopped. From the return of `stop` on, nothing
//! of it is alive, by the pipe that everything inherited, and several looks of the
//! monitor later nobody has started it.
//!
//! `CL_STOP_RACE_ROUNDS` says how many rounds (10), `CL_SEED` repeats a plan.

use std::time::{Duration, Instant};

use cl_storage::marker::Marker;
use cl_storage::run_info::RunInfo;
use cl_testkit::patience::until;
use cl_testkit::run_agent::Running;
use cl_testkit::scenario::PROJECT;
use rustix::process::Signal;
use serde_json::Value;

use crate::random::{Random, seed};
use crate::rig::{Rig, TASK};

const ROUNDS: u64 = 10;

/// Ends well and soon, but without DONE: whoever may start it again does.
const UNDONE: &str = "version: 1\nsteps:\n  - run: . ./attempt.sh\n  - exit: 0\n";

/// What an attempt does: it leaves two that would outlive it, one of them deaf to TERM.
///
/// A probe is done at once; by its end it tells that the monitor has looked.
const ATTEMPT_SH: &str = "\
case $JRUN_TASK_ID in *probe*) : >$JRUN_TASK_FOLDER/DONE; exit 0;; esac
setsid sleep 600 >/dev/null 2>&1 &
setsid /bin/sh -c 'trap : TERM; while :; do sleep 600 & wait; done' >/dev/null 2>&1 &
sleep 0.05
";

#[expect(clippy::disallowed_methods, reason = "the bound comes from outside")]
fn rounds() -> u64 {
    let given = std::env::var("CL_STOP_RACE_ROUNDS").ok();
    given.and_then(|text| text.parse().ok()).unwrap_or(ROUNDS)
}

/// Who starts the task again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Starter {
    /// The loop of the task itself.
    Loop,
    /// The monitor, after each launch, which makes one attempt.
    Monitor,
    /// A resume that begins at about the moment of the stop.
    Resume,
}

fn todos(rig: &Rig, tasks: &[&str]) {
    let boxes = tasks.iter().map(|task| format!("- [ ] {task}: Work.\n"));
    let text = boxes.collect::<Vec<_>>().concat();
    let list = rig.scenario.work().join("TODOs.md");
    // Whole or not at all: the monitor may be reading it.
    cl_storage::durable::replace(&list, text.as_bytes(), cl_storage::durable::Mode::Shared)
        .unwrap();
}

fn monitor(rig: &Rig) -> Running {
    let flags = [
        "monitor",
        "--project",
        PROJECT,
        "--json",
        "--interval",
        "20ms",
        "--rate-limit",
        "0",
        "--retry-delay",
        "0",
        "--max-attempts",
        "1000",
    ];
    rig.scenario.command(&flags).spawn()
}

/// Has the monitor start and finish another task, twice: it has looked at everything
/// at least once in between.
fn wait_for_looks(rig: &Rig, round: u64) {
    for look in 0..2 {
        let probe = format!("task-20260101-00000{look}-probe-{round}");
        todos(rig, &[TASK, &probe]);
        let list = rig.scenario.work().join("TODOs.md");
        until("a look of the monitor", || {
            let text = std::fs::read_to_string(&list).unwrap_or_default();
            text.contains("- [x]")
        });
    }
}

/// Lets a random time of up to `most` microseconds pass: the moment itself is what is tested.
fn pass(random: &mut Random, most: u64) {
    let moment = Instant::now() + Duration::from_micros(random.next(most));
    while Instant::now() < moment {
        std::thread::yield_now();
    }
}

#[track_caller]
fn stop(rig: &Rig, random: &mut Random) {
    let how: &[&str] = match random.next(3) {
        0 => &["--force"],
        1 => &["--grace", "200ms"],
        _ => &["--grace", "200ms", "--no-restart"],
    };
    rig.command(&["stop"]).args(how).ok();
}

/// Nothing of the task is alive, and its files say so.
#[track_caller]
fn assert_stopped(rig: &Rig, what: &str) {
    assert!(!rig.scenario.survivors().exist(), "{what}: survivors");
    let standing = rig.standing();
    assert!(!standing.active, "{what}: {standing:#?}");
    assert_eq!(standing.owner, "none", "{what}: {standing:#?}");
    assert!(Marker::StopRequested.path(&rig.task()).exists(), "{what}");
    for run in rig.task().runs().unwrap() {
        let info = RunInfo::read(&run).unwrap().unwrap();
        assert_ne!(info.status.as_str(), "running", "{what}: {info:#?}");
    }
}

/// Plays one round; tells whether the stop met something that ran.
fn play(round: u64, starter: Starter, random: &mut Random) -> bool {
    let what = format!("round {round}, {starter:?}");
    let rig = Rig::new(UNDONE).settings("defaults: {agent: actor, stop_suppression: 10m}\n");
    std::fs::write(rig.scenario.work().join("attempt.sh"), ATTEMPT_SH).unwrap();
    todos(&rig, &[]);
    let mut watcher = monitor(&rig);
    match starter {
        Starter::Loop => {
            let begun = rig.start(&["--detach", "--max-attempts", "1000"]);
            begun.ok();
            todos(&rig, &[TASK]);
        }
        Starter::Monitor => {
            rig.start(&["--max-attempts", "1"]).run().assert_code(1);
            todos(&rig, &[TASK]);
            until("the monitor to start it", || {
                rig.task().runs().unwrap().len() > 1
            });
        }
        Starter::Resume => {
            rig.start(&["--detach", "--max-attempts", "1000"]).ok();
            todos(&rig, &[TASK]);
            rig.command(&["stop", "--force"]).ok();
        }
    }
    let resume = (starter == Starter::Resume).then(|| rig.resume(&["--detach"]).spawn());
    pass(random, 400_000);
    let met = rig.standing().active;
    stop(&rig, random);
    if let Some(resume) = resume {
        // One that comes behind the stop is a person's wish to go on, and counts.
        let done = resume.finish();
        assert!(matches!(done.code, Some(0 | 4)), "{what}: {done:#?}");
        if rig.standing().active {
            stop(&rig, random);
        }
    }
    assert_stopped(&rig, &what);
    let begun = rig.task().runs().unwrap().len();
    wait_for_looks(&rig, round);
    assert_eq!(rig.task().runs().unwrap().len(), begun, "{what}: respawned");
    assert_stopped(&rig, &what);
    rig.scenario.assert_no_clash();
    assert!(!watcher.has_ended(), "{what}: the monitor is alive");
    watcher.signal(Signal::TERM);
    let done = watcher.finish();
    done.assert_code(0);
    let skips = done
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|line| line["task"] == TASK && line["action"] == "skip")
        .filter(|line| {
            let reason = line["reason"].as_str().unwrap_or_default();
            reason == "skip restart: stop-requested within window"
        });
    assert!(skips.count() >= 1, "{what}: {}", done.stdout);
    met
}

#[test]
fn whoever_starts_it_again_a_stopped_task_stays_stopped() {
    let seed = seed();
    let rounds = rounds();
    println!("CL_SEED={seed} CL_STOP_RACE_ROUNDS={rounds}");
    let mut random = Random(seed);
    let (mut met, began) = (0_u64, Instant::now());
    for round in 0..rounds {
        let starter =
            [Starter::Loop, Starter::Monitor, Starter::Resume][usize::try_from(round % 3).unwrap()];
        met += u64::from(play(round, starter, &mut random));
    }
    let took = began.elapsed().as_secs();
    println!(
        "{met} of {rounds} stops met something that ran; no survivors, none started again, {took} s"
    );
}
