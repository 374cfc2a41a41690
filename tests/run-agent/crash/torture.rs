//! Kills at random moments, with trees that do all they can to outlive their run.
//!
//! One round: a task is started; its agent starts descendants that leave their group and
//! session, are orphaned, ignore TERM and clear their environment; at a random moment the
//! command, the supervisor, the agent, any two of them or all are killed; then the task is
//! stopped, resumed or recovered, and stopped. After that nothing of it is alive: not by
//! the pipe that everything inherited, and not by the number and start of any process
//! that was seen meanwhile.
//!
//! `CL_TORTURE_ROUNDS` says how many rounds (20), `CL_SEED` repeats a plan.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use cl_storage::process::{ProcessIdentity, ProcessStart};
use cl_testkit::patience::until;
use cl_testkit::run_agent::Running;
use rustix::process::Signal;

use crate::random::{Random, seed};
use crate::rig::{Rig, kill};

const ROUNDS: u64 = 20;

/// What every attempt leaves behind before it works on; each writes down who it is.
const HARDY: &str = r#"
version: 1
steps:
  - run: {command: "exec /bin/sh hardy.sh plain", background: true}
  - run: {command: "exec setsid /bin/sh hardy.sh session", background: true}
  - run: {command: "setsid /bin/sh -c '/bin/sh hardy.sh double & exit'", background: true}
HIDDEN
  - run: {command: "exec nohup /bin/sh hardy.sh nohup >/dev/null 2>&1", background: true}
  - write: {path: waiting, content: "x"}
  - run: run-agent bus post --type FACT --body "at work $JRUN_ID" >>acknowledged
  - wait_for: {file: go, timeout: 300s}
  - done: true
"#;

/// One that only a control group still tells of when agent and supervisor are killed.
const HIDDEN: &str = r#"  - run: {command: "setsid env -i /bin/sh -c '/bin/sh hardy.sh hidden & exit'", background: true}
"#;

#[expect(clippy::print_stdout, reason = "a skipped check must be told")]
fn can_find_hidden() -> bool {
    let found = cl_runner::process::leaf::availability();
    if let Err(why) = &found {
        println!("SKIPPED: a process that hides in every way: {why}");
    }
    found.is_ok()
}

/// Ignores what can be ignored, starts a child of its own, and says who both are.
const HARDY_SH: &str = "\
trap : TERM HUP INT
tell() { read -r line </proc/$1/stat && echo \"$1 ${line##*) }\" >>seen; }
tell $$
while :; do sleep 0.3 & tell $!; wait; done
";

#[expect(clippy::disallowed_methods, reason = "the bound comes from outside")]
fn rounds() -> u64 {
    let given = std::env::var("CL_TORTURE_ROUNDS").ok();
    given.and_then(|text| text.parse().ok()).unwrap_or(ROUNDS)
}

/// Kills who was chosen, at the chosen moment, in a random order.
fn strike(rig: &Rig, command: &Running, random: &mut Random) -> &'static str {
    let moment = Instant::now() + Duration::from_micros(random.next(400_000));
    let victims = random.next(6);
    // The moment itself is what is tested: nothing is waited for.
    while Instant::now() < moment {
        std::thread::yield_now();
    }
    let (cli, agent, supervisor) = match victims {
        0 => (true, false, false),
        1 => (false, true, false),
        2 => (false, false, true),
        3 => (false, true, true),
        4 => (true, false, true),
        _ => (true, true, true),
    };
    let is_agent_first = random.next(2) == 0;
    if cli {
        command.signal(Signal::KILL);
    }
    let kill_agent = || rig.agent_process().iter().for_each(kill);
    if agent && is_agent_first {
        kill_agent();
    }
    if supervisor {
        rig.owner().iter().for_each(kill);
    }
    if agent && !is_agent_first {
        kill_agent();
    }
    [
        "command",
        "agent",
        "supervisor",
        "agent and supervisor",
        "command and supervisor",
        "all",
    ][usize::try_from(victims).unwrap()]
}

/// Returns everything that has told who it is: number and start, as after a reuse they differ.
fn seen(rig: &Rig) -> BTreeSet<(i32, u64)> {
    let text = std::fs::read_to_string(rig.scenario.work().join("seen")).unwrap_or_default();
    let of = |line: &str| {
        let mut fields = line.split_ascii_whitespace();
        let pid = fields.next()?.parse().ok()?;
        // The first field behind the name is the third of the kernel's line; the start is field 22.
        Some((pid, fields.nth(19)?.parse().ok()?))
    };
    text.lines().filter_map(of).collect()
}

fn is_alive(pid: i32, ticks: u64) -> bool {
    let boot = cl_storage::process::boot_id().unwrap();
    let start = ProcessStart::parse(&format!("{boot}:{ticks}")).unwrap();
    ProcessIdentity { pid, start }.is_alive()
}

/// Tells whether any process was started for the round, but for this one.
fn anybody(rig: &Rig) -> bool {
    let mark = rig.scenario.path().as_os_str().as_encoded_bytes();
    let pids = cl_storage::process::all_pids().unwrap().into_iter();
    pids.filter(|pid| ProcessIdentity::of(*pid).is_ok_and(|it| it.is_some_and(|it| it.is_alive())))
        .filter_map(|pid| std::fs::read(format!("/proc/{pid}/environ")).ok())
        .any(|environment| environment.windows(mark.len()).any(|part| part == mark))
}

#[test]
fn nothing_survives_whoever_is_killed_whenever() {
    let seed = seed();
    let rounds = rounds();
    println!("CL_SEED={seed} CL_TORTURE_ROUNDS={rounds}");
    let mut random = Random(seed);
    let script = HARDY.replace("HIDDEN\n", if can_find_hidden() { HIDDEN } else { "" });
    let (mut landed, mut processes) = (0_u64, 0_usize);
    for round in 0..rounds {
        let rig = Rig::new(&script);
        std::fs::write(rig.scenario.work().join("hardy.sh"), HARDY_SH).unwrap();
        let command = rig.start(&["--grace", "300ms"]).spawn();
        let victims = strike(&rig, &command, &mut random);
        let way = random.next(3);
        println!("round {round}: {victims}, way {way}");
        // Struck before there was a task, the supervisor may be on its way.
        let is_there = || rig.task().path().join("TASK.md").exists();
        until("a task, or nobody to make one", || {
            is_there() || !anybody(&rig)
        });
        if is_there() {
            landed += 1;
            match way {
                0 => {}
                1 => drop(rig.resume(&["--detach"]).run()),
                _ => drop(rig.scenario.command(&["recover"]).run()),
            }
            rig.command(&["stop", "--grace", "300ms"]).ok();
        }
        assert!(
            !rig.scenario.survivors().exist(),
            "round {round}: {victims}, way {way}"
        );
        let seen = seen(&rig);
        processes += seen.len();
        for (pid, ticks) in seen {
            assert!(!is_alive(pid, ticks), "round {round}: {pid} lives");
        }
        if rig.task().exists() {
            let standing = rig.standing();
            assert!(!standing.active, "round {round}: {standing:#?}");
        }
    }
    println!("{landed} of {rounds} rounds struck a task; {processes} processes seen, none left");
    assert!(
        landed * 2 >= rounds,
        "{landed} of {rounds} rounds struck a task"
    );
}
