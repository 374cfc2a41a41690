//! Starts of a task that is at work.

use std::path::Path;

use cl_testkit::patience::until;

use crate::stage::Stage;

#[test]
fn a_second_start_does_not_do_again_what_ends_while_it_waits() {
    for verb in ["task", "job"] {
        let stage = Stage::new("  - wait_for: {file: @/go, timeout: 300s}\n  - done: true");
        let first = stage.launch(verb, "top", "").spawn();
        stage.wait_for_lines("begun", 1);
        let second = stage.launch(verb, "top", "").spawn();
        let lock = stage.dir("top").owner_lock();
        until("the second one before the lock", || holders(&lock) == 2);
        stage.touch("go");
        first.finish().assert_code(0);
        let second = second.finish();
        second.assert_code(4);
        assert!(second.stderr.contains("was running already"), "{second:?}");
        assert_eq!(stage.lines("begun").len(), 1);
        assert_eq!(stage.runs("top").len(), 1);
        // The wait over, it may be asked for anew.
        stage.launch(verb, "top", "").ok();
        stage.assert_nobody_left();
    }
}

/// Counts the processes that have `file` open.
fn holders(file: &Path) -> usize {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let has = |folder: &Path| {
        let open = std::fs::read_dir(folder.join("fd")).into_iter().flatten();
        let mut open = open.flatten().map(|entry| entry.path());
        open.any(|entry| std::fs::read_link(entry).is_ok_and(|to| to == file))
    };
    processes.filter(|entry| has(&entry.path())).count()
}
