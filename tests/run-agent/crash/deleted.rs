//! A task's folder, or the lock in it, is taken away while the task runs.

use cl_storage::durable;
use cl_testkit::patience::until;

use crate::rig::{Rig, TASK, WAITING, kill};

fn running(script: &str) -> Rig {
    let rig = Rig::new(script);
    rig.start(&["--detach", "--grace", "200ms"]).ok();
    rig.wait_for_waiting();
    rig.wait_for_recorded_agent();
    rig
}

/// At once: what is emptied step by step may be written to meanwhile.
fn delete(rig: &Rig) {
    let aside = rig.scenario.path().join("deleted");
    durable::rename(rig.task().path(), &aside).unwrap();
    std::fs::remove_dir_all(aside).ok();
}

#[test]
fn a_deleted_folder_ends_everything_and_stays_deleted() {
    let rig = running(WAITING);
    let owner = rig.owner().unwrap();
    delete(&rig);
    until("the supervisor's end", || !owner.is_alive());
    rig.scenario.survivors().wait_for_none();
    assert!(!rig.task().path().exists());
}

#[test]
fn who_waits_for_a_deleted_task_is_told() {
    let rig = Rig::new(WAITING);
    let command = rig.start(&["--grace", "200ms"]).spawn();
    rig.wait_for_waiting();
    delete(&rig);
    let told = command.finish();
    told.assert_code(1);
    assert!(told.stderr.contains("is gone"), "{told:?}");
    rig.scenario.survivors().wait_for_none();
}

#[test]
fn a_folder_that_took_the_place_of_another_is_not_touched() {
    let rig = running(WAITING);
    let owner = rig.owner().unwrap();
    let aside = rig.scenario.path().join("aside");
    let (place, temporary) = (rig.task().path().to_owned(), aside.with_extension("new"));
    std::fs::create_dir(&temporary).unwrap();
    durable::rename(&place, &aside).unwrap();
    durable::rename(&temporary, &place).unwrap();
    until("the supervisor's end", || !owner.is_alive());
    rig.scenario.survivors().wait_for_none();
    assert_eq!(std::fs::read_dir(&place).unwrap().count(), 0);
    let log = std::fs::read_to_string(aside.join("supervisor.log")).unwrap();
    assert!(log.contains("is gone or was replaced"), "{log}");
}

#[test]
fn a_deleted_lock_ends_the_supervisor_and_leaves_a_lost_task() {
    let rig = running(WAITING);
    let owner = rig.owner().unwrap();
    std::fs::remove_file(rig.task().owner_lock()).unwrap();
    until("the supervisor's end", || !owner.is_alive());
    rig.scenario.survivors().wait_for_none();
    rig.assert_lost_and_true();
    rig.resume_to_done();
}

#[test]
fn what_is_left_of_a_deleted_task_is_listed_and_can_be_stopped() {
    let rig = running(WAITING);
    kill(&rig.owner().unwrap());
    std::fs::remove_dir_all(rig.task().path()).unwrap();
    let shown = rig.scenario.command(&["ps", "--json"]).ok().json();
    let rows = shown["processes"].as_array().unwrap();
    assert!(!rows.is_empty());
    for row in rows {
        assert_eq!(
            (&row["task"], &row["note"]),
            (&TASK.into(), &"folder is gone".into())
        );
    }
    let stopped = rig.command(&["stop", "--grace", "200ms"]).ok();
    assert!(stopped.stdout.contains("its folder is gone"), "{stopped:?}");
    assert!(!rig.scenario.survivors().exist());
    assert!(!rig.task().path().exists());
    rig.command(&["stop"]).run().assert_code(3);
}
