//! A process id is only a number: after a reuse or a reboot it names a stranger.

use std::process::{Child, Command, Stdio};

use cl_storage::owner::Owner;
use cl_storage::process::{ProcessIdentity, ProcessStart};
use cl_storage::run_info;

use crate::rig::{Rig, WAITING, kill};

/// A process that has nothing to do with any task.
struct Stranger(Child);

impl Stranger {
    fn new() -> Self {
        #[expect(clippy::disallowed_methods, reason = "a process of somebody else")]
        let mut command = Command::new("sleep");
        command.arg("600").env_clear().stdout(Stdio::null());
        Self(command.spawn().unwrap())
    }

    fn pid(&self) -> i32 {
        i32::try_from(self.0.id()).unwrap()
    }

    fn is_unharmed(&mut self) -> bool {
        // TERM and KILL would have ended it; it handles neither.
        self.0.try_wait().unwrap().is_none()
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.0.kill().unwrap_or_default();
        self.0.wait().ok();
    }
}

/// A task whose supervisor and agent are dead.
fn dead_task() -> Rig {
    let rig = Rig::new(WAITING);
    rig.start(&["--detach"]).ok();
    rig.wait_for_waiting();
    let agent = rig.wait_for_recorded_agent();
    rig.kill_supervisor();
    kill(&agent);
    rig.scenario.survivors().wait_for_none();
    rig
}

/// Makes owner and agent of the records other processes.
fn rewrite(rig: &Rig, change: impl Fn(&mut ProcessIdentity)) {
    let task = rig.task();
    let mut owner = Owner::read(&task).unwrap().unwrap();
    let mut identity = owner.identity();
    change(&mut identity);
    (owner.pid, owner.process_start) = (identity.pid, identity.start);
    let text = std::fs::read_to_string(task.owner()).unwrap();
    let old = Owner::read(&task).unwrap().unwrap();
    let text = text
        .replace(&format!("pid: {}", old.pid), &format!("pid: {}", owner.pid))
        .replace(
            &old.process_start.to_string(),
            &owner.process_start.to_string(),
        );
    std::fs::write(task.owner(), text).unwrap();
    assert_eq!(Owner::read(&task).unwrap().unwrap().pid, owner.pid);
    for run in task.runs().unwrap() {
        run_info::update(&run, |info| {
            let mut identity = ProcessIdentity {
                pid: info.pid,
                start: info.process_start.clone().unwrap(),
            };
            change(&mut identity);
            (info.pid, info.pgid) = (identity.pid, identity.pid);
            info.process_start = Some(identity.start);
        })
        .unwrap();
    }
}

/// Whatever is asked, the stranger lives, and nothing of the task counts as alive:
/// `recover` makes its next attempt.
#[track_caller]
fn check_is_dead(rig: &Rig, mut strangers: Vec<Stranger>) {
    let standing = rig.assert_lost_and_true();
    assert_eq!(standing.status, "running", "{standing:#?}");
    rig.command(&["bus", "post", "--body", "wakes nobody"]).ok();
    rig.stop();
    rig.scenario.command(&["recover"]).ok();
    rig.resume_to_done();
    for stranger in &mut strangers {
        assert!(stranger.is_unharmed());
    }
}

#[test]
fn a_stranger_with_the_pid_of_owner_and_agent_is_never_signalled() {
    let rig = dead_task();
    let stranger = Stranger::new();
    rewrite(&rig, |identity| identity.pid = stranger.pid());
    check_is_dead(&rig, vec![stranger]);
}

#[test]
fn after_a_reboot_the_same_numbers_are_other_processes() {
    let rig = dead_task();
    let stranger = Stranger::new();
    let mut found = ProcessIdentity::of(stranger.pid()).unwrap().unwrap();
    assert!(found.is_alive());
    let boot = cl_storage::process::boot_id().unwrap();
    let token = found.start.to_string();
    let token = token.replace(&boot, "00000000-1111-2222-3333-444444444444");
    found.start = ProcessStart::parse(&token).unwrap();
    rewrite(&rig, |identity| identity.clone_from(&found));
    check_is_dead(&rig, vec![stranger]);
}

#[test]
fn a_stranger_that_leads_a_group_of_the_agents_number_is_spared() {
    let rig = dead_task();
    // The session of this shell has its pid, as an agent's would.
    #[expect(clippy::disallowed_methods, reason = "a process of somebody else")]
    let mut command = Command::new("setsid");
    let child = command.args(["sleep", "600"]).env_clear().spawn().unwrap();
    let stranger = Stranger(child);
    rewrite(&rig, |identity| identity.pid = stranger.pid());
    check_is_dead(&rig, vec![stranger]);
}
