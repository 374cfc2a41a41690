//! `task delete` that is killed.

use std::fs;

use crate::rig::{Rig, TASK};

/// Lists the task folders of the project, those that readers ignore last.
fn folders(rig: &Rig) -> (usize, usize) {
    let project = rig.task().path().parent().unwrap().to_owned();
    let names = fs::read_dir(project).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let (hidden, others): (Vec<String>, Vec<String>) =
        names.partition(|name| name.starts_with('.'));
    let whole = others.iter().filter(|name| *name == TASK).count();
    (whole, hidden.len())
}

#[track_caller]
fn check(point: &str, after: (usize, usize)) {
    let rig = Rig::new("version: 1\nsteps:\n  - done: true\n");
    rig.start(&[]).ok();
    let delete = ["task", "delete", "--yes"];
    rig.command(&delete).crash_at(point).run();
    rig.assert_crashed_at(point);
    assert_eq!(folders(&rig), after, "{point}");
    if after.0 == 1 {
        // As it was, down to its lock: it can be looked at, started and deleted.
        assert_eq!(rig.standing().status, "all_finished");
        rig.command(&delete).ok();
    } else {
        rig.command(&delete).run().assert_code(3);
        rig.scenario.command(&["gc"]).ok();
    }
    assert_eq!(folders(&rig), (0, 0), "{point}");
    rig.start(&[]).ok();
    rig.assert_done();
}

#[test]
fn a_killed_deletion_leaves_the_task_or_what_gc_removes() {
    check("gc-before-rename", (1, 0));
    check("renamed-inside", (0, 1));
    check("gc-removing", (0, 1));
}
