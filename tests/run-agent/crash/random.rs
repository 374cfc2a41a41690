//! Kills at random moments.
//!
//! The seed is printed, and may be given by `CL_SEED`; what happens at a moment
//! still depends on the machine, so that a seed repeats the plan and not the race.

use std::time::{Duration, Instant};

use cl_testkit::run_agent::Running;
use rustix::process::Signal;

use crate::rig::{Rig, kill};

const MOMENTS: usize = 20;

/// Three attempts, the first two of which end without DONE, with all kinds of steps.
const BUSY: &str = r#"
version: 1
attempts:
  - - run: run-agent bus post --type FACT --body "one $JRUN_ID" >>acknowledged
    - run: {command: "exec setsid sleep 600 >/dev/null 2>&1", background: true}
    - say: "One."
    - run: run-agent bus post --type FACT --body "two $JRUN_ID" >>acknowledged
    - exit: 3
  - - run: run-agent bus post --type FACT --body "three $JRUN_ID" >>acknowledged
    - say: "Two."
    - exit: 0
  - - run: run-agent bus post --type FACT --body "four $JRUN_ID" >>acknowledged
    - output: "Three."
    - done: true
"#;

/// A small generator (splitmix64): enough to spread moments and victims.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % below
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a seed comes from outside, or from the clock"
)]
pub(crate) fn seed() -> u64 {
    let given = std::env::var("CL_SEED").ok().and_then(|s| s.parse().ok());
    let now = std::time::SystemTime::now();
    let since = now.duration_since(std::time::UNIX_EPOCH).unwrap();
    given.unwrap_or_else(|| u64::try_from(since.as_nanos() & 0xFFFF_FFFF).unwrap())
}

/// Lets the task run for a while, then kills who was chosen.
fn strike(rig: &Rig, command: &Running, random: &mut Random) {
    let moment = Instant::now() + Duration::from_micros(random.next(250_000));
    let victims = random.next(4);
    // The moment itself is what is tested: nothing is waited for.
    while Instant::now() < moment {
        std::thread::yield_now();
    }
    if matches!(victims, 0 | 3) {
        command.signal(Signal::KILL);
    }
    if let Some(agent) = rig.agent_process().filter(|_| matches!(victims, 2 | 3)) {
        kill(&agent);
    }
    if let Some(owner) = rig.owner().filter(|_| matches!(victims, 1 | 3)) {
        kill(&owner);
    }
}

#[test]
fn at_twenty_random_moments() {
    let seed = seed();
    println!("CL_SEED={seed}");
    let mut random = Random(seed);
    for moment in 0..MOMENTS {
        println!("moment {moment}");
        let rig = Rig::new(BUSY);
        let command = rig.start(&["--grace", "1s"]).spawn();
        strike(&rig, &command, &mut random);
        if !rig.task().path().join("TASK.md").exists() {
            // Struck before there was anything: whatever comes now is a first start.
            drop(command);
            continue;
        }
        // A stop in between must be as good as none, and twice as good as once.
        if random.next(2) == 0 {
            rig.stop();
            rig.stop();
        } else {
            until_quiet_or_lost(&rig);
        }
        rig.resume(&[]).ok();
        rig.assert_done();
    }
}

/// Waits until the task is lost or over, looking at the truth of what is said of it.
fn until_quiet_or_lost(rig: &Rig) {
    cl_testkit::patience::until("a lost or ended task", || {
        let standing = rig.standing();
        if standing.owner == "lost" {
            rig.assert_lost_and_true();
        }
        standing.owner != "alive"
    });
}
