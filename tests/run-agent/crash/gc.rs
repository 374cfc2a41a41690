//! Garbage collection that is killed, or meets a task that starts.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use cl_storage::RunDir;

use crate::rig::{Rig, WAITING};

/// Returns a rig whose task has two runs that ended, with a tree in the first.
fn swept() -> (Rig, Vec<RunDir>) {
    let rig = Rig::new("version: 1\nattempts:\n  - - exit: 3\n  - - done: true\n");
    rig.start(&[]).ok();
    let runs = rig.task().runs().unwrap();
    assert_eq!(runs.len(), 2);
    let deep = runs[0].path().join("left/by/agent");
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("file"), "x").unwrap();
    (rig, runs)
}

/// Lists what is in the runs folder: whole runs, then what readers ignore.
fn standing(rig: &Rig) -> (usize, usize) {
    let folder = rig.task().runs_folder();
    let names = fs::read_dir(folder).unwrap();
    let (hidden, whole): (Vec<String>, Vec<String>) = names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .partition(|name| name.starts_with('.'));
    (whole.len(), hidden.len())
}

#[track_caller]
fn check(point: &str, after: (usize, usize)) {
    let (rig, runs) = swept();
    let gc = ["gc", "--older-than", "0"];
    rig.scenario.command(&gc).crash_at(point).run();
    rig.assert_crashed_at(point.split(':').next().unwrap());
    assert_eq!(standing(&rig), after);
    // What is still a run is a whole one, and the task is what it was.
    for run in rig.task().runs().unwrap() {
        assert!(run.info().exists());
    }
    if after.0 > 0 {
        assert_eq!(rig.standing().status, "all_finished");
    }
    rig.scenario.command(&gc).ok();
    assert_eq!(standing(&rig), (0, 0));
    assert!(runs.iter().all(|run| !run.path().exists()));
}

#[test]
fn a_run_is_whole_or_gone_and_the_next_collection_goes_on() {
    check("gc-before-rename", (2, 0));
    check("renamed-inside", (1, 1));
    check("gc-before-rename:2", (1, 1));
    check("gc-removing", (0, 2));
    check("gc-removing:4", (0, 2));
}

#[test]
fn a_task_folder_is_whole_or_gone() {
    let rig = Rig::new("version: 1\nsteps:\n  - done: true\n");
    rig.start(&[]).ok();
    let gc = ["gc", "--older-than", "0", "--delete-done-tasks"];
    // The first rename is the run's, the second the task's.
    for point in ["gc-before-rename:2", "renamed-inside"] {
        assert!(rig.task().prompt().exists(), "before {point}");
        rig.scenario.command(&gc).crash_at(point).run();
    }
    assert!(!rig.task().path().exists());
    rig.scenario.command(&gc).ok();
    let project = rig.task().path().parent().unwrap().to_owned();
    // The project's bus stays, and says that the task was done.
    let names: Vec<_> = fs::read_dir(project)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["PROJECT-MESSAGE-BUS.md"]);
    rig.start(&[]).ok();
    rig.assert_done();
}

#[test]
fn a_task_that_starts_is_left_alone() {
    let rig = Rig::new(WAITING);
    rig.scenario.release("go");
    rig.start(&[]).ok();
    let is_over = AtomicBool::new(false);
    let gc = ["gc", "--older-than", "0", "--orphans"];
    let codes: Vec<Option<i32>> = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                rig.scenario.command(&gc).ok();
            }
        });
        let codes = (0..8).map(|_| rig.resume(&[]).run().code).collect();
        is_over.store(true, Ordering::Relaxed);
        codes
    });
    assert_eq!(codes, [Some(0); 8]);
    rig.assert_done();
}
