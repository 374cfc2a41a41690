//! A server that is killed while it replaces its own program.
//!
//! Repeated `CL_KILL_ROUNDS` times (5) at moments of chance.

use std::fs;
use std::hash::{BuildHasher as _, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;

use cl_testkit::patience::{until, within};
use rustix::process::{Pid, Signal, kill_process};

use crate::updating::{Installed, digest};

/// About as long as an update takes.
const LONGEST: u64 = 3000;

#[test]
#[expect(clippy::disallowed_methods, reason = "how often is up to the caller")]
fn a_kill_during_an_update_leaves_the_old_or_the_new_build_and_never_none() {
    let rounds = std::env::var("CL_KILL_ROUNDS").ok();
    let rounds = rounds.map_or(5, |rounds| rounds.parse().unwrap());
    let mut found = [0, 0];
    for round in 0..rounds {
        let moment = RandomState::new().hash_one(round) % LONGEST;
        found[usize::from(killed_after(Duration::from_millis(moment)))] += 1;
    }
    println!(
        "{} times the old build was found, {} times the new one",
        found[0], found[1]
    );
}

/// Kills the server so long after an update was asked for; tells whether the new build serves then.
fn killed_after(moment: Duration) -> bool {
    let installed = Installed::new();
    let candidate = installed.another_build();
    let (old, new) = (digest(&installed.program()), digest(&candidate));
    let server = installed.serve("");
    let (status, body) = installed.ask(&candidate, &new, "");
    assert_eq!(status, 202, "{body}");
    // Nothing is waited for but the moment.
    let never: Option<()> = within(moment, || None);
    assert!(never.is_none());
    kill_process(Pid::from_raw(server.pid).unwrap(), Signal::KILL).unwrap();
    until("its end", || !server.identity().is_alive());
    // What was tried out does not outlive the one who tried it.
    until("the end of the trial", || {
        running_below(installed.place.path()) == 0
    });

    let found = digest(&installed.program());
    assert!(found == old || found == new, "after {moment:?}");
    let next = installed.serve("");
    assert!(next.is_alive());
    until("the end of the update", || {
        // While it becomes the other build nobody answers.
        let status = catch_unwind(AssertUnwindSafe(|| installed.status()));
        status.is_ok_and(|status| status["state"] == "idle" || status["state"] == "failed")
    });
    let serving = digest(Path::new(&format!("/proc/{}/exe", installed.record().pid)));
    assert!(serving == old || serving == new, "after {moment:?}");
    assert_eq!(digest(&installed.program()), serving, "after {moment:?}");
    installed.place.run("serve stop").ok();
    serving == new
}

/// Counts the processes whose program is below `folder`.
fn running_below(folder: &Path) -> usize {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let programs = processes.filter_map(|entry| fs::read_link(entry.path().join("exe")).ok());
    programs
        .filter(|program| program.starts_with(folder))
        .count()
}
